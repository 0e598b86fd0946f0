"""Network inversion of many pixels at once, compiled.

A pixel's numbers depend on its own observations only, not on its neighbours in the group, so block size and threads
do not change a bit. What is inverted, and where it is read from, is inversion.py's.
"""

from __future__ import annotations

import numpy as np

from sbas_assets.sbas.conditioning_kernel import singular_value_ratio
from sbas_assets.sbas.inversion_types import (
    DISCONNECTED,
    ILL_CONDITIONED,
    LANES,
    SKIPPED,
    SOLVED,
    TOO_FEW,
    Observations,
    Results,
    System,
    Vector,
    Work,
    compiled,
)
from sbas_assets.sbas.least_norm_kernel import connect
from sbas_assets.sbas.normal_equations_kernel import assemble, factor, substitute_back

# digest of the modules above: numba looks for changes in this file only (sbas_assets_tests/sbas/test_kernels.py)
_COMPILED_WITH = "6207b21a15243466"

# MintPy cuts off singular values below 1e-5 of the largest one; pixels this near to it are MintPy's own
_CUT_OFF = 3e-5
# squared, and with room for what pivots say of singular values: above it no pixel is near the cut-off
_DOUBTFUL = 1e-8
_TURN, _PER_TURN = 6.283185307179586, 0.15915494309189535


@compiled
def invert_pixels(system: System, seen: Observations, start: int, stop: int, out: Results) -> None:
    """Invert pixels `start` to `stop` (exclusive) of a block; see inversion.invert."""
    dates, pairs = system.place.size, system.first.size
    work = Work(
        np.empty((system.row.size, LANES)),
        np.empty((dates, LANES)),
        np.empty((dates, LANES)),
        np.empty((pairs, LANES), np.float32),
        np.empty(LANES, np.int32),
        np.empty(LANES),
        np.empty(LANES),
        np.empty(LANES, np.int32),
    )
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        assemble(system, seen, group, lanes, work)
        factor(system, work)
        substitute_back(system, work)
        for lane in range(lanes):
            out.status[group + lane] = _judge(system, seen, seen.wanted[group + lane], lane, work)
        _temporal_coherence(system, work, group, lanes, out.quality)
        _store(system, work, seen.scale, group, lanes, out)


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
def _temporal_coherence(system: System, work: Work, group: int, lanes: int, quality: Vector) -> None:
    """Length of the mean of exp(i residual) over the valid pairs (Pepe and Lanari, 2006, eq. 13)."""
    first, second, place, solution, observed = system.first, system.second, system.place, work.solution, work.observed
    one32, two32, half32 = np.float32(1), np.float32(2), np.float32(0.5)
    real = np.zeros(LANES, np.float32)
    imaginary = np.zeros(LANES, np.float32)
    for pair in range(first.size):
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
    for lane in range(lanes):
        length = np.sqrt(real[lane] * real[lane] + imaginary[lane] * imaginary[lane])
        quality[group + lane] = length / np.float32(max(work.valid[lane], 1))


@compiled
def _store(system: System, work: Work, scale: float, group: int, lanes: int, out: Results) -> None:
    for lane in range(lanes):
        pixel = group + lane
        if out.status[pixel] in (SOLVED, DISCONNECTED):
            out.pairs[pixel] = work.valid[lane]
        else:
            out.quality[pixel] = 0
            out.pairs[pixel] = 0
            work.solution[:, lane] = 0
    for date in range(system.place.size):
        values, series = work.solution[system.place[date]], out.series[date]
        for lane in range(lanes):
            series[group + lane] = np.float32(values[lane] * scale)
