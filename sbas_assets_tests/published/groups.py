"""A product as a Zarr group in a folder, without versions, manifests or items: what tests of the arrays need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from zarr.storage import LocalStore

from sbas_assets.published.cf_dataset import build_arrays, root_attributes
from sbas_assets.published.mintpy_file import open_mintpy
from sbas_assets.published.values import value_problems
from sbas_assets.published.zarr_writer import write_group

from .conftest import DATES, GEO, PROVENANCE, displacement, write_mintpy


def write(
    folder: Path, source: Path, product: str, *, mantissa_bits: int | None = None, max_bytes: int = 10**9
) -> Path:
    """Write a product's group; returns the folder."""
    with open_mintpy(source) as file:
        arrays = build_arrays(file, product, None, mantissa_bits=mantissa_bits)
        attributes = root_attributes(file, product, "T109D_test", "a1", PROVENANCE)
        write_group(LocalStore(folder), arrays, attributes, max_bytes)
    return folder


def problems(folder: Path, source: Path, product: str, geometry: Path | None = None) -> list[str]:
    """Compare a group with its source."""
    with open_mintpy(source) as file:
        if geometry is None:
            return value_problems(LocalStore(folder, read_only=True), product, file)
        with open_mintpy(geometry) as places:
            return value_problems(LocalStore(folder, read_only=True), product, file, geometry=places)


def series(path: Path, shape: tuple[int, int], dates: int = len(DATES), **attributes: object) -> Path:
    """Write a geocoded time series of some size as MintPy does."""
    numbers = {"timeseries": displacement(shape, dates), "date": np.array(DATES[:dates], "S8")}
    size = {"LENGTH": shape[0], "WIDTH": shape[1], "FILE_TYPE": "timeseries", "UNIT": "m"}
    return write_mintpy(path, numbers, **{**GEO, **size, **attributes})


def maps(path: Path, shape: tuple[int, int], names: tuple[str, ...], dtype: type = np.float32, **attributes) -> Path:
    """Write geocoded maps of some size, with pixels outside the image and pixels that were not inverted."""
    rng = np.random.default_rng(5)
    numbers = {}
    for name in names:
        data = rng.normal(10, 3, shape)
        if dtype is np.float32:
            data[: shape[0] // 5], data[-7:, -9:] = np.nan, 0
        numbers[name] = data.astype(dtype) if dtype is not bool else data > 10
    return write_mintpy(path, numbers, **{**GEO, "LENGTH": shape[0], "WIDTH": shape[1], **attributes})
