"""`publish`, `versions` and `rollback`, on a frame with two versions that the command line has two_versions."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.published.reading import open_frame
from sbas_assets_tests.cli.conftest import KEY, PRODUCTS, Call, Frame, item_version, reliable

# --- versions ---


def test_every_change_of_an_option_is_a_version_and_readers_see_the_last(two_versions: Frame, sbas: Call) -> None:
    assert two_versions.first != two_versions.second
    done = sbas("versions", KEY, "--json", root=two_versions.root)
    assert done.code == 0, done.err
    second, first = done.json
    assert (second["version"], first["version"]) == (two_versions.second, two_versions.first)
    assert (second["publication"], first["publication"]) == (2, 1)
    assert (second["current"], first["current"]) == (True, False)
    assert (second["withheld"], first["withheld"]) == (False, False)
    assert second["products"].keys() == first["products"].keys() == PRODUCTS
    changed = {name for name in PRODUCTS if second["products"][name] != first["products"][name]}
    assert changed == {"demErr", "timeseries_demErr", "velocity"}
    assert second["created"] > first["created"]
    assert min(first["n_bytes"], second["n_bytes"]) > 100_000
    assert two_versions.seen() == two_versions.second


def test_versions_are_listed_for_people_in_digits_that_rollback_takes(two_versions: Frame, sbas: Call) -> None:
    done = sbas("versions", KEY, root=two_versions.root)
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    (second,) = (words for words in lines if words[:1] == [two_versions.second[:12]])
    (first,) = (words for words in lines if words[:1] == [two_versions.first[:12]])
    assert "now" in second
    assert "now" not in first
    assert second[-1] == first[-1] == str(len(PRODUCTS))


def test_who_has_only_the_store_sees_its_versions_and_goes_back(frame: Frame, tmp_path: Path, sbas: Call) -> None:
    elsewhere = {"SBAS_STORE": str(frame.root / "store")}
    assert len(sbas("versions", KEY, "--json", env=elsewhere).json) == 2
    assert sbas("verify", KEY, env=elsewhere).code == 0
    assert sbas("rollback", KEY, frame.first[:6], env=elsewhere).code == 0
    assert frame.seen() == frame.first
    assert not (tmp_path / "frames").exists()


def test_of_a_frame_that_was_never_published_there_are_no_versions(call: Call) -> None:
    done = call("versions", "T001A_never")
    assert done.code == 0
    assert "nothing of T001A_never is published in " in done.out
    assert call("versions", "T001A_never", "--json").json == []


# --- tags ---


def test_a_tag_names_a_version_moves_and_goes(frame: Frame, call: Call) -> None:
    tagged = call("versions", KEY, "--tag", frame.first[:5], "paper-2026.1", "--json")
    assert tagged.code == 0, tagged.err
    assert [entry["tags"] for entry in tagged.json] == [[], ["paper-2026.1"]]
    assert "paper-2026.1" in call("versions", KEY).out
    assert open_frame(str(frame.store), "paper-2026.1").attrs["version"] == frame.first
    assert call("verify", KEY, "--version", "paper-2026.1").code == 0
    moved = call("versions", KEY, "--tag", frame.second, "paper-2026.1", "--json")
    assert [entry["tags"] for entry in moved.json] == [["paper-2026.1"], []]
    gone = call("versions", KEY, "--untag", "paper-2026.1", "--json")
    assert [entry["tags"] for entry in gone.json] == [[], []]
    assert frame.seen() == frame.second


@pytest.mark.parametrize(
    "tag", ["../../../escaped", "/tmp/escaped", ".hidden", "a/b", "", "x" * 65, "a b", "0" * 32, "ü"]
)
def test_a_tag_that_is_no_name_is_refused_and_writes_nothing(frame: Frame, call: Call, tag: str) -> None:
    before = sorted(frame.root.rglob("*"))
    done = call("versions", KEY, "--tag", frame.first, tag, "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "tag-invalid"
    assert done.json["error"]["mend"]
    assert sorted(frame.root.rglob("*")) == before


def test_an_unknown_tag_is_told_with_those_there_are(frame: Frame, call: Call) -> None:
    done = call("versions", KEY, "--untag", "paper")
    assert done.code == 1
    assert "[tag-unknown]" in done.err
    assert "it has none" in done.err
    call("versions", KEY, "--tag", frame.first, "thesis")
    assert "no tag 'paper'; it has thesis" in call("versions", KEY, "--untag", "paper").err


# --- what there is not ---


@pytest.mark.parametrize(
    "words",
    [
        ("rollback", KEY, "WANTED"),
        ("verify", KEY, "--version", "WANTED"),
        ("versions", KEY, "--tag", "WANTED", "paper"),
    ],
)
@pytest.mark.parametrize("wanted", ["ffffffffffff", "abc", "", "paper", "../../../item.json"])
def test_an_unknown_version_is_told_with_the_way_to_the_right_one(
    frame: Frame, call: Call, words: tuple[str, ...], wanted: str
) -> None:
    done = call(*(wanted if word == "WANTED" else word for word in words))
    assert done.code == 1
    assert f"error: [version-unknown] frame {KEY}: the frame has no version {wanted!r}; it has 2 versions" in done.err
    assert f"mend: see `sbas-assets versions {KEY}`" in done.err
    assert done.out == ""
    assert frame.seen() == frame.second


def test_digits_of_several_versions_are_told_and_more_of_them_are_enough(frame: Frame, call: Call) -> None:
    twin = frame.first[:8] + ("0" if frame.first[8] != "0" else "1") + frame.first[9:]
    shutil.copytree(frame.store / "versions" / frame.first, frame.store / "versions" / twin)
    for words in (("rollback", KEY, frame.first[:8]), ("verify", KEY, "--version", frame.first[:8])):
        done = call(*words)
        assert done.code == 1
        assert f"[version-ambiguous] frame {KEY}: 2 versions begin with {frame.first[:8]}" in done.err
    assert frame.seen() == frame.second
    assert call("rollback", KEY, frame.first[:9]).code == 0
    assert frame.seen() == frame.first


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("verify", "T001A_never"), "product-not-published"),
        (("verify", "T001A_never", "--version", "abcdef"), "version-unknown"),
        (("rollback", "T001A_never", "abcdef"), "product-not-published"),
        (("versions", "T001A_never", "--tag", "abcdef", "paper"), "version-unknown"),
        (("versions", "T001A_never", "--untag", "paper"), "tag-unknown"),
        (("versions", "T001A_never", "--prune"), "frame-unknown"),
        (("publish", "T001A_never"), "frame-unknown"),
        (("versions", "../secret"), "frame-key-invalid"),
        (("verify", "../secret"), "frame-key-invalid"),
        (("rollback", "../secret", "abcdef"), "frame-key-invalid"),
        (("publish", "../secret"), "frame-key-invalid"),
        (("versions", "../secret", "--tag", "abcdef", "paper"), "frame-key-invalid"),
        (("versions", "../secret", "--untag", "paper"), "frame-key-invalid"),
        (("rollback", KEY), "usage"),
        (("versions", KEY, "--tag", "abcdef"), "usage"),
    ],
)
def test_of_what_is_not_published_is_told_clearly(call: Call, words: tuple[str, ...], code: str) -> None:
    done = call(*words)
    assert done.code == 1
    assert f"[{code}]" in done.err
    assert "mend:" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_publishing_a_frame_that_was_never_run_says_what_is_missing(stack: Path, sbas: Call) -> None:
    assert sbas("frames", "add", "K", "--stack", str(stack)).code == 0
    done = sbas("publish", "K", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "upstream-missing"
    assert "stac_item" in done.json["not_made"]


# --- rollback and publish ---


def test_a_rollback_holds_until_it_is_taken_back(frame: Frame, call: Call) -> None:
    place = reliable(frame)
    second_velocity, second_point = open_frame(str(frame.store)).velocity.to_numpy(), call("point", KEY, *place).out
    done = call("rollback", KEY, frame.first[:12])
    assert done.code == 0, done.err
    assert f"readers of {KEY} see version {frame.first[:12]}" in done.out
    assert f"sbas-assets publish {KEY}" in done.out

    def first_is_seen() -> bool:
        data = open_frame(str(frame.store))
        other = not np.array_equal(data.velocity, second_velocity, equal_nan=True)
        return data.attrs["version"] == frame.first and other and call("point", KEY, *place).out != second_point

    assert first_is_seen()
    listed = {entry["version"]: entry for entry in call("versions", KEY, "--json").json}
    assert (listed[frame.first]["current"], listed[frame.first]["withheld"]) == (True, False)
    assert (listed[frame.second]["current"], listed[frame.second]["withheld"]) == (False, True)
    assert "held back" in call("versions", KEY).out

    for attempt in range(2):
        run = call("run", KEY)
        assert run.code == 0, run.err
        assert "nothing was recomputed" in run.out, attempt
        assert f"version {frame.second} was rolled back: `sbas-assets publish {KEY}` publishes it again" in run.err
        assert first_is_seen()

    published = call("publish", KEY)
    assert published.code == 0, published.err
    assert f"no longer held back: {frame.second[:12]}" in published.err
    assert frame.seen() == frame.second
    assert call("point", KEY, *place).out == second_point
    assert "held back" not in call("versions", KEY).out
    again = call("publish", KEY, "--json")
    assert {row["outcome"] for row in again.json["assets"]} == {"reused"}
    assert frame.seen() == frame.second


def test_a_new_version_is_published_after_a_rollback(frame: Frame, call: Call) -> None:
    assert call("rollback", KEY, frame.first).code == 0
    config = frame.root / "frames" / f"{KEY}.yaml"
    config.write_text(config.read_text().replace("mantissa_bits: null", "mantissa_bits: 10"))
    run = call("run", KEY, "--json")
    assert run.code == 0, run.err
    third = item_version(run)
    assert third not in {frame.first, frame.second}
    assert frame.seen() == third
    versions = call("versions", KEY, "--json").json
    assert [entry["version"] for entry in versions] == [third, frame.second, frame.first]
    assert [entry["withheld"] for entry in versions] == [False, True, False]
    assert call("verify", KEY).code == 0


def test_rolling_back_to_what_readers_see_changes_nothing(frame: Frame, call: Call) -> None:
    before = (frame.store / "item.json").read_bytes()
    assert call("rollback", KEY, frame.second).code == 0
    assert (frame.store / "item.json").read_bytes() == before


def test_prune_removes_what_is_too_old_but_not_what_a_reader_may_have_open(frame: Frame, call: Call) -> None:
    config = frame.root / "frames" / f"{KEY}.yaml"
    config.write_text(config.read_text().replace("keep_versions: 5", "keep_versions: 1"))
    recent = call("versions", KEY, "--prune")
    assert recent.code == 0, recent.err
    assert "removed 0 versions, 0 objects" in recent.err
    hours_ago = time.time() - 2 * 3600
    for path in frame.store.rglob("*"):
        os.utime(path, (hours_ago, hours_ago))
    call("versions", KEY, "--tag", frame.first, "paper")
    assert "removed 0 versions" in call("versions", KEY, "--prune").err
    call("versions", KEY, "--untag", "paper")
    pruned = call("versions", KEY, "--prune", "--json")
    assert "removed 1 versions, " in pruned.err
    (left,) = pruned.json
    assert left["version"] == frame.second
    assert len(list((frame.store / "velocity").iterdir())) == 1
    assert call("verify", KEY).code == 0
    assert call("rollback", KEY, frame.first).code == 1
