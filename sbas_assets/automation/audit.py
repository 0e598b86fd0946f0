"""The daily audit of all frames: what the other automations have missed is requested, what is left is told.

It looks at states, where the sensors look at changes: so whatever was lost on the way is found a day later.

Belongs here: the schedule, and the check. Does not belong here: what is wrong with a frame (`findings`).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import dagster as dg

from sbas_assets.assets.declare import JOB
from sbas_assets.automation.condition import REQUESTED_BY
from sbas_assets.automation.findings import ERA5_EXPECTED, Finding, find
from sbas_assets.automation.fleet import STACK, Fleet
from sbas_assets.errors import SbasError
from sbas_assets.resources import Platform, dagster_failures

CHECK = dg.AssetCheckKey(STACK, "frames_current")
MOST_REQUESTS = 100
"""Runs that one audit requests; the rest has its turn on the next day."""


@dg.schedule(
    job_name=JOB,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def frames_audit(context: dg.ScheduleEvaluationContext, platform: Platform) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Process the frames of which the check `frames_current` of topsStack finds that a run may mend them."""
    assert context.repository_def is not None
    fleet = Fleet(context.instance, context.repository_def.asset_graph, datetime.now(UTC))
    try:
        found = find(fleet, platform.settings)
    except SbasError as error:
        context.instance.report_runless_asset_event(_impossible(error))
        raise
    due = due_frames(found)
    context.instance.report_runless_asset_event(evaluation(found, due))
    if not due:
        yield dg.SkipReason(f"nothing that a run may mend; {len(found)} findings in the check {CHECK.name}")
    for frame in due:
        yield _request(context, frame, [finding for finding in found if finding.frame == frame])


def due_frames(found: Iterable[Finding]) -> list[str]:
    """Return the frames that a run may mend and that need nobody before, no more than one audit may request."""
    found = list(found)
    left = {finding.frame for finding in found if not (finding.repairable or finding.waits)}
    return sorted({finding.frame for finding in found if finding.repairable} - left)[:MOST_REQUESTS]


def _request(context: dg.ScheduleEvaluationContext, frame: str, found: list[Finding]) -> dg.RunRequest:
    tags = {REQUESTED_BY: frames_audit.name, "sbas/reason": ",".join(finding.code for finding in found)[:255]}
    dates = [finding.reason.partition(": ")[2] for finding in found if finding.code == ERA5_EXPECTED]
    if dates:
        tags["sbas/era5_dates"] = dates[0].replace(" ", "")[:255]
    # the tick may be done again after a crash
    key = f"{context.scheduled_execution_time:%Y%m%d}:{frame}"
    return dg.RunRequest(run_key=key, partition_key=frame, tags=tags)


@dg.asset_check(asset=STACK, name=CHECK.name)
def frames_current(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Of every frame, what is published was made from its present stack, the last run went well, and ERA5 is complete.

    The schedule `frames_audit` evaluates it every morning, and requests what a run may mend; by hand it only looks.
    """
    with dagster_failures(context):
        fleet = Fleet(context.instance, context.job_def.asset_layer.asset_graph, datetime.now(UTC))
        found = find(fleet, platform.settings)
    told = evaluation(found, ())
    return dg.AssetCheckResult(
        passed=told.passed, severity=told.severity, description=told.description, metadata=dict(told.metadata)
    )


def evaluation(found: list[Finding], requested: Iterable[str]) -> dg.AssetCheckEvaluation:
    """Make the check's evaluation of what was found; what time alone mends is told, and does not fail it."""
    asked = set(requested)
    wrong = [finding for finding in found if not finding.waits]
    left = [finding for finding in wrong if finding.frame not in asked and not finding.repairable]
    frames = {finding.frame for finding in wrong}
    return dg.AssetCheckEvaluation(
        asset_key=CHECK.asset_key,
        check_name=CHECK.name,
        passed=not wrong,
        severity=dg.AssetCheckSeverity.ERROR if left else dg.AssetCheckSeverity.WARN,
        description=f"{len(frames)} frames are not as they should be" if wrong else "all frames are as they should be",
        metadata={
            "frames": len(frames),
            "runs_requested": len(asked),
            "wrong": _table(wrong),
            "waiting": _table([finding for finding in found if finding.waits]),
        },
    )


def _impossible(error: SbasError) -> dg.AssetCheckEvaluation:
    metadata = {"code": error.code, "mend": error.mend or ""}
    text = f"the audit was not possible: {error.message}"
    return dg.AssetCheckEvaluation(
        asset_key=CHECK.asset_key, check_name=CHECK.name, passed=False, description=text, metadata=metadata
    )


def _table(found: Iterable[Finding]) -> dg.TableMetadataValue:
    columns = [dg.TableColumn(name) for name in ("frame", "code", "reason", "mend")]
    rows = [
        dg.TableRecord({"frame": f.frame, "code": f.code, "reason": f.reason[:500], "mend": f.mend})
        for f in sorted(found, key=lambda finding: (finding.frame, finding.code))
    ]
    return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))


SCHEDULES = [frames_audit]
