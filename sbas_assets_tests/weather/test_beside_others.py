"""While the service works on a request, the run goes on with all that needs no weather."""

from __future__ import annotations

import pytest

from sbas_assets_tests.mintpy.weather_files import FrameWithAttributes
from sbas_assets_tests.weather.cds_server import CdsServer

UP_TO_TROPOSPHERE = '+key:"troposphere"'


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sbas_assets.mintpy.era5._LOOK_AGAIN_S", 0.1)
    monkeypatch.setattr("sbas_assets.resources.FIRST_DELAY_S", 0.1)


def events(frame: FrameWithAttributes) -> list[tuple[str, str]]:
    """Kind and step of all events of the last run."""
    (record,) = frame.instance.get_run_records(limit=1)
    found = [entry.dagster_event for entry in frame.instance.all_logs(record.dagster_run.run_id)]
    return [(event.event_type_value, str(event.step_key)) for event in found if event is not None]


def test_the_request_is_made_first_and_looked_after_when_nothing_else_is_left(
    cds: CdsServer, frame: FrameWithAttributes
) -> None:
    cds.polls_before_done = 6
    result = frame.run(UP_TO_TROPOSPHERE)
    assert result.success, result.errors
    told = events(frame)
    asked = told.index(("STEP_UP_FOR_RETRY", "era5"))
    inverted = told.index(("ASSET_MATERIALIZATION", "timeseries"))
    here = told.index(("ASSET_MATERIALIZATION", "era5"))
    assert asked < told.index(("STEP_START", "timeseries")) < inverted < here
    assert set(cds.dates_submitted.values()) == {1}
    assert cds.calls["POST /api/profiles/v1/account/verification/pat"] == 1


def test_a_fault_of_the_service_after_such_a_wait_is_still_tried_again(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_CDS_PATIENCE", "1")
    cds.polls_before_done = 6
    cds.fail_next("503", times=3, on="GET /api/retrieve/v1/jobs")
    result = frame.run(UP_TO_TROPOSPHERE)
    assert result.success, result.errors
    assert set(cds.dates_submitted.values()) == {1}


def test_a_mistake_with_the_account_is_found_before_the_others_begin_and_stops_none_of_them(
    cds: CdsServer, frame: FrameWithAttributes
) -> None:
    cds.licence_accepted = False
    result = frame.run(UP_TO_TROPOSPHERE)
    assert "[cds-licence-missing]" in result.errors["era5"]
    told = events(frame)
    assert told.index(("STEP_FAILURE", "era5")) < told.index(("ASSET_MATERIALIZATION", "ifgramStack"))
    assert {"ifgramStack", "network", "timeseries"} <= result.done("made")
