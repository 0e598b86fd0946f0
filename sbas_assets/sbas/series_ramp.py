"""Taking a ramp off every date of a displacement series, from file to file, block by block.

Also the root mean square of each date, which MintPy takes of the deramped residual. How a ramp is found is deramp.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.sbas.deramp import Fit, Ramps, no_squares, root_mean_square, sample_step
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.threads import Share, pixel_threads

_SERIES = "timeseries"


@dataclass(frozen=True)
class Deramped:
    """What is known of a series after it was read.

    Parameters
    ----------
    dates : list of str
        `YYYYMMDD`.
    rms : ndarray of float64 (dates,)
        Root mean square in the fitted pixels (m), of what was written.
    by_mintpy : list of str
        Dates whose pixels do not determine the ramp: these were given to MintPy's own routine.
    """

    dates: list[str]
    rms: NDArray[np.float64]
    by_mintpy: list[str]


def deramp_series(
    source: Path,
    target: Path,
    kind: str,
    *,
    mask: Path | None,
    memory: float,
    extra: Mapping[str, str] | None = None,
) -> Deramped:
    """Take a ramp off every date.

    Parameters
    ----------
    source, target : Path
        The series, and the file to write; it gets the attributes and the other datasets of the series.
    kind : str
        A key of `deramp.RAMPS`.
    mask : Path, optional
        File whose non-zero pixels are fitted; the whole image if None or if there is no such file.
    memory : float
        `mintpy.compute.maxMemory` (GB).
    extra : mapping, optional
        Attributes to add.

    Notes
    -----
    Source: MintPy `utils1.run_deramp`.
    """
    with h5py.File(source, "r") as h5, pixel_threads() as share:
        series = _Series.of(h5, mask, memory)
        ramps = series.ramps(kind, share)
        rest = {name: item[()] for name, item in h5.items() if name != _SERIES}
        blank = Blank(series.images.shape, series.images.dtype)
        with product_file(target, {**h5.attrs, **(extra or {})}, {**rest, _SERIES: blank}) as out:
            rms = series.take_off(ramps, out[_SERIES], share)
            unclear = np.flatnonzero(ramps.unclear)
            for number in map(int, unclear):
                rms[number] = series.ask_mintpy(number, kind, out[_SERIES])
        return Deramped(series.dates, rms, [series.dates[number] for number in unclear])


def series_rms(source: Path, *, mask: Path | None, memory: float) -> Deramped:
    """Root mean square of every date, as it is; see `deramp_series`."""
    with h5py.File(source, "r") as h5, pixel_threads() as share:
        series = _Series.of(h5, mask, memory)
        return Deramped(series.dates, series.take_off(Ramps.none(series.images.shape), None, share), [])


@dataclass(frozen=True)
class _Series:
    images: h5py.Dataset
    dates: list[str]
    wanted: NDArray[np.bool_]
    point: tuple[int, int] | None
    blocks: list[Rows]

    @classmethod
    def of(cls, h5: h5py.File, mask: Path | None, memory: float) -> _Series:
        images = h5[_SERIES]
        number, length, width = images.shape
        point = (int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])) if {"REF_Y", "REF_X"} <= set(h5.attrs) else None
        return cls(
            images=images,
            dates=[date.decode() for date in h5["date"][:]],
            wanted=_wanted(mask, (length, width)),
            point=point,
            blocks=row_blocks(length, 4 * number * width, memory, multiple=chunk_rows(images)),
        )

    def ramps(self, kind: str, share: Share) -> Ramps:
        """Fit the ramps; a second time for dates with so few pixels that more of them are to be used."""
        number, length, width = self.images.shape
        fit = Fit.of(self.images.shape, sample_step(np.full(number, self.wanted.sum())))
        self._add(fit, np.arange(number), share)
        step = sample_step(fit.moments.number)
        wrong = np.flatnonzero(step != fit.moments.step)
        if wrong.size:
            again = Fit.of((wrong.size, length, width), step[wrong])
            self._add(again, wrong, share)
            fit.moments.powers[wrong], fit.moments.products[wrong] = again.moments.powers, again.moments.products
        return fit.ramps(kind, self.point)

    def _add(self, fit: Fit, layers: NDArray[np.integer[Any]], share: Share) -> None:
        def compute(rows: Rows, data: NDArray[np.float32]) -> None:
            fit.add(data, self.wanted[rows.slice], rows.start, share)

        stream(self.blocks, lambda rows: self._read(layers, rows), compute, lambda _rows, _result: None)

    def _read(self, layers: NDArray[np.integer[Any]], rows: Rows) -> NDArray[np.float32]:
        data = read_layers(self.images, layers, rows).reshape(layers.size, len(rows), -1)
        return np.asarray(data, np.float32)

    def take_off(self, ramps: Ramps, target: h5py.Dataset | None, share: Share) -> NDArray[np.float64]:
        """Write the series without its ramps, if there is a target; return the root mean squares."""
        layers = np.arange(self.images.shape[0])
        squares = no_squares(layers.size)

        def compute(rows: Rows, data: NDArray[np.float32]) -> NDArray[np.float32]:
            ramps.take_off(data, self.wanted[rows.slice], rows.start, share, squares)
            return data

        def write(rows: Rows, data: NDArray[np.float32]) -> None:
            if target is not None:
                target[:, rows.slice] = data

        stream(self.blocks, lambda rows: self._read(layers, rows), compute, write)
        return root_mean_square(squares)

    def ask_mintpy(self, number: int, kind: str, target: h5py.Dataset) -> float:
        """Let MintPy deramp one date; return its root mean square."""
        from mintpy.objects.ramp import deramp

        metadata = {} if self.point is None else dict(zip(("REF_Y", "REF_X"), self.point, strict=True))
        data = deramp(self.images[number], self.wanted, ramp_type=kind, metadata=metadata)[0]
        target[number] = data
        values = data[self.wanted & ~np.isnan(data)]
        return float(np.sqrt(np.mean(np.square(values)))) if values.size else np.nan


def _wanted(mask: Path | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    from mintpy.utils import readfile

    if mask is None or not mask.is_file():
        return np.ones(shape, np.bool_)
    values = readfile.read(str(mask))[0]
    if values.shape != shape:
        raise InputError(
            "template-file-unusable",
            f"the mask has {' x '.join(map(str, values.shape))} pixels, the series {shape[0]} x {shape[1]}",
            mend="give one on the grid of the series",
            path=mask,
        )
    return np.asarray(values != 0)
