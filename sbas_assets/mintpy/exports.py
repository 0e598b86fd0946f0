"""Google Earth and HDF-EOS5 files, where the template asks for them (MintPy's google_earth and hdfeos5 steps)."""

from __future__ import annotations

import math
from pathlib import Path

import h5py

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.geocoding import geo_name
from sbas_assets.mintpy.template import Template
from sbas_assets.step import Job, Made, Step

# the longer side that mintpy.utils.plot.auto_figure_size gives an overlay, at least
FIGURE_INCHES = 12


def make_kmz(job: Job) -> Made:
    """Draw the velocity as a Google Earth overlay."""
    import mintpy.cli.save_kmz

    workfolder.link_inputs(job)
    made = job.folder / "geo" / "geo_velocity.kmz"
    resolution = ["--dpi", str(_dots_per_inch(job.workspace.root / "geo/geo_velocity.h5"))]
    # an absolute path: MintPy packs the file from the folder that it is in
    workfolder.run(job, lambda: mintpy.cli.save_kmz.main(["geo/geo_velocity.h5", "-o", str(made), *resolution]))
    # smallbaselineApp.py moves it to pic/ at its end, unless it draws no pictures
    place = "pic" if job.template.yes("mintpy.plot") else "geo"
    return Made(outputs={f"{place}/geo_velocity.kmz": made}, metrics={"size_kB": round(made.stat().st_size / 1e3, 1)})


def _dots_per_inch(velocity: Path) -> int:
    """Two image pixels for each pixel of data, at most MintPy's 600 dpi.

    MintPy draws a small frame at 600 dpi too, which takes 9 s and 2.5 GB for nothing.
    """
    with h5py.File(velocity, "r") as h5:
        longest = max(int(h5.attrs["LENGTH"]), int(h5.attrs["WIDTH"]))
    return min(600, max(100, math.ceil(2 * longest / FIGURE_INCHES)))


def make_hdfeos5(job: Job) -> Made:
    """Gather series, masks, coherence and geometry in one HDF-EOS5 file."""
    import mintpy.cli.save_hdfeos5

    workfolder.link_inputs(job)
    workfolder.write_template(job)
    series = geo_name(job.facts()["series"])
    quality = ["--tc", "geo/geo_temporalCoherence.h5", "--asc", "geo/geo_avgSpatialCoh.h5"]
    masks = ["-m", "geo/geo_maskTempCoh.h5", "-g", "geo/geo_geometryRadar.h5"]
    arguments = [series, *quality, *masks, "-t", workfolder.TEMPLATE]
    workfolder.run(job, lambda: mintpy.cli.save_hdfeos5.main(arguments))
    files = sorted(job.folder.glob("*.he5"))
    return Made(
        outputs={file.name: file for file in files},
        metrics={"files": len(files), "size_MB": round(sum(file.stat().st_size for file in files) / 1e6, 3)},
    )


def _no_kmz(template: Template) -> str | None:
    return None if template.yes("mintpy.save.kmz") else "mintpy.save.kmz = no"


def _no_hdfeos5(template: Template) -> str | None:
    return None if template.yes("mintpy.save.hdfEos5") else "mintpy.save.hdfEos5 = no"


KMZ = Step(
    name="kmz",
    upstream=("geo_velocity",),
    options=("mintpy.save.kmz", "mintpy.plot"),
    make=make_kmz,
    off=_no_kmz,
)

HDFEOS5 = Step(
    name="hdfeos5",
    # the series last: what it says of reference and dates wins over what the others inherited
    upstream=(
        "geo_temporalCoherence",
        "geo_avgSpatialCoh",
        "geo_maskTempCoh",
        "geo_geometryRadar",
        "geo_timeseries_demErr",
    ),
    options=("mintpy.save.hdfEos5", "mintpy.save.hdfEos5."),
    make=make_hdfeos5,
    off=_no_hdfeos5,
)
