"""Everything that is wrong with a stack, found at once and before any work.

Belongs here: the order of the checks and the conclusion from what they find. The checks themselves are in
checks/, the codes in problems.py. A defect of a pair drops the pair; anything that is shared by all pairs
stops the stack; and so does a network that the drops tear apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sbas_assets.topsstack.baselines import main_reference
from sbas_assets.topsstack.checks.baselines import check_baselines
from sbas_assets.topsstack.checks.geometry import check_geometry, check_values, inspect_geometry
from sbas_assets.topsstack.checks.network import check_network, islands
from sbas_assets.topsstack.checks.pairs import (
    Inspected,
    check_files,
    check_names,
    check_pixels,
    check_shapes,
    check_versions,
    common_shape,
    inspect_pair,
)
from sbas_assets.topsstack.checks.reference import check_references, read_references
from sbas_assets.topsstack.problems import Problem, StackReport
from sbas_assets.topsstack.product import SwathProduct
from sbas_assets.topsstack.tree import DATASETS, ION_DATASETS, Pair, StackLayout, StackTree, scan


def preflight(layout: StackLayout | str | Path, *, pixels: bool = True) -> StackReport:
    """Check a topsStack folder.

    Parameters
    ----------
    layout : StackLayout or path
        The stack; a path means topsStack's own layout.
    pixels : bool, optional
        Also look for images without values. Reads a little of each image, in blocks.

    Returns
    -------
    StackReport
        All problems, and what is left to process.
    """
    layout = layout if isinstance(layout, StackLayout) else StackLayout(Path(layout))
    missing = _folder_problem(layout)
    if missing is not None:
        return StackReport(layout, (missing,))
    tree = scan(layout)
    products, problems = read_references(tree.references)
    problems += check_references(tree, products)
    pairs, shape, found = _check_images(tree, pixels)
    problems += [*found, *check_baselines(tree, products), *_earlier_rsc(tree)]
    report = _facts(tree, products, pairs)
    return _conclude(tree, replace(report, shape=shape, problems=tuple(problems)), _ionosphere(tree))


def _folder_problem(layout: StackLayout) -> Problem | None:
    if layout.stack.is_dir():
        return None
    mend = "give the topsStack work folder: the one with reference/, baselines/ and merged/"
    if layout.stack.exists():
        return Problem("stack-not-a-folder", "stop", layout.stack, "is not a folder", mend)
    return Problem("stack-missing", "stop", layout.stack, "does not exist", mend)


def _check_images(tree: StackTree, pixels: bool) -> tuple[list[Inspected], tuple[int, int] | None, list[Problem]]:
    """Check interferograms and geometry: their sizes are judged together."""
    pairs = [inspect_pair(pair) for pair in tree.pairs]
    geometry, geometry_problems = inspect_geometry(tree)
    shape = common_shape(pairs, geometry)
    problems = [*check_names(tree), *check_files(tree, tree.pairs, DATASETS)]
    problems += [problem for item in pairs for problem in item.problems()]
    problems += [*check_shapes(pairs, shape), *check_versions(pairs)]
    problems += [*geometry_problems, *check_geometry(tree, geometry, shape)]
    if pixels:
        problems += [*check_pixels(pairs), *check_values(tree, geometry)]
    return pairs, shape, problems


def _earlier_rsc(tree: StackTree) -> Iterator[Problem]:
    images = [*tree.geometry.values(), *(path for pair in tree.pairs for path in pair.files.values())]
    stale = [path for path in (image.with_name(f"{image.name}.rsc") for image in images) if path.exists()]
    stale += [rsc for rsc in {path.with_name("data.rsc") for path in tree.references} if rsc.exists()]
    if stale:
        cause = f"is one of {len(stale)} .rsc files of an earlier MintPy run: not used, made again elsewhere"
        yield Problem("rsc-ignored", "note", stale[0], cause, "nothing")


def _ionosphere(tree: StackTree) -> list[Problem]:
    """Check the ionospheric pairs, if there are any; their defects do not touch the interferograms."""
    if not tree.ion_pairs:
        return []
    problems = [problem for pair in tree.ion_pairs for problem in inspect_pair(pair, origin=False).problems()]
    return problems + list(check_files(tree, tree.ion_pairs, ION_DATASETS))


def drops(pairs: Iterable[Pair], problems: Iterable[Problem]) -> dict[str, Problem]:
    """Return the first problem that drops each pair, by itself or by one of its dates."""
    dropped: dict[str, Problem] = {}
    by_date = {pair.name: pair.dates for pair in pairs}
    for problem in problems:
        if problem.severity == "drop":
            names = [problem.pair] if problem.pair else [n for n, dates in by_date.items() if problem.date in dates]
            for name in names:
                dropped.setdefault(name, problem)
    return dict(sorted(dropped.items()))


def _facts(tree: StackTree, products: Sequence[SwathProduct], pairs: Sequence[Inspected]) -> StackReport:
    """Return a report of what the stack says about itself, before any conclusion."""
    versions = (header.isce_version for item in pairs for header in item.headers.values())
    return StackReport(
        layout=tree.layout,
        problems=(),
        reference_date=main_reference(tree.baselines) if tree.baselines else None,
        tracks=tuple(sorted({product.bursts[0].track_number for product in products})),
        orbit_direction=next((product.bursts[0].pass_direction for product in products), None),
        isce_version=next((version for version in versions if version), None),
        geometry=tree.geometry,
    )


def _conclude(tree: StackTree, report: StackReport, ion_problems: list[Problem]) -> StackReport:
    dropped, ion_dropped = drops(tree.pairs, report.problems), drops(tree.ion_pairs, ion_problems)
    kept = tuple(pair for pair in tree.pairs if pair.name not in dropped)
    return replace(
        report,
        problems=(*report.problems, *ion_problems, *check_network(tree, kept, dropped)),
        pairs=kept,
        dropped=dropped,
        ion_pairs=tuple(pair for pair in tree.ion_pairs if pair.name not in ion_dropped),
        ion_dropped=ion_dropped,
        dates=tuple(sorted({date for pair in kept for date in pair.dates})),
        islands=islands(kept),
    )
