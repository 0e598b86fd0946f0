"""Chunks, shards and blocks: of the shape alone, of bounded size, and whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sbas_assets.published.arrays import (
    MAP_SIDE,
    SERIES_CHUNK_BYTES,
    SHARD_BYTES,
    block_shape,
    blocks,
    map_chunk,
    series_chunk,
)

SHAPES = [
    (60, 1000, 1200),
    (300, 1000, 1200),
    (98, 2501, 3777),
    (7, 30, 40),
    (1, 5000, 7000),
    (2000, 400, 9),
    (3, 1, 1),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_chunk_of_a_series_has_all_dates_and_a_shard_is_bounded_whatever_their_number(shape):
    chunk, shard = series_chunk(shape, 4)
    assert chunk[0] == shard[0] == shape[0]
    assert all(large % small == 0 for large, small in zip(shard, chunk, strict=True))
    assert math.prod(chunk) * 4 <= SERIES_CHUNK_BYTES
    assert math.prod(shard) * 4 <= SHARD_BYTES
    assert all(size <= whole + piece for size, whole, piece in zip(shard, shape, chunk, strict=True))


@pytest.mark.parametrize("dates", [30, 60, 300])
def test_a_chunk_of_a_usual_series_is_a_quarter_to_half_a_megabyte(dates):
    chunk, shard = series_chunk((dates, 1000, 1200), 4)
    assert 250_000 <= math.prod(chunk) * 4 <= 600_000
    assert math.prod(shard) * 4 >= 15_000_000


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((60, 1000, 1200), (1, 500, 600)),
        ((1000, 1200), (500, 600)),
        ((640, 640), (640, 640)),
        ((641, 20), (321, 20)),
        ((2000, 3100), (500, 620)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_map_is_divided_evenly(shape, chunk):
    assert map_chunk(shape) == chunk


@pytest.mark.parametrize("size", [(1, 1), (1000, 1200), (1201, 1280), (3000, 5000), (9999, 321)])
def test_the_level_that_fits_a_screen_is_four_objects_at_most(size):
    while max(size) > 2 * MAP_SIDE:
        size = tuple((side + 1) // 2 for side in size)
    assert math.prod(math.ceil(side / step) for side, step in zip(size, map_chunk(size), strict=True)) <= 4


@pytest.mark.parametrize("max_bytes", [1, 10**7, 10**8, 10**12])
@pytest.mark.parametrize("unit", [(1, 500, 620), (98, 368, 315)])
def test_blocks_are_whole_chunks_or_shards_inside_the_memory(max_bytes, unit):
    shape = (98, 2000, 3100)
    block = block_shape(shape, unit, 4, max_bytes)
    assert all(b % u == 0 or b == n for b, u, n in zip(block, unit, shape, strict=True))
    assert math.prod(block) * 4 <= max(max_bytes, math.prod(unit) * 4)


def test_blocks_cover_an_array_once():
    seen = np.zeros((5, 33, 41), int)
    for block in blocks(seen.shape, (5, 8, 10), 4, 5000):
        seen[block] += 1
    assert (seen == 1).all()
