"""Network inversion of many pixels at once, compiled.

Pixels are worked on in groups of `LANES`: every array has the pixels of the group as its last axis, so that each
statement of the factorization becomes one vector loop. A pixel's numbers depend on its own observations only, not on
its neighbours in the group, so block size and threads do not change a bit. What is inverted, and where it is read
from, is inversion.py's.

The loops over lanes are written out: the compiler turns them into vector instructions only in this form.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 64
# how coherence becomes weight
NO_WEIGHT, TABLE, COHERENCE, FISHER = 0, 1, 2, 3
# which observations are left out
NO_MASK, MASK_ZERO, MASK_BELOW = 0, 1, 2
# what became of a pixel
SKIPPED, SOLVED, DISCONNECTED, TOO_FEW, ILL_CONDITIONED = 0, 1, 2, 3, 4

COHERENCE_FLOOR = np.float32(0.05)
_COHERENCE_CEILING = 1 - 1e-3
_BIN, _LOWEST, _HIGHEST = 0.005, 0.0025, 0.9975
# a pivot this small beside its own diagonal is a zero that was rounded
_ZERO_PIVOT = 1e-12
# below this share of the largest weight MintPy's cut-off of singular values (1e-5) could come into play
_SMALL_PIVOT = 1e-7
_TURN, _PER_TURN = 6.283185307179586, 0.15915494309189535

_jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})


@_jit
def invert_pixels(
    phase, reference, coherence, weighting, table, looks, mask, masking, threshold, wanted,
    first, second, place, entries, order, column, row, target, years, fixed,
    redundancy, velocity, scale, start, stop, series, quality, count, status,
):  # fmt: skip
    """Invert pixels `start` to `stop`; see inversion.invert for what everything is."""
    dates, pairs = place.size, first.size
    matrix = np.empty((row.size, LANES))
    diagonal = np.empty((dates, LANES))
    solution = np.empty((dates, LANES))
    observed = np.empty((pairs, LANES), np.float32)
    valid = np.empty(LANES, np.int32)
    lowest = np.empty(LANES)
    highest = np.empty(LANES)
    zeros = np.empty(LANES, np.int32)
    for group in range(start, stop, LANES):
        lanes = min(LANES, stop - group)
        _assemble(
            phase, reference, coherence, weighting, table, looks, mask, masking, threshold, group, lanes,
            first, second, place, entries, matrix, diagonal, solution, observed, valid,
        )  # fmt: skip
        _factor(order.size, column, row, target, matrix, diagonal, solution, lowest, highest, zeros)
        _substitute_back(order.size, column, row, matrix, solution)
        for lane in range(lanes):
            pixel = group + lane
            state = SOLVED
            if not wanted[pixel] or valid[lane] == 0:
                state = SKIPPED
            elif _redundancy(observed, lane, first, second, dates, fixed) < redundancy:
                state = TOO_FEW
            elif lowest[lane] < _SMALL_PIVOT * highest[lane] or zeros[lane] > 0:
                state = _connect(observed, lane, first, second, place, years, velocity, solution, zeros[lane])
            status[pixel] = state
        _temporal_coherence(observed, first, second, place, solution, valid, group, lanes, quality)
        _store(order, solution, valid, scale, group, lanes, status, series, quality, count)


@_jit
def _assemble(
    phase, reference, coherence, weighting, table, looks, mask, masking, threshold, group, lanes,
    first, second, place, entries, matrix, diagonal, solution, observed, valid,
):  # fmt: skip
    """Add up the normal equations of a group, and keep its valid observations."""
    weight = np.empty(LANES)
    matrix[:] = 0
    diagonal[:] = 0
    solution[:] = 0
    valid[:] = 0
    raw = np.zeros(LANES, np.float32)
    similarity = np.ones(LANES, np.float32)
    for pair in range(first.size):
        raw[:lanes] = phase[pair, group : group + lanes]
        if weighting != NO_WEIGHT:
            similarity[:lanes] = coherence[pair, group : group + lanes]
        if masking != NO_MASK:
            _mask_out(mask, masking, threshold, pair, group, lanes, raw)
        _weigh(similarity, weighting, table, looks, weight)
        kept = observed[pair]
        zero = reference[pair]
        for lane in range(LANES):
            value = raw[lane] - zero
            # zero means no data, before and after the reference is taken off
            good = (raw[lane] != 0) & (value != 0) & (value == value)
            kept[lane] = value if good else np.float32(np.nan)
            valid[lane] += np.int32(1) if good else np.int32(0)
            weight[lane] = weight[lane] if good else 0.0
        _add_pair(place[first[pair]], place[second[pair]], entries[pair], kept, weight, matrix, diagonal, solution)


@_jit
def _mask_out(mask, masking, threshold, pair, group, lanes, raw):
    for lane in range(lanes):
        value = mask[pair, group + lane]
        # NaN compares as false: left out by both
        keep = value >= threshold if masking == MASK_BELOW else (value != 0) & (value == value)
        if not keep:
            raw[lane] = 0


@_jit
def _weigh(similarity, weighting, table, looks, weight):
    """Weights of a group, rounded to float32 as MintPy keeps their square roots (`calc_weight_sqrt`)."""
    for lane in range(LANES):
        value = similarity[lane]
        similarity[lane] = value if value >= COHERENCE_FLOOR else COHERENCE_FLOOR
    if weighting == TABLE:
        for lane in range(LANES):
            value = min(max(np.float64(similarity[lane]), _LOWEST), _HIGHEST)
            weight[lane] = table[np.int32((value - _LOWEST) / _BIN)]
    elif weighting == COHERENCE:
        for lane in range(LANES):
            root = np.float64(np.sqrt(similarity[lane]))
            weight[lane] = root * root
    elif weighting == FISHER:
        for lane in range(LANES):
            value = min(np.float64(similarity[lane]), _COHERENCE_CEILING)
            square = value * value
            root = np.float64(np.sqrt(np.float32(2.0 * looks * square / (1 - square))))
            weight[lane] = root * root
    else:
        weight[:] = 1


@_jit
def _add_pair(one, other, entry, observed, weight, matrix, diagonal, solution):
    last = diagonal.shape[0] - 1
    product = np.empty(LANES)
    for lane in range(LANES):
        value = observed[lane]
        product[lane] = weight[lane] * np.float64(value) if value == value else 0.0
    if one != last:
        own, side = diagonal[one], solution[one]
        for lane in range(LANES):
            own[lane] += weight[lane]
            side[lane] -= product[lane]
    if other != last:
        own, side = diagonal[other], solution[other]
        for lane in range(LANES):
            own[lane] += weight[lane]
            side[lane] += product[lane]
    if entry >= 0:
        own = matrix[entry]
        for lane in range(LANES):
            own[lane] -= weight[lane]


@_jit
def _factor(size, column, row, target, matrix, diagonal, solution, lowest, highest, zeros):
    """L D L^T in place, right-looking, and the forward substitution with it.

    A pivot that is zero belongs to a date that nothing ties to those after it: its phase is set to zero, which
    chooses one of the solutions.
    """
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
def _substitute_back(size, column, row, matrix, solution):
    for k in range(size - 1, -1, -1):
        value = solution[k]
        for entry in range(column[k], column[k + 1]):
            factor, later = matrix[entry], solution[row[entry]]
            for lane in range(LANES):
                value[lane] -= factor[lane] * later[lane]


@_jit
def _redundancy(observed, lane, first, second, dates, fixed):
    """Lowest number of valid pairs of a date, the fixed date left out (`estimate_timeseries`, check 1)."""
    number = np.zeros(dates, np.int32)
    for pair in range(first.size):
        if observed[pair, lane] == observed[pair, lane]:
            number[first[pair]] += 1
            number[second[pair]] += 1
    least = first.size
    for date in range(dates):
        if date != fixed:
            least = min(least, number[date])
    return least


@_jit
def _connect(observed, lane, first, second, place, years, velocity, solution, zeros):
    """Shift the parts of a network that no valid pair joins, so that the velocity, or the phase, has least norm.

    Only the parts' offsets against each other are free, so the least-norm solution of the whole (Berardino et al.,
    2002; MintPy's `estimate_timeseries` finds it by singular values) is a small least-squares problem in them.
    """
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
    if names.size == 1 or names.size - 1 != zeros:
        return ILL_CONDITIONED
    for date in range(dates):
        part[date] = np.searchsorted(names, part[date])
    if velocity:
        shift = _least_velocity(part, names.size, place, years, solution[:, lane])
    else:
        shift = _least_phase(part, names.size, place, solution[:, lane])
    for date in range(1, dates):
        solution[place[date], lane] += shift[part[date]]
    return DISCONNECTED


@_jit
def _least_velocity(part, parts, place, years, phase):
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
def _least_phase(part, parts, place, phase):
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
def _temporal_coherence(observed, first, second, place, solution, valid, group, lanes, quality):
    """Length of the mean of exp(i residual) over the valid pairs (Pepe and Lanari, 2006, eq. 13)."""
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
        quality[group + lane] = length / np.float32(max(valid[lane], 1))


@_jit
def _store(order, solution, valid, scale, group, lanes, status, series, quality, count):
    for lane in range(lanes):
        pixel = group + lane
        if status[pixel] == SOLVED or status[pixel] == DISCONNECTED:
            count[pixel] = valid[lane]
        else:
            quality[pixel] = 0
            count[pixel] = 0
            for k in range(order.size + 1):
                solution[k, lane] = 0
    for k in range(order.size):
        values, out = solution[k], series[1 + order[k]]
        for lane in range(lanes):
            out[group + lane] = np.float32(values[lane] * scale)
    first_date = series[0]
    for lane in range(lanes):
        first_date[group + lane] = 0
