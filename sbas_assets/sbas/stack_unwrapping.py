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
from sbas_assets.sbas.blocks import Rows, read_layers, row_blocks, stream
from sbas_assets.sbas.bridging import NO_SHIFT, Bridging, bridging_shifts, closure_shifts
from sbas_assets.sbas.components import Regions, find_regions
from sbas_assets.threads import Share, pixel_threads, thread_count

Phases = NDArray[np.float32]
# shifts of an image's regions, from its number, its regions and its phase
Solve = Callable[[int, Regions, Phases], NDArray[np.float64]]
_BYTES = 4 + 2 + 1 + 1  # of a pixel: phase, component, region, whether it moved
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
    wanted : ndarray of int64 (n,)
        Numbers of the images that are to be corrected, ascending.
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
    wanted: NDArray[np.int64]
    kept: NDArray[np.bool_]
    point: tuple[int, int]
    least: float
    water: NDArray[Any] | None = None


@dataclass(frozen=True)
class Target:
    """Where the corrected images go.

    Parameters
    ----------
    phase : h5py.Dataset
        float32 (layers, rows, columns), rad; filled.
    layers : ndarray of int64 (n,)
        Layer of each wanted image.
    changed : h5py.Dataset, optional
        uint8 (layers, rows, columns / 8, rounded up); filled with a bit for each pixel that moved.
    """

    phase: h5py.Dataset
    layers: NDArray[np.int64]
    changed: h5py.Dataset | None = None


@dataclass(frozen=True)
class Corrected:
    """What was done to the wanted images.

    Parameters
    ----------
    moved : ndarray of int32 (rows, columns)
        In how many of them each pixel moved by more than half a cycle against the reference point.
    seen : ndarray of int64 (n,)
        Pixels with a phase in each.
    """

    moved: NDArray[np.int32]
    seen: NDArray[np.int64]


def bridge_stack(source: Source, target: Target, radius: int, ramp: str | None, memory: float) -> Corrected:
    """Correct by bridging.

    Parameters
    ----------
    source : Source
        The images.
    target : Target
        Filled.
    radius, ramp : int, str
        See `bridging.Bridging`.
    memory : float
        `mintpy.compute.maxMemory` (GB).

    Raises
    ------
    InputError
        `conncomp-too-small`: the reference point is in no region of an image.

    Notes
    -----
    Each image is corrected by itself.

    Source: MintPy `unwrap_error_bridging.run_unwrap_error_bridging`. The phases are MintPy's to the bit, except with
    a ramp: MintPy takes it off and adds it again in single precision; here it stays on.
    """
    how = Bridging(source.point, source.least, radius, ramp)
    # images that are left out keep their own reference
    mode = np.where(source.kept, kernel.REFERENCE_DATA, kernel.AS_IT_IS).astype(np.int8)
    return _correct(source, target, mode, lambda _, regions, phase: bridging_shifts(regions, phase, how), memory)


def close_stack(
    source: Source, target: Target, common: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]], memory: float
) -> Corrected:
    """Correct by the cycles that MintPy found from phase closures; see `bridge_stack`.

    Parameters
    ----------
    source : Source
        The images.
    target : Target
        Filled.
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


def _correct(source: Source, target: Target, mode: NDArray[np.int8], solve: Solve, memory: float) -> Corrected:
    shape = source.phase.shape[1:]
    done = Corrected(np.zeros(shape, np.int32), np.zeros(source.wanted.size, np.int64))
    with pixel_threads() as share:

        def compute(some: Rows, block: _Block) -> tuple[Phases, NDArray[np.bool_]]:
            numbers = source.wanted[some.slice]
            changed = np.zeros(block.phase.shape, np.bool_)
            work = _prepare(source, numbers, block, solve, share)._replace(mode=mode[numbers])
            done.seen[some.slice] = [np.count_nonzero(image) for image in block.original]
            share(lambda start, stop: kernel.shift(work, start, stop, done.moved, changed), shape[0], _ROWS)
            return block.phase, changed

        def write(some: Rows, result: tuple[Phases, NDArray[np.bool_]]) -> None:
            for layer, phase, changed in zip(target.layers[some.slice], *result, strict=True):
                target.phase[layer] = phase
                if target.changed is not None:
                    target.changed[layer] = np.packbits(changed, axis=-1)

        stream(_groups(source, memory), lambda some: _read(source, some), compute, write)
    return done


def _groups(source: Source, memory: float) -> list[Rows]:
    """Divide the images into groups that are in memory together, with work for all threads if there is room."""
    length, width = source.phase.shape[1:]
    size = length * width * (_BYTES if source.original == source.phase else _BYTES + 4)
    threads = thread_count()
    roomy = 3 * threads * size < 0.75 * memory * 2**30
    return row_blocks(source.wanted.size, size, memory, multiple=threads if roomy else 1)


def _read(source: Source, some: Rows) -> _Block:
    phase = _images(source.phase, source.wanted[some.slice]).astype(np.float32, copy=False)
    original = phase if source.original == source.phase else _images(source.original, source.wanted[some.slice])
    return _Block(phase, original, _images(source.components, source.wanted[some.slice]))


def _images(dataset: h5py.Dataset, numbers: NDArray[np.int64]) -> NDArray[Any]:
    return read_layers(dataset, numbers, Rows(0, dataset.shape[1])).reshape(numbers.size, *dataset.shape[1:])


def _prepare(source: Source, numbers: NDArray[np.int64], block: _Block, solve: Solve, share: Share) -> kernel.Images:
    """Find the regions of some images, and by how much to shift them."""
    labels = np.zeros(block.phase.shape, np.uint8)
    shifts = np.full((numbers.size, 256), NO_SHIFT)

    def find(start: int, stop: int) -> None:
        for image in range(start, stop):
            number = int(numbers[image])
            if source.kept[number]:
                regions = _regions(source, number, block.components[image])
                labels[image] = regions.labels
                shifts[image] = solve(number, regions, block.phase[image])

    share(find, numbers.size, 1)
    at = (slice(None), *source.point)
    reference = block.phase[at].copy()
    return kernel.Images(
        phase=block.phase,
        original=block.original,
        labels=labels,
        shifts=shifts,
        mode=np.zeros(numbers.size, np.int8),
        reference=reference,
        original_reference=block.original[at].copy(),
        end=(reference - reference + shifts[np.arange(numbers.size), labels[at]]).astype(np.float32),
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
