"""A stack that grows while daemon and webserver run: each date is processed once, and equals the one-shot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from sbas_assets.automation.condition import REQUESTED_BY, SENSOR
from sbas_assets.checks import CHECKS
from sbas_assets_tests.automation.date_by_date import NEAR_MM, Stream, same_reference_point, series_off_mm
from sbas_assets_tests.automation.deliveries import DATES, Delivery
from sbas_assets_tests.frames_at_work import asset_names
from sbas_assets_tests.installation import Installation, installation

pytestmark = pytest.mark.long

FIRST = 5


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "root") as made:
        yield made


def test_dates_are_processed_one_by_one_as_they_come_and_equal_the_one_shot(
    made: Installation, whole: Path, tmp_path: Path
) -> None:
    stream = Stream.begin(made, Delivery(whole, tmp_path / "stack"), "A")
    made.start("daemon")
    made.start("webserver")
    for dates in (DATES[:FIRST], *([date] for date in DATES[FIRST:])):
        stream.update(*dates)
    same_reference_point(made.root, "A", ["once"])
    made.add("once", stream.delivery.stack)
    made.wait(lambda: "once" in made.ended())
    deliveries = len(DATES) - FIRST + 1
    assert made.ended() == {"A": ["SUCCESS"] * deliveries, "once": ["SUCCESS"]}, "one run for each, and no more"
    assert stream.dates_reported() == list(DATES)
    assert stream.versions() == [(n + 1, date) for n, date in enumerate(DATES[FIRST - 1 :])]
    assert series_off_mm(made.root, "A", "once") < NEAR_MM
    assert stream.leftovers() == []
    require_whole_runs(made.instance)
    assert made.is_up()


def require_whole_runs(instance: dg.DagsterInstance) -> None:
    """Every run has made every asset and evaluated every check, and says who wanted it."""
    checks = sum(spec.partitions_def is not None for check in CHECKS for spec in check.check_specs)
    for run in instance.get_runs():
        assert run.tags[REQUESTED_BY] == SENSOR
        made = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        assert {record.asset_key.to_user_string() for record in made if record.asset_key} == asset_names()
        checked = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
        assert len(checked) == checks
