"""Halving images, compiled: what becomes of the up to four pixels under each pixel of a coarser image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(nogil=True, cache=True, error_model="numpy")
def mean_of_valid(images: NDArray[Any], zero_counts: bool, out: NDArray[Any]) -> None:
    """Fill `out` with the mean of the numbers under each pixel; NaN is no number, nor is 0 unless `zero_counts`.

    Where there is no number, `out` is 0 if there is a 0, else NaN.

    Parameters
    ----------
    images : ndarray of float (n, length, width)
        The finer images.
    zero_counts : bool
        True: 0 is a number like others.
    out : ndarray of float (n, (length + 1) // 2, (width + 1) // 2)
        Receives the coarser ones.
    """
    length, width = images.shape[1:]
    for image in range(out.shape[0]):
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                total, count, nothing = 0.0, 0, np.nan
                for i in range(2 * row, min(2 * row + 2, length)):
                    for j in range(2 * column, min(2 * column + 2, width)):
                        value = images[image, i, j]
                        if value != 0 or zero_counts:
                            if not np.isnan(value):
                                total += value
                                count += 1
                        else:
                            nothing = 0.0
                out[image, row, column] = total / count if count else nothing


@njit(nogil=True, cache=True, error_model="numpy")
def first_valid(images: NDArray[Any], zero_counts: bool, out: NDArray[Any]) -> None:
    """Fill `out` with the first number under each pixel, row by row; else as `mean_of_valid`."""
    length, width = images.shape[1:]
    for image in range(out.shape[0]):
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                found, nothing = False, np.nan
                for i in range(2 * row, min(2 * row + 2, length)):
                    for j in range(2 * column, min(2 * column + 2, width)):
                        value = images[image, i, j]
                        if value == 0 and not zero_counts:
                            nothing = 0.0
                        elif not found and not np.isnan(value):
                            found = True
                            out[image, row, column] = value
                if not found:
                    out[image, row, column] = nothing


@njit(nogil=True, cache=True)
def most_are_true(masks: NDArray[np.bool_], out: NDArray[np.bool_]) -> None:
    """Fill `out` (n, ...) with True where at least half of the pixels of `masks` under a pixel are True."""
    length, width = masks.shape[1:]
    for mask in range(out.shape[0]):
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                lead = 0
                for i in range(2 * row, min(2 * row + 2, length)):
                    for j in range(2 * column, min(2 * column + 2, width)):
                        lead += 1 if masks[mask, i, j] else -1
                out[mask, row, column] = lead >= 0
