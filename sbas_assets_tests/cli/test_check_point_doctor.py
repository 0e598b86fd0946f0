"""`check`, `point` and `doctor`: what they say, and what they end with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sbas_assets_tests.cli.conftest import Call, Demo, codes, environment, program


def test_check_ends_with_0_for_a_good_stack_and_says_what_it_is(stack: Path, sbas: Call) -> None:
    done = sbas("check", str(stack))
    assert done.code == 0
    assert "can be processed: 3 pairs (0 left out), 3 dates, 40 x 50 pixels, track 71, descending, ISCE 2." in done.out


def test_check_names_every_problem_with_its_file_and_its_mend(stack: Path, tmp_path: Path, sbas: Call) -> None:
    broken = tmp_path / "stack"
    shutil.copytree(stack, broken)
    pair = broken / "merged" / "interferograms" / "20200511_20200604"
    (pair / "filt_fine.unw").unlink()
    shutil.rmtree(broken / "baselines")
    shown = sbas("check", str(broken))
    assert shown.code == 1
    for text in ("stop: ", "baselines-missing", "drop: ", "unw-missing", str(pair / "filt_fine.unw"), "mend:"):
        assert text in shown.out
    document = sbas("check", str(broken), "--json")
    assert document.code == 1
    assert document.json["ok"] is False
    assert codes(document.json["problems"]) >= {"baselines-missing", "unw-missing"}
    assert document.err == ""


def test_check_of_a_folder_that_is_not_there_ends_with_1(tmp_path: Path, sbas: Call) -> None:
    done = sbas("check", str(tmp_path / "nowhere"), "--json")
    assert done.code == 1
    assert codes(done.json["problems"]) == {"stack-missing"}


def test_point_takes_negative_degrees_and_plots_the_series(demo: Demo, tmp_path: Path, sbas: Call) -> None:
    plot = tmp_path / "series.png"
    done = sbas("point", demo.key, "38.206", "-116.4238", "--plot", str(plot), root=demo.root)
    assert done.code == 0, done.err
    assert plot.stat().st_size > 1000
    assert "± " in done.out
    assert done.out.count("\n 202") == 14
    assert sum(" 0.00 " in line for line in done.out.splitlines() if line.startswith(" 202")) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("T071D_demo", "-38.2", "-116.4"), "point-outside"),
        (("T071D_demo", "nan", "-116.4"), "point-outside"),
        (("T071D_other", "38.2", "-116.4"), "product-not-published"),
        (("../secret", "38.2", "-116.4"), "frame-key-invalid"),
        (("T071D_demo", "38.206", "-116.4238", "--plot", "/nowhere/x.png"), "plot-path-invalid"),
        (("T071D_demo", "38.206", "-116.4238", "--plot", "x.doc"), "plot-path-invalid"),
        (("T071D_demo", "38.206", "west"), "usage"),
        (("T071D_demo", "38.206", "-116.4", "--plt", "x.png"), "usage"),
        (("T071D_demo", "38.206"), "usage"),
    ],
)
def test_point_with_bad_input_ends_with_1(demo: Demo, sbas: Call, arguments: tuple[str, ...], code: str) -> None:
    done = sbas("point", *arguments, root=demo.root)
    assert done.code == 1
    assert f"[{code}]" in done.err
    assert done.out == ""


def test_a_plot_that_cannot_be_written_is_told_with_its_path(demo: Demo, tmp_path: Path, sbas: Call) -> None:
    place = tmp_path / "folder.png"
    place.mkdir()
    done = sbas("point", demo.key, "38.206", "-116.4238", "--plot", str(place), root=demo.root)
    assert done.code in (1, 2)
    assert str(place) in done.err
    assert "Traceback" not in done.err


def test_doctor_finds_the_basics_and_writes_nothing_into_a_root_that_is_not_there(tmp_path: Path, sbas: Call) -> None:
    root = tmp_path / "new"
    done = sbas("doctor", "--json", root=root)
    assert done.code == 0, done.out
    findings = {finding["name"]: finding for finding in done.json}
    assert {"Python", "packages", "MintPy", "SBAS_ROOT", "SBAS_STORE", "DAGSTER_HOME"} <= findings.keys()
    for finding in findings.values():
        assert finding.keys() == {"name", "status", "detail", "mend"}
        assert finding["status"] in {"ok", "warning", "failure"}
        assert finding["status"] == "ok" or finding["mend"]
    assert not root.exists()
    assert "isce" not in sys.modules


def test_doctor_of_a_working_installation_counts_frames_and_tries_the_store(demo: Demo, sbas: Call) -> None:
    done = sbas("doctor", root=demo.root)
    assert done.code == 0
    assert "written, read and deleted an object" in done.out
    assert not list((demo.root / "store").glob(".doctor*"))
    assert "the basics work" in done.out


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SBAS_STORE", "nosuchscheme://x"),
        ("SBAS_STORE", "/proc/store"),
        ("DAGSTER_HOME", "/proc/dagster"),
        ("SBAS_ROOT", "/proc/root-of-ours"),
        ("SBAS_THREADS", "many"),
    ],
)
def test_doctor_ends_with_1_when_a_basic_thing_fails_and_says_which(sbas: Call, variable: str, value: str) -> None:
    done = sbas("doctor", "--json", env={variable: value})
    assert done.code == 1
    (failure,) = [finding for finding in done.json if finding["name"] == variable]
    assert failure["status"] == "failure"
    assert failure["mend"]


def test_doctor_tells_of_broken_frames_and_still_ends_with_0(tmp_path: Path, sbas: Call) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "bad.yaml").write_text("- no\n")
    done = sbas("doctor")
    assert done.code == 0
    assert "broken: bad" in done.out


def test_doctor_does_not_wait_for_a_store_that_does_not_answer(tmp_path: Path) -> None:
    done = program(
        tmp_path,
        "doctor",
        SBAS_STORE="s3://bucket/prefix",
        AWS_ENDPOINT_URL="http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID="x",
        AWS_SECRET_ACCESS_KEY="y",
    )
    assert done.code == 1
    assert "[store-unreachable]" in done.out


@pytest.mark.parametrize(
    "words", [("frames", "list"), ("check", "nowhere"), ("point", "T071D_test", "36.4", "25.4"), ("doctor",)]
)
def test_commands_that_only_look_do_not_wait_for_dagster(tmp_path: Path, words: tuple[str, ...]) -> None:
    code = f"import sys; from sbas_assets.cli import main; main({words!r}); print('dagster' in sys.modules)"
    env = environment(tmp_path, SBAS_STORE=str(tmp_path))
    done = subprocess.run((sys.executable, "-c", code), env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
