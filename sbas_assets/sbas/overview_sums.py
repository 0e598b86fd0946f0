"""What an overview knows of the first pairs of a stack, for the next one to go on from.

Sums in single precision depend on their order, and these are MintPy's: so they are taken at a place in the order of the
pairs, not one pair at a time. An overview that goes on from there has the bytes of one that looks at all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CoverageSums(NamedTuple):
    """Of coherence and masks; each (rows, columns).

    `total` (float32) is the sum of the coherence, `number` (int32) of how many numbers; `common` and `valid` are those
    of `stack_overview.Coverage`.
    """

    total: NDArray[np.float32]
    number: NDArray[np.int32]
    common: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> CoverageSums:
        """Of no pairs."""
        ones = np.ones(shape, np.bool_)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.int32), ones, ones.copy())


class OverviewSums(NamedTuple):
    """Of velocity and closures; each (rows, columns).

    `total` (float32, m/year) is the sum of the velocities, `number` (int32) of how many; `open` (int32) the number of
    triplets that do not close, `unknown` (bool) whether a phase is not finite.
    """

    total: NDArray[np.float32]
    number: NDArray[np.int32]
    open: NDArray[np.int32]
    unknown: NDArray[np.bool_]

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> OverviewSums:
        """Of no pairs."""
        return cls(
            np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(shape, np.bool_)
        )


@dataclass(frozen=True)
class Early[Sums: (CoverageSums, OverviewSums)]:
    """Sums of the first so many kept pairs."""

    pairs: int
    sums: Sums


def turning_point(pairs: Sequence[tuple[str, str]]) -> int:
    """How many of the kept pairs the next overview need not look at, if the network goes on as it is.

    Parameters
    ----------
    pairs : sequence of (str, str)
        First and second date of each, in the order of the stack.

    Returns
    -------
    int
        Those before the first one that begins where a pair of the last date may: so the last date may change, too.
    """
    number = {date: place for place, date in enumerate(sorted({date for pair in pairs for date in pair}))}
    reach = max((number[second] - number[first] for first, second in pairs), default=0)
    late = [number[first] >= len(number) - 1 - reach for first, _ in pairs]
    return late.index(True) if any(late) else len(pairs)
