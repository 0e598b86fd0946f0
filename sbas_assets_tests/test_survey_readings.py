"""A later run takes from the last one what the files of a stack said, but of files only that have not changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbas_assets import digests
from sbas_assets.errors import InputError
from sbas_assets.topsstack import origin, rasters
from sbas_assets.topsstack.checks import images
from sbas_assets_tests.test_survey import Surveyor
from sbas_assets_tests.topsstack.planting import FIRST, IFG, IW1, UNW, edit, remove


class Runs(Surveyor):
    """Runs of one frame, each in a process of its own; notes which files they open."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self.opened: list[str] = []
        self.number = 0
        for module, name in ((rasters, "parse_xml"), (images, "read_band"), (origin.ET, "iterparse")):
            patch.setattr(module, name, self._noting(getattr(module, name)))

    def _noting[**P, R](self, call: Callable[P, R]) -> Callable[P, R]:
        def noted(*args: P.args, **kwargs: P.kwargs) -> R:
            self.opened.append(Path(str(args[0])).relative_to(self.stack).as_posix())
            return call(*args, **kwargs)

        return noted

    def run(self) -> list[str]:
        """Files that a run opens."""
        rasters._as_it_was.cache_clear()
        self.opened.clear()
        self.number += 1
        self.ask(f"run {self.number}")
        return sorted(self.opened)

    @property
    def readings(self) -> Path:
        return self.frame.workspace.stack_readings


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**9))  # files written just now count as old
    with monkeypatch.context() as patch:
        yield Runs(tmp_path, patch)
    rasters._as_it_was.cache_clear()


def test_a_later_run_opens_no_file_that_has_not_changed(runs: Runs) -> None:
    assert runs.run()
    assert runs.run() == []


def test_a_header_that_has_changed_is_read_again_and_no_other(runs: Runs) -> None:
    runs.run()
    edit(f"{UNW}.xml", "/data/elsewhere/", "/home/other/")(runs.stack)
    assert runs.run() == [f"{UNW}.xml"]


def test_an_image_that_is_emptied_in_place_leaves_its_pair_out(runs: Runs) -> None:
    runs.run()
    image = runs.stack / UNW
    image.write_bytes(bytes(image.stat().st_size))
    assert runs.run() == [UNW]
    assert FIRST in runs.ask("another").facts["pairs_dropped"]


def test_another_orbit_of_a_product_is_seen(runs: Runs) -> None:
    before = runs.ask("one").facts["orbits"]
    edit(IW1, "AUX_POEORB", "AUX_RESORB")(runs.stack)
    after = runs.ask("two").facts["orbits"]
    (date,) = [date for date, orbit in after.items() if orbit != before[date]]
    assert (before[date]["kind"], after[date]["kind"]) == ("POEORB", "RESORB")


def test_a_header_that_cannot_be_read_is_asked_for_every_time(runs: Runs) -> None:
    header = runs.stack / f"{UNW}.xml"
    whole = header.read_bytes()
    header.write_bytes(whole[:100])
    assert f"{UNW}.xml" in runs.run()
    assert f"{UNW}.xml" in runs.run()
    header.write_bytes(whole)
    runs.run()
    assert not runs.ask("repaired").facts["pairs_dropped"]


def test_files_of_a_pair_that_has_gone_are_forgotten(runs: Runs) -> None:
    runs.run()
    assert FIRST in runs.readings.read_text()
    remove(f"{IFG}/{FIRST}")(runs.stack)
    runs.run()
    assert FIRST not in runs.readings.read_text()


def test_files_that_have_just_changed_are_not_remembered(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", 60 * 10**9)
    assert runs.run() == runs.run() != []


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"format": 1}', '{"format": 1, "read": {"header": [3]}}', '{"format": 0, "read": {}}'],
)
def test_a_damaged_memory_is_started_afresh(runs: Runs, content: str) -> None:
    first = runs.run()
    kept = runs.readings.read_text()
    runs.readings.write_text(content)
    assert runs.run() == first
    assert json.loads(runs.readings.read_text()) == json.loads(kept)


def test_a_stack_that_is_refused_is_remembered_too(runs: Runs) -> None:
    remove("reference")(runs.stack)
    for _ in range(2):
        with pytest.raises(InputError):
            runs.run()
    assert not any(name.startswith("merged") for name in runs.opened)
