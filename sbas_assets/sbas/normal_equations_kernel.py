"""Normal equations of a group of pixels, compiled: adding them up, factorizing and solving them.

The loops over lanes are written out: the compiler turns them into vector instructions only in this form.
"""

from __future__ import annotations

import numpy as np

from sbas_assets.sbas.inversion_types import (
    COHERENCE,
    FISHER,
    LANES,
    MASK_BELOW,
    NO_MASK,
    NO_WEIGHT,
    TABLE,
    Observations,
    System,
    Vector,
    Work,
    compiled,
    inlined,
)

# digest of the modules above: numba looks for changes in this file only (sbas_assets_tests/sbas/test_kernels.py)
_COMPILED_WITH = "46305a8e2438d0a7"

COHERENCE_FLOOR = np.float32(0.05)
_COHERENCE_CEILING = 1 - 1e-3
# bins of the table; a product here and MintPy's quotient give the same bin for every float32
_LOWEST, _HIGHEST, _PER_BIN = 0.0025, 0.9975, 200.0
# a pivot this small beside its own diagonal is a zero that was rounded
_ZERO_PIVOT = 1e-12


@compiled
def assemble(system: System, seen: Observations, group: int, lanes: int, work: Work) -> None:
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
    work.whole[:] = diagonal


@inlined
def _mask_out(seen: Observations, pair: int, group: int, lanes: int, raw: Vector) -> None:
    for lane in range(lanes):
        value = seen.mask[pair, group + lane]
        # MintPy takes NaN for zero
        value = value if value == value else np.float32(0)
        keep = value >= seen.threshold if seen.masking == MASK_BELOW else value != 0
        if not keep:
            raw[lane] = 0


@inlined
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


@inlined
def _add(own: Vector, change: Vector) -> None:
    for lane in range(LANES):
        own[lane] += change[lane]


@inlined
def _take(own: Vector, change: Vector) -> None:
    for lane in range(LANES):
        own[lane] -= change[lane]


@compiled
def factor(system: System, work: Work) -> None:
    """L D L^T in place, right-looking, and the forward substitution with it.

    Of a system whose order is cut short, the dates that are left have the Schur complement and its right-hand side.

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
    original = work.whole
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


@compiled
def substitute_back(system: System, work: Work) -> None:
    """Solve L^T x = y in place."""
    size, column, row = system.order.size, system.column, system.row
    matrix, solution = work.matrix, work.solution
    for k in range(size - 1, -1, -1):
        value = solution[k]
        for entry in range(column[k], column[k + 1]):
            factor, later = matrix[entry], solution[row[entry]]
            for lane in range(LANES):
                value[lane] -= factor[lane] * later[lane]
