"""Singular values of one pixel's system, from its factorization, compiled.

Only asked for pixels whose weights differ by orders of magnitude, to know whether MintPy would cut off a part of
their solution. The factorization itself is inversion_kernel.py's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Index = NDArray[np.int32]
Vector = NDArray[Any]

_ITERATIONS = 30
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def singular_value_ratio(
    column: Index, row: Index, factor: Vector, pivots: Vector, place: Index, years: Vector, velocity: bool
) -> float:
    """Smallest over largest singular value of the weighted design matrix of a pixel.

    Parameters
    ----------
    column, row : ndarray of int32
        Pattern of L, as in network.Elimination.
    factor : ndarray of float64 (entries,)
        Entries of L below its unit diagonal.
    pivots : ndarray of float64 (dates - 1,)
        D of L D L^T, in elimination order.
    place : ndarray of int32 (dates,)
        Position of each date in the elimination.
    years : ndarray of float64 (dates - 1,)
        Time between consecutive dates.
    velocity : bool
        Whether the unknowns are velocities between consecutive dates, otherwise phases.

    Returns
    -------
    float
        By power iterations on the normal matrix and its inverse; good to some per cent, which is enough beside a
        margin of three.
    """
    size = pivots.size
    high, low = 0.0, 0.0
    # neither is orthogonal to the vector sought, which the alternating one might be
    x, z = np.arange(1.0, size + 1), np.arange(1.0, size + 1)
    z[::2] *= -1
    for _ in range(_ITERATIONS):
        x = _gradient(_times(column, row, factor, pivots, _phases(x, place, years, velocity)), place, years, velocity)
        high = np.sqrt(np.sum(x * x))
        x /= high
        z = _unknowns(_solve(column, row, factor, pivots, _forces(z, place, years, velocity)), place, years, velocity)
        low = np.sqrt(np.sum(z * z))
        z /= low
    return float(np.sqrt(1 / (high * low)))


@_jit
def _phases(x: Vector, place: Index, years: Vector, velocity: bool) -> Vector:
    """Phases in elimination order, from the unknowns."""
    out = np.empty(x.size)
    total = 0.0
    for date in range(x.size):
        total = total + x[date] * years[date] if velocity else x[date]
        out[place[date + 1]] = total
    return out


@_jit
def _unknowns(phase: Vector, place: Index, years: Vector, velocity: bool) -> Vector:
    """The inverse of `_phases`."""
    out = np.empty(phase.size)
    before = 0.0
    for date in range(phase.size):
        here = phase[place[date + 1]]
        out[date] = (here - before) / years[date] if velocity else here
        before = here
    return out


@_jit
def _gradient(force: Vector, place: Index, years: Vector, velocity: bool) -> Vector:
    """The transpose of `_phases`."""
    out = np.empty(force.size)
    total = 0.0
    for date in range(force.size - 1, -1, -1):
        here = force[place[date + 1]]
        total += here
        out[date] = total * years[date] if velocity else here
    return out


@_jit
def _forces(gradient: Vector, place: Index, years: Vector, velocity: bool) -> Vector:
    """The inverse of `_gradient`."""
    out = np.empty(gradient.size)
    after = 0.0
    for date in range(gradient.size - 1, -1, -1):
        here = gradient[date] / years[date] if velocity else gradient[date]
        out[place[date + 1]] = here - after if velocity else here
        after = here
    return out


@_jit
def _times(column: Index, row: Index, factor: Vector, pivots: Vector, x: Vector) -> Vector:
    """L D L^T x."""
    out = x.copy()
    for k in range(x.size):
        for entry in range(column[k], column[k + 1]):
            out[k] += factor[entry] * x[row[entry]]
    out *= pivots
    for k in range(x.size - 1, -1, -1):
        for entry in range(column[k], column[k + 1]):
            out[row[entry]] += factor[entry] * out[k]
    return out


@_jit
def _solve(column: Index, row: Index, factor: Vector, pivots: Vector, x: Vector) -> Vector:
    """The inverse of `_times`."""
    out = x.copy()
    for k in range(x.size):
        for entry in range(column[k], column[k + 1]):
            out[row[entry]] -= factor[entry] * out[k]
    out /= pivots
    for k in range(x.size - 1, -1, -1):
        for entry in range(column[k], column[k + 1]):
            out[k] -= factor[entry] * out[row[entry]]
    return out
