"""Opening what was published.

Belongs here: opening what an item names, and the errors of a reader. Does not belong here: writing (`zarr_product`),
checking (`verify`), the series at a place (`point`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xarray as xr

from sbas_assets.errors import InputError
from sbas_assets.published.current import read_current, resolve
from sbas_assets.published.manifest import damaged
from sbas_assets.published.product_version import FRAME_KEY, RADAR, ProductVersion, by_name
from sbas_assets.published.stac_reading import FrameVersion, read_item
from sbas_assets.published.store import DATA, ITEM, Store, open_store, store_faults
from sbas_assets.workspace import Settings


def open_frame(
    key_or_url: str, version: str | None = None, *, storage_options: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """Open everything of a frame lazily, as one dataset.

    Parameters
    ----------
    key_or_url : str
        The key of a frame in ``$SBAS_STORE``; or where a frame is, such as ``s3://bucket/store/T071D_santorini``, its
        ``item.json`` included or not. A public bucket needs no credentials.
    version : str, optional
        A version of the frame, its first digits, or a tag; the current one when None. The dataset stays on that
        version whatever is published later.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    xarray.Dataset
        Dask arrays, in the chunks that the store is asked for, so that the history of a pixel is two requests and
        no whole shard; dims ``(time, y, x)``; ``displacement`` (m, positive toward the satellite), ``velocity``
        (m/year), ``temporalCoherence``, ``maskTempCoh``, ``height`` (m), ... as docs/products.md lists them.
        ``spatial_ref`` is a coordinate, so rioxarray finds the CRS. A name that two products have gets the product's
        before it.

    Raises
    ------
    InputError
        ``product-not-published``: names what there is; ``version-unknown``, ``version-ambiguous``. Or a fault of the
        store, as in `store.store_faults`.
    OutsideError
        ``product-damaged``: it is named but not there. Or a fault of the store.
    """
    store, frame = _find_frame(key_or_url, storage_options)
    with store_faults(store.url):
        facts = item_facts(store, frame, version)
        shown = [stored for stored in facts.products if not stored.product.endswith(RADAR)]
        # each asks the store some times, one after the other
        with ThreadPoolExecutor(len(shown)) as pool:
            found = pool.map(lambda stored: open_stored(store, frame, stored, {}), shown)
            opened = {stored.product: data for stored, data in zip(shown, found, strict=True)}
    taken: set[str] = set()
    for name, data in opened.items():
        both = {str(variable): f"{name}_{variable}" for variable in data.data_vars if variable in taken}
        opened[name] = data.rename(both)
        taken |= set(map(str, opened[name].data_vars))
    merged = xr.merge(opened.values(), compat="override", join="exact", combine_attrs="drop_conflicts")
    return merged.assign_attrs(version=facts.version)


def open_product(
    store_url: str,
    frame: str,
    product: str,
    version: str | None = None,
    *,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open one published product lazily, with all its attributes.

    Parameters
    ----------
    store_url : str
        Folder or fsspec URL.
    frame, product : str
        What to open.
    version : str, optional
        A version of the frame, as in `open_frame`.
    storage_options : mapping, optional
        Given to fsspec.

    Returns
    -------
    xarray.Dataset
        As `open_frame`'s.

    Raises
    ------
    InputError, OutsideError
        As `open_frame`'s.
    """
    store = open_store(store_url, storage_options)
    with store_faults(store_url):
        stored = by_name(item_facts(store, frame, version).products).get(product)
        if stored is None:
            raise not_published(store, frame, product)
        return open_stored(store, frame, stored, {})


def list_products(store_url: str, frame: str, *, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """Return the names of a frame's published products, sorted; empty when there are none."""
    store = open_store(store_url, storage_options)
    with store_faults(store_url):
        return _products(store, frame)


def _find_frame(key_or_url: str, storage_options: Mapping[str, Any] | None) -> tuple[Store, str]:
    """Return the store and the frame's key that a reader means."""
    if re.fullmatch(FRAME_KEY, key_or_url):
        return open_store(Settings.from_env().store, storage_options), key_or_url
    url = key_or_url.removesuffix(f"/{ITEM}").rstrip("/")
    above, _, frame = url.rpartition("/")
    # s3://T071D_santorini is a bucket, not a frame in one
    if not above or above.endswith(":/") or not re.fullmatch(FRAME_KEY, frame):
        raise InputError(
            "frame-url-invalid",
            f"{key_or_url!r} is neither a frame's key nor the URL of a frame",
            mend="give a key, or a URL that ends in one, such as s3://bucket/store/T071D_santorini",
        )
    return open_store(above, storage_options), frame


def item_facts(store: Store, frame: str, version: str | None) -> FrameVersion:
    """Return what the item that a reader asks for says, or raise as `open_frame` does."""
    item = resolve(store, frame, version)
    if item is None:
        raise not_published(store, frame, "the frame")
    return read_item(item)


def open_stored(store: Store, frame: str, stored: ProductVersion, chunks: dict[str, int] | None) -> xr.Dataset:
    """Open one version of a product, with Dask arrays or, with None for `chunks`, without."""
    path = store.path(stored.folder, DATA)
    try:
        # who is not told the format asks for the metadata of the older one too
        data: xr.Dataset = xr.open_zarr(
            store.zarr(path), consolidated=True, zarr_format=3, decode_coords="all", chunks=chunks
        )
    except (FileNotFoundError, ValueError) as error:
        raise damaged(path, frame, f"the published version cannot be opened: {error}") from error
    return data


def not_published(store: Store, frame: str, wanted: str) -> InputError:
    """Return the error for something that is not there, which says what is."""
    products = _products(store, frame)
    if products:
        there = f"this frame has {', '.join(products)}"
    else:
        frames = [name for name in store.folders(store.root) if _products(store, name)]
        there = f"the store has the frames {', '.join(frames)}" if frames else "the store is empty"
    mend = f"materialise the frame's published assets, or check SBAS_STORE ({store.url})"
    return InputError("product-not-published", f"{wanted} is not published; {there}", mend=mend, frame=frame)


def _products(store: Store, frame: str) -> list[str]:
    current = read_current(store, frame)
    return sorted(by_name(read_item(current.item).products)) if current else []
