"""Twenty frames arrive at once where two runs may work at a time: the real daemon, sensors, conditions and queue."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sbas_assets_tests.automation.deliveries import Delivery
from sbas_assets_tests.installation import installation

pytestmark = pytest.mark.long

FRAMES = tuple(f"T071D_{number:02d}" for number in range(20))
MOST_RUNS = 2


def test_twenty_frames_at_once_are_run_once_each_and_two_at_a_time(whole: Path, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace.yaml"
    module = {"module_name": "sbas_assets_tests.automation.quick_location", "location_name": "sbas_assets"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    with installation(tmp_path / "root", most_runs=MOST_RUNS, workspace=str(workspace)) as made:
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
            assert len((made.root / "work" / frame / "ran").read_text().split()) == 1
            assert not made.locked(frame)
        assert not made.instance.event_log_storage.get_concurrency_keys()
