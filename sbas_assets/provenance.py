"""What an asset was made from: data versions, the record beside the product, and the record inside it.

A record is recomputed against the files before it is believed: content decides, never a file's time. No Dagster
and no numerics here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sbas_assets import __version__
from sbas_assets.digests import Digests
from sbas_assets.workspace import Workspace, atomic_write


class Produced(BaseModel):
    """Who made a data version for the first time; kept when the same version is made again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_id: str
    at: str
    sbas_assets: str = __version__
    mintpy: str = version("mintpy")

    @classmethod
    def now(cls, run_id: str) -> Produced:
        """Stamp of the current moment (UTC, seconds)."""
        return cls(run_id=run_id, at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Output(BaseModel):
    """One file of a product: path relative to the work folder, size in bytes and SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    size: int
    sha256: str


class Record(BaseModel):
    """All that is known of a made asset.

    `facts` travels downstream and into the products (pairs, reference point, orbits, ...); `metrics` are this
    asset's own numbers, with the unit in the key; `parts` are versions of parts of it, for assets downstream that
    depend on no more than that. `continues` is the data version of the same asset that this one was computed from,
    where that gives other last digits than computing all anew.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset: str
    data_version: str
    parts: dict[str, str] = {}
    code_version: str
    options: dict[str, str]
    upstream: dict[str, str]
    state: dict[str, str] = {}
    continues: str | None = None
    status: Literal["made", "passed-through"] = "made"
    reason: str | None = None
    outputs: tuple[Output, ...] = ()
    picture: str | None = None
    metrics: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    produced: Produced

    def path(self, workspace: Workspace, name: str) -> Path:
        """Absolute path of the output called `name` (its path relative to the work folder)."""
        return workspace.root / next(out.path for out in self.outputs if out.path == name)

    def has(self, name: str) -> bool:
        """Whether the asset made a file of that relative path."""
        return any(out.path == name for out in self.outputs)


def data_version(
    code_version: str,
    options: Mapping[str, str],
    upstream: Mapping[str, str],
    state: Mapping[str, str],
    continues: str | None = None,
) -> str:
    """Hash of all that decides a product's content.

    Parameters
    ----------
    code_version : str
        Of the asset; changed by hand when its numbers change.
    options : mapping
        The template options that the step reads, defaults filled in.
    upstream : mapping
        Data versions of the upstream assets, by name.
    state : mapping
        What else the result depends on (the pinned reference point, digests of weather files).
    continues : str, optional
        Data version of the same asset that it was computed from; see `Record`.

    Returns
    -------
    str
        First 32 hexadecimal digits of a SHA-256.
    """
    decisive = [code_version, version("mintpy"), dict(options), dict(upstream), dict(state)]
    if continues is not None:
        decisive.append(continues)
    canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def read_record(workspace: Workspace, asset: str) -> Record | None:
    """Return the record of an asset, or None if there is none that can be read."""
    try:
        return Record.model_validate_json(workspace.record(asset).read_bytes())
    except (OSError, ValidationError):
        # a record that cannot be read vouches for nothing: the asset is made again
        return None


def write_record(workspace: Workspace, record: Record) -> None:
    """Publish a record; its files must have their final names already."""
    atomic_write(workspace.record(record.asset), record.model_dump_json(indent=1))


def damaged_outputs(digests: Digests, workspace: Workspace, record: Record) -> list[str]:
    """Return the outputs of a record that are missing or not what they were, each with its reason."""
    now = digests.try_all(workspace.root / out.path for out in record.outputs)
    found = []
    for out in record.outputs:
        digest = now[workspace.root / out.path]
        if isinstance(digest, OSError):
            found.append(f"{out.path}: {digest.strerror or digest}")
        elif digest != (out.size, out.sha256):
            found.append(f"{out.path}: content changed")
    return found


def travelling_facts(records: Mapping[str, Record], own: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of the upstream records and of the asset itself; mappings are merged, the asset's own win."""
    facts: dict[str, Any] = {}
    for more in [*(record.facts for record in records.values()), own]:
        for key, value in more.items():
            known = facts.get(key)
            facts[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    return facts
