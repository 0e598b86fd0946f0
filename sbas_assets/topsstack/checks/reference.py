"""Checks of `reference/IW*.xml`: present, whole, complete, and of one acquisition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.topsstack.orbit import select
from sbas_assets.topsstack.problems import Problem
from sbas_assets.topsstack.product import SwathProduct, read_product
from sbas_assets.topsstack.tree import StackTree

SAME_PASS = timedelta(minutes=15)
"""Swaths of one pass start within seconds of each other, or minutes where the area is cut differently."""
MEND_SWATHS = "unpack the reference acquisition again into an empty reference/ folder"
MEND_UNPACK = "run the unpack step of the reference date again with an orbit file that covers it"


def read_references(paths: Sequence[Path]) -> tuple[list[SwathProduct], list[Problem]]:
    """Read what can be read of the reference products; the rest is problems."""
    products, problems = [], []
    for path in paths:
        try:
            products.append(read_product(path))
        except InputError as error:
            problems.append(Problem.of(error, "stop"))
    return products, problems


def check_references(tree: StackTree, products: Sequence[SwathProduct]) -> Iterator[Problem]:
    """Yield what is wrong with the reference products taken together."""
    if not tree.references:
        yield Problem(
            "reference-missing",
            "stop",
            tree.layout.expected("meta"),
            "is missing: without it there is no geometry of the radar",
            "run the unpack step of the reference date again, or correct the pattern of the metadata file",
        )
    yield from _lowest(tree)
    for product in products:
        yield from _orbit(product)
        yield from _swath(product)
    for product in products[1:]:
        yield from _same_acquisition(products[0], product)


def sibling_swaths(references: Sequence[Path]) -> list[Path]:
    """Return all swath products in the folder of the first, whichever of them the pattern matches."""
    return sorted(references[0].parent.glob("IW*.xml")) if references else []


def _lowest(tree: StackTree) -> Iterator[Problem]:
    swaths = sibling_swaths(tree.references)
    if swaths and tree.references[0].name > swaths[0].name:
        cause = f"is not the lowest swath: the merged image begins at the near range of {swaths[0].name}"
        mend = "let the pattern of the metadata file match reference/IW*.xml"
        yield Problem("reference-not-lowest-swath", "stop", tree.references[0], cause, mend)


def _orbit(product: SwathProduct) -> Iterator[Problem]:
    burst = product.bursts[0]
    try:
        select(burst.state_vectors, burst.sensing_mid)
    except ValueError as error:
        yield Problem("orbit-too-short", "stop", product.path, str(error), MEND_UNPACK)


def _swath(product: SwathProduct) -> Iterator[Problem]:
    swath = f"IW{product.bursts[0].swath_number}"
    if product.path.stem.startswith("IW") and product.path.stem != swath:
        cause = f"holds swath {swath}: MintPy takes range and resolution from the lowest swath by name"
        yield Problem("reference-swath-mismatch", "stop", product.path, cause, MEND_SWATHS)


def _same_acquisition(first: SwathProduct, other: SwathProduct) -> Iterator[Problem]:
    a, b = first.bursts[0], other.bursts[0]
    if abs(a.sensing_start - b.sensing_start) > SAME_PASS:
        cause = f"was sensed at {b.sensing_start}, but {first.path.name} at {a.sensing_start}"
        yield Problem("reference-dates-differ", "stop", other.path, cause, MEND_SWATHS)
    ours = (a.track_number, a.pass_direction, a.polarization)
    theirs = (b.track_number, b.pass_direction, b.polarization)
    if ours != theirs:
        cause = f"is of track, direction, polarization {theirs}, but {first.path.name} of {ours}"
        yield Problem("reference-tracks-differ", "stop", other.path, cause, MEND_SWATHS)


def acquisition_dates(product: SwathProduct) -> set[str]:
    """Return the dates that topsStack may call this acquisition.

    It takes the date from the SAFE's name, so a burst just after midnight may belong to the day before.
    """
    start = product.bursts[0].sensing_start
    return {time.strftime("%Y%m%d") for time in (start, start - timedelta(minutes=1))}
