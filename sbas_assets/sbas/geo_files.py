"""A product file on the geographic grid, made of one in radar geometry, block by block.

Which radar pixel a pixel of the grid shows is geocoding.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows, row_blocks, stream
from sbas_assets.sbas.geocoding import DATASET, grid_attributes
from sbas_assets.sbas.geocoding_kernel import take_pixels
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.threads import Share, pixel_threads

# counted for a grid pixel, so that the radar rows behind a block of grid rows are few enough
_BYTES = 32


def geocode_file(
    source: Path, target: Path, pixels: Path, *, lookup: Path, fill: float = np.nan, memory: float = 4.0
) -> None:
    """Resample all images of a product file to the geographic grid; other datasets are copied.

    Parameters
    ----------
    source, target : Path
        Product in radar geometry, and file to write.
    pixels : Path
        What `geocoding.write_radar_pixels` wrote.
    lookup : Path
        `geometryRadar.h5`, for the coordinates of the reference point.
    fill : float
        `mintpy.geocode.fillValue`; in masks False, in whole numbers 0 if it is NaN.
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Raises
    ------
    ValueError
        When the pixels were found for a larger image.

    Notes
    -----
    Source: MintPy `geocode.run_geocode`, `resample.run_resample`.
    """
    from mintpy.utils import readfile

    attributes = readfile.read_attribute(str(source))
    shape = int(attributes["LENGTH"]), int(attributes["WIDTH"])
    with h5py.File(source, "r") as old, h5py.File(pixels, "r") as index:
        where = index[DATASET]
        contents = {
            name: Blank((*item.shape[:-2], *where.shape), item.dtype) if item.shape[-2:] == shape else item[()]
            for name, item in old.items()
        }
        images = [name for name, content in contents.items() if isinstance(content, Blank)]
        attributes = grid_attributes(index, attributes, lookup)
        with product_file(target, attributes, contents) as new, pixel_threads() as share:
            for name in sorted(contents):
                _copy_attributes(old[name], new[name])
            for rows in row_blocks(where.shape[0], _BYTES * where.shape[1], memory):
                wanted = _Wanted.of(where[rows.slice], rows, shape)
                for name in images:
                    _resample(old[name], new[name], wanted, _fitting(fill, old[name].dtype), memory, share)


def _copy_attributes(old: h5py.Dataset, new: h5py.Dataset) -> None:
    """MintPy keeps the unit of a dataset, and nothing else."""
    if "UNIT" in old.attrs:
        new.attrs["UNIT"] = old.attrs["UNIT"]


@dataclass(frozen=True)
class _Wanted:
    """A block of rows of the grid, and where the radar pixels are that it shows."""

    rows: Rows
    pixels: NDArray[np.int32]
    radar: slice
    width: int

    @classmethod
    def of(cls, pixels: NDArray[np.int32], rows: Rows, shape: tuple[int, int]) -> _Wanted:
        shown = pixels[pixels >= 0]
        if not shown.size:
            return cls(rows, pixels.ravel(), slice(0, 0), shape[1])
        if int(shown.max()) >= shape[0] * shape[1]:
            raise ValueError(f"radar pixel {shown.max()} in an image of {shape[0]} x {shape[1]}")
        radar = slice(int(shown.min()) // shape[1], int(shown.max()) // shape[1] + 1)
        return cls(rows, pixels.ravel(), radar, shape[1])

    @property
    def layer_size(self) -> int:
        """Pixels that are read and written for one image."""
        return int(self.radar.stop - self.radar.start) * self.width + self.pixels.size


def _resample(  # noqa: PLR0917 - all of them positional in one place
    old: h5py.Dataset, new: h5py.Dataset, wanted: _Wanted, fill: np.generic, memory: float, share: Share
) -> None:
    """Fill a block of rows of one dataset, as many layers at a time as may be held."""
    layers = old.shape[0] if old.ndim == 3 else 1
    kind = f"u{old.dtype.itemsize}"
    empty = np.asarray(fill).view(kind)[()]

    def index(some: Rows, rows: slice) -> tuple[slice, ...]:
        return (some.slice, rows) if old.ndim == 3 else (rows,)

    def read(some: Rows) -> NDArray[Any]:
        data = old[index(some, wanted.radar)]
        # bits, so that one compiled function serves all types of one size
        return np.ascontiguousarray(data).reshape(len(some), -1).view(kind)

    def take(some: Rows, images: NDArray[Any]) -> NDArray[Any]:
        out = np.empty((len(some), wanted.pixels.size), kind)
        first = wanted.radar.start * wanted.width
        share(lambda start, stop: take_pixels(images, wanted.pixels, first, empty, start, stop, out), out.shape[1])
        return out

    def write(some: Rows, images: NDArray[Any]) -> None:
        shape = (len(some), len(wanted.rows), -1)
        data = images.view(old.dtype).reshape(shape)
        new[index(some, wanted.rows.slice)] = data if old.ndim == 3 else data[0]

    stream(row_blocks(layers, wanted.layer_size * old.dtype.itemsize, memory), read, take, write)


def _fitting(fill: float, dtype: np.dtype[Any]) -> np.generic:
    """What stands for no data in a dataset of a type (`resample.run_resample`)."""
    if dtype.kind == "b":
        return np.bool_(False)
    value = 0 if dtype.kind != "f" and np.isnan(fill) else fill
    filled: np.generic = np.full(1, value).astype(dtype)[0]
    return filled
