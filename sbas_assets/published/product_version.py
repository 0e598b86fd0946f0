"""What is known of one version of one product in a store; immutable, whole, and compared with its HDF5 file.

Belongs here: the fields that an item names, and that travel from the asset that wrote them to the one that publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

FRAME_KEY = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
VERSION = r"[0-9a-f]{1,64}"
RADAR = "_radar"
"""Behind the name of a product in radar geometry that is published beside the geocoded one."""


@dataclass(frozen=True)
class ProductVersion:
    """One version of one product.

    Parameters
    ----------
    product : str
        Its name in the store, such as ``velocity``; with ``_radar`` behind it in radar geometry beside a geocoded one.
    version : str
        Data version, hexadecimal.
    folder : str
        Where it is, relative to the store: ``<frame>/<product>/<version>``. It holds ``data.zarr/``, ``manifest.json``
        and, for a map, its Cloud-Optimized GeoTIFFs.
    manifest_sha256 : str
        Checksum of ``manifest.json``, and so of every object that it lists.
    manifest_size : int
        Bytes of ``manifest.json``.
    n_objects, n_bytes : int
        Objects that the manifest lists, and their size together in bytes.
    """

    product: str
    version: str
    folder: str
    manifest_sha256: str
    manifest_size: int
    n_objects: int
    n_bytes: int

    def as_fact(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_fact(cls, fact: Mapping[str, Any]) -> ProductVersion:
        """Return what `as_fact` made."""
        return cls(**fact)


def by_name(products: Iterable[ProductVersion]) -> dict[str, ProductVersion]:
    """Return versions of products by the product's name."""
    return {product.product: product for product in products}
