"""An interferogram stack at a glance: where it is coherent and complete, how it moves, whether its phases close.

Reads `ifgramStack.h5` or a view of it, block by block; of pairs whose sums are known (overview_sums.py) only what later
triplets need. What is written where is the network step's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import stack_overview_kernel as kernel
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.sbas.overview_plan import OverviewPlan, Part
from sbas_assets.sbas.overview_sums import CoverageSums, Early, OverviewSums
from sbas_assets.threads import Share, pixel_threads

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_PHASE = "unwrapPhase"


@dataclass(frozen=True)
class Coverage:
    """What the kept interferograms have in common; each (rows, columns).

    Parameters
    ----------
    coherence : ndarray of float32
        Average spatial coherence, 0 to 1.
    common : ndarray of bool
        Pixels in a connected component of every interferogram, or, without components, with a phase in it.
    valid : ndarray of bool
        Pixels with a finite phase, not zero, in every interferogram.
    early : Early
        What the next coverage may go on from.
    """

    coherence: Image
    common: Mask
    valid: Mask
    early: Early[CoverageSums]


@dataclass(frozen=True)
class Overview:
    """What the kept interferograms say before they are inverted; each (rows, columns).

    Parameters
    ----------
    velocity : ndarray of float32
        Mean of phase over time (m/year), positive towards the satellite.
    closures : ndarray of float32, optional
        Number of triplets that close to another multiple of 2 pi than zero; NaN where all do. None without triplets.
    early : Early
        What the next overview may go on from.
    """

    velocity: Image
    closures: Image | None
    early: Early[OverviewSums]


def cover(stack: Path, memory: float, early: Early[CoverageSums] | None = None, *, keep: int = 0) -> Coverage:
    """Average the coherence, and find what all kept interferograms have in common.

    Parameters
    ----------
    stack : Path
        The stack; its flags `dropIfgram` say which interferograms are kept (true).
    memory : float
        `mintpy.compute.maxMemory` (GB).
    early : Early, optional
        What is known of the first kept interferograms: they are not read.
    keep : int
        Of how many of the first kept interferograms to keep the sums; of the known ones at least.

    Notes
    -----
    Source: MintPy `ifgramStack.temporal_average` and `nonzero_mask`, to the bit.
    """
    with h5py.File(stack, "r") as h5:
        shape = h5[_PHASE].shape[1:]
        known = early or Early(0, CoverageSums.none(shape))
        now, kept, coherence = _copy(known.sums), _copy(known.sums), np.empty(shape, np.float32)
        layers = np.flatnonzero(h5["dropIfgram"][:])[known.pairs :]
        turn = max(keep - known.pairs, 0)
        names = [name for name in (_PHASE, "coherence", "connectComponent") if name in h5]

        def compute(rows: Rows, block: Mapping[str, NDArray[Any]], share: Share) -> None:
            sums, saved, mean = _rows(now, rows), _rows(kept, rows), coherence[rows.slice].reshape(-1)

            def kernels(start: int, stop: int) -> None:
                _cover(block, slice(0, turn), start, stop, sums)
                _save(sums, saved, start, stop)
                _cover(block, slice(turn, None), start, stop, sums)
                kernel.divide(sums.total, sums.number, start, stop, mean)

            share(kernels, mean.size)

        _look_through(h5, names, layers, memory, compute)
    return Coverage(coherence, now.common, now.valid, Early(known.pairs + turn, kept))


def _cover(block: Mapping[str, NDArray[Any]], some: slice, start: int, stop: int, sums: CoverageSums) -> None:
    phase = block[_PHASE]
    kernel.add(block["coherence"][some], start, stop, sums.total, sums.number)
    kernel.never_zero(block.get("connectComponent", phase)[some], start, stop, sums.common)
    kernel.never_missing(phase[some], start, stop, sums.valid)


def overview(
    stack: Path,
    coherence: Image,
    water: NDArray[Any] | None,
    memory: float,
    early: Early[OverviewSums] | None = None,
    *,
    keep: int = 0,
) -> Overview:
    """Stack the phases, and count the triplets that do not close.

    Parameters
    ----------
    stack : Path
        The stack, with its reference point.
    coherence : ndarray of float32 (rows, columns)
        Average spatial coherence: where it is zero no closures are counted.
    water : ndarray (rows, columns), optional
        Where it is zero no closures are counted.
    memory : float
        `mintpy.compute.maxMemory` (GB).
    early, keep
        As for `cover`; known interferograms are read where a triplet has later ones, too.

    Notes
    -----
    Source: MintPy `ifgramStack.temporal_average`, to the bit, and
    `unwrap_error_phase_closure.calc_num_triplet_with_nonzero_integer_ambiguity` (Yunjun et al., 2019, eq. 8 and 9),
    whose sums are in the order that BLAS chooses: a triplet may count differently where its closure is an odd
    multiple of pi but for the last digit.
    """
    with h5py.File(stack, "r") as h5:
        shape = h5[_PHASE].shape[1:]
        known = early or Early(0, OverviewSums.none(shape))
        plan = OverviewPlan.of(h5, known.pairs, keep)
        now, kept, velocity = _copy(known.sums), _copy(known.sums), np.empty(shape, np.float32)

        def compute(rows: Rows, block: Mapping[str, NDArray[Any]], share: Share) -> None:
            sums, saved, mean = _rows(now, rows), _rows(kept, rows), velocity[rows.slice].reshape(-1)

            def kernels(start: int, stop: int) -> None:
                _look_at(plan.first, block[_PHASE], start, stop, sums)
                _save(sums, saved, start, stop)
                _look_at(plan.rest, block[_PHASE], start, stop, sums)
                kernel.divide(sums.total, sums.number, start, stop, mean)

            share(kernels, mean.size)

        _look_through(h5, [_PHASE], plan.layers, memory, compute)
    closures = _closures(now, plan.triplets, (coherence, water)) if plan.triplets else None
    return Overview(velocity, closures, Early(max(known.pairs, keep), kept))


def _look_at(part: Part, phase: Image, start: int, stop: int, sums: OverviewSums) -> None:
    kernel.add_velocity(phase[part.own], part.taken_off, part.factor, start, stop, sums.total, sums.number)
    kernel.refer(phase[part.read], part.reference, start, stop, sums.unknown)
    kernel.open_triplets(phase, part.members, part.signs, start, stop, sums.open)


def _closures(sums: OverviewSums, number: int, masks: Iterable[NDArray[Any] | None]) -> Image:
    closures = np.where(sums.unknown, number, sums.open).astype(np.float32)
    for mask in masks:
        if mask is not None:
            closures[mask == 0] = np.nan
    closures[closures == number] = np.nan
    return closures


def _each[Sums: (CoverageSums, OverviewSums)](sums: Sums, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Sums:
    kind: Any = type(sums)
    changed: Sums = kind(*(change(image) for image in sums))
    return changed


def _copy[Sums: (CoverageSums, OverviewSums)](sums: Sums) -> Sums:
    return _each(sums, np.copy)


def _rows[Sums: (CoverageSums, OverviewSums)](sums: Sums, rows: Rows) -> Sums:
    """Give the pixels of some rows, to be changed in place."""
    return _each(sums, lambda image: image[rows.slice].reshape(-1))


def _save[Sums: (CoverageSums, OverviewSums)](sums: Sums, saved: Sums, start: int, stop: int) -> None:
    for image, copy in zip(sums, saved, strict=True):
        copy[start:stop] = image[start:stop]


def _look_through(
    h5: h5py.File,
    names: Sequence[str],
    layers: NDArray[np.integer],
    memory: float,
    compute: Callable[[Rows, Mapping[str, NDArray[Any]], Share], None],
) -> None:
    """Read some layers of some datasets, block by block, as (layers, pixels)."""
    length, width = h5[_PHASE].shape[1:]
    row_bytes = layers.size * width * sum(h5[name].dtype.itemsize for name in names)
    blocks = row_blocks(length, row_bytes, memory, multiple=max(chunk_rows(h5[name]) for name in names))
    with pixel_threads() as share:
        stream(
            blocks,
            lambda rows: {name: read_layers(h5[name], layers, rows) for name in names},
            lambda rows, block: compute(rows, block, share),
            lambda _rows, _nothing: None,
        )
