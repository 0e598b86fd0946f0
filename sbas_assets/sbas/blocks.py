"""Working through an image block of rows by block of rows, reading ahead and writing behind.

One thread does all reading and writing, because HDF5 lets only one at a time into the library anyway; it works while
the kernels compute. What a block holds is the caller's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

# blocks larger than this only delay the first result
_ENOUGH = 48 * 2**20
_HELD = 3  # blocks in memory: one being read, one computed, one written


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `stop` (exclusive) of an image, over its whole width."""

    start: int
    stop: int

    @property
    def slice(self) -> slice:
        """As an index."""
        return slice(self.start, self.stop)

    def __len__(self) -> int:
        return self.stop - self.start


def row_blocks(length: int, row_bytes: int, memory: float, *, multiple: int = 1) -> list[Rows]:
    """Divide an image into blocks of rows.

    Parameters
    ----------
    length : int
        Rows of the image.
    row_bytes : int
        What one row takes in memory, input and output together (bytes).
    memory : float
        `mintpy.compute.maxMemory` (GB); a quarter is left to what is not counted here.
    multiple : int
        Rows of a chunk of the file that is read: blocks end where chunks end, so that none is read twice.
    """
    bound = min(_ENOUGH, 0.75 * memory * 2**30 / _HELD)
    rows = max(1, int(bound / row_bytes))
    rows = max(multiple, rows - rows % multiple)
    return [Rows(start, min(start + rows, length)) for start in range(0, length, rows)]


def chunk_rows(dataset: h5py.Dataset) -> int:
    """Rows of a dataset's chunks, or of the chunks of the dataset that a virtual one shows; 1 if it has none."""
    if dataset.is_virtual:
        source = dataset.virtual_sources()[0]
        # as HDF5 does: from where the file is, not from a link to it
        file = Path(dataset.file.filename).resolve().parent / source.file_name
        with h5py.File(file, "r") as h5:
            return chunk_rows(h5[source.dset_name])
    return int(dataset.chunks[1]) if dataset.chunks else 1


def stream[Block, Result](
    blocks: Sequence[Rows],
    read: Callable[[Rows], Block],
    compute: Callable[[Rows, Block], Result],
    write: Callable[[Rows, Result], None],
) -> None:
    """Read, compute and write each block; reading and writing go on beside the computing.

    Blocks are computed in order, one at a time, in the calling thread.
    """
    with ThreadPoolExecutor(1, "sbas-blocks") as disk:
        coming = disk.submit(read, blocks[0])
        going: Future[None] | None = None
        for number, rows in enumerate(blocks):
            block = coming.result()
            if number + 1 < len(blocks):
                coming = disk.submit(read, blocks[number + 1])
            result = compute(rows, block)
            del block
            if going is not None:
                going.result()
            going = disk.submit(write, rows, result)
            del result
        if going is not None:
            going.result()


def read_layers(dataset: h5py.Dataset, layers: NDArray[np.integer], rows: Rows) -> NDArray[Any]:
    """Read some layers of a (layer, row, column) dataset, in runs of neighbouring layers.

    Returns
    -------
    ndarray (len(layers), rows * width)
    """
    width = dataset.shape[2]
    out = np.empty((layers.size, len(rows), width), dataset.dtype)
    if out.size:
        for run in _runs(layers):
            source = np.s_[int(layers[run.start]) : int(layers[run.stop - 1]) + 1, rows.slice, :]
            dataset.read_direct(out, source, np.s_[run, :, :])
    return out.reshape(layers.size, -1)


def read_pixel(dataset: h5py.Dataset, layers: NDArray[np.integer], row: int, column: int) -> NDArray[Any]:
    """Read one pixel of some layers of a (layer, row, column) dataset; as (len(layers),)."""
    runs = (dataset[int(layers[run.start]) : int(layers[run.stop - 1]) + 1, row, column] for run in _runs(layers))
    return np.concatenate([*runs]) if layers.size else np.empty(0, dataset.dtype)


def _runs(layers: NDArray[np.integer]) -> Iterator[slice]:
    ends = np.flatnonzero(np.diff(layers) != 1) + 1
    for start, stop in zip([0, *ends], [*ends, layers.size], strict=True):
        yield slice(int(start), int(stop))
