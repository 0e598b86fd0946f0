"""Segments that are damaged, lost, moved or strange: what is intact is used, the rest is loaded again as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.mintpy.loading import IFGRAM_STACK
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import (
    DATES,
    STACK,
    Delivery,
    held,
    load,
    on_disk,
    recorded,
    require_as_at_once,
    segments,
)
from sbas_assets_tests.test_products_are_reproducible import without_run


def products(loader: Loader) -> dict[str, bytes]:
    return {name: without_run((loader.root / name).read_bytes()) for name in sorted(on_disk(loader))}


def test_the_same_history_gives_the_same_bytes(whole: Path, updated: Loader, tmp_path: Path) -> None:
    other = Delivery.begin(whole, tmp_path / "another" / "stack of another name")
    again = Loader(tmp_path / "another", other.stack)
    for dates in (DATES[:-1], DATES):
        other.bring(other.among(dates))
        load(again)
    assert products(again) == products(updated)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink], ids=["one bit", "cut", "missing"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_or_missing_segment_is_made_again_byte_for_byte(
    updated: Loader, damage: Callable[[Path], None], which: int, tmp_path: Path
) -> None:
    before = products(updated)
    number = len(held(segments(updated)[which]))
    damage(segments(updated)[which])
    outcome = load(updated)
    assert outcome.how == "remade"
    assert outcome.record.metrics["pairs_read"] == number
    assert products(updated) == before


def test_a_lost_master_costs_no_reading(updated: Loader) -> None:
    before = products(updated)
    (updated.root / STACK).unlink()
    assert load(updated).record.metrics["pairs_read"] == 0
    assert products(updated) == before


@pytest.mark.parametrize("damage", [None, flip])
def test_segments_that_no_record_knows_are_used_if_they_are_intact(
    updated: Loader, damage: Callable[[Path], None] | None
) -> None:
    before = products(updated)
    updated.frame.workspace.record("ifgramStack").unlink()
    lost = 0
    if damage is not None:
        lost = len(held(segments(updated)[0]))
        damage(segments(updated)[0])
    assert load(updated).record.metrics["pairs_read"] == lost
    assert products(updated) == before


def test_files_of_others_among_the_segments_are_left_alone_unless_they_are_named_like_segments(
    updated: Loader,
) -> None:
    folder = updated.root / "inputs/ifgramStack"
    (folder / "notes.txt").write_text("mine")
    shutil.copy(segments(updated)[0], folder / "copy.h5")
    shutil.copy(segments(updated)[0], folder / f"{'0' * 32}.h5")
    (outcome,) = updated.load([IFGRAM_STACK])
    assert outcome.how == "reused"
    assert {path.name for path in folder.iterdir()} - {Path(name).name for name in recorded(updated)} == {
        "notes.txt",
        "copy.h5",
    }


def test_segments_of_another_frame_serve_for_the_same_images_alone(
    delivery: Delivery, updated: Loader, tmp_path: Path
) -> None:
    other = Loader(tmp_path / "other", delivery.stack)
    folder = other.root / "inputs/ifgramStack"
    folder.mkdir(parents=True)
    for path in segments(updated):
        shutil.copy(path, folder)
    delivery.replace(delivery.pairs[0])
    assert load(other).record.metrics["pairs_read"] == 1
    require_as_at_once(other, tmp_path / "at once")


def test_a_work_folder_that_was_moved_reads_the_same(updated: Loader, tmp_path: Path) -> None:
    with h5py.File(updated.root / STACK) as h5:
        before = h5["unwrapPhase"][()]
    moved = updated.root.rename(tmp_path / "elsewhere")
    with h5py.File(moved / STACK) as h5:
        assert np.array_equal(h5["unwrapPhase"][()], before)
    assert (before != 0).any()
