"""The fingerprint follows content and nothing else; the cache only saves reading."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from sbas_assets import digests
from sbas_assets.errors import InputError, OutsideError
from sbas_assets.topsstack import fingerprint as fingerprint_module
from sbas_assets.topsstack.fingerprint import Fingerprint, fingerprint
from sbas_assets.topsstack.origin import isce_version, orbits
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.tree import StackLayout, scan
from sbas_assets_tests.topsstack.golden import STACK, needs_golden
from sbas_assets_tests.topsstack.planting import BASE, COR, FIRST, GEOM, IFG, IW1, SECOND, THIRD, UNW, cut, edit
from sbas_assets_tests.topsstack.writer import write_baseline, write_pair


def mark(stack: Path, cache: Path | None = None) -> Fingerprint:
    return fingerprint(preflight(stack), cache)


def flip(path: Path) -> None:
    """Change one byte, leaving size and modification time as they were."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_moved_and_touched_stack_has_the_same_fingerprint(stack, tmp_path):
    before = mark(stack)
    moved = tmp_path / "elsewhere" / "copy"
    shutil.copytree(stack, moved)
    for path in moved.rglob("*.xml"):
        path.write_text(path.read_text().replace("/data/elsewhere", "/scratch/other"))
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    assert mark(moved) == before


def test_headers_that_name_absolute_paths_of_another_machine_do_not_count(stack):
    before = mark(stack)
    edit(f"{UNW}.xml", "/data/elsewhere/", "/home/other/")(stack)
    edit(IW1, "</component>\n</component>", '<property name="file_name"><value>/x</value></property></component>\n</component>', 1)(stack)  # fmt: skip  # noqa: E501
    assert mark(stack) == before


def test_changed_pixel_changes_its_pair_and_the_version_only(stack):
    before = mark(stack)
    flip(stack / COR)
    after = mark(stack)
    assert after.version != before.version
    assert after.pairs[FIRST] != before.pairs[FIRST]
    assert {name: after.pairs[name] for name in (SECOND, THIRD)} == {n: before.pairs[n] for n in (SECOND, THIRD)}
    assert (after.geometry, after.reference, after.baselines) == (before.geometry, before.reference, before.baselines)


@pytest.mark.parametrize(
    ("part", "plant"),
    [
        ("geometry", lambda s: flip(s / GEOM / "hgt.rdr")),
        ("geometry", edit(f"{GEOM}/hgt.rdr.full.xml", "<value>37<", "<value>49<")),
        ("reference", edit(IW1, "799611.1154763321", "799611.1154763322")),
        ("baselines", edit(BASE, "21.0", "21.5")),
    ],
    ids=["height", "looks", "range", "baseline"],
)
def test_changed_shared_content_changes_its_part(stack, part, plant):
    before = mark(stack)
    plant(stack)
    after = mark(stack)
    assert after.version != before.version
    changed = {name for name, value in after.to_dict().items() if value != before.to_dict()[name]}
    assert changed == {"version", part}


def test_new_acquisition_leaves_the_digests_of_the_old_pairs(stack):
    before = mark(stack)
    write_baseline(stack, "20200511", "20200616", 3.0)
    write_pair(stack, "20200604_20200616", seed=8)
    after = mark(stack)
    assert after.version != before.version
    assert before.pairs.items() < after.pairs.items()
    assert before.baselines.items() < after.baselines.items()


def test_dropped_pair_does_not_count(stack):
    cut(COR)(stack)
    damaged = mark(stack)
    shutil.rmtree(stack / IFG / FIRST)
    assert mark(stack) == damaged


def test_cache_saves_reading_and_never_changes_the_answer(stack, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "SETTLED_NS", 0)
    cache = tmp_path / "cache" / "digests.json"
    before = mark(stack, cache)
    read: list[Path] = []
    original = digests._read
    monkeypatch.setattr(digests, "_read", lambda path: read.append(path) or original(path))
    assert mark(stack, cache) == before
    assert read == []
    flip(stack / COR)
    assert mark(stack, cache) == mark(stack)
    assert read[0] == stack / COR
    assert mark(stack, cache).version != before.version


def test_file_that_changed_a_moment_ago_is_not_remembered(stack, tmp_path):
    cache = tmp_path / "digests.json"
    mark(stack, cache)
    assert not cache.exists() or json.loads(cache.read_text()) == {}


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"x": 3}'])
def test_damaged_cache_costs_time_only(stack, tmp_path, content):
    cache = tmp_path / "digests.json"
    cache.write_text(content)
    assert mark(stack, cache) == mark(stack)


def test_file_that_is_written_while_it_is_read_can_be_tried_again(stack, monkeypatch):
    original = digests._read

    def grow(path: Path) -> str:
        digest = original(path)
        with path.open("ab") as file:
            file.write(b"x")
        return digest

    monkeypatch.setattr(digests, "_read", grow)
    with pytest.raises(OutsideError, match="file-changing"):
        digests.Digests().of_all([stack / COR])


def test_file_that_vanished_is_named(stack):
    with pytest.raises(InputError, match=r"file-unreadable.*nothing\.here"):
        fingerprint_module._digests([stack / "nothing.here"], None)


def test_origin_of_the_tiny_stack(stack):
    found = orbits(stack)
    assert found["20200511"]["kind"] == "POEORB"
    assert found["20200511"]["file"].startswith("S1A_OPER_AUX_POEORB")
    assert "2.6.5" in isce_version(scan(StackLayout(stack)))


@pytest.mark.parametrize(
    ("source", "kind"), [("Annotation", "annotation"), ("header", "annotation"), ("x/S1A_RESORB.EOF", "RESORB")]
)
def test_kind_of_orbit_is_told_from_its_source(stack, source, kind):
    edit(IW1, "S1A_OPER_AUX_POEORB_OPOD_20200531T120818_V20200510T225942_20200512T005942.EOF", source)(stack)
    assert orbits(stack)["20200511"]["kind"] == kind


def test_unreadable_product_has_an_unknown_orbit(stack):
    (stack / "secondarys/20200523").mkdir(parents=True)
    (stack / "secondarys/20200523/IW1.xml").write_text("<half")
    assert orbits(stack)["20200523"] == {"file": None, "kind": "unknown"}


@needs_golden
def test_orbits_of_every_acquisition_are_told():
    found = orbits(STACK)
    assert list(found) == ["20200511", "20200523", "20200604", "20200616"]
    assert {orbit["kind"] for orbit in found.values()} == {"POEORB"}
