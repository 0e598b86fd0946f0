"""From the images of a stack to `ifgramStack.h5` and `geometryRadar.h5`, window by window.

One thread reads ahead while the calling one writes. Which images, and what the files say about themselves, is
load_plan.py's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import OutsideError
from sbas_assets.mintpy.load_plan import STACK_TYPES, Images, Layer, Product
from sbas_assets.sbas.blocks import Rows
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.topsstack.pixels import read_window
from sbas_assets.topsstack.xmlfiles import unreadable

_WINDOW_BYTES = 16 * 2**20
_AHEAD = 4  # windows in memory, besides the one that is written
_NO_HEIGHT = -32768
Convert = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class _Window:
    """Some rows of an image, and where in a dataset they go."""

    layer: Layer
    rows: Rows
    place: tuple[int | slice, ...]


def write_stack(
    file: Path, product: Product, images: Images, baselines: Mapping[tuple[str, str], float], compression: str
) -> None:
    """Write an interferogram stack.

    Parameters
    ----------
    file : Path
        `ifgramStack.h5` or `ionStack.h5`; replaced.
    product : Product
        Attributes.
    images : Images
        Of `unwrapPhase` (rad), `coherence` and `connectComponent`, one per pair.
    baselines : mapping
        First and second date of each pair, in the order of the images, to the perpendicular baseline (m).
    compression : str
        `mintpy.load.compression`; the components are always compressed.

    Raises
    ------
    InputError
        `raster-truncated`, `file-unreadable`.
    OutsideError
        `file-changing`.

    Notes
    -----
    Source: MintPy `ifgramStackDict.write2hdf5`.
    """
    chosen = None if compression == "default" else compression or None
    shape = (len(baselines), *images.shape)
    datasets: dict[str, Blank | NDArray[Any]] = {
        name: Blank(shape, STACK_TYPES[name], "lzf" if name == "connectComponent" else chosen) for name in images.layers
    }
    datasets |= {
        "date": np.array(list(baselines), np.bytes_),
        "bperp": np.array(list(baselines.values()), np.float32),
        "dropIfgram": np.ones(len(baselines), np.bool_),
    }
    with _unchanged(images), product_file(file, product.attributes, datasets, as_text=False) as h5:
        for name, layers in sorted(images.layers.items()):
            windows = (
                _Window(layer, rows, (number, rows.slice))
                for number, layer in enumerate(layers)
                for rows in _row_blocks(h5[name], layer)
            )
            _fill(h5[name], images, windows, _to_type(STACK_TYPES[name]))


def write_geometry(file: Path, product: Product, images: Images, compression: str) -> None:
    """Write the geometry in radar coordinates: float32, masks bool; m and degrees.

    Parameters
    ----------
    file : Path
        `geometryRadar.h5`; replaced.
    product : Product
        Attributes, and the slant range distance of each column (m).
    images : Images
        One per dataset.
    compression : str
        `mintpy.load.compression`; lzf by default.

    Raises
    ------
    InputError
        `raster-truncated`, `file-unreadable`.
    OutsideError
        `file-changing`.

    Notes
    -----
    Source: MintPy `geometryDict.write2hdf5`.
    """
    chosen = "lzf" if compression == "default" else compression or None
    assert product.distance is not None
    distance = product.distance[images.columns]
    datasets = {name: Blank(images.shape, _geometry_type(name), chosen) for name in images.layers}
    datasets["slantRangeDistance"] = Blank(images.shape, np.float32, chosen)
    with _unchanged(images), product_file(file, product.attributes, datasets, as_text=False) as h5:
        for name, (layer,) in sorted(images.layers.items()):
            windows = (_Window(layer, rows, (rows.slice,)) for rows in _row_blocks(h5[name], layer))
            _fill(h5[name], images, windows, _geometry_conversion(name))
        target = h5["slantRangeDistance"]
        for rows in _row_blocks(target, next(iter(images.layers.values()))[0]):
            target[rows.slice] = np.broadcast_to(distance, (len(rows), distance.size))


def _geometry_type(name: str) -> np.dtype[Any]:
    return np.dtype(np.bool_ if name.endswith("Mask") else np.float32)


def _geometry_conversion(name: str) -> Convert:
    dtype = _geometry_type(name)

    def height(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.where(values == _NO_HEIGHT, np.nan, values), dtype)

    def water(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.nan_to_num(values), dtype)

    return {"height": height, "waterMask": water}.get(name, _to_type(dtype))


def _to_type(dtype: np.dtype[Any]) -> Convert:
    return lambda values: np.ascontiguousarray(values, dtype)


def _row_blocks(dataset: h5py.Dataset, layer: Layer) -> Iterator[Rows]:
    """Divide a dataset's rows, at the ends of chunks, so that a window of the image stays small."""
    length = dataset.shape[-2]
    multiple = dataset.chunks[-2] if dataset.chunks else 1
    header = layer.header
    rows = _WINDOW_BYTES // (header.width * header.bands * header.numpy_dtype.itemsize)
    rows = max(multiple, rows - rows % multiple)
    for start in range(0, length, rows):
        yield Rows(start, min(start + rows, length))


def _fill(dataset: h5py.Dataset, images: Images, windows: Iterable[_Window], convert: Convert) -> None:
    """Write windows in their order, so that the same bytes come out every time."""

    def read(window: _Window) -> NDArray[Any]:
        first = images.rows.start
        rows = slice(first + window.rows.start, first + window.rows.stop)
        layer = window.layer
        return convert(read_window(layer.path, layer.header, layer.band, rows, images.columns))

    coming: deque[tuple[_Window, Future[NDArray[Any]]]] = deque()
    with ThreadPoolExecutor(1, "sbas-load") as disk:
        for window in windows:
            coming.append((window, disk.submit(read, window)))
            if len(coming) > _AHEAD:
                _write(dataset, *coming.popleft())
        while coming:
            _write(dataset, *coming.popleft())


def _write(dataset: h5py.Dataset, window: _Window, values: Future[NDArray[Any]]) -> None:
    dataset[window.place] = values.result()


@contextmanager
def _unchanged(images: Images) -> Iterator[None]:
    """Refuse what was read from files that were written to meanwhile."""
    paths = {layer.path for layers in images.layers.values() for layer in layers}
    before = {path: _state(path) for path in paths}
    yield
    for path in sorted(paths):
        if _state(path) != before[path]:
            mend = "wait until whatever writes it has finished, then run again"
            raise OutsideError("file-changing", "changed while it was loaded", mend=mend, path=path)


def _state(path: Path) -> tuple[int, int, int, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
