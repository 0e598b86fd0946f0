"""Assets of one pattern, made from their steps: geocoded products, exports, and Zarr copies."""

from collections.abc import Callable

import dagster as dg

from sbas_assets.assets.declare import declare
from sbas_assets.mintpy.exports import HDFEOS5, KMZ
from sbas_assets.mintpy.geocoding import GEO_STEPS
from sbas_assets.published.item_step import STAC_ITEM
from sbas_assets.published.steps import ZARR_STEPS
from sbas_assets.resources import Platform
from sbas_assets.step import Step

_GEO = {
    "geo_geometryRadar": "Height, angles and masks on the geographic grid.",
    "geo_temporalCoherence": "Temporal coherence (0 to 1) on the geographic grid.",
    "geo_avgSpatialCoh": "Average spatial coherence (0 to 1) on the geographic grid.",
    "geo_timeseries_demErr": "Final LOS displacement series (m, positive toward the satellite) on the geographic grid.",
    "geo_demErr": "DEM error (m, DEM minus true height) on the geographic grid.",
    "geo_velocity": "LOS velocity (m/year, positive toward the satellite) on the geographic grid.",
    "geo_maskTempCoh": "Reliable pixels on the geographic grid.",
}
_EXPORT = {
    "kmz": "The velocity as an overlay for Google Earth.",
    "hdfeos5": "Series, coherence, masks and geometry in one HDF-EOS5 file.",
}

_ITEM = "What readers see: the frame's STAC item, moved at once to the version that the Zarr copies make up."


def _asset(step: Step, description: str, group: str, kinds: set[str]) -> dg.AssetsDefinition:
    def make(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:
        return platform.materialize(context, step)

    decorate: Callable[[Callable[..., object]], dg.AssetsDefinition] = dg.asset(
        **declare(step, group=group, kinds=kinds), description=description
    )
    return decorate(make)


def _published(step: Step) -> dg.AssetsDefinition:
    product = step.name.removeprefix("zarr_")
    return _asset(
        step, f"Zarr v3 copy of {product} in the object store; readers see it with stac_item.", "published", {"zarr"}
    )


ASSETS = [
    *(_asset(step, _GEO[step.name], "geo", {"hdf5", "mintpy"}) for step in GEO_STEPS),
    _asset(KMZ, _EXPORT["kmz"], "export", {"mintpy"}),
    _asset(HDFEOS5, _EXPORT["hdfeos5"], "export", {"hdf5", "mintpy"}),
    *(_published(step) for step in ZARR_STEPS),
    _asset(STAC_ITEM, _ITEM, "published", {"json"}),
]
