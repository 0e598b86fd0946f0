"""Looking through interferograms of some pixels, compiled: sums, masks, and triplets that do not close.

Arrays are (layers, pixels). Sums run in the order of the layers and may go on from those of earlier ones, so that
neither block size nor threads nor updates change a bit. What the numbers are for is stack_overview.py's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_jit = njit(nogil=True, cache=True, error_model="numpy")

Layers = NDArray[np.float32]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int32]


@_jit
def add(values: Layers, start: int, stop: int, total: Layers, count: Counts) -> None:
    """Add the layers of pixels `start` to `stop` (exclusive), NaN left out.

    Parameters
    ----------
    values : ndarray of float32 (layers, pixels)
        What to add up.
    start, stop : int
        Pixels.
    total : ndarray of float32 (pixels,)
        Sums so far; added to.
    count : ndarray of int32 (pixels,)
        Of what numbers; added to.
    """
    for layer in range(values.shape[0]):
        _add(values[layer, start:stop], total[start:stop], count[start:stop])


@_jit
def add_velocity(
    phase: Layers, taken_off: Layers, factor: NDArray[np.float64], start: int, stop: int, total: Layers, count: Counts
) -> None:
    """Add the velocities of pixels `start` to `stop` (exclusive), NaN left out.

    Parameters
    ----------
    phase : ndarray of float32 (layers, pixels)
        Unwrapped phase (rad).
    taken_off : ndarray of float32 (layers,)
        Phase of the reference point (rad).
    factor : ndarray of float64 (layers,)
        From phase to velocity (m/year/rad).
    start, stop : int
        Pixels.
    total, count : ndarray (pixels,)
        As for `add` (m/year).
    """
    one = np.empty(stop - start, np.float32)
    for layer in range(phase.shape[0]):
        values, zero, per_radian = phase[layer, start:stop], taken_off[layer], factor[layer]
        for pixel in range(one.size):
            # rounded where MintPy's arrays are
            one[pixel] = np.float32(np.float64(values[pixel] - zero) * per_radian)
        _add(one, total[start:stop], count[start:stop])


@_jit
def _add(values: Layers, total: Layers, count: Counts) -> None:
    for pixel in range(total.size):
        good = values[pixel] == values[pixel]
        total[pixel] += values[pixel] if good else np.float32(0)
        count[pixel] += np.int32(1) if good else np.int32(0)


@_jit
def divide(total: Layers, count: Counts, start: int, stop: int, out: Layers) -> None:
    """Fill the means of pixels `start` to `stop` (exclusive): sums by counts, NaN where there are none."""
    for pixel in range(start, stop):
        out[pixel] = np.float32(np.float64(total[pixel]) / np.float64(count[pixel]))


@_jit
def never_zero(values: NDArray[Any], start: int, stop: int, out: Mask) -> None:
    """Clear pixels `start` to `stop` (exclusive) that are zero or NaN in some layer.

    Parameters
    ----------
    values : ndarray (layers, pixels)
        Components, or phases.
    start, stop : int
        Pixels.
    out : ndarray of bool (pixels,)
        Cleared.
    """
    for layer in range(values.shape[0]):
        for pixel in range(start, stop):
            value = values[layer, pixel]
            out[pixel] &= (value != 0) & (value == value)


@_jit
def never_missing(phase: Layers, start: int, stop: int, out: Mask) -> None:
    """Clear pixels `start` to `stop` (exclusive) that are zero or not finite in some layer; see `never_zero`."""
    for layer in range(phase.shape[0]):
        for pixel in range(start, stop):
            value = phase[layer, pixel]
            out[pixel] &= (value != 0) & (np.abs(value) < np.float32(np.inf))


@_jit
def refer(phase: Layers, reference: Layers, start: int, stop: int, unknown: Mask) -> None:
    """Take the reference off pixels `start` to `stop` (exclusive), in place, where the phase is not zero.

    Parameters
    ----------
    phase : ndarray of float32 (layers, pixels)
        Unwrapped phase (rad); changed.
    reference : ndarray of float32 (layers,)
        Phase of the reference point (rad).
    start, stop : int
        Pixels.
    unknown : ndarray of bool (pixels,)
        Set where a phase is not finite.
    """
    infinite = np.float32(np.inf)
    for layer in range(phase.shape[0]):
        values, zero = phase[layer], reference[layer]
        for pixel in range(start, stop):
            value = values[pixel]
            value = value - zero if value != 0 else value
            values[pixel] = value
            unknown[pixel] |= not (np.abs(value) < infinite)


@_jit
def open_triplets(
    phase: Layers, members: NDArray[np.int32], signs: Layers, start: int, stop: int, count: Counts
) -> None:
    """Count the triplets of pixels `start` to `stop` (exclusive) that close to another multiple of 2 pi than zero.

    Parameters
    ----------
    phase : ndarray of float32 (layers, pixels)
        Unwrapped phase without that of the reference point (rad).
    members : ndarray of int32 (triplets, 3)
        Layers of each triplet, ascending.
    signs : ndarray of float32 (triplets, 3)
        1 or -1.
    start, stop : int
        Pixels.
    count : ndarray of int32 (pixels,)
        Added to.
    """
    pi, turn = np.float32(np.pi), np.float32(2 * np.pi)
    number = count[start:stop]
    for triplet in range(members.shape[0]):
        one, two, three = (
            phase[members[triplet, 0], start:stop],
            phase[members[triplet, 1], start:stop],
            phase[members[triplet, 2], start:stop],
        )
        sign_one, sign_two, sign_three = signs[triplet]
        for pixel in range(number.size):
            closure = sign_one * one[pixel] + sign_two * two[pixel] + sign_three * three[pixel]
            # within half a turn of zero, as it rounds when it is wrapped in single precision
            turned = closure + pi
            number[pixel] += np.int32(0) if (turned >= 0) & (turned < turn) else np.int32(1)
