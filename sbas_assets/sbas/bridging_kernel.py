"""Shortest distances between all regions of an image, compiled.

The pixels of a region lie in cells, squares of the image; of two regions only those cells are compared whose boxes are
as near to each other as the nearest pixels found before. Which bridges are built is bridging.py's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_jit = njit(nogil=True, cache=True, error_model="numpy")

Places = NDArray[np.int32]
Numbers = NDArray[np.int64]
Box = tuple[Any, Any, Any, Any]  # top, bottom, left, right
Span = tuple[int, int]
_CELL = 32  # pixels of a side
_FAR = 2**62


class Cells(NamedTuple):
    """The edges of all regions, cell by cell.

    `row`, `column` and `number` (pixels,) are of pixels, `first` (cells + 1,) the place of each cell's first pixel,
    `top`, `bottom`, `left`, `right` (cells,) the box around its pixels, and `region` (regions + 1,) the place of each
    region's first cell.
    """

    row: Places
    column: Places
    number: Numbers
    first: Numbers
    top: Places
    bottom: Places
    left: Places
    right: Places
    region: Numbers


def cells(edges: Places, first: Numbers) -> Cells:
    """Sort pixels into cells; see `shortest`."""
    region = np.repeat(np.arange(first.size - 1), np.diff(first))
    wide = int(edges.max()) // _CELL + 1
    key = (region * wide + edges[:, 0] // _CELL) * wide + edges[:, 1] // _CELL
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    row, column = np.ascontiguousarray(edges[order, 0]), np.ascontiguousarray(edges[order, 1])
    return Cells(
        row=row,
        column=column,
        number=order,
        first=np.append(starts, len(edges)),
        top=np.minimum.reduceat(row, starts),
        bottom=np.maximum.reduceat(row, starts),
        left=np.minimum.reduceat(column, starts),
        right=np.maximum.reduceat(column, starts),
        region=np.searchsorted(region[order][starts], np.arange(first.size)),
    )


def shortest(edges: Places, first: Numbers) -> tuple[Numbers, Numbers]:
    """Shortest distance between each two regions, and where it is.

    Parameters
    ----------
    edges : ndarray of int32 (pixels, 2)
        Row and column of the edges of one region after the other.
    first : ndarray of int64 (regions + 1,)
        Number of each region's first pixel.

    Returns
    -------
    square : ndarray of int64 (regions, regions)
        Squared distance (pixels) above the diagonal.
    nearest : ndarray of int64 (regions, regions)
        Number of the first pixel of the second region that is so near to the first region, above the diagonal.
    """
    regions = first.size - 1
    square, nearest = np.zeros((regions, regions), np.int64), np.zeros((regions, regions), np.int64)
    _compare(cells(edges, first), square, nearest)
    return square, nearest


@_jit
def _compare(grid: Cells, square: Numbers, nearest: Numbers) -> None:
    for one in range(square.shape[0]):
        first, last = grid.region[one], grid.region[one + 1]
        around = (
            grid.top[first:last].min(),
            grid.bottom[first:last].max(),
            grid.left[first:last].min(),
            grid.right[first:last].max(),
        )
        for two in range(one + 1, square.shape[0]):
            best, chosen = _first_guess(grid, (first, last), around, (grid.region[two], grid.region[two + 1]))
            for other in range(grid.region[two], grid.region[two + 1]):
                if _bound(_box(grid, other), around) <= best:
                    for cell in range(first, last):
                        if _bound(_box(grid, other), _box(grid, cell)) <= best:
                            best, chosen = _nearest(grid, cell, other, best, chosen)
            square[one, two], nearest[one, two] = best, chosen


@_jit
def _first_guess(grid: Cells, own: Span, around: Box, others: Span) -> tuple[int, int]:
    """Nearest pixels of two cells that are likely to be near."""
    other, lowest = others[0], _FAR
    for candidate in range(others[0], others[1]):
        bound = _bound(_box(grid, candidate), around)
        if bound < lowest:
            other, lowest = candidate, bound
    cell, lowest = own[0], _FAR
    for candidate in range(own[0], own[1]):
        bound = _bound(_box(grid, candidate), _box(grid, other))
        if bound < lowest:
            cell, lowest = candidate, bound
    return _nearest(grid, cell, other, _FAR, _FAR)


@_jit
def _box(grid: Cells, cell: int) -> Box:
    return grid.top[cell], grid.bottom[cell], grid.left[cell], grid.right[cell]


@_jit
def _bound(one: Box, two: Box) -> int:
    """Squared distance of two boxes."""
    down = max(one[0] - two[1], two[0] - one[1], 0)
    aside = max(one[2] - two[3], two[2] - one[3], 0)
    square: int = down * down + aside * aside
    return square


@_jit
def _nearest(grid: Cells, cell: int, other: int, best: int, chosen: int) -> tuple[int, int]:
    """Shortest squared distance of the pixels of two cells, and the lowest number of a pixel of the other so near."""
    box = _box(grid, cell)
    rows = grid.row[grid.first[cell] : grid.first[cell + 1]]
    columns = grid.column[grid.first[cell] : grid.first[cell + 1]]
    for pixel in range(grid.first[other], grid.first[other + 1]):
        row, column = grid.row[pixel], grid.column[pixel]
        if _bound(box, (row, row, column, column)) > best:
            continue
        here = _FAR
        for own in range(rows.size):
            down, aside = np.int64(rows[own] - row), np.int64(columns[own] - column)
            distance = int(down * down + aside * aside)
            here = distance if distance < here else here
        if here < best or (here == best and grid.number[pixel] < chosen):
            best, chosen = int(here), int(grid.number[pixel])
    return best, chosen
