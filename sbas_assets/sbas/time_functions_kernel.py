"""Fitting time functions to many pixels at once, compiled.

Pixels are worked on in groups of `LANES`, as in inversion_kernel.py: sums run over the dates in order, and a pixel's
numbers depend on its own values only. What the matrices hold is time_functions.py's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 64
# what became of a pixel
NO_DATA, FITTED, INCOMPLETE = 0, 1, 2


class System(NamedTuple):
    """The time functions on the dates used, and what is taken off a series first; see time_functions.py."""

    used: NDArray[np.int32]
    design: NDArray[np.float64]
    inverse: NDArray[np.float64]
    variance: NDArray[np.float64]
    date: int
    offset: NDArray[np.float32]


class Results(NamedTuple):
    """Arrays to fill; see time_functions.Fit."""

    parameters: NDArray[np.float32]
    deviations: NDArray[np.float32]
    residue: NDArray[np.float32]
    status: NDArray[np.int8]


@njit(nogil=True, cache=True, error_model="numpy")
def fit_pixels(system: System, series: NDArray[np.float32], always: int, start: int, stop: int, out: Results) -> None:
    """Fit pixels `start` to `stop` (exclusive) of a series (dates, pixels); `always` is fitted even if it is all 0."""
    dates, size = system.design.shape
    seen = np.empty((dates, LANES), np.float32)
    found = np.empty((size, LANES))
    squares = np.empty(LANES)
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _see(system, series, group, lanes, seen)
        _solve(system, seen, found, squares)
        for lane in range(lanes):
            status = _judge(seen[:, lane], group + lane == always)
            out.status[group + lane] = status
            _store(system, found[:, lane], squares[lane], status, group + lane, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _see(system: System, series: NDArray[np.float32], group: int, lanes: int, seen: NDArray[np.float32]) -> None:
    """Referred to a date and a pixel in single precision, as MintPy does it."""
    for number in range(system.used.size):
        date = system.used[number]
        for lane in range(lanes):
            value = series[date, group + lane]
            if system.date >= 0:
                value -= series[system.date, group + lane]
            seen[number, lane] = value - system.offset[date]
        for lane in range(lanes, LANES):
            seen[number, lane] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def _solve(system: System, seen: NDArray[np.float32], found: NDArray[Any], squares: NDArray[Any]) -> None:
    """Least squares, and the sum of the squared residuals."""
    dates, size = system.design.shape
    left = np.empty(LANES)
    found[:] = 0
    squares[:] = 0
    for number in range(dates):
        for parameter in range(size):
            factor = system.inverse[parameter, number]
            for lane in range(LANES):
                found[parameter, lane] += factor * seen[number, lane]
    for number in range(dates):
        for lane in range(LANES):
            left[lane] = seen[number, lane]
        for parameter in range(size):
            factor = system.design[number, parameter]
            for lane in range(LANES):
                left[lane] -= factor * found[parameter, lane]
        for lane in range(LANES):
            squares[lane] += left[lane] * left[lane]


@njit(nogil=True, cache=True, error_model="numpy")
def _judge(seen: NDArray[np.float32], always: bool) -> int:
    """MintPy leaves out pixels whose mean, in single precision, is 0 or NaN."""
    total, valid, finite = np.float32(0), 0, True
    for number in range(seen.size):
        if not np.isnan(seen[number]):
            total += seen[number]
            valid += 1
        finite = finite and np.isfinite(seen[number])
    if not always and (valid == 0 or total == 0):
        return NO_DATA
    return FITTED if finite else INCOMPLETE


@njit(nogil=True, cache=True, error_model="numpy")
def _store(  # one pixel
    system: System, found: NDArray[Any], squares: float, status: int, pixel: int, out: Results
) -> None:
    dates, size = system.design.shape
    for parameter in range(size):
        deviation = np.sqrt(system.variance[parameter] * squares / (dates - size))
        out.parameters[parameter, pixel] = found[parameter] if status != NO_DATA else 0
        out.deviations[parameter, pixel] = deviation if status != NO_DATA else 0
    out.residue[pixel] = np.sqrt(squares) if status != NO_DATA else 0
