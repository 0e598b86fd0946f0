"""The jobs of the test's data store: what is accepted, how it goes on, what comes out, and what goes wrong."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from sbas_assets_tests.weather.cds_requests import RefusedError, Request, invalid, licence_missing
from sbas_assets_tests.weather.era5_fields import messages

CALL_FAULTS = ("429", "503")
BODY_FAULTS = ("wrong size", "flipped bit", "html", "other date", "missing level", "garbage", "other area")
TRANSFER_FAULTS = ("truncated body", "stall")
FAULTS = (*CALL_FAULTS, *BODY_FAULTS, *TRANSFER_FAULTS, "job failed")

FAILURE = "The job failed with: MarsNoDataError\nMARS returned no data, please check your selection."
FINISHED = ("successful", "failed", "rejected")


@dataclass
class Job:
    """One accepted submission; ``ends_as`` is decided when it comes in, ``body`` when its results are asked for."""

    id: str
    inputs: dict[str, Any]
    request: Request
    ends_as: str = "successful"
    traceback: str = ""
    state: str = "accepted"
    polls: int = 0
    created: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    updated: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    body: bytes | None = None
    size: int = 0  # what the results say of the body, which need not be true
    checksum: str = ""
    dates: tuple[str, ...] = ()  # that the body is the true fields of


class Jobs:
    """What `CdsServer` knows and can be told; all of it may be used from any thread."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.expver: str | Callable[[str], str] = "0001"
        self.latest: dt.datetime | None = None
        self.licence_accepted = True
        self.polls_before_running = 0
        self.polls_before_done = 1
        self.queue_limit: int | None = None
        self.max_dates: int | None = None
        self.refuse_date_lists = False
        self.bytes_per_second: float | None = None
        self.stall_seconds = 5.0

        self.submissions: list[dict[str, Any]] = []
        self.rejected: list[dict[str, Any]] = []
        self.dates_submitted: Counter[str] = Counter()
        self.dates_delivered: Counter[str] = Counter()
        self.downloads: list[tuple[str, int, int]] = []
        self.calls: Counter[str] = Counter()
        self.call_times: list[tuple[float, str]] = []
        self.refused_times: list[float] = []
        self.most_unfinished = 0
        self.errors: list[str] = []

        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._faults: list[tuple[str, str]] = []

    def fail_next(self, kind: str, times: int = 1, *, on: str = "") -> None:
        """Let the next ``times`` occasions go wrong; ``on`` is part of the calls meant (for "429" and "503")."""
        if kind not in FAULTS:
            raise ValueError(f"{kind!r} is none of {FAULTS}")
        with self._lock:
            self._faults += [(kind, on)] * times

    def forget_jobs(self) -> None:
        """Let all jobs expire: their ids, and their results, are not found any more."""
        with self._lock:
            self._jobs.clear()

    def too_early(self) -> list[str]:
        """Calls that came within the second that a 429 asked to wait."""
        with self._lock:
            times = self.refused_times
            return [call for then, call in self.call_times if any(start < then < start + 1 for start in times)]

    def take_fault(self, kinds: tuple[str, ...], call: str = "") -> str | None:
        """The first of the planted faults that fits, which is gone with it."""
        with self._lock:
            for number, (kind, on) in enumerate(self._faults):
                if kind in kinds and on in call:
                    del self._faults[number]
                    return kind
        return None

    def note_call(self, call: str, *, api: bool = True) -> str | None:
        """Count a call, and say whether it is to fail."""
        with self._lock:
            self.calls[call] += 1
            if not api:  # the files lie elsewhere, without a limit of calls
                return None
            self.call_times.append((time.monotonic(), call))
            fault = self.take_fault(CALL_FAULTS, call)
            if fault == "429":
                self.refused_times.append(time.monotonic())
            return fault

    def note_download(self, job: Job, first: int, sent: int, whole: bool) -> None:
        """Write down what was sent of a result, and whether that was up to its last byte."""
        with self._lock:
            self.downloads.append((job.id, first, sent))
            if whole:
                self.dates_delivered.update(job.dates)

    def submit(self, inputs: dict[str, Any]) -> Job:
        """A new job, or a refusal."""
        with self._lock:
            if not self.licence_accepted:
                raise licence_missing()
            request = Request.parse(inputs, date_lists=not self.refuse_date_lists)
            if self.max_dates is not None and len(request.dates) > self.max_dates:
                detail = "Your request is too large, please reduce your selection."
                raise RefusedError(400, "cost limits exceeded", detail)
            if not self._available(request):
                latest = f"{self.latest:%Y-%m-%d %H:%M}"
                raise invalid(
                    "None of the data you have requested is available yet, please revise the period requested. "
                    f"The latest date available for this dataset is: {latest}"
                )
            job = Job(str(uuid.uuid4()), inputs, request)
            self._jobs[job.id] = job
            if self.queue_limit is not None and self._unfinished() > self.queue_limit:
                self._reject(job)
            else:
                self._accept(job)
            return job

    def _reject(self, job: Job) -> None:
        job.ends_as = "rejected"
        job.traceback = (
            f"Number of queued requests using the API is limited to {self.queue_limit}. "
            "Please configure your scripts accordingly"
        )
        self.rejected.append(job.inputs)

    def _accept(self, job: Job) -> None:
        if self.take_fault(("job failed",)):
            job.ends_as, job.traceback = "failed", FAILURE
        self.submissions.append(job.inputs)
        self.dates_submitted.update(job.request.dates)
        self.most_unfinished = max(self.most_unfinished, self._unfinished())

    def _unfinished(self) -> int:
        return sum(job.state not in FINISHED and job.ends_as != "rejected" for job in self._jobs.values())

    def find(self, job_id: str) -> Job:
        """The job of an id, or a refusal."""
        with self._lock:
            if job_id not in self._jobs:
                raise RefusedError(404, "job not found", f"job {job_id} not found")
            return self._jobs[job_id]

    def poll(self, job_id: str) -> Job:
        """A job, one look older."""
        with self._lock:
            job = self.find(job_id)
            job.polls += 1
            state = self._state(job)
            if state != job.state:
                job.state, job.updated = state, dt.datetime.now(dt.UTC)
            return job

    def _state(self, job: Job) -> str:
        if job.state in FINISHED or job.ends_as == "rejected":
            return job.ends_as
        if job.polls <= self.polls_before_running:
            return "accepted"
        if job.polls <= self.polls_before_running + self.polls_before_done:
            return "running"
        return job.ends_as

    def dismiss(self, job_id: str) -> Job:
        """Delete a job."""
        with self._lock:
            job = self.find(job_id)
            del self._jobs[job_id]
            return job

    def results(self, job_id: str) -> Job:
        """A successful job with its body made, or a refusal."""
        with self._lock:
            job = self.find(job_id)
            if job.state in ("failed", "rejected"):
                raise RefusedError(400, "The job has failed", traceback=job.traceback)
            if job.state != "successful":
                raise RefusedError(404, "results not ready", f"Status of {job_id} is {job.state}.")
            if job.body is None:
                self._make_body(job, self.take_fault(BODY_FAULTS))
            return job

    def _available(self, request: Request) -> list[tuple[str, int]]:
        """Dates and hours up to the latest: the real service leaves the others out without a word."""
        return [
            (date, hour)
            for date in request.dates
            for hour in request.hours
            if self.latest is None or dt.datetime.strptime(f"{date}{hour:02d}", "%Y%m%d%H") <= self.latest
        ]

    def _make_body(self, job: Job, fault: str | None) -> None:
        available = self._available(job.request)
        whole = self._fields(job.request, available, fault)
        if fault == "html":
            whole = b"<html><body><h1>Under maintenance</h1></body></html>\n"
        elif fault == "garbage":
            whole = random.Random(job.id).randbytes(len(whole))
        job.size, job.checksum = len(whole), md5(whole).hexdigest()
        job.body = whole[: len(whole) * 2 // 3] if fault == "wrong size" else whole
        if fault == "flipped bit":
            job.body = whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:]
        job.dates = () if fault else tuple(dict.fromkeys(date for date, _ in available))

    def _fields(self, request: Request, available: list[tuple[str, int]], fault: str | None) -> bytes:
        north, west, south, east = request.area
        area = (north, west, (north + south) / 2, east) if fault == "other area" else request.area
        if fault == "other date":
            available = [(_day_not_in(request.dates), available[0][1]), *available[1:]]
        parts = []
        for date, hour in available:
            expver = self.expver if isinstance(self.expver, str) else self.expver(date)
            parts += messages(date, hour, area, expver=expver, levels=request.levels, variables=request.variables)
        if fault == "missing level":
            del parts[len(parts) // 2]
        return b"".join(parts)


def _day_not_in(dates: tuple[str, ...]) -> str:
    day = dt.datetime.strptime(dates[0], "%Y%m%d")
    while day.strftime("%Y%m%d") in dates:
        day += dt.timedelta(1)
    return day.strftime("%Y%m%d")
