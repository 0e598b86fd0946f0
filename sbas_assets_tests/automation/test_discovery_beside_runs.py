"""The sensor and the runs of a frame: they report the same version once, and neither disturbs the other."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from sbas_assets import digests
from sbas_assets.assets.source import report_stack
from sbas_assets.automation import discovery_reading
from sbas_assets.provenance import read_record
from sbas_assets.step import Run
from sbas_assets.survey import require_stack
from sbas_assets_tests.automation.deliveries import DATES, Delivery, Watch, metadata_of, version_of


def test_what_a_run_has_reported_is_not_reported_again(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    frame = watched.frame()
    report_stack(watched.instance, frame, require_stack(frame, Run("a-run", lambda _: None)))
    assert watched.materializations() == 2
    assert watched.tick(3) == []


def test_a_run_finds_the_version_that_was_reported(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    [event] = watched.tick(2)
    frame = watched.frame()
    record = require_stack(frame, Run("a-run", lambda _: None))
    assert record.data_version == version_of(event)
    report_stack(watched.instance, frame, record)
    assert watched.materializations() == 2


def test_a_run_that_comes_first_tells_what_has_changed_too(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    frame = watched.frame()
    report_stack(watched.instance, frame, require_stack(frame, Run("a-run", lambda _: None)))
    latest = watched.instance.get_latest_materialization_event(dg.AssetKey("topsStack"))
    assert latest is not None
    assert latest.asset_materialization is not None
    assert metadata_of(latest.asset_materialization)["dates_added_names"] == DATES[4]


def test_a_version_whose_predecessor_is_forgotten_says_so(watched: Watch, delivery: Delivery) -> None:
    watched.workspace().stack_contents.write_text('[{"version": 3')
    delivery.dates(DATES[4])
    [event] = watched.tick(2)
    assert "not known" in metadata_of(event)["changes"]


def test_nothing_is_written_or_reported_while_a_run_is_at_work(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    hidden = watched.workspace().hidden
    with watched.run_at_work():
        before = {path: path.stat().st_mtime_ns for path in hidden.rglob("*")}
        assert watched.tick(3) == []
        assert watched.told("a run of the frame is at work")
        assert {path: path.stat().st_mtime_ns for path in hidden.rglob("*")} == before
    assert len(watched.tick()) == 1


def test_a_run_that_begins_while_a_stack_is_judged_is_left_alone(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.dates(DATES[4])
    watched.tick()
    began = watched.run_at_work()
    original = discovery_reading.preflight

    def begin_meanwhile(layout: object) -> object:
        began.__enter__()
        return original(layout)  # type: ignore[arg-type]

    monkeypatch.setattr(discovery_reading, "preflight", begin_meanwhile)
    assert watched.tick() == []
    assert watched.told("a run of the frame is at work")
    began.__exit__(None, None, None)
    monkeypatch.setattr(discovery_reading, "preflight", original)
    assert len(watched.tick()) == 1


def test_a_stack_that_changes_while_it_is_judged_is_not_reported(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery.dates(DATES[4])
    watched.tick()
    original = discovery_reading.preflight

    def change_meanwhile(layout: object) -> object:
        report = original(layout)  # type: ignore[arg-type]
        delivery.dates(DATES[5])
        return report

    monkeypatch.setattr(discovery_reading, "preflight", change_meanwhile)
    assert watched.tick() == []
    assert watched.told("changed while it was read")
    monkeypatch.setattr(discovery_reading, "preflight", original)
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_added"] == 2


def test_a_reading_that_was_cut_off_goes_on_and_a_run_reads_nothing_again(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**9))  # files written just now count as old
    monkeypatch.setattr(discovery_reading, "BATCH", 2)
    read: list[Path] = []
    original = digests._read

    def reading(path: Path) -> str:
        if len(read) == 3:
            raise ZeroDivisionError("the process ends")
        read.append(path)
        return original(path)

    monkeypatch.setattr(digests, "_read", reading)
    monkeypatch.setattr(digests, "thread_count", lambda: 1)
    watched.workspace().stack_digests.unlink()
    delivery.dates(DATES[4])
    assert watched.tick(2) == []
    assert watched.told("the process ends")
    monkeypatch.setattr(digests, "_read", lambda path: read.append(path) or original(path))
    assert len(watched.tick()) == 1
    require_stack(watched.frame(), Run("a-run", lambda _: None))
    again = {path for path in read if read.count(path) > 1}
    # the third was read in the batch that was cut off
    assert again == {read[2]}


def test_the_record_of_the_stack_is_a_runs_to_write(watched: Watch, delivery: Delivery) -> None:
    require_stack(watched.frame(), Run("a-run", lambda _: None))
    before = read_record(watched.workspace(), "topsStack")
    delivery.dates(DATES[4])
    assert len(watched.tick(2)) == 1
    assert read_record(watched.workspace(), "topsStack") == before
