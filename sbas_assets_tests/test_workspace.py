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

from sbas_assets import digests as digests_module
from sbas_assets import workspace as workspace_module
from sbas_assets.digests import Digests
from sbas_assets.errors import InputError, OutsideError
from sbas_assets.frames import frame_config
from sbas_assets.provenance import read_record
from sbas_assets.step import Frame, Job, Made, Outcome, Run, Step
from sbas_assets.transaction import execute
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


# --- one step after another, without MintPy ---


def write_number(job: Job) -> Made:
    (job.folder / "number.txt").write_text("42")
    return Made(outputs={"number.txt": job.folder / "number.txt"}, facts={"number": 42})


def double_it(job: Job) -> Made:
    number = int((job.workspace.root / "number.txt").read_text())
    (job.folder / "double.txt").write_text(str(2 * number))
    return Made(outputs={"double.txt": job.folder / "double.txt"})


NUMBER = Step("number", (), (), write_number)
DOUBLE = Step("double", ("number",), (), double_it)


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    config = frame_config({"track": 71, "direction": "descending", "stack": tmp_path / "stack"})
    return Frame("T071D_test", config, config.template(), Settings.under(tmp_path))


def both(frame: Frame) -> list[Outcome]:
    run = Run("a-run", lambda _: None)
    return [execute(step, frame, run) for step in (NUMBER, DOUBLE)]


def hows(frame: Frame) -> list[str]:
    return [outcome.how for outcome in both(frame)]


def test_what_a_killed_run_left_in_staging_is_removed(frame: Frame) -> None:
    staging = frame.workspace.hidden / "staging"
    for left in (staging / "number" / "number.txt", staging / "number" / "inputs" / "ifgramStack.h5"):
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("half a file")
    assert hows(frame) == ["made", "made"]
    assert list(staging.iterdir()) == []
    assert (frame.workspace.root / "number.txt").read_text() == "42"


def test_a_step_that_fails_leaves_its_last_product_and_no_staging(frame: Frame) -> None:
    both(frame)

    def fail(job: Job) -> Made:
        (job.folder / "number.txt").write_text("half")
        raise InputError("reference-point-none", "no point")

    with pytest.raises(InputError):
        execute(Step("number", (), (), fail, code_version="2"), frame, Run("b", lambda _: None))
    assert hows(frame) == ["reused", "reused"]
    assert list((frame.workspace.hidden / "staging").iterdir()) == []


@pytest.mark.parametrize(
    "cache",
    [b"", b"{", b"[1, 2]", b"[]", b"7", b'"text"', b'{"/a": 5}', b'{"/a": [1, 2]}', b"\xff\xfe", b'{"NUMBER": 5}'],
)
def test_a_damaged_cache_of_digests_is_started_afresh(
    frame: Frame, cache: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    both(frame)
    path = str(frame.workspace.root / "number.txt")
    frame.workspace.digests.write_bytes(cache.replace(b"NUMBER", path.encode()))
    assert hows(frame) == ["reused", "reused"]
    assert json.loads(frame.workspace.digests.read_text())[path][4]


def test_an_edited_digest_makes_the_product_anew_and_heals(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    both(frame)
    path = str(frame.workspace.root / "number.txt")
    known = json.loads(frame.workspace.digests.read_text())
    known[path][4] = "0" * 64
    frame.workspace.digests.write_text(json.dumps(known))
    assert hows(frame) == ["remade", "reused"]
    assert hows(frame) == ["reused", "reused"]


def test_a_file_is_read_again_when_anything_about_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("abc")
    digests = Digests(tmp_path / "digests.json")
    first = digests.of(path)
    digests.save()
    times = path.stat()
    path.write_text("abd")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Digests(tmp_path / "digests.json").of(path).sha256 != first.sha256


@pytest.mark.parametrize("damage", ["", "{", "[]", "future", "misplaced"])
def test_a_record_that_cannot_be_believed_is_no_record(frame: Frame, damage: str) -> None:
    both(frame)
    path = frame.workspace.record("number")
    record = json.loads(path.read_text())
    text = {
        "future": json.dumps({**record, "field_of_a_later_version": 1}),
        "misplaced": json.dumps({**record, "outputs": [{"path": "number.txt"}]}),
    }.get(damage, damage)
    path.write_text(text)
    assert read_record(frame.workspace, "number") is None
    number, double = both(frame)
    assert (number.how, number.why) == ("made", "not made before")
    # the version is a hash of what decides the content, so nothing downstream is made again
    assert (number.record.data_version, double.how) == (record["data_version"], "reused")


def test_a_step_that_changes_a_file_of_another_is_found_and_nothing_of_it_is_kept(frame: Frame) -> None:
    both(frame)

    def meddle(job: Job) -> Made:
        (job.workspace.root / "number.txt").write_text("43")
        return double_it(job)

    run = Run("b", lambda _: None)
    with pytest.raises(RuntimeError, match=r"double changed files of number: number.txt: content changed"):
        execute(Step("double", ("number",), (), meddle, code_version="2"), frame, run)
    assert (frame.workspace.root / "double.txt").read_text() == "84"
    with pytest.raises(InputError, match="upstream-damaged"):
        execute(DOUBLE, frame, run)
    assert hows(frame) == ["remade", "reused"]


def test_a_product_that_is_no_longer_made_is_removed(frame: Frame) -> None:
    both(frame)
    off = Step("number", (), (), write_number, off=lambda _: "mintpy.deramp = no")
    outcome = execute(off, frame, Run("b", lambda _: None))
    assert (outcome.how, outcome.why) == ("passed-through", "mintpy.deramp = no")
    assert not (frame.workspace.root / "number.txt").exists()
