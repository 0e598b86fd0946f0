"""Connected components of an image, compiled: numbered regions, and the pixels at their eroded edges.

A region is found as runs of equal pixels, row by row, so that labelling costs little more than reading the image.
Which regions are wanted is components.py's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

MOST_REGIONS = 255  # what a byte can number

_jit = njit(nogil=True, cache=True, error_model="numpy")

Labels = NDArray[np.uint8]
Places = NDArray[np.int32]


class Runs(NamedTuple):
    """Neighbouring pixels of one value in a row, from `start` to `stop` (exclusive); zeros are in none.

    `first` (rows + 1,) is the number of each row's first run, `region` the number of a run of the same region, at
    last of its first one.
    """

    start: Places
    stop: Places
    value: NDArray[np.int64]
    first: Places
    region: Places


@_jit
def label(image: NDArray[Any], least: int, labels: Labels) -> int:
    """Number the 4-connected regions of equal, non-zero value in the order of their first pixels, row by row.

    Parameters
    ----------
    image : ndarray of integer (rows, columns)
        Components; zero belongs to none.
    least : int
        Regions with fewer pixels are left out, unless there is only one region.
    labels : ndarray of uint8 (rows, columns)
        Filled with 1, 2, ... and zero elsewhere, if there are at most `MOST_REGIONS` regions.

    Returns
    -------
    int
        Number of regions.
    """
    runs = _find_runs(image)
    _join(runs)
    number, kept = _number(runs, least)
    if kept <= MOST_REGIONS:
        labels[:] = 0
        for row in range(image.shape[0]):
            for run in range(runs.first[row], runs.first[row + 1]):
                labels[row, runs.start[run] : runs.stop[run]] = number[runs.region[run]]
    return kept


@_jit
def _find_runs(image: NDArray[Any]) -> Runs:
    rows, columns = image.shape
    first = np.zeros(rows + 1, np.int32)
    for row in range(rows):
        values = image[row]
        count = 1 if values[0] != 0 else 0
        for column in range(1, columns):
            count += 1 if (values[column] != 0) & (values[column] != values[column - 1]) else 0
        first[row + 1] = first[row] + count
    total = first[rows]
    start, stop = np.empty(total, np.int32), np.empty(total, np.int32)
    value, region = np.empty(total, np.int64), np.empty(total, np.int32)
    run = 0
    for row in range(rows):
        values = image[row]
        before = np.int64(0)
        for column in range(columns):
            here = np.int64(values[column])
            if here != before:
                if before != 0:
                    stop[run] = column
                    run += 1
                if here != 0:
                    start[run], value[run], region[run] = column, here, run
                before = here
        if before != 0:
            stop[run] = columns
            run += 1
    return Runs(start, stop, value, first, region)


@_jit
def _join(runs: Runs) -> None:
    """Join runs that touch those of the row above; a region keeps the lowest number."""
    for row in range(1, runs.first.size - 1):
        above, end = runs.first[row - 1], runs.first[row]
        for run in range(runs.first[row], runs.first[row + 1]):
            while above < end and runs.stop[above] <= runs.start[run]:
                above += 1
            other = above
            while other < end and runs.start[other] < runs.stop[run]:
                if runs.value[other] == runs.value[run]:
                    one, two = _root(runs.region, run), _root(runs.region, other)
                    runs.region[max(one, two)] = min(one, two)
                other += 1


@_jit
def _root(region: Places, run: int) -> int:
    while region[run] != run:
        region[run] = region[region[run]]
        run = region[run]
    return run


@_jit
def _number(runs: Runs, least: int) -> tuple[Places, int]:
    """Number the regions that are kept, by the number of their first run."""
    size = np.zeros(runs.start.size, np.int64)
    regions = 0
    for run in range(runs.start.size):
        # a lower number, so it is final already
        root = runs.region[runs.region[run]]
        runs.region[run] = root
        size[root] += runs.stop[run] - runs.start[run]
        regions += 1 if root == run else 0
    number = np.zeros(runs.start.size, np.int32)
    kept = 0
    for run in range(runs.start.size):
        if runs.region[run] == run and (regions == 1 or size[run] >= least):
            kept += 1
            number[run] = kept
    return number, kept


@_jit
def erode(labels: Labels, eroded: Labels) -> None:
    """Lowest value within two pixels in both directions; outside the image is nothing.

    Parameters
    ----------
    labels : ndarray of uint8 (rows, columns)
        Numbered regions.
    eroded : ndarray of uint8 (rows, columns)
        Filled.
    """
    rows, columns = labels.shape
    low = np.empty(columns + 4, np.uint8)
    low[:2] = 255
    low[columns + 2 :] = 255
    for row in range(rows):
        one, two, three = labels[max(row - 2, 0)], labels[max(row - 1, 0)], labels[row]
        four, five = labels[min(row + 1, rows - 1)], labels[min(row + 2, rows - 1)]
        for column in range(columns):
            least = three[column]
            least = one[column] if one[column] < least else least
            least = two[column] if two[column] < least else least
            least = four[column] if four[column] < least else least
            least = five[column] if five[column] < least else least
            low[column + 2] = least
        out = eroded[row]
        for column in range(columns):
            least = low[column]
            least = low[column + 1] if low[column + 1] < least else least
            least = low[column + 2] if low[column + 2] < least else least
            least = low[column + 3] if low[column + 3] < least else least
            least = low[column + 4] if low[column + 4] < least else least
            out[column] = least


@_jit
def edges(eroded: Labels) -> Places:
    """Row, column and value of the pixels, not zero, of which one of the four neighbours has another value.

    Parameters
    ----------
    eroded : ndarray of uint8 (rows, columns)
        Regions.

    Returns
    -------
    ndarray of int32 (pixels, 3)
        In the order of rows, then columns.
    """
    rows, columns = eroded.shape
    found = np.empty((1024, 3), np.int32)
    count = 0
    differs = np.empty(columns, np.bool_)
    for row in range(rows):
        here, above, below = eroded[row], eroded[max(row - 1, 0)], eroded[min(row + 1, rows - 1)]
        for column in range(columns):
            differs[column] = (here[column] != above[column]) | (here[column] != below[column])
        for column in range(1, columns):
            differs[column] |= here[column] != here[column - 1]
        for column in range(columns - 1):
            differs[column] |= here[column] != here[column + 1]
        for column in range(columns):
            if differs[column] and here[column] != 0:
                if count == len(found):
                    more = np.empty((2 * count, 3), np.int32)
                    more[:count] = found
                    found = more
                found[count, 0], found[count, 1], found[count, 2] = row, column, here[column]
                count += 1
    return found[:count]
