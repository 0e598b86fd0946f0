"""Writing one version of a MintPy product into a store, and proving that it is whole and right.

Belongs here: the order of writing (chunks, metadata, manifest) and what is proved before the manifest is written.
Does not belong here: names and units (`variables`), the CF dataset (`cf_dataset`), faults of stores (`store`), which
version readers see (`current`), readers (`reading`).

A version is immutable: its folder is named after what decides its content. A manifest is written last, so a folder
without one was never finished; the next attempt goes on with the objects that are there and right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sbas_assets.published.cf_dataset import build_arrays, root_attributes
from sbas_assets.published.cloud_geotiff import COG_PRODUCTS, cog_problems, write_cog
from sbas_assets.published.manifest import Manifest, chunk_problems, damaged, quick_problems, read_manifest
from sbas_assets.published.mintpy_file import MintPyFile, open_mintpy
from sbas_assets.published.product_version import FRAME_KEY, RADAR, VERSION, ProductVersion
from sbas_assets.published.recording import RecordingStore
from sbas_assets.published.store import DATA, MANIFEST, Store, open_store, store_faults
from sbas_assets.published.values import value_problems
from sbas_assets.published.variables import primary_variable
from sbas_assets.published.zarr_writer import count_objects, write_group


@dataclass(frozen=True)
class Written:
    """A version that is in the store.

    Parameters
    ----------
    stored : ProductVersion
        Where it is, its checksum and sizes.
    store_url : str
        The store.
    reused : bool
        True when it was there already, complete and unchanged.
    """

    stored: ProductVersion
    store_url: str
    reused: bool

    @property
    def url(self) -> str:
        """URL of the Zarr group, for ``xarray.open_zarr``."""
        return f"{self.store_url.rstrip('/')}/{self.stored.folder}/{DATA}"


def write_product(  # noqa: PLR0917 (the order of the folders it writes)
    source: Path,
    product: str,
    store_url: str,
    frame: str,
    version: str,
    provenance: Mapping[str, Any],
    *,
    max_memory_gb: float,
    scratch: Path | None = None,
    geometry: Path | None = None,
    beside: bool = False,
    mantissa_bits: int | None = None,
    earlier: ProductVersion | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Written:
    """Write one MintPy HDF5 product; the same source and arguments give the same bytes. No reader sees it yet.

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
    scratch : Path, optional
        An existing folder for files on their way; the system's when None.
    geometry : Path, optional
        ``geometryRadar.h5``, for the latitude and longitude of a product in radar coordinates.
    beside : bool
        It is the radar original of a geocoded product, and gets a name of its own.
    mantissa_bits : int, optional
        Bits of the mantissa that float32 numbers keep; all when None.
    earlier : ProductVersion, optional
        A version that may have objects in common with this one; it need not be there any more.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    Written
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
    store, name = open_store(store_url, storage_options), product + (RADAR if beside else "")
    folder = f"{frame}/{name}/{version}"
    with ExitStack() as stack:
        file = stack.enter_context(open_mintpy(source))
        places = stack.enter_context(open_mintpy(geometry)) if geometry else None
        stack.enter_context(store_faults(store_url))
        manifest = _intact_manifest(store, store.path(folder))
        reused = manifest is not None
        if manifest is None:
            target = RecordingStore(store, store.path(folder), store.path(earlier.folder) if earlier else None)
            arrays = build_arrays(file, product, places, mantissa_bits=mantissa_bits)
            attributes = root_attributes(file, product, frame, version, provenance, geometry=places)
            # a block is in memory as read, as a contiguous copy and as compressed chunks
            write_group(target, arrays, attributes, int(max_memory_gb * 1e9 / 4))
            _write_map(target, file, product, attributes, scratch)
            manifest = _proved(store, folder, target.finish(), product, file, places=places)
            store.put(store.path(folder, MANIFEST), manifest.encode())
    size = len(manifest.encode())
    stored = ProductVersion(name, version, folder, manifest.sha256, size, len(manifest.objects), manifest.n_bytes)
    return Written(stored, store_url, reused)


def _write_map(
    target: RecordingStore, file: MintPyFile, product: str, attributes: Mapping[str, Any], scratch: Path | None
) -> None:
    """Add the Cloud-Optimized GeoTIFF of a product that has one."""
    if product not in COG_PRODUCTS:
        return
    with TemporaryDirectory(dir=scratch) as folder:
        name = f"{primary_variable(product).name}.tif"
        cog = write_cog(file, product, Path(folder) / name, attributes)
        if cog is not None:
            target.put(name, cog.read_bytes())


def _intact_manifest(store: Store, folder: str) -> Manifest | None:
    """Return a version's manifest when all that it lists is there unchanged, else None."""
    try:
        manifest = read_manifest(store, folder)
    except ValueError:
        return None
    return manifest if manifest and not quick_problems(store, folder, manifest) else None


def _proved(
    store: Store, folder: str, manifest: Manifest, product: str, file: MintPyFile, *, places: MintPyFile | None
) -> Manifest:
    """Compare what the store holds with what was sent, and every number with MintPy's file.

    Zarr reads a chunk that is not there as fill, without a word.

    Returns
    -------
    Manifest
        With the tags that the store gave the objects.

    Raises
    ------
    OutsideError
        ``product-damaged``.
    """
    full = store.path(folder)
    there = store.listing(full)
    problems = quick_problems(store, full, manifest, there)
    target = store.zarr(f"{full}/{DATA}")
    problems = problems or chunk_problems(manifest, count_objects(target))
    problems = problems or value_problems(target, product, file, geometry=places)
    for item in manifest.objects:
        if item.name.endswith(".tif") and not problems:
            problems = cog_problems(store.read(f"{full}/{item.name}") or b"", file, product)
    if problems:
        raise damaged(full, folder.split("/", 1)[0], f"not all that was written is there: {'; '.join(problems)}")
    return Manifest(tuple(replace(item, tag=there[item.name].tag) for item in manifest.objects))
