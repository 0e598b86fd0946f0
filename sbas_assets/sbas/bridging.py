"""Bridges between the regions of an interferogram, and the cycles by which unwrapping set each region off.

Numerics of one image, from its regions and its phase (components.py finds the regions); which images, and where they
are read from and written to, is stack_unwrapping.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polygrid2d
from numpy.typing import NDArray
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from sbas_assets.sbas import bridging_kernel as kernel
from sbas_assets.sbas.components import Regions
from sbas_assets.sbas.deramp import Fit, sample_step

Pixel = tuple[int, int]
Image = NDArray[np.float32]
Ramp = Callable[[slice, slice], NDArray[Any]]

# added to a value it changes nothing, not even the sign of a zero
NO_SHIFT = -0.0
_RADIUS_SHARE = 0.05
_TURN = 2.0 * np.pi


class Bridge(NamedTuple):
    """From a region that is nearer to the reference point to one that is farther, between these pixels."""

    near: int
    far: int
    near_end: Pixel
    far_end: Pixel


@dataclass(frozen=True)
class Bridging:
    """How regions are bridged.

    Parameters
    ----------
    point : tuple of int
        Row and column of the reference point.
    least : float
        `mintpy.unwrapError.connCompMinArea` (pixels).
    radius : int
        `mintpy.unwrapError.bridgePtsRadius` (pixels).
    ramp : str, optional
        `mintpy.unwrapError.ramp`, a key of `deramp.RAMPS`: not counted when phases are compared.
    """

    point: Pixel
    least: float
    radius: int
    ramp: str | None = None


def find_bridges(regions: Regions, start: int) -> list[Bridge]:
    """Bridges that join all regions over the shortest distances, in the order in which they lead away from `start`.

    Parameters
    ----------
    regions : Regions
        At least one.
    start : int
        Number of the reference point's region.

    Notes
    -----
    Source: MintPy `objects.conncomp.connectComponent.find_mst_bridge`. Of equally short bridges the same is taken: the
    matrix of distances is the same, and the end at the region of the lower number is looked up in the same tree.
    """
    if regions.number < 2:
        return []
    edges = np.concatenate(regions.edges)
    first = np.cumsum([0, *map(len, regions.edges)])
    square, nearest = kernel.shortest(edges, first)
    distances = np.sqrt(square + square.T).astype(np.float32)
    tree = csgraph.minimum_spanning_tree(distances)
    order, before = csgraph.breadth_first_order(tree, i_start=start - 1, directed=False)
    opposite = _opposite_ends(regions)
    bridges = []
    for far in map(int, order[1:]):
        near = int(before[far])
        low, high = min(near, far), max(near, far)
        end = _pixel(edges[nearest[low, high]])
        other_end = opposite(low, end, int(square[low, high]))
        near_end, far_end = (other_end, end) if near < far else (end, other_end)
        bridges.append(Bridge(near + 1, far + 1, near_end, far_end))
    return bridges


def _opposite_ends(regions: Regions) -> Callable[[int, Pixel, int], Pixel]:
    """Return what finds the pixel of a region at a squared distance from another; of several, that of MintPy's tree."""
    tree = cache(lambda region: cKDTree(regions.edges[region]))

    def opposite(region: int, end: Pixel, square: int) -> Pixel:
        edge = regions.edges[region]
        away = edge - np.array(end, np.int64)
        found = np.flatnonzero(np.einsum("ij,ij->i", away, away) == square)
        return _pixel(edge[found[0] if found.size == 1 else tree(region).query(end)[1]])

    return opposite


def _pixel(place: NDArray[np.int32]) -> Pixel:
    return int(place[0]), int(place[1])


def bridging_shifts(regions: Regions, phase: Image, how: Bridging) -> NDArray[np.float64]:
    """What to add to the phase of each region so that it differs least from its neighbour's across the bridge.

    Parameters
    ----------
    regions : Regions
        Of the image; the reference point is in one of them.
    phase : ndarray of float32 (rows, columns)
        Unwrapped phase (rad).
    how : Bridging
        Options.

    Returns
    -------
    ndarray of float64 (256,)
        By number of the region, whole cycles (rad), as float32 numbers; `NO_SHIFT` for what is not bridged.

    Notes
    -----
    Source: MintPy `objects.conncomp.connectComponent.unwrap_conn_comp`. Bridges start at the reference point's region;
    its phase stays.
    """
    shifts = np.full(256, NO_SHIFT)
    bridges = find_bridges(regions, int(regions.labels[how.point]))
    ramp = _ramp(regions, phase, how) if how.ramp and bridges else None
    radius = int(min(how.radius, min(phase.shape) * _RADIUS_SHARE))

    def median(region: int, end: Pixel) -> np.float32:
        window = tuple(slice(max(0, at - radius), at + radius) for at in end)
        inside = regions.labels[window] == region
        values = _referenced(phase[window][inside], phase[how.point])
        if ramp is not None:
            values -= np.where(values == 0, np.float32(0), ramp(*window)[inside])
        values += np.float32(shifts[region])
        values = values[~np.isnan(values)]
        return np.float32(np.median(values) if values.size else np.nan)

    for bridge in bridges:
        shifts[bridge.far] = _cycles(median(bridge.far, bridge.far_end) - median(bridge.near, bridge.near_end))
    return shifts


def _cycles(difference: np.float32) -> np.float32:
    """Whole cycles (rad) that make a phase difference smallest, in single precision as in MintPy."""
    with np.errstate(invalid="ignore"):
        jumps = (np.abs(difference) + np.pi) // _TURN
    return np.float32(_TURN * (-jumps if difference > 0 else jumps))


def _referenced(phase: Image, reference: np.float32) -> Image:
    return np.where(phase != 0, phase - reference, phase)


def _ramp(regions: Regions, phase: Image, how: Bridging) -> Ramp:
    """The ramp of the reference point's region, as a function of rows and columns.

    Its sums are those of deramp.py, in double precision; where they do not determine it, MintPy's `deramp` decides.
    """
    assert how.ramp is not None
    image = _referenced(phase, phase[how.point])
    inside = regions.labels == regions.labels[how.point]
    counted = np.count_nonzero(inside & (image != 0) & ~np.isnan(image))
    fit = Fit.of((1, *image.shape), sample_step(np.array([counted])))
    fit.add(image[np.newaxis], inside, 0, lambda work, number, _size=1, /: work(0, number))
    ramps = fit.ramps(how.ramp, how.point)
    if not ramps.unclear[0]:
        y, x = (np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in image.shape)
        return lambda rows, columns: (
            polygrid2d(y[rows], x[columns], ramps.coefficients[0]).astype(np.float32) - np.float32(ramps.zero[0])
        )
    from mintpy.objects.ramp import deramp

    metadata = {"REF_Y": how.point[0], "REF_X": how.point[1]}
    whole = deramp(image, inside, how.ramp, metadata=metadata)[1]
    return lambda rows, columns: whole[rows, columns]


def closure_shifts(regions: Regions, samples: Sequence[tuple[NDArray[np.int64], float]]) -> NDArray[np.float64]:
    """What to add to the phase of each region, from the cycles of the regions that all interferograms have in common.

    Parameters
    ----------
    regions : Regions
        Of the image.
    samples : sequence of (ndarray of int64 (samples, 2), float)
        Rows and columns of some pixels of each common region, and the cycles that the region lacks in this image;
        the largest region first.

    Returns
    -------
    ndarray of float64 (256,)
        By number of the region (rad); zero for regions in which no common region lies, `NO_SHIFT` for numbers that no
        region has.

    Notes
    -----
    Source: MintPy `unwrap_error_phase_closure.correct_unwrap_error_phase_closure`.
    """
    shifts = np.full(256, NO_SHIFT)
    shifts[1 : regions.number + 1] = 0.0
    taken = set()
    for places, cycles in samples:
        numbers = np.unique(regions.labels[places[:, 0], places[:, 1]])
        region = int(numbers[0])
        if numbers.size == 1 and region and region not in taken:
            taken.add(region)
            shifts[region] = _TURN * cycles
    return shifts
