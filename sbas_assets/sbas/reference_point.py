"""Choosing the reference point without a die.

Numerics only; where the choice is kept, and when it may change, is the network step's business.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def choose_reference_point(
    coherence: NDArray[np.floating], common: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> tuple[int, int, float]:
    """Choose the most coherent pixel of the largest region that all interferograms unwrapped together.

    MintPy draws a pixel at random among those above `mintpy.reference.minCoherence`
    (`mintpy.reference_point.select_max_coherence_yx`), so no two runs agree.

    Parameters
    ----------
    coherence : ndarray (length, width)
        Average spatial coherence, 0 to 1.
    common : ndarray of bool (length, width)
        Pixels that belong to a connected component in every interferogram.
    valid : ndarray of bool (length, width)
        Pixels with a phase in every interferogram.

    Returns
    -------
    row, column : int
        Of the highest coherence inside the largest 4-connected region of `common`; of equal pixels the one with
        the lowest row, then the lowest column; of equally large regions the one met first in that order.
    coherence : float
        Average spatial coherence there.

    Raises
    ------
    ValueError
        When no pixel is common to all interferograms and valid.
    """
    labels, count = ndimage.label(common & valid)
    if count == 0:
        raise ValueError("no pixel is part of a connected component in every interferogram")
    sizes = np.bincount(labels.ravel())[1:]
    inside = labels == 1 + int(np.argmax(sizes))
    score = np.where(inside & np.isfinite(coherence), coherence, -np.inf)
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return int(row), int(column), float(coherence[row, column])
