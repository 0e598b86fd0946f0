"""Correcting the unwrapping errors of an interferogram stack, from file to file, some images at a time.

What the error of a region is, bridging.py finds for each image, or MintPy from the closures of the triplets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.sbas import unwrapping_kernel as kernel
from sbas_assets.sbas.blocks import Rows, row_blocks, stream
from sbas_assets.sbas.bridging import NO_SHIFT, Bridging, bridging_shifts, closure_shifts
from sbas_assets.sbas.components import Regions, find_regions
from sbas_assets.threads import Share, pixel_threads, thread_count

Phases = NDArray[np.float32]
# shifts of an image's regions, from its number, its regions and its phase
Solve = Callable[[int, Regions, Phases], NDArray[np.float64]]
_BYTES = 4 + 2 + 1  # of a pixel: phase, component, region
_ROWS = 32  # of a task


@dataclass(frozen=True)
class Source:
    """The images to correct.

    Parameters
    ----------
    phase : h5py.Dataset
        float32 (images, rows, columns), rad.
    original : h5py.Dataset
        The phase before any correction; may be `phase`.
    components : h5py.Dataset
        integer (images, rows, columns).
    pairs : sequence of str
        Names of the images.
    kept : ndarray of bool (images,)
        Whether an image is part of the network; the phases of others are not corrected.
    point : tuple of int
        Row and column of the reference point.
    least : float
        `mintpy.unwrapError.connCompMinArea` (pixels).
    water : ndarray (rows, columns), optional
        Zero where components do not count.
    """

    phase: h5py.Dataset
    original: h5py.Dataset
    components: h5py.Dataset
    pairs: Sequence[str]
    kept: NDArray[np.bool_]
    point: tuple[int, int]
    least: float
    water: NDArray[Any] | None = None


def bridge_stack(
    source: Source, target: h5py.Dataset, radius: int, ramp: str | None, memory: float
) -> NDArray[np.int32]:
    """Correct by bridging.

    Parameters
    ----------
    source : Source
        The images.
    target : h5py.Dataset
        float32 (images, rows, columns); filled.
    radius, ramp : int, str
        See `bridging.Bridging`.
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Returns
    -------
    ndarray of int32 (rows, columns)
        In how many images each pixel moved against the reference point.

    Raises
    ------
    InputError
        `conncomp-too-small`: the reference point is in no region of an image.

    Notes
    -----
    Source: MintPy `unwrap_error_bridging.run_unwrap_error_bridging`. The phases are MintPy's to the bit, except with
    a ramp: MintPy takes it off and adds it again in single precision; here it stays on.
    """
    how = Bridging(source.point, source.least, radius, ramp)
    # images that are left out keep their own reference
    mode = np.where(source.kept, kernel.REFERENCE_DATA, kernel.AS_IT_IS).astype(np.int8)
    return _correct(source, target, mode, lambda _, regions, phase: bridging_shifts(regions, phase, how), memory)


def close_stack(
    source: Source, target: h5py.Dataset, common: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], memory: float
) -> NDArray[np.int32]:
    """Correct by the cycles that MintPy found from phase closures; see `bridge_stack`.

    Parameters
    ----------
    source : Source
        The images.
    target : h5py.Dataset
        float32 (images, rows, columns); filled.
    common : sequence of (ndarray of int64 (samples, 2), ndarray of float64 (kept images,))
        Row and column of some pixels of each region that all images have in common, the largest region first, and
        its cycles in each image (`unwrap_error_phase_closure.get_common_region_int_ambiguity`).
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Notes
    -----
    Source: MintPy `unwrap_error_phase_closure.correct_unwrap_error_phase_closure`, to the bit.
    """
    place = np.cumsum(source.kept) - 1

    def solve(number: int, regions: Regions, _phase: Phases) -> NDArray[np.float64]:
        return closure_shifts(regions, [(samples, float(cycles[place[number]])) for samples, cycles in common])

    mode = np.full(len(source.pairs), kernel.REFERENCE_ALL, np.int8)
    return _correct(source, target, mode, solve, memory)


@dataclass(frozen=True)
class _Block:
    phase: Phases
    original: Phases
    components: NDArray[Any]


def _correct(
    source: Source, target: h5py.Dataset, mode: NDArray[np.int8], solve: Solve, memory: float
) -> NDArray[np.int32]:
    moved = np.zeros(source.phase.shape[1:], np.int32)
    with pixel_threads() as share:

        def compute(images: Rows, block: _Block) -> Phases:
            work = _prepare(source, images, block, solve, share)._replace(mode=mode[images.slice])
            share(lambda start, stop: kernel.shift(work, start, stop, moved), moved.shape[0], _ROWS)
            return block.phase

        def write(images: Rows, phase: Phases) -> None:
            target[images.slice] = phase

        stream(_groups(source, memory), lambda images: _read(source, images), compute, write)
    return moved


def _groups(source: Source, memory: float) -> list[Rows]:
    """Divide the images into groups that are in memory together, with work for all threads if there is room."""
    number, length, width = source.phase.shape
    size = length * width * (_BYTES if source.original == source.phase else _BYTES + 4)
    threads = thread_count()
    roomy = 3 * threads * size < 0.75 * memory * 2**30
    return row_blocks(number, size, memory, multiple=threads if roomy else 1)


def _read(source: Source, images: Rows) -> _Block:
    phase = source.phase[images.slice].astype(np.float32, copy=False)
    original = phase if source.original == source.phase else source.original[images.slice]
    return _Block(phase, original, source.components[images.slice])


def _prepare(source: Source, images: Rows, block: _Block, solve: Solve, share: Share) -> kernel.Images:
    """Find the regions of some images, and by how much to shift them."""
    labels = np.zeros(block.phase.shape, np.uint8)
    shifts = np.full((len(images), 256), NO_SHIFT)

    def find(start: int, stop: int) -> None:
        for image in range(start, stop):
            number = images.start + image
            if source.kept[number]:
                regions = _regions(source, number, block.components[image])
                labels[image] = regions.labels
                shifts[image] = solve(number, regions, block.phase[image])

    share(find, len(images), 1)
    at = (slice(None), *source.point)
    reference = block.phase[at].copy()
    return kernel.Images(
        phase=block.phase,
        original=block.original,
        labels=labels,
        shifts=shifts,
        mode=np.zeros(len(images), np.int8),
        reference=reference,
        original_reference=block.original[at].copy(),
        end=(reference - reference + shifts[np.arange(len(images)), labels[at]]).astype(np.float32),
    )


def _regions(source: Source, number: int, components: NDArray[Any]) -> Regions:
    if source.water is not None:
        components = np.where(source.water == 0, 0, components)
    regions = find_regions(components, source.least)
    if not regions.labels[source.point]:
        row, column = source.point
        raise InputError(
            "conncomp-too-small",
            f"the reference point (row {row}, column {column}) is in no connected component of {source.pairs[number]} "
            "that is large enough",
            mend="lower mintpy.unwrapError.connCompMinArea, or choose another reference point",
        )
    return regions
