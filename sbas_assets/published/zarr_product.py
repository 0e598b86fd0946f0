"""Publishing a MintPy product as a versioned Zarr store, and checking what was published.

Belongs here: the order of writing (data, manifest, pointer) and its verification. Does not belong here: names and
units (`variables`), the CF dataset (`cf_dataset`), faults of stores (`store`), readers (`reading`).

A version is immutable: a folder that the pointer names, or that any reader may have open, is never written again.
One process publishes a product at a time; the frame's lock sees to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import zarr

from sbas_assets.errors import OutsideError
from sbas_assets.published.arrays import Array
from sbas_assets.published.cf_dataset import build_arrays, root_attributes
from sbas_assets.published.manifest import (
    Manifest,
    chunk_problems,
    decode_manifest,
    make_manifest,
    manifest_problems,
)
from sbas_assets.published.mintpy_file import open_mintpy
from sbas_assets.published.pointer import (
    ArrayLayout,
    Pointer,
    Published,
    damaged,
    read_pointer,
    write_pointer,
)
from sbas_assets.published.store import DATA, MANIFEST, Store, open_store, store_faults
from sbas_assets.published.variables import primary_variable
from sbas_assets.published.zarr_writer import write_group

FRAME_KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
VERSION = r"[0-9a-f]{1,64}"

Task = tuple[zarr.Array[Any], Array, tuple[slice, ...]]


def write_product(  # noqa: PLR0917 (the order of the folders it writes)
    source: Path,
    product: str,
    store_url: str,
    frame: str,
    version: str,
    provenance: Mapping[str, Any],
    *,
    max_memory_gb: float,
    geometry: Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Published:
    """Publish one MintPy HDF5 product; the same source and arguments give the same bytes.

    Parameters
    ----------
    source : Path
        MintPy's HDF5 file, in map coordinates (``Y_FIRST`` ...) or in radar coordinates.
    product : str
        A product of `variables.PRODUCTS`.
    store_url : str
        Folder or fsspec URL.
    frame : str
        The frame's key.
    version : str
        Lower-case hexadecimal data version.
    provenance : mapping
        Written to the group as JSON; its ``history``, if any, becomes the CF history.
    max_memory_gb : float
        Memory that blocks may take.
    geometry : Path, optional
        ``geometryRadar.h5``, for the latitude and longitude of a product in radar coordinates.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    Published
        Where it is, its checksum and sizes, and whether a complete version was there already.

    Raises
    ------
    InputError
        ``product-unknown``, ``product-source-missing``, ``product-source-invalid``, ``store-permission``,
        ``store-bucket-missing``, ``store-url-invalid``.
    OutsideError
        ``store-unreachable``, ``store-full``, ``product-damaged``: written, but not there when read back.
    ValueError
        The frame's key or the version is malformed.
    """
    if not re.fullmatch(FRAME_KEY, frame) or not re.fullmatch(VERSION, version):
        raise ValueError(f"malformed frame key {frame!r} or version {version!r}")
    primary_variable(product)
    store = open_store(store_url, storage_options)
    with ExitStack() as stack:
        file = stack.enter_context(open_mintpy(source))
        places = stack.enter_context(open_mintpy(geometry)) if geometry else None
        arrays = build_arrays(file, product, places)
        attributes = root_attributes(file, product, frame, version, provenance)

        def write(folder: str) -> None:
            # a block is in memory as read, as a contiguous copy and as compressed chunks
            target = store.zarr(store.path(folder, DATA), read_only=False)
            write_group(target, arrays, attributes, int(max_memory_gb * 1e9 / 4))

        stack.enter_context(store_faults(store_url))
        return _publish(store, write, frame, product, version)


def _publish(store: Store, write: Callable[[str], None], frame: str, product: str, version: str) -> Published:
    """Write the version unless it is there complete, then move the pointer."""
    try:
        pointed, removable = read_pointer(store, frame, product), store.is_local
    except OutsideError:
        # a pointer that cannot be read is replaced below; which folder its readers had open, nobody knows any more
        pointed, removable = None, False
    folder, manifest = _find_place(store, f"{frame}/{product}/{version}", pointed, removable=removable)
    reused = manifest is not None
    if manifest is None:
        write(folder)
        manifest = make_manifest(store, store.path(folder))
    arrays = _layouts(store, folder)
    if missing := chunk_problems(manifest, arrays):
        raise damaged(store.path(folder), frame, f"not all that was written is there: {'; '.join(missing)}")
    if not reused:
        store.put(store.path(folder, MANIFEST), manifest.encode())
    pointer = Pointer(version, f"{folder}/{DATA}", product, frame, arrays, manifest.sha256)
    if pointer != pointed:
        write_pointer(store, pointer)
    return Published(store.url, pointer, len(manifest.objects), manifest.n_bytes, reused)


def _find_place(store: Store, first: str, pointed: Pointer | None, *, removable: bool) -> tuple[str, Manifest | None]:
    """Return an empty folder for the version, or the folder that holds it complete and its manifest.

    What a killed run left is removed from a local store. In an object store chunks of a failed attempt can arrive
    after its exception, so its folder is left alone and the next attempt goes beside it; so does one that would
    repair, under its readers, the folder that the pointer names.
    """
    for attempt in count():
        folder = first + (f"-{attempt}" if attempt else "")
        full = store.path(folder)
        if not store.sizes(full):
            return folder, None
        if manifest := _intact_manifest(store, full):
            return folder, manifest
        if removable and (pointed is None or pointed.folder != folder):
            store.remove_local(full)
            return folder, None
    raise AssertionError("count() never ends")


def _intact_manifest(store: Store, folder: str) -> Manifest | None:
    """Return a version's manifest when all that it lists is there unchanged, else None."""
    data = store.read(f"{folder}/{MANIFEST}")
    try:
        manifest = decode_manifest(data) if data is not None else None
    except ValueError:
        return None
    return manifest if manifest and not manifest_problems(store, folder, manifest) else None


def _layouts(store: Store, folder: str) -> dict[str, ArrayLayout]:
    """Return the layout of every array in a version, by name."""
    group = zarr.open_group(store.zarr(store.path(folder, DATA), read_only=True), mode="r")
    return {
        name: ArrayLayout(tuple(array.shape), tuple(array.chunks), int(array.nchunks))
        for name, array in sorted(group.arrays())
    }
