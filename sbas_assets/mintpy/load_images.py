"""From the images of a stack to datasets of interferograms and to `geometryRadar.h5`, window by window.

One thread reads ahead while the calling one writes. Which images, and what the files say about themselves, is
load_plan.py's; which file holds which interferogram, stack_segments.py's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from sbas_assets.mintpy.segment_files import Stored
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

    layer: Layer | Stored
    rows: Rows
    place: tuple[int | slice, ...]


def fill_stack(h5: h5py.File, images: Images, layers: Mapping[str, Sequence[Layer | Stored]]) -> None:
    """Fill the datasets of interferograms, layer by layer, so that the same bytes come out wherever they come from.

    Parameters
    ----------
    h5 : h5py.File
        With blank datasets.
    images : Images
        Which part of an image is taken.
    layers : mapping
        Dataset to what its layers are: `unwrapPhase` (rad), `coherence`, `connectComponent`.

    Raises
    ------
    InputError
        `raster-truncated`, `file-unreadable`.
    """
    for name, sources in sorted(layers.items()):
        windows = (
            _Window(source, rows, (number, rows.slice))
            for number, source in enumerate(sources)
            for rows in _row_blocks(h5[name], source)
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
    with unchanged([images]), product_file(file, product.attributes, datasets, as_text=False) as h5:
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


def _row_blocks(dataset: h5py.Dataset, layer: Layer | Stored) -> Iterator[Rows]:
    """Divide a dataset's rows, at the ends of chunks, so that a window of the image stays small."""
    length = dataset.shape[-2]
    multiple = dataset.chunks[-2] if dataset.chunks else 1
    rows = _WINDOW_BYTES // _row_bytes(layer)
    rows = max(multiple, rows - rows % multiple)
    for start in range(0, length, rows):
        yield Rows(start, min(start + rows, length))


def _row_bytes(layer: Layer | Stored) -> int:
    if isinstance(layer, Stored):
        return int(layer.dataset.shape[-1] * layer.dataset.dtype.itemsize)
    return int(layer.header.width * layer.header.bands * layer.header.numpy_dtype.itemsize)


def _fill(dataset: h5py.Dataset, images: Images, windows: Iterable[_Window], convert: Convert) -> None:
    """Write windows in their order, so that the same bytes come out every time."""

    def read(window: _Window) -> NDArray[Any]:
        layer = window.layer
        if isinstance(layer, Stored):
            return np.asarray(layer.dataset[layer.number, window.rows.slice])
        first = images.rows.start
        rows = slice(first + window.rows.start, first + window.rows.stop)
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
def unchanged(images: Iterable[Images]) -> Iterator[None]:
    """Refuse what was read from files that were written to meanwhile.

    Raises
    ------
    OutsideError
        `file-changing`.
    """
    paths = {layer.path for found in images for layers in found.layers.values() for layer in layers}
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
