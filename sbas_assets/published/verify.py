"""Checking a published product: against its manifest, and number by number against MintPy's file.

Belongs here: finding out that something is wrong, and saying what. Does not belong here: mending it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sbas_assets.errors import OutsideError
from sbas_assets.published.manifest import chunk_problems, decode_manifest, manifest_problems
from sbas_assets.published.mintpy_file import open_mintpy
from sbas_assets.published.pointer import Pointer, read_pointer
from sbas_assets.published.store import MANIFEST, Store, open_store, store_faults
from sbas_assets.published.values import value_problems

# Bytes that a thread compares at once; it holds a few copies of them.
COMPARED_BYTES = 16_000_000


def verify_product(
    store_url: str,
    frame: str,
    product: str,
    source: Path | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> list[str]:
    """Check that a product's latest version is whole, and equal to MintPy's file.

    Parameters
    ----------
    store_url : str
        Folder or fsspec URL.
    frame, product : str
        What to check.
    source : Path, optional
        The HDF5 file that it was made from: every dataset is compared exactly, NaN being equal to NaN.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    list of str
        What is wrong, in words; empty when nothing is.

    Raises
    ------
    InputError, OutsideError
        A fault of the store, as in `store.store_faults`; ``product-source-missing`` or
        ``product-source-invalid`` for the source.
    """
    store = open_store(store_url, storage_options)
    with store_faults(store_url):
        try:
            pointer = read_pointer(store, frame, product)
        except OutsideError as error:
            return [str(error)]
        if pointer is None:
            return [f"{product} of frame {frame} is not published in {store_url}"]
        problems = _stored_problems(store, pointer)
    # Damaged chunks cannot be decoded, so there is nothing to compare.
    if problems or source is None:
        return problems
    with open_mintpy(source) as file, store_faults(store_url):
        target = store.zarr(store.path(pointer.path), read_only=True)
        return value_problems(target, pointer.product, file)


def _stored_problems(store: Store, pointer: Pointer) -> list[str]:
    folder = store.path(pointer.folder)
    data = store.read(f"{folder}/{MANIFEST}")
    if data is None:
        return [f"{pointer.folder}/{MANIFEST} is missing"]
    try:
        manifest = decode_manifest(data)
    except ValueError as error:
        return [f"{pointer.folder}/{MANIFEST} cannot be read: {error}"]
    problems = manifest_problems(store, folder, manifest) + chunk_problems(manifest, pointer.arrays)
    if manifest.sha256 != pointer.sha256:
        problems.append(f"{pointer.folder}/{MANIFEST} is not the one that the pointer names")
    return problems
