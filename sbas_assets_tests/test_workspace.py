"""The work folder: its lock, its writes, and its own files when they are damaged, edited or of another version."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sbas_assets import workspace as workspace_module
from sbas_assets.errors import OutsideError
from sbas_assets.workspace import FrameLocks, Settings, Workspace, atomic_write, move_into_place

HOLDER = """
import sys, time
from pathlib import Path
from sbas_assets.workspace import FrameLocks, Settings
locks = FrameLocks()
locks.acquire(Settings.under(Path(sys.argv[1])).workspace("T071D_test"), "the-other-run", print)
print("held", flush=True)
time.sleep(300)
"""


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    return Settings.under(tmp_path).workspace("T071D_test")


@contextmanager
def held_by_another_process(root: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_frame_that_another_process_holds_is_waited_for_and_then_reported_busy(
    tmp_path: Path, place: Workspace
) -> None:
    told: list[str] = []
    with held_by_another_process(tmp_path) as holder:
        with pytest.raises(OutsideError) as caught:
            FrameLocks(patience_s=0.3).acquire(place, "mine", told.append)
        assert caught.value.code == "frame-busy"
        assert caught.value.frame == "T071D_test"
        assert f"run the-other-run (process {holder.pid} on " in str(caught.value)
        assert "wait for it" not in str(caught.value)
        assert len(told) == 1
        assert "waiting" in told[0]


def test_the_lock_of_a_killed_process_is_free_at_once_for_one_who_waits(tmp_path: Path, place: Workspace) -> None:
    locks, told = FrameLocks(patience_s=60), []
    with held_by_another_process(tmp_path) as holder:
        threading.Timer(0.5, os.kill, (holder.pid, signal.SIGKILL)).start()
        began = time.monotonic()
        locks.acquire(place, "mine", told.append)
        assert 0.3 < time.monotonic() - began < 20
    assert len(told) == 1
    assert json.loads((place.hidden / "lock.owner").read_text())["run"] == "mine"
    locks.release()


def test_a_run_takes_its_frame_once_and_lets_go_of_it_at_the_end(place: Workspace) -> None:
    first, second = FrameLocks(patience_s=0), FrameLocks(patience_s=0)
    for _ in range(3):
        first.acquire(place, "first", pytest.fail)
    with pytest.raises(OutsideError, match="frame-busy"):
        second.acquire(place, "second", lambda _: None)
    first.release()
    second.acquire(place, "second", pytest.fail)
    second.release()


@pytest.mark.parametrize("owner", [None, b"", b"{}", b"[]", b'{"run": 1', b"\xff"])
def test_a_damaged_note_of_the_holder_is_no_reason_to_crash(place: Workspace, owner: bytes | None) -> None:
    holder = FrameLocks()
    holder.acquire(place, "first", pytest.fail)
    note = place.hidden / "lock.owner"
    note.unlink() if owner is None else note.write_bytes(owner)
    with pytest.raises(OutsideError, match="still held by another run"):
        FrameLocks(patience_s=0).acquire(place, "second", lambda _: None)
    holder.release()


def test_readers_see_the_old_content_or_the_new_one_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    contents = [str(digit) * 200_000 for digit in range(10)]
    atomic_write(path, contents[0])
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for content in contents * 5:
        atomic_write(path, content)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= set(contents)
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    atomic_write(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(workspace_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_file_replaces_the_one_before_it_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "geo" / "geo_velocity.h5"
    (tmp_path / "new").write_text("new")
    move_into_place(tmp_path / "new", target)
    with target.open() as open_before:
        (tmp_path / "newer").write_text("newer")
        move_into_place(tmp_path / "newer", target)
        assert open_before.read() == "new"
    assert target.read_text() == "newer"
