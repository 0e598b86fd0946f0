"""The network of pairs as a sparse linear system, and the order in which its dates are eliminated.

With the dates' phases as unknowns the normal matrix of the inversion is the weighted Laplacian of the network's
graph. Which of its entries are not zero is the same for all pixels, so this is worked out once; the kernels follow
the lists made here. No pixel data are touched here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import splu

Index = NDArray[np.int32]


@dataclass(frozen=True)
class Elimination:
    """L D L^T of a symmetric matrix with a known pattern, as lists for a kernel to follow.

    Parameters
    ----------
    order : ndarray of int32 (n,)
        Unknown that is eliminated k-th.
    column : ndarray of int32 (n + 1,)
        Where each column of L starts in `row`.
    row : ndarray of int32 (entries,)
        Row of each entry of L below the diagonal, in elimination order, ascending within a column.
    target : ndarray of int32 (updates,)
        For each column, and each pair of entries (a, b < a) in it, the entry of L that the pair changes.
    """

    order: Index
    column: Index
    row: Index
    target: Index

    @classmethod
    def of(cls, size: int, edges: Sequence[tuple[int, int]]) -> Elimination:
        """Take the order with the least work, out of the given one and two that reduce fill.

        Reverse Cuthill-McKee gathers the entries near the diagonal; minimum degree is better for networks with
        annual pairs. A sequential network is best left as it is.
        """
        return min((cls.in_order(order, edges) for order in _orders(size, edges)), key=lambda one: one.work)

    @classmethod
    def in_order(cls, order: NDArray[np.integer[Any]], edges: Sequence[tuple[int, int]]) -> Elimination:
        """Take the order that is given."""
        columns = _fill(order, edges)
        starts = np.cumsum([0, *map(len, columns)])
        place = {(row, k): int(starts[k]) + q for k, rows in enumerate(columns) for q, row in enumerate(rows)}
        targets = [place[high, low] for rows in columns for a, high in enumerate(rows) for low in rows[:a]]
        return cls(
            order=_index(order),
            column=_index(starts),
            row=_index([row for rows in columns for row in rows]),
            target=_index(targets),
        )

    @property
    def work(self) -> int:
        """Multiplications of the factorization, nearly."""
        return 2 * self.row.size + self.target.size

    def entry(self, one: int, other: int) -> int:
        """Where L keeps the entry of two eliminated positions."""
        low, high = sorted((one, other))
        start, end = self.column[low : low + 2]
        return int(start + np.searchsorted(self.row[start:end], high))


@dataclass(frozen=True)
class Network:
    """Pairs of acquisitions, prepared for the inversion.

    Parameters
    ----------
    dates : tuple of str
        All acquisitions of the pairs, `YYYYMMDD`, ascending.
    first, second : ndarray of int32 (pairs,)
        Index of each pair's reference and secondary date; phase is that of `second` minus that of `first`.
    years : ndarray of float64 (dates - 1,)
        Time between consecutive dates, rounded to float32 as MintPy has it.
    fixed : int
        Date that is not counted when the redundancy of the network is judged (`get_design_matrix4timeseries`).
    elimination : Elimination
        Of the dates but the first, whose phase is zero.
    """

    dates: tuple[str, ...]
    first: Index
    second: Index
    years: NDArray[np.float64]
    fixed: int
    elimination: Elimination

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]]) -> Network:
        """Prepare the network of pairs of `YYYYMMDD` dates, in the order of the observations."""
        dates = tuple(sorted({day for pair in pairs for day in pair}))
        number = {day: k for k, day in enumerate(dates)}
        first, second = ([number[pair[k]] for pair in pairs] for k in (0, 1))
        edges = {(i - 1, j - 1) for i, j in zip(first, second, strict=True) if i and j and i != j}
        days = np.array([date.fromisoformat(day).toordinal() for day in dates])
        since = (days - days[0]).astype(np.float32) / np.float32(365.25)
        alone = set(first) if len(set(first)) == 1 else {0}
        return cls(
            dates=dates,
            first=_index(first),
            second=_index(second),
            years=np.diff(since).astype(np.float64),
            fixed=alone.pop(),
            elimination=Elimination.of(len(dates) - 1, sorted(edges)),
        )

    @property
    def place(self) -> Index:
        """Position of each date in the elimination; the first date comes after all others."""
        place = np.empty(len(self.dates), np.int32)
        place[0] = len(self.dates) - 1
        place[1 + self.elimination.order] = np.arange(len(self.dates) - 1)
        return place

    @property
    def stretch(self) -> float:
        """Square of the longest pair over the shortest time between dates: how far velocities stretch the weights."""
        since = np.concatenate([[0.0], np.cumsum(self.years)])
        longest = np.abs(since[self.second] - since[self.first]).max()
        return float((longest / self.years.min()) ** 2)

    @property
    def entries(self) -> Index:
        """Entry of L in which each pair's weight stands; -1 for pairs with the first date."""
        place, last = self.place, len(self.dates) - 1
        ends = [(int(place[i]), int(place[j])) for i, j in zip(self.first, self.second, strict=True)]
        return _index([-1 if last in pair else self.elimination.entry(*pair) for pair in ends])


def _orders(size: int, edges: Sequence[tuple[int, int]]) -> list[NDArray[np.integer[Any]]]:
    given = np.arange(size)
    if not edges:
        return [given]
    one, other = np.transpose(edges)
    ones = np.ones(len(edges))
    graph = sparse.coo_array((ones, (one, other)), (size, size)).tocsr()
    laplacian = graph + graph.T + sparse.diags_array(np.full(size, 2.0 * len(edges)))
    factor = splu(laplacian.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    # perm_c says where each column goes
    return [given, reverse_cuthill_mckee(laplacian.tocsr(), symmetric_mode=True), np.argsort(factor.perm_c)]


def _fill(order: NDArray[np.integer[Any]], edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Rows of each column of L: eliminating an unknown joins all its later neighbours."""
    place = np.empty(order.size, int)
    place[order] = np.arange(order.size)
    later: list[set[int]] = [set() for _ in range(order.size)]
    for i, j in edges:
        low, high = sorted((int(place[i]), int(place[j])))
        later[low].add(high)
    columns = []
    for rows in map(sorted, later):
        columns.append(rows)
        if rows:
            later[rows[0]].update(rows[1:])
    return columns


def _index(values: Any) -> Index:
    return np.asarray(values, dtype=np.int32)
