"""The DEM error of many pixels at once, compiled.

Pixels are worked on in groups of `LANES`, as in inversion_kernel.py: every array has the pixels of the group as its
last axis, sums run over the dates in order, and a pixel's numbers depend on its own values only. What the matrices
hold is deformation_model.py's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 64
# what became of a pixel
SKIPPED, SOLVED, BY_MINTPY = 0, 1, 2

# MintPy drops singular values below 1e-8 of the largest one: where it could, it decides itself
_LEAST_SINGULAR = 3e-8
# sine of the angle between the baselines and the deformation model: below it MintPy's float32 finds no digit
_LEAST_SINE = 1e-2

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})

Image = NDArray[np.float32]
Matrix = NDArray[np.float64]
Index = NDArray[np.int32]
Vector = NDArray[Any]  # one value for each lane


class Pixels(NamedTuple):
    """A block of pixels: displacement (dates, pixels) in m, and what says where they are and whether they count.

    `coherence` (temporal, 0 to 1), `incidence` (deg) and `distance` (m) are (pixels,) or empty; `mean_scale` is
    distance times sine of the incidence angle (m) where these are empty.
    """

    series: Image
    coherence: Image
    incidence: Image
    distance: Image
    mean_scale: float


class Common(NamedTuple):
    """Baselines of all pixels (dates,) in m, and the model with them; see `Model.with_baselines`."""

    lever: Matrix
    observe: Matrix
    fitted: Matrix
    shares: Matrix
    lengths: Matrix


class Own(NamedTuple):
    """Baselines of each pixel (dates, pixels) in m, and the deformation model; see `Model` and `Observations`."""

    baselines: Image
    reference: int
    observe: Matrix
    fitted: Matrix
    later: Index
    earlier: Index
    weight: Matrix
    singular: Matrix


class Results(NamedTuple):
    """Arrays to fill; see dem_error.Estimated."""

    dem: Image
    corrected: Image
    residual: Image
    status: NDArray[np.int8]


@_jit
def correct_with_common_baselines(pixels: Pixels, model: Common, start: int, stop: int, out: Results) -> None:
    """Correct pixels `start` to `stop` where all have the same baselines.

    The geometry of a pixel scales the column of the baselines only, which does not change the fit.
    """
    dates, size = model.fitted.shape
    values, levers = np.zeros((dates, LANES)), np.empty((dates, LANES))
    for date in range(dates):
        levers[date] = model.lever[date]
    scale, keep = np.ones(LANES), np.zeros(LANES, np.int8)
    coefficients = np.empty((size + 1, LANES))
    slope = coefficients[size]
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _load(pixels.series, group, lanes, values)
        _screen(pixels, values, group, lanes, scale, keep)
        _combine(model.observe, values, coefficients)
        for lane in range(lanes):
            if keep[lane] == SOLVED and not _clear(model.lengths, 1 / abs(scale[lane])):
                keep[lane] = BY_MINTPY
        for k in range(size):
            for lane in range(LANES):
                coefficients[k, lane] -= model.shares[k] * slope[lane]
        _store(values, levers, slope, model.fitted, coefficients, scale, keep, group, lanes, out)


@_jit
def correct_with_own_baselines(pixels: Pixels, model: Own, start: int, stop: int, out: Results) -> None:
    """Correct pixels `start` to `stop`, each with baselines of its own.

    The deformation model is projected out of series and baselines; then the DEM error is the ratio of two products
    (Frisch and Waugh, 1933).
    """
    dates, size = model.fitted.shape
    values, levers = np.zeros((dates, LANES)), np.zeros((dates, LANES))
    scale, slope, keep = np.ones(LANES), np.zeros(LANES), np.zeros(LANES, np.int8)
    coefficients, shares = np.empty((size, LANES)), np.empty((size, LANES))
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _load(pixels.series, group, lanes, values)
        _load(model.baselines, group, lanes, levers)
        _screen(pixels, values, group, lanes, scale, keep)
        _refer(levers, model.reference, keep)
        _combine(model.observe, values, coefficients)
        _combine(model.observe, levers, shares)
        _project(values, levers, model, coefficients, shares, scale, keep, slope)
        _store(values, levers, slope, model.fitted, coefficients, scale, keep, group, lanes, out)


@_jit
def _load(images: Image, group: int, lanes: int, values: Matrix) -> None:
    for date in range(images.shape[0]):
        row, into = images[date], values[date]
        for lane in range(lanes):
            into[lane] = row[group + lane]


@_jit
def _screen(pixels: Pixels, values: Matrix, group: int, lanes: int, scale: Vector, keep: Vector) -> None:
    """Which pixels MintPy would estimate (`correct_dem_error_patch`, 1.3), and distance times sine of their angle."""
    dates = values.shape[0]
    total, off = np.zeros(LANES, np.float32), np.zeros(LANES)
    for date in range(dates):
        row = values[date]
        for lane in range(LANES):
            # as numpy adds up the rows of an array
            total[lane] += np.float32(row[lane])
            # zero, but for a NaN and an infinite value
            off[lane] += row[lane] - row[lane]
    for lane in range(lanes):
        pixel = group + lane
        good = off[lane] == 0 and np.float32(np.float64(total[lane]) / dates) != 0
        if pixels.coherence.size:
            good &= pixels.coherence[pixel] != 0
        scale[lane] = pixels.mean_scale
        if pixels.distance.size:
            sine = math.sin(np.float64(pixels.incidence[pixel]) * math.pi / 180)
            distance = np.float64(pixels.distance[pixel])
            scale[lane] = distance * sine
            # false for NaN
            good &= abs(sine) > 0 and abs(distance) > 0
        keep[lane] = SOLVED if good else SKIPPED


@_jit
def _refer(levers: Matrix, reference: int, keep: Vector) -> None:
    """Baselines relative to those of a date, in single precision as MintPy has them; without one a pixel is skipped."""
    zero, off = levers[reference].copy(), np.zeros(LANES)
    for date in range(levers.shape[0]):
        row = levers[date]
        for lane in range(LANES):
            row[lane] = np.float32(row[lane] - zero[lane])
            off[lane] += row[lane] - row[lane]
    for lane in range(LANES):
        keep[lane] = keep[lane] if off[lane] == 0 else SKIPPED


@_jit
def _combine(factors: Matrix, values: Matrix, sums: Matrix) -> None:
    sums[:] = 0
    for date in range(values.shape[0]):
        row = values[date]
        for k in range(factors.shape[1]):
            factor, total = factors[date, k], sums[k]
            for lane in range(LANES):
                total[lane] += factor * row[lane]


@_jit
def _clear(lengths: Matrix, factor: float) -> bool:
    """Whether all columns count: neither does MintPy's cut-off come near, nor do the baselines look like motion.

    The least singular value of [a, D] is not below min(r, s) / (1 + |a| / s), with s that of D, and r the length of
    the part of a that D does not span. Baselines that are all zero give no DEM error, and do no harm.
    """
    length, outside, least, largest = lengths[0] * factor, lengths[1] * factor, lengths[2], lengths[3]
    if length == 0:
        return bool(least >= _LEAST_SINGULAR * largest)
    bound = min(outside, least) / (1 + length / least) / math.hypot(length, largest)
    return bool(bound >= _LEAST_SINGULAR and outside >= _LEAST_SINE * length)


@_jit
def _project(
    values: Matrix, levers: Matrix, model: Own, coefficients: Matrix, shares: Matrix,
    scale: Vector, keep: Vector, slope: Vector,
) -> None:  # fmt: skip
    """Metres of displacement by metre of baseline in each pixel; `coefficients` lose what belongs to the baselines."""
    square, product, inside = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    for number in range(model.later.size):
        late, early, weight = model.later[number], model.earlier[number], model.weight[number]
        first = np.float64(early >= 0)
        value, lever = values[late], levers[late]
        value_before, lever_before = values[max(early, 0)], levers[max(early, 0)]
        for lane in range(LANES):
            one = (lever[lane] - first * lever_before[lane]) * weight
            square[lane] += one * one
            product[lane] += one * (value[lane] - first * value_before[lane]) * weight
    for k in range(shares.shape[0]):
        for lane in range(LANES):
            inside[lane] += shares[k, lane] * shares[k, lane]
            product[lane] -= shares[k, lane] * coefficients[k, lane]
    lengths = np.empty(4)
    lengths[2:] = model.singular
    for lane in range(LANES):
        outside = max(square[lane] - inside[lane], 0.0)
        lengths[0], lengths[1] = math.sqrt(square[lane]), math.sqrt(outside)
        slope[lane] = 0
        if keep[lane] == SOLVED and not _clear(lengths, 1 / abs(scale[lane])):
            keep[lane] = BY_MINTPY
        elif square[lane] > 0:
            slope[lane] = product[lane] / outside
    for k in range(shares.shape[0]):
        for lane in range(LANES):
            coefficients[k, lane] -= shares[k, lane] * slope[lane]


@_jit
def _store(
    values: Matrix, levers: Matrix, slope: Vector, fitted: Matrix, coefficients: Matrix,
    scale: Vector, keep: Vector, group: int, lanes: int, out: Results,
) -> None:  # fmt: skip
    """Series without the DEM error, and without the deformation as well; zero where a pixel is not solved."""
    for lane in range(lanes):
        out.status[group + lane] = keep[lane]
        out.dem[group + lane] = np.float32(slope[lane] * scale[lane]) if keep[lane] == SOLVED else np.float32(0)
    left = np.empty(LANES)
    for date in range(values.shape[0]):
        corrected, residual = values[date], out.residual[date]
        lever, here = levers[date], out.corrected[date]
        for lane in range(LANES):
            value = corrected[lane] - lever[lane] * slope[lane]
            corrected[lane] = value if keep[lane] == SOLVED else 0.0
            left[lane] = corrected[lane]
        for k in range(fitted.shape[1]):
            factor, coefficient = fitted[date, k], coefficients[k]
            for lane in range(LANES):
                left[lane] -= factor * coefficient[lane]
        for lane in range(lanes):
            here[group + lane] = np.float32(corrected[lane])
            residual[group + lane] = np.float32(left[lane]) if keep[lane] == SOLVED else np.float32(0)
