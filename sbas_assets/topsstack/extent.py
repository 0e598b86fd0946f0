"""Where on Earth a stack's pixels are, from its latitude and longitude images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sbas_assets.topsstack.pixels import read_window
from sbas_assets.topsstack.rasters import read_header, row_blocks


def pixel_extent(latitude: Path, longitude: Path) -> tuple[float, float, float, float]:
    """Return the bounds of all pixels, whatever part of them is loaded.

    Parameters
    ----------
    latitude, longitude : Path
        Images of a stack's geometry (degrees); zeros and NaN are no data.

    Returns
    -------
    tuple of float
        South, north, west, east (degrees, in single precision); NaN where an image has no data.

    Notes
    -----
    Source: MintPy `tropo_pyaps3.get_bounding_box`.
    """
    return *_bounds(latitude), *_bounds(longitude)


def _bounds(image: Path) -> tuple[float, float]:
    header = read_header(image)
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for rows in row_blocks(header):
        values = read_window(image, header, 1, rows, slice(0, header.width)).astype(np.float32)
        values = values[np.isfinite(values) & (values != 0)]
        if values.size:
            low, high = min(low, values.min()), max(high, values.max())
    return (float(low), float(high)) if low <= high else (np.nan, np.nan)
