"""The real daemon: what it starts by itself, and a backfill with a broken frame, while daemon and run are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from sbas_assets.automation.condition import REQUESTED_BY, SENSOR
from sbas_assets.checks import CHECKS
from sbas_assets.commands.home import default_config
from sbas_assets.definitions import JOB
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import asset_names
from sbas_assets_tests.test_webserver import REPOSITORY, WORKSPACE

FRAMES = ("A", "B", "C", "D")
BROKEN, KILLED = "B", "D"
MOST_RUNS = 2
PATIENCE_S = 150


@dataclass
class Installation:
    """A home with frames, and the daemon that works for it."""

    root: Path
    instance: dg.DagsterInstance
    daemon: subprocess.Popen[bytes] | None = None
    most: int = 0

    def start(self) -> None:
        environment = {**os.environ, "SBAS_ROOT": str(self.root), "DAGSTER_HOME": str(self.root / "dagster")}
        environment.pop("SBAS_STORE", None)
        with (self.root / "daemon.log").open("a") as log:
            self.daemon = subprocess.Popen(
                [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", WORKSPACE],
                env=environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def end(self, how: signal.Signals) -> None:
        """End the daemon, and with SIGKILL what it has started too: code server and runs."""
        if self.daemon is not None and self.daemon.poll() is None:
            os.killpg(self.daemon.pid, how)
            self.daemon.wait(timeout=60)

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert self.daemon is not None
            assert self.daemon.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            under_way = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
            self.most = max(self.most, self.instance.get_runs_count(dg.RunsFilter(statuses=under_way)))
            time.sleep(0.2)

    def process_of(self, frame: str) -> int | None:
        """Process of the run that works on a frame."""
        started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED], tags={"dagster/partition": frame})
        owner = self.root / "work" / frame / ".sbas" / "lock.owner"
        runs = [run.run_id for run in self.instance.get_runs(started)]
        known = json.loads(owner.read_text()) if owner.exists() else {"run": None}
        return int(known["pid"]) if known["run"] in runs else None

    def log(self) -> str:
        return (self.root / "daemon.log").read_text()[-3000:]

    def ended(self) -> dict[str, list[str]]:
        """How the runs of each frame have ended."""
        found: dict[str, list[str]] = {}
        for run in self.instance.get_runs(dg.RunsFilter(statuses=FINISHED_STATUSES)):
            found.setdefault(run.tags["dagster/partition"], []).append(run.status.value)
        return found


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    stack = tmp_path / "stack"
    simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 6, 24), seed=6), stack)
    shutil.copytree(stack, tmp_path / "broken")
    (tmp_path / "broken/merged/geom_reference/hgt.rdr").write_bytes(b"cut off")
    for frame in FRAMES:
        folder = tmp_path / "broken" if frame == BROKEN else stack
        options = {"mintpy.troposphericDelay.method": "no"}
        values = {"track": 71, "direction": "descending", "stack": str(folder), "mintpy": options}
        FrameCatalogue(tmp_path).add(frame, frame_config(values))
    home = tmp_path / "dagster"
    home.mkdir()
    config = yaml.safe_load(default_config())
    config["concurrency"]["runs"]["max_concurrent_runs"] = MOST_RUNS
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("frame", list(FRAMES))
        found = Installation(tmp_path, instance)
        try:
            yield found
        finally:
            found.end(signal.SIGTERM)


def launch(instance: dg.DagsterInstance) -> str:
    """Launch the job for all frames, as the UI does."""
    words = ["dagster", "job", "backfill", "-j", JOB, "-w", WORKSPACE, "-l", "sbas_assets", "--noprompt"]
    environment = {**os.environ, "DAGSTER_HOME": str(instance.root_directory)}
    program = str(Path(sys.executable).with_name(words[0]))
    done = subprocess.run(
        [program, *words[1:], "--partitions", ",".join(FRAMES)],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (backfill,) = instance.get_backfills()
    return backfill.backfill_id


def test_a_backfill_survives_kills_and_a_broken_frame_and_keeps_to_the_limit(installation: Installation) -> None:
    instance = installation.instance
    installation.start()
    backfill = launch(instance)
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    installation.wait(lambda: instance.get_runs_count(started) > 0)
    assert installation.daemon is not None
    os.kill(installation.daemon.pid, signal.SIGKILL)
    installation.daemon.wait()
    installation.start()

    def done() -> bool:
        found = instance.get_backfill(backfill)
        return found is not None and found.status is not BulkActionStatus.REQUESTED

    installation.wait(lambda: installation.process_of(KILLED) is not None)
    os.kill(installation.process_of(KILLED) or 0, signal.SIGKILL)
    installation.wait(lambda: "SUCCESS" in installation.ended().get(KILLED, []))
    installation.wait(lambda: set(installation.ended()) == set(FRAMES))
    ended = installation.ended()
    assert ended.pop(BROKEN) == ["FAILURE"], "once: a mistake is not run again"
    assert ended.pop(KILLED) == ["SUCCESS", "FAILURE"]
    assert ended == {frame: ["SUCCESS"] for frame in FRAMES if frame not in {BROKEN, KILLED}}
    assert installation.most == MOST_RUNS
    for frame in FRAMES:
        assert (installation.root / "store" / frame / "item.json").exists() == (frame != BROKEN)
    installation.wait(done)
    assert len(instance.get_runs()) == len(FRAMES) + 1, "nothing else was started, and nothing twice"


def test_the_daemon_processes_a_new_stack_once_without_anybody_asking(installation: Installation) -> None:
    instance = installation.instance
    tags = {"dagster/data_version": "1"}
    for frame in ("A", BROKEN):
        instance.report_runless_asset_event(dg.AssetMaterialization("topsStack", partition=frame, tags=tags))
    installation.start()
    installation.wait(lambda: set(installation.ended()) == {"A", BROKEN})
    # a tick of the sensor later, which sees what the runs have left
    ticks = len(_ticks(instance))
    installation.wait(lambda: len(_ticks(instance)) > ticks)
    assert installation.ended() == {"A": ["SUCCESS"], BROKEN: ["FAILURE"]}
    (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "A"}))
    assert run.tags[REQUESTED_BY] == SENSOR
    made = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    assert {record.asset_key.to_user_string() for record in made if record.asset_key} == asset_names()
    checked = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    assert len(checked) == sum(spec.partitions_def is not None for check in CHECKS for spec in check.check_specs)
    assert len(instance.get_runs()) == 2, "and no other frame, and nothing twice"


def _ticks(instance: dg.DagsterInstance) -> list[float]:
    """When the sensor looked, as far as it has ended."""
    (state,) = [state for state in instance.all_instigator_state() if state.instigator_name == SENSOR] or [None]
    if state is None:
        return []
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    assert not [tick.error for tick in ticks if tick.error]
    return [tick.timestamp for tick in ticks if tick.end_timestamp]
