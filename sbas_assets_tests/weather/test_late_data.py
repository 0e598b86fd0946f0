"""Dates that ERA5 does not have yet, preliminary data and the final ones after them, and who asks again."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sbas_assets.automation.audit import frames_audit
from sbas_assets.definitions import build_definitions
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.resources import Platform
from sbas_assets.weather import release
from sbas_assets_tests.mintpy.weather_files import NAMED, FrameWithAttributes, hawaiian_stack
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.conftest import DATES, OPTIONS
from sbas_assets_tests.weather.era5_at_work import ERA5, good_dates, record_of, step_record, weather_folder

TODAY = datetime.now(UTC)
LATE = [f"{TODAY - timedelta(days=days):%Y%m%d}" for days in (63, 51, 39, 27, 12, 3)]


@pytest.fixture(scope="module")
def fresh_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack whose last acquisition is three days old."""
    return hawaiian_stack(tmp_path_factory.mktemp("late") / "stack", LATE)


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """One that a schedule's tick can open again."""
    (tmp_path / "dagster").mkdir()
    return dg.DagsterInstance.local_temp(str(tmp_path / "dagster"))


@pytest.fixture
def late(fresh_stack: Path, tmp_path: Path, instance: dg.DagsterInstance) -> FrameWithAttributes:
    return FrameWithAttributes(tmp_path / "root", fresh_stack, OPTIONS, instance=instance)


@pytest.fixture
def frame(stack: Path, tmp_path: Path, instance: dg.DagsterInstance) -> FrameWithAttributes:
    return FrameWithAttributes(tmp_path / "root", stack, OPTIONS, instance=instance)


def set_policy(frame: FrameWithAttributes, policy: str) -> None:
    catalogue = FrameCatalogue(frame.root)
    values = catalogue.get(frame.key).model_dump(mode="json")
    catalogue.add(frame.key, frame_config({**values, "missing_weather": policy}), overwrite=True)


def due(frame: FrameWithAttributes) -> list[dg.RunRequest]:
    """What the daily audit asks for because of ERA5."""
    platform = Platform(root=str(frame.root), echo=False)
    for key in frame.instance.get_dynamic_partitions("frame"):
        # the preflight, which is left out here, reports it
        stack = dg.AssetMaterialization("topsStack", partition=key, tags={"dagster/data_version": "1"})
        frame.instance.report_runless_asset_event(stack)
    with dg.build_schedule_context(
        instance=frame.instance,
        scheduled_execution_time=TODAY,
        resources={"platform": platform},
        repository_def=build_definitions().get_repository_def(),
    ) as context:
        requests = frames_audit.evaluate_tick(context).run_requests or []
    # these frames are never published, which is a reason too
    return [request for request in requests if "sbas/era5_dates" in request.tags]


def test_a_date_that_cannot_be_there_yet_is_not_asked_for_and_the_frame_says_until_when(
    cds: CdsServer, late: FrameWithAttributes
) -> None:
    result = late.run('+key:"troposphere"')
    expected = release.expected(LATE[-1], 14)
    assert result.outcome["era5"] == "made"
    assert result.checks["era5", "era5_complete"] is False
    assert result.metadata["era5"]["next_expected"] == f"expected on {expected:%Y-%m-%d} at 14:00 UTC"
    assert set(cds.dates_submitted) == set(LATE[:-1])
    assert "timeseries" in result.outcome
    assert "troposphere" not in result.outcome, "the corrected series waits"
    assert due(late) == []
    calls = cds.calls.total()
    assert late.run(ERA5).outcome == {"era5": "reused"}
    assert cds.calls.total() == calls


def test_with_partial_weather_the_series_is_corrected_without_the_date(
    cds: CdsServer, late: FrameWithAttributes
) -> None:
    set_policy(late, "partial")
    result = late.run('+key:"velocity"')
    assert result.success, result.errors
    assert result.checks["era5", "era5_complete"] is False, "told as a warning"
    record = step_record(late, "velocity")
    assert list(record["facts"]["dates_without_weather"]) == [LATE[-1]]
    assert step_record(late, "timeseries_corrected")["facts"]["dates"] == LATE[:-1]


@pytest.mark.parametrize("all_of_them", [True, False])
def test_the_service_itself_says_that_it_has_a_date_later_than_usual(
    cds: CdsServer, fresh_stack: Path, tmp_path: Path, all_of_them: bool
) -> None:
    lag = timedelta(days=70 if all_of_them else 20)
    cds.latest = (TODAY - lag).replace(tzinfo=None)
    late = FrameWithAttributes(tmp_path / "root", fresh_stack, OPTIONS)
    result = late.run(ERA5)
    assert result.outcome == {"era5": "made"}, result.errors
    missing = step_record(late)["facts"]["dates_without_weather"]
    assert sorted(missing) == (LATE if all_of_them else LATE[-2:])
    assert min(release.parse_until(text) for text in missing.values()) > TODAY
    assert good_dates(weather_folder(late)) == ([] if all_of_them else LATE[:-2])


def test_the_daily_schedule_asks_again_when_a_date_is_expected_and_the_run_fetches_it(
    cds: CdsServer, late: FrameWithAttributes
) -> None:
    cds.latest = (TODAY - timedelta(days=20)).replace(tzinfo=None)
    late.run(ERA5)
    assert due(late) == []
    cds.latest = None
    _make_expected_by_now(late)
    (request,) = due(late)
    assert (request.partition_key, request.tags["sbas/era5_dates"]) == (late.key, LATE[-2])
    result = late.run(ERA5)
    assert result.outcome == {"era5": "made"}
    assert set(step_record(late)["facts"]["dates_without_weather"]) == {LATE[-1]}
    assert due(late) == []


def _make_expected_by_now(frame: FrameWithAttributes) -> None:
    """Let the time pass until the last date but one is expected."""
    path = frame.workspace.record("era5")
    record = json.loads(path.read_text())
    record["facts"]["dates_without_weather"][LATE[-2]] = release.until(TODAY - timedelta(hours=1))
    path.write_text(json.dumps(record))


def another_day(folder: Path) -> None:
    """Let a day pass since final data were asked for."""
    for day in DATES:
        path = folder / f"{NAMED.format(day)}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "asked": "2022-06-01"}))


def test_preliminary_data_are_told_and_replaced_when_the_final_ones_are_there(
    cds: CdsServer, frame: FrameWithAttributes
) -> None:
    cds.expver = "0005"
    result = frame.run(ERA5)
    assert result.metadata["era5"]["preliminary_files"] == len(DATES)
    folder = weather_folder(frame)
    assert {record_of(folder, day)["release"] for day in DATES} == {"preliminary"}
    before = step_record(frame)["data_version"]
    # the day after, still nothing: the files stay, the day is noted
    (request,) = due(frame)
    assert request.partition_key == frame.key
    assert frame.run(ERA5).outcome == {"era5": "remade"}
    # midnight may have come since the tests began
    assert {record_of(folder, day)["asked"] for day in DATES} <= {
        f"{day:%Y-%m-%d}" for day in (TODAY, datetime.now(UTC))
    }
    assert step_record(frame)["data_version"] == before
    assert due(frame) == []
    # another day: the final data are there
    another_day(folder)
    cds.expver = "0001"
    assert len(due(frame)) == 1
    result = frame.run(ERA5)
    assert result.outcome == {"era5": "made"}
    assert "preliminary_files" in result.metadata["era5"]
    assert result.metadata["era5"]["preliminary_files"] == 0
    assert {record_of(folder, day)["release"] for day in DATES} == {"final"}
    assert step_record(frame)["data_version"] != before
    assert due(frame) == []


def test_another_frame_of_the_same_files_is_due_when_they_were_replaced(
    cds: CdsServer, frame: FrameWithAttributes, stack: Path
) -> None:
    cds.expver = "0005"
    other = FrameWithAttributes(frame.root, stack, OPTIONS, key="T071D_other", instance=frame.instance)
    assert frame.run(ERA5).success
    assert other.run(ERA5).success
    cds.expver = "0001"
    another_day(weather_folder(frame))
    assert {request.partition_key for request in due(frame)} == {frame.key, other.key}
    frame.run(ERA5)
    assert [request.partition_key for request in due(frame)] == [other.key]
    submitted = cds.dates_submitted.total()
    assert other.run(ERA5).outcome == {"era5": "made"}
    assert cds.dates_submitted.total() == submitted


def test_preliminary_data_do_when_the_service_cannot_be_asked_for_final_ones(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cds.expver = "0005"
    assert frame.run(ERA5).success
    monkeypatch.delenv("CDSAPI_KEY")
    result = frame.run(ERA5)
    assert result.success, result.errors
    assert "no credentials" in str(result.metadata["era5"]["final_data_not_asked_for"])


def test_young_preliminary_data_are_not_asked_for_again(cds: CdsServer, late: FrameWithAttributes) -> None:
    cds.expver = "0005"
    late.run(ERA5)
    assert due(late) == []
    calls = cds.calls.total()
    late.run(ERA5)
    assert cds.calls.total() == calls


@pytest.mark.parametrize(
    ("day", "first"),
    [("20220101", date(2022, 4, 1)), ("20220930", date(2022, 12, 1)), ("20221031", date(2023, 1, 1))],
)
def test_final_data_are_asked_for_from_the_third_month_on(day: str, first: date) -> None:
    assert release.final_expected(day) == first


def test_a_frame_that_was_never_run_or_needs_no_era5_is_not_due(cds: CdsServer, frame: FrameWithAttributes) -> None:
    assert due(frame) == []
    frame.configure({**OPTIONS, "mintpy.troposphericDelay.method": "no"})
    frame.run(ERA5)
    (frame.root / "frames" / "broken.yaml").write_text("track: [")
    assert due(frame) == []


def test_new_dates_of_a_stack_are_all_that_is_fetched(cds: CdsServer, tmp_path: Path) -> None:
    stack = hawaiian_stack(tmp_path / "stack", DATES[:4])
    frame = FrameWithAttributes(tmp_path / "root", stack, OPTIONS)
    assert frame.run(ERA5).success
    hawaiian_stack(stack, DATES)
    assert frame.run(ERA5).outcome == {"era5": "made"}
    assert [request.get("date", request.get("day")) for request in cds.submissions][1:] == [["18"]]
