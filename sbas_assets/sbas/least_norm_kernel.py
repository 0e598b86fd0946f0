"""Pixels whose valid pairs leave the network in parts, compiled: the parts are shifted to the least norm.

Which pixels these are, inversion_kernel.py decides.
"""

from __future__ import annotations

import numpy as np

from sbas_assets.sbas.inversion_types import DISCONNECTED, ILL_CONDITIONED, Index, System, Vector, Work, compiled

# digest of the modules above: numba looks for changes in this file only (sbas_assets_tests/sbas/test_kernels.py)
_COMPILED_WITH = "46305a8e2438d0a7"


@compiled
def connect(system: System, velocity: bool, lane: int, work: Work) -> int:
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


@compiled
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


@compiled
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
