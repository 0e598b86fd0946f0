"""Looking through all interferograms of some pixels, compiled: means, masks, and triplets that do not close.

Arrays are (layers, pixels). Sums run in the order of the layers, so that neither block size nor threads change a bit.
What the numbers are for is stack_overview.py's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_jit = njit(nogil=True, cache=True, error_model="numpy")

Layers = NDArray[np.float32]
Mask = NDArray[np.bool_]


@_jit
def mean(values: Layers, start: int, stop: int, out: Layers) -> None:
    """Mean over the layers of pixels `start` to `stop` (exclusive), NaN left out.

    Parameters
    ----------
    values : ndarray of float32 (layers, pixels)
        What to average.
    start, stop : int
        Pixels.
    out : ndarray of float32 (pixels,)
        Filled; NaN where all layers are.
    """
    total, count = _nothing(stop - start)
    for layer in range(values.shape[0]):
        _add(values[layer, start:stop], total, count)
    _divide(total, count, out[start:stop])


@_jit
def velocity(phase: Layers, reference: Layers, factor: NDArray[np.float64], start: int, stop: int, out: Layers) -> None:
    """Mean velocity of pixels `start` to `stop` (exclusive), NaN left out.

    Parameters
    ----------
    phase : ndarray of float32 (layers, pixels)
        Unwrapped phase (rad).
    reference : ndarray of float32 (layers,)
        Phase of the reference point (rad).
    factor : ndarray of float64 (layers,)
        From phase to velocity (m/year/rad).
    start, stop : int
        Pixels.
    out : ndarray of float32 (pixels,)
        Filled (m/year).
    """
    total, count = _nothing(stop - start)
    one = np.empty(stop - start, np.float32)
    for layer in range(phase.shape[0]):
        values, zero, per_radian = phase[layer, start:stop], reference[layer], factor[layer]
        for pixel in range(one.size):
            # rounded where MintPy's arrays are
            one[pixel] = np.float32(np.float64(values[pixel] - zero) * per_radian)
        _add(one, total, count)
    _divide(total, count, out[start:stop])


@_jit
def _nothing(size: int) -> tuple[Layers, NDArray[np.int32]]:
    return np.zeros(size, np.float32), np.zeros(size, np.int32)


@_jit
def _add(values: Layers, total: Layers, count: NDArray[np.int32]) -> None:
    for pixel in range(total.size):
        good = values[pixel] == values[pixel]
        total[pixel] += values[pixel] if good else np.float32(0)
        count[pixel] += np.int32(1) if good else np.int32(0)


@_jit
def _divide(total: Layers, count: NDArray[np.int32], out: Layers) -> None:
    for pixel in range(total.size):
        out[pixel] = np.float32(np.float64(total[pixel]) / np.float64(count[pixel]))


@_jit
def never_zero(values: NDArray[Any], start: int, stop: int, out: Mask) -> None:
    """Whether pixels `start` to `stop` (exclusive) are neither zero nor NaN in any layer.

    Parameters
    ----------
    values : ndarray (layers, pixels)
        Components, or phases.
    start, stop : int
        Pixels.
    out : ndarray of bool (pixels,)
        Filled.
    """
    out[start:stop] = True
    for layer in range(values.shape[0]):
        for pixel in range(start, stop):
            value = values[layer, pixel]
            out[pixel] &= (value != 0) & (value == value)


@_jit
def never_missing(phase: Layers, start: int, stop: int, out: Mask) -> None:
    """Whether pixels `start` to `stop` (exclusive) are finite and not zero in any layer; see `never_zero`."""
    out[start:stop] = True
    for layer in range(phase.shape[0]):
        for pixel in range(start, stop):
            value = phase[layer, pixel]
            out[pixel] &= (value != 0) & (np.abs(value) < np.float32(np.inf))


@_jit
def open_triplets(
    phase: Layers,
    reference: Layers,
    members: NDArray[np.int32],
    signs: Layers,
    start: int,
    stop: int,
    out: NDArray[np.float32],
) -> None:
    """Count the triplets of pixels `start` to `stop` (exclusive) that close to another multiple of 2 pi than zero.

    Parameters
    ----------
    phase : ndarray of float32 (layers, pixels)
        Unwrapped phase (rad); the reference is taken off in place where it is not zero.
    reference : ndarray of float32 (layers,)
        Phase of the reference point (rad).
    members : ndarray of int32 (triplets, 3)
        Layers of each triplet, ascending.
    signs : ndarray of float32 (triplets, 3)
        1 or -1.
    start, stop : int
        Pixels.
    out : ndarray of float32 (pixels,)
        Filled; all triplets where a phase is not finite.
    """
    pi, turn, infinite = np.float32(np.pi), np.float32(2 * np.pi), np.float32(np.inf)
    unknown = np.zeros(stop - start, np.bool_)
    count = np.zeros(stop - start, np.int32)
    for layer in range(phase.shape[0]):
        values, zero = phase[layer, start:stop], reference[layer]
        for pixel in range(values.size):
            value = values[pixel]
            value = value - zero if value != 0 else value
            values[pixel] = value
            unknown[pixel] |= not (np.abs(value) < infinite)
    for triplet in range(members.shape[0]):
        one, two, three = (
            phase[members[triplet, 0], start:stop],
            phase[members[triplet, 1], start:stop],
            phase[members[triplet, 2], start:stop],
        )
        sign_one, sign_two, sign_three = signs[triplet]
        for pixel in range(count.size):
            closure = sign_one * one[pixel] + sign_two * two[pixel] + sign_three * three[pixel]
            # within half a turn of zero, as it rounds when it is wrapped in single precision
            turned = closure + pi
            count[pixel] += np.int32(0) if (turned >= 0) & (turned < turn) else np.int32(1)
    for pixel in range(count.size):
        out[start + pixel] = np.float32(members.shape[0] if unknown[pixel] else count[pixel])
