"""MintPy's own command-line programs, unchanged and each in a process of its own, on a finished frame's work folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, datasets, differences

DATES = regular_dates("20200511", 6, 24)
PAIR = f"{DATES[0]}_{DATES[1]}"
NETWORK = "inputs/network/ifgramStack.h5"
SERIES = "timeseries_ramp_demErr.h5"
GDAL = importlib.util.find_spec("osgeo") is not None


@dataclass(frozen=True)
class Program:
    """A command and the file that it makes, or what it prints; `own_copy`: it changes products, so not in place."""

    command: str
    file: str | None = None
    text: str = ""
    own_copy: bool = False


PROGRAMS = {
    "info_velocity": Program("info.py velocity.h5", text="velocityStd"),
    "info_series": Program(f"info.py {SERIES} --date", text=DATES[-1]),
    "info_stack": Program("info.py inputs/ifgramStack.h5 --num", text="15"),
    "info_network": Program(f"info.py {NETWORK}", text="REF_Y"),
    "view_velocity": Program("view.py velocity.h5 velocity -m maskTempCoh.h5 --nodisplay -o view.png", "view.png"),
    "view_stack": Program(
        f"view.py inputs/ifgramStack.h5 unwrapPhase-{PAIR} --nodisplay -o view_pair.png", "view_pair.png"
    ),
    "tsview": Program(f"tsview.py {SERIES} --yx 30 40 --nodisplay -o point", "point_ts.pdf"),
    "geocode": Program(
        "geocode.py velocity.h5 -l inputs/geometryRadar.h5 -t smallbaselineApp.cfg -o own_geo.h5", "own_geo.h5"
    ),
    "geocode_dem_error": Program(
        "geocode.py demErr.h5 -l inputs/geometryRadar.h5 -t smallbaselineApp.cfg --outdir own", "own/geo_demErr.h5"
    ),
    "save_kmz": Program("save_kmz.py geo/geo_velocity.h5 -o own.kmz", "own.kmz"),
    "plot_network": Program(f"plot_network.py {NETWORK} --nodisplay", "network.pdf"),
    "plot_coherence_matrix": Program(
        f"plot_coherence_matrix.py {NETWORK} --img-file velocity.h5 --yx 30 40 --nodisplay", "coherenceMatrix.pdf"
    ),
    "fit_again": Program(
        f"timeseries2velocity.py {SERIES} -t smallbaselineApp.cfg -o own_velocity.h5", "own_velocity.h5"
    ),
    "reference_date": Program(f"reference_date.py {SERIES} --ref-date {DATES[2]}", SERIES, own_copy=True),
    "app_velocity": Program("smallbaselineApp.py smallbaselineApp.cfg --dostep velocity", "velocity.h5", own_copy=True),
}


@dataclass(frozen=True)
class Done:
    """How a program ended, and the folder that it worked in."""

    code: int
    output: str
    folder: Path

    def made(self, program: Program) -> Path:
        assert program.file is not None
        return self.folder / program.file


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> FrameAtWork:
    folder = tmp_path_factory.mktemp("programs")
    frame = FrameAtWork(
        folder / "root", folder / "stack", {"mintpy.deramp": "linear", "mintpy.troposphericDelay.method": "no"}
    )
    # the last date comes later: the stack is in two segments
    for dates in (DATES[:-1], DATES):
        simulate_stack(SimulationConfig(length=72, width=80, dates=dates, seed=5), folder / "stack")
        assert frame.run("ifgramStack").success
    result = frame.run()
    assert result.success, result.errors
    return frame


@pytest.fixture(scope="module")
def done(frame: FrameAtWork, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    copies = tmp_path_factory.mktemp("copies")
    for name, program in PROGRAMS.items():
        if program.own_copy:
            shutil.copytree(frame.workspace.root, copies / name)
            if name == "app_velocity":
                (copies / name / "velocity.h5").unlink()

    def run(name: str) -> Done:
        program = PROGRAMS[name]
        return _run(program, copies / name if program.own_copy else frame.workspace.root)

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(PROGRAMS, pool.map(run, PROGRAMS), strict=True))


def _run(program: Program, folder: Path) -> Done:
    words = program.command.split()
    # the programs that were installed with the interpreter, as a user calls them
    words[0] = str(Path(sys.executable).with_name(words[0]))
    environment = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "MPLBACKEND"}}
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    return Done(ended.returncode, ended.stdout + ended.stderr, folder)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_exits_with_0_and_makes_its_file(done: dict[str, Done], name: str) -> None:
    program, ended = PROGRAMS[name], done[name]
    assert ended.code == 0, ended.output
    assert program.text in ended.output
    if program.file is not None:
        assert ended.made(program).stat().st_size > 1000, ended.output


@pytest.mark.skipif(not GDAL, reason="GDAL's Python module osgeo is not installed; it has no wheels")
def test_save_gdal_writes_a_geotiff(frame: FrameAtWork) -> None:
    ended = _run(Program("save_gdal.py geo/geo_velocity.h5 -o own.tif"), frame.workspace.root)
    assert ended.code == 0, ended.output
    assert (ended.folder / "own.tif").read_bytes()[:2] in {b"II", b"MM"}


@pytest.mark.parametrize(("name", "product"), [("geocode", "geo_velocity"), ("geocode_dem_error", "geo_demErr")])
def test_geocode_py_by_hand_gives_the_frames_own_geocoded_product(
    done: dict[str, Done], frame: FrameAtWork, name: str, product: str
) -> None:
    own = done[name].made(PROGRAMS[name])
    assert differences(frame.workspace.root / f"geo/{product}.h5", own, 0) == []


def test_the_velocity_step_of_smallbaselineapp_gives_the_frames_own_velocity(
    done: dict[str, Done], frame: FrameAtWork
) -> None:
    own = done["app_velocity"].made(PROGRAMS["app_velocity"])
    # MintPy fits in single precision
    assert differences(frame.workspace.root / "velocity.h5", own, 1e-7) == []
    assert differences(done["fit_again"].made(PROGRAMS["fit_again"]), own, 0) == []


def test_reference_date_py_changes_a_series_as_it_would_change_mintpys(
    done: dict[str, Done], frame: FrameAtWork
) -> None:
    before = datasets(frame.workspace.root / SERIES)["timeseries"]
    after = datasets(done["reference_date"].made(PROGRAMS["reference_date"]))["timeseries"]
    assert (before[2] != 0).any()
    assert (after[2] == 0).all()


def test_after_all_of_them_a_run_of_the_frame_reuses_everything(done: dict[str, Done], frame: FrameAtWork) -> None:
    result = frame.run()
    assert result.success, result.errors
    assert set(result.outcome.values()) == {"reused"}
    assert all(result.checks.values())
    for program in PROGRAMS.values():
        if program.file and not program.own_copy:
            assert (frame.workspace.root / program.file).is_file()


def test_a_product_that_a_program_changed_in_place_is_remade(done: dict[str, Done], frame: FrameAtWork) -> None:
    path = frame.workspace.root / SERIES
    before = path.read_bytes()
    ended = _run(Program(f"reference_date.py {SERIES} --ref-date {DATES[2]}"), frame.workspace.root)
    assert ended.code == 0, ended.output
    assert path.read_bytes() != before
    result = frame.run()
    assert result.success, result.errors
    assert result.done("remade") == {"timeseries_demErr"}
    assert result.why["timeseries_demErr"] == f"{SERIES}: content changed"
    assert path.read_bytes() == before
