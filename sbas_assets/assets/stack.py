"""From topsStack's files to a checked, referenced, corrected stack of interferograms."""

import dagster as dg

from sbas_assets.assets.declare import declare
from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK
from sbas_assets.mintpy.network import NETWORK
from sbas_assets.mintpy.unwrapping import UNWRAP_PHASE_CORRECTED
from sbas_assets.resources import Platform


@dg.asset(**declare(IFGRAM_STACK, group="stack", kinds={"hdf5", "mintpy"}))
def ifgramStack(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # noqa: N802
    """Unwrapped phase (rad, in ISCE2's sign), coherence and connected components of all pairs."""
    return platform.materialize(context, IFGRAM_STACK)


@dg.asset(**declare(GEOMETRY_RADAR, group="stack", kinds={"hdf5", "mintpy"}))
def geometryRadar(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # noqa: N802
    """Height (m), latitude, longitude, incidence and azimuth angle (degrees), masks."""
    return platform.materialize(context, GEOMETRY_RADAR)


@dg.asset(**declare(NETWORK, group="stack", kinds={"hdf5", "mintpy"}))
def network(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
    """Pairs that are kept, the reference point, average coherence, common connected components, phase closure."""
    return platform.materialize(context, NETWORK)


@dg.asset(**declare(UNWRAP_PHASE_CORRECTED, group="stack", kinds={"hdf5", "mintpy"}))
def unwrapPhase_corrected(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # noqa: N802
    """Phase with unwrapping errors corrected by bridging, by phase closure, or by both."""
    return platform.materialize(context, UNWRAP_PHASE_CORRECTED)


ASSETS = [ifgramStack, geometryRadar, network, unwrapPhase_corrected]
