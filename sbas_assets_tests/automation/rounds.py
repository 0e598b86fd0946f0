"""Sensor, condition and runs of one installation, by hand in this process, with a clock that can be set.

As the daemon does it: a tick of `stack_arrivals`, an evaluation of the conditions, and a run of the real job for each
frame that is requested. For faults that need no process of their own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from sbas_assets.automation.run_history import cause_of
from sbas_assets.definitions import JOB, build_definitions
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.published.history import read_history
from sbas_assets.published.store import open_store
from sbas_assets.resources import Platform
from sbas_assets_tests.automation.deliveries import KEY, Watch
from sbas_assets_tests.frames_at_work import QUIET

NO_WEATHER = {"mintpy.troposphericDelay.method": "no"}


@dataclass
class Rounds(Watch):
    """An installation, and what was run in it."""

    now: float = field(default_factory=time.time)
    store: str | None = None
    conditions: Any = None
    ran: list[str] = field(default_factory=list)

    def add_frame(self, stack: Path, key: str = KEY, mintpy: Mapping[str, str] = NO_WEATHER, **more: Any) -> None:
        values = {"track": 71, "direction": "descending", "stack": str(stack), "mintpy": dict(mintpy), **more}
        FrameCatalogue(self.root).add(key, frame_config(values))
        self.instance.add_dynamic_partitions("frame", [key])

    def round(self, minutes: float = 1) -> list[dg.AssetMaterialization]:
        """A while later: what the sensor reports; what is requested is run."""
        self.now += 60 * (minutes - 1)
        events = self.tick()
        for frame in sorted(self.requested()):
            self.run(frame)
        return events

    def rounds(self, number: int, minutes: float = 1) -> list[dg.AssetMaterialization]:
        return [event for _ in range(number) for event in self.round(minutes)]

    def requested(self) -> set[str]:
        """Frames of which the conditions request a run now."""
        found = dg.evaluate_automation_conditions(
            build_definitions(),
            self.instance,
            cursor=self.conditions,
            evaluation_time=datetime.fromtimestamp(self.now, tz=UTC),
        )
        self.conditions = found.cursor
        return {key for subset in found._requested_subsets for key in subset.expensively_compute_partition_keys()}

    def run(self, frame: str) -> bool:
        self.ran.append(frame)
        platform = Platform(root=str(self.root), store=self.store, echo=False)
        job = build_definitions(resources={"platform": platform}).resolve_job_def(JOB)
        done = job.execute_in_process(
            instance=self.instance, partition_key=frame, raise_on_error=False, run_config=QUIET
        )
        return bool(done.success)

    def outcomes(self, frame: str = KEY) -> list[str]:
        """How the frame's runs have ended, the first one first: success, or the code of the failure."""
        runs = self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": frame}), ascending=True)
        good = dg.DagsterRunStatus.SUCCESS
        return ["SUCCESS" if run.status is good else cause_of(self.instance, run.run_id).code for run in runs]

    def reused(self, frame: str = KEY) -> set[str]:
        """Assets that the frame's last run found up to date."""
        (run,) = self.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": frame}), limit=1)
        records = self.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        made = [record.asset_materialization for record in records.records]
        return {event.asset_key.to_user_string() for event in made if event and _outcome(event) == "reused"}

    def versions(self, frame: str = KEY) -> list[int]:
        """Numbers of the frame's publications, in the order of their making."""
        store = open_store(self.store or str(self.root / "store"))
        return [kept.publication for kept in sorted(read_history(store, frame), key=lambda kept: kept.created)]

    def leftovers(self, frame: str = KEY) -> list[str]:
        """What no run may leave: staging, half-written files, a lock, a run that looks alive, a slot."""
        hidden = self.workspace(frame).hidden
        staging = [str(path) for path in (hidden / "staging").glob("*")]
        halves = [str(path) for path in self.workspace(frame).root.rglob(".*.[0-9]*")]
        alive = [run.run_id for run in self.instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))]
        return [*staging, *halves, *alive, *map(str, self.instance.event_log_storage.get_concurrency_keys())]


def _outcome(event: dg.AssetMaterialization) -> object:
    return event.metadata["outcome"].value


def hours(number: float) -> float:
    """In minutes."""
    return timedelta(hours=number) / timedelta(minutes=1)
