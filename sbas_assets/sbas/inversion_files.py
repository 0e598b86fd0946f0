"""The files of an inversion: `timeseries.h5`, `temporalCoherence.h5`, `numInvIfgram.h5`, as MintPy lays them out."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows
from sbas_assets.sbas.inversion import Inverted
from sbas_assets.sbas.product_file import Blank, product_file

_OPTIONS = ("obsDatasetName", "weightFunc", "maskDataset", "maskThreshold", "minRedundancy", "minNormVelocity")
_PREFIX = "mintpy.networkInversion."


@dataclass(frozen=True)
class Outputs:
    """The datasets of the three files, open for filling."""

    series: h5py.Dataset
    quality: h5py.Dataset
    count: h5py.Dataset

    def write(self, rows: Rows, result: Inverted) -> None:
        """Write a block of rows."""
        shape = (len(rows), self.quality.shape[1])
        self.series[:, rows.slice, :] = result.series.reshape(-1, *shape)
        self.quality[rows.slice] = result.quality.reshape(shape)
        self.count[rows.slice] = result.count.reshape(shape)

    def mark_reference(self, row: int, column: int, pairs: int) -> None:
        """The reference point has no phase left to invert; by definition it is perfect."""
        self.quality[row, column] = 1
        self.count[row, column] = pairs


@contextmanager
def inversion_files(
    inps: Namespace, metadata: Mapping[str, Any], dates: Sequence[str], baselines: NDArray[np.float32], pairs: int
) -> Iterator[Outputs]:
    """Lay out the three files, with the metadata that MintPy gives them (`run_ifgram_inversion`).

    Parameters
    ----------
    inps : Namespace
        Names of the files, and the options that go into their attributes.
    metadata : mapping
        Of the stack.
    dates : sequence of str
        `YYYYMMDD`, ascending; the first is the reference.
    baselines : ndarray of float32 (dates,)
        Perpendicular baselines (m).
    pairs : int
        Interferograms that are inverted.
    """
    shape = int(metadata["LENGTH"]), int(metadata["WIDTH"])
    common = {**metadata, **{_PREFIX + key: getattr(inps, key) for key in _OPTIONS}, f"{_PREFIX}numIfgram": pairs}
    counted = {key: value for key, value in common.items() if key != "NO_DATA_VALUE"}
    in_series = {"FILE_TYPE": "timeseries", "UNIT": "m", "REF_DATE": dates[0]}
    in_quality = {"FILE_TYPE": "temporalCoherence", "UNIT": "1"}
    in_count = {"FILE_TYPE": "mask", "UNIT": "1"}
    datasets: dict[str, Blank | NDArray[Any]] = {
        "bperp": baselines,
        "date": np.array(dates, np.bytes_),
        "timeseries": Blank((len(dates), *shape)),
    }
    with (
        product_file(Path(inps.tsFile), common | in_series, datasets) as one,
        product_file(Path(inps.invQualityFile), common | in_quality, {"temporalCoherence": Blank(shape)}) as two,
        product_file(Path(inps.numInvFile), counted | in_count, {"mask": Blank(shape)}) as three,
    ):
        yield Outputs(one["timeseries"], two["temporalCoherence"], three["mask"])
