"""What is remembered of a file's digest from one process to the next, and that no change of the file is missed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sbas_assets import digests as digests_module
from sbas_assets.digests import Digests, Stamp


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []
    original = digests_module._read
    monkeypatch.setattr(digests_module, "_read", lambda path: names.append(path.name) or original(path))
    return names


def put_in_place(folder: Path, text: str = "abc") -> Path:
    """Finish a file, give it its final name, and end the process."""
    digests, staged, target = Digests(folder / "digests.json"), folder / "staged", folder / "product"
    staged.write_text(text)
    digests.of_own(staged)
    staged.replace(target)
    digests.moved(staged, target)
    digests.save()
    return target


def test_the_next_process_does_not_read_what_this_one_has_just_put_in_place(tmp_path: Path, read: list[str]) -> None:
    target = put_in_place(tmp_path)
    found = Digests(tmp_path / "digests.json").of(target)
    assert (found.size, read) == (3, ["staged"])


def test_what_somebody_else_has_just_written_is_read_again_by_the_next_process(tmp_path: Path, read: list[str]) -> None:
    path = tmp_path / "image"
    path.write_text("abc")
    digests = Digests(tmp_path / "digests.json")
    digests.of(path)
    digests.save()
    Digests(tmp_path / "digests.json").of(path)
    assert read == ["image", "image"]


def test_a_change_in_the_same_tick_of_the_clock_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system whose clock stands still from the rename to the change: times of inodes say nothing."""
    real = Stamp.of
    monkeypatch.setattr(Stamp, "of", lambda path: real(path)._replace(changed_ns=0))
    target = put_in_place(tmp_path)
    inode = target.stat().st_ino
    before = Digests(tmp_path / "digests.json").of(target)
    with target.open("r+") as file:
        file.write("abd")
    assert target.stat().st_ino == inode
    assert Digests(tmp_path / "digests.json").of(target) != before


def test_a_file_that_the_next_process_finds_changed_back_in_time_is_read(tmp_path: Path, read: list[str]) -> None:
    target = put_in_place(tmp_path)
    times = target.stat()
    target.write_text("abd")
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    Digests(tmp_path / "digests.json").of(target)
    assert read == ["staged", "product"]


def test_a_finished_file_is_set_back_once(tmp_path: Path, read: list[str]) -> None:
    path = tmp_path / "segment"
    path.write_text("abc")
    digests = Digests()
    digests.of_own(path)
    times = path.stat()
    digests.of_own(path)
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == (times.st_mtime_ns, times.st_ctime_ns)
    assert read == ["segment"]
