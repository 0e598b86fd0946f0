"""A published product as its STAC item sees it: what is stored of it, and what its Zarr metadata say.

Belongs here: reading the metadata of a Zarr group (consolidated, as JSON). Does not belong here: anything of STAC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyproj import CRS

from sbas_assets.published.manifest import Manifest
from sbas_assets.published.product_version import ProductVersion


@dataclass(frozen=True)
class MapGrid:
    """Where the pixels of a geocoded product are.

    Parameters
    ----------
    code, wkt2 : str or None
        The CRS: its authority's code, such as ``EPSG:32635``, or its WKT where no authority has one.
    transform : tuple of float
        Affine transformation in rasterio's order, from the outer corner of the first pixel, in the CRS' unit.
    shape : tuple of int
        Rows and columns.
    bbox : tuple of float
        Outer edges in the CRS' unit: least x, least y, greatest x, greatest y.
    """

    code: str | None
    wkt2: str | None
    transform: tuple[float, ...]
    shape: tuple[int, ...]
    bbox: tuple[float, ...]

    @property
    def crs(self) -> CRS:
        """The CRS."""
        return CRS.from_user_input(self.code or self.wkt2)

    def centers(self, axis: str) -> tuple[float, float, float]:
        """Return least center, greatest center and step of the pixels along ``x`` or ``y``, in the CRS' unit."""
        place = 0 if axis == "x" else 1
        step = self.transform[0] if axis == "x" else self.transform[4]
        return self.bbox[place] + abs(step) / 2, self.bbox[place + 2] - abs(step) / 2, step


@dataclass(frozen=True)
class PublishedProduct:
    """One product of a frame version.

    Parameters
    ----------
    stored : ProductVersion
        Where it is, and its checksums.
    manifest : Manifest
        Its objects; those outside ``data.zarr`` are its GeoTIFFs.
    metadata : mapping
        The parsed ``data.zarr/zarr.json``: root attributes and consolidated metadata.
    """

    stored: ProductVersion
    manifest: Manifest
    metadata: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in the store."""
        return self.stored.product

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the Zarr group."""
        attributes: Mapping[str, Any] = self.metadata["attributes"]
        return attributes

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """What the product itself was made from; empty where it does not say."""
        return dict(json.loads(self.attributes.get("provenance", "{}")))

    @property
    def arrays(self) -> dict[str, Mapping[str, Any]]:
        """Metadata of the group's own arrays by name, sorted; not of those of nested groups."""
        return {name: node for name, node in self._nodes if "/" not in name and node["node_type"] == "array"}

    @property
    def levels(self) -> list[str]:
        """Nested groups that hold arrays: the same maps once more, whole and with fewer pixels."""
        nested = {name.rpartition("/")[0] for name, node in self._nodes if node["node_type"] == "array"}
        return sorted(nested - {""})

    @property
    def grid(self) -> MapGrid | None:
        """Where the pixels are; None in radar geometry."""
        found = self.attributes
        if "spatial:transform" not in found:
            return None
        return MapGrid(
            found.get("proj:code"),
            found.get("proj:wkt2"),
            tuple(found["spatial:transform"]),
            tuple(found["spatial:shape"]),
            tuple(found["spatial:bbox"]),
        )

    @property
    def _nodes(self) -> list[tuple[str, Mapping[str, Any]]]:
        return sorted(self.metadata["consolidated_metadata"]["metadata"].items())
