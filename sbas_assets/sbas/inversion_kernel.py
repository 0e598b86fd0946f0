"""Network inversion of many pixels at once, compiled.

A pixel's numbers depend on its own observations only, not on its neighbours in the group, so block size and threads
do not change a bit. What is inverted, and where it is read from, is inversion.py's.
"""

from __future__ import annotations

import numpy as np

from sbas_assets.sbas.condensation_kernel import changed, join, keep, untouched, work_for
from sbas_assets.sbas.conditioning_kernel import singular_value_ratio
from sbas_assets.sbas.inversion_types import (
    DEAD,
    DISCONNECTED,
    HIDDEN,
    ILL_CONDITIONED,
    LANES,
    LIVE,
    SKIPPED,
    SOLVED,
    TOO_FEW,
    UNKNOWN,
    Kept,
    Observations,
    Results,
    System,
    Tail,
    Vector,
    Work,
    compiled,
)
from sbas_assets.sbas.least_norm_kernel import connect
from sbas_assets.sbas.normal_equations_kernel import assemble, factor, substitute_back

# digest of the modules above: numba looks for changes in this file only (sbas_assets_tests/sbas/test_kernels.py)
_COMPILED_WITH = "e86290962cf6877e"

# MintPy cuts off singular values below 1e-5 of the largest one; pixels this near to it are MintPy's own
_CUT_OFF = 3e-5
# squared, and with room for what pivots say of singular values: above it no pixel is near the cut-off
_DOUBTFUL = 1e-8
_TURN, _PER_TURN = 6.283185307179586, 0.15915494309189535


@compiled
def invert_pixels(system: System, seen: Observations, start: int, stop: int, out: Results, tail: Tail) -> None:
    """Invert pixels `start` to `stop` (exclusive) of a block; see inversion.invert."""
    pairs, condensed = system.first.size, tail.condensed.first.size
    keeps, goes_on = tail.left.place.size > 0, tail.joined.place.size > 0
    work, inner = work_for(system), work_for(tail.condensed)
    sums = np.empty((2, LANES), np.float32)
    missing = np.zeros(LANES, np.int32)
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        pixels = slice(group, group + lanes)
        assemble(system, seen, group, lanes, work)
        join(tail.before, tail.joined, group, lanes, work)
        factor(system, work)
        substitute_back(system, work)
        if keeps:
            untouched(system, work, missing)
        sums[:] = 0
        if goes_on:
            changed(tail, group, lanes, work)
            sums[:, :lanes] = tail.before.sums[:, pixels]
            _judge_on(system.stretch, seen.wanted, tail.before, group, lanes, missing, work, out.status)
        else:
            for lane in range(lanes):
                out.status[group + lane] = _judge(system, seen, seen.wanted[group + lane], lane, work)
        _add_residuals(system, work, 0, condensed, sums)
        if keeps:
            tail.after.sums[:, pixels] = sums[:, :lanes]
            keep(seen, tail, group, lanes, missing, out.status, work, inner)
        _add_residuals(system, work, condensed, pairs, sums)
        if goes_on:
            for lane in range(lanes):
                work.valid[lane] += tail.before.valid[group + lane]
        _temporal_coherence(work, sums, group, lanes, out.quality)
        _store(system, work, seen.scale, group, lanes, out, tail)


@compiled
def _judge(system: System, seen: Observations, wanted: bool, lane: int, work: Work) -> int:
    """Say what becomes of a pixel; one whose network has fallen apart is put together here."""
    if not wanted or work.valid[lane] == 0:
        return SKIPPED
    if _redundancy(system, work.observed, lane) < seen.redundancy:
        return TOO_FEW
    if work.zeros[lane] > 0:
        return connect(system, seen.velocity, lane, work)
    if work.lowest[lane] < _DOUBTFUL * system.stretch * work.highest[lane]:
        lower, pivots = work.matrix[:, lane].copy(), work.diagonal[: system.order.size, lane].copy()
        ratio = singular_value_ratio(
            system.column, system.row, lower, pivots, system.place, system.years, seen.velocity
        )
        return ILL_CONDITIONED if ratio < _CUT_OFF else SOLVED
    return SOLVED


@compiled
def _judge_on(
    stretch: float, wanted: Vector, before: Kept, group: int, lanes: int, missing: Vector, work: Work, status: Vector
) -> None:
    """Say the same of pixels of which only the pairs behind a checkpoint are known, or that they do not tell."""
    for lane in range(lanes):
        pixel = group + lane
        kind = before.kind[pixel]
        lowest = min(work.lowest[lane], np.float64(before.pivots[0, pixel]))
        highest = max(work.highest[lane], np.float64(before.pivots[1, pixel]))
        if not wanted[pixel]:
            status[pixel] = SKIPPED
        elif kind == DEAD:
            status[pixel] = TOO_FEW if before.valid[pixel] + work.valid[lane] > 0 else SKIPPED
        elif kind not in (LIVE, HIDDEN):
            status[pixel] = UNKNOWN
        elif missing[lane] > 0:
            status[pixel] = TOO_FEW if work.zeros[lane] == missing[lane] else UNKNOWN
        elif work.zeros[lane] > 0 or lowest < _DOUBTFUL * stretch * highest:
            status[pixel] = UNKNOWN
        else:
            status[pixel] = SOLVED


@compiled
def _redundancy(system: System, observed: Vector, lane: int) -> int:
    """Lowest number of valid pairs of a date, the fixed date left out (`estimate_timeseries`, check 1)."""
    first, second, dates = system.first, system.second, system.place.size
    number = np.zeros(dates, np.int32)
    for pair in range(first.size):
        if observed[pair, lane] == observed[pair, lane]:
            number[first[pair]] += 1
            number[second[pair]] += 1
    least = first.size
    for date in range(dates):
        if date != system.fixed:
            least = min(least, number[date])
    return least


@compiled
def _add_residuals(system: System, work: Work, begin: int, end: int, sums: Vector) -> None:
    """Add exp(i residual) of the valid ones of some pairs."""
    first, second, place, solution, observed = system.first, system.second, system.place, work.solution, work.observed
    one32, two32, half32 = np.float32(1), np.float32(2), np.float32(0.5)
    real, imaginary = sums[0], sums[1]
    for pair in range(begin, end):
        seen, early, late = observed[pair], solution[place[first[pair]]], solution[place[second[pair]]]
        for lane in range(LANES):
            good = seen[lane] == seen[lane]
            residual = np.float64(seen[lane]) - (late[lane] - early[lane])
            residual = residual if good else 0.0
            turns = np.floor(residual * _PER_TURN + 0.5)
            half = np.float32(residual - turns * _TURN) * half32
            square = half * half
            # Taylor series of sine and cosine of half the angle, which is below pi / 2: 4e-8 at most
            sine = half * (one32 + square * (np.float32(-1 / 6) + square * (np.float32(1 / 120)
                + square * (np.float32(-1 / 5040) + square * (np.float32(1 / 362880)
                + square * np.float32(-1 / 39916800))))))  # fmt: skip
            cosine = one32 + square * (np.float32(-1 / 2) + square * (np.float32(1 / 24)
                + square * (np.float32(-1 / 720) + square * (np.float32(1 / 40320)
                + square * (np.float32(-1 / 3628800) + square * np.float32(1 / 479001600))))))  # fmt: skip
            share = one32 if good else np.float32(0)
            real[lane] += share * (one32 - two32 * sine * sine)
            imaginary[lane] += share * (two32 * sine * cosine)


@compiled
def _temporal_coherence(work: Work, sums: Vector, group: int, lanes: int, quality: Vector) -> None:
    """Length of the mean of exp(i residual) over the valid pairs (Pepe and Lanari, 2006, eq. 13)."""
    real, imaginary = sums[0], sums[1]
    for lane in range(lanes):
        length = np.sqrt(real[lane] * real[lane] + imaginary[lane] * imaginary[lane])
        quality[group + lane] = length / np.float32(max(work.valid[lane], 1))


@compiled
def _store(system: System, work: Work, scale: float, group: int, lanes: int, out: Results, tail: Tail) -> None:
    keeps = tail.left.place.size > 0
    for lane in range(lanes):
        pixel = group + lane
        if out.status[pixel] in (SOLVED, DISCONNECTED):
            out.pairs[pixel] = work.valid[lane]
        else:
            out.quality[pixel] = 0
            out.pairs[pixel] = 0
            if not (keeps and tail.after.kind[pixel] == HIDDEN):
                work.solution[:, lane] = 0
    for date in range(system.place.size):
        values, series = work.solution[system.place[date]], out.series[date]
        for lane in range(lanes):
            series[group + lane] = np.float32(values[lane] * scale)
