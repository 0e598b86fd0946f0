"""Reading a MintPy HDF5 product block by block.

Belongs here: what an HDF5 file of MintPy contains and how it is read. Does not belong here: MintPy itself (it is
not imported), and what the product looks like once published (`cf_dataset`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError

DATES = "date"
MEND = "make the product again, or give the file that MintPy wrote"


def _invalid(path: Path, message: str) -> InputError:
    return InputError("product-source-invalid", message, mend=MEND, path=path)


@dataclass(frozen=True)
class BlockReader:
    """An HDF5 dataset that can be sliced, in native byte order, with a file's faults told as such.

    Parameters
    ----------
    path : Path
        The file, for messages.
    dataset : h5py.Dataset
        An open dataset.
    """

    path: Path
    dataset: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the dataset."""
        return tuple(self.dataset.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers, in native byte order."""
        native: np.dtype[Any] = self.dataset.dtype.newbyteorder("=")
        return native

    def __getitem__(self, key: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.dataset[key], dtype=self.dtype)
        except (OSError, RuntimeError) as error:
            raise _invalid(self.path, f"dataset {self.dataset.name} cannot be read: {error}") from error


@dataclass(frozen=True)
class MintPyFile:
    """An open MintPy product file.

    Parameters
    ----------
    path : Path
        The file.
    attributes : dict of str
        Root attributes; MintPy writes all of them as strings.
    shape : tuple of int
        (length, width) of the maps.
    dates : tuple of str
        ``YYYYMMDD`` (or ``YYYYMMDDTHHMM``) of the ``date`` dataset; empty when there is none.
    datasets : dict of str
        A `BlockReader` for each dataset but ``date``, by name, sorted.
    """

    path: Path
    attributes: dict[str, str]
    shape: tuple[int, int]
    dates: tuple[str, ...]
    datasets: dict[str, BlockReader]

    def dims(self, dataset: str) -> tuple[str, ...]:
        """Return the dimensions of a dataset, from ``time``, ``y`` and ``x``.

        Raises
        ------
        InputError
            ``product-source-invalid``: its shape fits neither the maps nor the dates.
        """
        shape, n_dates = self.datasets[dataset].shape, len(self.dates)
        if shape == self.shape:
            return ("y", "x")
        if n_dates and shape == (n_dates, *self.shape):
            return ("time", "y", "x")
        if n_dates and shape == (n_dates,):
            return ("time",)
        raise _invalid(self.path, f"dataset {dataset} has shape {shape}, but maps are {self.shape} on {n_dates} dates")

    def unit(self, dataset: str) -> str | None:
        """Return the ``UNIT`` attribute of a dataset, or None."""
        unit = self.datasets[dataset].dataset.attrs.get("UNIT")
        return None if unit is None else _text(unit)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def open_mintpy(path: Path) -> Iterator[MintPyFile]:
    """Open a MintPy product for reading.

    Parameters
    ----------
    path : Path
        HDF5 file.

    Yields
    ------
    MintPyFile
        Usable until the context ends.

    Raises
    ------
    InputError
        ``product-source-missing``: no such file. ``product-source-invalid``: it is not a MintPy file.
    """
    if not path.is_file():
        raise InputError(
            "product-source-missing", "there is no such file", mend="run the step that makes it first", path=path
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _invalid(path, f"it is not a readable HDF5 file: {error}") from error
    with file:
        yield _describe(path, file)


def _describe(path: Path, file: Any) -> MintPyFile:
    attributes = {key: _text(value) for key, value in file.attrs.items()}
    try:
        shape = int(attributes["LENGTH"]), int(attributes["WIDTH"])
    except (KeyError, ValueError) as error:
        raise _invalid(path, "LENGTH and WIDTH are not among its attributes") from error
    readers = {name: BlockReader(path, item) for name, item in sorted(file.items()) if isinstance(item, h5py.Dataset)}
    dates = readers.pop(DATES, None)
    texts = () if dates is None else tuple(_text(value) for value in dates[:].tolist())
    return MintPyFile(path, attributes, shape, texts, readers)
