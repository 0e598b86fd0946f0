"""Twenty frames arrive at once where two runs may work at a time: the real daemon, sensors, conditions and queue.

What the runs make is a stand-in that takes no time; with `--exhaustive` it is the real assets, up to the publication.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sbas_assets.published.history import read_history
from sbas_assets.published.store import open_store
from sbas_assets.workspace import Settings
from sbas_assets_tests.automation.deliveries import Delivery
from sbas_assets_tests.installation import WORKSPACE, Installation, installation

pytestmark = pytest.mark.long

FRAMES = tuple(f"T071D_{number:02d}" for number in range(20))
MOST_RUNS = 2


def quick_workspace(folder: Path) -> str:
    module = {"module_name": "sbas_assets_tests.automation.quick_location", "location_name": "sbas_assets"}
    workspace = folder / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    return str(workspace)


def times_made(made: Installation, frame: str, *, exhaustive: bool) -> int:
    if exhaustive:
        store = open_store(Settings.under(made.root).store)
        return len(read_history(store, frame))
    return len((made.root / "work" / frame / "ran").read_text().split())


def test_twenty_frames_at_once_are_run_once_each_and_two_at_a_time(
    whole: Path, tmp_path: Path, exhaustive: bool
) -> None:
    workspace = WORKSPACE if exhaustive else quick_workspace(tmp_path)
    with installation(tmp_path / "root", most_runs=MOST_RUNS, workspace=workspace) as made:
        for frame in FRAMES:
            made.add(frame, Delivery(whole, tmp_path / frame).begin(3).stack)
        made.start("daemon")
        made.wait(lambda: len(made.ended()) == len(FRAMES))
        # what the sensors make of it afterwards
        looks = made.looks()
        made.wait(lambda: made.looks() >= looks + 4)
        assert made.ended() == {frame: ["SUCCESS"] for frame in FRAMES}
        assert made.instance.get_runs_count() == len(FRAMES)
        assert made.most == MOST_RUNS
        for frame in FRAMES:
            assert times_made(made, frame, exhaustive=exhaustive) == 1
            assert not made.locked(frame)
        assert not made.instance.event_log_storage.get_concurrency_keys()
