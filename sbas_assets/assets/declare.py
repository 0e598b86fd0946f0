"""What all assets have in common: the partitions, the owner, the versions, and what they depend on."""

from __future__ import annotations

from typing import Any

import dagster as dg

from sbas_assets.automation.condition import frame_is_due, goes_with_what_it_is_made_from
from sbas_assets.frames import PARTITIONS
from sbas_assets.step import Step
from sbas_assets.survey import STACK_ASSET

FRAMES = dg.DynamicPartitionsDefinition(name=PARTITIONS)
OWNERS = ["team:insar"]
JOB = "process_frame"
"""The job that brings a frame up to date."""


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
        "tags": {"sbas/makes": step.name},
        "automation_condition": frame_is_due() if STACK_ASSET in step.upstream else goes_with_what_it_is_made_from(),
    }
