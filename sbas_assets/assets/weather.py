"""Weather files that the tropospheric correction needs."""

import dagster as dg

from sbas_assets.assets.declare import declare
from sbas_assets.mintpy.era5 import ERA5
from sbas_assets.resources import Platform


@dg.asset(**declare(ERA5, group="weather", kinds={"grib"}))
def era5(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """One verified ERA5 GRIB file for each acquisition date, under PyAPS's names, shared by all frames.

    What is not there is fetched from the Climate Data Store. Needs the stack's dates, hour and area only, so it may be
    materialized before everything else.
    """
    return platform.materialize(context, ERA5)


ASSETS = [era5]
