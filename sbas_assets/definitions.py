"""The code location: the only place that puts assets, checks and resources together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from sbas_assets.assets import generated, source, stack, timeseries, velocity, weather
from sbas_assets.assets.declare import JOB
from sbas_assets.automation import audit, condition, discovery
from sbas_assets.checks import CHECKS
from sbas_assets.resources import Platform

# of a frame: the audit looks at all of them
EVERYTHING = dg.AssetSelection.all() | (dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks(audit.CHECK))


def build_definitions(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Assemble the code location.

    Parameters
    ----------
    resources : mapping, optional
        Resources to use instead of those of the environment.
    """
    modules = (source, weather, stack, timeseries, velocity, generated)
    return dg.Definitions(
        assets=[asset for module in modules for asset in module.ASSETS],
        asset_checks=CHECKS,
        jobs=[dg.define_asset_job(JOB, selection=EVERYTHING, description="Bring a frame up to date.")],
        schedules=audit.SCHEDULES,
        sensors=[*condition.SENSORS, *discovery.SENSORS],
        resources={"platform": Platform(), **(resources or {})},
        # one process works through a frame: each step may use all the memory that the template allows
        executor=dg.in_process_executor,
    )


defs = build_definitions()
