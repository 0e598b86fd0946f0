"""Writing the arrays of a product as a Zarr v3 group, block by block, and how many objects that makes.

Belongs here: chunks, shards, codecs, groups, consolidated metadata. Does not belong here: what the arrays are
(`cf_dataset`), which levels there are (`pyramid`), where the group is and whether it is whole (`zarr_product`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store as ZarrStore
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from sbas_assets.published.arrays import Array, blocks
from sbas_assets.published.pyramid import group_attributes
from sbas_assets.threads import thread_count

# An array and its coarser levels, finest first, as stored; what they are made of; and which part of the finest.
Task = tuple[Sequence[zarr.Array[Any]], Array, tuple[slice, ...]]

# Measured on simulated displacements: 1 % larger than level 3 and nearly twice as quick; the shuffle that suits rounded
# numbers.
CODEC = BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle")


def write_group(target: ZarrStore, arrays: Mapping[str, Array], attributes: Mapping[str, Any], max_bytes: int) -> None:
    """Write the arrays block by block; the consolidated metadata comes last.

    Parameters
    ----------
    target : zarr.abc.store.Store
        Where the group goes.
    arrays : mapping of Array
        By path: what comes before a ``/`` is a group inside.
    attributes : mapping
        Of the group; `pyramid.group_attributes` adds what it says of the levels.
    max_bytes : int
        That the blocks in memory may take together; no less than one shard, or one map with its levels, is taken.
    """
    workers = _workers(arrays, max_bytes)
    with warnings.catch_warnings():
        # Consolidated metadata is not in the Zarr 3 specification yet; readers manage without it.
        warnings.simplefilter("ignore", ZarrUserWarning)
        groups = group_attributes(arrays)
        group = zarr.create_group(target, zarr_format=3, attributes={**attributes, **groups.pop("")})
        for path, words in sorted(groups.items()):
            group.create_group(path, attributes=words)
        with ThreadPoolExecutor(workers) as pool:
            # the next block is read, and a map of one chunk compressed, beside the compressing of another
            tasks = [pool.submit(_copy, *task) for task in _tasks(group, arrays, max_bytes // workers)]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                # a store that failed is not waited for once more by each of the other blocks
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        # of the root only: a group's own would be there twice, and be believed before the arrays' own
        zarr.consolidate_metadata(target, zarr_format=3)


def _least_bytes(array: Array, levels: int) -> int:
    """Return the bytes of the smallest block that can be written: a shard, a chunk, or a map with its levels."""
    shape = (*array.chunks[:-2], *array.data.shape[-2:]) if levels else array.unit
    return math.prod(shape) * array.data.dtype.itemsize


def _workers(arrays: Mapping[str, Array], max_bytes: int) -> int:
    """Return how many blocks may be in memory at once."""
    least = max(_least_bytes(array, len(_chain(name, arrays))) for name, array in arrays.items() if not array.above)
    return max(1, min(thread_count(), max_bytes // max(1, least)))


def _chain(name: str, arrays: Mapping[str, Array]) -> list[str]:
    """Return the names of the coarser levels that are made of an array, one after the other."""
    chain: list[str] = []
    while below := next((key for key, array in arrays.items() if array.above == (chain or [name])[-1]), None):
        chain.append(below)
    return chain


def _tasks(group: zarr.Group, arrays: Mapping[str, Array], max_bytes: int) -> Iterator[Task]:
    """Create the arrays, and list the blocks of each; a block of maps is made into its coarser levels at once."""
    stored = {name: _create(group, name, array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.above:
            continue
        chain = _chain(name, arrays)
        shape = array.data.shape
        unit = (*array.chunks[:-2], *shape[-2:]) if chain else array.unit
        for block in blocks(shape, unit, array.data.dtype.itemsize, max_bytes):
            yield [stored[level] for level in (name, *chain)], array, block


def _copy(stored: Sequence[zarr.Array[Any]], array: Array, block: tuple[slice, ...]) -> None:
    """Read a block and store it, then what coarser levels there are of it; those have the block's dates, whole."""
    finest, *coarser = stored
    data = array.data[block]
    finest[block] = data
    for level in coarser:
        assert array.rule is not None
        data = array.rule.halve(data)
        level[(*block[:-2], slice(None), slice(None))] = data


def _create(group: zarr.Group, name: str, array: Array) -> zarr.Array[Any]:
    data = array.data
    nothing = np.nan if data.dtype.kind == "f" else 0
    return group.create_array(
        name,
        shape=data.shape,
        dtype=data.dtype,
        chunks=array.chunks,
        shards=array.shards,
        compressors=(CODEC,),
        fill_value=nothing if array.fill is None else array.fill,
        attributes=array.attrs,
        dimension_names=array.dims or None,
        # Chunks of nothing but fill are written too, so that a chunk that is not there is a chunk that was lost. Told
        # to each array, because zarr's settings are the whole process's: another thread's writing may change them.
        config={"write_empty_chunks": True},
    )


def count_objects(target: ZarrStore) -> dict[str, int]:
    """Return how many objects each array of a group consists of when it is whole, by the array's path.

    A shard is one object; arrays of groups inside are told as ``maps/0/displacement``.
    """
    group = zarr.open_group(target, mode="r", zarr_format=3, use_consolidated=True)
    arrays = {path: node for path, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}
    return {path: _objects(array) for path, array in sorted(arrays.items())}


def _objects(array: zarr.Array[Any]) -> int:
    unit = array.shards or array.chunks
    return math.prod(math.ceil(size / step) for size, step in zip(array.shape, unit, strict=True))
