"""Where a network is cut so that later pairs can be added without the earlier ones.

Eliminating the dates before a checkpoint leaves, on the few dates behind it that their pairs touch, all that these
pairs say about the later dates: the Schur complement of the normal matrix. Here is which dates and pairs these are,
and how they are numbered for the kernels. No pixel data are touched here.

Notes
-----
Dalaison and Jolivet (2020, J. Geophys. Res., 10.1029/2019JB019150) update a series by a Kalman filter, which keeps a
covariance and needs a model of the motion. Here nothing is modelled: what is kept is a part of the normal equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.inversion_types import Kept, Link, System, Tail
from sbas_assets.sbas.network import Elimination, Index, Network

MOST_FRONTIER = 8
"""Dates of a frontier: what is kept of a pixel grows with their square."""
_FORGOTTEN = 1e-10  # of what a new date changes at the end of the series
_LOOKED_AT = 128  # dates from the end, enough to see how fast a change fades


@dataclass(frozen=True)
class Cut:
    """A network cut before a date.

    Parameters
    ----------
    at : int
        The checkpoint: first date that is not eliminated.
    pairs : int
        Pairs with a date before the checkpoint; they come first.
    frontier : tuple of int
        Dates from the checkpoint on that these pairs touch.
    """

    at: int
    pairs: int
    frontier: tuple[int, ...]

    @classmethod
    def of(cls, network: Network, at: int) -> Cut | None:
        """Cut before a date, if the pairs are in order and the frontier is short."""
        early = np.minimum(network.first, network.second)
        late = np.maximum(network.first, network.second)
        pairs = int((early < at).sum())
        frontier = np.unique(late[:pairs][late[:pairs] >= at])
        if (early[:pairs] >= at).any() or not 0 < frontier.size <= MOST_FRONTIER:
            return None
        return cls(at, pairs, tuple(map(int, frontier)))


def tail_length(network: Network) -> int | None:
    """Dates that a new one changes by more than a ten-billionth of what it changes the last one; None if too many.

    New pairs pull the last dates apart, without a force on them all. How such a change fades is seen from the network
    with equal weights; what it really is in a pixel is measured when the series is updated.
    """
    first = max(0, len(network.dates) - _LOOKED_AT)
    early, late = (end - first for end in (network.first, network.second))
    inside = (early >= 0) & (late >= 0)
    size = len(network.dates) - first
    laplacian = np.zeros((size, size))
    for i, j in zip(early[inside], late[inside], strict=True):
        laplacian[[i, j], [i, j]] += 1
        laplacian[[i, j], [j, i]] -= 1
    ends = sorted({int(i) for i, j in zip(early, late, strict=True) if size - 1 in {i, j}} | {size - 1})
    # the first of them stands still; the inverse is as long as the network is whole
    response = np.zeros((size, size))
    response[1:, 1:] = np.linalg.pinv(laplacian[1:, 1:], hermitian=True)
    pulled = np.abs(response[:, ends[1:]] - response[:, ends[:-1]])
    pulled /= np.maximum(pulled[ends].max(axis=0), np.finfo(float).tiny)
    lasting = np.flatnonzero(pulled.max(axis=1, initial=0.0) > _FORGOTTEN)
    return None if first + lasting[0] <= 1 else size - int(lasting[0])


def checkpoint(network: Network, tail: int, earliest: int = 2) -> Cut | None:
    """Cut a network so that the tail stays behind the frontier; None where that cannot be."""
    if network.fixed or len(network.dates) - tail < earliest:
        return None
    return Cut.of(network, len(network.dates) - tail)


@dataclass(frozen=True)
class Stage:
    """A network, or what is behind its last checkpoint, prepared to be solved and to be cut again.

    Parameters
    ----------
    network : Network
        What is solved. Where it begins at a checkpoint, its first date stands for all dates before.
    begin : Cut, optional
        The last checkpoint.
    end : Cut
        The next one.
    stretch : float
        Of the whole network.
    """

    network: Network
    begin: Cut | None
    end: Cut
    stretch: float

    @classmethod
    def of(cls, network: Network, begin: Cut | None, end: Cut) -> Stage:
        """Take a network from one checkpoint to the next."""
        if begin is None:
            return cls(network, None, end, network.stretch)
        shift, pairs = begin.at - 1, begin.pairs
        first, second = network.first[pairs:] - shift, network.second[pairs:] - shift
        local = _moved(begin, shift)
        behind = Network(
            dates=(network.dates[0], *network.dates[begin.at :]),
            first=first.astype(np.int32),
            second=second.astype(np.int32),
            years=np.concatenate([[network.years[: begin.at].sum()], network.years[begin.at :]]),
            fixed=0,
            elimination=Elimination.of(len(network.dates) - shift - 1, _edges(first, second, local)),
        )
        moved = Cut(end.at - shift, end.pairs - pairs, _moved(end, shift))
        return cls(behind, Cut(1, 0, local), moved, network.stretch)

    @cached_property
    def system(self) -> System:
        """For the kernel that solves it."""
        return system_of(self.network)._replace(stretch=self.stretch)

    @cached_property
    def condensed(self) -> System:
        """For the elimination of the dates up to the next checkpoint, in their order and no further."""
        network, end = self.network, self.end
        first, second = network.first[: end.pairs], network.second[: end.pairs]
        size = max(end.frontier)
        edges = _edges(first, second, self._kept, end.frontier)
        inner = Network(
            dates=network.dates[: size + 1],
            first=first,
            second=second,
            years=network.years[:size],
            fixed=0,
            elimination=Elimination.in_order(np.arange(size), edges),
        )
        return system_of(inner)._replace(order=inner.elimination.order[: end.at - 1])

    @property
    def _kept(self) -> tuple[int, ...]:
        return self.begin.frontier if self.begin else ()

    @cached_property
    def joined(self) -> Link:
        """Where what was kept belongs when the stage is solved."""
        return link(self.network.place, self.network.elimination, self._kept)

    @cached_property
    def links(self) -> tuple[Link, Link]:
        """Where what was kept belongs when the stage is condensed, and where what is kept then stands."""
        condensed = self.condensed
        lists = Elimination(condensed.order, condensed.column, condensed.row, condensed.target)
        return link(condensed.place, lists, self._kept), link(condensed.place, lists, self.end.frontier)


def _moved(cut: Cut, shift: int) -> tuple[int, ...]:
    return tuple(date - shift for date in cut.frontier)


def _edges(first: Index, second: Index, *cliques: tuple[int, ...]) -> list[tuple[int, int]]:
    """Unknowns that the elimination has an entry for: of pairs, and of all dates of a frontier with each other."""
    pairs = {(int(i) - 1, int(j) - 1) for i, j in zip(first, second, strict=True) if i and j and i != j}
    kept = {(i - 1, j - 1) for clique in cliques for i in clique for j in clique if i < j}
    return sorted(pairs | kept)


def link(place: NDArray[np.int32], elimination: Elimination, frontier: tuple[int, ...]) -> Link:
    """Where the entries of a frontier's matrix stand, pair by pair of its dates, and where its dates do."""
    at = [int(place[date]) for date in frontier]
    entries = [elimination.entry(at[j], at[i]) for i in range(len(at)) for j in range(i)]
    return Link(np.array(entries, np.int32), np.array(at, np.int32))


def system_of(network: Network) -> System:
    """A network as the kernels take it."""
    lists = network.elimination
    return System(
        first=network.first,
        second=network.second,
        place=network.place,
        entries=network.entries,
        order=lists.order,
        column=lists.column,
        row=lists.row,
        target=lists.target,
        years=network.years,
        stretch=network.stretch if network.first.size else 0.0,
        fixed=network.fixed,
    )


def empty_kept(dates: int, pixels: int) -> Kept:
    """Room for what is kept of a block of pixels, of a frontier of some dates."""
    return Kept(
        matrix=np.zeros((dates * (dates - 1) // 2, pixels)),
        diagonal=np.zeros((dates, pixels)),
        side=np.zeros((dates, pixels)),
        frontier=np.zeros((dates, pixels)),
        whole=np.zeros((dates, pixels), np.float32),
        sums=np.zeros((2, pixels), np.float32),
        pivots=np.zeros((2, pixels), np.float32),
        valid=np.zeros(pixels, np.int16),
        kind=np.zeros(pixels, np.uint8),
    )


def tail_of(stage: Stage, before: Kept | None, pixels: int) -> Tail:
    """For the kernel, how a block of pixels goes from one checkpoint to the next."""
    inside, left = stage.links
    return Tail(
        before=empty_kept(0, 0) if before is None else before,
        joined=stage.joined,
        condensed=stage.condensed,
        inside=inside,
        left=left,
        ends=stage.network.place[list(stage.end.frontier)],
        after=empty_kept(len(stage.end.frontier), pixels),
        moved=np.zeros(pixels),
    )


@cache
def no_tail() -> Tail:
    """For the kernel, that it neither goes on from anything nor keeps anything."""
    nothing, none = empty_kept(0, 0), np.zeros(0, np.int32)
    nowhere = Link(none, none)
    system = System(none, none, none, none, none, none, none, none, np.zeros(0), 0.0, 0)
    return Tail(nothing, nowhere, system, nowhere, nowhere, none, nothing, np.zeros(0))
