"""`sbas-assets run`: a frame's assets, materialised in this process and recorded in the Dagster instance."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from sbas_assets.commands.failures import DONE, fail
from sbas_assets.commands.home import dagster_instance, silence
from sbas_assets.commands.output import Output, readable_size
from sbas_assets.commands.results import RunResult
from sbas_assets.workspace import Settings

if TYPE_CHECKING:
    import dagster as dg

# Dagster's console lines would stand between those of the progress; the events are in the instance anyway
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run(out: Output, key: str, selection: str | None) -> int:
    """Materialise a frame, show what was done, and return the exit code."""
    result = run_frame(out, Settings.from_env(), key, selection)
    if not out.json:
        show_assets(out, result)
        show_checks(out, result)
    if not result.success:
        return report_failure(out, result)
    if out.json:
        out.document(result.to_dict())
    else:
        out.say(_summary(result))
    return DONE


def run_frame(out: Output, settings: Settings, key: str, selection: str | None = None) -> RunResult:
    """Bring a frame up to date in this process, with progress on standard error.

    Parameters
    ----------
    out : Output
        The command's streams.
    settings : Settings
        Roots; those of the environment, which the assets read.
    key : str
        The frame.
    selection : str, optional
        Assets, see `selection`; all when None.

    Returns
    -------
    RunResult
        Also of a run that failed.

    Raises
    ------
    InputError
        `frame-unknown` and other faults of the frame's file; those of `selection.select`; `dagster-home-unusable`.
    KeyboardInterrupt
        After Dagster has recorded that the run was canceled.
    """
    from sbas_assets.frames import PARTITIONS, FrameCatalogue

    FrameCatalogue(settings.root).get(key)
    silence()
    job, assets = _job(selection)
    result = RunResult(key, str(uuid.uuid4()), assets)
    with dagster_instance(settings) as instance:
        instance.add_dynamic_partitions(PARTITIONS, [key])
        began = time.monotonic()
        try:
            result.finished = _execute(out, job, instance, result)
        finally:
            result.seconds = time.monotonic() - began
    return result


def _job(selection: str | None) -> tuple[dg.JobDefinition, list[str]]:
    """Return the job of the selected assets and checks, and the names of the assets."""
    from sbas_assets.assets.declare import JOB
    from sbas_assets.commands.selection import select
    from sbas_assets.definitions import build_definitions
    from sbas_assets.resources import Platform

    definitions = build_definitions(resources={"platform": Platform(echo=False)})
    graph = definitions.resolve_asset_graph()
    chosen = select(graph, selection)
    names = [key.to_user_string() for key in graph.toposorted_asset_keys if key in chosen.assets]
    job = definitions.resolve_job_def(JOB)
    if selection is not None:
        job = job.get_subset(asset_selection=chosen.assets, asset_check_selection=chosen.checks)
    return job, names


def _execute(out: Output, job: dg.JobDefinition, instance: dg.DagsterInstance, result: RunResult) -> bool:
    from sbas_assets.commands.progress import Watcher

    stopped = []

    def interrupted() -> None:
        """Make it a canceled run: Dagster takes an interrupt that nobody asked for in the UI for a failure."""
        stopped.append(True)
        run = instance.get_run_by_id(result.run_id)
        if run is not None:
            instance.report_run_canceling(run, "stopped at the terminal")

    watcher = Watcher(out, result, interrupted)
    instance.add_event_listener(result.run_id, watcher)
    with watcher.shown():
        done = job.execute_in_process(
            run_config=_QUIET,
            instance=instance,
            partition_key=result.frame,
            run_id=result.run_id,
            raise_on_error=False,
        )
    if stopped:
        raise KeyboardInterrupt
    return bool(done.success)


def report_failure(out: Output, result: RunResult) -> int:
    """Tell the first cause of a run's failure and what was not made; return the exit code."""
    code = fail(out, "run", result.failure(), result.to_dict())
    if result.missing:
        out.note(f"  not made: {', '.join(result.missing)}")
    out.note(f"  run: {result.run_id}")
    return code


def show_assets(out: Output, result: RunResult) -> None:
    """Print a table of the assets."""
    columns = ("asset", "outcome", ">seconds", ">size", "version", "why")
    rows = [
        (made.asset, made.outcome, f"{made.seconds:.1f}", readable_size(made.size), made.data_version[:8], made.why)
        for made in result.made.values()
    ]
    if rows:
        out.table(columns, rows)


def show_checks(out: Output, result: RunResult) -> None:
    """Print a table of the checks."""
    rows = [
        (check.asset, check.check, "passed" if check.passed else f"failed ({check.severity})", _found(check.metadata))
        for check in result.checks
    ]
    if rows:
        out.table(("checked asset", "check", "result", "found"), rows)


def _found(metadata: dict[str, Any]) -> str:
    """Return a check's numbers on one line; long values are for the UI and JSON."""
    return ", ".join(f"{name} {_short(value)}" for name, value in metadata.items() if name != "sources")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _summary(result: RunResult) -> str:
    took = f"{result.seconds:.1f} s (run {result.run_id})"
    if not result.recomputed:
        return f"{result.frame} is up to date: nothing was recomputed, in {took}"
    counts = f"{len(result.recomputed)} of {len(result.made)} assets made or passed through anew"
    return f"{result.frame} is up to date: {counts}, in {took}"
