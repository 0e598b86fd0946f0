"""What a Dagster run did, collected from its events while it runs.

Belongs here: reading Dagster's events into plain values. Does not belong here: showing them (`progress`, `run`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from sbas_assets.commands.failures import Failure, Kind

if TYPE_CHECKING:
    import dagster as dg

DATA_VERSION_TAG = "dagster/data_version"
# blocking checks that fail because of what the user gave
INPUT_CHECKS = {"preflight", "network_connected", "reliable_pixels"}
# because of what the outside world does not have yet
OUTSIDE_CHECKS = {"era5_complete"}
# told in fields of their own, or of no use outside the UI
_NO_METRIC = {"outcome", "why", "seconds", "files", "picture", "dagster/uri", "work_folder", "first_made_by_run"}

How = Literal["made", "remade", "reused", "passed-through"]


@dataclass(frozen=True)
class AssetResult:
    """What became of one asset.

    Parameters
    ----------
    asset, outcome, why : str
        As told by `transaction.execute`.
    seconds : float
        Time that it took.
    data_version : str
        Of the product.
    files : list of dict
        Name, size and SHA-256 of each file.
    metrics : dict
        The asset's own numbers, with the unit in the key.
    """

    asset: str
    outcome: How
    why: str
    seconds: float
    data_version: str
    files: list[dict[str, Any]]
    metrics: dict[str, Any]

    @property
    def size(self) -> int | None:
        """Bytes of its files or of its Zarr copy; None when it has neither."""
        if "size_bytes" in self.metrics:
            return int(self.metrics["size_bytes"])
        megabytes = self.metrics.get("size_MB")
        return None if megabytes is None else round(megabytes * 1e6)


@dataclass(frozen=True)
class CheckResult:
    """What a check found."""

    asset: str
    check: str
    passed: bool
    severity: str
    blocking: bool
    description: str | None
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """Asset and check, for people."""
        return f"{self.asset}: {self.check}"


@dataclass
class RunResult:
    """Everything that a run did so far; `failures` in the order in which they happened."""

    frame: str
    run_id: str
    assets: list[str]
    made: dict[str, AssetResult] = field(default_factory=dict)
    checks: list[CheckResult] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """Whether all was made and nothing is wrong with it; a warning is no failure."""
        return self.finished and not self.failures

    @property
    def missing(self) -> list[str]:
        """Assets that were asked for and not made."""
        return [name for name in self.assets if name not in self.made]

    @property
    def recomputed(self) -> list[str]:
        """Assets that were computed, or newly passed through, rather than found up to date."""
        return [name for name, result in self.made.items() if result.outcome != "reused"]

    def failure(self) -> Failure:
        """The first cause of the run's failure."""
        if self.failures:
            return self.failures[0]
        mend = f"look at run {self.run_id} in the UI"
        return Failure("run-failed", "the run failed outside its steps", "internal", mend=mend, frame=self.frame)

    def to_dict(self) -> dict[str, Any]:
        """Return what `run --json` prints."""
        return {
            "frame": self.frame,
            "run_id": self.run_id,
            "success": self.success,
            "seconds": round(self.seconds, 2),
            "assets": [vars(result) for result in self.made.values()],
            "not_made": self.missing,
            "checks": [vars(check) for check in self.checks],
        }


def asset_result(event: dg.DagsterEvent) -> AssetResult:
    """Read a materialization."""
    materialization = event.step_materialization_data.materialization
    metadata = unpacked(materialization.metadata)
    return AssetResult(
        asset=materialization.asset_key.to_user_string(),
        outcome=metadata["outcome"],
        why=metadata["why"],
        seconds=metadata["seconds"],
        data_version=(materialization.tags or {}).get(DATA_VERSION_TAG, ""),
        files=metadata.get("files", []),
        metrics={name: value for name, value in metadata.items() if name not in _NO_METRIC},
    )


def check_result(event: dg.DagsterEvent) -> CheckResult:
    """Read the evaluation of a check."""
    found = event.asset_check_evaluation_data
    return CheckResult(
        asset=found.asset_key.to_user_string(),
        check=found.check_name,
        passed=found.passed,
        severity=found.severity.value,
        blocking=bool(found.blocking),
        description=found.description,
        metadata=unpacked(found.metadata),
    )


def step_failure(event: dg.DagsterEvent, frame: str) -> Failure:
    """Read why a step failed, as `resources.dagster_failures` put it there."""
    data = event.step_failure_data
    error = data.error
    details = error.to_string() if error else ""
    told = data.user_failure_data
    facts = unpacked(told.metadata) if told is not None else {}
    kind = cast("Kind", facts.get("kind", "internal"))
    message = (told.description if told is not None else None) or (error.message.strip() if error else "failed")
    # an SbasError's text repeats the code, the file and the mend, which are told apart here
    prefix, mend = f"[{facts.get('code')}] ", facts.get("mend")
    message = message.removeprefix(prefix).removesuffix(f" -> {mend}")
    for part in (f"frame {frame}: ", f"{facts.get('path')}: "):
        message = message.removeprefix(part)
    if kind == "internal":
        message = f"{event.step_key}: {message}"
    return Failure(facts.get("code", "internal"), message, kind, mend, facts.get("path"), frame, details)


def check_failure(check: CheckResult, frame: str) -> Failure:
    """Describe a check that did not pass."""
    kind: Kind = "input" if check.check in INPUT_CHECKS else "outside" if check.check in OUTSIDE_CHECKS else "internal"
    stops = [row for row in check.metadata.get("problems", []) if isinstance(row, dict) and row["severity"] == "stop"]
    if stops:
        first, others = stops[0], len(stops) - 1
        more = f" (and {others} more: see `sbas-assets check`)" if others else ""
        return Failure(first["code"], first["cause"] + more, kind, first["mend"], first["path"], frame)
    found = ", ".join(f"{name} {value}" for name, value in check.metadata.items())
    message = f"the check {check.check} of {check.asset} failed: {found}"
    return Failure(check.check.replace("_", "-"), message, kind, check.description, frame=frame)


def unpacked(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Take Dagster's metadata values out of their wrappers."""
    return {name: _value(wrapped) for name, wrapped in metadata.items()}


def _value(wrapped: Any) -> Any:
    records = getattr(wrapped, "records", None)
    return wrapped.value if records is None else [dict(record.data) for record in records]
