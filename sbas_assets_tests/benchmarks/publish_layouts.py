"""The layouts that are compared: how each is written, and how its readers get at it.

Belongs here: ours, candidates for ours, and those of other programs. Does not belong here: the clock.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import h5py
import xarray as xr
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from sbas_assets.published.cf_dataset import build_arrays
from sbas_assets.published.discovery import root_attributes
from sbas_assets.published.mintpy_file import BlockReader, open_mintpy
from sbas_assets.published.recording import RecordingStore
from sbas_assets.published.store import DATA, Store
from sbas_assets.published.zarr_writer import CODEC, write_group
from sbas_assets.threads import thread_count

PRODUCT, DATASET, VARIABLE = "timeseries_demErr", "timeseries", "displacement"
FOLDER = "series"
MAX_BYTES = 250_000_000
SHARD_BYTES = 1 << 25
# what a reader wants: all dates of a few pixels, all pixels of a date, the same on a screen of half its size
SERIES, MAP, SCREEN = "series", "map", "screen"

Shape = tuple[int, ...]


class Layout(Protocol):
    """A way to store a series."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def has_levels(self) -> bool:
        """Whether a screen gets a smaller map."""

    def write(self, store: Store, source: Path) -> None:
        """Store MintPy's file."""

    def open(self, store: Store, wanted: str) -> Any:
        """Open what a reader of `SERIES`, `MAP` or `SCREEN` wants: a context with an array (dates, length, width)."""


@dataclass(frozen=True)
class _Zarr:
    """What all Zarr layouts have in common: they are read by xarray, without Dask."""

    name: str
    groups: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @property
    def has_levels(self) -> bool:
        return SCREEN in self.groups

    @contextmanager
    def open(self, store: Store, wanted: str) -> Iterator[xr.DataArray]:
        target = store.zarr(store.path(FOLDER, DATA))
        how = {"consolidated": True, "zarr_format": 3, "decode_coords": "all", "chunks": None}
        with xr.open_zarr(target, group=self.groups.get(wanted), **how) as data:
            yield data[VARIABLE]


@dataclass(frozen=True)
class Ours(_Zarr):
    """What this package publishes, by its own writer."""

    name: str = "ours"

    def write(self, store: Store, source: Path) -> None:
        target = RecordingStore(store, store.path(FOLDER))
        with open_mintpy(source) as file:
            arrays = build_arrays(file, PRODUCT, None)
            write_group(target, arrays, root_attributes(file, PRODUCT, "T109D_benchmark", "a1", {}), MAX_BYTES)
        target.finish()


@dataclass(frozen=True)
class Candidate(_Zarr):
    """One array, in shards or without, without georeference."""

    chunks: Shape
    shards: Shape | None = None
    codec: BloscCodec = CODEC

    def write(self, store: Store, source: Path) -> None:
        target = RecordingStore(store, store.path(FOLDER))
        settings = zarr.config.set({"array.write_empty_chunks": True})
        with open_mintpy(source) as file, settings, warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)
            reader = file.datasets[DATASET]
            array = zarr.create_group(target, zarr_format=3).create_array(
                VARIABLE,
                shape=reader.shape,
                dtype=reader.dtype,
                chunks=self.chunks,
                shards=self.shards,
                compressors=(self.codec,),
                fill_value=math.nan,
                dimension_names=("time", "y", "x"),
            )
            _copy(array, reader)
            zarr.consolidate_metadata(target, zarr_format=3)
        target.finish()


def _copy(array: Any, reader: BlockReader) -> None:
    """Copy a series in blocks of whole shards, or of whole chunks, two at a time, as `write_group` does."""
    steps = list(array.shards or array.chunks)
    for axis in reversed(range(array.ndim)):
        room = MAX_BYTES // 2 // (array.dtype.itemsize * math.prod(steps))
        steps[axis] *= max(1, min(room, math.ceil(array.shape[axis] / steps[axis])))
    corners = product(*(range(0, size, step) for size, step in zip(array.shape, steps, strict=True)))

    def copy(corner: Shape) -> None:
        block = tuple(slice(start, start + step) for start, step in zip(corner, steps, strict=True))
        array[block] = reader[block]

    with ThreadPoolExecutor(thread_count()) as pool:
        for _ in pool.map(copy, corners):
            pass


@dataclass(frozen=True)
class Hdf5:
    """MintPy's file as one object, read by h5py through s3fs, which keeps and fetches blocks in a way of its choice."""

    name: str
    cache: str
    has_levels: bool = False

    def write(self, store: Store, source: Path) -> None:
        store.fs.put_file(str(source), store.path(f"{FOLDER}.h5"))

    @contextmanager
    def open(self, store: Store, wanted: str) -> Iterator[h5py.Dataset]:
        with store.fs.open(store.path(f"{FOLDER}.h5"), "rb", cache_type=self.cache) as raw, h5py.File(raw) as file:
            yield file[DATASET]


def in_shards(n_dates: int, side: int) -> tuple[Shape, Shape]:
    """Return chunks of all dates and `side` x `side` pixels, and shards of up to 32 MB of them."""
    count = max(1, math.isqrt(SHARD_BYTES // (4 * n_dates)) // side)
    return (n_dates, side, side), (n_dates, count * side, count * side)


def layouts(n_dates: int) -> list[Layout]:
    """Return what is compared for a series of so many dates."""
    return [
        Ours(groups={MAP: "maps/0", SCREEN: "maps/1"}),
        *(Candidate(f"all dates x {side} x {side}, shards", *in_shards(n_dates, side)) for side in (16, 32, 64)),
        Candidate("all dates x 64 x 64", (n_dates, 64, 64)),
        Candidate("6 x 250 x 300", (6, 250, 300)),
        Candidate("1 x 500 x 600", (1, 500, 600)),
        Candidate("opera-utils", (4, 256, 256), (4, 1024, 1024), BloscCodec(cname="zstd", clevel=6)),
        Candidate("bowser", (1, 256, 256), (4, 1024, 1024), BloscCodec(cname="lz4", clevel=5)),
        Hdf5("MintPy's HDF5, read-ahead", "readahead"),
        Hdf5("MintPy's HDF5, no read-ahead", "none"),
    ]
