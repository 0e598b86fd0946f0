"""Which pixel of a published product a latitude and longitude fall into.

Belongs here: the arithmetic between places and pixels, for map and radar coordinates. Does not belong here: reading
the pixel's values (`reading`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer

from sbas_assets.errors import InputError
from sbas_assets.published.georeference import GRID_MAPPING

WGS84 = Geod(ellps="WGS84")
# MintPy's lalo2yx adds this, so that a place on a pixel's edge is not lost to rounding.
EDGE = 0.01
# A place farther from every pixel of a radar image than this many pixel diagonals is beside the image.
RADAR_REACH = 1.5


@dataclass(frozen=True)
class Pixel:
    """A pixel: row and column, its center in degrees, and how far that is from the place asked for, in metres."""

    row: int
    column: int
    latitude: float
    longitude: float
    distance_m: float


def find_pixel(data: xr.Dataset, lat: float, lon: float) -> Pixel:
    """Return the pixel at a place.

    Parameters
    ----------
    data : xarray.Dataset
        A product as `reading.open_product` gives it.
    lat, lon : float
        Degrees, WGS84; longitudes may be off by whole turns.

    Raises
    ------
    InputError
        ``point-outside``: names the bounds; ``point-no-coordinates``.
    """
    if GRID_MAPPING in data.coords:
        return _map_pixel(data, lat, lon)
    if {"latitude", "longitude"} <= set(data.coords):
        return _radar_pixel(data, lat, lon)
    raise InputError(
        "point-no-coordinates",
        "the product is in radar coordinates and has no latitude and longitude",
        mend="publish it with the frame's geometryRadar.h5, or turn mintpy.geocode on",
        frame=data.attrs.get("frame"),
    )


def _map_pixel(data: xr.Dataset, lat: float, lon: float) -> Pixel:
    mapping = data[GRID_MAPPING].attrs
    x_first, x_step, _, y_first, _, y_step = map(float, mapping["GeoTransform"].split())
    length, width = data.sizes["y"], data.sizes["x"]
    crs = CRS.from_wkt(mapping["crs_wkt"])
    # always_xy: longitude comes first on both sides, whatever the CRS' own order.
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = to_map.transform(lon, lat)
    if crs.is_geographic:
        x = _nearest_turn(x, x_first + x_step * width / 2)
    row, column = _index(y, y_first, y_step), _index(x, x_first, x_step)
    if not (0 <= row < length and 0 <= column < width):
        y_last, x_last = y_first + y_step * length, x_first + x_step * width
        west, south, east, north = to_map.transform_bounds(
            min(x_first, x_last), min(y_first, y_last), max(x_first, x_last), max(y_first, y_last),
            direction="INVERSE",
        )  # fmt: skip
        raise _outside(data, lat, lon, (south, north, west, east))
    center_x, center_y = x_first + x_step * (column + 0.5), y_first + y_step * (row + 0.5)
    center_lon, center_lat = to_map.transform(center_x, center_y, direction="INVERSE")
    return Pixel(row, column, center_lat, center_lon, _metres(lat, lon, center_lat, center_lon))


def _index(value: float, first: float, step: float) -> int:
    position = (value - first) / step + EDGE
    return math.floor(position) if math.isfinite(position) else -1


def _nearest_turn(lon: float, middle: float) -> float:
    return lon + 360 * round((middle - lon) / 360) if math.isfinite(lon) else lon


def _radar_pixel(data: xr.Dataset, lat: float, lon: float) -> Pixel:
    """Return the pixel whose center is nearest; radar images are not aligned with latitude and longitude."""
    lats = _known(data["latitude"].to_numpy())
    lons = _known(data["longitude"].to_numpy())
    if not np.isfinite(lats).any():
        raise _outside(data, lat, lon, (math.nan,) * 4)
    bounds = (np.nanmin(lats), np.nanmax(lats), np.nanmin(lons), np.nanmax(lons))
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90):
        raise _outside(data, lat, lon, bounds)
    lon = _nearest_turn(lon, (bounds[2] + bounds[3]) / 2)
    apart = np.hypot(lats - lat, (lons - lon) * math.cos(math.radians(lat)))
    row, column = divmod(int(np.nanargmin(apart)), apart.shape[1])
    center = float(lats[row, column]), float(lons[row, column])
    distance = _metres(lat, lon, *center)
    if distance > RADAR_REACH * _pixel_size(lats, lons, row, column):
        raise _outside(data, lat, lon, bounds)
    return Pixel(row, column, *center, distance)


def _known(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return latitudes or longitudes with ISCE's 0 for 'not known' as NaN."""
    return np.where(values == 0, np.nan, values).astype(np.float64)


def _pixel_size(lats: NDArray[np.float64], lons: NDArray[np.float64], row: int, column: int) -> float:
    """Return the diagonal of a pixel in metres, from the centers of its neighbours."""
    here = lats[row, column], lons[row, column]
    others = [(row - 1 if row else row + 1, column), (row, column - 1 if column else column + 1)]
    inside = [at for at in others if at[0] < lats.shape[0] and at[1] < lats.shape[1]]
    sizes = [_metres(*here, lats[at], lons[at]) for at in inside]
    return math.hypot(*(size for size in sizes if math.isfinite(size)))


def _metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    return float(WGS84.inv(lon, lat, other_lon, other_lat)[2])


def _outside(data: xr.Dataset, lat: float, lon: float, bounds: tuple[float, ...]) -> InputError:
    south, north, west, east = bounds
    return InputError(
        "point-outside",
        f"{lat}, {lon} is outside: latitude {south:.5f} to {north:.5f}, longitude {west:.5f} to {east:.5f}",
        mend="give LAT LON in degrees, inside these bounds",
        frame=data.attrs.get("frame"),
    )
