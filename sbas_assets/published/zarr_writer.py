"""Writing the arrays of a product as a Zarr v3 group, block by block, and how many objects that makes.

Belongs here: chunks, shards, codecs, consolidated metadata. Does not belong here: what the arrays are (`cf_dataset`),
where the group is and whether it is whole (`zarr_product`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store as ZarrStore
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from sbas_assets.published.arrays import Array, blocks
from sbas_assets.threads import thread_count

Task = tuple[zarr.Array[Any], Array, tuple[slice, ...]]


def write_group(target: ZarrStore, arrays: Mapping[str, Array], attributes: Mapping[str, Any], max_bytes: int) -> None:
    """Write the arrays block by block; the consolidated metadata comes last.

    Parameters
    ----------
    target : zarr.abc.store.Store
        Where the group goes.
    arrays : mapping of Array
        By name.
    attributes : mapping
        Of the group.
    max_bytes : int
        That the blocks in memory may take together.
    """
    # Chunks of nothing but fill are written too, so that a chunk that is not there is a chunk that was lost.
    settings = zarr.config.set({"array.write_empty_chunks": True})
    with settings, warnings.catch_warnings():
        # Consolidated metadata is not in the Zarr 3 specification yet; readers manage without it.
        warnings.simplefilter("ignore", ZarrUserWarning)
        group = zarr.create_group(target, zarr_format=3, attributes=dict(attributes))
        with ThreadPoolExecutor(thread_count()) as pool:
            # the next block is read, and a map of one chunk compressed, beside the compressing of another
            tasks = [pool.submit(_copy, *task) for task in _tasks(group, arrays, max_bytes // thread_count())]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                # a store that failed is not waited for once more by each of the other blocks
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        zarr.consolidate_metadata(target, zarr_format=3)


def _tasks(group: zarr.Group, arrays: Mapping[str, Array], max_bytes: int) -> Iterator[Task]:
    """Create the arrays, and list the blocks of each."""
    for name, array in arrays.items():
        stored = _create(group, name, array)
        for block in blocks(stored.shape, array.chunks, stored.dtype.itemsize, max_bytes):
            yield stored, array, block


def _copy(stored: zarr.Array[Any], array: Array, block: tuple[slice, ...]) -> None:
    stored[block] = array.data[block]


def _create(group: zarr.Group, name: str, array: Array) -> zarr.Array[Any]:
    data = array.data
    nothing = np.nan if data.dtype.kind == "f" else 0
    return group.create_array(
        name,
        shape=data.shape,
        dtype=data.dtype,
        chunks=array.chunks,
        compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),),
        fill_value=nothing if array.fill is None else array.fill,
        attributes=array.attrs,
        dimension_names=array.dims or None,
    )


def count_objects(target: ZarrStore) -> dict[str, int]:
    """Return how many objects each array of a group consists of when it is whole, by the array's name."""
    group = zarr.open_group(target, mode="r", zarr_format=3, use_consolidated=True)
    return {name: int(array.nchunks) for name, array in sorted(group.arrays())}
