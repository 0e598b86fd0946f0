"""Whether a started run lives, by the lock of its frame."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.launcher import WorkerStatus

from sbas_assets.automation import launcher
from sbas_assets.automation.launcher import FrameRunLauncher
from sbas_assets.commands.home import default_config
from sbas_assets.workspace import LOCK_TAG, FrameLocks, Settings, Workspace

RUN = "b8f3"
HOLD = """
import sys
from pathlib import Path
from sbas_assets.workspace import FrameLocks, Settings
FrameLocks().acquire(Settings.under(Path(sys.argv[1])).workspace("F"), sys.argv[2], print)
print("held", flush=True)
input()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the frame's lock, as a run has it."""
    words = [sys.executable, "-c", HOLD, str(tmp_path), RUN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Settings.under(tmp_path).workspace("F")


def started(workspace: Workspace, run: str = RUN, tag: str | None = None) -> dg.DagsterRun:
    return dg.DagsterRun("process_frame", run, tags={LOCK_TAG: tag or f"{run} {workspace.root}"})


def ask(asked: FrameRunLauncher, run: dg.DagsterRun) -> WorkerStatus:
    return asked.check_run_worker_health(run).status


def test_a_run_lives_while_it_holds_its_lock_and_is_lost_some_time_after(
    holder: subprocess.Popen[bytes], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = FrameRunLauncher(), started(workspace)
    assert ask(asked, run) is WorkerStatus.RUNNING
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert ask(asked, run) is WorkerStatus.RUNNING, "it may be about to tell that it has ended"
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    found = asked.check_run_worker_health(run)
    assert (found.status, found.msg) == (WorkerStatus.FAILED, "it no longer holds its frame's lock: it was killed")


def test_a_run_whose_lock_another_has_taken_meanwhile_is_lost(
    holder: subprocess.Popen[bytes], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    assert holder.poll() is None
    assert ask(FrameRunLauncher(), started(workspace, "0aa1")) is WorkerStatus.FAILED


def test_a_run_that_waits_for_the_lock_lives_also_with_the_tags_of_the_run_before(
    holder: subprocess.Popen[bytes], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    assert holder.poll() is None
    again = started(workspace, "0aa1", tag=f"{RUN} {workspace.root}")
    assert ask(FrameRunLauncher(), again) is WorkerStatus.RUNNING
    assert ask(FrameRunLauncher(), dg.DagsterRun("process_frame", "0aa2")) is WorkerStatus.RUNNING


def test_a_run_whose_folder_cannot_be_seen_from_here_lives(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    assert ask(FrameRunLauncher(), started(workspace)) is WorkerStatus.RUNNING


def test_to_ask_leaves_the_lock_free(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    locks = FrameLocks(patience_s=0)
    locks.acquire(workspace, RUN, print)
    locks.release()
    assert ask(FrameRunLauncher(), started(workspace)) is WorkerStatus.FAILED
    locks.acquire(workspace, RUN, print)
    locks.release()


@pytest.mark.parametrize("settings", ["new home", "deploy/dagster.yaml"])
def test_the_settings_name_a_launcher_that_dagsters_daemon_asks(settings: str, tmp_path: Path) -> None:
    deployed = Path(__file__).resolve().parents[2] / "deploy/dagster.yaml"
    config = yaml.safe_load(default_config() if settings == "new home" else deployed.read_text())
    only = {name: config[name] for name in ("run_launcher", "run_monitoring")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(only))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_launcher.supports_check_run_worker_health
