"""A stack that grows and changes is loaded piece by piece, and reads as one that was loaded in one go."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from sbas_assets import digests as digests_module
from sbas_assets.mintpy import stack_files
from sbas_assets.mintpy.loading import IFGRAM_STACK
from sbas_assets.mintpy.stack_segments import CROWD
from sbas_assets.step import Run
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.ion_files import put_ionosphere
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import (
    DATES,
    SIZE,
    STACK,
    Delivery,
    held,
    load,
    on_disk,
    opened_images,
    recorded,
    require_as_at_once,
    segments,
)

IMAGES = 3


def test_a_stack_that_came_date_by_date_equals_one_that_was_there_at_once_and_mintpys(
    delivery: Delivery, loader: Loader, tmp_path: Path
) -> None:
    before: set[str] = set()
    for number in range(3, len(DATES) + 1):
        delivery.bring(delivery.among(DATES[:number]))
        outcome = load(loader)
        assert outcome.record.metrics["pairs_read"] == len(set(delivery.pairs) - before)
        assert outcome.record.metrics["pairs"] == len(delivery.pairs)
        before = set(delivery.pairs)
    assert len(segments(loader)) == 1 + len(DATES) - 3
    assert loader.differences(loader.mintpys()) == ["inputs/geometryRadar.h5 is on one side only"]
    require_as_at_once(loader, tmp_path / "at once")


def test_an_update_opens_no_image_but_those_of_the_new_pairs(
    delivery: Delivery, loaded: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    (old,) = segments(loaded)
    state = old.stat()
    new = set(delivery.among(DATES)) - set(delivery.pairs)
    delivery.bring(new)
    loaded.load([])  # the survey, which looks at all
    with opened_images() as opened:
        execute(IFGRAM_STACK, loaded.frame, Run("a-run", print))
    assert {path.parent.name for path in opened} == new
    assert len({*opened}) == IMAGES * len(new)
    assert (old.stat().st_mtime_ns, old.stat().st_ino) == (state.st_mtime_ns, state.st_ino)
    (fresh,) = set(segments(loaded)) - {old}
    assert held(fresh) == sorted(new)
    assert fresh.stat().st_size < 1.2 * len(new) * SIZE[0] * SIZE[1] * 10


def test_a_pair_with_other_images_of_the_same_name_is_read_again_alone(
    delivery: Delivery, loaded: Loader, tmp_path: Path
) -> None:
    changed = delivery.pairs[4]
    delivery.replace(changed)
    assert load(loaded).record.metrics["pairs_read"] == 1
    assert [held(path) for path in segments(loaded) if len(held(path)) == 1] == [[changed]]
    require_as_at_once(loaded, tmp_path / "at once")
    # and as they were before: of the first segment nothing has gone
    shutil.copy(
        delivery.whole / f"merged/interferograms/{changed}/filt_fine.unw",
        delivery.stack / f"merged/interferograms/{changed}",
    )
    assert load(loaded).record.metrics["pairs_read"] == 0
    assert len(segments(loaded)) == 1
    require_as_at_once(loaded, tmp_path / "at once again")


def test_files_that_were_copied_anew_with_the_same_content_are_not_loaded_again(
    delivery: Delivery, loaded: Loader
) -> None:
    pair = delivery.pairs[0]
    delivery.withdraw([pair])
    delivery.bring([pair])
    (outcome,) = loaded.load([IFGRAM_STACK])
    assert outcome.how == "reused"


def test_removed_pairs_leave_the_stack_and_their_segment_when_nothing_of_it_is_used(
    delivery: Delivery, loaded: Loader, tmp_path: Path
) -> None:
    (first,) = segments(loaded)
    new = set(delivery.among(DATES)) - set(delivery.pairs)
    delivery.bring(new)
    load(loaded)
    assert len(segments(loaded)) == 2
    delivery.withdraw(new)
    outcome = load(loaded)
    assert (outcome.record.metrics["pairs_read"], segments(loaded)) == (0, [first])
    delivery.withdraw(delivery.pairs[:1])
    assert load(loaded).record.metrics["pairs_read"] == 0
    assert segments(loaded) == [first]
    require_as_at_once(loaded, tmp_path / "at once")


def test_a_segment_of_which_less_than_half_is_used_is_copied_without_the_rest(
    delivery: Delivery, loaded: Loader, tmp_path: Path
) -> None:
    (first,) = segments(loaded)
    delivery.withdraw(set(delivery.pairs) - set(delivery.among(DATES[:4])))
    outcome = load(loaded)
    assert outcome.record.metrics["pairs_read"] == 0
    (second,) = segments(loaded)
    assert second != first
    assert held(second) == delivery.pairs
    require_as_at_once(loaded, tmp_path / "at once")


@pytest.mark.parametrize("late", [0, 4], ids=["before the first", "in the middle"])
def test_a_date_that_comes_late_is_read_alone(delivery: Delivery, loader: Loader, late: int, tmp_path: Path) -> None:
    late_ones = {pair for pair in delivery.among(DATES) if DATES[late] in pair}
    delivery.bring(set(delivery.among(DATES)) - late_ones)
    load(loader)
    delivery.bring(late_ones)
    assert load(loader).record.metrics["pairs_read"] == len(late_ones)
    assert len(segments(loader)) == 2
    require_as_at_once(loader, tmp_path / "at once")


def test_other_baselines_of_old_pairs_cost_no_reading(delivery: Delivery, loaded: Loader, tmp_path: Path) -> None:
    before = segments(loaded)
    (file,) = (delivery.stack / "baselines").glob(f"*_{DATES[3]}/*.txt")
    file.write_text(
        re.sub(r"Bperp \(average\): (\S+)", lambda found: f"Bperp (average): {float(found[1]) + 7}", file.read_text())
    )
    assert load(loaded).record.metrics["pairs_read"] == 0
    assert segments(loaded) == before
    require_as_at_once(loaded, tmp_path / "at once")


def test_many_small_segments_become_one_by_copying(delivery: Delivery, loaded: Loader, tmp_path: Path) -> None:
    (large,) = segments(loaded)
    before = set(delivery.pairs)
    for number in range(CROWD):
        delivery.replace(sorted(before)[number])
        assert load(loaded).record.metrics["pairs_read"] == 1
        assert len(segments(loaded)) == (2 + number if number < CROWD - 1 else 2)
        assert large in segments(loaded)
    (merged,) = set(segments(loaded)) - {large}
    assert held(merged) == sorted(before)[:CROWD]
    require_as_at_once(loaded, tmp_path / "at once")


@pytest.mark.parametrize(
    "options",
    [{"mintpy.subset.yx": "3:35,4:40"}, {"mintpy.load.compression": "lzf"}, {"mintpy.load.connCompFile": "none"}],
)
def test_with_other_options_all_is_loaded_anew(loaded: Loader, options: dict[str, str], tmp_path: Path) -> None:
    before = segments(loaded)
    loaded.options = options
    outcome = load(loaded)
    assert outcome.record.metrics["pairs_read"] == outcome.record.metrics["pairs"]
    assert len(segments(loaded)) == 1
    assert segments(loaded) != before
    require_as_at_once(loaded, tmp_path / "at once")
    assert loaded.differences(loaded.mintpys()) == ["inputs/geometryRadar.h5 is on one side only"]


def test_with_other_code_or_another_mintpy_all_is_loaded_anew(loaded: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    step = replace(IFGRAM_STACK, code_version="another")
    (outcome,) = loaded.load([step])
    assert outcome.record.metrics["pairs_read"] == outcome.record.metrics["pairs"]
    loaded.frame.workspace.record("ifgramStack").unlink()
    monkeypatch.setattr(stack_files, "version", lambda _: "1.7")
    (outcome,) = loaded.load([step])
    assert outcome.record.metrics["pairs_read"] == outcome.record.metrics["pairs"]
    assert len(segments(loaded)) == 1


def test_what_mintpy_loads_is_one_file_and_the_segments_go_and_come(loaded: Loader, tmp_path: Path) -> None:
    before = [path.read_bytes() for path in segments(loaded)]
    loaded.options = {"mintpy.multilook.ystep": "2", "mintpy.multilook.xstep": "2"}
    assert load(loaded).record.metrics["loaded_by"] == "MintPy"
    assert on_disk(loaded) == recorded(loaded) == {STACK}
    loaded.options = {}
    load(loaded)
    assert [path.read_bytes() for path in segments(loaded)] == before
    require_as_at_once(loaded, tmp_path / "at once")


def test_the_ionospheric_pairs_have_segments_of_their_own(delivery: Delivery, loaded: Loader, tmp_path: Path) -> None:
    name = "inputs/ionStack.h5"
    put_ionosphere(delivery.stack, DATES[:6], SIZE)
    assert load(loaded).record.metrics["pairs_read"] == 9
    put_ionosphere(delivery.stack / "more", DATES[4:8], SIZE)
    for folder in sorted((delivery.stack / "more/ion").iterdir()):
        if not (delivery.stack / "ion" / folder.name).exists():
            folder.rename(delivery.stack / "ion" / folder.name)
    shutil.rmtree(delivery.stack / "more")
    assert load(loaded).record.metrics["pairs_read"] == 4
    assert [len(segments(loaded, file)) for file in (STACK, name)] == [1, 2]
    require_as_at_once(loaded, tmp_path / "at once", [STACK, name])
    shutil.rmtree(delivery.stack / "ion")
    load(loaded)
    assert segments(loaded, name) == []
    assert on_disk(loaded) == recorded(loaded)
