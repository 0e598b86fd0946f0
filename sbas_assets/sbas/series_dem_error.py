"""Correcting a displacement series for the DEM error from file to files, block by block.

Reads a series, the geometry, and `temporalCoherence.h5` beside the series; writes MintPy's `<series>_demErr.h5`,
`demErr.h5` and `timeseriesResidual.h5`. How a block is corrected is dem_error.py's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import dem_error_kernel as kernel
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.sbas.deformation_model import Image, Model, Options
from sbas_assets.sbas.dem_error import Estimated, Geometry, estimate
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.threads import pixel_threads

RESIDUAL = "timeseriesResidual.h5"
_COHERENCE = "temporalCoherence"
_ANGLE, _DISTANCE = "incidenceAngle", "slantRangeDistance"


@dataclass(frozen=True)
class Counts:
    """How many pixels were corrected, and how.

    Parameters
    ----------
    solved : int
        Pixels corrected here.
    by_mintpy : int
        Pixels given to MintPy's own routine, as their baselines are hard to tell from the deformation model.
    skipped : int
        Pixels without displacement, coherence or geometry: zero in all outputs.
    """

    solved: int = 0
    by_mintpy: int = 0
    skipped: int = 0

    def with_block(self, status: NDArray[np.int8]) -> Counts:
        """Add the pixels of a block."""
        number = np.bincount(status, minlength=3)
        return Counts(
            self.solved + int(number[kernel.SOLVED]),
            self.by_mintpy + int(number[kernel.BY_MINTPY]),
            self.skipped + int(number[kernel.SKIPPED]),
        )


def not_covered(inps: Namespace) -> str | None:
    """Say why MintPy's own correction must be used, or None.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.dem_error.cmd_line_parse` returns.
    """
    return next(_obstacles(_Source(inps)), None)


def _obstacles(source: _Source) -> Iterator[str]:
    series = source.series
    with h5py.File(source.inps.ts_file, "r") as h5:
        if h5["timeseries"].dtype != np.float32:
            yield f"the series is of type {h5['timeseries'].dtype}"
    if source.model.redundancy < 1:
        yield "there are no more dates than parameters, so that the residual is what MintPy rounds away"
    if not source.own_baselines and series.pbase is None:
        yield "the series has no perpendicular baselines"
    if source.own_baselines and not source.own_angles:
        yield "the geometry has baselines for each pixel, but no incidence angle"
    if source.own_baselines and not set(series.dateList) <= set(source.geometry.dateList):
        yield "the geometry lacks baselines of some dates"
    for file, name in source.images():
        with h5py.File(file, "r") as h5:
            if name not in h5 or h5[name].shape[-2:] != source.shape:
                yield f"{file} has no {name} of the size of the series"


def correct_series(inps: Namespace, progress: Callable[[Rows], None] = lambda _: None) -> Counts:
    """Correct a series.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.dem_error.cmd_line_parse` returns: the series, the geometry, the options, the files to write,
        `maxMemory` (GB).
    progress : callable
        Told of each block that is computed.

    Returns
    -------
    Counts
        Of the pixels.

    Notes
    -----
    Source: MintPy `dem_error.correct_dem_error`.
    """
    source = _Source(inps)
    counts = Counts()
    with source.opened() as inputs, _outputs(source) as outputs, pixel_threads() as share:

        def compute(rows: Rows, block: _Block) -> Estimated:
            nonlocal counts
            result = estimate(source.model, block.geometry, block.series, share, coherence=block.coherence)
            counts = counts.with_block(result.status)
            progress(rows)
            return result

        stream(source.blocks(inputs), lambda rows: source.read(inputs, rows), compute, outputs.write)
    return counts


@dataclass(frozen=True)
class _Block:
    series: Image
    geometry: Geometry
    coherence: Image | None


@dataclass(frozen=True)
class _Source:
    """The files that are read, and what is known of them before any pixel is."""

    inps: Namespace

    @cached_property
    def series(self) -> Any:
        from mintpy.objects import timeseries

        series = timeseries(self.inps.ts_file)
        series.open(print_msg=False)
        return series

    @cached_property
    def geometry(self) -> Any:
        from mintpy.objects import geometry

        if not self.inps.geom_file:
            return None
        found = geometry(self.inps.geom_file)
        found.open(print_msg=False)
        return found

    @property
    def shape(self) -> tuple[int, int]:
        return self.series.length, self.series.width

    @property
    def own_angles(self) -> bool:
        """Whether each pixel has an incidence angle and a distance of its own."""
        return self.geometry is not None and _ANGLE in self.geometry.datasetNames

    @property
    def own_baselines(self) -> bool:
        """Whether each pixel has baselines of its own."""
        return self.geometry is not None and "bperp" in self.geometry.datasetNames

    @property
    def coherence_file(self) -> Path:
        return Path(self.inps.ts_file).parent / f"{_COHERENCE}.h5"

    @cached_property
    def model(self) -> Model:
        from mintpy.dem_error import read_exclude_date

        inps, series = self.inps, self.series
        options = Options(
            degree=inps.polyOrder,
            velocity=bool(inps.phaseVelocity),
            steps=inps.stepDate,
            excluded=read_exclude_date(inps.excludeDate, series.dateList, print_msg=False)[1],
            periods=inps.periodic,
        )
        years = np.array(series.tbase, np.float32) / np.float32(365.25)
        return Model.of(series.dateList, years, options, series.metadata.get("CENTER_LINE_UTC", 0))

    @cached_property
    def mean(self) -> tuple[float, float]:
        """Incidence angle (deg) and distance (m) in the middle of the image."""
        from mintpy.utils import utils

        metadata = self.series.metadata
        angle = utils.incidence_angle(metadata, dimension=0, print_msg=False)
        return float(angle), float(utils.range_distance(metadata, dimension=0, print_msg=False))

    def images(self) -> Iterator[tuple[str, str]]:
        """Files and datasets that are read besides the series."""
        if self.own_angles:
            yield from ((self.inps.geom_file, name) for name in (_ANGLE, _DISTANCE))
        if self.own_baselines:
            yield self.inps.geom_file, "bperp"
        if self.coherence_file.is_file():
            yield str(self.coherence_file), _COHERENCE

    @contextmanager
    def opened(self) -> Iterator[dict[str, h5py.Dataset]]:
        """Everything that is read, by dataset name."""
        with ExitStack() as files:
            inputs = {"timeseries": files.enter_context(h5py.File(self.inps.ts_file, "r"))["timeseries"]}
            inputs |= {name: files.enter_context(h5py.File(file, "r"))[name] for file, name in self.images()}
            yield inputs

    def blocks(self, inputs: dict[str, h5py.Dataset]) -> list[Rows]:
        length, width = self.shape
        layers = self.series.numDate * (4 if self.own_baselines else 3) + 5
        multiple = chunk_rows(inputs["timeseries"])
        return row_blocks(length, 4 * layers * width, self.inps.maxMemory, multiple=multiple)

    def read(self, inputs: dict[str, h5py.Dataset], rows: Rows) -> _Block:
        def image(name: str) -> Image:
            return np.asarray(inputs[name][rows.slice], np.float32).ravel()

        if self.own_baselines:
            layers = np.flatnonzero(np.isin(self.geometry.dateList, self.series.dateList))
            baseline = np.asarray(read_layers(inputs["bperp"], layers, rows), np.float32)
        else:
            baseline = np.asarray(self.series.pbase, np.float32).reshape(-1, 1)
        angle, distance = (image(_ANGLE), image(_DISTANCE)) if self.own_angles else self.mean
        return _Block(
            series=inputs["timeseries"][:, rows.slice].reshape(self.series.numDate, -1),
            geometry=Geometry(baseline, angle, distance, self.series.refIndex),
            coherence=image(_COHERENCE) if _COHERENCE in inputs else None,
        )


@dataclass(frozen=True)
class _Outputs:
    dem: h5py.Dataset
    corrected: h5py.Dataset
    residual: h5py.Dataset

    def write(self, rows: Rows, result: Estimated) -> None:
        shape = (len(rows), self.dem.shape[1])
        self.dem[rows.slice] = result.dem.reshape(shape)
        self.corrected[:, rows.slice] = result.corrected.reshape(-1, *shape)
        self.residual[:, rows.slice] = result.residual.reshape(-1, *shape)


@contextmanager
def _outputs(source: _Source) -> Iterator[_Outputs]:
    """Lay out the three files, with the metadata that MintPy gives them."""
    from mintpy.dem_error import config_keys, key_prefix

    inps = source.inps
    common = dict(source.series.metadata) | {f"{key_prefix}{key}": getattr(inps, key) for key in config_keys}
    with h5py.File(inps.ts_file, "r") as h5:
        datasets = {name: item[()] for name, item in h5.items() if name != "timeseries"}
        datasets["timeseries"] = Blank(h5["timeseries"].shape)
    dem = {"FILE_TYPE": "dem", "UNIT": "m"}
    series = {"FILE_TYPE": "timeseries", "UNIT": "m"}
    corrected = Path(inps.ts_cor_file)
    with (
        product_file(Path(inps.dem_err_file), common | dem, {"dem": Blank(source.shape)}) as one,
        product_file(corrected, common | series, datasets) as two,
        product_file(corrected.parent / RESIDUAL, common | series, datasets) as three,
    ):
        yield _Outputs(one["dem"], two["timeseries"], three["timeseries"])
