"""Where the pixels of a MintPy file are: coordinates, grid mapping and transform.

MintPy's ``Y_FIRST`` and ``X_FIRST`` are the outer, upper-left CORNER of the upper-left pixel: `save_gdal.py` hands
them to GDAL unchanged, and `coordinate.yx2lalo` adds half a step to reach a pixel's center. Coordinates published
here are cell centers. Does not belong here: the products' arrays, and finding a place in a product (`place`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from sbas_assets.errors import InputError
from sbas_assets.published.arrays import Array, line

GRID_MAPPING = "spatial_ref"
# the Zarr conventions that say where pixels are, for readers that do not know CF
CONVENTIONS = [
    {
        "name": "spatial:",
        "uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/spatial/refs/tags/v1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/spatial/blob/v1/README.md",
        "description": "Spatial coordinate information",
    },
    {
        "name": "proj:",
        "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "schema_url": "https://raw.githubusercontent.com/zarr-conventions/geo-proj/refs/tags/v1/schema.json",
        "spec_url": "https://github.com/zarr-conventions/geo-proj/blob/v1/README.md",
        "description": "Coordinate reference system information for geospatial data",
    },
]


@dataclass(frozen=True)
class Grid:
    """A regular grid in map coordinates.

    Parameters
    ----------
    crs : pyproj.CRS
        Geographic (degrees) or projected (metres).
    y_first, x_first : float
        Outer corner of the first pixel, in the CRS' unit.
    y_step, x_step : float
        Step from row to row (negative: north up) and from column to column.
    length, width : int
        Rows and columns.
    """

    crs: CRS
    y_first: float
    x_first: float
    y_step: float
    x_step: float
    length: int
    width: int

    def coordinates(self) -> dict[str, Array]:
        """Return `y` (length,) and `x` (width,) float64 cell centers, and the scalar grid mapping."""
        y = self.y_first + self.y_step * (np.arange(self.length, dtype=np.float64) + 0.5)
        x = self.x_first + self.x_step * (np.arange(self.width, dtype=np.float64) + 0.5)
        attrs = self._axis_attrs()
        return {
            "y": line(("y",), y, attrs["y"]),
            "x": line(("x",), x, attrs["x"]),
            GRID_MAPPING: line((), np.array(0, np.int64), self._mapping_attrs()),
        }

    def halved(self) -> Grid:
        """Return the grid of half the resolution, with the same first corner.

        Of odd sizes, the last pixels reach beyond the last ones of this grid.
        """
        length, width = (self.length + 1) // 2, (self.width + 1) // 2
        return replace(self, y_step=2 * self.y_step, x_step=2 * self.x_step, length=length, width=width)

    def conventions(self) -> dict[str, Any]:
        """Return the attributes of the Zarr conventions ``spatial:`` and ``proj:``, for a group or a map.

        The transform is in rasterio's order and starts at the outer corner of the first pixel.
        """
        authority = self.crs.to_authority()
        x_last, y_last = self.x_first + self.x_step * self.width, self.y_first + self.y_step * self.length
        xs, ys = sorted((self.x_first, x_last)), sorted((self.y_first, y_last))
        return {
            "zarr_conventions": CONVENTIONS,
            "spatial:dimensions": ["y", "x"],
            "spatial:transform": [self.x_step, 0.0, self.x_first, 0.0, self.y_step, self.y_first],
            "spatial:shape": [self.length, self.width],
            "spatial:bbox": [xs[0], ys[0], xs[1], ys[1]],
            "spatial:registration": "pixel",
            **({"proj:code": ":".join(authority)} if authority else {"proj:wkt2": self.crs.to_wkt()}),
        }

    def geographic_bounds(self) -> dict[str, float]:
        """Return the outer bounds in degrees of WGS84, as the attributes of ACDD."""
        west, south, east, north = self.conventions()["spatial:bbox"]
        if not self.crs.is_geographic:
            to_degrees = Transformer.from_crs(self.crs, 4326, always_xy=True)
            west, south, east, north = to_degrees.transform_bounds(west, south, east, north)
        names = ("lat_min", "lat_max", "lon_min", "lon_max")
        return {
            f"geospatial_{name}": float(value) for name, value in zip(names, (south, north, west, east), strict=True)
        }

    def _axis_attrs(self) -> dict[str, dict[str, str]]:
        if self.crs.is_geographic:
            return {
                "y": _axis("Y", "latitude", "degrees_north"),
                "x": _axis("X", "longitude", "degrees_east"),
            }
        return {
            "y": _axis("Y", "projection_y_coordinate", "m"),
            "x": _axis("X", "projection_x_coordinate", "m"),
        }

    def _mapping_attrs(self) -> dict[str, object]:
        # GDAL's order, which is what GeoTransform means: x corner, x step, 0, y corner, 0, y step.
        transform = (self.x_first, self.x_step, 0.0, self.y_first, 0.0, self.y_step)
        wkt = self.crs.to_wkt()
        return {**self.crs.to_cf(), "crs_wkt": wkt, "GeoTransform": " ".join(map(repr, transform))}


def _axis(axis: str, standard_name: str, units: str) -> dict[str, str]:
    long_name = f"{standard_name.replace('_', ' ')} of the pixel's center"
    return {"axis": axis, "standard_name": standard_name, "long_name": long_name, "units": units}


def grid_of(attributes: Mapping[str, str], shape: tuple[int, int], path: Path) -> Grid | None:
    """Return the grid of a MintPy file, or None when the file is in radar coordinates.

    Parameters
    ----------
    attributes : mapping of str
        Root attributes of the HDF5 file.
    shape : tuple of int
        (length, width).
    path : Path
        The file, for messages.

    Raises
    ------
    InputError
        ``product-source-invalid``: the corner or the step is not a number, or the CRS is unknown.
    """
    if "Y_FIRST" not in attributes:
        return None
    try:
        y_first, x_first = float(attributes["Y_FIRST"]), float(attributes["X_FIRST"])
        y_step, x_step = float(attributes["Y_STEP"]), float(attributes["X_STEP"])
        return Grid(crs_of(attributes), y_first, x_first, y_step, x_step, *shape)
    except (KeyError, ValueError, CRSError) as error:
        raise InputError(
            "product-source-invalid",
            f"its map coordinates cannot be read: {error}",
            mend="geocode the product again with MintPy's geocode.py",
            path=path,
        ) from error


def crs_of(attributes: Mapping[str, str]) -> CRS:
    """Return the CRS as MintPy's save_gdal.py decides it: ``EPSG``, else ``UTM_ZONE``, else EPSG:4326."""
    if attributes.get("EPSG"):
        return CRS.from_epsg(int(attributes["EPSG"]))
    if zone := attributes.get("UTM_ZONE"):
        south = zone[-1].upper() == "S"
        return CRS.from_epsg((32700 if south else 32600) + int(zone[:-1]))
    return CRS.from_epsg(4326)


def radar_coordinates(shape: tuple[int, int]) -> dict[str, Array]:
    """Return pixel indices `y` (azimuth line) and `x` (range pixel), int64, for a product that is not geocoded."""
    names = ("azimuth line, from 0 at the first of this product", "range pixel, from 0 at the nearest range")
    return {
        dim: line((dim,), np.arange(size, dtype=np.int64), {"long_name": name, "units": "1"})
        for dim, size, name in zip(("y", "x"), shape, names, strict=True)
    }
