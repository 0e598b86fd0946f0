"""Is what a Zarr group holds equal, number by number, to MintPy's file.

Belongs here: the comparison of values. Does not belong here: objects and checksums (`manifest`), mending.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import Store as ZarrStore

from sbas_assets.published.arrays import blocks
from sbas_assets.published.cf_dataset import time_axis
from sbas_assets.published.mintpy_file import BlockReader, MintPyFile
from sbas_assets.published.variables import describe_dataset
from sbas_assets.threads import thread_count

# Bytes that a thread compares at once; it holds a few copies of them.
COMPARED_BYTES = 16_000_000


def value_problems(target: ZarrStore, product: str, file: MintPyFile) -> list[str]:
    """Return in words where a group's numbers are not those of MintPy's file; empty when they all are.

    Parameters
    ----------
    target : zarr.abc.store.Store
        Where the group is.
    product : str
        A product of `variables.PRODUCTS`.
    file : MintPyFile
        What it was made from; NaN equals NaN.
    """
    published = dict(zarr.open_group(target, mode="r", zarr_format=3, use_consolidated=True).arrays())
    problems = []
    if file.dates and not _same_dates(published, file):
        problems.append(f"the dates are not those of {file.path.name}")
    for dataset, reader in file.datasets.items():
        name = describe_dataset(product, dataset, file.dims(dataset)).name
        problem = _difference(published.get(name), reader)
        if problem:
            problems.append(f"{name} {problem} dataset {dataset} of {file.path.name}")
    return problems


def _same_dates(published: Mapping[str, zarr.Array[Any]], file: MintPyFile) -> bool:
    if "time" not in published:
        return False
    stored, dates = published["time"], time_axis(file)
    same_unit = all(stored.attrs.get(name) == dates.attrs[name] for name in ("units", "calendar"))
    return same_unit and np.array_equal(np.asarray(stored[:]), dates.data[:])


def _difference(array: zarr.Array[Any] | None, reader: BlockReader) -> str | None:
    """Return how a published array differs from its HDF5 dataset, or None."""
    if array is None:
        return "is missing, unlike"
    if (array.shape, array.dtype) != (reader.shape, reader.dtype):
        return f"is {array.dtype}{array.shape}, unlike"

    def count(block: tuple[slice, ...]) -> int:
        return _count_wrong(np.asarray(array[block]), reader[block])

    with ThreadPoolExecutor(thread_count()) as pool:
        wrong = sum(pool.map(count, blocks(array.shape, array.chunks, array.dtype.itemsize, COMPARED_BYTES)))
    return f"differs in {wrong} of {array.size} values from" if wrong else None


def _count_wrong(left: NDArray[Any], right: NDArray[Any]) -> int:
    different = left != right
    if left.dtype.kind == "f":
        different &= ~(np.isnan(left) & np.isnan(right))
    return int(np.count_nonzero(different))
