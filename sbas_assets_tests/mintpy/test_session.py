"""MintPy's code runs in this process and leaves no trace in it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.mintpy.session import MintPyError, run_in_folder


def wanders_off(folder: Path) -> None:
    """What `smallbaselineApp.py` and `prep_isce.py` do: relative files, and a change of directory."""
    Path("relative.txt").write_text("here")
    (folder / "deeper").mkdir()
    os.chdir(folder / "deeper")
    Path("relative.txt").write_text("there")
    os.chdir("..")


def spoils_everything() -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    os.environ["SBAS_TEST_NEW"] = "1"
    os.environ["SBAS_TEST_KEPT"] = "changed"
    os.environ.pop("SBAS_TEST_REMOVED", None)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - MintPy's generator
    matplotlib.rcParams["font.size"] = 31
    plt.figure()
    np.random.default_rng = len
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def raises() -> None:
    spoils_everything()
    raise ValueError("no such dataset")


def exits() -> None:
    spoils_everything()
    sys.exit(3)


def process_state() -> dict[str, Any]:
    import matplotlib
    import matplotlib.pyplot as plt

    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "environment": dict(os.environ),
        "python": random.getstate(),
        "numpy": (name, tuple(keys), *rest),
        "default_rng": np.random.default_rng,
        "rcParams": dict(matplotlib.rcParams),
        "figures": plt.get_fignums(),
        "streams": (sys.stdout, sys.stderr),
        "folder": Path.cwd(),
    }


def test_only_the_call_has_another_working_directory(folder: Path, log: Path) -> None:
    before, seen = Path.cwd(), []
    inside, looked = threading.Event(), threading.Event()

    def look() -> None:
        inside.wait(30)
        seen.append(Path.cwd())
        looked.set()

    def work() -> Path:
        wanders_off(folder)
        inside.set()
        looked.wait(30)
        return Path.cwd()

    other = threading.Thread(target=look)
    other.start()
    assert run_in_folder(folder, log, work) == folder
    other.join()
    assert seen == [before]
    assert Path.cwd() == before
    assert (folder / "relative.txt").read_text() == "here"
    assert (folder / "deeper" / "relative.txt").read_text() == "there"
    assert not (before / "relative.txt").exists()


@pytest.mark.parametrize("call", [spoils_everything, raises, exits])
def test_whatever_the_call_changes_is_put_back(
    folder: Path, log: Path, call: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_TEST_KEPT", "original")
    monkeypatch.setenv("SBAS_TEST_REMOVED", "original")
    before = process_state()
    try:
        run_in_folder(folder, log, call)
    except MintPyError:
        assert call is not spoils_everything
    assert process_state() == before


def test_the_error_names_what_happened_and_the_log(folder: Path, log: Path) -> None:
    with pytest.raises(MintPyError, match="ValueError: no such dataset") as caught:
        run_in_folder(folder, log, raises)
    assert str(log) in str(caught.value)
    assert caught.value.log == log
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(MintPyError, match="SystemExit: 3"):
        run_in_folder(folder, log, exits)
    assert "SystemExit" in log.read_text()


def test_an_error_of_this_package_keeps_its_code(folder: Path, log: Path) -> None:
    def refuses() -> None:
        raise InputError("threads-invalid", "no number")

    with pytest.raises(InputError, match="threads-invalid"):
        run_in_folder(folder, log, refuses)


def test_a_folder_that_is_not_there_is_an_error_of_the_call_and_not_a_hang(tmp_path: Path, log: Path) -> None:
    with pytest.raises(MintPyError, match="FileNotFoundError"):
        run_in_folder(tmp_path / "nowhere", log, lambda: None)


def test_random_numbers_are_the_same_in_every_call(folder: Path, log: Path) -> None:
    def draw() -> tuple[Any, ...]:
        unseeded = np.random.default_rng()
        seeded = np.random.default_rng(7)
        return (*unseeded.random(3), *seeded.random(3), random.random(), *np.random.rand(2))  # noqa: NPY002

    first, second = (run_in_folder(folder, log, draw) for _ in range(2))
    assert first == second
    assert first[3:6] == tuple(np.random.default_rng(7).random(3))


def test_another_threads_generator_stays_random_and_its_text_stays_its_own(
    folder: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, drawn, numbers = threading.Event(), threading.Event(), []

    def draw() -> None:
        inside.wait(30)
        numbers.extend(np.random.default_rng().random() for _ in range(2))
        print("said by another thread")
        drawn.set()

    def work() -> float:
        inside.set()
        drawn.wait(30)
        return float(np.random.default_rng().random())

    other = threading.Thread(target=draw)
    other.start()
    mine = run_in_folder(folder, log, work)
    other.join()
    assert len({mine, *numbers}) == 3
    assert "said by another thread" in capsys.readouterr().out
    assert "said by another thread" not in log.read_text()


def test_a_logging_handler_that_the_call_leaves_behind_writes_to_the_process_and_not_to_a_closed_log(
    folder: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[Any] = []
    run_in_folder(folder, log, lambda: kept.append(sys.stderr))
    # a later thread may get the id of the one that is gone
    kept[0]._thread = kept[0]._thread and threading.get_ident()
    print("later", file=kept[0], flush=True)
    assert capsys.readouterr().err == "later\n"


@pytest.mark.parametrize("echo", [False, True])
def test_printed_text_lands_in_the_log_and_is_echoed_on_demand(
    folder: Path, log: Path, echo: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log.parent.mkdir()
    log.write_text("of an earlier call")

    def talk() -> None:
        print("reading ifgramStack.h5", flush=True)
        print("a warning", file=sys.stderr)

    run_in_folder(folder, log, talk, echo=echo)
    assert log.read_text() == "reading ifgramStack.h5\na warning\n"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (("reading ifgramStack.h5\n", "a warning\n") if echo else ("", ""))


def test_calls_from_several_threads_come_one_after_the_other(tmp_path: Path) -> None:
    at_work, most = [], []

    def work() -> str:
        at_work.append(1)
        most.append(len(at_work))
        Path("name.txt").write_text(Path.cwd().name)
        at_work.pop()
        return Path("name.txt").read_text()

    def call(name: str) -> None:
        (tmp_path / name).mkdir()
        assert run_in_folder(tmp_path / name, tmp_path / f"{name}.log", work) == name

    threads = [threading.Thread(target=call, args=(f"frame{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


_WHOLE_RUN = """
import json, logging, os, random, sys, threading, warnings
from pathlib import Path

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork
import h5py, matplotlib, mintpy.cli.view, numpy as np, zarr
import matplotlib.pyplot as plt
import mintpy.utils.utils, mintpy.workflow
# what importing them changes is theirs: filters of warnings by urllib3, certificates for GDAL
import pystac, rasterio

def state():
    root = logging.getLogger()
    numpy_state = np.random.get_state()
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "backend": matplotlib.get_backend(),
        "rcParams": {key: str(value) for key, value in matplotlib.rcParams.items()},
        "figures": plt.get_fignums(),
        # xarray adds this one each time it reads a dataset (conventions.decode_cf_variables)
        "warnings": sorted({str(entry) for entry in warnings.filters if "decode_timedelta" not in str(entry)}),
        "root logger": [root.level, logging.root.manager.disable, [str(handler) for handler in root.handlers]],
        "numpy errors": np.geterr(),
        "numpy print": str(np.get_printoptions()),
        "random": [str(random.getstate()), str(numpy_state[1].tolist()), numpy_state[2]],
        "streams": [str(sys.stdout), str(sys.stderr)],
        "arguments": sys.argv,
        "default_rng": str(np.random.default_rng),
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("mintpy")),
        "h5py": str(h5py.get_config().track_order),
        "mask": os.umask(0o022),
    }

folder = Path(sys.argv[1])
simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 5, 24), seed=5), folder / "stack")
options = {
    "mintpy.deramp": "linear",
    "mintpy.unwrapError.method": "bridging",
    "mintpy.unwrapError.connCompMinArea": "500",
    "mintpy.troposphericDelay.method": "height_correlation",
    "mintpy.save.hdfEos5": "yes",
}
frame = FrameAtWork(folder / "root", folder / "stack", options)
before = state()
result = frame.run()
after = state()
changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
Path(sys.argv[2]).write_text(json.dumps({"success": result.success, "errors": result.errors, "changed": changed}))
"""


def test_a_whole_run_of_a_frame_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    report = tmp_path / "report.json"
    ended = subprocess.run(
        [sys.executable, "-c", _WHOLE_RUN, str(tmp_path), str(report)],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(report.read_text())
    assert told["success"], told["errors"]
    assert told["changed"] == {}
    assert list((tmp_path / "elsewhere").iterdir()) == []
