"""What the kernels of the inversion hand each other: a network, a block of observations, the work of a group of pixels.

Pixels are worked on in groups of `LANES`: every array of `Work` has the pixels of the group as its last axis. Types
only; nothing is computed here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 64
# how coherence becomes weight
NO_WEIGHT, TABLE, COHERENCE, FISHER = 0, 1, 2, 3
# which observations are left out
NO_MASK, MASK_ZERO, MASK_BELOW = 0, 1, 2
# what became of a pixel
SKIPPED, SOLVED, DISCONNECTED, TOO_FEW, ILL_CONDITIONED, UNKNOWN = 0, 1, 2, 3, 4, 5
# what is kept of a pixel: nothing; its equations; these and a series that is not shown, for want of pairs of a late
# date; no more than that an early date has no pair, so that it stays without a series; its observations
UNWANTED, LIVE, HIDDEN, DEAD, APART = 0, 1, 2, 3, 4

compiled = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
# for what is called for each pair: as a real call it would cost more than its work
inlined = njit(nogil=True, error_model="numpy", fastmath={"contract"}, inline="always")

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


class Kept(NamedTuple):
    """What pairs before a checkpoint say, (numbers, pixels), for the dates of the frontier behind it.

    Parameters
    ----------
    matrix : ndarray of float64
        Off-diagonal entries of the Schur complement, pair by pair of dates: (1, 0), (2, 0), (2, 1), ...
    diagonal, side : ndarray of float64
        Its diagonal and the right-hand side (rad), by date.
    frontier : ndarray of float64
        Solution (rad), by date; NaN where no pair touches it.
    whole : ndarray of float32
        Sum of the weights of these pairs, by date.
    sums : ndarray of float32
        Real and imaginary part of the sum of exp(i residual) over these pairs.
    pivots : ndarray of float32
        Lowest pivot and highest sum of weights of the eliminated dates.
    valid : ndarray of int16 (pixels,)
        Valid ones among the pairs.
    kind : ndarray of uint8 (pixels,)
        UNWANTED, LIVE, HIDDEN, DEAD or APART.
    """

    matrix: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    side: NDArray[np.float64]
    frontier: NDArray[np.float64]
    whole: NDArray[np.float32]
    sums: NDArray[np.float32]
    pivots: NDArray[np.float32]
    valid: NDArray[np.int16]
    kind: NDArray[np.uint8]


class Link(NamedTuple):
    """Where what is kept stands in a system: entries of L by pair of dates, positions by date."""

    entries: Index
    place: Index


class Tail(NamedTuple):
    """How a block goes on from the last checkpoint (`before`), and what is kept at the next (`after`).

    Parameters
    ----------
    before : Kept
        Of the last checkpoint; without dates when there is none.
    joined : Link
        Where it belongs in the system that is solved.
    condensed : System
        Of the pairs up to the next checkpoint; without pairs when nothing is to be kept.
    inside, left : Link
        Where `before` and `after` belong in that.
    ends : ndarray of int32
        Positions of the dates of `after` in the system that is solved.
    after : Kept
        To fill.
    moved : ndarray of float64 (pixels,)
        To fill: largest change of the solution at the dates of `before` (rad).
    """

    before: Kept
    joined: Link
    condensed: System
    inside: Link
    left: Link
    ends: Index
    after: Kept
    moved: NDArray[np.float64]


class Work(NamedTuple):
    """What a group of lanes needs while it is worked on; lanes are the last axis."""

    matrix: NDArray[np.float64]
    diagonal: NDArray[np.float64]
    whole: NDArray[np.float64]
    solution: NDArray[np.float64]
    observed: NDArray[np.float32]
    valid: Index
    lowest: Vector
    highest: Vector
    zeros: Index
