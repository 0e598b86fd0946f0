"""Reading the pixels of ISCE2 images for good, a window at a time.

Plain reads: `rasters.read_band` maps a file, which is right for a look at a few places, but a mapped file that shrinks
while it is read kills the process without a word. Here a file that ends early is an error with its name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.topsstack.rasters import RasterHeader, check_size
from sbas_assets.topsstack.xmlfiles import unreadable


def read_window(raster: Path, header: RasterHeader, band: int, rows: slice, columns: slice) -> NDArray[Any]:
    """Read some rows and columns of one band.

    Parameters
    ----------
    raster : Path
        The image.
    header : RasterHeader
        Its header.
    band : int
        Band, from 1.
    rows, columns : slice
        Inside the image, with a start and a stop.

    Returns
    -------
    ndarray, shape (rows, columns)
        In the type of the file; a view where the image has more than the window.

    Raises
    ------
    InputError
        `raster-truncated` or `file-unreadable`.

    Notes
    -----
    Source: MintPy `readfile.read_binary`.
    """
    length, width, bands = header.length, header.width, header.bands
    number = rows.stop - rows.start
    if header.interleave == "BSQ" or bands == 1:
        first = (band - 1) * length + rows.start
        return _read(raster, header, first * width, number * width).reshape(number, width)[:, columns]
    line = width * bands
    values = _read(raster, header, rows.start * line, number * line)
    if header.interleave == "BIL":
        return values.reshape(number, bands, width)[:, band - 1, columns]
    return values.reshape(number, width, bands)[:, columns, band - 1]


def _read(raster: Path, header: RasterHeader, first: int, number: int) -> NDArray[Any]:
    """Read `number` values from the `first` on, whatever they belong to."""
    dtype = header.numpy_dtype
    try:
        values: NDArray[Any] = np.fromfile(raster, dtype, count=number, offset=first * dtype.itemsize)
    except OSError as error:
        raise unreadable(raster, error) from error
    if values.size < number:
        check_size(raster, header)
        mend = "wait until whatever writes it has finished, then run again"
        raise InputError("raster-truncated", "ended early while it was read", mend=mend, path=raster)
    return values
