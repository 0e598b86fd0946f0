"""What pairs before a checkpoint say, compiled: joined to the normal equations of later pairs, and kept for the next.

Which dates these are, condensation.py says; the equations are normal_equations_kernel.py's.
"""

from __future__ import annotations

import numpy as np

from sbas_assets.sbas.inversion_types import (
    APART,
    DEAD,
    HIDDEN,
    LANES,
    LIVE,
    SOLVED,
    TOO_FEW,
    UNWANTED,
    Kept,
    Link,
    Observations,
    System,
    Tail,
    Vector,
    Work,
    compiled,
)
from sbas_assets.sbas.normal_equations_kernel import assemble, factor

# digest of the modules above: numba looks for changes in this file only (sbas_assets_tests/sbas/test_kernels.py)
_COMPILED_WITH = "6790a9cb8ac4b3d7"


@compiled
def work_for(system: System) -> Work:
    """Room for a group of lanes."""
    dates = system.place.size
    return Work(
        np.empty((system.row.size, LANES)),
        np.empty((dates, LANES)),
        np.empty((dates, LANES)),
        np.empty((dates, LANES)),
        np.empty((system.first.size, LANES), np.float32),
        np.empty(LANES, np.int32),
        np.empty(LANES),
        np.empty(LANES),
        np.empty(LANES, np.int32),
    )


@compiled
def join(kept: Kept, at: Link, group: int, lanes: int, work: Work) -> None:
    """Add what was kept to the normal equations."""
    for number in range(at.entries.size):
        entry, values = work.matrix[at.entries[number]], kept.matrix[number]
        for lane in range(lanes):
            entry[lane] += values[group + lane]
    for number in range(at.place.size):
        place = at.place[number]
        diagonal, whole, solution = work.diagonal[place], work.whole[place], work.solution[place]
        for lane in range(lanes):
            diagonal[lane] += kept.diagonal[number, group + lane]
            solution[lane] += kept.side[number, group + lane]
            whole[lane] += kept.whole[number, group + lane]


@compiled
def untouched(system: System, work: Work, missing: Vector) -> None:
    """Count the dates that no valid pair touches, the first one left out."""
    missing[:] = 0
    for date in range(1, system.place.size):
        whole = work.whole[system.place[date]]
        for lane in range(LANES):
            missing[lane] += np.int32(1) if whole[lane] == 0 else np.int32(0)


@compiled
def changed(tail: Tail, group: int, lanes: int, work: Work) -> None:
    """Find how far the solution has moved at the dates of the last frontier."""
    for lane in range(lanes):
        tail.moved[group + lane] = 0
    for number in range(tail.joined.place.size):
        place = tail.joined.place[number]
        for lane in range(lanes):
            before = tail.before.frontier[number, group + lane]
            if before == before:
                step = abs(work.solution[place, lane] - before)
            else:
                # nobody can tell how far a date has moved that had no pair
                step = np.inf if work.whole[place, lane] > 0 else 0.0
            tail.moved[group + lane] = max(tail.moved[group + lane], step)


@compiled
def keep(
    seen: Observations, tail: Tail, group: int, lanes: int, missing: Vector, status: Vector, work: Work, inner: Work
) -> None:
    """Eliminate the dates up to the next checkpoint, and keep what is left of a group of pixels.

    Parameters
    ----------
    seen : Observations
        Of the pairs of the system that was solved.
    tail : Tail
        From the last checkpoint to the next.
    group, lanes : int
        First pixel, and number of pixels.
    missing : ndarray of int32 (lanes,)
        Dates without pairs.
    status : ndarray of int8 (pixels,)
        What became of the pixels.
    work : Work
        The system, solved.
    inner : Work
        Room for the elimination.
    """
    after, left, goes_on = tail.after, tail.left, tail.joined.place.size > 0
    assemble(tail.condensed, seen, group, lanes, inner)
    join(tail.before, tail.inside, group, lanes, inner)
    factor(tail.condensed, inner)
    _copy(after, left, tail.ends, group, lanes, work, inner)
    empty = np.zeros(LANES, np.int32)
    for position in range(tail.condensed.order.size):
        whole = inner.whole[position]
        for lane in range(LANES):
            empty[lane] += np.int32(1) if whole[lane] == 0 else np.int32(0)
    before_kind, before_valid, before_pivots = tail.before.kind, tail.before.valid, tail.before.pivots
    for lane in range(lanes):
        pixel = group + lane
        kind = np.uint8(LIVE)
        if goes_on:
            kind = before_kind[pixel]
            inner.valid[lane] += before_valid[pixel]
            inner.lowest[lane] = min(inner.lowest[lane], np.float64(before_pivots[0, pixel]))
            inner.highest[lane] = max(inner.highest[lane], np.float64(before_pivots[1, pixel]))
        after.valid[pixel] = inner.valid[lane]
        after.pivots[0, pixel] = np.float32(inner.lowest[lane])
        after.pivots[1, pixel] = np.float32(inner.highest[lane])
        if not seen.wanted[pixel]:
            after.kind[pixel] = UNWANTED
        elif kind not in (LIVE, HIDDEN):
            after.kind[pixel] = DEAD if kind == DEAD else APART
        elif empty[lane] > 0:
            after.kind[pixel] = DEAD
        elif status[pixel] == SOLVED and inner.zeros[lane] == 0:
            after.kind[pixel] = LIVE
        elif status[pixel] == TOO_FEW and inner.zeros[lane] == 0 and work.zeros[lane] == missing[lane]:
            # every date without a pair is a zero pivot; as there are no others, all other dates are connected
            after.kind[pixel] = HIDDEN
        else:
            after.kind[pixel] = APART


@compiled
def _copy(after: Kept, left: Link, ends: Vector, group: int, lanes: int, work: Work, inner: Work) -> None:
    for number in range(left.entries.size):
        matrix, entry = after.matrix[number], inner.matrix[left.entries[number]]
        for lane in range(lanes):
            matrix[group + lane] = entry[lane]
    for number in range(left.place.size):
        place, end = left.place[number], ends[number]
        for lane in range(lanes):
            after.diagonal[number, group + lane] = inner.diagonal[place, lane]
            after.side[number, group + lane] = inner.solution[place, lane]
            after.whole[number, group + lane] = np.float32(inner.whole[place, lane])
            after.frontier[number, group + lane] = work.solution[end, lane] if work.whole[end, lane] > 0 else np.nan
