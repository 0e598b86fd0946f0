"""What Dagster's runs tell of the frames: which are being worked on, how the last run of each ended, and why.

Belongs here: reading runs and their events. Does not belong here: what follows from that (`condition`, `audit`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.errors import DagsterDefinitionChangedDeserializationError
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES

from sbas_assets.frames import FrameCatalogue

Kind = Literal["input", "outside", "internal", "waiting", "lost"]

PARTITION_TAG = "dagster/partition"
# blocking checks that another run may pass: ERA5 will have the dates some day, what a store lost is written anew
_KIND_OF_CHECK: dict[str, Kind] = {"era5_complete": "waiting", "zarr_equals_hdf5": "outside"}
_TOLD = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
_REMEMBERED = 5000


@dataclass(frozen=True)
class Cause:
    """Why a run failed.

    Parameters
    ----------
    kind : str
        ``input``: a mistake of the user's, or a finding of a check; ``outside``: a fault of the outside world;
        ``internal``: a defect; ``waiting``: ERA5 does not have all dates yet; ``lost``: no step failed, so the run's
        process was killed or never began.
    code, text : str
        Of the first failure of that kind.
    mend : str or None
        What to do about it.
    """

    kind: Kind
    code: str
    text: str
    mend: str | None = None

    @property
    def may_pass(self) -> bool:
        """Whether the same run may succeed later, although nobody changes anything."""
        return self.kind in {"outside", "lost"}


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    run_id: str
    frame: str
    status: dg.DagsterRunStatus
    began: datetime
    ended: datetime


# what a finished run failed of does not change
_causes: dict[str, Cause] = {}


def busy_frames(instance: dg.DagsterInstance, graph: BaseAssetGraph[Any]) -> dict[str, datetime]:
    """Return the frames that have a run queued or under way, or are in a backfill that goes on, and since when."""
    busy: dict[str, datetime] = {}
    for record in instance.get_run_records(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        frame = record.dagster_run.tags.get(PARTITION_TAG)
        if frame is not None:
            busy[frame] = min(record.create_timestamp, busy.get(frame, record.create_timestamp))
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        since = datetime.fromtimestamp(backfill.backfill_timestamp, tz=UTC)
        for frame in _targets(backfill, graph):
            busy.setdefault(frame, since)
    return busy


def _targets(backfill: PartitionBackfill, graph: BaseAssetGraph[Any]) -> Collection[str]:
    if not backfill.is_asset_backfill:
        return backfill.partition_names or ()
    try:
        return backfill.get_asset_backfill_data(graph).get_partition_names() or ()
    except DagsterDefinitionChangedDeserializationError:
        # of a code location that has other assets by now: the daemon ends it
        return ()


def recently_ended(instance: dg.DagsterInstance, since: datetime) -> dict[str, list[Ended]]:
    """Return the runs of each frame that ended after a moment, the last first."""
    found: dict[str, list[Ended]] = {}
    records = instance.get_run_records(dg.RunsFilter(statuses=FINISHED_STATUSES, updated_after=since))
    for ended in filter(None, map(_ended, records)):
        found.setdefault(ended.frame, []).append(ended)
    return {frame: sorted(runs, key=lambda run: run.ended, reverse=True) for frame, runs in found.items()}


def last_ended(instance: dg.DagsterInstance, frame: str) -> Ended | None:
    """Return the frame's run that was made last of those that have ended."""
    only = dg.RunsFilter(statuses=FINISHED_STATUSES, tags={PARTITION_TAG: frame})
    records = instance.get_run_records(only, limit=1)
    return _ended(records[0]) if records else None


def _ended(record: dg.RunRecord) -> Ended | None:
    run = record.dagster_run
    frame = run.tags.get(PARTITION_TAG)
    if frame is None:
        return None
    ended = record.update_timestamp if record.end_time is None else datetime.fromtimestamp(record.end_time, tz=UTC)
    return Ended(run.run_id, frame, run.status, record.create_timestamp, ended)


def cause_of(instance: dg.DagsterInstance, run_id: str) -> Cause:
    """Return why a failed run failed; a mistake or a defect counts more than a fault that may pass."""
    if run_id not in _causes:
        if len(_causes) >= _REMEMBERED:
            _causes.clear()
        found = [cause for entry in instance.all_logs(run_id, of_type=_TOLD) for cause in _causes_in(entry)]
        order: Sequence[Kind] = ("input", "internal", "waiting", "outside")
        lost = Cause("lost", "run-lost", "its process was killed, or never began", "look at the run in the UI")
        _causes[run_id] = min(found, key=lambda cause: order.index(cause.kind), default=lost)
    return _causes[run_id]


def _causes_in(entry: dg.EventLogEntry) -> Iterator[Cause]:
    event = entry.get_dagster_event()
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if check.blocking and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
            name = check.check_name
            yield Cause(
                _KIND_OF_CHECK.get(name, "input"), name.replace("_", "-"), f"the check {name} failed", check.description
            )
        return
    data = event.step_failure_data
    error = data.error.cls_name if data.error else None
    if error == "DagsterAssetCheckFailedError":
        return
    told = data.user_failure_data
    if told is None:
        # stopped from outside, with its machine or container; everything else is told by `dagster_failures`
        stopped = error in {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
        yield Cause("outside" if stopped else "internal", "run-stopped" if stopped else "internal", error or "failed")
        return
    facts = {name: value.value for name, value in told.metadata.items()}
    mend = facts.get("mend")
    kind: Kind = cast("Kind", facts.get("kind", "internal"))
    text = (told.description or "").removesuffix(f" -> {mend}")
    yield Cause(kind, str(facts.get("code", "internal")), text, None if mend is None else str(mend))


def file_changed(catalogue: FrameCatalogue, frame: str) -> datetime | None:
    """Return when a frame's file was changed; of the inode, because a copy keeps the time of the original."""
    try:
        return datetime.fromtimestamp(catalogue.path(frame).stat().st_ctime, tz=UTC)
    except OSError:
        return None
