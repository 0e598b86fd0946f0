"""Product files in MintPy's HDF5 layout, written once in their final form.

Datasets and attributes stand in name order, without times, and datasets are contiguous unless they are compressed: two
runs write the same bytes, and a block of rows is one stretch of each layer. What the attributes say is the writer's
caller's business.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

# what MintPy stores and no reproducible file may have
CLOCK_OR_PATH = frozenset({"MODIFICATION_TIME", "OG_FILE_PATH", "FILE_PATH"})
# the file's own name until stamp.py writes the provenance: it need not lay out the file anew
PROVENANCE_ATTRIBUTE = "SBAS_ASSETS_PROVENANCE"
# of a chunk: enough to compress well, and little of it read in vain when a block of rows ends inside
_CHUNK_BYTES = 64 * 2**10
_CHUNK_ROWS = 16
# headers and attributes, and the small files that others write meanwhile
_ROOM_BESIDE = 2**20


@dataclass(frozen=True)
class Blank:
    """A dataset to be filled block by block.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns are its last two axes.
    dtype : data type
        Of its values.
    compression : str, optional
        "lzf" or "gzip": then it is stored in chunks of some rows of one layer.
    """

    shape: tuple[int, ...]
    dtype: Any = np.float32
    compression: str | None = None

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of its chunks, None if it is contiguous."""
        if self.compression is None:
            return None
        length, width = self.shape[-2:]
        rows = max(_CHUNK_ROWS, _CHUNK_BYTES // (width * np.dtype(self.dtype).itemsize))
        return (*(1 for _ in self.shape[:-2]), min(rows, length), width)


def lay_out(h5: h5py.File, datasets: Mapping[str, Blank | NDArray[Any]]) -> None:
    """Create datasets in a new file, in the order of their names; as for `product_file`."""
    for name, content in sorted(datasets.items()):
        if isinstance(content, Blank):
            h5.create_dataset(
                name, content.shape, content.dtype, chunks=content.chunks, compression=content.compression
            )
        else:
            h5.create_dataset(name, data=content)


def require_room(path: Path, datasets: Mapping[str, Blank | NDArray[Any]]) -> None:
    """Raise OSError (ENOSPC) unless there is room for what a file will hold; compressed datasets are not counted.

    HDF5 finds out when it closes the file, and after that it may take the whole process down.
    """
    stored = [content for content in datasets.values() if getattr(content, "compression", None) is None]
    need = sum(math.prod(content.shape) * np.dtype(content.dtype).itemsize for content in stored)
    free = disk_usage(path.parent).free
    if free < need + _ROOM_BESIDE:
        told = f"{need + _ROOM_BESIDE:,} bytes are needed, with what is written beside it, and {free:,} are free"
        raise OSError(errno.ENOSPC, told, str(path))


@contextmanager
def product_file(
    path: Path, attributes: Mapping[str, Any], datasets: Mapping[str, Blank | NDArray[Any]], *, as_text: bool = True
) -> Iterator[h5py.File]:
    """Create a product file, open for filling.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    attributes : mapping
        MintPy's metadata.
    datasets : mapping
        Contents, or `Blank` for what is filled later, by dataset name.
    as_text : bool, optional
        Store the attributes as text, as MintPy does, but for the files that its load_data writes.

    Yields
    ------
    h5py.File
        Blank datasets read as zeros until they are written.

    Raises
    ------
    OSError
        There is no room for it.
    """
    require_room(path, datasets)
    with h5py.File(path, "w") as h5:
        lay_out(h5, datasets)
        for name, value in sorted({**attributes, PROVENANCE_ATTRIBUTE: path.name}.items()):
            if name not in CLOCK_OR_PATH:
                h5.attrs[name] = str(value) if as_text else value
        yield h5
