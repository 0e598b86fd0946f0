"""Cheap assets under the conditions of the real ones, and a clock: automation tick by tick."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg

from sbas_assets.automation.condition import frame_is_due, goes_with_what_it_is_made_from
from sbas_assets.errors import InputError
from sbas_assets.resources import dagster_failures

FRAMES = dg.DynamicPartitionsDefinition(name="frame")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
PARTS = {"ifgramStack", "era5", "velocity", "stac_item"}
CHECKS = {"topsStack:preflight", "velocity:velocity_in_bounds"}


@dataclass
class Machine:
    """An installation with stand-ins for topsStack, two assets that read it, and two that are made from these.

    `faults` says for a frame what its velocity fails of: ``input``, ``outside``, ``internal`` or ``killed``; with
    ``preflight`` it is the check that fails.
    """

    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)
    code: str = "1"
    more: Sequence[dg.AssetsDefinition] = ()
    faults: dict[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    cursor: object = None
    ran: list[str] = field(default_factory=list)

    def definitions(self) -> dg.Definitions:
        stack = dg.AssetSpec("topsStack", partitions_def=FRAMES)
        reads = {"partitions_def": FRAMES, "deps": ["topsStack"], "automation_condition": frame_is_due()}
        goes = {"partitions_def": FRAMES, "automation_condition": goes_with_what_it_is_made_from()}

        @dg.asset(**reads, code_version="1")
        def ifgramStack() -> None: ...

        @dg.asset(**reads, code_version="1")
        def era5() -> None: ...

        @dg.asset(**goes, deps=[ifgramStack, era5], code_version=self.code)
        def velocity(context: dg.AssetExecutionContext) -> None:
            self._fail(context)

        @dg.asset(**goes, deps=[velocity], code_version="1")
        def stac_item() -> None: ...

        @dg.asset_check(asset="topsStack", blocking=True, partitions_def=FRAMES, automation_condition=frame_is_due())
        def preflight(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=self.faults.get(context.partition_key) != "preflight")

        @dg.asset_check(asset=velocity, **goes)
        def velocity_in_bounds() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        return dg.Definitions(
            assets=[stack, ifgramStack, era5, velocity, stac_item, *self.more],
            asset_checks=[preflight, velocity_in_bounds],
            executor=dg.in_process_executor,
        )

    def _fail(self, context: dg.AssetExecutionContext) -> None:
        fault = self.faults.get(context.partition_key)
        if fault == "input":
            with dagster_failures(context):
                raise InputError("template-option-unknown", "there is no such option", mend="remove it")
        if fault == "outside":
            # as after the last of the step's own retries
            raise dg.Failure("[store-unreachable] no answer", {"code": "store-unreachable", "kind": "outside"})
        if fault == "internal":
            raise ZeroDivisionError

    def add(self, *frames: str) -> None:
        self.instance.add_dynamic_partitions("frame", list(frames))

    def deliver(self, version: str, *frames: str) -> None:
        """Report a version of the stack, as the discovery sensor does."""
        for frame in frames:
            tags = {"dagster/data_version": version}
            event = dg.AssetMaterialization("topsStack", partition=frame, tags=tags)
            self.instance.report_runless_asset_event(event)

    def tick(self, minutes: float = 1) -> dict[str, set[str]]:
        """What is requested of each frame a while later."""
        self.now += timedelta(minutes=minutes)
        found = dg.evaluate_automation_conditions(
            self.definitions(), self.instance, cursor=self.cursor, evaluation_time=self.now
        )
        self.cursor = found.cursor
        requested: dict[str, set[str]] = {}
        for subset in found._requested_subsets:
            for frame in subset.expensively_compute_partition_keys():
                requested.setdefault(frame, set()).add(subset.key.to_user_string())
        return requested

    def run(self, frame: str) -> bool:
        """Do what was requested: everything, with the checks."""
        self.ran.append(frame)
        if self.faults.get(frame) == "killed":
            self.lose(frame)
            return False
        job = self.definitions().resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(
            instance=self.instance, partition_key=frame, raise_on_error=False, run_config=QUIET
        )
        return bool(done.success)

    def lose(self, frame: str) -> None:
        """Leave what a killed run leaves: a failure without a failed step."""
        run = self.begin(frame)
        self.instance.report_run_failed(run, "its process is gone")

    def begin(self, frame: str) -> dg.DagsterRun:
        """Leave a run that is under way."""
        run = self.instance.create_run_for_job(
            self.definitions().resolve_implicit_global_asset_job_def(),
            tags={"dagster/partition": frame},
            status=dg.DagsterRunStatus.STARTED,
        )
        return self.instance.get_run_by_id(run.run_id) or run

    def settle(self, *frames: str) -> None:
        """Bring frames to where nothing is due."""
        self.add(*frames)
        self.deliver("v1", *frames)
        assert set(self.tick()) == set(frames)
        for frame in frames:
            self.run(frame)
        assert self.tick() == {}
