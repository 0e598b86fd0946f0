"""What makes a frame due, tick by tick, on stand-ins for the assets."""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from sbas_assets.automation.condition import SENSOR, SENSORS
from sbas_assets.definitions import build_definitions
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.automation.stand_ins import CHECKS, PARTS, Machine
from sbas_assets_tests.frames_at_work import FrameAtWork, asset_names

EVERYTHING = PARTS | CHECKS


# --- a new stack ---


def test_a_frame_without_a_complete_stack_is_left_alone(machine: Machine) -> None:
    machine.add("A", "B")
    machine.deliver("v1", "B")
    assert set(machine.tick()) == {"B"}


def test_a_new_stack_makes_one_whole_frame_due_with_all_its_checks_and_once(machine: Machine) -> None:
    machine.add("A", "B")
    assert machine.tick() == {}
    machine.deliver("v1", "A")
    assert machine.tick() == {"A": EVERYTHING}
    # nobody has taken the run from the queue yet, and no run is known: it was asked for
    assert machine.tick() == {}
    machine.run("A")
    assert machine.tick() == {}


def test_a_new_version_of_the_stack_makes_the_frame_due_again(machine: Machine) -> None:
    machine.settle("A", "B")
    machine.deliver("v2", "A")
    assert machine.tick() == {"A": EVERYTHING}
    machine.run("A")
    assert machine.tick() == {}


def test_the_same_version_reported_again_is_no_change(machine: Machine) -> None:
    machine.settle("A")
    machine.deliver("v1", "A")
    assert machine.tick() == {}


def test_an_observation_is_no_change(machine: Machine) -> None:
    machine.settle("A")
    tags = {"dagster/data_version": "v2"}
    machine.instance.report_runless_asset_event(dg.AssetObservation("topsStack", partition="A", tags=tags))
    assert machine.tick() == {}


@pytest.mark.parametrize("before_the_run", [True, False])
def test_a_change_right_after_a_request_is_not_lost(machine: Machine, before_the_run: bool) -> None:
    machine.settle("A")
    machine.deliver("v2", "A")
    assert set(machine.tick()) == {"A"}
    if before_the_run:
        machine.deliver("v3", "A")
        # nothing is known of the requested run: what it will find is not what was asked for
        assert set(machine.tick()) == {"A"}
        machine.run("A")
    else:
        run = machine.begin("A")
        machine.deliver("v3", "A")
        assert machine.tick() == {}, "a run is under way"
        machine.instance.report_run_canceled(run)
        assert set(machine.tick()) == {"A"}
        machine.run("A")
    assert machine.tick() == {}


def test_a_change_while_a_run_reads_the_old_stack_is_not_lost(machine: Machine) -> None:
    machine.settle("A")
    machine.deliver("v2", "A")
    assert set(machine.tick()) == {"A"}

    def deliver(event: dg.EventLogEntry) -> None:
        # between what reads the stack first and what reads it next
        kind = event.get_dagster_event().event_type_value if event.is_dagster_event else None
        if kind == "STEP_SUCCESS" and event.step_key in {"era5", "ifgramStack"} and not delivered:
            delivered.append(event.step_key)
            machine.deliver("v3", "A")

    delivered: list[str | None] = []
    job = machine.definitions().resolve_implicit_global_asset_job_def()
    run_id = "0" * 32
    machine.instance.add_event_listener(run_id, deliver)
    assert job.execute_in_process(instance=machine.instance, partition_key="A", run_id=run_id).success
    assert delivered
    assert set(machine.tick()) == {"A"}


def test_no_version_is_lost_wherever_in_the_cycle_it_arrives(machine: Machine) -> None:
    machine.settle("A")
    for number in range(12):
        machine.deliver(f"n{number}", "A")
        for _ in range(number % 3):
            machine.tick()
            if number % 2:
                machine.deliver(f"m{number}", "A")
        for _ in range(3):
            if "A" in machine.tick():
                machine.run("A")
        # whatever the order was, the last run has seen the last version
        assert machine.tick() == {}


def test_a_stack_that_goes_back_to_the_version_of_the_products_is_not_due(machine: Machine) -> None:
    machine.settle("A")
    machine.deliver("v2", "A")
    machine.deliver("v1", "A")
    assert machine.tick() == {}


def test_a_lost_cursor_requests_nothing_that_is_done(machine: Machine) -> None:
    machine.settle("A", "B")
    machine.deliver("v2", "B")
    machine.cursor = None
    assert set(machine.tick()) == {"B"}


def test_a_frame_that_was_removed_is_forgotten(machine: Machine) -> None:
    machine.settle("A", "B")
    machine.deliver("v2", "A", "B")
    machine.instance.delete_dynamic_partition("frame", "A")
    assert set(machine.tick()) == {"B"}


def test_twenty_frames_at_once_get_a_run_each(machine: Machine) -> None:
    frames = [f"F{number}" for number in range(20)]
    machine.add(*frames)
    machine.deliver("v1", *frames)
    assert machine.tick() == dict.fromkeys(frames, EVERYTHING)
    assert machine.tick() == {}


# --- runs under way ---


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_no_run_is_requested_while_one_of_the_frame_is_queued_or_under_way(machine: Machine, status: str) -> None:
    machine.settle("A", "B")
    run = machine.begin("A")
    machine.instance.run_storage.delete_run(run.run_id)
    machine.instance.add_run(run._replace(status=dg.DagsterRunStatus(status)))
    machine.deliver("v2", "A", "B")
    assert set(machine.tick()) == {"B"}
    machine.instance.run_storage.delete_run(run.run_id)
    assert set(machine.tick()) == {"A"}


def test_no_run_is_requested_of_frames_in_a_backfill_that_goes_on(machine: Machine) -> None:
    machine.settle("A", "B")
    backfill = PartitionBackfill(
        backfill_id="one",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=time.time(),
        partition_names=["A"],
    )
    machine.instance.add_backfill(backfill)
    machine.deliver("v2", "A", "B")
    assert set(machine.tick()) == {"B"}
    machine.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert set(machine.tick()) == {"A"}


# --- code ---


def test_a_new_code_version_makes_every_frame_due_once(machine: Machine) -> None:
    machine.settle("A", "B")
    machine.code = "2"
    assert machine.tick() == {"A": EVERYTHING, "B": EVERYTHING}
    assert machine.tick() == {}
    machine.run("A")
    machine.run("B")
    assert machine.tick() == {}


def test_a_new_code_version_waits_for_a_run_that_is_under_way(machine: Machine) -> None:
    machine.settle("A", "B")
    run = machine.begin("A")
    machine.code = "2"
    assert set(machine.tick()) == {"B"}
    assert machine.tick() == {}
    machine.instance.report_run_canceled(run)
    assert set(machine.tick()) == {"A"}
    assert machine.tick() == {}


def test_an_asset_that_a_new_version_of_the_package_brings_is_made_for_all_frames(machine: Machine) -> None:
    machine.settle("A")
    machine.add("no stack")
    new = dg.AssetSpec("new", deps=["velocity"], partitions_def=dg.DynamicPartitionsDefinition(name="frame"))

    @dg.multi_asset(specs=[new])
    def more() -> None: ...

    machine.more = [more]
    assert set(machine.tick()) == {"A"}


# --- many frames ---


def test_three_hundred_frames_that_are_well_request_nothing_for_an_hour_and_cost_little(tmp_path: Path) -> None:
    machine = Machine()
    frames = [f"F{number:03}" for number in range(300)]
    machine.add(*frames)
    machine.deliver("v1", *frames)
    assert len(machine.tick()) == 300
    seen = machine.instance.event_log_storage.get_latest_storage_id_by_partition(
        dg.AssetKey("topsStack"), dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    for frame in frames:
        for name in PARTS:
            # as a run leaves them
            tags = {"dagster/code_version": "1", "dagster/input_event_pointer/topsStack": str(seen[frame])}
            machine.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition=frame, tags=tags))
    began = time.monotonic()
    assert all(machine.tick() == {} for _ in range(60))
    assert time.monotonic() - began < 60
    machine.deliver("v2", "F007")
    assert set(machine.tick()) == {"F007"}


# --- the real definitions ---


def test_the_real_assets_are_requested_in_one_run_with_every_check_of_a_frame() -> None:
    definitions, instance = build_definitions(), dg.DagsterInstance.ephemeral()
    repository = definitions.get_repository_def()
    instance.add_dynamic_partitions("frame", ["A", "B"])
    tags = {"dagster/data_version": "v1"}
    instance.report_runless_asset_event(dg.AssetMaterialization("topsStack", partition="A", tags=tags))
    with dg.build_sensor_context(instance=instance, repository_def=repository, sensor_name=SENSOR) as context:
        (request,) = repository.get_sensor_def(SENSOR).evaluate_tick(context).run_requests or []
    assert request.partition_key == "A"
    assert request.tags["sbas/requested_by"] == SENSOR
    assert {key.to_user_string() for key in request.asset_selection or []} == asset_names()
    of_frames = {
        spec.key for check in definitions.asset_checks or [] for spec in check.check_specs if spec.partitions_def
    }
    assert set(request.asset_check_keys or []) == of_frames


def test_only_our_sensor_evaluates_conditions_and_it_is_switched_on() -> None:
    sensors = build_definitions().get_repository_def().sensor_defs
    evaluating = [sensor for sensor in sensors if isinstance(sensor, dg.AutomationConditionSensorDefinition)]
    assert [sensor.name for sensor in evaluating] == [SENSOR]
    assert SENSORS[0].default_status is dg.DefaultSensorStatus.RUNNING


def test_every_term_has_a_name_that_says_what_it_means() -> None:
    snapshot = build_definitions().resolve_asset_graph().get(dg.AssetKey("ifgramStack")).automation_condition
    labels = {snapshot.get_label() for snapshot in _all(snapshot)}
    assert {
        "its stack is new",
        "its code is new, or an asset was never made",
        "an outside fault may have gone",
        "a mistake was mended",
        "no run of the frame is queued or under way",
        "its stack is not refused",
    } <= labels


def _all(condition: object) -> list[dg.AutomationCondition]:
    return [condition, *(found for child in condition.children for found in _all(child))]  # type: ignore[attr-defined]


def test_a_real_frame_that_was_run_is_not_due_until_its_stack_changes(tmp_path: Path) -> None:
    dates = regular_dates("20200511", 6, 24)
    simulate_stack(SimulationConfig(length=72, width=80, dates=dates, seed=7), tmp_path / "stack")
    frame = FrameAtWork(tmp_path, tmp_path / "stack", {"mintpy.troposphericDelay.method": "no"})
    definitions = build_definitions()
    assert frame.run().success
    # the first look of a new installation, at what was made by hand
    first = dg.evaluate_automation_conditions(definitions, frame.instance)
    assert first.total_requested == 0
    tags = {"dagster/data_version": "another"}
    frame.instance.report_runless_asset_event(dg.AssetMaterialization("topsStack", partition=frame.key, tags=tags))
    then = dg.evaluate_automation_conditions(definitions, frame.instance, cursor=first.cursor)
    assert {key.to_user_string() for key in then._requested_partitions_by_asset_key} == asset_names()
    assert dg.evaluate_automation_conditions(definitions, frame.instance, cursor=then.cursor).total_requested == 0
