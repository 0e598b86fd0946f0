"""Work that may take longer than a sensor's tick, or for ever: a disk that does not answer hangs whoever asks it.

Belongs here: threads of the code location's process, and waiting for them. Not what they do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any


class StillAtWorkError(Exception):
    """Work is not finished.

    Parameters
    ----------
    seconds : float
        Since it was begun.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not finished after {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True)
class _Task:
    work: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    begun: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        # a daemon thread: a disk that does not answer must not keep the process from ending
        Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.future.set_result(self.work())
        except BaseException as error:
            self.future.set_exception(error)


class Tasks:
    """What goes on between the ticks of a sensor; what ends with the process is begun again by the next tick."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, Path], _Task] = {}

    def under_way(self, kind: str) -> int:
        """Return how many tasks of a kind are not finished."""
        return sum(not task.future.done() for (each, _), task in self._tasks.items() if each == kind)

    def knows(self, kind: str, place: Path) -> bool:
        """Whether there is such a task, finished or not, whose outcome was not fetched."""
        return (kind, place) in self._tasks

    def outcome(self, kind: str, place: Path, work: Callable[[], Any], patience_s: float) -> Any:
        """Return what some work returns, or raise what it raises; it is begun unless that was done at an earlier tick.

        Parameters
        ----------
        kind, place : str, Path
            Name of the task.
        work : callable
            What to do.
        patience_s : float
            How long to wait for work that is begun now (s).

        Raises
        ------
        StillAtWorkError
            When it is not finished; its outcome is for the next who asks.
        """
        name = (kind, place)
        if name not in self._tasks:
            self._tasks[name] = _Task(work)
            self._tasks[name].start()
            wait([self._tasks[name].future], timeout=patience_s)
        task = self._tasks[name]
        if not task.future.done():
            raise StillAtWorkError(time.monotonic() - task.begun)
        del self._tasks[name]
        return task.future.result()
