"""Fitting time functions to a series, from file to file, block by block: MintPy's `velocity.h5`.

How a block is fitted is time_functions.py's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows, chunk_rows, row_blocks, stream
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.sbas.time_functions import Fit, TimeFunctions
from sbas_assets.sbas.time_functions_kernel import INCOMPLETE
from sbas_assets.threads import pixel_threads

_SERIES = "timeseries"
_OPTION = "mintpy.timeFunc."


def not_covered(inps: Namespace) -> str | None:
    """Say why MintPy's own fit must be used, or None.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.timeseries2velocity.cmd_line_parse` returns.
    """
    if inps.uncertaintyQuantification != "residue":
        return f"{_OPTION}uncertaintyQuantification = {inps.uncertaintyQuantification}"
    if inps.save_res:
        return "the residual series is asked for"
    plan = _Plan.of(inps)
    if not plan.functions.determined:
        return f"{len(plan.functions.used)} dates hardly determine {plan.functions.design.shape[1]} parameters"
    return None


def fit_series(inps: Namespace) -> int:
    """Fit the time functions to all pixels of a series.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.timeseries2velocity.cmd_line_parse` returns: series, file to write, options, `maxMemory` (GB).

    Returns
    -------
    int
        Number of pixels without a value at some date; NaN in the result. MintPy stops at the first one.

    Notes
    -----
    Source: MintPy `timeseries2velocity.run_timeseries2time_func`.
    """
    plan = _Plan.of(inps)
    incomplete = 0
    with h5py.File(inps.timeseries_file, "r") as h5, plan.output() as out, pixel_threads() as share:
        series = h5[_SERIES]
        number, length, width = series.shape
        offset = None if inps.ref_yx is None else np.asarray(series[:, inps.ref_yx[0], inps.ref_yx[1]], np.float32)
        layers = number + 4 * plan.functions.design.shape[1]
        blocks = row_blocks(length, 4 * layers * width, inps.maxMemory, multiple=chunk_rows(series))

        def compute(rows: Rows, data: NDArray[np.float32]) -> Fit:
            nonlocal incomplete
            place = plan.point_in(rows, width)
            fit = plan.functions.fit(data, share, date=plan.reference, offset=offset, always=place)
            incomplete += int(np.count_nonzero(fit.status == INCOMPLETE))
            return fit

        def read(rows: Rows) -> NDArray[np.float32]:
            return np.asarray(series[:, rows.slice], np.float32).reshape(number, -1)

        def write(rows: Rows, fit: Fit) -> None:
            for name, values in plan.named(fit).items():
                out[name][rows.slice] = values.reshape(len(rows), width)

        stream(blocks, read, compute, write)
    return incomplete


@dataclass(frozen=True)
class _Plan:
    """What is fitted, what is taken off before, and what the result is called."""

    inps: Namespace
    model: Mapping[str, Any]
    functions: TimeFunctions
    reference: int | None
    attributes: dict[str, Any]

    @classmethod
    def of(cls, inps: Namespace) -> _Plan:
        """Source: `timeseries2velocity.run_timeseries2time_func`, up to its loop."""
        from mintpy.timeseries2velocity import read_date_info
        from mintpy.utils import readfile, time_func

        attributes = dict(readfile.read_attribute(inps.timeseries_file))
        inps = read_date_info(inps)
        dates = _dates(Path(inps.timeseries_file))
        if "REF_DATE" not in attributes and not inps.ref_date:
            inps.ref_date = inps.date_list[0]
        model = time_func.inps2model(inps, date_list=inps.date_list)
        functions = TimeFunctions.of(dates, inps.date_list, model, attributes.get("CENTER_LINE_UTC", 0))
        # the number among the dates used, as MintPy has it, though it counts among all of them
        reference = inps.date_list.index(inps.ref_date) if inps.ref_date else None
        return cls(inps, model, functions, reference, attributes | _added(inps))

    def point_in(self, rows: Rows, width: int) -> int | None:
        """Number of the reference point's pixel in a block."""
        row, column = int(self.attributes["REF_Y"]), int(self.attributes["REF_X"])
        return (row - rows.start) * width + column if rows.start <= row < rows.stop else None

    def named(self, fit: Fit) -> dict[str, NDArray[np.float32]]:
        """Datasets of a block."""
        from mintpy.timeseries2velocity import model2hdf5_dataset

        mask = fit.status > 0
        found = model2hdf5_dataset(dict(self.model), fit.parameters, fit.deviations, mask=mask)[0]
        return {**found, "residue": fit.residue}

    @contextmanager
    def output(self) -> Iterator[h5py.File]:
        """Lay out the file, with the units that MintPy gives the datasets."""
        from mintpy.timeseries2velocity import model2hdf5_dataset

        shape = int(self.attributes["LENGTH"]), int(self.attributes["WIDTH"])
        units = {**model2hdf5_dataset(dict(self.model), ds_shape=shape)[2], "residue": "m"}
        with product_file(Path(self.inps.outfile), self.attributes, dict.fromkeys(units, Blank(shape))) as h5:
            for name in sorted(units):
                h5[name].attrs["UNIT"] = units[name]
            yield h5


def _dates(series: Path) -> list[str]:
    with h5py.File(series, "r") as h5:
        return [date.decode() for date in h5["date"][:]]


def _added(inps: Namespace) -> dict[str, Any]:
    """Attributes that the series has not, or has otherwise."""
    from mintpy.timeseries2velocity import config_keys

    first, last = inps.date_list[0], inps.date_list[-1]
    added = {
        "FILE_TYPE": "velocity",
        "UNIT": "m/year",
        "START_DATE": first,
        "END_DATE": last,
        "DATE12": f"{first}_{last}",
        **{_OPTION + key: str(vars(inps)[key]) for key in config_keys},
    }
    if inps.ref_yx:
        added |= {"REF_Y": inps.ref_yx[0], "REF_X": inps.ref_yx[1]}
    if inps.ref_date:
        added["REF_DATE"] = inps.ref_date
    return added
