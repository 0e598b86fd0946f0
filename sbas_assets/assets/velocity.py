"""Mean velocity."""

import dagster as dg

from sbas_assets.assets.declare import declare
from sbas_assets.mintpy.velocity import VELOCITY
from sbas_assets.resources import Platform


@dg.asset(**declare(VELOCITY, group="velocity", kinds={"hdf5", "mintpy"}))
def velocity(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Mean LOS velocity (m/year, positive toward the satellite), its standard deviation, other time functions."""
    return platform.materialize(context, VELOCITY)


ASSETS = [velocity]
