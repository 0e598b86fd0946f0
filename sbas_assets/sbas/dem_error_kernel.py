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
    dates, size = model.observe.shape
    values, fit, scale = np.zeros(LANES), np.zeros(LANES), np.ones(LANES)
    keep = np.zeros(LANES, np.int8)
    coefficients = np.empty((size, LANES))
    slope = coefficients[size - 1]
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _screen(pixels, group, lanes, scale, keep)
        coefficients[:] = 0
        for date in range(dates):
            _load(pixels.series[date], group, lanes, values)
            _add(model.observe[date], values, coefficients)
        for lane in range(lanes):
            if keep[lane] == SOLVED and not _clear(model.lengths, 1 / abs(scale[lane])):
                keep[lane] = BY_MINTPY
        _store_dem(slope, scale, keep, group, lanes, out)
        for date in range(dates):
            _load(pixels.series[date], group, lanes, values)
            _evaluate(model.fitted[date], coefficients, fit)
            corrected, residual, lever = out.corrected[date], out.residual[date], model.lever[date]
            for lane in range(lanes):
                good = keep[lane] == SOLVED
                corrected[group + lane] = np.float32(values[lane] - lever * slope[lane]) if good else np.float32(0)
                residual[group + lane] = np.float32(values[lane] - fit[lane]) if good else np.float32(0)


@_jit
def correct_with_own_baselines(pixels: Pixels, model: Own, start: int, stop: int, out: Results) -> None:
    """Correct pixels `start` to `stop`, each with baselines of its own.

    The deformation model is projected out of series and baselines; then the DEM error is the ratio of two products
    (Frisch and Waugh, 1933).
    """
    dates, size = model.observe.shape
    values, levers, fit = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    slope, scale = np.zeros(LANES), np.ones(LANES)
    keep = np.zeros(LANES, np.int8)
    coefficients, shares = np.empty((size, LANES)), np.empty((size, LANES))
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _screen(pixels, group, lanes, scale, keep)
        coefficients[:] = 0
        shares[:] = 0
        for date in range(dates):
            _load(pixels.series[date], group, lanes, values)
            _load_levers(model, date, group, lanes, levers)
            for lane in range(lanes):
                # neither NaN nor infinite
                if levers[lane] - levers[lane] != 0:
                    keep[lane] = SKIPPED
            _add(model.observe[date], values, coefficients)
            _add(model.observe[date], levers, shares)
        _project(pixels, model, group, lanes, coefficients, shares, scale, slope, keep)
        _store_dem(slope, scale, keep, group, lanes, out)
        for date in range(dates):
            _load(pixels.series[date], group, lanes, values)
            _load_levers(model, date, group, lanes, levers)
            _evaluate(model.fitted[date], coefficients, fit)
            corrected, residual = out.corrected[date], out.residual[date]
            for lane in range(lanes):
                good = keep[lane] == SOLVED
                value = values[lane] - levers[lane] * slope[lane]
                corrected[group + lane] = np.float32(value) if good else np.float32(0)
                residual[group + lane] = np.float32(value - fit[lane]) if good else np.float32(0)


@_jit
def _screen(pixels: Pixels, group: int, lanes: int, scale: Vector, keep: Vector) -> None:
    """Which pixels MintPy would estimate (`correct_dem_error_patch`, 1.3), and distance times sine of their angle."""
    dates = pixels.series.shape[0]
    total = np.zeros(LANES, np.float32)
    whole = np.ones(LANES, np.bool_)
    for date in range(dates):
        row = pixels.series[date]
        for lane in range(lanes):
            value = row[group + lane]
            # as numpy adds up the rows of an array
            total[lane] += value
            # neither NaN nor infinite
            whole[lane] &= value - value == 0
    for lane in range(lanes):
        pixel = group + lane
        good = whole[lane] and np.float32(np.float64(total[lane]) / dates) != 0
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
def _load(row: Image, group: int, lanes: int, values: Vector) -> None:
    for lane in range(lanes):
        values[lane] = row[group + lane]


@_jit
def _load_levers(model: Own, date: int, group: int, lanes: int, levers: Vector) -> None:
    row, zero = model.baselines[date], model.baselines[model.reference]
    for lane in range(lanes):
        levers[lane] = row[group + lane] - zero[group + lane]


@_jit
def _add(factors: Matrix, values: Vector, sums: Matrix) -> None:
    for k in range(factors.size):
        factor, total = factors[k], sums[k]
        for lane in range(LANES):
            total[lane] += factor * values[lane]


@_jit
def _evaluate(factors: Matrix, coefficients: Matrix, fit: Vector) -> None:
    fit[:] = 0
    for k in range(factors.size):
        factor, coefficient = factors[k], coefficients[k]
        for lane in range(LANES):
            fit[lane] += factor * coefficient[lane]


@_jit
def _store_dem(slope: Vector, scale: Vector, keep: Vector, group: int, lanes: int, out: Results) -> None:
    for lane in range(lanes):
        out.status[group + lane] = keep[lane]
        out.dem[group + lane] = np.float32(slope[lane] * scale[lane]) if keep[lane] == SOLVED else np.float32(0)


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
    pixels: Pixels, model: Own, group: int, lanes: int,
    coefficients: Matrix, shares: Matrix, scale: Vector, slope: Vector, keep: Vector,
) -> None:  # fmt: skip
    """Metres of displacement by metre of baseline in each pixel; `coefficients` lose what belongs to the baselines."""
    values, values_before = np.zeros(LANES), np.zeros(LANES)
    levers, levers_before = np.zeros(LANES), np.zeros(LANES)
    square, product = np.zeros(LANES), np.zeros(LANES)
    lengths = np.empty(4)
    lengths[2:] = model.singular
    for number in range(model.later.size):
        late, early, weight = model.later[number], model.earlier[number], model.weight[number]
        _load(pixels.series[late], group, lanes, values)
        _load_levers(model, late, group, lanes, levers)
        if early >= 0:
            _load(pixels.series[early], group, lanes, values_before)
            _load_levers(model, early, group, lanes, levers_before)
        for lane in range(LANES):
            one = (levers[lane] - levers_before[lane]) * weight
            square[lane] += one * one
            product[lane] += one * (values[lane] - values_before[lane]) * weight
    for lane in range(lanes):
        inside = 0.0
        for k in range(shares.shape[0]):
            inside += shares[k, lane] * shares[k, lane]
            product[lane] -= shares[k, lane] * coefficients[k, lane]
        outside = max(square[lane] - inside, 0.0)
        lengths[0], lengths[1] = math.sqrt(square[lane]), math.sqrt(outside)
        slope[lane] = 0
        if keep[lane] == SOLVED and not _clear(lengths, 1 / abs(scale[lane])):
            keep[lane] = BY_MINTPY
        elif square[lane] > 0:
            slope[lane] = product[lane] / outside
        for k in range(shares.shape[0]):
            coefficients[k, lane] -= shares[k, lane] * slope[lane]
