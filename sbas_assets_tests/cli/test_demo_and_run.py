"""`demo` and `run`: from a stack to published products, and again without doing anything twice."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sbas_assets.commands import demo as demo_command
from sbas_assets.errors import OutsideError
from sbas_assets.mintpy import velocity
from sbas_assets_tests.cli.conftest import PROGRAM, Call, Demo, environment, program
from sbas_assets_tests.frames_at_work import asset_names

pytestmark = pytest.mark.long

ASSETS = asset_names()


def status(root: Path, run_id: str) -> str:
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.value


@pytest.fixture
def root(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's root that a test may change; the frame still has the demo's stack."""
    copy = tmp_path / "copy"
    shutil.copytree(demo.root, copy, ignore=shutil.ignore_patterns("demo", "dagster"))
    return copy


def test_the_demo_meets_the_truth_and_names_every_product(demo: Demo) -> None:
    assert demo.done.code == 0, demo.done.err
    number = len(ASSETS)
    for text in ("the truth is met", "velocity.h5", "geo/geo_velocity.h5", "RMSE", f"{number} of {number} assets made"):
        assert text in demo.done.out
    assert demo.done.err.count(f"\n 9/{number} ") == 1, "one line of progress for each asset"
    assert "\x1b" not in demo.done.out + demo.done.err, "no colours outside a terminal"


def test_the_command_that_the_demo_shows_works_as_it_is_written(demo: Demo, tmp_path: Path) -> None:
    line = next(line for line in demo.done.out.splitlines() if " point " in line)
    words = shlex.split(line)
    at = words.index("sbas-assets")
    variables = dict(word.split("=", 1) for word in words[:at])
    point = program(tmp_path, *words[at + 1 :], **variables)
    assert point.code == 0, point.err
    assert "mm/year" in point.out


def test_a_second_demo_uses_the_stack_again_and_recomputes_nothing(demo: Demo, sbas: Call) -> None:
    again = sbas("demo", root=demo.root)
    assert again.code == 0, again.err
    assert "using the stack simulated before" in again.err
    assert f"0 of {len(ASSETS)} assets made" in again.out


def test_a_demo_that_misses_the_truth_ends_with_2_and_a_log(
    demo: Demo, sbas: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = demo_command.compare_velocity
    monkeypatch.setattr(demo_command, "compare_velocity", lambda *given: judge(*given, threshold=0.01))
    missed = sbas("demo", root=demo.root)
    assert missed.code == 2
    assert "[truth-missed]" in missed.err
    assert list((demo.root / "logs").glob("*-demo.log"))


def test_a_demo_leaves_a_folder_alone_that_is_no_simulated_stack(tmp_path: Path, sbas: Call) -> None:
    mine = tmp_path / "demo" / "stack-small" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("precious")
    done = sbas("demo")
    assert done.code == 1
    assert "[demo-folder-taken]" in done.err
    assert mine.read_text() == "precious"


def test_a_demo_never_replaces_a_frame_of_the_same_name_that_is_not_its_own(
    demo: Demo, stack: Path, tmp_path: Path, sbas: Call
) -> None:
    shutil.copytree(demo.stack, tmp_path / "demo" / "stack-small")
    assert sbas("frames", "add", demo.key, "--stack", str(stack)).code == 0
    done = sbas("demo")
    assert done.code == 1
    assert "[frame-exists]" in done.err


def test_run_makes_what_is_missing_and_a_second_run_nothing_at_all(root: Path, demo: Demo, sbas: Call) -> None:
    shutil.rmtree(root / "work")
    first = sbas("run", demo.key, "--select", "+velocity", root=root)
    assert first.code == 0, first.err
    assert "10 of 10 assets" in first.out
    second = sbas("run", demo.key, "--select", "+velocity", root=root)
    assert second.code == 0
    assert "nothing was recomputed" in second.out
    assert "10/10 velocity" in second.err


def test_json_of_a_run_is_one_document_that_says_all(demo: Demo) -> None:
    done = program(demo.root, "run", demo.key, "--json")
    assert done.code == 0, done.err
    document = done.json
    assert document["frame"] == demo.key
    assert document["success"] is True
    assert document["not_made"] == []
    assert status(demo.root, document["run_id"]) == "SUCCESS"
    assets = {entry["asset"]: entry for entry in document["assets"]}
    assert assets.keys() == ASSETS
    assert {entry["outcome"] for entry in assets.values()} == {"reused"}
    velocity_entry = assets["velocity"]
    assert velocity_entry.keys() == {"asset", "outcome", "why", "seconds", "data_version", "files", "metrics"}
    assert velocity_entry["files"][0]["file"] == "velocity.h5"
    assert velocity_entry["files"][0]["bytes"] == (demo.root / "work" / demo.key / "velocity.h5").stat().st_size
    assert isinstance(velocity_entry["metrics"]["velocity_min_mm_per_year"], float)
    preflight = next(check for check in document["checks"] if check["check"] == "preflight")
    assert preflight["passed"]
    assert preflight["severity"] == "ERROR"
    assert preflight["metadata"]["pairs"] == 36


def test_a_selection_runs_its_assets_with_their_checks_and_always_the_preflight(demo: Demo, sbas: Call) -> None:
    document = sbas("run", demo.key, "--select", "velocity,geo_velocity", "--json", root=demo.root).json
    assert [entry["asset"] for entry in document["assets"]] == ["velocity", "geo_velocity"]
    assert {check["check"] for check in document["checks"]} == {"preflight", "velocity_in_bounds"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "T071D_dmo"), "frame-unknown"),
        (("run", "no/frame"), "frame-key-invalid"),
        (("run", "T071D_demo", "--select", "velocty"), "asset-unknown"),
        (("run", "T071D_demo", "--select", "velocity and"), "selection-invalid"),
        (("run", "T071D_demo", "--select", "group:nothing"), "selection-empty"),
    ],
)
def test_a_run_that_cannot_begin_ends_with_1_and_a_mend(
    demo: Demo, sbas: Call, arguments: tuple[str, ...], code: str
) -> None:
    done = sbas(*arguments, "--json", root=demo.root)
    assert done.code == 1
    assert done.json["error"]["code"] == code
    assert done.json["error"]["mend"]
    assert "Traceback" not in done.err


def test_an_unknown_frame_or_asset_is_answered_with_the_nearest(demo: Demo, sbas: Call) -> None:
    assert "did you mean T071D_demo?" in sbas("run", "T071D_dmo", root=demo.root).err
    assert "did you mean velocity" in sbas("run", demo.key, "--select", "velocty", root=demo.root).err


def test_a_stack_that_cannot_be_processed_ends_with_1_and_lists_what_was_not_made(
    stack: Path, tmp_path: Path, sbas: Call
) -> None:
    broken = tmp_path / "stack"
    shutil.copytree(stack, broken)
    assert sbas("frames", "add", "K", "--stack", str(broken)).code == 0
    shutil.rmtree(broken / "baselines")
    done = sbas("run", "K", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "baselines-missing"
    assert done.json["error"]["path"] == str(broken / "baselines")
    assert done.json["assets"] == []
    assert set(done.json["not_made"]) == ASSETS
    assert "not made: era5, geometryRadar" in done.err
    assert not (tmp_path / "logs").exists(), "a mistake of the user needs no log"


def test_a_mistake_that_a_step_finds_ends_with_1(stack: Path, sbas: Call) -> None:
    sbas("frames", "add", "K", "--stack", str(stack), "--set", "mintpy.troposphericDelay.method=pyaps")
    done = sbas("run", "K", "--select", "+era5", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "cds-credentials-missing"
    assert done.json["not_made"] == ["era5"]
    assert done.json["error"]["message"].startswith("3 of 3 ERA5 files are missing")


def test_a_defect_of_ours_ends_with_2_and_a_log_with_the_traceback(
    root: Path, demo: Demo, sbas: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any) -> None:
        raise ZeroDivisionError("a [defect]")

    monkeypatch.setattr(velocity, "_fit", defect)
    (root / "work" / demo.key / "velocity.h5").unlink()
    done = sbas("run", demo.key, "--select", "velocity", "--json", root=root)
    error = done.json["error"]
    assert done.code == error["exit_code"] == 2
    assert error["kind"] == "internal"
    assert "ZeroDivisionError: a [defect]" in error["message"]
    assert "in defect" in Path(error["log"]).read_text()
    assert Path(error["log"]).parent == root / "logs"
    assert "Traceback" not in done.err


def test_a_fault_of_the_outside_is_tried_again_and_then_ends_with_2(
    root: Path, demo: Demo, sbas: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fault(*_: Any) -> None:
        tries.append(1)
        raise OutsideError("store-unreachable", "does not answer", mend="wait")

    monkeypatch.setattr("sbas_assets.resources.FIRST_DELAY_S", 0.01)
    monkeypatch.setattr("sbas_assets.resources.execute", fault)
    done = sbas("run", demo.key, "--select", "velocity", root=root)
    assert done.code == 2
    assert len(tries) == 4
    assert done.err.count("trying again in 0 s") == 3
    assert "error: [store-unreachable]" in done.err
    assert "log:" in done.err


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_ends_with_130_is_canceled_and_can_be_taken_up_again(
    root: Path, demo: Demo, name: signal.Signals
) -> None:
    shutil.rmtree(root / "work")
    # a shell's background job, and pytest in one, hand down an ignored SIGINT
    code = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {PROGRAM[2]}"
    command = [*PROGRAM[:2], code, "run", demo.key, "--select", "+network"]
    process = subprocess.Popen(
        command, env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "geometryRadar" in line:
            break
    process.send_signal(name)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert out.strip() == ""
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED
    again = program(root, "run", demo.key, "--select", "+network", "--json")
    assert again.code == 0, again.err
    assert {entry["asset"]: entry["outcome"] for entry in again.json["assets"]}["geometryRadar"] == "reused"


def test_a_reader_who_leaves_does_not_stop_the_run(root: Path, demo: Demo) -> None:
    shutil.rmtree(root / "work")
    command = [*PROGRAM, "run", demo.key, "--select", "+network"]
    process = subprocess.Popen(
        command, env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(timeout=60) == 141
    with dg.DagsterInstance.from_config(str(root / "dagster")) as instance:
        (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.SUCCESS
