"""Products in geographic coordinates, one asset each: MintPy's geocode step.

Which radar pixel each geographic pixel shows is found once, with the geometry, so that all products agree. The DEM
error is not among MintPy's: `geocode.py demErr.h5` by hand gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY, TEMPLATE
from sbas_assets.pictures.drawings import map_picture, series_maps_picture
from sbas_assets.sbas.geocoding import box_count, write_radar_pixels
from sbas_assets.step import Job, Made, Step

GEO_GEOMETRY = "geo/geo_geometryRadar.h5"
# which radar pixel a pixel of the grid shows; geo_geometryRadar makes it, the others read it
PIXELS = "geo/geo_radarPixel.h5"


@dataclass(frozen=True)
class Look:
    """How a product is drawn: dataset, title, unit with sign, colours and limits."""

    dataset: str
    title: str
    label: str
    cmap: str = "viridis"
    limits: tuple[float, float] | None = None
    scale: float = 1.0


LOOKS = {
    "geo_geometryRadar": Look("height", "Height", "m", cmap="terrain"),
    "geo_temporalCoherence": Look("temporalCoherence", "Temporal coherence", "1", "gray", (0, 1)),
    "geo_avgSpatialCoh": Look("coherence", "Average spatial coherence", "1", "gray", (0, 1)),
    "geo_velocity": Look("velocity", "LOS velocity", "cm/year, positive toward the satellite", "RdBu", scale=100.0),
    "geo_timeseries_demErr": Look(
        "timeseries", "LOS displacement", "cm, positive toward the satellite", "RdBu", scale=100.0
    ),
    "geo_demErr": Look("dem", "DEM error", "m, DEM minus true height", "RdBu"),
    "geo_maskTempCoh": Look("mask", "Reliable pixels", "1", "gray", (0, 1)),
}


def geo_name(source: str) -> str:
    """`geo/geo_<name>` of a file, whatever folder it is in."""
    return f"geo/geo_{Path(source).name}"


def geocode(job: Job, source: str) -> Made:
    """Resample one file of the work folder to the geographic grid."""
    workfolder.link_inputs(job)
    workfolder.write_template(job)
    method = job.template.raw["mintpy.geocode.interpMethod"]
    if method == "nearest":
        workfolder.run(job, lambda: _geocode(job, source))
    else:
        job.run.tell(f"geocoded by MintPy's own code: mintpy.geocode.interpMethod = {method}")
        workfolder.run(job, lambda: _geocode_by_mintpy(source))
    return _made(job, geo_name(source))


def _geocode(job: Job, source: str) -> None:
    from mintpy.cli.geocode import cmd_line_parse

    from sbas_assets.sbas.geo_files import geocode_file

    # for what the template says of the grid
    inps = cmd_line_parse(_arguments(source))
    pixels, lookup, target = (job.folder / name for name in (PIXELS, GEOMETRY, geo_name(source)))
    pixels.parent.mkdir(exist_ok=True)
    if source == GEOMETRY:
        write_radar_pixels(lookup, pixels, boxes=_boxes(job), bounds=inps.SNWE, steps=inps.laloStep)
    geocode_file(job.folder / source, target, pixels, lookup=lookup, fill=inps.fillValue, memory=inps.maxMemory)


def _geocode_by_mintpy(source: str) -> None:
    import mintpy.cli.geocode

    mintpy.cli.geocode.main(_arguments(source))


def _arguments(source: str) -> list[str]:
    return [source, "-l", GEOMETRY, "-t", TEMPLATE, "--outdir", "geo"]


def _boxes(job: Job) -> int:
    """Boxes that MintPy would search in: it geocodes all files in one call, and takes the number for the series.

    The dates are those of the stack. The geometry does not wait for the network, which may leave some of them out.
    """
    with h5py.File(job.workspace.root / GEOMETRY, "r") as h5:
        shape = int(h5.attrs["LENGTH"]), int(h5.attrs["WIDTH"])
    memory = float(job.template.raw["mintpy.compute.maxMemory"])
    return box_count(len(job.inputs["topsStack"].facts["dates_loaded"]), shape, memory)


def make_geo_mask(job: Job) -> Made:
    """Mask by temporal coherence on the geographic grid, without shadow.

    Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.run_geocode`, its second part.
    """
    import mintpy.cli.generate_mask

    workfolder.link_inputs(job)
    least = job.template.raw["mintpy.networkInversion.minTempCoh"]
    name = "geo/geo_maskTempCoh.h5"
    arguments = ["geo/geo_temporalCoherence.h5", "-m", least, "-o", name]
    with h5py.File(job.workspace.root / GEO_GEOMETRY, "r") as h5:
        has_shadow = "shadowMask" in h5
    if job.template.yes("mintpy.networkInversion.shadowMask") and has_shadow:
        arguments += ["--base", GEO_GEOMETRY, "--base-dataset", "shadowMask", "--base-value", "1"]
    workfolder.run(job, lambda: mintpy.cli.generate_mask.main(arguments))
    return _made(job, name)


def _made(job: Job, name: str) -> Made:
    look = LOOKS[job.step.name]
    metrics: dict[str, float] = {}
    picture = None
    with h5py.File(job.folder / name, "r") as h5:
        grid = {key: h5.attrs[key] for key in ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP", "LENGTH", "WIDTH")}
        if look.dataset in h5:
            dataset = h5[look.dataset]
            last = dataset[-1] if dataset.ndim == 3 else dataset[:]
            metrics["pixels_with_data_percent"] = round(100 * float(np.isfinite(last).mean()), 2)
            picture = _drawn(h5, dataset, look)
    metrics |= {
        "rows": int(grid["LENGTH"]),
        "columns": int(grid["WIDTH"]),
        "north_degrees": float(grid["Y_FIRST"]),
        "west_degrees": float(grid["X_FIRST"]),
        "posting_degrees": abs(float(grid["Y_STEP"])),
        "size_MB": round((job.folder / name).stat().st_size / 1e6, 3),
    }
    # a link where an upstream asset made it
    own = [made for made in (name, PIXELS) if (job.folder / made).is_file() and not (job.folder / made).is_symlink()]
    return Made(outputs={made: job.folder / made for made in own}, metrics=metrics, picture=picture)


def _drawn(h5: h5py.File, dataset: h5py.Dataset, look: Look) -> bytes:
    """Draw a map, or the maps of some dates of a series."""
    low, high = look.limits or (None, None)
    if dataset.ndim == 2:
        shown = look.scale * dataset[:].astype("f4")
        return map_picture(shown, title=look.title, label=look.label, cmap=look.cmap, vmin=low, vmax=high)
    dates = [date.decode() for date in h5["date"][:]]
    return series_maps_picture(
        lambda index: look.scale * dataset[index], dates, title=look.title, label=look.label, cmap=look.cmap
    )


def _no_geocoding(template: Template) -> str | None:
    return None if template.yes("mintpy.geocode") else "mintpy.geocode = no"


def _no_dem_error(template: Template) -> str | None:
    if not template.yes("mintpy.topographicResidual"):
        return "mintpy.topographicResidual = no"
    return _no_geocoding(template)


def _geo_step(
    name: str,
    source: str | Callable[[Job], str],
    *upstream: str,
    options: tuple[str, ...] = (),
    off: Callable[[Template], str | None] = _no_geocoding,
    **more: Any,
) -> Step:
    def make(job: Job) -> Made:
        return geocode(job, source if isinstance(source, str) else source(job))

    return Step(
        name=name,
        upstream=("geometryRadar", *upstream),
        options=("mintpy.geocode", "mintpy.geocode.", *options),
        code_version="2",
        make=make,
        off=off,
        **more,
    )


def _boxes_state(job: Job) -> Mapping[str, str]:
    """So that a date more makes the geometry anew only where it changes what MintPy would find."""
    return {"boxes": str(_boxes(job))}


def _series(job: Job) -> str:
    return str(job.facts()["series"])


GEO_MASK = Step(
    name="geo_maskTempCoh",
    upstream=("geo_geometryRadar", "geo_temporalCoherence"),
    options=(
        "mintpy.geocode",
        "mintpy.networkInversion.minTempCoh",
        "mintpy.networkInversion.shadowMask",
    ),
    make=make_geo_mask,
    off=_no_geocoding,
)

GEO_STEPS = (
    _geo_step("geo_geometryRadar", GEOMETRY, "topsStack", parts={"topsStack": "geometry"}, state=_boxes_state),
    _geo_step("geo_temporalCoherence", "temporalCoherence.h5", "geo_geometryRadar", "timeseries"),
    _geo_step("geo_avgSpatialCoh", "avgSpatialCoh.h5", "geo_geometryRadar", "network"),
    _geo_step(
        "geo_timeseries_demErr",
        _series,
        "geo_geometryRadar",
        "timeseries",
        "timeseries_corrected",
        "timeseries_demErr",
    ),
    _geo_step(
        "geo_demErr",
        "demErr.h5",
        "geo_geometryRadar",
        "timeseries_demErr",
        options=("mintpy.topographicResidual",),
        off=_no_dem_error,
    ),
    _geo_step("geo_velocity", "velocity.h5", "geo_geometryRadar", "velocity"),
    GEO_MASK,
)
