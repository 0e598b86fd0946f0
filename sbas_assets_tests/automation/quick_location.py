"""A code location with the real sensors and conditions, whose one asset is made in no time: for tests of the queue."""

import time

import dagster as dg

from sbas_assets.assets.declare import FRAMES
from sbas_assets.automation import condition, discovery
from sbas_assets.resources import Platform
from sbas_assets.workspace import FrameLocks

topsStack = dg.AssetSpec("topsStack", partitions_def=FRAMES)  # noqa: N816


@dg.asset(deps=[topsStack], partitions_def=FRAMES, automation_condition=condition.frame_is_due(), code_version="1")
def ifgramStack(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Hold the frame's lock for a moment, and note the run."""
    locks, workspace = FrameLocks(patience_s=0), platform.settings.workspace(context.partition_key)
    locks.acquire(workspace, context.run.run_id, context.log.warning)
    time.sleep(0.5)
    with (workspace.root / "ran").open("a") as file:
        file.write(f"{context.run.run_id}\n")
    locks.release()


@dg.asset_check(asset="topsStack", partitions_def=FRAMES, blocking=True, automation_condition=condition.frame_is_due())
def preflight() -> dg.AssetCheckResult:
    """Let every stack pass."""
    return dg.AssetCheckResult(passed=True)


defs = dg.Definitions(
    assets=[topsStack, ifgramStack],
    asset_checks=[preflight],
    sensors=[*condition.SENSORS, *discovery.SENSORS],
    resources={"platform": Platform()},
    executor=dg.in_process_executor,
)
