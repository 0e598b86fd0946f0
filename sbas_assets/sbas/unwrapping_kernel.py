"""Shifting the regions of interferograms, compiled: referenced phases, shifted by region, and where that moved them.

A pixel's numbers depend on itself only. By how much a region is shifted is bridging.py's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

# what is done to an image besides shifting its regions: nothing; the reference taken off where there are data, or
# everywhere
AS_IT_IS, REFERENCE_DATA, REFERENCE_ALL = 0, 1, 2

_jit = njit(nogil=True, cache=True, error_model="numpy")


class Images(NamedTuple):
    """Some interferograms (images, rows, columns), and what is to be done with each.

    `phase` is changed; `original`, which may be the same array, is the phase before any correction. `labels` are the
    regions, `shifts` (images, 256) what to add to each (rad), `mode` (images,) one of the above. Of the reference
    point (images,): `reference` is its phase, `original_reference` that before any correction, and `end` that after
    the shift.
    """

    phase: NDArray[np.float32]
    original: NDArray[np.float32]
    labels: NDArray[np.uint8]
    shifts: NDArray[np.float64]
    mode: NDArray[np.int8]
    reference: NDArray[np.float32]
    original_reference: NDArray[np.float32]
    end: NDArray[np.float32]


@_jit
def shift(images: Images, start: int, stop: int, moved: NDArray[np.int32], changed: NDArray[np.bool_]) -> None:
    """Shift rows `start` to `stop` (exclusive), in place.

    Parameters
    ----------
    images : Images
        What to shift.
    start, stop : int
        Rows.
    moved : ndarray of int32 (rows, columns)
        Raised by one for each image in which the pixel moved by more than half a cycle against the reference point.
    changed : ndarray of bool (images, rows, columns)
        Whether it did; False where nothing is done to an image.
    """
    half = np.float32(np.pi)
    for image in range(images.phase.shape[0]):
        if images.mode[image] == AS_IT_IS:
            continue
        everywhere = images.mode[image] == REFERENCE_ALL
        shifts, reference, end = images.shifts[image], images.reference[image], images.end[image]
        original_reference = images.original_reference[image]
        for row in range(start, stop):
            phase, original = images.phase[image, row], images.original[image, row]
            labels, count = images.labels[image, row], moved[row]
            for column in range(phase.size):
                value, before = phase[column], original[column]
                value = value - reference if everywhere | (value != 0) else value
                # exact in double precision, so rounded once, as in single
                value = np.float32(np.float64(value) + shifts[labels[column]])
                phase[column] = value
                change = (value - end) - (before - original_reference)
                far = (before != 0) & (np.abs(change) > half)
                changed[image, row, column] = far
                count[column] += 1 if far else 0
