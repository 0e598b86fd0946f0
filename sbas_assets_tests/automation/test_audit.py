"""What the daily audit finds, requests and tells, on many frames whose state is written by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeExecutionError

from sbas_assets.automation.audit import CHECK, MOST_REQUESTS, frames_audit
from sbas_assets.automation.findings import ERA5_EXPECTED, ERA5_MISSING
from sbas_assets.definitions import EVERYTHING, JOB, build_definitions
from sbas_assets.errors import OutsideError
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.resources import Platform
from sbas_assets.weather import release
from sbas_assets_tests.automation.observatory import NEW, NOW, OLD, Observatory
from sbas_assets_tests.published.stac_samples import UTM, sample_item, write_product


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> str:
    product = write_product(tmp_path_factory.mktemp("item"), "velocity", UTM)
    return json.dumps(sample_item([product]))


@pytest.fixture
def observatory(tmp_path: Path, item: str) -> Iterator[Observatory]:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield Observatory(tmp_path, item, instance)


def test_when_all_is_well_nothing_is_requested_and_the_check_passes(observatory: Observatory) -> None:
    observatory.settle("A", "B")
    assert observatory.audit() == {}
    assert observatory.told() == (True, "WARN", [], [])


def test_without_frames_the_check_passes(observatory: Observatory) -> None:
    assert observatory.audit() == {}
    assert observatory.told()[0]


def test_a_frame_whose_published_version_is_of_another_stack_is_requested(observatory: Observatory) -> None:
    observatory.settle("A", "B", "C")
    observatory.publish("A", OLD)
    (observatory.root / "store" / "B" / "item.json").unlink()
    requested = observatory.audit()
    assert set(requested) == {"A", "B"}
    assert requested["A"]["sbas/reason"] == "outdated"
    assert observatory.told() == (False, "WARN", [("A", "outdated"), ("B", "unpublished")], [])


def test_a_tick_that_is_done_again_has_the_same_keys_and_the_next_day_others(observatory: Observatory) -> None:
    observatory.settle("A")
    observatory.publish("A", OLD)

    def keys(at: datetime) -> set[str | None]:
        with dg.build_schedule_context(
            instance=observatory.instance,
            scheduled_execution_time=at,
            resources={"platform": Platform(root=str(observatory.root))},
            repository_def=build_definitions().get_repository_def(),
        ) as context:
            return {request.run_key for request in frames_audit.evaluate_tick(context).run_requests or []}

    assert keys(NOW) == keys(NOW) == {f"{NOW:%Y%m%d}:A"}
    assert keys(NOW + timedelta(days=1)) != keys(NOW)


def test_an_item_that_cannot_be_read_is_written_anew(observatory: Observatory) -> None:
    observatory.settle("A", "B")
    (observatory.root / "store" / "B" / "item.json").write_text("{")
    assert set(observatory.audit()) == {"B"}
    assert observatory.told()[2] == [("B", "product-damaged")]


def test_a_version_that_a_person_rolled_back_is_left_alone(observatory: Observatory) -> None:
    observatory.settle("A", "B")
    for frame in "AB":
        observatory.record(frame, "stac_item", stack_version=NEW)
        observatory.publish(frame, OLD, withheld=("3" * 32,) if frame == "A" else ("4" * 32,))
    assert set(observatory.audit()) == {"B"}


@pytest.mark.parametrize("fault", ["outside", "killed"])
def test_a_failure_that_may_pass_is_requested(observatory: Observatory, fault: str) -> None:
    observatory.settle("A", "B")
    observatory.machine.faults["A"] = fault
    observatory.machine.run("A")
    assert set(observatory.audit()) == {"A"}
    code = {"outside": "store-unreachable", "killed": "run-lost"}[fault]
    assert observatory.told() == (False, "WARN", [("A", code)], [])


@pytest.mark.parametrize("fault", ["input", "internal", "preflight"])
def test_a_mistake_is_told_with_its_mend_and_not_requested(observatory: Observatory, fault: str) -> None:
    observatory.settle("A", "B")
    observatory.publish("A", OLD)
    observatory.machine.faults["A"] = fault
    observatory.machine.run("A")
    assert observatory.audit() == {}
    code = {"input": "template-option-unknown", "internal": "internal", "preflight": "preflight"}[fault]
    passed, severity, wrong, _ = observatory.told()
    assert (passed, severity) == (False, "ERROR")
    assert ("A", code) in wrong


def test_a_mistake_in_the_frames_file_is_requested_when_the_file_was_changed(observatory: Observatory) -> None:
    observatory.settle("A")
    observatory.machine.faults["A"] = "input"
    observatory.machine.run("A")
    assert observatory.audit() == {}
    time.sleep(0.05)
    path = FrameCatalogue(observatory.root).path("A")
    path.write_text(path.read_text() + "\n")
    assert set(observatory.audit()) == {"A"}


def test_a_run_that_a_person_stopped_is_told_and_not_started_again(observatory: Observatory) -> None:
    observatory.settle("A")
    observatory.publish("A", OLD)
    observatory.instance.report_run_canceled(observatory.machine.begin("A"))
    assert observatory.audit() == {}
    assert ("A", "run-stopped") in observatory.told()[2]


def test_a_frame_that_is_being_worked_on_is_not_judged_until_that_takes_a_day(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    observatory.settle("A")
    observatory.publish("A", OLD)
    run = observatory.machine.begin("A")
    assert observatory.audit() == {}
    assert observatory.told()[0]
    monkeypatch.setattr("sbas_assets.automation.findings.LONG_RUN", timedelta(0))
    assert observatory.audit() == {}
    assert observatory.told()[:3] == (False, "ERROR", [("A", "run-long")])
    observatory.instance.delete_run(run.run_id)
    assert set(observatory.audit()) == {"A"}


def test_a_broken_file_a_stack_never_seen_and_a_frame_that_dagster_does_not_know_are_told(
    observatory: Observatory,
) -> None:
    observatory.settle("A")
    observatory.add("B")
    (observatory.root / "frames" / "C.yaml").write_text("track: [")
    values = {"track": 71, "direction": "descending", "stack": "/stacks/one"}
    FrameCatalogue(observatory.root).add("D", frame_config(values))
    assert observatory.audit() == {}
    wrong = [("B", "stack-not-seen"), ("C", "frame-config-invalid"), ("D", "frame-not-known")]
    assert observatory.told() == (False, "ERROR", wrong, [])


def test_era5_that_is_late_or_preliminary_is_told_and_requested_when_it_should_be_there(
    observatory: Observatory,
) -> None:
    observatory.settle("A", "B", "C")
    facts: dict[str, Any] = {"era5_files": {}, "dates_without_weather": {}, "era5_preliminary": []}
    late, past = release.until(NOW + timedelta(days=2)), release.until(NOW - timedelta(days=1))
    observatory.record("A", "era5", **{**facts, "dates_without_weather": {"20261119": late}})
    observatory.record("B", "era5", **{**facts, "dates_without_weather": {"20261110": past}})
    observatory.record("C", "era5", **facts)
    # it cannot come further than the last run
    observatory.publish("A", OLD)
    requested = observatory.audit()
    assert set(requested) == {"B"}
    assert requested["B"]["sbas/era5_dates"] == "20261110"
    passed, _, wrong, waiting = observatory.told()
    assert (passed, wrong) == (False, [("B", ERA5_EXPECTED)])
    assert waiting == [("A", ERA5_MISSING), ("A", "outdated")]


def test_what_only_waits_does_not_fail_the_check(observatory: Observatory) -> None:
    observatory.settle("A")
    late = release.until(NOW + timedelta(days=2))
    observatory.record("A", "era5", era5_files={}, dates_without_weather={"20261119": late}, era5_preliminary=[])
    assert observatory.audit() == {}
    assert observatory.told() == (True, "WARN", [], [("A", ERA5_MISSING)])


def test_a_store_that_does_not_answer_fails_the_tick_and_the_check(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    observatory.settle("A", "B")
    asked = []

    def no_answer(store: object, frame: str) -> None:
        asked.append(frame)
        raise OutsideError("store-unreachable", "no answer", mend="look at the network")

    monkeypatch.setattr("sbas_assets.automation.findings.read_current", no_answer)
    with pytest.raises(DagsterUserCodeExecutionError) as raised:
        observatory.audit()
    assert "store-unreachable" in str(raised.value.__cause__)
    assert len(asked) == 1
    record = observatory.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=1)[0]
    assert not record.event.dagster_event.asset_check_evaluation_data.passed  # type: ignore[union-attr]


def test_an_audit_of_300_frames_is_bounded_in_runs_and_in_time(observatory: Observatory) -> None:
    frames = [f"F{number:03}" for number in range(300)]
    observatory.settle(*frames)
    for frame in frames[:150]:
        observatory.publish(frame, OLD)
    for frame in frames:
        observatory.record(frame, "era5", era5_files={}, dates_without_weather={}, era5_preliminary=[])
    began = time.monotonic()
    assert len(observatory.audit()) == MOST_REQUESTS
    assert time.monotonic() - began < 30
    assert len(observatory.told()[2]) == 150


def test_the_check_can_be_run_by_hand_and_requests_nothing(observatory: Observatory) -> None:
    observatory.settle("A")
    observatory.publish("A", OLD)
    job = dg.define_asset_job("look", selection=dg.AssetSelection.checks(CHECK))
    ours = build_definitions(resources={"platform": Platform(root=str(observatory.root))})
    definitions = dg.Definitions.merge(ours, dg.Definitions(jobs=[job]))
    done = definitions.resolve_job_def("look").execute_in_process(instance=observatory.instance)
    (found,) = done.get_asset_check_evaluations()
    assert not found.passed
    assert observatory.told()[2] == [("A", "outdated")]


def test_the_audit_is_no_part_of_a_frames_run() -> None:
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    assert CHECK not in EVERYTHING.resolve_checks(graph)
    assert CHECK not in definitions.resolve_job_def(JOB).asset_layer.asset_graph.get_check_keys_for_assets(
        definitions.resolve_job_def(JOB).asset_layer.executable_asset_keys
    )
    assert frames_audit.default_status is dg.DefaultScheduleStatus.RUNNING
