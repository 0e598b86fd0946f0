"""Referring a displacement series to another of its dates, block by block."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows, chunk_rows, row_blocks, stream
from sbas_assets.sbas.product_file import Blank, product_file

_SERIES = "timeseries"


def refer_series(source: Path, date: str, *, memory: float, target: Path | None = None) -> None:
    """Take the displacement at one date off all dates.

    Parameters
    ----------
    source : Path
        The series.
    date : str
        `YYYYMMDD`, one of its dates.
    memory : float
        `mintpy.compute.maxMemory` (GB).
    target : Path, optional
        File to write; the series itself by default.

    Notes
    -----
    Source: MintPy `reference_date.change_timeseries_ref_date`; a series that refers to the date already stays as it is.
    """
    with h5py.File(source, "r") as h5:
        done = h5.attrs.get("REF_DATE") == date
        number = [day.decode() for day in h5["date"][:]].index(date)
    if done and target is not None:
        shutil.copyfile(source, target)
    if done:
        return
    with _opened(source, target, date) as (old, new):
        images, length, width = old.shape
        blocks = row_blocks(length, 4 * images * width, memory, multiple=chunk_rows(old))

        def compute(_: Rows, data: NDArray[np.float32]) -> NDArray[np.float32]:
            data -= data[number].copy()
            return data

        def write(rows: Rows, data: NDArray[np.float32]) -> None:
            new[:, rows.slice] = data

        stream(blocks, lambda rows: old[:, rows.slice], compute, write)


@contextmanager
def _opened(source: Path, target: Path | None, date: str) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    if target is None:
        with h5py.File(source, "r+") as h5:
            yield h5[_SERIES], h5[_SERIES]
            h5.attrs.modify("REF_DATE", date)
        return
    with h5py.File(source, "r") as h5:
        rest = {name: item[()] for name, item in h5.items() if name != _SERIES}
        blank = Blank(h5[_SERIES].shape, h5[_SERIES].dtype)
        with product_file(target, {**h5.attrs, "REF_DATE": date}, {**rest, _SERIES: blank}) as out:
            yield h5[_SERIES], out[_SERIES]
