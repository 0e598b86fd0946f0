"""For the tests of this folder: a small stack, parts of the job run on a frame, faults planted for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import h5py
import numpy as np

from sbas_assets.definitions import build_definitions
from sbas_assets.resources import Platform
from sbas_assets.simulate import SimulationConfig, regular_dates
from sbas_assets_tests.frames_at_work import QUIET, FrameAtWork

DATES = regular_dates("20200511", 6, 24)
CONFIG = SimulationConfig(length=72, width=80, dates=DATES, seed=5)
OPTIONS = {"mintpy.deramp": "linear", "mintpy.troposphericDelay.method": "no"}
FROM_DERAMP = {
    "timeseries_corrected",
    "timeseries_demErr",
    "velocity",
    "geo_timeseries_demErr",
    "geo_demErr",
    "geo_velocity",
    "kmz",
    "zarr_timeseries_demErr",
    "zarr_demErr",
    "zarr_velocity",
    "stac_item",
}


@contextmanager
def set_aside(path: Path) -> Iterator[Path]:
    content = path.read_bytes()
    try:
        yield path
    finally:
        path.write_bytes(content)


@contextmanager
def configured(frame: FrameAtWork, **options: str) -> Iterator[None]:
    """Other options for a while."""
    frame.configure({**OPTIONS, **{f"mintpy.{name.replace('_', '.')}": value for name, value in options.items()}})
    try:
        yield
    finally:
        frame.configure(OPTIONS)
        frame.run()


@contextmanager
def planted(frame: FrameAtWork, file: str, dataset: str, change: Callable[[np.ndarray], None]) -> Iterator[None]:
    with set_aside(frame.workspace.root / file) as path:
        with h5py.File(path, "r+") as h5:
            data = h5[dataset][()]
            change(data)
            h5[dataset][...] = data
        yield


def execute(
    frame: FrameAtWork, selection: dg.AssetSelection, retries: dg.RetryPolicy | None = None
) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("some_of_it", selection=selection, op_retry_policy=retries)
    ours = build_definitions(resources={"platform": Platform(root=str(frame.root), echo=False)})
    definitions = dg.Definitions.merge(ours, dg.Definitions(jobs=[job]))
    return definitions.resolve_job_def("some_of_it").execute_in_process(
        instance=frame.instance,
        # not `partition_key`, which Dagster refuses for a job of nothing but checks
        tags={"dagster/partition": frame.key},
        raise_on_error=False,
        run_config=QUIET,
    )


def check(frame: FrameAtWork, asset: str, name: str) -> dg.AssetCheckEvaluation:
    """Run one check alone."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), name)
    evaluations = execute(frame, dg.AssetSelection.checks(key)).get_asset_check_evaluations()
    assert len(evaluations) == 1
    return evaluations[0]


def failures(done: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """What each failed step tells: metadata and description."""
    found: dict[str, dict[str, object]] = {}
    for event in done.all_events:
        if event.event_type_value == "STEP_FAILURE":
            told = event.step_failure_data.user_failure_data
            values = {name: value.value for name, value in told.metadata.items()} if told else {}
            message = told.description if told else event.step_failure_data.error.message
            found[event.step_key] = {**values, "message": message}
    return found


def told(frame: FrameAtWork, select: str) -> dict[str, object]:
    """Why the only failing step of a run failed."""
    found = failures(execute(frame, dg.AssetSelection.from_string(select)))
    assert len(found) == 1, found
    return next(iter(found.values()))


def put(value: float, where: np.ndarray | slice = slice(30, 40)) -> Callable[[np.ndarray], None]:
    def change(data: np.ndarray) -> None:
        data[where] = value

    return change
