"""Exit codes, streams and messages that all commands have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sbas_assets import __version__
from sbas_assets.commands import failures, output
from sbas_assets_tests.cli.conftest import PROGRAM, Call, environment, program


def test_the_version_is_told_without_importing_anything_heavy(tmp_path: Path) -> None:
    code = "import sys; from sbas_assets.cli import main; main(['--version']); sys.stderr.write(repr(set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"sbas-assets {__version__}\n"
    for heavy in ("dagster", "mintpy", "numpy", "matplotlib"):
        assert f"'{heavy}'" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("run",), ("run", "K", "--nonsense"), ("demo", "--size", "huge"), ("frames", "add", "K")],
)
def test_wrong_usage_ends_with_1_and_points_to_the_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = program(tmp_path, *arguments)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: [usage] ")
    assert "--help" in done.err
    assert len(done.err.splitlines()) == 2


def test_wrong_usage_is_json_too_where_json_is_asked_for(sbas: Call) -> None:
    assert sbas("run", "--json").json["error"]["code"] == "usage"


def test_no_command_at_all_shows_the_help_and_ends_with_1(tmp_path: Path) -> None:
    done = program(tmp_path)
    assert done.code == 1
    for command in ("demo", "check", "frames", "run", "point", "doctor"):
        assert command in done.out


def test_a_defect_ends_with_2_and_one_message_that_names_the_log(
    tmp_path: Path, sbas: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object) -> int:
        raise KeyError("a [defect]")

    monkeypatch.setattr("sbas_assets.commands.check.check", defect)
    done = sbas("check", "x", "--json")
    assert done.code == 2
    assert done.json["error"]["kind"] == "internal"
    log = Path(done.json["error"]["log"])
    assert log.parent == tmp_path / "logs"
    assert log.name.endswith("-check.log")
    assert "in defect" in log.read_text()
    assert "Traceback" not in done.err


CHATTER = """
import os
import sbas_assets.commands.check as command
from sbas_assets.cli import main

def check(out, stack):
    print("a library's chatter")
    os.write(1, b"and that of a C library")
    out.document({"result": 1})
    return 0

command.check = check
raise SystemExit(main(["check", "x", "--json"]))
"""


def test_what_libraries_print_does_not_stand_in_the_json(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHATTER], env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {"result": 1}
    assert "a library's chatter" in done.stderr
    assert "and that of a C library" in done.stderr


def test_the_log_goes_to_a_temporary_file_when_the_root_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_ROOT", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    log = failures.write_log("run", failures.failure_of(ValueError("x")))
    assert log.parent == tmp_path
    assert "ValueError: x" in log.read_text()


def test_a_fault_of_the_system_ends_with_2_and_names_the_file(sbas: Call, tmp_path: Path) -> None:
    (tmp_path / "frames").write_text("a file where the catalogue should be")
    done = sbas("run", "K")
    assert done.code in (1, 2)
    assert str(tmp_path / "frames") in done.err
    assert "Traceback" not in done.err


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "frames", "list"], env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == failures.BROKEN_PIPE


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", '"$@" >&- 2>&-', "sh", *PROGRAM, "frames", "list"]
    done = subprocess.run(command, env=environment(tmp_path), check=False)
    assert done.returncode == 0


def test_long_paths_are_not_broken_outside_a_terminal(tmp_path: Path, sbas: Call) -> None:
    deep = tmp_path / ("long" * 30) / ("deep" * 30)
    done = sbas("frames", "list", root=deep)
    assert str(deep / "frames") in done.out


def test_json_holds_neither_nan_nor_anything_it_cannot() -> None:
    import numpy as np

    found = output.plain({"a": np.float32("nan"), "b": Path("/x"), "c": (np.int64(2), True, None), 3: float("inf")})
    assert found == {"a": None, "b": "/x", "c": [2, True, None], "3": None}
    assert type(found["c"][0]) is int


def test_descriptor_1_is_back_in_place_after_a_command(sbas: Call, capfd: pytest.CaptureFixture[str]) -> None:
    sbas("frames", "list")
    os.write(1, b"still here")
    assert capfd.readouterr().out == "still here"


@pytest.mark.parametrize(
    ("size", "text"), [(None, ""), (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (3.2e9, "3.2 GB"), (4e12, "4.0 TB")]
)
def test_sizes_are_readable(size: float | None, text: str) -> None:
    assert output.readable_size(size) == text
