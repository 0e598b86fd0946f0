"""What an asset is made of: the frame, the run, and the step that computes it.

Plain types without behaviour; deciding whether a step runs, and publishing what it made, is transaction.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sbas_assets.digests import Digests
from sbas_assets.frames import FrameConfig
from sbas_assets.mintpy.template import Template
from sbas_assets.provenance import Record, data_version, travelling_facts
from sbas_assets.workspace import Settings, Workspace

Tell = Callable[[str], None]
How = Literal["made", "remade", "reused", "passed-through"]


@dataclass(frozen=True)
class Frame:
    """A frame with its configuration read and checked."""

    key: str
    config: FrameConfig
    template: Template
    settings: Settings

    @property
    def workspace(self) -> Workspace:
        """The frame's work folder."""
        return self.settings.workspace(self.key)


@dataclass(frozen=True)
class Run:
    """What is common to the steps of one run.

    Parameters
    ----------
    run_id : str
        Dagster's id of the run; goes into the provenance.
    tell : callable
        Takes one line of progress.
    warn : callable
        Takes one line that whoever runs the frame should read, also when the step is done.
    echo : bool
        Whether what MintPy prints also goes to standard output.
    others : callable
        Whether the run has other steps left that need not wait for this one.
    kept : dict
        What a step keeps from one attempt to the next, by its name.
    """

    run_id: str
    tell: Tell
    warn: Tell = lambda _: None
    echo: bool = False
    others: Callable[[], bool] = lambda: False
    kept: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a step's functions get: the frame, the upstream records, and a folder to work in."""

    frame: Frame
    run: Run
    step: Step
    inputs: Mapping[str, Record]
    folder: Path
    digests: Digests

    @property
    def template(self) -> Template:
        """The frame's resolved MintPy template."""
        return self.frame.template

    @property
    def workspace(self) -> Workspace:
        """The frame's work folder."""
        return self.frame.workspace

    @property
    def log(self) -> Path:
        """Where MintPy's output goes."""
        return self.workspace.log(self.step.name)

    @property
    def version(self) -> str:
        """Data version that the product gets if nothing that decides it changes meanwhile, and all is computed anew."""
        return self.version_continuing(None)

    def version_continuing(self, earlier: str | None) -> str:
        """Return the data version of a product that is computed from an earlier version of itself."""
        return data_version(
            self.step.code_version,
            self.template.subset(self.step.options),
            self.upstream_versions,
            self.step.state(self),
            earlier,
        )

    @property
    def upstream_versions(self) -> dict[str, str]:
        """Data versions of the upstream assets, or of the part of them that matters here."""
        parts = self.step.parts
        return {
            name: record.parts[parts[name]] if name in parts else record.data_version
            for name, record in self.inputs.items()
        }

    def facts(self, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the upstream products are known to be made from, with `own` added."""
        return travelling_facts(self.inputs, own or {})

    def facts_to_record(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What the product passes on: nothing of an upstream asset of which only a part matters.

        The geometry stays as it is when pairs are added; the pairs it once saw would be taken for the present ones.
        """
        whole = {name: record for name, record in self.inputs.items() if name not in self.step.parts}
        return travelling_facts(whole, own)


@dataclass(frozen=True)
class Made:
    """What a step gives back.

    Parameters
    ----------
    outputs : mapping
        Finished files in the staging folder by their final path relative to the work folder.
    sealed : collection of str
        Those of the outputs that have their last byte already, under a name that no other content has: they are not
        stamped, and are in place before anything of the last version goes.
    kept : mapping
        Files that are in the work folder already and belong to this version as they are, by path relative to it:
        their SHA-256.
    metrics : mapping
        Numbers for the UI, with the unit in the key.
    facts : mapping
        What travels with this product and all that is made from it.
    picture : bytes, optional
        A small PNG.
    continues : str, optional
        Data version of the same asset that it was computed from, if that gives other last digits than computing all
        anew: a data version decides every byte, so such a product has one of its own.
    """

    outputs: Mapping[str, Path] = field(default_factory=dict)
    sealed: Collection[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes | None = None
    continues: str | None = None


@dataclass(frozen=True)
class Step:
    """One asset: what decides its content and how it is made.

    Parameters
    ----------
    name : str
        Asset key.
    upstream : tuple of str
        Assets whose files or facts it reads.
    options : tuple of str
        Template keys it reads; a trailing dot means all keys below.
    make : callable
        Computes the product.
    parts : mapping
        Upstream assets of which only a named part matters, such as the geometry of the stack.
    code_version : str
        Changed when the numbers change.
    off : callable
        Returns why the frame's template turns the step off, or None.
    state : callable
        What else decides the content; asked before and after the step.
    settles : bool
        Whether the step itself may settle its state, as the network does when it pins the reference point.
    damaged : callable
        Faults of what the step keeps outside the work folder.
    owns : tuple of str
        Patterns of files in the work folder that only this step makes: those that its record does not name are
        removed, as the files of a killed attempt are, which no record ever named.
    """

    name: str
    upstream: tuple[str, ...]
    options: tuple[str, ...]
    make: Callable[[Job], Made]
    parts: Mapping[str, str] = field(default_factory=dict)
    code_version: str = "1"
    off: Callable[[Template], str | None] = lambda _: None
    state: Callable[[Job], Mapping[str, str]] = lambda _: {}
    settles: bool = False
    damaged: Callable[[Job, Record], list[str]] = lambda _job, _record: []
    owns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """A step's record, and what was done to have it."""

    record: Record
    how: How
    why: str
    seconds: float


def product_provenance(frame: Frame, record: Record) -> dict[str, Any]:
    """What a product says about itself, in its HDF5 attributes and in its Zarr copy.

    Only `produced` (run id, time) differs between two runs that make the same thing.
    """
    return {
        "frame": frame.key,
        "track": frame.config.track,
        "direction": frame.config.direction,
        "asset": record.asset,
        "data_version": record.data_version,
        "code_version": record.code_version,
        "upstream": record.upstream,
        "produced": record.produced.model_dump(),
        **record.facts,
    }
