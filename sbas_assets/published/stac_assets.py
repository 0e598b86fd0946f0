"""The assets of a STAC item: what a product is, where, and how to check that it is unchanged.

Belongs here: names, media types, roles, checksums. A Zarr group is many objects; its checksum is the manifest's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pystac import Asset, MediaType

from sbas_assets.published.manifest import StoredObject
from sbas_assets.published.stac_cube import Cube
from sbas_assets.published.stac_product import MapGrid, PublishedProduct
from sbas_assets.published.store import DATA, MANIFEST

ZARR = "application/vnd.zarr; version=3"
THUMBNAIL = "thumbnail"
MANIFEST_SUFFIX = "-manifest"
# multihash: SHA-256, of 32 bytes
MULTIHASH = "1220"

_ROLES = {
    "timeseries_demErr": ["data", "los_displacement"],
    "velocity": ["data", "los_velocity"],
    "temporalCoherence": ["data", "coherence"],
    "avgSpatialCoh": ["data", "coherence"],
    "maskTempCoh": ["data", "data-mask"],
}


def product_assets(frame: str, product: PublishedProduct) -> dict[str, Asset]:
    """Return the assets of a product by name, their addresses relative to the frame's folder.

    Raises
    ------
    ValueError
        The product is not in the frame's folder.
    """
    if not product.stored.folder.startswith(f"{frame}/"):
        raise ValueError(f"{product.stored.folder} is not in the folder of {frame}")
    folder = "./" + product.stored.folder.removeprefix(f"{frame}/")
    named = {"version": product.stored.version, "sbas:product": product.name}
    more = {"sbas:levels": product.levels} if product.levels else {}
    data = Asset(
        f"{folder}/{DATA}",
        title=f"{product.name} as Zarr",
        media_type=ZARR,
        roles=_roles(product.name),
        extra_fields=named | more,
    )
    return {
        product.name: data,
        product.name + MANIFEST_SUFFIX: _manifest(product, folder, named),
        **_geotiffs(product, folder, named),
    }


def thumbnail_asset(version: str, thumbnail: StoredObject) -> Asset:
    """Return the asset of a version's picture."""
    href = f"./versions/{version}/{PurePosixPath(thumbnail.name).name}"
    fields = _file(thumbnail.size, thumbnail.sha256)
    return Asset(href, title="Thumbnail", media_type=MediaType.PNG, roles=["thumbnail"], extra_fields=fields)


def describe_apart(asset: Asset, product: PublishedProduct, cube: Cube) -> None:
    """Give a product that does not lie on the frame's grid its own cube, and its own place."""
    asset.extra_fields |= {"cube:dimensions": cube[0], "cube:variables": cube[1]}
    if product.grid is not None:
        asset.extra_fields |= projection(product.grid)


def projection(grid: MapGrid) -> dict[str, Any]:
    """Return the fields of STAC's projection extension."""
    crs = {"proj:code": grid.code} if grid.code else {"proj:code": None, "proj:wkt2": grid.wkt2}
    place = {"proj:shape": grid.shape, "proj:transform": grid.transform, "proj:bbox": grid.bbox}
    return {**crs, **{name: list(values) for name, values in place.items()}}


def _roles(product: str) -> list[str]:
    return _ROLES.get(product.removesuffix("_radar"), ["data"])


def _manifest(product: PublishedProduct, folder: str, named: Mapping[str, Any]) -> Asset:
    stored = product.stored
    title = f"Objects of {product.name} with their sizes and checksums"
    fields = {**named, "sbas:objects": stored.n_objects, "sbas:bytes": stored.n_bytes}
    fields |= _file(stored.manifest_size, stored.manifest_sha256)
    return Asset(
        f"{folder}/{MANIFEST}", title=title, media_type=MediaType.JSON, roles=["metadata"], extra_fields=fields
    )


def _geotiffs(product: PublishedProduct, folder: str, named: Mapping[str, Any]) -> dict[str, Asset]:
    found = [item for item in product.manifest.objects if item.name.endswith(".tif") and "/" not in item.name]
    assets = {}
    for item in found:
        stem = item.name.removesuffix(".tif")
        name = f"{product.name}-cog" if len(found) == 1 else f"{product.name}-{stem}-cog"
        assets[name] = Asset(
            f"{folder}/{item.name}",
            title=f"{stem} as a Cloud-Optimized GeoTIFF",
            media_type=MediaType.COG,
            roles=_roles(product.name),
            extra_fields={**named, **_file(item.size, item.sha256), "bands": _bands(product, stem)},
        )
    return assets


def _bands(product: PublishedProduct, stem: str) -> list[dict[str, Any]]:
    """Return the one band of a map: a GeoTIFF has a mask as bytes, without a value for no data."""
    array = product.arrays.get(stem)
    if array is None:
        return [{"name": stem}]
    mask = array["data_type"] == "bool"
    texts = {"description": "long_name", "unit": "units"}
    found = {key: array["attributes"][name] for key, name in texts.items() if name in array["attributes"]}
    typed = {"data_type": "uint8"} if mask else {"data_type": array["data_type"], "nodata": "nan"}
    return [{"name": stem, **found, **typed}]


def _file(size: int, sha256: str) -> dict[str, Any]:
    return {"file:size": size, "file:checksum": MULTIHASH + sha256}
