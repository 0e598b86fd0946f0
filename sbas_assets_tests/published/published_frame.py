"""A frame that was published for readers, and how its item alone leads to each product (fixture: `frame_fixtures`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import h5py
import numpy as np
from rasterio.transform import Affine, from_origin

from sbas_assets.published.zarr_product import write_product

from .conftest import FRAME, PROVENANCE, show
from .groups import maps, series

# Wide enough for a coarser level, and for a shard of several chunks.
SIZE = (90, 700)
CORNER = from_origin(25.3, 36.5, 0.002, 0.001)
EPSG = 4326
SIGN = "positive toward the satellite, along the line of sight"


@dataclass(frozen=True)
class PublishedFrame:
    """Where the frame is, and MintPy's files that it was made from, by product."""

    url: str
    sources: dict[str, Path]

    def item(self) -> dict[str, Any]:
        """What a reader finds first, with fsspec alone."""
        with fsspec.open(f"{self.url}/item.json") as file:
            return json.load(file)

    def find(self, asset: str) -> str:
        """The address of an asset, as the item tells it."""
        return f"{self.url}/{self.item()['assets'][asset]['href'].removeprefix('./')}"

    def in_gdal(self, asset: str, array: str = "") -> str:
        """What GDAL calls an asset, or an array of it."""
        path = self.find(asset).replace("s3://", "/vsis3/")
        return f'ZARR:"{path}":/{array}' if array else path

    def numbers(self, product: str, dataset: str) -> np.ndarray:
        """What MintPy computed."""
        with h5py.File(self.sources[product]) as file:
            return file[dataset][:]


def level(number: int) -> Affine:
    """The transform of a coarser level."""
    return CORNER @ Affine.scale(2**number)


def write_sources(folder: Path) -> dict[str, Path]:
    return {
        "timeseries_demErr": series(folder / "geo_timeseries.h5", SIZE),
        "velocity": maps(folder / "geo_velocity.h5", SIZE, ("velocity", "velocityStd")),
        "maskTempCoh": maps(folder / "geo_maskTempCoh.h5", SIZE, ("mask",), bool),
    }


def publish_frame(store: str, sources: dict[str, Path], scratch: Path) -> PublishedFrame:
    where = {"max_memory_gb": 1, "scratch": scratch}
    show(
        store,
        *(write_product(path, name, store, FRAME, "a1", PROVENANCE, **where).stored for name, path in sources.items()),
    )
    return PublishedFrame(f"{store}/{FRAME}", sources)
