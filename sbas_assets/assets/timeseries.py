"""Displacement series, from the inversion to the last correction."""

import dagster as dg

from sbas_assets.assets.declare import declare
from sbas_assets.mintpy.corrections import TIMESERIES_CORRECTED
from sbas_assets.mintpy.dem_error import TIMESERIES_DEM_ERR
from sbas_assets.mintpy.inversion import TIMESERIES
from sbas_assets.mintpy.troposphere import TROPOSPHERE
from sbas_assets.resources import Platform


@dg.asset(**declare(TIMESERIES, group="timeseries", kinds={"hdf5", "mintpy"}))
def timeseries(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """LOS displacement of each date (m, positive toward the satellite), temporal coherence and the reliable pixels."""
    return platform.materialize(context, TIMESERIES)


@dg.asset(**declare(TROPOSPHERE, group="timeseries", kinds={"hdf5", "mintpy"}))
def troposphere(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Tropospheric delay of each date in line of sight (m) from ERA5, GACOS or OPERA."""
    return platform.materialize(context, TROPOSPHERE)


@dg.asset(**declare(TIMESERIES_CORRECTED, group="timeseries", kinds={"hdf5", "mintpy"}))
def timeseries_corrected(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """LOS displacement (m) after solid Earth tides, ionosphere, troposphere and ramp, as the template asks."""
    return platform.materialize(context, TIMESERIES_CORRECTED)


@dg.asset(**declare(TIMESERIES_DEM_ERR, group="timeseries", kinds={"hdf5", "mintpy"}))
def timeseries_demErr(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # noqa: N802
    """LOS displacement without DEM error, the DEM error (m), the residual and its RMS, and the reference date."""
    return platform.materialize(context, TIMESERIES_DEM_ERR)


ASSETS = [timeseries, troposphere, timeseries_corrected, timeseries_demErr]
