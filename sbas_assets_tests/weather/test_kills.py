"""Processes that fetch weather files are killed at any moment: nothing is fetched twice, and no half file is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from sbas_assets_tests.mintpy.weather_files import FrameWithAttributes, hawaiian_stack
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.conftest import OPTIONS
from sbas_assets_tests.weather.era5_at_work import good_dates, weather_folder

# isort: split
from sbas_assets.simulate import regular_dates
from sbas_assets.weather.journal import Submitted

pytestmark = pytest.mark.long

DATES = regular_dates("20220101", 12)
AT_ONCE = 4
"""Dates of a request."""
PATIENCE_S = 120
VERIFY = "POST /api/profiles/v1/account/verification/pat"
SUBMIT = "POST /api/retrieve/v1/processes/{dataset}/execution"
LOOK = "GET /api/retrieve/v1/jobs/{id}"
# what a killed process may have been sent and not written: what the kernel keeps for a process that has no time to read
# it, one piece of the client's, and what the server sends until it sees that nobody is there
IN_FLIGHT = 512 * 1024
# has everything imported and forks, so that a run takes no seconds to start; says the child's number, and how it ended
NURSERY = """
import os, sys
import sbas_assets.definitions
from sbas_assets.cli import main

for line in sys.stdin:
    key, select, log = line.split()
    child = os.fork()
    if child == 0:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os._exit(main(["run", key, "--select", select]))
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass
class Nursery:
    """Starts runs of era5, one after the other, and kills them."""

    root: Path
    kills: int = 0
    _child: int = 0
    _process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Self:
        env = {name: value for name, value in os.environ.items() if name not in {"DAGSTER_HOME", "SBAS_STORE"}}
        env["SBAS_ROOT"] = str(self.root)
        words = [sys.executable, "-c", NURSERY]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, env=env, stdin=pipe, stdout=pipe, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive():
            os.kill(self._child, signal.SIGKILL)
        self._process.communicate()

    @property
    def log(self) -> Path:
        return self.root.parent / f"run{self._process.pid}.log"

    def start(self, frame: FrameWithAttributes, select: str = "era5") -> None:
        print(frame.key, select, self.log, file=self._process.stdin, flush=True)
        self._child = int(self._process.stdout.readline())

    def alive(self) -> bool:
        with suppress(ProcessLookupError):
            os.kill(self._child, 0)
            return self._child != 0
        return False

    def until(self, seen: Callable[[], object]) -> None:
        """Wait for something that is seen while the run goes on."""
        deadline = time.monotonic() + PATIENCE_S
        while not seen():
            assert self.alive(), self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.001)

    def kill(self) -> bool:
        """Kill the run, -9; returns whether it had not ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        code = int(self._process.stdout.readline())
        assert code in {0, -signal.SIGKILL}, self.log.read_text()
        self.kills += code != 0
        return code != 0

    def finish(self) -> None:
        assert self._process.stdout.readline() == "0\n", self.log.read_text()


@dataclass
class Account:
    """What killed processes have left behind, and what the service should have seen in the end."""

    folder: Path
    cds: CdsServer
    lost: Counter[str] = field(default_factory=Counter)
    """Dates of requests that the service accepted, and whose process died before it could write that down."""

    @property
    def hidden(self) -> Path:
        return self.folder / ".requests"

    def journal(self) -> list[Submitted]:
        return [Submitted.model_validate_json(path.read_bytes()) for path in sorted(self.hidden.glob("*.json"))]

    def part(self) -> int:
        """Bytes of the results that are being fetched."""
        sizes = []
        for path in self.hidden.glob("*.part"):
            with suppress(FileNotFoundError):
                sizes.append(path.stat().st_size)
        return sum(sizes)

    def after_kill(self) -> list[str]:
        """Look at what is there: whole files alone, and of each date either those or a request that is known."""
        here = good_dates(self.folder)
        known = {date for entry in self.journal() for date in entry.dates} | set(here)
        unknown = Counter({date: times for date, times in self.cds.dates_submitted.items() if date not in known})
        newly = unknown - self.lost
        assert len(newly) <= AT_ONCE, "more than one request was lost"
        self.lost |= unknown
        return here

    def require_once(self) -> None:
        """Everything is here, and was asked for and sent once, but for what was on its way at a kill."""
        assert good_dates(self.folder) == list(DATES)
        assert self.cds.dates_submitted == Counter(DATES) + self.lost
        assert self.journal() == []
        assert not list(self.hidden.glob("*.part"))
        for job in {job for job, _, _ in self.cds.downloads}:
            sent = sorted((first, first + size) for name, first, size in self.cds.downloads if name == job)
            assert sent[0][0] == 0
            assert all(0 <= end - start <= IN_FLIGHT for (_, end), (start, _) in pairwise(sent)), sent


@pytest.fixture(scope="module")
def stack_of_twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hawaiian_stack(tmp_path_factory.mktemp("killed") / "stack", DATES)


@pytest.fixture
def at_work(stack_of_twelve: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FrameWithAttributes:
    monkeypatch.setenv("SBAS_CDS_DATES", str(AT_ONCE))
    monkeypatch.setenv("SBAS_CDS_REQUESTS", "2")
    return FrameWithAttributes(tmp_path / "root", stack_of_twelve, OPTIONS)


@pytest.fixture
def account(cds: CdsServer, at_work: FrameWithAttributes) -> Account:
    return Account(weather_folder(at_work), cds)


@pytest.fixture
def nursery(cds: CdsServer, at_work: FrameWithAttributes) -> Iterator[Nursery]:
    with Nursery(at_work.root) as nursery:
        yield nursery


def test_a_run_killed_at_each_step_of_a_fetch_is_taken_up_by_the_next(
    cds: CdsServer, at_work: FrameWithAttributes, account: Account, nursery: Nursery
) -> None:
    def killed_when(seen: Callable[[], object]) -> list[str]:
        nursery.start(at_work)
        nursery.until(seen)
        assert nursery.kill()
        return account.after_kill()

    # before a submission: the service is busy, and the run waits to ask again
    cds.fail_next("503", on=SUBMIT.split("{", maxsplit=1)[0])
    assert killed_when(lambda: cds.calls[SUBMIT]) == []
    assert (cds.submissions, account.journal()) == ([], [])
    # in the service's queue, as soon as all that may be there is; and in the queue again
    cds.polls_before_done = 10**6
    assert killed_when(lambda: len(account.journal()) == 2) == []
    looks = cds.calls[LOOK]
    assert killed_when(lambda: cds.calls[LOOK] >= looks + 5) == []
    assert cds.dates_submitted == Counter(DATES[: 2 * AT_ONCE])
    # in the middle of a result, and further on in it
    cds.polls_before_done, cds.bytes_per_second = 0, 600_000
    for size in (150_000, 800_000):
        assert killed_when(lambda size=size: account.part() > size) == []
        assert account.part() > size
    # while the result is divided, and when it has just been
    here = killed_when(lambda: list(account.folder.glob("*.grb")))
    assert 0 < len(here) < AT_ONCE
    cds.bytes_per_second = None
    assert set(here) < set(killed_when(lambda: len(list(account.folder.glob("*.grb"))) == AT_ONCE))
    nursery.start(at_work)
    nursery.finish()
    account.require_once()
    assert not account.lost
    assert cds.dates_delivered == Counter(DATES)
    assert nursery.kills == 7


def test_runs_killed_at_random_moments_come_to_the_same_end(
    cds: CdsServer, at_work: FrameWithAttributes, account: Account, nursery: Nursery
) -> None:
    moments = random.Random(1)
    cds.polls_before_done, cds.bytes_per_second = 1, 1_500_000
    here: list[str] = []
    for _ in range(8):
        nursery.start(at_work)
        # from the start on, and then anywhere in what is new to it
        requests = sum(cds.calls.values())
        if moments.random() < 0.7:
            nursery.until(lambda before=requests: sum(cds.calls.values()) > before)
        time.sleep(moments.uniform(0, 2.5))
        nursery.kill()
        before, here = here, account.after_kill()
        assert set(before) <= set(here)
    nursery.start(at_work)
    nursery.finish()
    account.require_once()
    assert nursery.kills > 2
    assert account.lost.total() <= AT_ONCE * nursery.kills


def second_frame(frame: FrameWithAttributes) -> FrameWithAttributes:
    return FrameWithAttributes(frame.root, frame.stack, frame.options, key="T071D_second")


def test_a_second_run_for_the_same_files_waits_for_the_first_and_fetches_nothing(
    cds: CdsServer, at_work: FrameWithAttributes, account: Account, nursery: Nursery
) -> None:
    cds.bytes_per_second = 2_000_000
    with Nursery(at_work.root) as other:
        nursery.start(at_work)
        other.start(second_frame(at_work))
        nursery.finish()
        other.finish()
    account.require_once()
    assert not account.lost
    assert cds.dates_delivered == Counter(DATES)
    assert cds.calls[VERIFY] == 1, "one of them alone has spoken to the service"
    for frame in (at_work, second_frame(at_work)):
        assert frame.workspace.record("era5").is_file()


def test_when_the_first_run_is_killed_the_second_takes_up_its_requests(
    cds: CdsServer, at_work: FrameWithAttributes, account: Account, nursery: Nursery
) -> None:
    cds.polls_before_done = 10**6
    nursery.start(at_work)
    nursery.until(lambda: len(account.journal()) == 2)
    second = second_frame(at_work)
    with Nursery(at_work.root) as other:
        other.start(second)
        # written before it finds out that the files are somebody else's
        other.until((second.workspace.hidden / "extent.json").is_file)
        time.sleep(1)
        assert cds.calls[VERIFY] == 1
        assert nursery.kill()
        assert account.after_kill() == []
        cds.polls_before_done = 0
        other.finish()
    account.require_once()
    assert not account.lost
    assert cds.dates_delivered == Counter(DATES)
    # for the first frame nothing is left to be fetched
    calls = cds.calls.total()
    nursery.start(at_work)
    nursery.finish()
    assert cds.calls.total() == calls
