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

from sbas_assets.published import rounding
from sbas_assets.published.arrays import Array, blocks
from sbas_assets.published.cf_dataset import build_arrays
from sbas_assets.published.line_of_sight import TOLERANCE, LineOfSight
from sbas_assets.published.mintpy_file import MintPyFile
from sbas_assets.published.overviews import Level
from sbas_assets.published.variables import describe_dataset, primary_variable
from sbas_assets.threads import thread_count

# Bytes that a thread compares at once; it holds a few copies of them.
COMPARED_BYTES = 16_000_000
_TIME = ("units", "calendar")

Stored = Mapping[str, zarr.Array[Any]]


def value_problems(
    target: ZarrStore, product: str, file: MintPyFile, *, geometry: MintPyFile | None = None
) -> list[str]:
    """Return in words where a group's numbers are not those of MintPy's file; empty when they all are.

    Every stored array is looked at: those of datasets and their copies must equal the file, rounded if they say so;
    coarser levels must be what the level above gives; what is derived must be what the file gives.

    Parameters
    ----------
    target : zarr.abc.store.Store
        Where the group is.
    product : str
        A product of `variables.PRODUCTS`.
    file : MintPyFile
        What it was made from; NaN equals NaN.
    geometry : MintPyFile, optional
        Where latitude and longitude of a product in radar coordinates came from; None: these two are not compared.
    """
    group = zarr.open_group(target, mode="r", zarr_format=3, use_consolidated=True)
    stored = {path: node for path, node in group.members(max_depth=None) if isinstance(node, zarr.Array)}
    try:
        bits = _stated_bits(stored.get(primary_variable(product).name))
        expected = build_arrays(file, product, geometry, mantissa_bits=bits)
    except ValueError as error:
        return [f"its rounding cannot be: {error}"]
    sources = _sources(product, file)
    problems: list[str] = []
    bad: set[str] = set()
    for path, array in expected.items():
        # an array whose original is wrong, or which is made of a wrong one, is not looked at
        if bad & {path.rpartition("/")[2], array.above}:
            bad.add(path)
        elif found := _problem(stored, path, array):
            bad.add(path)
            problems.append(_words(path, found, array, sources, file))
    unknown = stored.keys() - expected.keys() - ({"latitude", "longitude"} if geometry is None else set())
    return [*problems, *(f"{path} is not of {file.path.name}" for path in sorted(unknown))]


def _stated_bits(primary: zarr.Array[Any] | None) -> int | None:
    """Return how many bits of mantissa the numbers of a product keep, as it says itself."""
    bits = None if primary is None else primary.attrs.get(rounding.STATED)
    return None if bits is None else rounding.check_bits(bits)  # type: ignore[arg-type]


def _sources(product: str, file: MintPyFile) -> dict[str, str]:
    """Return the dataset of each published array that has one."""
    return {describe_dataset(product, dataset, file.dims(dataset)).name: dataset for dataset in file.datasets}


def _words(path: str, found: str, array: Array, sources: Mapping[str, str], file: MintPyFile) -> str:
    if path == "time" and not found.startswith("is missing"):
        return f"the dates are not those of {file.path.name}"
    if array.above is not None:
        return f"{path} {found} {array.above}, of which it is a coarser level"
    dataset = sources.get(path.rpartition("/")[2])
    return f"{path} {found} {f'dataset {dataset} of ' if dataset else 'what is made of '}{file.path.name}"


def _problem(stored: Stored, path: str, array: Array) -> str | None:
    """Return how a stored array differs from what it should be, or None."""
    found = stored.get(path)
    if found is None:
        return "is missing, unlike"
    shape, dtype = array.data.shape, array.data.dtype
    if (found.shape, found.dtype) != (shape, dtype):
        return f"is {found.dtype}{found.shape}, unlike"
    if array.dims == ("time",) and any(found.attrs.get(name) != array.attrs.get(name) for name in _TIME):
        return "has another unit than"
    data, tolerance = array.data, TOLERANCE if isinstance(array.data, LineOfSight) else 0.0
    if array.above is not None and isinstance(data, Level):
        # of the level as it is stored: what was derived may differ in its last bit from what is computed here
        data = Level(stored[array.above], data.rule)  # type: ignore[arg-type]

    def count(block: tuple[slice, ...]) -> int:
        return _count_wrong(np.asarray(found[block]), np.asarray(data[block]), tolerance)

    with ThreadPoolExecutor(thread_count()) as pool:
        wrong = sum(pool.map(count, blocks(shape, array.unit, dtype.itemsize, COMPARED_BYTES)))
    return f"differs in {wrong} of {found.size} values from" if wrong else None


def _count_wrong(left: NDArray[Any], right: NDArray[Any], tolerance: float) -> int:
    different = left != right if tolerance == 0 else ~(abs(left - right) <= tolerance)
    if left.dtype.kind == "f":
        different &= ~(np.isnan(left) & np.isnan(right))
    return int(np.count_nonzero(different))
