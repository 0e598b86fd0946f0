"""Dagster's default launcher of runs, which can also be asked whether a run still lives.

A run that was killed together with the code server that started it, as by a reboot, cannot say so: without an answer
it would count as started, and take a place of the queue, until `max_runtime_seconds` have passed. What does say so is a
lock in the frame's work folder, which the kernel takes from a killed process, in whatever container that was.

Belongs here: the answer. What follows is Dagster's: `run_monitoring` ends the run, `run_retries` starts it again.
"""

from __future__ import annotations

import time
from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

from sbas_assets.automation.run_history import PARTITION_TAG
from sbas_assets.workspace import SIGN_TAG, is_signed_off

GRACE_S = 20.0
"""How long a started run may be without its sign of life: it takes that down before it is told as ended."""
BEGIN_S = 900.0
"""How long a started run may take to begin with its frame."""


class FrameRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which knows by a lock in the frame's work folder whether a run still lives."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        # since when runs have been found without what they should have
        self._since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether it can be asked; Dagster's daemon does at each of its looks."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say whether a started run lives.

        Parameters
        ----------
        run : DagsterRun
            In the state STARTED.

        Returns
        -------
        CheckRunHealthResult
            FAILED if the run has been without its sign of life for some time, or has not begun with its frame for a
            quarter of an hour; RUNNING otherwise, also if the work folder cannot be seen from here.
        """
        signed = run.tags.get(SIGN_TAG)
        # a run that is started again has the tags of the one before
        if signed is None or Path(signed).name != run.run_id:
            return self._lost(run, BEGIN_S, "it has not begun with its frame") if PARTITION_TAG in run.tags else _LIVES
        if Path(signed).parent.is_dir() and is_signed_off(Path(signed)):
            return self._lost(run, GRACE_S, "it has left no sign of life: it was killed")
        self._since.pop(run.run_id, None)
        return _LIVES

    def _lost(self, run: DagsterRun, grace_s: float, why: str) -> CheckRunHealthResult:
        now = time.monotonic()
        if now - self._since.setdefault(run.run_id, now) < grace_s:
            return _LIVES
        del self._since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, why)


_LIVES = CheckRunHealthResult(WorkerStatus.RUNNING)
