"""Checking what is published: against its manifests, and number by number against MintPy's files.

Belongs here: finding out that something is wrong, and saying what. Does not belong here: mending it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.current import read_current, resolve
from sbas_assets.published.frame_version import incomplete
from sbas_assets.published.manifest import chunk_problems, full_problems, quick_problems, read_manifest
from sbas_assets.published.mintpy_file import open_mintpy
from sbas_assets.published.product_version import RADAR, ProductVersion, by_name
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import DATA, MANIFEST, Store, open_store, store_faults
from sbas_assets.published.values import value_problems
from sbas_assets.published.zarr_writer import count_objects


def verify_product(
    store_url: str,
    stored: ProductVersion,
    source: Path | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> list[str]:
    """Check that a version of a product is whole, and equal to MintPy's file. Everything is read.

    Parameters
    ----------
    store_url : str
        Folder or fsspec URL.
    stored : ProductVersion
        What to check.
    source : Path, optional
        The HDF5 file that it was made from: every dataset is compared, NaN being equal to NaN.
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
        problems = stored_problems(store, stored, quick=False)
    # Damaged chunks cannot be decoded, so there is nothing to compare.
    if problems or source is None:
        return problems
    with open_mintpy(source) as file, store_faults(store_url):
        target = store.zarr(store.path(stored.folder, DATA))
        return value_problems(target, stored.product.removesuffix(RADAR), file)


def stored_problems(store: Store, stored: ProductVersion, *, quick: bool) -> list[str]:
    """Return what is wrong with the objects of a product; where a listing tells enough, `quick` reads none."""
    folder = store.path(stored.folder)
    try:
        manifest = read_manifest(store, folder)
    except ValueError as error:
        return [f"{stored.folder}/{MANIFEST} cannot be read: {error}"]
    if manifest is None:
        return [f"{stored.folder}/{MANIFEST} is missing"]
    if manifest.sha256 != stored.manifest_sha256:
        return [f"{stored.folder}/{MANIFEST} is not the one that was published"]
    problems = (quick_problems if quick else full_problems)(store, folder, manifest)
    return problems or chunk_problems(manifest, count_objects(store.zarr(f"{folder}/{DATA}")))


def verify_frame(
    store_url: str,
    frame: str,
    version: str | None = None,
    sources: Mapping[str, tuple[str, Path]] | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, list[str]]:
    """Check everything that a version of a frame consists of.

    Parameters
    ----------
    store_url : str
        Folder or fsspec URL.
    frame : str
        The frame's key.
    version : str, optional
        A version, its first digits, or a tag; the current one when None.
    sources : mapping, optional
        Data version and HDF5 file of each product, where they are at hand: the numbers are compared too where the
        data version is the published one.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    dict
        What is wrong with each product, and under ``item`` with the item itself.

    Raises
    ------
    InputError, OutsideError
        ``product-not-published``, ``version-unknown``, ``version-ambiguous``; a fault of the store.
    """
    store = open_store(store_url, storage_options)
    with store_faults(store_url):
        try:
            item = resolve(store, frame, version)
        except OutsideError as error:
            return {"item": [str(error)]}
        if item is None:
            raise InputError(
                "product-not-published",
                f"nothing of this frame is published in {store_url}",
                mend="run the frame, or check SBAS_STORE",
                frame=frame,
            )
        current = read_current(store, frame) if version is None else None
        found = {"item": incomplete(store, current) if current else []}
    for name, stored in by_name(read_item(item).products).items():
        made, source = (sources or {}).get(name, (None, None))
        same = source if made == stored.version else None
        found[name] = verify_product(store_url, stored, same, storage_options=storage_options)
    return found
