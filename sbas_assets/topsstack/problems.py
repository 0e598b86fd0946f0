"""What can be wrong with a stack: the codes, one problem, and the report of all.

Belongs here: the words. How a problem is found is in checks/. A code never changes its meaning: scripts and
docs/errors.md refer to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sbas_assets.errors import InputError
from sbas_assets.topsstack.tree import Pair, StackLayout

Severity = Literal["stop", "drop", "note"]

CODES: dict[str, str] = {
    "stack-missing": "The stack's folder does not exist.",
    "stack-not-a-folder": "The stack's path is not a folder.",
    "file-unreadable": "A file cannot be opened: a link to nothing, a folder in its place, no permission.",
    "reference-missing": "There is no reference/IW*.xml.",
    "product-truncated": "A swath product is not whole XML.",
    "product-of-another-kind": "A metadata file is not a TOPS swath product of `reference/`.",
    "product-attribute-missing": "A swath product lacks an attribute, or its value cannot be read.",
    "orbit-too-short": "The state vectors do not cover the acquisition.",
    "reference-swath-mismatch": "IWn.xml holds another swath than n.",
    "reference-not-lowest-swath": "The metadata file is not the lowest swath in reference/.",
    "reference-dates-differ": "The swaths in reference/ are of different acquisitions.",
    "reference-tracks-differ": "The swaths in reference/ differ in track, direction or polarization.",
    "interferograms-missing": "No interferogram was found.",
    "pair-name-malformed": "A folder with an interferogram is not named YYYYMMDD_YYYYMMDD.",
    "pair-dates-reversed": "The first date of a pair is not before the second.",
    "pair-repeated": "Several files match for one pair.",
    "unw-missing": "A pair has no unwrapped phase.",
    "cor-missing": "A pair has no coherence.",
    "conncomp-missing": "A pair has no connected components (a note if no pair has them).",
    "wrapped-missing": "A pair has no wrapped phase, although the template asks for it.",
    "magnitude-missing": "A pair has no magnitude, although the template asks for it.",
    "header-missing": "An image has no .xml header.",
    "header-unreadable": "A header is not whole, or not the header of an image.",
    "header-of-another-pair": "A header was written for another pair.",
    "header-of-another-file": "A header was written for another file.",
    "raster-truncated": "An image is shorter than its header says.",
    "raster-too-long": "An image is longer than its header says.",
    "raster-big-endian": "An image is big-endian, which MintPy does not see.",
    "raster-of-wrong-type": "An image has a type of number that its kind never has.",
    "pair-size-differs": "A pair's image has another size than most.",
    "unw-empty": "An unwrapped interferogram is zero or NaN everywhere.",
    "cor-empty": "A coherence image is zero or NaN everywhere.",
    "baselines-missing": "There are no baseline files.",
    "baseline-missing": "A date has no baseline.",
    "baseline-empty": "A baseline file is empty.",
    "baseline-unreadable": "A baseline file has no readable value.",
    "baseline-swaths-differ": "A baseline file has another number of swaths than reference/.",
    "baseline-references-differ": "The baseline files have more than one reference date.",
    "reference-date-mismatch": "The baselines' reference date is not the date of reference/IW*.xml.",
    "geometry-missing": "A geometry image is missing.",
    "geometry-optional-missing": "An optional geometry image is missing.",
    "geometry-size-differs": "A geometry image has another size than the interferograms.",
    "geometry-empty": "A geometry image has no usable values.",
    "rsc-ignored": "There are .rsc files of an earlier MintPy run; they are not used.",
    "isce-versions-differ": "The images were made with several ISCE2 versions.",
    "date-lost": "A date is lost with its pairs.",
    "too-few-pairs": "Fewer than two pairs are left.",
    "network-disconnected": "The network of pairs falls apart.",
}
"""Every code of the preflight, with what it means."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    code : str
        A key of `CODES`.
    severity : str
        "stop": the stack cannot be processed; "drop": goes on without the pair, or without the date's pairs;
        "note": goes on.
    path : Path
        The file or folder that is wrong or missing.
    cause, mend : str
        What is wrong and what to do, one sentence each.
    pair, date : str or None
        What is dropped.
    """

    code: str
    severity: Severity
    path: Path
    cause: str
    mend: str
    pair: str | None = None
    date: str | None = None

    @classmethod
    def of(cls, error: InputError, severity: Severity, *, pair: str | None = None, date: str | None = None) -> Problem:
        """Turn a reader's error into a problem."""
        return cls(error.code, severity, Path(error.path or "."), error.message, error.mend or "", pair=pair, date=date)

    def __str__(self) -> str:
        return f"[{self.code}] {self.path}: {self.cause} -> {self.mend}"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "code": self.code,
            "severity": self.severity,
            "path": str(self.path),
            "cause": self.cause,
            "mend": self.mend,
            "pair": self.pair,
            "date": self.date,
        }


@dataclass(frozen=True)
class StackReport:
    """The result of a preflight.

    Parameters
    ----------
    layout : StackLayout
        What was looked at.
    problems : tuple of Problem
        All that were found, in the order of the checks.
    pairs, ion_pairs : tuple of Pair
        What is left to process.
    dropped, ion_dropped : dict
        Pair name to the first problem that dropped it.
    dates : tuple of str
        Dates of `pairs`.
    reference_date : str or None
        Reference of the baselines.
    shape : tuple of int or None
        Rows and columns of the interferograms.
    tracks : tuple of int
        Relative orbits in `reference/`.
    orbit_direction : str or None
        "ASCENDING" or "DESCENDING".
    isce_version : str or None
        As the headers say.
    islands : tuple
        Groups of dates that pairs connect; one group if the network is whole.
    geometry : dict
        Geometry dataset to its image.
    """

    layout: StackLayout
    problems: tuple[Problem, ...]
    pairs: tuple[Pair, ...] = ()
    dropped: dict[str, Problem] = field(default_factory=dict)
    ion_pairs: tuple[Pair, ...] = ()
    ion_dropped: dict[str, Problem] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    reference_date: str | None = None
    shape: tuple[int, int] | None = None
    tracks: tuple[int, ...] = ()
    orbit_direction: str | None = None
    isce_version: str | None = None
    islands: tuple[tuple[str, ...], ...] = ()
    geometry: dict[str, Path] = field(default_factory=dict)

    @property
    def stack(self) -> Path:
        """The stack's folder."""
        return self.layout.stack

    @property
    def ok(self) -> bool:
        """Whether the stack can be processed."""
        return not any(self.of("stop"))

    def of(self, severity: Severity) -> Iterator[Problem]:
        """Yield the problems of a severity."""
        return (problem for problem in self.problems if problem.severity == severity)

    def error(self, frame: str | None = None) -> InputError | None:
        """Return the error that refuses this stack, naming the first cause and counting the rest, or None."""
        stops = list(self.of("stop"))
        if not stops:
            return None
        first = stops[0]
        others = "".join(f"; also [{problem.code}] {problem.path}: {problem.cause}" for problem in stops[1:])
        return InputError(first.code, first.cause + others, mend=first.mend, path=first.path, frame=frame)

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, for `check --json`."""
        return {
            "stack": str(self.stack),
            "ok": self.ok,
            "problems": [problem.to_dict() for problem in self.problems],
            "pairs": [pair.name for pair in self.pairs],
            "dropped": {name: problem.to_dict() for name, problem in self.dropped.items()},
            "ion_pairs": [pair.name for pair in self.ion_pairs],
            "ion_dropped": {name: problem.to_dict() for name, problem in self.ion_dropped.items()},
            "dates": list(self.dates),
            "reference_date": self.reference_date,
            "shape": None if self.shape is None else list(self.shape),
            "tracks": list(self.tracks),
            "orbit_direction": self.orbit_direction,
            "isce_version": self.isce_version,
            "islands": [list(island) for island in self.islands],
        }
