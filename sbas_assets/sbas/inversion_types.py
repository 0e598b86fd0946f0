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
SKIPPED, SOLVED, DISCONNECTED, TOO_FEW, ILL_CONDITIONED = 0, 1, 2, 3, 4

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
