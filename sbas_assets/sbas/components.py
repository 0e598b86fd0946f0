"""The connected components of an interferogram as MintPy cleans them, and the pixels from which bridges start.

One image at a time; by how much a region is then shifted, bridging.py finds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import components_kernel as kernel

# a larger minimum area is lowered to this share of the image
_LARGEST_SHARE = 3e-3


@dataclass(frozen=True)
class Regions:
    """The regions of an image.

    Parameters
    ----------
    labels : ndarray of uint8 (rows, columns)
        1, 2, ... in the order of the regions' first pixels, row by row; 0 outside all.
    number : int
        How many there are.
    edges : tuple of ndarray of int32 (pixels, 2)
        Row and column of the edge of each region after an erosion by 5 x 5 pixels. Empty where a region is the whole
        image, which has no edge.
    """

    labels: NDArray[np.uint8]
    number: int
    edges: tuple[NDArray[np.int32], ...]


def find_regions(components: NDArray[Any], least: float) -> Regions:
    """Number the regions, leaving out the small ones and those that an erosion takes away.

    Parameters
    ----------
    components : ndarray of integer (rows, columns)
        Connected components; pixels of one value that do not touch are different regions.
    least : float
        `mintpy.unwrapError.connCompMinArea` (pixels).

    Notes
    -----
    Source: MintPy `objects.conncomp.label_conn_comp` and `label_boundary`, which label three times and erode twice.
    MintPy numbers eroded regions with a byte, too: images with more than 255 regions are given to it.
    """
    labels = np.empty(components.shape, np.uint8)
    number = kernel.label(components, _fewest_pixels(min(least, _LARGEST_SHARE * components.size)), labels)
    if number > kernel.MOST_REGIONS:
        return _ask_mintpy(components, least)
    eroded = np.empty_like(labels)
    edges = _erode(labels, eroded)
    if _left(edges, eroded).size < number:
        # what is left may now touch nothing where it touched something: once more, as MintPy does
        number = _drop_lost(_left(edges, eroded), labels)
        edges = _erode(labels, eroded)
        left = _left(edges, eroded)
        if left.size < number:
            number = _drop_lost(left, labels)
    return Regions(labels, number, _by_region(edges))


def _fewest_pixels(least: float) -> int:
    """Pixels of the smallest region that is kept."""
    return math.floor(least) + 1 if least > 0 and _least_is_dropped() else math.ceil(least)


@cache
def _least_is_dropped() -> bool:
    """Whether a region of exactly the least area goes: scikit-image, which MintPy asks, drops it since 0.26."""
    return tuple(int(part) for part in version("scikit-image").split(".")[:2]) >= (0, 26)


def _erode(labels: NDArray[np.uint8], eroded: NDArray[np.uint8]) -> NDArray[np.int32]:
    kernel.erode(labels, eroded)
    return kernel.edges(eroded)


def _left(edges: NDArray[np.int32], eroded: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Regions of which the erosion leaves something; one that fills the image has no edge."""
    left = np.unique(edges[:, 2])
    return left if left.size or not eroded[0, 0] else np.array([eroded[0, 0]], np.int32)


def _drop_lost(left: NDArray[np.int32], labels: NDArray[np.uint8]) -> int:
    table = np.zeros(256, np.uint8)
    table[left] = np.arange(1, left.size + 1)
    np.take(table, labels, out=labels)
    return left.size


def _by_region(edges: NDArray[np.int32]) -> tuple[NDArray[np.int32], ...]:
    order = np.argsort(edges[:, 2], kind="stable")
    ends = np.flatnonzero(np.diff(edges[order, 2])) + 1
    return tuple(np.split(edges[order, :2], ends)) if len(edges) else ()


def _ask_mintpy(components: NDArray[Any], least: float) -> Regions:
    from mintpy.objects.conncomp import label_boundary, label_conn_comp

    labels, number = label_conn_comp(components, min_area=least)
    labels, number, boundary = label_boundary(labels, number)
    rows, columns = np.nonzero(boundary)
    edges = np.column_stack([rows, columns, boundary[rows, columns]]).astype(np.int32)
    return Regions(labels.astype(np.uint8), number, _by_region(edges))
