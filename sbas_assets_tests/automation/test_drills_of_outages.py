"""A full disk, a store and a weather service that are gone for a while: told, waited for, and gone on with by itself.

The sensor, the conditions and the runs are the real ones, one after the other (`rounds`), on a clock of their own.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbas_assets.published.steps import SOURCES
from sbas_assets.published.verify import verify_frame
from sbas_assets_tests.automation.deliveries import DATES, KEY, Delivery
from sbas_assets_tests.automation.rounds import Rounds, hours
from sbas_assets_tests.mintpy.weather_files import AT_14_UTC, hawaiian_stack, needs_era5
from sbas_assets_tests.published.ceph_server import CephServer
from sbas_assets_tests.weather.cds_server import CdsServer

pytestmark = pytest.mark.long

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

WEATHER_DATES = ("20220101", "20220113", "20220125", "20220206")
WHOLE = {"item": [], **{name: [] for name in SOURCES}}


@pytest.fixture
def small_disk(rounds: Rounds) -> Iterator[Path]:
    """Work folders on a file system of their own, with room for nothing much."""
    work = rounds.root / "work"
    work.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1800k", "tmpfs", str(work)], check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    yield work
    subprocess.run(["umount", "-l", str(work)], check=True)


def test_a_disk_that_is_full_for_a_while_costs_nothing_that_was_finished(
    rounds: Rounds, delivery: Delivery, small_disk: Path
) -> None:
    rounds.add_frame(delivery.stack)
    rounds.rounds(4)
    assert rounds.outcomes() == ["disk-full"], "once, and then it waits"
    assert rounds.leftovers() == []
    made = set((small_disk / KEY / ".sbas" / "records").iterdir())
    assert made
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    rounds.round(hours(0.3))
    assert rounds.outcomes() == ["disk-full", "SUCCESS"]
    reused = rounds.reused()
    assert {record.stem for record in made} - {"topsStack"} <= reused
    assert rounds.rounds(2, hours(5)) == []
    assert (len(rounds.ran), rounds.versions()) == (2, [1])
    assert rounds.leftovers() == []


def test_a_store_that_is_gone_for_a_while_gets_every_version_in_its_turn(
    rounds: Rounds, delivery: Delivery, ceph: CephServer, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_STORE_TIMEOUT", "1")
    monkeypatch.setattr("sbas_assets.resources.MAX_RETRIES", 0)
    rounds.store = f"s3://{bucket}/store"
    rounds.add_frame(delivery.stack)
    rounds.rounds(2)
    assert rounds.outcomes() == ["SUCCESS"]
    delivery.dates(DATES[4])
    ceph.stop_gateway()
    try:
        rounds.rounds(3)
        rounds.round(hours(0.3))
        assert rounds.outcomes() == ["SUCCESS", "store-unreachable", "store-unreachable"]
        # what comes meanwhile is new all the same
        delivery.dates(DATES[5])
        rounds.rounds(2)
    finally:
        ceph.start_gateway()
    # after the third failure in a row it waits for longest
    rounds.round(hours(4.1))
    assert rounds.outcomes() == ["SUCCESS", *["store-unreachable"] * 3, "SUCCESS"]
    assert rounds.versions() == [1, 2]
    assert rounds.rounds(2, hours(5)) == []
    assert len(rounds.ran) == 5
    assert verify_frame(rounds.store, KEY) == WHOLE
    assert rounds.leftovers() == []


@needs_era5
def test_a_weather_service_that_is_gone_for_a_while_delays_the_frame_and_asks_for_no_date_twice(
    rounds: Rounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = hawaiian_stack(tmp_path / "hawaii", WEATHER_DATES)
    rounds.add_frame(stack, mintpy={}, attributes=AT_14_UTC)
    monkeypatch.setenv("SBAS_CDS_PATIENCE", "1")
    with CdsServer() as service:
        service.polls_before_done = 0
        monkeypatch.setenv("CDSAPI_KEY", service.key)
        monkeypatch.setenv("CDSAPI_URL", "http://127.0.0.1:9/api")
        rounds.rounds(3)
        assert rounds.outcomes() == ["cds-unreachable"]
        assert (rounds.workspace().root / "timeseries.h5").exists(), "what needs no weather is made"
        monkeypatch.setenv("CDSAPI_URL", service.url)
        rounds.round(hours(0.3))
    assert rounds.outcomes() == ["cds-unreachable", "SUCCESS"]
    assert service.dates_submitted == dict.fromkeys(WEATHER_DATES, 1)
    assert "timeseries" in rounds.reused()
    assert (len(rounds.ran), rounds.versions()) == (2, [1])
    assert rounds.leftovers() == []
