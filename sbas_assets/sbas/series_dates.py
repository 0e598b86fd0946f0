"""Fewer dates of a displacement series, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.sbas.product_file import Blank, product_file

_SERIES = "timeseries"


def keep_dates(source: Path, target: Path, dates: Sequence[str], *, memory: float) -> None:
    """Write a series that has some of another's dates only.

    Parameters
    ----------
    source : Path
        The series.
    target : Path
        File to write. It refers to the date that the source refers to or, if that one is left out, to its first date.
    dates : sequence of str
        `YYYYMMDD`, dates of the source in their order.
    memory : float
        `mintpy.compute.maxMemory` (GB).
    """
    with h5py.File(source, "r") as h5:
        known = [date.decode() for date in h5["date"][:]]
        layers = np.array([known.index(date) for date in dates])
        images = h5[_SERIES]
        rest = {name: _of_dates(item, layers, len(known)) for name, item in h5.items() if name != _SERIES}
        blank = Blank((len(dates), *images.shape[1:]), images.dtype)
        with product_file(target, _attributes(h5.attrs, dates), {**rest, _SERIES: blank}) as out:
            refer = h5.attrs.get("REF_DATE", dates[0]) not in dates
            _fill(images, out[_SERIES], layers, refer=refer, memory=memory)


def _of_dates(item: h5py.Dataset, layers: NDArray[np.integer], dates: int) -> NDArray[Any]:
    """What is given per date, of the kept dates; anything else whole."""
    values: NDArray[Any] = item[()]
    return values[layers] if values.shape == (dates,) else values


def _attributes(found: h5py.AttributeManager, dates: Sequence[str]) -> dict[str, Any]:
    values = {**found, "START_DATE": dates[0], "END_DATE": dates[-1]}
    if values.get("REF_DATE", dates[0]) not in dates:
        values["REF_DATE"] = dates[0]
    return values


def _fill(images: h5py.Dataset, out: h5py.Dataset, layers: NDArray[np.integer], *, refer: bool, memory: float) -> None:
    number, length, width = out.shape
    blocks = row_blocks(length, 4 * number * width, memory, multiple=chunk_rows(images))

    def compute(_: Rows, data: NDArray[np.float32]) -> NDArray[np.float32]:
        if refer:
            data -= data[0].copy()
        return data

    def write(rows: Rows, data: NDArray[np.float32]) -> None:
        out[:, rows.slice] = data.reshape(number, len(rows), width)

    stream(blocks, lambda rows: read_layers(images, layers, rows), compute, write)
