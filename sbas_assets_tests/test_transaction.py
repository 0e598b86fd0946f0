"""One step after another, without MintPy: what is believed, reused, remade, and what a kill leaves."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sbas_assets import digests as digests_module
from sbas_assets import transaction
from sbas_assets.digests import Digests
from sbas_assets.errors import InputError, OutsideError
from sbas_assets.frames import frame_config
from sbas_assets.provenance import read_record
from sbas_assets.step import Frame, Job, Made, Outcome, Run, Step
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings

HOLDER = """
import sys, time
from pathlib import Path
from sbas_assets.workspace import FrameLocks, Settings
locks = FrameLocks()
locks.acquire(Settings.under(Path(sys.argv[1])).workspace("T071D_test"), "the-other-run", print)
print("held", flush=True)
time.sleep(300)
"""


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


def test_a_run_reads_what_it_put_in_place_once(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = digests_module._read
    monkeypatch.setattr(digests_module, "_read", lambda path: read.append(path.name) or original(path))
    digests, run = Digests(frame.workspace.digests), Run("a-run", lambda _: None)
    for step in (NUMBER, DOUBLE, NUMBER, DOUBLE):
        execute(step, frame, run, digests)
    assert sorted(read) == ["double.txt", "number.txt"]


def test_a_product_that_changes_between_two_steps_of_a_run_is_found(frame: Frame) -> None:
    digests, run = Digests(frame.workspace.digests), Run("a-run", lambda _: None)
    execute(NUMBER, frame, run, digests)
    path = frame.workspace.root / "number.txt"
    times = path.stat()
    path.write_text("43")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(InputError, match="upstream-damaged"):
        execute(DOUBLE, frame, run, digests)


def test_a_digest_taken_just_after_a_change_is_not_kept_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = tmp_path / "file", tmp_path / "digests.json"
    path.write_text("abc")
    now = digests_module.time.time_ns()
    digests = Digests(cache)
    digests.of(path)
    # a long step later: nobody knows whether the file changed again within the same tick of its clock
    monkeypatch.setattr(digests_module.time, "time_ns", lambda: now + 60 * 10**9)
    digests.save()
    assert json.loads(cache.read_text()) == {}
    later = Digests(cache)
    later.of(path)
    later.save()
    assert list(json.loads(cache.read_text())) == [str(path)]


def test_a_file_that_changed_before_it_was_moved_is_read_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("abc")
    digests = Digests()
    first = digests.of(source)
    source.write_text("abcd")
    source.rename(target)
    assert digests.moved(source, target) == Digests().of(target) != first


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


def test_files_that_a_new_version_does_not_make_are_gone_even_if_it_is_killed_while_it_is_published(
    frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(frame)

    def elsewhere(job: Job) -> Made:
        (job.folder / "other.txt").write_text("7")
        return Made(outputs={"other.txt": job.folder / "other.txt"})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    step, run = Step("number", (), (), elsewhere, code_version="2"), Run("b", lambda _: None)
    with monkeypatch.context() as patched:
        patched.setattr(transaction, "write_record", killed)
        with pytest.raises(KeyboardInterrupt):
            execute(step, frame, run)
    assert execute(step, frame, run).how == "made"
    assert {path.name for path in frame.workspace.root.glob("*.txt")} == {"other.txt", "double.txt"}


def test_a_file_of_the_user_that_changes_while_it_is_used_is_told_and_nothing_published(frame: Frame) -> None:
    mask = frame.workspace.root / "mask.txt"
    mask.parent.mkdir(parents=True)
    mask.write_text("1")

    def edited_meanwhile(job: Job) -> Made:
        mask.write_text("another")
        return write_number(job)

    def state(job: Job) -> dict[str, str]:
        return {"mask": job.digests.of(mask).sha256}

    with pytest.raises(OutsideError) as caught:
        execute(Step("number", (), (), edited_meanwhile, state=state), frame, Run("a", lambda _: None))
    assert caught.value.code == "file-changing"
    assert not (frame.workspace.root / "number.txt").exists()
    assert execute(Step("number", (), (), write_number, state=state), frame, Run("b", lambda _: None)).how == "made"
