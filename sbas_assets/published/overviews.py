"""Coarser levels of maps: how one is made of the level above it, so that no-data neither spreads nor biases.

Belongs here: what becomes of the pixels. Does not belong here: which levels there are (`pyramid`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.published.rounding import round_mantissa
from sbas_assets.published.sliceable import Numbers

AVERAGE, NEAREST, MODE = "average", "nearest", "mode"


@dataclass(frozen=True)
class Rule:
    """How the up to four pixels of a level become one of the next.

    Parameters
    ----------
    method : str
        ``average``: the mean of those that have a number. ``nearest``: the first of them, for angles that wrap and
        for labels. ``mode``, for masks: True where at least half are True.
    zero_is_data : bool
        False: 0 is MintPy's "not inverted" and counts only where there is nothing else.
    mantissa_bits : int, optional
        To which the result is rounded, as the level above was.
    """

    method: str = AVERAGE
    zero_is_data: bool = False
    mantissa_bits: int | None = None

    def halve(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return maps (..., length, width) at half the resolution, the last row and column of odd sizes included."""
        # numba takes a while to import, and who only counts or reads needs none of it
        from sbas_assets.published import overview_kernel as kernel

        *front, length, width = maps.shape
        finer = np.ascontiguousarray(maps).reshape(-1, length, width)
        if self.method == NEAREST and maps.dtype.kind in "iu":
            return np.ascontiguousarray(maps[..., ::2, ::2])
        out = np.empty((len(finer), (length + 1) // 2, (width + 1) // 2), maps.dtype)
        if self.method == MODE:
            kernel.most_are_true(finer, out)
        elif self.method == NEAREST:
            kernel.first_valid(finer, self.zero_is_data, out)
        else:
            kernel.mean_of_valid(finer, self.zero_is_data, out)
        coarser = out.reshape(*front, *out.shape[1:])
        return coarser if self.mantissa_bits is None else round_mantissa(coarser, self.mantissa_bits)


def rule_of(dtype: np.dtype[Any], *, wraps: bool, zero_is_data: bool, mantissa_bits: int | None) -> Rule:
    """Return the rule for numbers of a type; `wraps`, `zero_is_data`: as in `variables.Variable`."""
    if dtype.kind == "b":
        return Rule(MODE)
    if wraps or dtype.kind != "f":
        return Rule(NEAREST, zero_is_data, mantissa_bits)
    return Rule(AVERAGE, zero_is_data, mantissa_bits)


@dataclass(frozen=True)
class Level:
    """The numbers of a coarser level, made when they are asked for.

    Parameters
    ----------
    above : Numbers
        The level above, (..., length, width).
    rule : Rule
        How it is halved.
    """

    above: Numbers
    rule: Rule

    @property
    def shape(self) -> tuple[int, ...]:
        """Half the rows and columns of the level above, rounded up."""
        *front, length, width = self.above.shape
        return (*front, (length + 1) // 2, (width + 1) // 2)

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the level above."""
        return self.above.dtype

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Return a block, given by a slice with start and stop for each dimension."""
        return self.rule.halve(self.above[finer_block(key, self.above.shape)])


def finer_block(block: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the block of the level above, of that shape, under a block of a level."""
    rows, columns = (
        slice(2 * part.start, min(2 * part.stop, size)) for part, size in zip(block[-2:], shape[-2:], strict=True)
    )
    return (*block[:-2], rows, columns)
