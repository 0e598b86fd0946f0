"""What several tests need: a frame on a root folder, brought up to date through Dagster, and its products compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import h5py
import numpy as np

from sbas_assets.commands.selection import select
from sbas_assets.definitions import JOB, build_definitions
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.resources import Platform
from sbas_assets.workspace import Settings, Workspace

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def asset_names(selection: str | None = None) -> set[str]:
    """Assets that a run with this selection makes; without one, all."""
    found = select(build_definitions().resolve_asset_graph(), selection).assets
    return {key.to_user_string() for key in found}


@dataclass
class Result:
    """Outcomes by asset, checks by (asset, check), errors by step."""

    success: bool
    outcome: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, dict[str, object]] = field(default_factory=dict)
    checks: dict[tuple[str, str], bool] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def done(self, how: str) -> set[str]:
        return {asset for asset, outcome in self.outcome.items() if outcome == how}


@dataclass
class FrameAtWork:
    """A frame of its own root folder, and the Dagster instance that knows its runs."""

    root: Path
    stack: Path
    options: Mapping[str, str]
    key: str = "T071D_test"
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    def __post_init__(self) -> None:
        self.configure(self.options)
        self.instance.add_dynamic_partitions("frame", [self.key])

    def configure(self, options: Mapping[str, str]) -> None:
        values = {"track": 71, "direction": "descending", "stack": str(self.stack), "mintpy": dict(options)}
        FrameCatalogue(self.root).add(self.key, frame_config(values), overwrite=True)

    @property
    def workspace(self) -> Workspace:
        return Settings.under(self.root).workspace(self.key)

    def run(self, select: str | None = None) -> Result:
        definitions = build_definitions(resources={"platform": Platform(root=str(self.root), echo=False)})
        job = definitions.resolve_job_def(JOB)
        selection = None
        if select is not None:
            keys = dg.AssetSelection.from_string(select).resolve(definitions.resolve_asset_graph())
            selection = sorted(keys)
        done = job.execute_in_process(
            instance=self.instance,
            partition_key=self.key,
            raise_on_error=False,
            run_config=QUIET,
            asset_selection=selection,
        )
        return _result(done)


def _result(done: dg.ExecuteInProcessResult) -> Result:
    result = Result(done.success)
    for event in done.all_events:
        if event.event_type_value == "ASSET_MATERIALIZATION":
            made = event.step_materialization_data.materialization
            name = made.asset_key.to_user_string()
            values = {key: value.value for key, value in made.metadata.items()}
            result.outcome[name], result.why[name] = str(values["outcome"]), str(values["why"])
            result.metadata[name] = values
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            result.checks[check.asset_key.to_user_string(), check.check_name] = check.passed
        elif event.event_type_value == "STEP_FAILURE":
            failure = event.step_failure_data
            user = failure.user_failure_data
            result.errors[event.step_key] = user.description if user else failure.error.message
    return result


def product_files(folder: Path) -> list[str]:
    """HDF5 products of a work folder, relative to it, without this package's own views and staging."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*.h5"))
    return [str(path) for path in found if ".sbas" not in path.parts]


def datasets(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path, "r") as h5:
        return {name: item[()] for name, item in h5.items() if isinstance(item, h5py.Dataset)}


# MintPy computes in single precision what the kernels compute in double. What it rounds away: by dataset (m, 1, rad),
# and as a share of the largest value; all terms of a fit are as uncertain as the velocity
ROUNDED_BY_MINTPY = {"dem": 1e-3, "temporalCoherence": 1e-5, "annualPhase": 1e-3}
ROUNDED_SHARE = {"velocity": 3e-5, "timeseries": 1e-6, "dem": 1e-5}


def _rounded_by_mintpy(name: str, theirs: Mapping[str, np.ndarray]) -> float:
    of = "velocity" if "velocity" in theirs else name
    share = ROUNDED_SHARE.get(of, 0) * np.nanmax(np.abs(theirs[of]), initial=0) if of in ROUNDED_SHARE else 0
    return max(ROUNDED_BY_MINTPY.get(Path(name).name, 0), share)


def differences(ours: Path, theirs: Path, tolerance: float, skip: Sequence[str] = ()) -> list[str]:
    """Datasets that are missing on one side or differ by more than `tolerance`; NaN equals NaN.

    With a tolerance of zero that is without exception; otherwise what MintPy rounds away is allowed for.
    """
    left, right = datasets(ours), datasets(theirs)
    found = [f"{name}: on one side only" for name in set(left) ^ set(right)]
    for name in sorted(set(left) & set(right) - set(skip)):
        a, b = left[name], right[name]
        if a.shape != b.shape or a.dtype != b.dtype:
            found.append(f"{name}: {a.dtype}{a.shape} and {b.dtype}{b.shape}")
        elif a.dtype.kind == "f":
            off = np.abs(a.astype("f8") - b.astype("f8"))
            nan = np.isnan(a) != np.isnan(b)
            bound = max(tolerance, _rounded_by_mintpy(name, right)) if tolerance else 0
            if nan.any() or np.nanmax(off, initial=0) > bound:
                found.append(f"{name}: {int(nan.sum())} NaN apart, largest difference {np.nanmax(off, initial=0):.3g}")
        elif not np.array_equal(a, b):
            found.append(f"{name}: {int((a != b).sum())} values differ")
    return found
