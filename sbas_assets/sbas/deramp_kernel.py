"""Ramps of many images, compiled: the sums that determine them, and taking them off.

An image is worked on row by row by one thread, so that neither block size nor threads change a bit. Which surface is
fitted is deramp.py's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})

Image = NDArray[np.float32]
Vector = NDArray[np.float64]


class Rows(NamedTuple):
    """Some rows of all images (images, rows, columns), the pixels to fit (rows, columns), and where they are.

    `y` (rows,) and `x` (columns,) are the coordinates in which the surface is a polynomial, `first` the number of the
    first row.
    """

    data: Image
    wanted: NDArray[np.bool_]
    y: Vector
    x: Vector
    first: int


class Moments(NamedTuple):
    """Sums over the fitted pixels of each image, added up row by row.

    `powers` (images, 5, 5) of y**a x**b, `products` (images, 3, 3) of the same times the data, both over every
    `step`-th pixel of every `step`-th row; `number` (images,) of all pixels.
    """

    powers: Vector
    products: Vector
    number: NDArray[np.int64]
    step: NDArray[np.int64]


class Squares(NamedTuple):
    """Sum of squares and number of the fitted pixels of each image (images,) after the ramp was taken off."""

    total: Vector
    number: NDArray[np.int64]


@_jit
def add_moments(rows: Rows, start: int, stop: int, out: Moments) -> None:
    """Add some rows to the sums of images `start` to `stop`; pixels of zero and NaN are left out."""
    powers, products = np.empty(5), np.empty(3)
    for image in range(start, stop):
        step = out.step[image]
        half = step // 2
        for row in range(rows.wanted.shape[0]):
            values, wanted = rows.data[image, row], rows.wanted[row]
            out.number[image] += _count(values, wanted)
            if (rows.first + row) % step != half:
                continue
            _sum_row(values, wanted, rows.x, half, step, powers, products)
            factor = 1.0
            for a in range(5):
                for b in range(5):
                    out.powers[image, a, b] += factor * powers[b]
                if a < 3:
                    for b in range(3):
                        out.products[image, a, b] += factor * products[b]
                factor *= rows.y[row]


@_jit
def _count(values: Image, wanted: NDArray[np.bool_]) -> int:
    number = 0
    for column in range(values.size):
        value = values[column]
        number += 1 if wanted[column] & (value != 0) & (value == value) else 0
    return number


@_jit
def _sum_row(
    values: Image, wanted: NDArray[np.bool_], x: Vector, first: int, step: int, powers: Vector, products: Vector
) -> None:
    none, one, two, three, four, value_none, value_one, value_two = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for column in range(first, values.size, step):
        good = wanted[column] & (values[column] != 0) & (values[column] == values[column])
        here = 1.0 if good else 0.0
        value = np.float64(values[column]) if good else 0.0
        place = x[column]
        square = place * place
        none += here
        one += here * place
        two += here * square
        three += here * square * place
        four += here * square * square
        value_none += value
        value_one += value * place
        value_two += value * square
    powers[:] = (none, one, two, three, four)
    products[:] = (value_none, value_one, value_two)


@_jit
def take_off(rows: Rows, coefficients: Vector, zero: Vector, start: int, stop: int, out: Squares) -> None:
    """Take the ramp off some rows of images `start` to `stop`, in place, and add up what remains.

    Parameters
    ----------
    rows : Rows
        Pixels of zero stay zero.
    coefficients : ndarray of float64 (images, 3, 3)
        Of y**a x**b.
    zero : ndarray of float64 (images,)
        The ramp at the reference point, where it is to be zero.
    start, stop : int
        Images.
    out : Squares
        What remains in the fitted pixels, NaN left out.
    """
    for image in range(start, stop):
        surface = coefficients[image]
        for row in range(rows.wanted.shape[0]):
            y = rows.y[row]
            none = surface[0, 0] + y * (surface[1, 0] + y * surface[2, 0]) - zero[image]
            one = surface[0, 1] + y * (surface[1, 1] + y * surface[2, 1])
            two = surface[0, 2] + y * (surface[1, 2] + y * surface[2, 2])
            values = rows.data[image, row]
            for column in range(values.size):
                value = np.float64(values[column])
                ramp = none + rows.x[column] * (one + rows.x[column] * two)
                values[column] = np.float32(value - ramp) if value != 0 else np.float32(0)
            _add_squares(values, rows.wanted[row], image, out)


@_jit
def _add_squares(values: Image, wanted: NDArray[np.bool_], image: int, out: Squares) -> None:
    total, count = 0.0, 0
    for column in range(values.size):
        good = wanted[column] & (values[column] == values[column])
        value = np.float64(values[column]) if good else 0.0
        total += value * value
        count += 1 if good else 0
    out.total[image] += total
    out.number[image] += count
