"""Checks of the network that is left: enough pairs, all dates connected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sbas_assets.topsstack.problems import Problem
from sbas_assets.topsstack.tree import Pair, StackTree

Island = tuple[str, ...]


def islands(pairs: Sequence[Pair]) -> tuple[Island, ...]:
    """Group dates that pairs connect, directly or by way of others.

    Parameters
    ----------
    pairs : sequence of Pair

    Returns
    -------
    tuple of tuple of str
        Dates in order; groups in order of their first date. One group if the network is whole.
    """
    group: dict[str, set[str]] = {}
    for pair in pairs:
        merged = group.get(pair.date1, {pair.date1}) | group.get(pair.date2, {pair.date2})
        group.update(dict.fromkeys(merged, merged))
    return tuple(sorted({tuple(sorted(dates)) for dates in group.values()}))


def check_network(tree: StackTree, kept: Sequence[Pair], dropped: Mapping[str, Problem]) -> Iterator[Problem]:
    """Yield what the drops did to the network."""
    yield from _lost_dates(tree, kept, dropped)
    path = tree.layout.expected("unw").parent.parent
    because = "; dropped: " + ", ".join(f"{n} ({p.code})" for n, p in dropped.items()) if dropped else ""
    if tree.pairs and len(kept) < 2:
        cause = f"has {len(kept)} usable pairs, a time series needs at least 2{because}"
        yield Problem("too-few-pairs", "stop", path, cause, "mend the dropped pairs or make more interferograms")
    groups = islands(kept)
    if len(groups) > 1:
        listed = " | ".join(" ".join(group) for group in groups)
        cause = f"falls apart into {len(groups)} groups of dates that no pair connects: {listed}{because}"
        mend = "mend the dropped pairs, make pairs between the groups, or leave out the smaller groups"
        yield Problem("network-disconnected", "stop", path, cause, mend)


def _lost_dates(tree: StackTree, kept: Sequence[Pair], dropped: Mapping[str, Problem]) -> Iterator[Problem]:
    left = {date for pair in kept for date in pair.dates}
    for date in sorted({date for pair in tree.pairs for date in pair.dates} - left):
        reason = next(problem for name, problem in dropped.items() if date in name)
        cause = f"is why {date} is lost: every pair of this date is dropped ({reason.code})"
        yield Problem("date-lost", "note", reason.path, cause, reason.mend, date=date)
