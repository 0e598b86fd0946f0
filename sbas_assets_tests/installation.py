"""A whole installation on a folder: frames, Dagster's home, and the real daemon and webserver, which may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import yaml
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from filelock import FileLock, Timeout

from sbas_assets.commands.home import default_config
from sbas_assets.definitions import JOB
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets_tests.frames_at_work import asset_names

REPOSITORY = Path(__file__).resolve().parents[1]
WORKSPACE = str(REPOSITORY / "workspace.yaml")
SELECTOR = {"repositoryLocationName": "sbas_assets", "repositoryName": "__repository__"}
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

REPOSITORIES = "query { repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
BACKFILL = """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""

Program = Literal["daemon", "webserver"]


@dataclass
class Installation:
    """A home with frames, and the programs that work for it."""

    root: Path
    instance: dg.DagsterInstance
    environment: Mapping[str, str]
    port: int
    workspace: str = WORKSPACE
    processes: dict[Program, subprocess.Popen[bytes]] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    most: int = 0
    patience_s: float = 600

    def add(self, frame: str, stack: Path, **more: Any) -> None:
        """Add a frame without weather data, as a partition too."""
        self.configure(frame, stack, **more)
        self.instance.add_dynamic_partitions("frame", [frame])

    def configure(self, frame: str, stack: Path, **more: Any) -> None:
        """Put a frame's file into the catalogue."""
        options = {"mintpy.troposphericDelay.method": "no", **more.pop("mintpy", {})}
        values = {"track": 71, "direction": "descending", "stack": str(stack), "mintpy": options, **more}
        FrameCatalogue(self.root).add(frame, frame_config(values))

    def start(self, program: Program) -> None:
        words = {
            "daemon": ["dagster-daemon", "run", "-w", self.workspace],
            "webserver": ["dagster-webserver", "-w", self.workspace, "-h", "127.0.0.1", "-p", str(self.port)],
        }[program]
        with (self.root / f"{program}.log").open("a") as log:
            self.processes[program] = subprocess.Popen(
                [str(Path(sys.executable).with_name(words[0])), *words[1:]],
                env=dict(self.environment),
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.groups.append(self.processes[program].pid)

    def kill(self, program: Program) -> None:
        """End the program alone, at once: its code server and its runs go on."""
        self.processes[program].kill()
        self.processes.pop(program).wait()

    def switch_off(self) -> None:
        """End everything at once: code servers and runs too."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        for process in self.processes.values():
            os.killpg(process.pid, how)
        for process in self.processes.values():
            process.wait(timeout=60)
        self.processes.clear()
        # what those have left that were killed alone
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.groups.clear()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver, as the UI does."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        address = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return dict(found["data"])

    def is_up(self) -> bool:
        """Whether the webserver answers, and knows the code location."""
        try:
            return bool(self.ask(REPOSITORIES)["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.patience_s
        while not until():
            assert all(process.poll() is None for process in self.processes.values()), self.log()
            assert time.monotonic() < deadline, self.log()
            self.most = max(self.most, self.instance.get_runs_count(dg.RunsFilter(statuses=UNDER_WAY)))
            time.sleep(0.2)

    def log(self) -> str:
        """What the programs said last, and the runs."""
        logs = [f"{path.name}: {path.read_text()[-3000:]}" for path in sorted(self.root.glob("*.log"))]
        return "\n".join([*logs, str(self.ended()), str(self.instance.get_runs())])

    def launch_backfill(self, *frames: str) -> str:
        """Launch the job for frames through the webserver, as the UI does; the daemon has to work it off."""
        selector = {"partitionSetName": f"{JOB}_partition_set", "repositorySelector": SELECTOR}
        asked = self.ask(BACKFILL, p={"selector": selector, "partitionNames": list(frames)})
        launched = asked["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def launch_asset_backfill(self, *frames: str) -> str:
        """Launch all assets of frames through the webserver, as the UI's asset graph does."""
        assets = [{"path": [name]} for name in sorted(asset_names())]
        asked = self.ask(BACKFILL, p={"assetSelection": assets, "partitionNames": list(frames)})
        launched = asked["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def backfill(self, backfill: str) -> BulkActionStatus:
        found = self.instance.get_backfill(backfill)
        assert found is not None
        return found.status

    def settled(self, runs: int) -> bool:
        """Whether there are so many runs, and none is just being made or started.

        What a daemon is killed with in that moment has to wait: Dagster ends it after `start_timeout_seconds`, and does
        not always start it again; then `keep_frames_current` does, three minutes later.
        """
        between = dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING])
        return self.instance.get_runs_count() >= runs and not self.instance.get_runs_count(between)

    def under_way(self, frame: str) -> bool:
        """Whether a run of the frame is queued or at work."""
        only = dg.RunsFilter(tags={"dagster/partition": frame}, statuses=NOT_FINISHED_STATUSES)
        return self.instance.get_runs_count(only) > 0

    def seconds(self, frame: str) -> float:
        """How long the frame's last run took."""
        (record,) = self.instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": frame}), limit=1)
        assert record.start_time is not None
        assert record.end_time is not None
        return record.end_time - record.start_time

    def looks(self) -> int:
        """How many ticks of sensors have ended; none may have failed."""
        states = self.instance.all_instigator_state()
        ticks = [
            tick for state in states for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id)
        ]
        assert not [tick.error for tick in ticks if tick.error]
        return sum(tick.end_timestamp is not None for tick in ticks)

    def locked(self, frame: str) -> bool:
        """Whether a process holds the frame's lock."""
        lock = FileLock(self.root / "work" / frame / ".sbas" / "lock")
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def process_of(self, frame: str) -> int | None:
        """Process of the run that works on a frame."""
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={"dagster/partition": frame})
        owner = self.root / "work" / frame / ".sbas" / "lock.owner"
        runs = [run.run_id for run in self.instance.get_runs(started)]
        known = json.loads(owner.read_text()) if owner.exists() else {"run": None}
        return int(known["pid"]) if known["run"] in runs else None

    def ended(self) -> dict[str, list[str]]:
        """How the runs of each frame have ended, the last one first."""
        found: dict[str, list[str]] = {}
        for run in self.instance.get_runs(dg.RunsFilter(statuses=FINISHED_STATUSES)):
            found.setdefault(run.tags["dagster/partition"], []).append(run.status.value)
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def installation(
    root: Path, *, most_runs: int = 2, workspace: str = WORKSPACE, **environment: str
) -> Iterator[Installation]:
    """Make an installation with the settings that `sbas-assets` writes, made quicker; its programs end with it."""
    quick = {"SBAS_SENSORS_INTERVAL": "1", "SBAS_ARRIVALS_SETTLING": "0"}
    home = root / "dagster"
    home.mkdir(parents=True)
    config = yaml.safe_load(default_config())
    config["concurrency"]["runs"]["max_concurrent_runs"] = most_runs
    # on a busy machine a run takes half a minute to begin
    config["run_monitoring"] |= {"start_timeout_seconds": 120, "poll_interval_seconds": 5}
    config["run_coordinator"] = {
        "module": "dagster",
        "class": "QueuedRunCoordinator",
        "config": {"dequeue_interval_seconds": 1},
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    kept = {name: value for name, value in os.environ.items() if name != "SBAS_STORE"}
    settings = {**kept, "SBAS_ROOT": str(root), "DAGSTER_HOME": str(home), **quick, **environment}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        # its tables are made once, before several programs at the same time would make them
        assert instance.get_runs_count() == 0
        assert not instance.all_instigator_state()
        made = Installation(root, instance, settings, free_port(), workspace)
        try:
            yield made
        finally:
            made.end()
