"""What all assets have in common: the partitions, the owner, the versions, and what they depend on."""

from __future__ import annotations

from typing import Any

import dagster as dg

from sbas_assets.frames import FRAMES
from sbas_assets.step import Step

OWNERS = ["team:insar"]
# a fault of the outside world is tried again; a user's mistake is not (see resources.dagster_failures)
RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def declare(step: Step, *, group: str, kinds: set[str]) -> dict[str, Any]:
    """Arguments of `dagster.asset` for the asset that a step makes."""
    return {
        "name": step.name,
        "deps": list(step.upstream),
        "partitions_def": FRAMES,
        "group_name": group,
        "kinds": kinds,
        "owners": OWNERS,
        "code_version": step.code_version,
        "retry_policy": RETRIES,
        "tags": {"sbas/makes": step.name},
    }
