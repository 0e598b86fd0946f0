"""Checks of `baselines/`: one readable value for every date, all to the date of `reference/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.topsstack.baselines import MEND, main_reference, read_swath_baselines
from sbas_assets.topsstack.checks.reference import acquisition_dates, sibling_swaths
from sbas_assets.topsstack.problems import Problem
from sbas_assets.topsstack.product import SwathProduct
from sbas_assets.topsstack.tree import StackTree


def check_baselines(tree: StackTree, products: Sequence[SwathProduct]) -> Iterator[Problem]:
    """Yield what is wrong with the baselines of the dates that the pairs name."""
    folder = tree.layout.stack.absolute() / tree.layout.baselines
    if not tree.baselines:
        cause = "has no REF_SEC/REF_SEC.txt: perpendicular baselines are needed for the DEM error"
        mend = "run topsStack's average_baseline step, or correct the baseline folder"
        yield Problem("baselines-missing", "stop", folder, cause, mend)
        return
    reference = main_reference(tree.baselines)
    yield from _one_reference(tree)
    if products and reference not in acquisition_dates(products[0]):
        sensed = products[0].bursts[0].sensing_start
        cause = f"has baselines to {reference}, but {products[0].path.name} was sensed at {sensed}"
        mend = "run stackSentinel.py with -m and the date of reference/, then average_baseline, in a new folder"
        yield Problem("reference-date-mismatch", "stop", folder, cause, mend)
    yield from _values(tree, reference, len(sibling_swaths(tree.references)))


def _one_reference(tree: StackTree) -> Iterator[Problem]:
    counts = Counter(path.stem[:8] for path in tree.baselines)
    if len(counts) > 1:
        listed = ", ".join(f"{date} ({count} files)" for date, count in sorted(counts.items()))
        rare = min(sorted(counts), key=lambda date: counts[date])
        path = next(path for path in tree.baselines if path.stem.startswith(rare))
        cause = f"has another reference date than other baselines: {listed}"
        mend = "move the folders of the reference date that is not that of reference/IW*.xml out of baselines/"
        yield Problem("baseline-references-differ", "stop", path, cause, mend)


def _values(tree: StackTree, reference: str, swaths: int) -> Iterator[Problem]:
    files = {path.stem[9:]: path for path in tree.baselines if path.stem.startswith(reference)}
    for date in sorted({date for pair in tree.pairs for date in pair.dates} - {reference}):
        if date in files:
            yield from _value(files[date], date, swaths)
        else:
            name = f"{reference}_{date}"
            path = tree.layout.stack.absolute() / tree.layout.baselines / name / f"{name}.txt"
            cause = "is missing: MintPy would stop at the first pair of this date"
            yield Problem("baseline-missing", "drop", path, cause, MEND.format(name=name), date=date)


def _value(path: Path, date: str, swaths: int) -> Iterator[Problem]:
    try:
        found = len(read_swath_baselines(path))
    except InputError as error:
        yield Problem.of(error, "drop", date=date)
        return
    if swaths and found != swaths:
        cause = f"has baselines of {found} swaths, reference/ has {swaths}: the mean is not that of the image"
        mend = MEND.format(name=path.stem)
        yield Problem("baseline-swaths-differ", "note", path, cause, mend)
