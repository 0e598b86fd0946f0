"""What a stack consisted of at its last versions, and what differs between two of them.

Belongs here: the digests of a stack's parts by version, the small file that keeps them, the comparison. What a digest
is made from, fingerprint.py says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sbas_assets.topsstack.fingerprint import Fingerprint
from sbas_assets.topsstack.origin import Orbit
from sbas_assets.topsstack.problems import Problem, StackReport
from sbas_assets.workspace import atomic_write

KEPT = 3
"""Versions in the file: the last that was reported, the one that a run has found since, and one in reserve."""
SWATHS_DIFFER = "baseline-swaths-differ"
"""No reason to leave pairs out, but how a baseline looks that is still being written."""
DIGITS = 16
"""Of a digest: enough to tell two contents of one part apart."""


class Contents(BaseModel):
    """The parts of one version of a stack, each with the first digits of its digest.

    Parameters
    ----------
    version : str
        The stack's data version.
    pairs : dict
        Interferogram to digest; ionospheric ones as `ion/NAME`.
    shared : dict
        What all pairs share, geometry images and the reference product, to digest.
    baselines : dict
        Date to digest.
    unfinished : tuple of str
        What was not whole, as `unfinished` names it.
    orbits : dict
        Date to the kind of its orbit, "POEORB" or "RESORB" as a rule.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    pairs: dict[str, str] = {}
    shared: dict[str, str] = {}
    baselines: dict[str, str] = {}
    unfinished: tuple[str, ...] = ()
    orbits: dict[str, str] = {}

    @classmethod
    def of(cls, report: StackReport, print_: Fingerprint, orbits: Mapping[str, Orbit]) -> Contents:
        """Put together what a look at the stack has found."""
        return cls(
            version=print_.version[:32],
            **cls.parts_of(print_),
            baselines=_short(print_.baselines),
            unfinished=tuple(unfinished(report)),
            orbits={date: orbit["kind"] for date, orbit in orbits.items() if date in report.dates},
        )

    @staticmethod
    def parts_of(print_: Fingerprint) -> dict[str, dict[str, str]]:
        """Images of a fingerprint and what they share, by the name of the field."""
        return {
            "pairs": _short(print_.pairs) | _short({_ion(name): digest for name, digest in print_.ion_pairs.items()}),
            "shared": _short({**print_.geometry, "reference": print_.reference}),
        }

    @property
    def dates(self) -> set[str]:
        """Dates of the pairs."""
        return {date for name in self.pairs for date in _dates(name)}


@dataclass(frozen=True)
class Changes:
    """What differs between two versions of a stack; every list in order.

    Parameters
    ----------
    pairs_added, pairs_changed, pairs_removed : list of str
        Pairs; changed ones have other content under the same name.
    dates_added, dates_changed, dates_removed : list of str
        Dates; changed ones are in a changed pair or have another baseline.
    orbits_changed : list of str
        `20200511: RESORB to POEORB`, of dates that are in both versions.
    shared_changed : list of str
        Geometry images and the reference product, with other content, new or gone.
    """

    pairs_added: list[str]
    pairs_changed: list[str]
    pairs_removed: list[str]
    dates_added: list[str]
    dates_changed: list[str]
    dates_removed: list[str]
    orbits_changed: list[str]
    shared_changed: list[str]


def unfinished(report: StackReport) -> dict[str, Problem]:
    """Return what of a stack is not whole, or not yet: pairs that are left out, and baselines that lack a swath.

    Returns
    -------
    dict
        Pair, `ion/PAIR` or `baselines/REF_SEC` to what is wrong with it.
    """
    baselines = {f"baselines/{each.path.stem}": each for each in report.of("note") if each.code == SWATHS_DIFFER}
    return {**report.dropped, **{_ion(name): each for name, each in report.ion_dropped.items()}, **baselines}


def compare(old: Contents, new: Contents) -> Changes:
    """Say what differs between two versions of a stack."""
    pairs, shared, baselines = (
        _differing(getattr(old, name), getattr(new, name)) for name in ("pairs", "shared", "baselines")
    )
    changed = {name for name in pairs if name in old.pairs and name in new.pairs}
    dates = {date for name in changed for date in _dates(name)} | baselines
    orbits = _differing(old.orbits, new.orbits) & old.orbits.keys() & new.orbits.keys()
    return Changes(
        pairs_added=sorted(new.pairs.keys() - old.pairs.keys()),
        pairs_changed=sorted(changed),
        pairs_removed=sorted(old.pairs.keys() - new.pairs.keys()),
        dates_added=sorted(new.dates - old.dates),
        dates_changed=sorted(dates & old.dates & new.dates),
        dates_removed=sorted(old.dates - new.dates),
        orbits_changed=[f"{date}: {old.orbits[date]} to {new.orbits[date]}" for date in sorted(orbits)],
        shared_changed=sorted(shared),
    )


def differing(known: Contents, found: Fingerprint) -> list[str]:
    """Return what of a fingerprint, which may be of a part of the stack only, is not as it was at a version."""
    kinds = Contents.parts_of(found).items()
    return sorted(name for kind, parts in kinds for name in parts.keys() & _differing(parts, getattr(known, kind)))


def recall(file: Path, version: str) -> Contents | None:
    """Return what a stack consisted of at a version, or None if that is not known any more."""
    return next((contents for contents in _read(file) if contents.version == version), None)


def remember(file: Path, contents: Contents) -> None:
    """Keep the contents of a version, as it was found first. The caller holds the frame's lock."""
    known = _read(file)
    first = next((each for each in known if each.version == contents.version), contents)
    kept = [*(each for each in known if each is not first), first][-KEPT:]
    if kept != known:
        atomic_write(file, json.dumps([each.model_dump(mode="json") for each in kept]))


def _read(file: Path) -> list[Contents]:
    # what cannot be read is not known: the next report says so
    with suppress(OSError, ValueError, TypeError, ValidationError):
        return [Contents.model_validate(each) for each in json.loads(file.read_bytes())]
    return []


def _short(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:DIGITS] for name, digest in digests.items()}


def _ion(name: str) -> str:
    return f"ion/{name}"


def _dates(name: str) -> list[str]:
    return name.removeprefix("ion/").split("_")


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
