"""The outline of a map on the globe, as GeoJSON and STAC want it.

Belongs here: from a grid in any CRS to longitudes and latitudes, the antimeridian included. A grid around a pole is
refused: no satellite of Sentinel-1 sees one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from pyproj import Transformer

from sbas_assets.published.stac_product import MapGrid

# Points on each side of a projected map: a straight line there is a curve in degrees.
_POINTS = 21
# 1 cm on the ground; PROJ's own digits end not far below
_DIGITS = 7

Point = tuple[float, float]


def footprint(grid: MapGrid) -> tuple[dict[str, Any], list[float]]:
    """Return the outline of all pixels of a map, data or not.

    Parameters
    ----------
    grid : MapGrid
        Where the pixels are.

    Returns
    -------
    geometry : dict
        GeoJSON Polygon, or a MultiPolygon of two parts when the map lies across the antimeridian. WGS84, degrees.
    bbox : list of float
        West, south, east, north in degrees; west is greater than east across the antimeridian.

    Raises
    ------
    ValueError
        The map has no outline in degrees.
    """
    if grid.crs.is_geographic and not grid.bbox[2] - grid.bbox[0] < 180:
        raise ValueError(f"a map over {grid.bbox[2] - grid.bbox[0]} degrees of longitude is no frame")
    ring = _ring(grid)
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = min(y for _, y in ring), max(y for _, y in ring)
    if not east - west < 180:
        raise ValueError(f"a map around a pole, over {east - west} degrees of longitude, is no frame")
    if east <= 180:
        return _geometry([ring]), [west, south, east, north]
    beyond = [(_rounded(x - 360), y) for x, y in _clipped(ring, west=False)]
    return _geometry([_clipped(ring, west=True), beyond]), [west, south, _rounded(east - 360), north]


def _ring(grid: MapGrid) -> list[Point]:
    """Return the outline anticlockwise and closed, its longitudes unbroken and the least in [-180, 180)."""
    crs = grid.crs
    west, south, east, north = grid.bbox
    share = np.linspace(0, 1, 2 if crs.is_geographic else _POINTS)[:-1]
    x = np.concatenate([west + (east - west) * share, east + 0 * share, east - (east - west) * share, west + 0 * share])
    y = np.concatenate(
        [south + 0 * share, south + (north - south) * share, north + 0 * share, north - (north - south) * share]
    )
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise ValueError(f"the map's edges {grid.bbox} have no place on the globe")
    lon = np.unwrap(np.append(lon, lon[0]), period=360)
    lon = lon - 360 * np.floor((lon.min() + 180) / 360)
    return [(_rounded(a), _rounded(b)) for a, b in zip(lon, np.append(lat, lat[0]), strict=True)]


def _clipped(ring: list[Point], *, west: bool) -> list[Point]:
    """Return what of a closed, convex ring lies to one side of 180 degrees."""
    kept: list[Point] = []
    for a, b in pairwise(ring):
        inside = (a[0] <= 180) == west
        if inside:
            kept.append(a)
        if inside != ((b[0] <= 180) == west):
            kept.append((180.0, _rounded(a[1] + (b[1] - a[1]) * (180 - a[0]) / (b[0] - a[0]))))
    return [*kept, kept[0]]


def _geometry(rings: list[list[Point]]) -> dict[str, Any]:
    parts = [[[list(point) for point in ring]] for ring in rings]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _rounded(number: float) -> float:
    return round(float(number), _DIGITS)
