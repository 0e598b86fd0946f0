"""One array of a product before it is stored: what it says about itself, and its numbers, block by block.

Belongs here: dimensions, attributes, chunks, shards and blocks. Does not belong here: what CF asks for (`cf_dataset`),
which copies and overviews there are (`pyramid`), and how arrays are written (`zarr_writer`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as cartesian
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sbas_assets.published.sliceable import Numbers

if TYPE_CHECKING:
    from sbas_assets.published.overviews import Rule

# The history of a point is one of these and the index of its shard: two requests, whatever the number of dates.
SERIES_CHUNK_BYTES = 1 << 19
# A shard is in memory whole while it is written.
SHARD_BYTES = 1 << 25
# A map of up to twice this many rows and columns is four objects.
MAP_SIDE = 640
BLOCK_BYTES = 128_000_000


@dataclass(frozen=True)
class Array:
    """One array of a product.

    Parameters
    ----------
    dims : tuple of str
        Dimensions, from ``time``, ``y``, ``x``.
    data : Numbers
        The numbers; nothing of a reader is read before it is sliced.
    attrs : dict
        CF attributes.
    chunks : tuple of int
        Chunk of the stored array; with shards, the piece of a shard that is read by itself.
    fill : float, optional
        Value of a pixel that was never written; None where no value is spare.
    shards : tuple of int, optional
        Whole chunks that are one object together; None: each chunk is an object.
    rule : Rule, optional
        How a coarser level is made of it; None where that makes no sense.
    above : str, optional
        Name of the array that this one is the next coarser level of.
    """

    dims: tuple[str, ...]
    data: Numbers
    attrs: dict[str, Any]
    chunks: tuple[int, ...]
    fill: float | None = None
    shards: tuple[int, ...] | None = None
    rule: Rule | None = None
    above: str | None = None

    @property
    def unit(self) -> tuple[int, ...]:
        """Shape of what is one object: it can only be written whole."""
        return self.chunks if self.shards is None else self.shards


def line(dims: tuple[str, ...], numbers: NDArray[Any], attrs: dict[str, Any]) -> Array:
    """Return a small array, such as a coordinate, in one chunk."""
    return Array(dims, numbers, attrs, numbers.shape)


def map_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunk of maps (..., length, width): one map, divided evenly into pieces of at most 640 x 640."""
    return (1,) * (len(shape) - 2) + tuple(_even(size, MAP_SIDE) for size in shape[-2:])


def series_chunk(shape: tuple[int, ...], itemsize: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return chunk and shard of series (dates, length, width) for who reads the history of a point.

    Both have all dates: a chunk about 0.5 MB, a shard as many chunks as fit 32 MB. They follow from the shape alone,
    so that neither memory nor threads change a byte.
    """
    dates, *sides = shape
    pixel = dates * itemsize
    chunk = [_even(size, max(1, math.isqrt(SERIES_CHUNK_BYTES // pixel))) for size in sides]
    across = max(1, math.isqrt(SHARD_BYTES // (math.prod(chunk) * pixel)))
    shard = [step * _even(math.ceil(size / step), across) for size, step in zip(sides, chunk, strict=True)]
    return (dates, *chunk), (dates, *shard)


def _even(size: int, most: int) -> int:
    """Return the size of the fewest pieces that are no larger than `most`, as equal as they can be."""
    return math.ceil(size / math.ceil(size / most)) if size else 1


def block_shape(shape: tuple[int, ...], unit: tuple[int, ...], itemsize: int, max_bytes: int) -> tuple[int, ...]:
    """Return the largest block of whole chunks or shards, grown along x, then y, then time, inside `max_bytes`."""
    budget = min(max_bytes, BLOCK_BYTES)
    block = list(unit)
    for axis in reversed(range(len(shape))):
        rest = math.prod(block) // block[axis] * itemsize
        count = max(1, budget // (rest * unit[axis]))
        block[axis] = min(shape[axis], count * unit[axis])
    return tuple(block)


def blocks(shape: tuple[int, ...], unit: tuple[int, ...], itemsize: int, max_bytes: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cover an array in blocks of whole chunks or shards."""
    steps = block_shape(shape, unit, itemsize, max_bytes)
    starts = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for corner in cartesian(*starts):
        yield tuple(
            slice(start, min(start + step, size)) for start, step, size in zip(corner, steps, shape, strict=True)
        )
