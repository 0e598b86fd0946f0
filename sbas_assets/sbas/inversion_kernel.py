"""Network inversion of many pixels at once, compiled.

Pixels are worked on in groups of `LANES`: every array has the pixels of the group as its last axis, so that each
statement of the factorization becomes one vector loop. A pixel's numbers depend on its own observations only, not on
its neighbours in the group, so block size and threads do not change a bit. What is inverted, and where it is read
from, is inversion.py's.

The loops over lanes are written out: the compiler turns them into vector instructions only in this form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sbas_assets.sbas.conditioning_kernel import singular_value_ratio

LANES = 64
# how coherence becomes weight
NO_WEIGHT, TABLE, COHERENCE, FISHER = 0, 1, 2, 3
# which observations are left out
NO_MASK, MASK_ZERO, MASK_BELOW = 0, 1, 2
# what became of a pixel
SKIPPED, SOLVED, DISCONNECTED, TOO_FEW, ILL_CONDITIONED = 0, 1, 2, 3, 4

COHERENCE_FLOOR = np.float32(0.05)
_COHERENCE_CEILING = 1 - 1e-3
# bins of the table; a product here and MintPy's quotient give the same bin for every float32
_LOWEST, _HIGHEST, _PER_BIN = 0.0025, 0.9975, 200.0
# a pivot this small beside its own diagonal is a zero that was rounded
_ZERO_PIVOT = 1e-12
# MintPy cuts off singular values below 1e-5 of the largest one; pixels this near to it are MintPy's own
_CUT_OFF = 3e-5
# squared, and with room for what pivots say of singular values: above it no pixel is near the cut-off
_DOUBTFUL = 1e-8
_TURN, _PER_TURN = 6.283185307179586, 0.15915494309189535

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
# called for each pair: as a real call it would cost more than its work
_inline = njit(nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")


Vector = NDArray[Any]  # one value for each lane
Index = NDArray[np.int32]


class System(NamedTuple):
    """The network as network.Network prepares it: pairs, positions in the elimination, lists to follow."""

    first: Index
    second: Index
    place: Index
    entries: Index
    order: Index
    column: Index
    row: Index
    target: Index
    years: NDArray[np.float64]
    stretch: float
    fixed: int


class Observations(NamedTuple):
    """The observations of a block of pixels, (pairs, pixels), and how they are weighed and left out."""

    phase: NDArray[np.float32]
    reference: NDArray[np.float32]
    coherence: NDArray[np.float32]
    weighting: int
    table: NDArray[np.float64]
    looks: float
    mask: NDArray[np.float32]
    masking: int
    threshold: np.float32
    wanted: NDArray[np.bool_]
    redundancy: float
    velocity: bool
    scale: float


class Results(NamedTuple):
    """Arrays to fill; see inversion.Inverted."""

    series: NDArray[np.float32]
    quality: NDArray[np.float32]
    pairs: NDArray[np.int16]
    status: NDArray[np.int8]


class Work(NamedTuple):
    """What a group of lanes needs while it is worked on; lanes are the last axis."""

    matrix: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    solution: NDArray[np.float64]
    observed: NDArray[np.float32]
    valid: Index
    lowest: Vector
    highest: Vector
    zeros: Index


@_jit
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
        _assemble(system, seen, group, lanes, work)
        _factor(system, work)
        _substitute_back(system, work)
        for lane in range(lanes):
            out.status[group + lane] = _judge(system, seen, seen.wanted[group + lane], lane, work)
        _temporal_coherence(system, work, group, lanes, out.quality)
        _store(system, work, seen.scale, group, lanes, out)


@_jit
def _assemble(system: System, seen: Observations, group: int, lanes: int, work: Work) -> None:
    """Add up the normal equations of a group, and keep its valid observations."""
    weight = np.ones(LANES)
    added = np.empty(LANES)
    product = np.empty(LANES)
    raw = np.zeros(LANES, np.float32)
    similarity = np.ones(LANES, np.float32)
    matrix, diagonal, solution = work.matrix, work.diagonal, work.solution
    observed, valid = work.observed, work.valid
    early, late, entries = system.place[system.first], system.place[system.second], system.entries
    matrix[:] = 0
    diagonal[:] = 0
    solution[:] = 0
    valid[:] = 0
    for pair in range(system.first.size):
        raw[:lanes] = seen.phase[pair, group : group + lanes]
        if seen.masking != NO_MASK:
            _mask_out(seen, pair, group, lanes, raw)
        if seen.weighting != NO_WEIGHT:
            similarity[:lanes] = seen.coherence[pair, group : group + lanes]
            _weigh(seen, similarity, weight)
        kept, zero = observed[pair], seen.reference[pair]
        for lane in range(LANES):
            value = raw[lane] - zero
            # zero means no data, before and after the reference is taken off
            good = (raw[lane] != 0) & (value != 0) & (value == value)
            kept[lane] = value if good else np.float32(np.nan)
            valid[lane] += np.int32(1) if good else np.int32(0)
            # of an observation that is left out the weight is zero
            share = weight[lane] if good else 0.0
            product[lane] = share * np.float64(value) if good else 0.0
            added[lane] = share
        one, other, entry = early[pair], late[pair], entries[pair]
        # the first date, whose phase is known, has a row too, so that it needs no case of its own
        _add(diagonal[one], added)
        _take(solution[one], product)
        _add(diagonal[other], added)
        _add(solution[other], product)
        if entry >= 0:
            _take(matrix[entry], added)
    solution[system.place[0]] = 0


@_inline
def _mask_out(seen: Observations, pair: int, group: int, lanes: int, raw: Vector) -> None:
    for lane in range(lanes):
        value = seen.mask[pair, group + lane]
        # MintPy takes NaN for zero
        value = value if value == value else np.float32(0)
        keep = value >= seen.threshold if seen.masking == MASK_BELOW else value != 0
        if not keep:
            raw[lane] = 0


@_inline
def _weigh(seen: Observations, similarity: Vector, weight: Vector) -> None:
    """Weights of a group, rounded to float32 as MintPy keeps their square roots (`calc_weight_sqrt`)."""
    table, looks = seen.table, seen.looks
    for lane in range(LANES):
        value = similarity[lane]
        similarity[lane] = value if value >= COHERENCE_FLOOR else COHERENCE_FLOOR
    if seen.weighting == TABLE:
        for lane in range(LANES):
            value = min(np.float64(similarity[lane]), _HIGHEST)
            weight[lane] = table[np.uint32((value - _LOWEST) * _PER_BIN)]
    elif seen.weighting == COHERENCE:
        for lane in range(LANES):
            root = np.float64(np.sqrt(similarity[lane]))
            weight[lane] = root * root
    elif seen.weighting == FISHER:
        for lane in range(LANES):
            value = min(np.float64(similarity[lane]), _COHERENCE_CEILING)
            square = value * value
            root = np.float64(np.sqrt(np.float32(2.0 * looks * square / (1 - square))))
            weight[lane] = root * root


@_inline
def _add(own: Vector, change: Vector) -> None:
    for lane in range(LANES):
        own[lane] += change[lane]


@_inline
def _take(own: Vector, change: Vector) -> None:
    for lane in range(LANES):
        own[lane] -= change[lane]


@_jit
def _factor(system: System, work: Work) -> None:
    """L D L^T in place, right-looking, and the forward substitution with it.

    A pivot that is zero belongs to a date that nothing ties to those after it: its phase is set to zero, which
    chooses one of the solutions.
    """
    size, column, row, target = system.order.size, system.column, system.row, system.target
    matrix, diagonal, solution = work.matrix, work.diagonal, work.solution
    lowest, highest, zeros = work.lowest, work.highest, work.zeros
    inverse = np.empty(LANES)
    scaled = np.empty(LANES)
    zeros[:] = 0
    lowest[:] = np.inf
    highest[:] = 0
    original = diagonal.copy()
    for k in range(size):
        own = original[k]
        for lane in range(LANES):
            highest[lane] = max(highest[lane], own[lane])
    update = 0
    for k in range(size):
        pivot, whole, value = diagonal[k], original[k], solution[k]
        for lane in range(LANES):
            none = pivot[lane] <= _ZERO_PIVOT * whole[lane]
            inverse[lane] = 0.0 if none else 1 / pivot[lane]
            zeros[lane] += np.int32(1) if none else np.int32(0)
            lowest[lane] = min(lowest[lane], np.inf if none else pivot[lane])
        for entry in range(column[k], column[k + 1]):
            here = matrix[entry]
            for before in range(column[k], entry):
                there, left = matrix[target[update]], matrix[before]
                update += 1
                for lane in range(LANES):
                    there[lane] -= here[lane] * left[lane]
            below, side = diagonal[row[entry]], solution[row[entry]]
            for lane in range(LANES):
                scaled[lane] = here[lane] * inverse[lane]
                below[lane] -= here[lane] * scaled[lane]
                side[lane] -= scaled[lane] * value[lane]
            for lane in range(LANES):
                here[lane] = scaled[lane]
        for lane in range(LANES):
            value[lane] *= inverse[lane]


@_jit
def _substitute_back(system: System, work: Work) -> None:
    size, column, row = system.order.size, system.column, system.row
    matrix, solution = work.matrix, work.solution
    for k in range(size - 1, -1, -1):
        value = solution[k]
        for entry in range(column[k], column[k + 1]):
            factor, later = matrix[entry], solution[row[entry]]
            for lane in range(LANES):
                value[lane] -= factor[lane] * later[lane]


@_jit
def _judge(system: System, seen: Observations, wanted: bool, lane: int, work: Work) -> int:
    """Say what becomes of a pixel; one whose network has fallen apart is put together here."""
    if not wanted or work.valid[lane] == 0:
        return SKIPPED
    if _redundancy(system, work.observed, lane) < seen.redundancy:
        return TOO_FEW
    if work.zeros[lane] > 0:
        return _connect(system, seen.velocity, lane, work)
    if work.lowest[lane] < _DOUBTFUL * system.stretch * work.highest[lane]:
        factor, pivots = work.matrix[:, lane].copy(), work.diagonal[: system.order.size, lane].copy()
        ratio = singular_value_ratio(
            system.column, system.row, factor, pivots, system.place, system.years, seen.velocity
        )
        return ILL_CONDITIONED if ratio < _CUT_OFF else SOLVED
    return SOLVED


@_jit
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


@_jit
def _connect(system: System, velocity: bool, lane: int, work: Work) -> int:
    """Shift the parts of a network that no valid pair joins, so that the velocity, or the phase, has least norm.

    Only the parts' offsets against each other are free, so the least-norm solution of the whole (Berardino et al.,
    2002; MintPy's `estimate_timeseries` finds it by singular values) is a small least-squares problem in them.
    """
    first, second, place = system.first, system.second, system.place
    observed, solution = work.observed, work.solution
    dates = place.size
    part = np.arange(dates)
    changed = True
    while changed:
        changed = False
        for pair in range(first.size):
            if observed[pair, lane] == observed[pair, lane]:
                one, other = part[first[pair]], part[second[pair]]
                if one != other:
                    part[first[pair]] = part[second[pair]] = min(one, other)
                    changed = True
    # a part is named after its earliest date
    names = np.unique(part)
    if names.size - 1 != work.zeros[lane]:
        return ILL_CONDITIONED
    for date in range(dates):
        part[date] = np.searchsorted(names, part[date])
    if velocity:
        shift = _least_velocity(part, names.size, place, system.years, solution[:, lane])
    else:
        shift = _least_phase(part, names.size, place, solution[:, lane])
    for date in range(1, dates):
        solution[place[date], lane] += shift[part[date]]
    return DISCONNECTED


@_jit
def _least_velocity(part: Vector, parts: int, place: Index, years: Vector, phase: Vector) -> Vector:
    matrix = np.zeros((parts, parts))
    side = np.zeros(parts)
    for k in range(years.size):
        one, other = part[k], part[k + 1]
        if one != other:
            step = phase[place[k + 1]] - phase[place[k]]
            weight = 1 / (years[k] * years[k])
            matrix[one, one] += weight
            matrix[other, other] += weight
            matrix[one, other] -= weight
            matrix[other, one] -= weight
            side[other] -= weight * step
            side[one] += weight * step
    shift = np.zeros(parts)
    shift[1:] = np.linalg.solve(matrix[1:, 1:].copy(), side[1:].copy())
    return shift


@_jit
def _least_phase(part: Vector, parts: int, place: Index, phase: Vector) -> Vector:
    total = np.zeros(parts)
    number = np.zeros(parts)
    for date in range(1, part.size):
        total[part[date]] += phase[place[date]]
        number[part[date]] += 1
    shift = np.zeros(parts)
    for k in range(1, parts):
        shift[k] = -total[k] / number[k]
    return shift


@_jit
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


@_jit
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
