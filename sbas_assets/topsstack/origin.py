"""Where a stack comes from: orbit files, ISCE2's version, times of sensing. For provenance, never for numbers.

Belongs here: facts that are recorded with the products. A file that cannot be read makes a fact unknown, no
error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Literal, TypedDict

from sbas_assets.errors import InputError
from sbas_assets.topsstack.checks.reference import acquisition_dates
from sbas_assets.topsstack.product import read_product
from sbas_assets.topsstack.rasters import read_header
from sbas_assets.topsstack.readings import as_read
from sbas_assets.topsstack.tree import StackLayout, StackTree

OrbitKind = Literal["POEORB", "RESORB", "annotation", "unknown"]


class Orbit(TypedDict):
    """Orbit of an acquisition: the EOF file's name, if it was one, and how precise it is."""

    file: str | None
    kind: OrbitKind


def orbits(stack: StackLayout | str | Path) -> dict[str, Orbit]:
    """Tell which orbit each acquisition was processed with.

    Parameters
    ----------
    stack : StackLayout or path
        The stack. Reads the first swath in `reference/` and in each `secondarys/DATE/`.

    Returns
    -------
    dict
        Date to the orbit, for the dates whose product is there.
    """
    layout = stack if isinstance(stack, StackLayout) else StackLayout(Path(stack))
    found = {date: _orbit(path) for date, path in _secondaries(layout.stack).items()}
    references = layout.find("meta")
    if references:
        found[reference_date(references[0])] = _orbit(references[0])
    return dict(sorted(found.items()))


def _secondaries(stack: Path) -> dict[str, Path]:
    """Return the first swath product of each secondary date."""
    found: dict[str, Path] = {}
    for path in sorted(stack.absolute().glob("secondarys/*/IW*.xml")):
        found.setdefault(path.parent.name, path)
    return found


def reference_date(xml: Path) -> str:
    """Return the date of a reference product, or "unknown" if it cannot be read."""
    try:
        return max(acquisition_dates(read_product(xml)))
    except InputError:
        return "unknown"


def _orbit(xml: Path) -> Orbit:
    source = _orbit_source(xml)
    if source is None:
        return {"file": None, "kind": "unknown"}
    if source.lower() in {"annotation", "header"}:
        return {"file": None, "kind": "annotation"}
    name = Path(source).name
    kind: OrbitKind = "POEORB" if "POEORB" in name else "RESORB" if "RESORB" in name else "unknown"
    return {"file": name, "kind": kind}


def _orbit_source(xml: Path) -> str | None:
    """Read up to the first orbit's source only: a product has thousands of state vectors after it."""

    def read() -> str | None:
        for _, node in ET.iterparse(xml):  # noqa: S314 (as in xmlfiles.parse_xml)
            if node.tag == "property" and node.get("name") == "orbit_source":
                return (node.findtext("value") or "").strip() or None
        return None

    try:
        source: str | None = as_read("orbit source", xml, read)
    except (OSError, ET.ParseError, ValueError):
        return None
    return source


def isce_version(tree: StackTree) -> str | None:
    """Return ISCE2's version as the first header says that names one, or None."""
    for pair in tree.pairs:
        for path in pair.files.values():
            try:
                version = read_header(path).isce_version
            except InputError:
                continue
            if version:
                return version
    return None
