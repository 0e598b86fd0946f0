"""The asset era5 fetches what is missing, several dates a request, and survives what the service does."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from sbas_assets_tests.mintpy.weather_files import NAMED, FrameWithAttributes
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.conftest import DATES
from sbas_assets_tests.weather.era5_at_work import ERA5, good_dates, record_of, set_aside, step_record, weather_folder
from sbas_assets_tests.weather.era5_fields import era5_bytes

ONCE = Counter(DATES)
SUBMIT = "POST /api/retrieve/v1/processes/{dataset}/execution"


def fetched(frame: FrameWithAttributes) -> list[str]:
    """Run era5, which must succeed; returns the dates that are there then."""
    result = frame.run(ERA5)
    assert result.success, result.errors
    assert result.checks["era5", "era5_complete"]
    return good_dates(weather_folder(frame))


def test_all_dates_come_in_one_request_and_nothing_else_of_the_frame_is_needed(
    cds: CdsServer, frame: FrameWithAttributes
) -> None:
    assert fetched(frame) == list(DATES)
    (request,) = cds.submissions
    assert request["date"] == ["2022-01-01", "2022-01-13", "2022-01-25", "2022-02-06", "2022-02-18"]
    assert (request["area"], request["time"], len(request["pressure_level"])) == ([30, -160, 10, -150], ["14:00"], 37)
    assert not frame.workspace.record("ifgramStack").exists()
    record = record_of(weather_folder(frame), DATES[0])
    assert (record["release"], record["grid"]) == ("final", [10, 30, -160, -150])
    assert record["size"] == (weather_folder(frame) / record["file"]).stat().st_size


def test_the_files_are_those_that_pyaps_would_have_asked_for(cds: CdsServer, frame: FrameWithAttributes) -> None:
    fetched(frame)
    for date in DATES:
        theirs = era5_bytes(date, 14, (30, -160, 10, -150))
        assert (weather_folder(frame) / NAMED.format(date)).read_bytes() == theirs


def test_a_single_date_is_asked_for_in_pyaps_own_words(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cdsapi
    import pyaps3

    monkeypatch.setenv("SBAS_CDS_DATES", "1")
    fetched(frame)
    said = []

    class Listener:
        def __init__(self, **_: object) -> None: ...

        def retrieve(self, dataset: str, request: object, target: str) -> None:
            said.append((dataset, request))

    monkeypatch.setattr(cdsapi, "Client", Listener)
    pyaps3.ECMWFdload([DATES[0]], "14", "/nowhere", snwe=(10, 30, -160, -150))
    assert said == [("reanalysis-era5-pressure-levels", cds.submissions[0])]


def test_a_second_run_asks_for_nothing(cds: CdsServer, frame: FrameWithAttributes) -> None:
    fetched(frame)
    calls = cds.calls.total()
    assert frame.run(ERA5).outcome == {"era5": "reused"}
    assert cds.calls.total() == calls


def test_what_is_there_is_not_asked_for_and_a_bad_file_is_set_aside_and_replaced(
    cds: CdsServer, frame: FrameWithAttributes
) -> None:
    folder = weather_folder(frame)
    folder.mkdir(parents=True)
    good, bad = (folder / NAMED.format(date) for date in DATES[:2])
    good.write_bytes(era5_bytes(DATES[0], 14, (30, -160, 10, -150)))
    bad.write_bytes(good.read_bytes()[:100_000])
    assert fetched(frame) == list(DATES)
    assert cds.dates_submitted == Counter(DATES[1:])
    assert set_aside(folder) == {f"{bad.name}.1": "is truncated or damaged: has more than its 14 whole messages\n"}


def test_requests_hold_no_more_dates_and_are_no_more_at_once_than_the_settings_say(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_CDS_DATES", "2")
    monkeypatch.setenv("SBAS_CDS_REQUESTS", "1")
    assert fetched(frame) == list(DATES)
    assert [len(request.get("date", [1])) for request in cds.submissions] == [2, 2, 1]
    assert cds.most_unfinished == 1


@pytest.mark.parametrize(("name", "value"), [("SBAS_CDS_DATES", "0"), ("SBAS_CDS_PATIENCE", "long")])
def test_a_limit_that_is_no_number_is_refused(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert f"{name} = {value} is not a whole number" in frame.run(ERA5).errors["era5"]
    assert cds.submissions == []


@pytest.mark.parametrize("refusal", ["max_dates", "refuse_date_lists"])
def test_a_request_that_the_service_finds_too_large_is_divided(
    cds: CdsServer, frame: FrameWithAttributes, refusal: str
) -> None:
    setattr(cds, refusal, 2 if refusal == "max_dates" else True)
    assert fetched(frame) == list(DATES)
    assert cds.dates_submitted == ONCE
    largest = max(len(request.get("date", [1])) for request in cds.submissions)
    assert largest == (2 if refusal == "max_dates" else 1)


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        ("job failed", ONCE),
        ("wrong size", ONCE),
        ("flipped bit", ONCE),
        ("html", ONCE),
        ("garbage", ONCE),
        ("other area", ONCE),
        ("missing level", {DATES[2]}),
    ],
)
def test_a_wrong_answer_is_set_aside_and_asked_for_again(
    cds: CdsServer, frame: FrameWithAttributes, fault: str, again: set[str]
) -> None:
    cds.fail_next(fault)
    assert fetched(frame) == list(DATES)
    assert cds.dates_submitted == ONCE + Counter(again)
    aside = set_aside(weather_folder(frame))
    assert len(aside) == (fault not in {"job failed", "wrong size", "flipped bit"})


@pytest.mark.parametrize("fault", ["truncated body", "stall"])
def test_a_broken_download_goes_on_where_it_stopped(cds: CdsServer, frame: FrameWithAttributes, fault: str) -> None:
    cds.stall_seconds = 0.5
    cds.fail_next(fault)
    assert fetched(frame) == list(DATES)
    assert cds.dates_submitted == ONCE
    starts = [first for _, first, _ in cds.downloads]
    if fault == "truncated body":
        assert starts[0] == 0 < starts[1]
        assert cds.downloads[1][2] < cds.downloads[0][2] * 1.2, "the second time the rest only"


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_busy_service_is_left_alone_for_as_long_as_it_asks(
    cds: CdsServer, frame: FrameWithAttributes, status: str
) -> None:
    cds.fail_next(status, times=3, on=SUBMIT.split("{", maxsplit=1)[0])
    assert fetched(frame) == list(DATES)
    assert cds.too_early() == []
    assert cds.dates_submitted == ONCE


def test_a_full_queue_is_waited_for(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_CDS_DATES", "2")
    cds.queue_limit, cds.polls_before_done = 1, 1
    assert fetched(frame) == list(DATES)
    assert cds.rejected
    assert cds.dates_delivered == ONCE


def test_requests_that_the_service_has_forgotten_are_made_again(cds: CdsServer, frame: FrameWithAttributes) -> None:
    cds.polls_before_done = 10_000

    def forget() -> None:
        while not cds.submissions:
            time.sleep(0.05)
        cds.polls_before_done = 0
        cds.forget_jobs()

    threading.Thread(target=forget, daemon=True).start()
    assert fetched(frame) == list(DATES)
    assert cds.dates_submitted == ONCE + ONCE
    assert cds.dates_delivered == ONCE


def test_a_date_that_never_comes_right_is_an_error_that_names_it(
    cds: CdsServer, frame: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbas_assets.resources.MAX_RETRIES", 0)
    cds.max_dates = 1
    cds.fail_next("other date", times=3)
    folder = weather_folder(frame)
    folder.mkdir(parents=True)
    for date in DATES[1:]:
        (folder / NAMED.format(date)).write_bytes(era5_bytes(date, 14, (30, -160, 10, -150)))
    error = frame.run(ERA5).errors["era5"]
    assert "[cds-request-failed]" in error
    assert f"1 of 1 dates could not be fetched ({DATES[0]}: is not in the answer)" in error
    assert good_dates(folder) == list(DATES[1:])
    assert len(set_aside(folder)) == 3


def test_a_full_disk_is_told_before_anything_is_asked_for(
    cds: CdsServer, frame: FrameWithAttributes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sbas_assets.resources.MAX_RETRIES", 0)
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        frame.configure({**frame.options, "mintpy.troposphericDelay.weatherDir": str(small)})
        error = frame.run(ERA5).errors["era5"]
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert "[disk-full]" in error
    assert "5 ERA5 files need 7 MB" in error
    assert cds.submissions == []


def test_a_larger_area_that_is_there_already_serves_its_dates(cds: CdsServer, frame: FrameWithAttributes) -> None:
    folder = weather_folder(frame)
    folder.mkdir(parents=True)
    larger = folder / NAMED.format(DATES[1]).replace("N10_N30_W160_W150", "N0_N30_W170_W140")
    larger.write_bytes(era5_bytes(DATES[1], 14, (30, -170, 0, -140)))
    assert sorted(fetched(frame)) == list(DATES)
    assert cds.dates_submitted == Counter(set(DATES) - {DATES[1]})
    assert larger.name in step_record(frame)["facts"]["era5_files"]
