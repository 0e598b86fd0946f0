"""The real daemon: a backfill with a broken frame, while webserver, daemon and a run are killed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.execution.backfill import BulkActionStatus

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.installation import Installation, installation

pytestmark = pytest.mark.long

FRAMES = ("A", "B", "C", "D")
# the first one is killed, while the backfill waits for others: after the last one's end Dagster starts none again
KILLED, BROKEN = "A", "B"
MOST_RUNS = 2


@pytest.fixture
def four_frames(tmp_path: Path) -> Iterator[Installation]:
    stack = tmp_path / "stack"
    simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 6, 24), seed=6), stack)
    shutil.copytree(stack, tmp_path / "broken")
    (tmp_path / "broken/merged/geom_reference/hgt.rdr").write_bytes(b"cut off")
    with installation(tmp_path, most_runs=MOST_RUNS) as made:
        for frame in FRAMES:
            made.add(frame, tmp_path / "broken" if frame == BROKEN else stack)
        yield made


def test_a_backfill_survives_kills_and_a_broken_frame_and_keeps_to_the_limit(four_frames: Installation) -> None:
    four_frames.start("webserver")
    four_frames.wait(four_frames.is_up)
    backfill = four_frames.launch_backfill(*FRAMES)
    # it is the daemon's from now on
    four_frames.kill("webserver")
    four_frames.start("daemon")
    four_frames.wait(lambda: four_frames.process_of(KILLED) is not None and four_frames.settled(len(FRAMES)))
    four_frames.kill("daemon")
    os.kill(four_frames.process_of(KILLED) or 0, signal.SIGKILL)
    four_frames.start("daemon")
    four_frames.wait(lambda: four_frames.backfill(backfill) is not BulkActionStatus.REQUESTED)
    assert four_frames.ended() == {
        KILLED: ["SUCCESS", "FAILURE"],
        # once: a mistake is not run again
        BROKEN: ["FAILURE"],
        "C": ["SUCCESS"],
        "D": ["SUCCESS"],
    }
    assert four_frames.backfill(backfill) is BulkActionStatus.COMPLETED_FAILED, "the UI tells that a frame failed"
    assert four_frames.most == MOST_RUNS
    for frame in FRAMES:
        assert (four_frames.root / "store" / frame / "item.json").exists() == (frame != BROKEN)
    assert four_frames.instance.get_runs_count() == len(FRAMES) + 1, "nothing else was started, and nothing twice"
