"""Which radar pixel each pixel of the geographic grid shows: found once, for all products of a frame.

Nearest neighbours as MintPy has pyresample find them. Taking the pixels of a file is geo_files.py's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.product_file import Blank, product_file

DATASET = "radarPixel"
NOWHERE = -1
# what MintPy counts for a pixel of a date when it divides the grid into boxes (`resample.get_num_box`)
_BYTES = 4 * 6
_SEGMENT = 1e6  # grid pixels that MintPy lets pyresample search for at a time


def box_count(dates: int, shape: tuple[int, int], memory: float) -> int:
    """Number of boxes that MintPy divides the geographic grid into.

    Parameters
    ----------
    dates : int
        Of the series, the largest of the files that MintPy geocodes together.
    shape : tuple of int
        Rows and columns in radar geometry.
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Notes
    -----
    Source: MintPy `resample.get_num_box`. The search is an approximate one, and with several boxes MintPy leaves out
    the last row and column of the radar image: the boxes decide which neighbour is found.
    """
    return max(1, math.ceil(dates * math.prod(shape) * _BYTES / (memory * 2**30))) if memory > 0 else 1


def write_radar_pixels(
    lookup: Path,
    target: Path,
    *,
    boxes: int = 1,
    bounds: Sequence[float] | None = None,
    steps: Sequence[float] | None = None,
) -> None:
    """Find the nearest radar pixel of each pixel of the geographic grid, and write them to a file.

    Parameters
    ----------
    lookup : Path
        `geometryRadar.h5` with `latitude` and `longitude` (degrees).
    target : Path
        File to write: dataset `radarPixel`, int32 (rows, columns), row times width plus column in radar geometry, -1
        where there is none within three postings. Its attributes say where the grid is.
    boxes : int
        `box_count`.
    bounds : sequence of float, optional
        `mintpy.geocode.SNWE`, outer edges (degrees).
    steps : sequence of float, optional
        `mintpy.geocode.laloStep` (degrees).

    Notes
    -----
    Source: MintPy `resample.prepare_geometry_definition_radar`, `run_pyresample`.
    """
    from mintpy.utils import attribute, readfile

    grid = _grid(lookup, boxes, bounds, steps)
    attributes = attribute.update_attribute4radar2geo(readfile.read_attribute(str(lookup)), res_obj=grid)
    attributes |= {"FILE_TYPE": DATASET, "UNIT": "1", "DATA_TYPE": "int32"}
    with product_file(target, attributes, {DATASET: Blank((grid.length, grid.width), np.int32)}) as h5:
        for number, (_, first, _, last) in enumerate(grid.dest_box_list):
            h5[DATASET][first:last] = _nearest(grid, number)


def grid_attributes(pixels: h5py.File, source: dict[str, Any], lookup: Path) -> dict[str, Any]:
    """Attributes of a geocoded product (`attribute.update_attribute4radar2geo`).

    Parameters
    ----------
    pixels : h5py.File
        What `write_radar_pixels` wrote.
    source : dict
        Attributes of the product in radar geometry.
    lookup : Path
        `geometryRadar.h5`, for the coordinates of the reference point.
    """
    from mintpy.utils import attribute

    # as text, so that every product names the grid by the same digits
    north, west, down, right = (pixels.attrs[key] for key in ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP"))
    updated: dict[str, Any] = attribute.update_attribute4radar2geo(
        source,
        shape2d=pixels[DATASET].shape,
        lalo_step=(down, right),
        SNWE=(None, north, west, None),
        lut_file=str(lookup),
    )
    return updated


def _grid(lookup: Path, boxes: int, bounds: Sequence[float] | None, steps: Sequence[float] | None) -> Any:
    """MintPy's own description of the grid and of the search in each of its boxes."""
    from mintpy.objects.resample import resample

    grid = resample(
        lut_file=str(lookup),
        src_file=str(lookup),
        SNWE=None if bounds is None else tuple(bounds),
        lalo_step=None if steps is None else list(steps),
    )
    grid.open()
    grid.num_box = boxes
    grid.prepare()
    return grid


def _nearest(grid: Any, number: int) -> NDArray[np.int32]:
    """Radar pixel of each pixel of a box of the grid.

    Returns
    -------
    ndarray of int32 (rows, columns)
    """
    from pyresample.kd_tree import get_neighbour_info

    place, search = grid.dest_def_list[number], grid.src_def_list[number]
    known, asked, found, _ = get_neighbour_info(  # type: ignore[no-untyped-call]
        search,
        place,
        grid.radius,
        neighbours=1,
        epsilon=0.5,
        segments=math.ceil(place.size / _SEGMENT + 0.5),
    )
    nearest = np.full(place.size, NOWHERE, np.int32)
    # one past the last pixel stands for none
    numbers = np.append(_numbers(grid, number)[known], np.int32(NOWHERE))
    nearest[asked] = numbers[np.minimum(found, numbers.size - 1)]
    # of no use any more, and as large as the grid
    grid.dest_def_list[number] = grid.src_def_list[number] = None
    return nearest.reshape(place.shape)


def _numbers(grid: Any, number: int) -> NDArray[np.int32]:
    """Numbers of the radar pixels in which a box is searched."""
    left, top, right, bottom = grid.src_box_list[number]
    width = int(grid.lut_meta["WIDTH"])
    rows = np.arange(top, bottom, dtype=np.int32) * np.int32(width)
    return np.add.outer(rows, np.arange(left, right, dtype=np.int32)).ravel()
