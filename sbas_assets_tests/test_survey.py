"""A run looks at its stack once, and again as soon as any file of it has changed."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sbas_assets import survey as survey_module
from sbas_assets.errors import InputError
from sbas_assets.frames import frame_config
from sbas_assets.provenance import Record
from sbas_assets.step import Frame, Run
from sbas_assets.survey import require_stack, survey
from sbas_assets.topsstack import snapshot
from sbas_assets.topsstack.snapshot import Snapshot, take_snapshot
from sbas_assets.topsstack.tree import StackLayout, StackTree, scan
from sbas_assets.workspace import Settings
from sbas_assets_tests.topsstack.planting import COR, FIRST, IFG, IW1, UNW, cut, edit, remove
from sbas_assets_tests.topsstack.writer import PAIRS, write_pair, write_stack


class Surveyor:
    """A frame of a tiny stack; counts how often the stack is really looked at."""

    def __init__(self, folder: Path) -> None:
        self.stack = write_stack(folder / "stack")
        config = frame_config({"track": 71, "direction": "descending", "stack": str(self.stack), "mintpy": {}})
        self.frame = Frame("T071D_test", config, config.template(), Settings.under(folder / "root"))
        self.frame.workspace.root.mkdir(parents=True)
        self.looks = 0

    def ask(self, run: str = "first") -> Record:
        return require_stack(self.frame, Run(run, lambda _: None))


@pytest.fixture
def surveyor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surveyor:
    surveyor = Surveyor(tmp_path)
    original = survey_module.preflight

    def counted(layout: StackLayout) -> object:
        surveyor.looks += 1
        return original(layout)

    monkeypatch.setattr(survey_module, "preflight", counted)
    monkeypatch.setattr(snapshot, "SETTLED_NS", -(10**9))  # files written just now count as old
    monkeypatch.setattr(survey_module, "_HOLDS", 0)
    survey_module._last.clear()
    return surveyor


def test_a_run_looks_at_its_stack_once(surveyor: Surveyor) -> None:
    first = surveyor.ask()
    assert [surveyor.ask() for _ in range(3)] == [first] * 3
    assert surveyor.looks == 1


def test_the_files_of_a_slow_disk_are_not_listed_again_at_once(
    surveyor: Surveyor, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, original = [], survey_module.take_snapshot

    def slow(tree: StackTree) -> Snapshot:
        listed.append(time.monotonic())
        time.sleep(0.1)
        return original(tree)

    monkeypatch.setattr(survey_module, "_HOLDS", 10)
    monkeypatch.setattr(survey_module, "take_snapshot", slow)
    first = surveyor.ask()
    while len(listed) < 3:
        assert surveyor.ask() == first
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(listed))
    assert surveyor.looks == 1
    surveyor.ask("another run")
    assert len(listed) == 4


def test_the_report_of_a_stack_is_the_same_every_time(surveyor: Surveyor) -> None:
    run = Run("first", lambda _: None)
    assert survey(surveyor.frame, run) == survey(surveyor.frame, run)


def test_another_run_looks_again(surveyor: Surveyor) -> None:
    assert surveyor.ask("first") == surveyor.ask("second")
    assert surveyor.looks == 2


def rewrite_pixels(stack: Path) -> None:
    """Other values, the same size and time of modification."""
    path = stack / UNW
    status = path.stat()
    (np.fromfile(path, "f4") + 1).astype("f4").tofile(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "other pixels": (rewrite_pixels, True),
    "another pair": (lambda stack: write_pair(stack, "20200511_20200604", seed=9), True),
    "a pair less": (remove(f"{IFG}/{FIRST}"), True),
    "a truncated image": (cut(COR), True),
    "a header of another place": (edit(f"{UNW}.xml", "/data/elsewhere/", "/home/other/"), False),
    "another orbit number": (edit(IW1, "32518", "32519"), True),
    "a file of no concern beside the images": (lambda stack: (stack / IFG / FIRST / "notes").write_text(""), False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_within_a_run_is_noticed(surveyor: Surveyor, change: str) -> None:
    plant, counts = CHANGES[change]
    first = surveyor.ask()
    plant(surveyor.stack)
    assert (surveyor.ask().data_version != first.data_version) == counts
    assert surveyor.looks == 2


def test_a_stack_that_breaks_within_a_run_stops_the_next_step(surveyor: Surveyor) -> None:
    surveyor.ask()
    for name in PAIRS:
        remove(f"{IFG}/{name}")(surveyor.stack)
    with pytest.raises(InputError) as caught:
        surveyor.ask()
    assert caught.value.code == "interferograms-missing"


def test_a_record_that_has_gone_is_written_again(surveyor: Surveyor) -> None:
    first = surveyor.ask()
    surveyor.frame.workspace.record("topsStack").unlink()
    again = surveyor.ask()
    assert again.data_version == first.data_version
    assert surveyor.looks == 2
    assert surveyor.frame.workspace.record("topsStack").is_file()


def test_files_that_have_just_changed_are_looked_at_every_time(
    surveyor: Surveyor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "SETTLED_NS", 60 * 10**9)
    surveyor.ask()
    surveyor.ask()
    assert surveyor.looks == 2


def test_a_link_to_nothing_and_a_folder_that_has_gone_are_part_of_a_snapshot(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "stack")
    tree = scan(StackLayout(stack))
    before = take_snapshot(tree)
    image = stack / UNW
    image.unlink()
    image.symlink_to("nowhere")
    dangling = take_snapshot(tree)
    assert dangling.stamps[str(image)] is None
    assert not dangling.same(before)
    remove(f"{IFG}/{FIRST}")(stack)
    assert not take_snapshot(tree).same(dangling)
