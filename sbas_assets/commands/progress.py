"""A run's progress on standard error: one line for each asset, and what is being worked on now.

Dagster calls the watcher for each event of the run, in the run's own thread. On a terminal a spinner shows the
running step; elsewhere the lines alone are printed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from sbas_assets.commands.output import Output
from sbas_assets.commands.results import (
    AssetResult,
    CheckResult,
    RunResult,
    asset_result,
    check_failure,
    check_result,
    step_failure,
)

if TYPE_CHECKING:
    import dagster as dg

_FAILURE = "dagster._core.definitions.events.Failure: "
STYLES = {"made": "green", "remade": "green", "reused": "cyan", "passed-through": "dim", "failed": "bold red"}


class Watcher:
    """Takes a run's events into its result and shows them.

    Parameters
    ----------
    out : Output
        Its `notes` get the lines.
    result : RunResult
        Gets what the events say.
    interrupted : callable
        Called when somebody has stopped the run.
    """

    def __init__(self, out: Output, result: RunResult, interrupted: Callable[[], None]) -> None:
        self.result = result
        self._interrupted = interrupted
        self._out = out
        self._width = max((len(name) for name in result.assets), default=0)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=out.notes, transient=True, disable=not out.notes.is_terminal)
        self._task: TaskID | None = None
        self._step = ""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress while the run goes on."""
        with self._progress:
            yield

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Take one entry of the run's log."""
        try:
            self._take(entry)
        except OSError:
            # nobody reads the progress any more: no reason to stop the run
            self._out.notes.quiet = True

    def _take(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            # such as the wait for another run of the frame; errors come with the failure of their step
            if entry.level == logging.WARNING:
                self._print(entry.user_message, "yellow")
            elif entry.level == logging.INFO and entry.step_key == self._step:
                self._detail(entry.user_message)
            return
        match event.event_type_value:
            case "STEP_START" | "STEP_RESTARTED":
                self._begin(str(event.step_key))
            case "ASSET_MATERIALIZATION":
                self._made(asset_result(event))
            case "ASSET_CHECK_EVALUATION":
                self._checked(check_result(event))
            case "STEP_UP_FOR_RETRY":
                self._tried(event)
            case "STEP_FAILURE":
                self._failed(event)

    def _begin(self, step: str) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._step = step
        self._task = self._progress.add_task(f"{self._count(len(self.result.made) + 1)} {step}", total=None)

    def _detail(self, text: str) -> None:
        """Show what the step says about its progress, such as what waits in the weather service's queue."""
        if self._task is not None:
            shown = f"{self._count(len(self.result.made) + 1)} {self._step}  {text}"
            self._progress.update(self._task, description=shown[: self._out.notes.width - 12])

    def _made(self, made: AssetResult) -> None:
        self.result.made[made.asset] = made
        self._line(made.asset, made.outcome, f"{made.seconds:6.1f} s  {made.why}")

    def _checked(self, check: CheckResult) -> None:
        self.result.checks.append(check)
        if not check.passed and check.severity == "ERROR":
            self.result.failures.append(check_failure(check, self.result.frame))
        if not check.passed:
            self._print(f"check {check.name} failed ({check.severity})", "bold red" if check.blocking else "yellow")

    def _tried(self, event: dg.DagsterEvent) -> None:
        again = event.step_retry_data
        reason = again.error and (again.error.cause or again.error)
        told = reason.message.strip().removeprefix(_FAILURE) if reason else "failed"
        self._print(f"{event.step_key}: {told}; trying again in {again.seconds_to_wait or 0:.0f} s", "yellow")

    def _failed(self, event: dg.DagsterEvent) -> None:
        source = event.step_failure_data.error_source
        if source is not None and source.value == "INTERRUPT":
            self._interrupted()
            return
        step, failure = str(event.step_key), step_failure(event, self.result.frame)
        self.result.failures.append(failure)
        if step in self.result.assets:
            self._line(step, "failed", f"[{failure.code}]")

    def _line(self, asset: str, outcome: str, rest: str) -> None:
        text = Text(f"{self._count(len(self.result.made))} {asset:{self._width}}  ")
        text.append(f"{outcome:14}", STYLES[outcome]).append(rest)
        self._out.notes.print(text, soft_wrap=True)

    def _count(self, number: int) -> str:
        total = len(self.result.assets)
        return f"{min(number, total):>{len(str(total))}}/{total}"

    def _print(self, text: str, style: str) -> None:
        self._out.note(text, style)
