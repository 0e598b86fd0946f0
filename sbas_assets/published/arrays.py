"""One array of a product before it is stored: what it says about itself, and its numbers, block by block.

Belongs here: dimensions, attributes, chunks and blocks. Does not belong here: what CF asks for (`cf_dataset`), and
how arrays are written (`zarr_product`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

from numpy.typing import NDArray

from sbas_assets.published.mintpy_file import BlockReader

# Measured on S3: serves a pixel's series and one date's map about equally well, 1.3 MB compressed.
SERIES_CHUNK = (6, 250, 300)
MAP_CHUNK_BYTES = 4_000_000
BLOCK_BYTES = 128_000_000


@dataclass(frozen=True)
class Array:
    """One array of a product.

    Parameters
    ----------
    dims : tuple of str
        Dimensions, from ``time``, ``y``, ``x``.
    data : numpy.ndarray or BlockReader
        The numbers; nothing of a reader is read before it is sliced.
    attrs : dict
        CF attributes.
    chunks : tuple of int
        Chunk of the stored array.
    fill : float, optional
        Value of a pixel that was never written; None where no value is spare.
    """

    dims: tuple[str, ...]
    data: NDArray[Any] | BlockReader
    attrs: dict[str, Any]
    chunks: tuple[int, ...]
    fill: float | None = None


def line(dims: tuple[str, ...], numbers: NDArray[Any], attrs: dict[str, Any]) -> Array:
    """Return a small array, such as a coordinate, in one chunk."""
    return Array(dims, numbers, attrs, numbers.shape)


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the Zarr chunk of an array: fixed for a series, as few as fit 4 MB for a map, one for a line."""
    if len(shape) == 3:
        return tuple(min(size, chunk) for size, chunk in zip(shape, SERIES_CHUNK, strict=True))
    if math.prod(shape) * itemsize <= MAP_CHUNK_BYTES or len(shape) < 2:
        return shape
    side = math.isqrt(MAP_CHUNK_BYTES // itemsize)
    return tuple(math.ceil(size / math.ceil(size / side)) for size in shape)


def block_shape(shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int, max_bytes: int) -> tuple[int, ...]:
    """Return the largest block of whole chunks, grown along x, then y, then time, inside `max_bytes`."""
    budget = min(max_bytes, BLOCK_BYTES)
    block = list(chunks)
    for axis in reversed(range(len(shape))):
        rest = math.prod(block) // block[axis] * itemsize
        count = max(1, budget // (rest * chunks[axis]))
        block[axis] = min(shape[axis], count * chunks[axis])
    return tuple(block)


def blocks(
    shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int, max_bytes: int
) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cover an array in blocks of whole chunks."""
    steps = block_shape(shape, chunks, itemsize, max_bytes)
    starts = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for corner in cartesian(*starts):
        yield tuple(
            slice(start, min(start + step, size)) for start, step, size in zip(corner, steps, shape, strict=True)
        )
