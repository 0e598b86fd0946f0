"""What MintPy takes from the geometry images: size, looks, corners and the incidence angle at the centre.

Belongs here: reading `merged/geom_reference` as MintPy `isce_utils.extract_geometry_metadata` does, block
by block. Metadata of the sensor and the orbit are in metadata.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.topsstack.rasters import RasterHeader, read_band, read_header, read_header_file, row_blocks

GEOMETRY_SUFFIXES = (".rdr", ".geo", ".rdr.full", ".geo.full")
EDGE_ROWS = 2
"""Rows that MintPy stays away from the first and last row without zeros when it takes the corners."""


def add_geometry(meta: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the metadata with what the geometry images add.

    Source: MintPy `isce_utils.extract_geometry_metadata`.

    Parameters
    ----------
    meta : dict
        `tops_metadata`; pixel sizes and resolutions in m.
    folder : Path
        `merged/geom_reference`; without images in it the metadata come back as they are.

    Raises
    ------
    InputError
        `geometry-empty`, and what the headers and sizes of the images raise.
    """
    files = _geometry_files(folder)
    if not files:
        return meta
    header = read_header(next(iter(files.values())))
    added = _multilooked(meta, *_looks(folder)) | {"LENGTH": header.length, "WIDTH": header.width}
    for name in ("lat", "lon"):
        if name in files:
            added |= _corners(files[name], f"{name.upper()}_REF")
    if "los" in files:
        added["CENTER_INCIDENCE_ANGLE"] = _center_incidence(files["los"])
    return {**meta, **added}


def _geometry_files(folder: Path) -> dict[str, Path]:
    for suffix in GEOMETRY_SUFFIXES:
        found = {name: folder / f"{name}{suffix}" for name in ("hgt", "lat", "lon", "los")}
        found = {name: path for name, path in found.items() if path.is_file()}
        if found:
            return found
    return {}


def _multilooked(meta: dict[str, Any], alooks: int, rlooks: int) -> dict[str, Any]:
    """Return looks, effective number of independent looks, and the pixel sizes (m) after multilooking."""
    factor = meta["rangeResolution"] / meta["rangePixelSize"]
    factor *= meta["azimuthResolution"] / meta["azimuthPixelSize"]
    return {
        "ALOOKS": alooks,
        "RLOOKS": rlooks,
        "NCORRLOOKS": rlooks * alooks / factor,
        "rangePixelSize": meta["rangePixelSize"] * rlooks,
        "azimuthPixelSize": meta["azimuthPixelSize"] * alooks,
    }


def _looks(folder: Path) -> tuple[int, int]:
    """Return azimuth and range looks from the sizes of an image and of its full-resolution header, else 1.

    As in MintPy `isce_utils.extract_multilook_number`, the last image in this order that has both decides.
    """
    looks = (1, 1)
    for name in ("hgt", "lat", "lon", "los", "shadowMask"):
        for suffix in GEOMETRY_SUFFIXES:
            raster = folder / (name + suffix)
            full = full_resolution_header(raster)
            if raster.is_file() and full is not None:
                small, large = read_header(raster), read_header_file(full)
                looks = large.length // small.length, large.width // small.width
                break
    return looks


def full_resolution_header(raster: Path) -> Path | None:
    """Return the header of an image before multilooking: `hgt.rdr.full.xml`, else `.vrt`, else None."""
    candidates = (raster.with_name(f"{raster.name}.full.{suffix}") for suffix in ("xml", "vrt"))
    return next((path for path in candidates if path.is_file()), None)


def corner_rows(raster: Path, header: RasterHeader) -> tuple[int, int]:
    """Return the rows of latitude or longitude that MintPy takes its corners from.

    Source: MintPy `isce_utils.extract_geometry_metadata.get_nonzero_row_number`: two rows inside the first
    and the last row without a zero, as the merged swaths leave stair-steps of zeros at the top and the
    bottom.

    Raises
    ------
    InputError
        `geometry-empty` if there are no such rows.
    """
    band = read_band(raster, header)
    full = np.concatenate([np.all(band[rows] != 0, axis=1) for rows in row_blocks(header)])
    found = np.flatnonzero(full)
    top, bottom = (int(found[0]) + EDGE_ROWS, int(found[-1]) - EDGE_ROWS) if len(found) else (0, -1)
    if top >= header.length or bottom < 0:
        raise InputError(
            "geometry-empty",
            "has no rows without zeros to take the image corners from",
            mend="run topsStack's reference geometry (topo) and merge steps again",
            path=raster,
        )
    return top, bottom


def _corners(raster: Path, key: str) -> dict[str, str]:
    header = read_header(raster)
    top, bottom = corner_rows(raster, header)
    band = read_band(raster, header)
    corners = (band[top, 0], band[top, -1], band[bottom, 0], band[bottom, -1])
    return {f"{key}{number}": str(value) for number, value in enumerate(corners, start=1)}


def _center_incidence(raster: Path) -> str:
    header = read_header(raster)
    angle = read_band(raster, header)[header.length // 2, header.width // 2]
    return str(angle) if angle != 0 else "nan"
