"""Everything dies at once, as when the machine is switched off, while a backfill of the assets goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.execution.backfill import BulkActionStatus

from sbas_assets.checks import CHECKS
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import asset_names
from sbas_assets_tests.installation import Installation, installation

pytestmark = pytest.mark.long


@pytest.fixture
def one_frame(tmp_path: Path) -> Iterator[Installation]:
    simulate_stack(
        SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 6, 24), seed=6), tmp_path / "stack"
    )
    with installation(tmp_path, most_runs=1) as made:
        made.add("A", tmp_path / "stack")
        yield made


def test_a_run_that_died_with_daemon_and_code_server_is_ended_and_started_again(one_frame: Installation) -> None:
    one_frame.start("webserver")
    one_frame.wait(one_frame.is_up)
    backfill = one_frame.launch_asset_backfill("A")
    one_frame.start("daemon")
    one_frame.wait(lambda: one_frame.process_of("A") is not None)
    one_frame.switch_off()
    one_frame.start("daemon")
    one_frame.wait(lambda: one_frame.backfill(backfill) is not BulkActionStatus.REQUESTED)
    assert one_frame.backfill(backfill) is BulkActionStatus.COMPLETED_SUCCESS
    assert one_frame.ended() == {"A": ["SUCCESS", "FAILURE"]}, "the only place of the queue was not lost with it"
    again, lost = one_frame.instance.get_runs()
    told = " ".join(entry.user_message or entry.message for entry in one_frame.instance.all_logs(lost.run_id))
    assert "it has left no sign of life" in told
    assert again.parent_run_id == lost.run_id
    assert {key.to_user_string() for key in lost.asset_selection or ()} == asset_names()
    checks = {key for check in CHECKS for key in check.check_keys if check.get_spec_for_check_key(key).partitions_def}
    assert set(lost.asset_check_selection or checks) == checks
