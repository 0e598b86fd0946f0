"""The real client of the Climate Data Store works with the test's server, and sees its faults as faults."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cdsapi
import numpy as np
import pygrib
import pytest
import requests

from sbas_assets_tests.weather.cds_requests import DATASET
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.era5_fields import LEVELS, era5_bytes, messages

AREA = (22.0, -157.0, 18.0, -153.0)
DATES = ("20220101", "20220113", "20220125")
REQUEST: dict[str, Any] = {
    "product_type": ["reanalysis"],
    "variable": ["geopotential", "temperature", "specific_humidity"],
    "date": ["2022-01-01", "2022-01-13", "2022-01-25"],
    "time": ["14:00"],
    "pressure_level": [str(level) for level in LEVELS],
    "data_format": "grib",
    "area": list(AREA),
}


@pytest.fixture
def server() -> Iterator[CdsServer]:
    with CdsServer() as server:
        server.polls_before_done = 0  # the client sleeps a second between two looks, whatever it is told
        yield server
        assert not server.errors


def client_of(server: CdsServer, **options: Any) -> cdsapi.Client:
    options = {"key": server.key, "sleep_max": 0.1, "retry_max": 5, "quiet": True, "progress": False} | options
    return cdsapi.Client(server.url, **options)


def expected(dates: tuple[str, ...] = DATES) -> bytes:
    return b"".join(era5_bytes(date, 14, AREA) for date in dates)


def test_the_client_of_a_key_without_a_colon_is_the_one_of_todays_service(server: CdsServer) -> None:
    client = client_of(server)
    assert type(client).__module__ == "ecmwf.datastores.legacy_client"
    assert client.client.check_authentication()["id"] == 1
    assert {"id": "cc-by", "revision": 1} in client.client.get_accepted_licences(scope="dataset")


def test_several_dates_arrive_in_one_file_with_all_their_messages(server: CdsServer, tmp_path: Path) -> None:
    target = tmp_path / "era5.grb"
    client_of(server).retrieve(DATASET, REQUEST, str(target))
    with pygrib.open(str(target)) as fields:
        read = [(field.dataDate, field.hour, field.level, field.shortName) for field in fields]
    assert read == [(int(date), 14, level, name) for date in DATES for level in LEVELS for name in ("z", "t", "q")]
    assert target.read_bytes() == expected()
    assert server.submissions == [REQUEST]
    assert server.dates_submitted == server.dates_delivered == dict.fromkeys(DATES, 1)
    assert [download[1:] for download in server.downloads] == [(0, target.stat().st_size)]
    assert server.most_unfinished == 1


def test_dates_may_be_given_as_ranges_and_as_years_months_and_days(server: CdsServer, tmp_path: Path) -> None:
    bare = {key: value for key, value in REQUEST.items() if key != "date"}
    february = {"year": ["2022"], "month": ["02"], "day": ["27", "28", "29"]}
    client = client_of(server)
    for request in (bare | {"date": "2022-02-27/2022-02-28"}, bare | february):
        client.retrieve(DATASET, request, str(tmp_path / "era5.grb"))
        assert (tmp_path / "era5.grb").read_bytes() == expected(("20220227", "20220228"))
    server.refuse_date_lists = True
    with pytest.raises(requests.HTTPError, match=r"400 .*\ninvalid request"):
        client.retrieve(DATASET, REQUEST)


def test_a_job_is_accepted_runs_and_is_done_and_can_be_found_by_its_id(server: CdsServer, tmp_path: Path) -> None:
    server.polls_before_running, server.polls_before_done = 1, 2
    remote = client_of(server, wait_until_complete=False).retrieve(DATASET, REQUEST)
    again = client_of(server).client.get_remote(remote.request_id)  # a look as well
    assert [remote.status for _ in range(3)] == ["running", "running", "successful"]
    assert again.request == REQUEST
    again.download(str(tmp_path / "era5.grb"))
    assert (tmp_path / "era5.grb").read_bytes() == expected()
    server.forget_jobs()
    with pytest.raises(requests.HTTPError, match=r"404 .*\njob not found"):
        client_of(server).client.get_remote(remote.request_id)


def test_results_are_not_given_before_their_time_nor_after_their_deletion(server: CdsServer) -> None:
    server.polls_before_running = 9
    remote = client_of(server, wait_until_complete=False).retrieve(DATASET, REQUEST)
    with pytest.raises(requests.HTTPError, match=r"404 .*\nresults not ready"):
        remote._make_results(wait=False)
    remote.delete()
    with pytest.raises(requests.HTTPError, match=r"404 .*\njob not found"):
        _ = remote.status


def test_a_wrong_key_is_refused(server: CdsServer) -> None:
    client = client_of(server, key="00000000-0000-4000-8000-000000000000")
    for call in (client.client.check_authentication, lambda: client.retrieve(DATASET, REQUEST)):
        with pytest.raises(requests.HTTPError, match=r"401 .*\nAuthentication failed\noperation not allowed"):
            call()
    assert not server.submissions


def test_a_licence_that_was_not_accepted_is_named_with_the_page_to_accept_it(server: CdsServer) -> None:
    server.licence_accepted = False
    with pytest.raises(requests.HTTPError, match=r"403 .*\nrequired licences not accepted\n.*tab=download"):
        client_of(server).retrieve(DATASET, REQUEST)


def test_an_unknown_dataset_and_an_unknown_variable_are_refused(server: CdsServer) -> None:
    with pytest.raises(requests.HTTPError, match=r"404 .*\nprocess not found"):
        client_of(server).retrieve("reanalysis-era6", REQUEST)
    with pytest.raises(requests.HTTPError, match=r"400 .*\ninvalid request"):
        client_of(server).retrieve(DATASET, REQUEST | {"variable": ["colour"]})


def test_too_many_dates_are_refused(server: CdsServer) -> None:
    server.max_dates = 2
    with pytest.raises(requests.HTTPError, match="cost limits exceeded\nYour request is too large"):
        client_of(server).retrieve(DATASET, REQUEST)


def test_dates_under_the_embargo_are_left_out_without_a_word(server: CdsServer, tmp_path: Path) -> None:
    server.latest = dt.datetime(2022, 1, 25, 13)
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    assert (tmp_path / "era5.grb").read_bytes() == expected(DATES[:2])
    server.latest = dt.datetime(2021, 12, 27, 15)
    with pytest.raises(requests.HTTPError, match=r"None of the data .* this dataset is: 2021-12-27 15:00"):
        client_of(server).retrieve(DATASET, REQUEST)


def test_a_failed_job_raises_with_the_text_of_its_traceback(server: CdsServer) -> None:
    server.fail_next("job failed")
    with pytest.raises(requests.HTTPError, match=r"400 .*\nThe job has failed\nThe job failed with: MarsNoDataError"):
        client_of(server).retrieve(DATASET, REQUEST)


def test_jobs_above_the_limit_of_the_queue_are_rejected(server: CdsServer) -> None:
    server.queue_limit = 1
    client = client_of(server, wait_until_complete=False)
    client.retrieve(DATASET, REQUEST)
    second = client.retrieve(DATASET, REQUEST)
    with pytest.raises(requests.HTTPError, match="Number of queued requests using the API is limited to 1"):
        second.get_results()
    assert (len(server.submissions), len(server.rejected), server.most_unfinished) == (1, 1, 1)


def test_calls_too_many_and_a_service_out_of_order_are_tried_again(server: CdsServer, tmp_path: Path) -> None:
    server.fail_next("429", on="POST")
    server.fail_next("503", times=2)
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    assert (tmp_path / "era5.grb").read_bytes() == expected()
    assert server.calls["POST /api/retrieve/v1/processes/{dataset}/execution"] == 2
    assert server.calls["GET /api/catalogue/v1/messages"] == 3
    assert len(server.refused_times) == 1
    assert server.too_early()  # the client waits sleep_max seconds, and not what Retry-After says


def test_a_download_that_was_cut_is_resumed_at_the_last_whole_chunk(server: CdsServer, tmp_path: Path) -> None:
    area = (40.0, 120.0, 20.0, 140.0)
    server.fail_next("truncated body")
    client_of(server).retrieve(DATASET, REQUEST | {"area": list(area)}, str(tmp_path / "era5.grb"))
    whole = b"".join(era5_bytes(date, 14, area) for date in DATES)
    assert (tmp_path / "era5.grb").read_bytes() == whole
    (first, sent), (resumed, rest) = (download[1:] for download in server.downloads)
    assert (first, sent, rest) == (0, len(whole) // 2, len(whole) - resumed)
    assert (resumed, resumed % 2**20) == (2**21, 0)  # what came of a chunk of 1 MiB the client throws away
    assert server.calls["HEAD /cache/{id}.grib"] == 2
    assert server.dates_delivered == dict.fromkeys(DATES, 1)


def test_a_download_that_stalls_is_cut_and_resumed_by_the_client(server: CdsServer, tmp_path: Path) -> None:
    server.stall_seconds = 2
    server.fail_next("stall")
    client_of(server, timeout=0.3).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    assert (tmp_path / "era5.grb").read_bytes() == expected()
    assert server.calls["GET /cache/{id}.grib"] == 2


def test_a_file_shorter_than_announced_is_an_error_of_the_client(server: CdsServer, tmp_path: Path) -> None:
    server.fail_next("wrong size")
    with pytest.raises(RuntimeError, match="Download failed: downloaded"):
        client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    assert not server.dates_delivered


@pytest.mark.parametrize("fault", ["html", "other date", "missing level", "garbage", "other area"])
def test_the_client_takes_the_wrong_contents_for_good(server: CdsServer, tmp_path: Path, fault: str) -> None:
    server.fail_next(fault)
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "bad.grb"))
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "good.grb"))
    bad, good = (tmp_path / "bad.grb").read_bytes(), (tmp_path / "good.grb").read_bytes()
    assert good == expected()
    assert bad != good
    assert (len(bad) == len(good)) == (fault in ("other date", "garbage"))
    assert bad.startswith(b"GRIB") == (fault in ("other date", "missing level", "other area"))


def test_a_throttled_download_takes_its_time(server: CdsServer, tmp_path: Path) -> None:
    server.bytes_per_second = 2 * len(expected())
    start = time.monotonic()
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    assert 0.4 < time.monotonic() - start < 5


def test_preliminary_fields_say_so(server: CdsServer, tmp_path: Path) -> None:
    server.expver = lambda date: "0005" if date > "20220113" else "0001"
    client_of(server).retrieve(DATASET, REQUEST, str(tmp_path / "era5.grb"))
    with pygrib.open(str(tmp_path / "era5.grb")) as fields:
        versions = {(field.dataDate, field.experimentVersionNumber) for field in fields}
    assert versions == {(20220101, "0001"), (20220113, "0001"), (20220125, "0005")}


def test_the_fields_are_those_of_an_atmosphere_and_change_from_date_to_date(tmp_path: Path) -> None:
    pyaps = pytest.importorskip("pyaps3")
    latitude, longitude = np.meshgrid(np.linspace(19.5, 20.5, 4), np.linspace(-155.5, -154.5, 4), indexing="ij")
    delays = []
    for date in DATES:
        path = tmp_path / f"{date}.grb"
        path.write_bytes(era5_bytes(date, 14, AREA))
        places = {"dem": np.zeros((4, 4)), "lat": latitude.copy(), "lon": longitude.copy(), "inc": 0.0}
        delays.append(pyaps.PyAPS(str(path), grib="ERA5", **places).getdelay())
    assert 1.5 < np.min(delays) < np.max(delays) < 3
    assert np.ptp(np.mean(delays, axis=(1, 2))) > 0.003
    assert np.ptp(delays[0]) > 0.001


def test_two_areas_of_one_date_agree_where_they_overlap() -> None:
    def corner(area: tuple[float, float, float, float], variable: str, row: int, column: int) -> float:
        (message,) = messages("20220101", 14, area, levels=[850], variables=[variable])
        return float(pygrib.fromstring(message).values[row, column])

    for variable, error in (("z", 0.1), ("t", 1e-3), ("q", 1e-6)):
        small, large = corner((20, -155, 19, -154), variable, 0, 0), corner(AREA, variable, 8, 8)
        assert small == pytest.approx(large, abs=error)
        assert small > 0
