"""Whether a started run lives, by the lock that is its sign of life."""

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
from sbas_assets.errors import OutsideError
from sbas_assets.workspace import SIGN_TAG, FrameLocks, Settings, Workspace

RUN = "b8f3"
HOLD = """
import sys
from pathlib import Path
from sbas_assets.workspace import FrameLocks, Settings
FrameLocks().sign_on(Settings.under(Path(sys.argv[1])).workspace("F"), sys.argv[2])
print("signed", flush=True)
input()
"""
LIVES = (WorkerStatus.RUNNING, None)
KILLED = (WorkerStatus.FAILED, "it has left no sign of life: it was killed")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a sign of life, as a run has it."""
    words = [sys.executable, "-c", HOLD, str(tmp_path), RUN]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"signed\n"
        yield process
        process.kill()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Settings.under(tmp_path).workspace("F")


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)


def started(workspace: Workspace, run: str = RUN, sign: str = RUN) -> dg.DagsterRun:
    tags = {SIGN_TAG: str(workspace.hidden / "runs" / sign), "dagster/partition": "F"}
    return dg.DagsterRun("process_frame", run, tags=tags)


def ask(run: dg.DagsterRun, asked: FrameRunLauncher | None = None) -> tuple[WorkerStatus, str | None]:
    found = (asked or FrameRunLauncher()).check_run_worker_health(run)
    return found.status, found.msg


def test_a_run_lives_until_its_process_dies_and_is_lost_some_time_after(
    process: subprocess.Popen[bytes], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, run = FrameRunLauncher(), started(workspace)
    assert ask(run, asked) == LIVES
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert ask(run, asked) == LIVES, "it may be about to tell that it has ended"
    monkeypatch.setattr(launcher, "GRACE_S", 0.0)
    assert ask(run, asked) == KILLED


@pytest.mark.usefixtures("no_grace")
def test_a_run_that_waits_for_another_run_of_the_frame_lives(workspace: Workspace) -> None:
    first, second = FrameLocks(), FrameLocks(patience_s=0)
    first.sign_on(workspace, "first")
    first.acquire(workspace, "first", print)
    second.sign_on(workspace, "second")
    for _ in range(2):  # a step that is tried again begins again
        second.sign_on(workspace, "second")
        with pytest.raises(OutsideError, match="frame-busy"):
            second.acquire(workspace, "second", print)
    assert ask(started(workspace, "first", "first")) == LIVES
    assert ask(started(workspace, "second", "second")) == LIVES
    for locks, name in ((second, "second"), (first, "first")):
        locks.release()
        assert ask(started(workspace, name, name)) == KILLED
    assert list((workspace.hidden / "runs").iterdir()) == []


@pytest.mark.usefixtures("no_grace")
def test_the_tags_of_the_run_before_are_not_taken_for_its_own(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = started(workspace, "0aa1", sign=RUN)
    assert ask(again) == LIVES
    monkeypatch.setattr(launcher, "BEGIN_S", 0.0)
    assert ask(again) == (WorkerStatus.FAILED, "it has not begun with its frame")


@pytest.mark.usefixtures("no_grace")
def test_a_run_of_a_folder_out_of_sight_lives(workspace: Workspace) -> None:
    assert ask(started(workspace)) == LIVES


def test_a_run_of_no_frame_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "BEGIN_S", 0.0)
    assert ask(dg.DagsterRun("some_job", "0aa2")) == LIVES


def test_what_killed_runs_have_left_goes_with_the_next_run(
    process: subprocess.Popen[bytes], workspace: Workspace
) -> None:
    process.kill()
    process.wait()
    signs = workspace.hidden / "runs"
    assert [sign.name for sign in signs.iterdir()] == [RUN]
    locks = FrameLocks()
    locks.sign_on(workspace, "next")
    locks.acquire(workspace, "next", print)
    assert [sign.name for sign in signs.iterdir()] == ["next"]
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
