"""Requests of one tile at the service: lined up, submitted a few at a time, looked after until their results are here.

What is at the service when a process dies is in the journal, and the next process takes it up.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from filelock import FileLock

from sbas_assets.errors import OutsideError
from sbas_assets.weather import release
from sbas_assets.weather.faults import NotYetError, QueueFullError, RefusedError
from sbas_assets.weather.journal import Journal
from sbas_assets.weather.limits import Limits, Slots
from sbas_assets.weather.receiving import Receiver
from sbas_assets.weather.service import Service

MOST_TRIES = 3
"""How often a date is asked for when the service fails or sends something else."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_SHORTEST_HOLD_S, _LONGEST_HOLD_S = 4.0, 120.0
_FORGET_AFTER = timedelta(days=7)


@dataclass(frozen=True)
class Pause:
    """Nothing can be done for some seconds; `text` says what is being waited for."""

    text: str
    seconds: float


@dataclass
class _Asked:
    """A request at the service, and the slot that it takes; a request taken up from the journal may have none."""

    request: str
    dates: tuple[str, ...]
    remote: Any
    slot: FileLock | None
    state: str = "accepted"


class RequestQueue:
    """The requests for what a receiver wants.

    Parameters
    ----------
    service : Service
        Whom to ask.
    journal : Journal
        Requests of an earlier process, and where those of this one are written down.
    slots : Slots
        Places at the service.
    receiver : Receiver
        Takes the results.
    limits : Limits
        Size of a request.
    tell : callable
        Takes a line of progress.
    """

    def __init__(
        self,
        service: Service,
        journal: Journal,
        slots: Slots,
        receiver: Receiver,
        *,
        limits: Limits,
        tell: Callable[[str], None],
    ) -> None:
        self._service, self._journal, self._slots, self._limits = service, journal, slots, limits
        self._receiver, self._wanted, self._tell = receiver, receiver.wanted, tell
        self._todo: deque[tuple[str, ...]] = deque()
        self._asked: list[_Asked] = []
        self._tries: Counter[str] = Counter()
        self._faults: dict[str, str] = {}
        self._told = ""
        # the account's queue is full: how long to hold back, until when, and since when
        self._hold_s, self._hold_until, self._held_since = 0.0, 0.0, 0.0

    def run(self) -> Iterator[Pause]:
        """Work until nothing is left to ask for; what ERA5 does not have yet is known to the receiver then.

        Yields
        ------
        Pause
            When there is nothing to do for a while.

        Raises
        ------
        InputError, OutsideError
            Those of `Service`; `cds-busy` when the account's queue stays full, `cds-request-failed` when dates could
            not be had, after all others are here.
        """
        try:
            self._take_up()
            self._line_up()
            pause = _SHORTEST_PAUSE_S
            while self._todo or self._asked:
                self._submit()
                for job in list(self._asked):
                    self._look_at(job)
                pause = _SHORTEST_PAUSE_S if self._show() else min(1.5 * pause, _LONGEST_PAUSE_S)
                if self._todo or self._asked:
                    yield Pause(self._told, pause)
        finally:
            for job in self._asked:
                _release(job.slot)
        self._require_no_faults()

    def _take_up(self) -> None:
        """Go on with what an earlier process has asked for, for whichever frame it was."""
        for entry in self._journal.open():
            needed = self._wanted.dates.keys() & set(entry.dates) - self._at_service()
            remote = self._service.find(entry.request) if needed else None
            old = datetime.fromisoformat(entry.at) < release.now() - _FORGET_AFTER
            if remote is not None:
                self._asked.append(_Asked(entry.request, entry.dates, remote, self._slots.take()))
            elif needed or old or self._receiver.library.has_all(self._wanted.tile, entry.dates):
                self._journal.remove(entry.request)
        if self._asked:
            self._tell(f"ERA5: {len(self._asked)} requests of an earlier run are taken up again")

    def _line_up(self) -> None:
        """Divide dates into requests, neighbours together: the service stores a month in one place."""
        rest, size = sorted(self._wanted.dates.keys() - self._at_service()), self._limits.dates
        self._todo.extend(tuple(rest[start : start + size]) for start in range(0, len(rest), size))

    def _at_service(self) -> set[str]:
        return {date for job in self._asked for date in job.dates}

    def _submit(self) -> None:
        while self._todo and time.monotonic() >= self._hold_until and (slot := self._slots.take()):
            group, job = self._todo.popleft(), None
            try:
                remote = self._service.submit(self._wanted.tile, group)
                job = _Asked(remote.request_id, group, remote, slot)
                self._journal.write(job.request, group)
                self._asked.append(job)
            except NotYetError as error:
                self._receiver.wait_for(group, error.latest)
            except QueueFullError as error:
                self._todo.appendleft(group)
                self._hold(error)
            except RefusedError as error:
                self._ask_for_less(group, error)
            finally:
                if job not in self._asked:
                    _release(slot)

    def _look_at(self, job: _Asked) -> None:
        try:
            job.state = self._service.state(job.remote)
            if job.state != "accepted":
                self._hold_s = 0.0
            if job.state == "successful":
                part = self._journal.part(job.request)
                self._service.download(job.remote, part)
                faults = self._receiver.take(part, job.dates, job.request)
                self._done_with(job)
                self._again(faults)
        except NotYetError as error:
            self._done_with(job)
            self._receiver.wait_for(job.dates, error.latest)
        except QueueFullError as error:
            self._done_with(job)
            self._todo.appendleft(job.dates)
            self._hold(error)
        except RefusedError as error:
            self._done_with(job)
            self._again(dict.fromkeys(job.dates, f"the service failed ({error})"))

    def _done_with(self, job: _Asked) -> None:
        self._asked.remove(job)
        self._journal.remove(job.request)
        _release(job.slot)

    def _ask_for_less(self, group: tuple[str, ...], error: RefusedError) -> None:
        """Divide a request that was too large, or whose list of dates the service does not take."""
        if len(group) == 1:
            self._faults[group[0]] = f"the service refused the request ({error})"
            return
        half = len(group) // 2
        self._todo.extendleft([group[half:], group[:half]])

    def _again(self, faults: dict[str, str]) -> None:
        """Ask once more for each date by itself, so that a good one does not suffer from a bad one."""
        for date, reason in faults.items():
            self._tries[date] += 1
            self._tell(f"ERA5 of {date}: {reason}")
            if self._tries[date] < MOST_TRIES:
                self._todo.append((date,))
            else:
                self._faults[date] = reason

    def _hold(self, error: QueueFullError) -> None:
        """Submit nothing for a while, longer each time; with nothing of ours at the service not for ever."""
        now = time.monotonic()
        if not self._hold_s:
            self._held_since = now
        if not self._asked and now - self._held_since > self._limits.patience:
            mend = "wait until the account's other requests are done, then run again"
            raise OutsideError("cds-busy", str(error), mend=mend)
        self._hold_s = min(2 * self._hold_s or _SHORTEST_HOLD_S, _LONGEST_HOLD_S)
        self._hold_until = now + self._hold_s
        self._tell(f"ERA5: {error}; asking again in {self._hold_s:.0f} s")

    def _show(self) -> bool:
        """Tell how far it is, if that has changed; returns whether it has."""
        queued = sum(job.state == "accepted" for job in self._asked)
        here = self._receiver.here & self._wanted.dates.keys()
        text = (
            f"ERA5: {len(here)} of {len(self._wanted.dates)} dates fetched; {len(self._asked)} requests "
            f"of {len(self._at_service())} dates at the service, {queued} of them in its queue; "
            f"{sum(map(len, self._todo))} dates to be asked for"
        )
        changed, self._told = text != self._told, text
        if changed:
            self._tell(text)
        return changed

    def _require_no_faults(self) -> None:
        if self._faults:
            listed = "; ".join(f"{date}: {reason}" for date, reason in sorted(self._faults.items())[:5])
            raise OutsideError(
                "cds-request-failed",
                f"{len(self._faults)} of {len(self._wanted.dates)} dates could not be fetched ({listed})",
                mend="run again later; if it stays so, ask the Climate Data Store's support",
                path=self._receiver.library.folder,
            )


def _release(slot: FileLock | None) -> None:
    if slot is not None:
        slot.release()
