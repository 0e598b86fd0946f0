"""Runs, daemon and webserver are killed at random moments while dates are delivered: nothing is lost or done twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sbas_assets_tests.automation.date_by_date import NEAR_MM, Stream, same_reference_point, series_off_mm
from sbas_assets_tests.automation.deliveries import DATES, Delivery
from sbas_assets_tests.installation import Installation, installation

pytestmark = pytest.mark.long

FIRST = 6
RUNS = """query { runsOrError { ... on Runs { results { status tags { key value }
  eventConnection { events { ... on MessageEvent { message } } } } } } }"""
SLOTS = "query { instance { runQueueConfig { maxConcurrentRuns } concurrencyLimits { concurrencyKey } } }"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path / "root", most_runs=1) as made:
        yield made


def in_the_middle(made: Installation, rng: random.Random) -> int:
    """Wait for a random moment of the frame's run; its process."""
    made.wait(lambda: made.process_of("A") is not None and made.settled(1))
    time.sleep(rng.uniform(0, 2))
    process = made.process_of("A")
    assert process is not None, "a run takes longer than that"
    return process


def test_deliveries_survive_kills_of_run_daemon_webserver_and_of_everything_at_once(
    made: Installation, whole: Path, tmp_path: Path
) -> None:
    rng = random.Random(f"{time.time_ns()}")
    stream = Stream.begin(made, Delivery(whole, tmp_path / "stack"), "A")
    stream.bring(*DATES[:FIRST])
    made.start("daemon")
    made.start("webserver")
    os.kill(in_the_middle(made, rng), signal.SIGKILL)
    made.wait(lambda: stream.published() == 1 and not made.under_way("A"))
    # the next date comes while nobody is there; then everything dies again in the middle of it
    made.kill("webserver")
    made.switch_off()
    stream.bring(DATES[FIRST])
    made.start("daemon")
    in_the_middle(made, rng)
    made.switch_off()
    made.start("daemon")
    made.start("webserver")
    made.wait(lambda: stream.published() == 2 and not made.under_way("A"))
    same_reference_point(made.root, "A", ["once"])
    made.add("once", stream.delivery.stack)
    made.wait(lambda: "once" in made.ended() and made.is_up())
    assert made.ended() == {"A": ["SUCCESS", "FAILURE"] * 2, "once": ["SUCCESS"]}
    assert stream.dates_reported() == list(DATES)
    assert stream.versions() == [(1, DATES[FIRST - 1]), (2, DATES[FIRST])]
    assert series_off_mm(made.root, "A", "once") < NEAR_MM
    assert stream.leftovers() == []
    require_told(made)


def require_told(made: Installation) -> None:
    """The UI says of each run that was killed what has become of it, and shows no slot that is taken."""
    told = made.ask(RUNS)["runsOrError"]["results"]
    failed = [run for run in told if run["status"] == "FAILURE"]
    messages = [" ".join(event.get("message", "") for event in run["eventConnection"]["events"]) for run in failed]
    assert all("signal 9" in message or "no sign of life" in message for message in messages), messages
    assert all({"dagster/will_retry"} <= {tag["key"] for tag in run["tags"]} for run in failed)
    assert made.ask(SLOTS)["instance"]["concurrencyLimits"] == []
    assert made.most == 1
