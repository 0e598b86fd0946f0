"""Checks of the geometry images, which every interferogram shares: what is wrong here stops the stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.topsstack.checks.images import holds_values, inspect_image
from sbas_assets.topsstack.geometry import corner_rows
from sbas_assets.topsstack.problems import Problem
from sbas_assets.topsstack.rasters import RasterHeader
from sbas_assets.topsstack.tree import GEOMETRY, StackTree

NEEDED = ("height", "latitude", "longitude", "incidence_angle", "azimuth_angle")
NOTED = ("shadow_mask",)
"""Optional but recommended; the other optional ones are missing more often than not."""
MEND = "run topsStack's reference geometry (topo) and merge steps again"
Headers = Mapping[str, RasterHeader]


def inspect_geometry(tree: StackTree) -> tuple[dict[str, RasterHeader], list[Problem]]:
    """Look at every geometry image without reading pixels; headers of the sound ones, and problems."""
    headers, problems = {}, []
    seen: set[Path] = set()
    for dataset in GEOMETRY:
        raster = tree.geometry.get(dataset)
        if raster is None:
            continue
        header, errors = inspect_image(raster, dataset)
        # los.rdr is two datasets but one file with one set of errors
        problems += [Problem.of(error, "stop") for error in errors if raster not in seen]
        seen.add(raster)
        if header is not None and not errors:
            headers[dataset] = header
    return headers, problems


def check_geometry(tree: StackTree, headers: Headers, shape: tuple[int, int] | None) -> Iterator[Problem]:
    """Yield missing images and images of another size than the interferograms."""
    for dataset in (*NEEDED, *NOTED):
        if getattr(tree.layout, dataset) is None or dataset in tree.geometry:
            continue
        path = tree.layout.expected(dataset)
        if dataset in NOTED:
            cause = f"is missing: goes on without {dataset}"
            yield Problem("geometry-optional-missing", "note", path, cause, MEND)
        elif dataset != "azimuth_angle" or tree.layout.azimuth_angle != tree.layout.incidence_angle:
            yield Problem("geometry-missing", "stop", path, f"is missing: no {dataset}", MEND)
    for raster, header in {tree.geometry[dataset]: header for dataset, header in headers.items()}.items():
        if shape is not None and header.shape != shape:
            cause = f"is {header.length} x {header.width}, the interferograms are {shape[0]} x {shape[1]}"
            mend = "make geometry and interferograms with the same area and looks (merge steps)"
            yield Problem("geometry-size-differs", "stop", raster, cause, mend)


def check_values(tree: StackTree, headers: Headers) -> Iterator[Problem]:
    """Yield images without usable values. Latitude and longitude are read once, block by block."""
    for dataset in ("latitude", "longitude"):
        if dataset in headers:
            try:
                corner_rows(tree.geometry[dataset], headers[dataset])
            except InputError as error:
                yield Problem.of(error, "stop")
    for dataset in ("incidence_angle",):
        if dataset in headers and not holds_values(tree.geometry[dataset], headers[dataset], 1):
            raster = tree.geometry[dataset]
            yield Problem("geometry-empty", "stop", raster, "is zero or NaN everywhere", MEND)
