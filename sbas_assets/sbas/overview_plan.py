"""Which interferograms an overview reads, what it takes off them, and which of their triplets it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import read_pixel

_PHASE = "unwrapPhase"
_DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Part:
    """Some of the interferograms that are read, and the triplets that they complete.

    Parameters
    ----------
    read : slice
        All of them, among those that are read.
    reference : ndarray of float32 (read,)
        Their phase at the reference point (rad).
    own : slice
        Those that were not looked at before.
    taken_off : ndarray of float32 (own,)
        What of their phase their velocity does without (rad).
    factor : ndarray of float64 (own,)
        From phase to velocity (m/year/rad).
    members, signs : ndarray (triplets, 3)
        As `triplets` gives them; the members count what is read.
    """

    read: slice
    reference: NDArray[np.float32]
    own: slice
    taken_off: NDArray[np.float32]
    factor: NDArray[np.float64]
    members: NDArray[np.int32]
    signs: NDArray[np.float32]


@dataclass(frozen=True)
class OverviewPlan:
    """What an overview reads, and what it makes of it.

    Parameters
    ----------
    layers : ndarray of int64 (n,)
        Layers of the stack that are read, ascending.
    triplets : int
        Of all kept interferograms.
    first, rest : Part
        Before and after the place in the order of the interferograms at which the sums are kept.
    """

    layers: NDArray[np.int64]
    triplets: int
    first: Part
    rest: Part

    @classmethod
    def of(cls, h5: h5py.File, known: int, keep: int) -> OverviewPlan:
        """Plan an overview that knows the first kept interferograms, and keeps the sums of as many or more."""
        kept = np.flatnonzero(h5["dropIfgram"][:])
        pairs = [(first.decode(), second.decode()) for first, second in h5["date"][:][kept]]
        members, signs = triplets(pairs)
        keep = max(keep, known)
        last = members[:, 2]
        partners = np.unique(members[last >= known])
        partners = partners[partners < known]
        read = np.concatenate([partners, np.arange(known, len(pairs))]).astype(np.int64)
        turn = partners.size + keep - known
        reference, taken_off = _references(h5, kept[read])
        factor = -1 * float(h5.attrs["WAVELENGTH"]) / (4.0 * np.pi) / (_days(pairs)[read] / _DAYS_PER_YEAR)
        places = np.searchsorted(read, members).astype(np.int32)

        def part(some: slice, own: slice, complete: NDArray[np.bool_]) -> Part:
            return Part(some, reference[some], own, taken_off[own], factor[own], places[complete], signs[complete])

        return cls(
            layers=kept[read],
            triplets=len(members),
            first=part(slice(0, turn), slice(partners.size, turn), (last >= known) & (last < keep)),
            rest=part(slice(turn, None), slice(turn, None), last >= keep),
        )


def _references(h5: h5py.File, layers: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Phase at the reference point of some layers (rad), and what of it MintPy's mean velocity takes off."""
    row, column = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
    length, width = h5[_PHASE].shape[1:]
    reference = read_pixel(h5[_PHASE], layers, row, column)
    # MintPy compares the row with the width and the column with the length: beyond it takes nothing off
    inside = row <= width and column <= length
    return reference, reference if inside else np.zeros_like(reference)


def triplets(pairs: Sequence[tuple[str, str]]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
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
