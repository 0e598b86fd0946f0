"""Velocities and other time functions are MintPy's but for what it rounds away; odd pixels do not disturb others."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbas_assets.sbas import blocks
from sbas_assets.sbas.series_velocity import fit_series, not_covered
from sbas_assets.sbas.time_functions import TimeFunctions
from sbas_assets.simulate import regular_dates
from sbas_assets.threads import THREADS, pixel_threads

DATES = [f"{date}" for date in regular_dates("20190105", 40, 24)]
SHAPE = (23, 31)
POINT = (9, 14)
RNG = np.random.default_rng(3)
YEARS = np.arange(40) * 24 / 365.25
LINEAR = {"polynomial": 1, "periodic": [], "stepDate": [], "polyline": [], "exp": {}, "log": {}}


@pytest.fixture
def series(tmp_path: Path) -> Path:
    noise = RNG.normal(0, 0.004, (40, *SHAPE))
    season = 0.01 * np.sin(2 * np.pi * YEARS + RNG.uniform(0, 6, SHAPE)[..., None])
    trend = YEARS * RNG.normal(0, 0.05, SHAPE)[..., None]
    images = (noise + np.moveaxis(season + trend, -1, 0)).astype(np.float32)
    images -= images[:, POINT[0], POINT[1], None, None]
    images -= images[0].copy()
    images[:, 3, 4:8] = 0
    images[:, 5] = np.nan
    attributes = {
        "FILE_TYPE": "timeseries",
        "UNIT": "m",
        "LENGTH": SHAPE[0],
        "WIDTH": SHAPE[1],
        "REF_DATE": DATES[0],
        "REF_Y": POINT[0],
        "REF_X": POINT[1],
        "CENTER_LINE_UTC": "50000.0",
    }
    with h5py.File(tmp_path / "timeseries.h5", "w") as h5:
        h5["timeseries"], h5["date"], h5["bperp"] = images, np.array(DATES, "S8"), np.zeros(40, "f4")
        h5.attrs.update({key: str(value) for key, value in attributes.items()})
    return tmp_path / "timeseries.h5"


def parsed(series: Path, name: str, arguments: Sequence[str]) -> Namespace:
    from mintpy.cli.timeseries2velocity import cmd_line_parse

    return cmd_line_parse([str(series), "-o", str(series.parent / name), *arguments])


def both(series: Path, *arguments: str) -> tuple[h5py.File, h5py.File]:
    from mintpy.timeseries2velocity import run_timeseries2time_func

    mine = parsed(series, "mine.h5", arguments)
    assert not_covered(mine) is None
    assert fit_series(mine) == 0
    run_timeseries2time_func(parsed(series, "theirs.h5", arguments))
    return h5py.File(series.parent / "mine.h5"), h5py.File(series.parent / "theirs.h5")


CASES = {
    "velocity": [],
    "acceleration": ["--poly", "2"],
    "seasons": ["--periodic", "1", "0.5", "0.3"],
    "steps": ["--step", "20200101", "20210301"],
    "polyline": ["--polyline", "20200601"],
    "exponential and logarithmic decay": ["--exp", "20190801", "60", "--log", "20191201", "80", "200"],
    "fewer dates": ["--start-date", DATES[4], "--end-date", DATES[30], "--ex", DATES[7], DATES[11], "--periodic", "1"],
    "another reference": ["--ref-date", DATES[6], "--ref-yx", "12", "20"],
    "another reference with dates left out": ["--ref-date", DATES[6], "--ref-yx", "12", "20", "--ex", DATES[2]],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_time_functions_are_mintpys(case: str, series: Path) -> None:
    mine, theirs = both(series, *CASES[case])
    assert set(mine) == set(theirs)
    for name, values in theirs.items():
        assert (mine[name].dtype, dict(mine[name].attrs)) == (values.dtype, dict(values.attrs))
        off = np.abs(mine[name][:].astype("f8") - values[:])
        if name.endswith("Phase"):
            off = np.minimum(off, 2 * np.pi - off) * mine[name.replace("Phase", "Amplitude")][:]
        # MintPy solves in single precision: a part in 10 million of the largest term
        largest = max(float(np.abs(item[:]).max()) for item in theirs.values())
        assert off.max() < 1e-5 * largest if "decay" in case else off.max() < 2e-6 * largest, name
        assert np.array_equal(mine[name][:] == 0, values[:] == 0)
    ignored = {"FILE_PATH", "OG_FILE_PATH", "SBAS_ASSETS_PROVENANCE", "MODIFICATION_TIME"}
    assert {k: v for k, v in mine.attrs.items() if k not in ignored} == {
        k: v for k, v in theirs.attrs.items() if k not in ignored
    }


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_the_velocity_is_mintpys_to_a_hundredth_of_a_micrometre_per_year(series: Path) -> None:
    mine, theirs = both(series)
    assert np.abs(mine["velocity"][:] - theirs["velocity"][:]).max() < 1e-7
    images = h5py.File(series)["timeseries"][:].astype("f8").reshape(40, -1)
    known = np.isfinite(images).all(axis=0) & (images != 0).any(axis=0)
    design = TimeFunctions.of(DATES, DATES, LINEAR, "50000.0").design.astype("f8")
    exact = np.linalg.lstsq(design, images[:, known])[0]
    assert np.abs(mine["velocity"][:].ravel()[known] - exact[1]).max() < 1e-8


def test_a_pixel_that_lacks_a_date_is_nan_and_the_others_stay(series: Path) -> None:
    fit_series(parsed(series, "whole.h5", []))
    with h5py.File(series, "r+") as h5:
        h5["timeseries"][17, 2, 2] = np.nan
        h5["timeseries"][20, 2, 3] = np.inf
    assert fit_series(parsed(series, "holes.h5", [])) == 2
    with h5py.File(series.parent / "whole.h5") as whole, h5py.File(series.parent / "holes.h5") as holes:
        for name in whole:
            same = whole[name][:] == holes[name][:]
            assert np.argwhere(~same).tolist() == [[2, 2], [2, 3]]
            assert np.isnan(holes[name][2, 2])


@pytest.mark.parametrize(("threads", "enough"), [("1", 2**27), ("3", 2**27), ("2", 60_000), ("2", 1)])
def test_neither_threads_nor_blocks_change_a_bit(
    series: Path, monkeypatch: pytest.MonkeyPatch, threads: str, enough: int
) -> None:
    fit_series(parsed(series, "velocity.h5", ["--periodic", "1"]))
    before = (series.parent / "velocity.h5").read_bytes()
    monkeypatch.setenv(THREADS, threads)
    monkeypatch.setattr(blocks, "_ENOUGH", enough)
    fit_series(parsed(series, "velocity.h5", ["--periodic", "1"]))
    assert (series.parent / "velocity.h5").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--uq", "bootstrap"], "uncertaintyQuantification = bootstrap"),
        (["--save-res"], "residual series"),
        (["--end-date", DATES[1]], "2 dates hardly determine 2 parameters"),
        (["--periodic", "1", "1.0000001"], "40 dates hardly determine 6 parameters"),
        (["--exp", "19700101", "1"], "40 dates hardly determine 3 parameters"),
    ],
)
def test_what_is_left_to_mintpy_is_said(series: Path, arguments: list[str], reason: str) -> None:
    assert reason in str(not_covered(parsed(series, "v.h5", arguments)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(4, 40))
def test_an_exact_course_is_found_exactly(seed: int, pixels: int, dates: int) -> None:
    functions = TimeFunctions.of(DATES, DATES[:dates], LINEAR)
    parameters = np.random.default_rng(seed).integers(-8, 8, (2, pixels)).astype("f8")
    values = np.zeros((40, pixels), np.float32)
    values[:dates] = functions.design.astype("f8") @ parameters
    with pixel_threads() as share:
        fit = functions.fit(values, share, always=0)
    known = fit.status == 1
    assert known[0]
    assert np.allclose(fit.parameters[:, known], parameters[:, known], atol=2e-5)
    assert fit.residue.max() < 1e-4
    assert not fit.parameters[:, ~known].any()
