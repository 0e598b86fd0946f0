"""Dagster's default launcher of runs, which can also be asked whether a run still lives.

A run that was killed together with the code server that started it, as by a reboot, cannot say so: without an answer it
would count as started, and take a place of the queue, until `max_runtime_seconds` have passed. What does say so is the
lock of its frame, which the kernel takes from a killed process, in whatever container that was.

Belongs here: the answer. What follows is Dagster's: `run_monitoring` ends the run, `run_retries` starts it again.
"""

from __future__ import annotations

import time
from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

from sbas_assets.workspace import LOCK_TAG, lock_holder

GRACE_S = 20.0
"""How long a started run may be without its frame's lock: at its end it lets go of it before it is told as ended."""


class FrameRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which knows by the frame's lock whether a run still lives."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        # since when runs have been found without their lock
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
            FAILED if the run had the lock of its frame and has been found without it for some time; RUNNING otherwise,
            also if the work folder cannot be seen from here.
        """
        now = time.monotonic()
        if not _has_lost_its_lock(run):
            self._since.pop(run.run_id, None)
        elif now - self._since.setdefault(run.run_id, now) >= GRACE_S:
            del self._since[run.run_id]
            return CheckRunHealthResult(WorkerStatus.FAILED, "it no longer holds its frame's lock: it was killed")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _has_lost_its_lock(run: DagsterRun) -> bool:
    taken_by, _, folder = run.tags.get(LOCK_TAG, "").partition(" ")
    # a run that is started again has the tags of the one before
    if taken_by != run.run_id:
        return False
    try:
        return lock_holder(Path(folder)) != run.run_id
    except OSError:
        return False
