"""Random numbers that belong to a thing, not to the order in which things are drawn.

Each purpose, acquisition and pair has a stream of its own, spawned from the seed by its key: adding an acquisition
later leaves the noise of all earlier ones as it was, which is what the tests of incremental processing rely on.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """First word of a stream's key; a number never changes its meaning."""

    TERRAIN = 1
    DEM_ERROR = 2
    VEGETATION = 3
    ORBIT = 4
    TURBULENCE = 5
    STRATIFICATION = 6
    PHASE_NOISE = 7
    COHERENCE_NOISE = 8
    UNWRAPPING = 9
    AMPLITUDE = 10


def generator(seed: int, purpose: Purpose, *acquisitions: str) -> np.random.Generator:
    """Random stream of one purpose, and of one acquisition or pair if given.

    Parameters
    ----------
    seed : int
        Seed of the whole simulation.
    purpose : Purpose
        What the numbers are for.
    *acquisitions : str
        None, one or two acquisitions, `YYYYMMDD`.

    Returns
    -------
    numpy.random.Generator
        Always the same stream for the same arguments.
    """
    key = (int(purpose), *(int(acquisition) for acquisition in acquisitions))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
