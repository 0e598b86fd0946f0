"""Google Earth and HDF-EOS5 files, where the template asks for them (MintPy's google_earth and hdfeos5 steps)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.geocoding import geo_name
from sbas_assets.mintpy.template import Template
from sbas_assets.pictures.overlay import overlay_picture
from sbas_assets.step import Job, Made, Step


def make_kmz(job: Job) -> Made:
    """Draw the velocity of the reliable pixels as a Google Earth overlay."""
    workfolder.link_inputs(job)
    made = job.folder / "geo" / "geo_velocity.kmz"
    workfolder.run(job, lambda: _write_kmz(job.folder / "geo", made))
    # smallbaselineApp.py moves it to pic/ at its end, unless it draws no pictures
    place = "pic" if job.template.yes("mintpy.plot") else "geo"
    return Made(outputs={f"{place}/geo_velocity.kmz": made}, metrics={"size_kB": round(made.stat().st_size / 1e3, 1)})


def _write_kmz(folder: Path, kmz: Path) -> None:
    """Write the files that MintPy's `save_kmz.py` writes for this one, with its colours, limits and names.

    The picture is drawn from the array: through a figure of matplotlib's it takes 2 s and 1.6 GB.
    """
    from mintpy import save_kmz
    from mintpy.utils import plot

    values, attributes = _reliable_velocity(folder)
    levels, limits = plot.auto_adjust_colormap_lut_and_disp_limit(values)[:2]
    colormap = plot.ColormapExt("jet", levels).colormap
    mark = (int(attributes["REF_Y"]), int(attributes["REF_X"])) if "REF_Y" in attributes else None
    picture, bar = (kmz.with_name(f"{kmz.stem}_{name}.png") for name in ("data", "cbar"))
    picture.write_bytes(overlay_picture(values, limits=tuple(limits), colormap=colormap, mark=mark))
    document = _document(picture.stem, attributes)
    document.append(save_kmz.generate_cbar_element(str(bar), colormap, *limits))
    save_kmz.write_kmz_file(str(kmz.with_suffix("")), document, data_files=[str(picture), str(bar)])


def _reliable_velocity(folder: Path) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Velocity in cm/year, NaN where it is not reliable (`plot.read_mask`), and the file's attributes."""
    from mintpy.utils import plot, readfile

    values, attributes = readfile.read(str(folder / "geo_velocity.h5"))
    with h5py.File(folder / "geo_maskTempCoh.h5", "r") as mask:
        values[mask["mask"][:] == 0] = np.nan
    scaled = plot.scale_data4disp_unit_and_rewrap(values, metadata=attributes, disp_unit="cm/year")[0]
    return scaled, attributes


def _document(name: str, attributes: Mapping[str, str]) -> Any:
    """KML of the overlay, the edges of the picture being those of the outer pixels."""
    from mintpy.save_kmz import KML
    from mintpy.utils import utils

    edges = zip(("south", "north", "west", "east"), utils.four_corners(attributes), strict=True)
    place = {edge: getattr(KML, edge)(str(degrees)) for edge, degrees in edges}
    return KML.Document(
        KML.GroundOverlay(
            KML.name(name),
            KML.Icon(KML.href(f"{name}.png")),
            KML.altitudeMode("clampToGround"),
            KML.LatLonBox(*(place[edge] for edge in ("north", "east", "south", "west"))),
        )
    )


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
    upstream=("geo_maskTempCoh", "geo_velocity"),
    options=("mintpy.save.kmz", "mintpy.plot"),
    code_version="2",
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
