"""An interferogram stack at a glance: where it is coherent and complete, how it moves, whether its phases close.

Reads `ifgramStack.h5` or a view of it, each dataset once, block by block; what is written where is the network
step's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import stack_overview_kernel as kernel
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.threads import Share, pixel_threads

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
_PHASE = "unwrapPhase"
_DAYS_PER_YEAR = 365.25


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
    """

    coherence: Image
    common: Mask
    valid: Mask


@dataclass(frozen=True)
class Overview:
    """What the kept interferograms say before they are inverted; each (rows, columns).

    Parameters
    ----------
    velocity : ndarray of float32
        Mean of phase over time (m/year), positive towards the satellite.
    closures : ndarray of float32, optional
        Number of triplets that close to another multiple of 2 pi than zero; NaN where all do. None without triplets.
    """

    velocity: Image
    closures: Image | None


def cover(stack: Path, memory: float) -> Coverage:
    """Average the coherence, and find what all kept interferograms have in common.

    Parameters
    ----------
    stack : Path
        The stack; its flags `dropIfgram` say which interferograms are kept (true).
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Notes
    -----
    Source: MintPy `ifgramStack.temporal_average` and `nonzero_mask`, to the bit.
    """
    with h5py.File(stack, "r") as h5:
        shape = h5[_PHASE].shape[1:]
        found = Coverage(np.empty(shape, np.float32), np.empty(shape, np.bool_), np.empty(shape, np.bool_))
        names = [name for name in (_PHASE, "coherence", "connectComponent") if name in h5]

        def compute(rows: Rows, block: Mapping[str, NDArray[Any]], share: Share) -> None:
            coherence, common, valid = (image[rows.slice].reshape(-1) for image in vars(found).values())
            phase = block[_PHASE]

            def kernels(start: int, stop: int) -> None:
                kernel.mean(block["coherence"], start, stop, coherence)
                kernel.never_zero(block.get("connectComponent", phase), start, stop, common)
                kernel.never_missing(phase, start, stop, valid)

            share(kernels, valid.size)

        _look_through(h5, names, memory, compute)
    return found


def overview(stack: Path, coherence: Image, water: NDArray[Any] | None, memory: float) -> Overview:
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

    Notes
    -----
    Source: MintPy `ifgramStack.temporal_average`, to the bit, and
    `unwrap_error_phase_closure.calc_num_triplet_with_nonzero_integer_ambiguity` (Yunjun et al., 2019, eq. 8 and 9),
    whose sums are in the order that BLAS chooses: a triplet may count differently where its closure is an odd
    multiple of pi but for the last digit.
    """
    with h5py.File(stack, "r") as h5:
        plan = _Plan.of(h5)
        velocity = np.empty(h5[_PHASE].shape[1:], np.float32)
        closures = np.empty_like(velocity)

        def compute(rows: Rows, block: Mapping[str, NDArray[Any]], share: Share) -> None:
            phase = block[_PHASE]
            moving, counts = velocity[rows.slice].reshape(-1), closures[rows.slice].reshape(-1)

            def kernels(start: int, stop: int) -> None:
                kernel.velocity(phase, plan.taken_off, plan.factor, start, stop, moving)
                kernel.open_triplets(phase, plan.reference, plan.members, plan.signs, start, stop, counts)

            share(kernels, moving.size)

        _look_through(h5, [_PHASE], memory, compute)
    number = len(plan.members)
    for mask in (coherence, water):
        if mask is not None:
            closures[mask == 0] = np.nan
    closures[closures == number] = np.nan
    return Overview(velocity, closures if number else None)


@dataclass(frozen=True)
class _Plan:
    """Reference phases, of the closures and of the velocity, factors to velocity, and triplets."""

    reference: Image
    taken_off: Image
    factor: NDArray[np.float64]
    members: NDArray[np.int32]
    signs: Image

    @classmethod
    def of(cls, h5: h5py.File) -> _Plan:
        kept = h5["dropIfgram"][:]
        length, width = h5[_PHASE].shape[1:]
        row, column = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
        reference = h5[_PHASE][:, row, column][kept]
        # MintPy compares the row with the width and the column with the length: beyond it takes nothing off
        inside = row <= width and column <= length
        pairs = [(first.decode(), second.decode()) for first, second in h5["date"][:][kept]]
        members, signs = triplets(pairs)
        years = _days(pairs) / _DAYS_PER_YEAR
        return cls(
            reference=reference,
            taken_off=reference if inside else np.zeros_like(reference),
            factor=-1 * float(h5.attrs["WAVELENGTH"]) / (4.0 * np.pi) / years,
            members=members,
            signs=signs,
        )


def triplets(pairs: Sequence[tuple[str, str]]) -> tuple[NDArray[np.int32], Image]:
    """Triangles of interferograms.

    Parameters
    ----------
    pairs : sequence of (str, str)
        First and second date of each interferogram, `YYYYMMDD`.

    Returns
    -------
    members : ndarray of int32 (triplets, 3)
        Numbers of three interferograms between three dates, ascending.
    signs : ndarray of float32 (triplets, 3)
        1, and -1 for the interferogram between the first and the last date.

    Notes
    -----
    Source: MintPy `ifgramStack.get_design_matrix4triplet`.
    """
    number = {pair: place for place, pair in enumerate(pairs)}
    after: dict[str, list[str]] = {}
    for first, second in number:
        after.setdefault(first, []).append(second)
    found = [
        sorted([(number[one, two], 1), (number[two, three], 1), (number[one, three], -1)])
        for one, two in number
        for three in after.get(two, [])
        if one < two < three and (one, three) in number
    ]
    table = np.array(found, np.int32).reshape(-1, 3, 2)
    return np.ascontiguousarray(table[:, :, 0]), table[:, :, 1].astype(np.float32)


def _days(pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
    """Time between the dates of each pair."""
    dates = np.array([[f"{date[:4]}-{date[4:6]}-{date[6:8]}" for date in pair] for pair in pairs], "datetime64[D]")
    return np.asarray(dates[:, 1] - dates[:, 0], np.float64)


def _look_through(
    h5: h5py.File,
    names: Sequence[str],
    memory: float,
    compute: Callable[[Rows, Mapping[str, NDArray[Any]], Share], None],
) -> None:
    """Read the kept layers of some datasets, block by block, as (layers, pixels)."""
    layers = np.flatnonzero(h5["dropIfgram"][:])
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
