"""Correcting a series for the DEM error, from file to files: MintPy's files, whatever options, memory and threads."""

from __future__ import annotations

from argparse import Namespace
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.sbas.series_dem_error import RESIDUAL, Counts, correct_series, not_covered
from sbas_assets.simulate import regular_dates
from sbas_assets.threads import THREADS
from sbas_assets_tests.sbas.series_files import COHERENCE, GEOMETRY, SERIES, assert_same, write_series
from sbas_assets_tests.sbas.test_dem_error import MINTPY


def arguments(folder: Path, *more: str, geometry: bool = True) -> Namespace:
    from mintpy.cli.dem_error import cmd_line_parse

    pixelwise = ["-g", str(folder / GEOMETRY)] if geometry else []
    outputs = ["-o", str(folder / "made_demErr.h5"), "--dem-err-file", str(folder / "demErr.h5")]
    return cmd_line_parse([str(folder / SERIES), *pixelwise, *outputs, *more])


def compare_files(folder: Path, inps: Namespace) -> Counts:
    """Correct a series here and with MintPy; compare all files."""
    from mintpy.dem_error import correct_dem_error

    assert not_covered(inps) is None
    counts = correct_series(inps)
    theirs = folder / "mintpy"
    theirs.mkdir()
    place = {"ts_cor_file": str(theirs / "made_demErr.h5"), "dem_err_file": str(theirs / "demErr.h5")}
    correct_dem_error(Namespace(**{**vars(inps), **place}))
    displacement, height = MINTPY
    for name in ("made_demErr.h5", "demErr.h5", RESIDUAL):
        assert_same(folder / name, theirs / name, {"timeseries": displacement, "dem": height})
    return counts


@pytest.mark.parametrize(
    ("own_baselines", "pixelwise", "coherence"), [c for c in product([False, True], repeat=3) if c[1] or not c[0]]
)
def test_files_hold_what_mintpys_hold(tmp_path: Path, own_baselines: bool, pixelwise: bool, coherence: bool) -> None:
    write_series(tmp_path, 40, 33, own_baselines=own_baselines)
    if not coherence:
        (tmp_path / COHERENCE).unlink()
    counts = compare_files(tmp_path, arguments(tmp_path, geometry=pixelwise))
    assert counts.by_mintpy == (pixelwise and 1)  # the distance of 50,000 km
    assert counts.solved + counts.by_mintpy + counts.skipped == 40 * 33
    assert counts.skipped > 30


@pytest.mark.parametrize(
    "more",
    [
        ["-p", "1", "--phase-velocity"],
        ["-s", "20160616", "20160803", "-p", "3"],
        ["-s", "20160803T1409"],
        ["--ex", "20160511", "20160628"],
        ["--ex", "away.txt", "-s", "20160710", "--phase-velocity"],
        ["--periodic", "0.5", "-p", "1"],
    ],
)
def test_every_option_of_the_program_gives_mintpys_files(tmp_path: Path, more: list[str]) -> None:
    write_series(tmp_path, 25, 30)
    (tmp_path / "away.txt").write_text("20160628\n20160815\n")
    compare_files(tmp_path, arguments(tmp_path, *(word.replace("away", f"{tmp_path}/away") for word in more)))


def test_a_series_in_chunks_that_refers_to_a_later_date_gives_mintpys_files(tmp_path: Path) -> None:
    write_series(tmp_path, 30, 41, own_baselines=True, chunks=(2, 7, 16))
    with h5py.File(tmp_path / SERIES, "r+") as h5:
        h5.attrs["REF_DATE"] = h5["date"][4].decode()
    compare_files(tmp_path, arguments(tmp_path, "--phase-velocity"))


def test_baselines_of_more_dates_than_the_series_has_are_found_by_date(tmp_path: Path) -> None:
    write_series(tmp_path, 20, 20, own_baselines=True)
    with h5py.File(tmp_path / SERIES, "r+") as h5:
        rest = {name: np.delete(h5[name][:], [0, 5], axis=0) for name in ("timeseries", "date", "bperp")}
        for name, values in rest.items():
            del h5[name]
            h5[name] = values
        h5.attrs["REF_DATE"] = rest["date"][0].decode()
    compare_files(tmp_path, arguments(tmp_path))


@pytest.mark.parametrize("own_baselines", [False, True])
def test_neither_memory_nor_threads_change_a_bit_of_the_files(
    tmp_path: Path, own_baselines: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write_series(tmp_path, 60, 50, own_baselines=own_baselines)
    for memory, threads in [("4", "1"), ("1e-4", "3"), ("3e-4", "2")]:
        monkeypatch.setenv(THREADS, threads)
        blocks = []
        correct_series(arguments(tmp_path, "--ram", memory), blocks.append)
        assert (len(blocks) > 1) == (memory != "4")
        written.append([(tmp_path / name).read_bytes() for name in ("made_demErr.h5", "demErr.h5", RESIDUAL)])
    assert written[0] == written[1] == written[2]


def test_what_is_left_to_mintpy_is_said(tmp_path: Path) -> None:
    write_series(tmp_path, 20, 20, regular_dates("20160511", 6), own_baselines=True)
    assert "no more dates than parameters" in not_covered(arguments(tmp_path, "-p", "4"))
    assert "no more dates than parameters" in not_covered(arguments(tmp_path, "-p", "40"))
    assert not_covered(arguments(tmp_path, "-p", "3")) is None
    with h5py.File(tmp_path / GEOMETRY, "r+") as h5:
        angle = h5["incidenceAngle"][:]
        h5["date"][0] = b"20150101"
        assert "baselines of some dates" in not_covered(arguments(tmp_path))
        del h5["incidenceAngle"]
        assert "no incidence angle" in not_covered(arguments(tmp_path))
        h5["incidenceAngle"] = angle[1:]
        del h5["bperp"]
    assert "of the size of the series" in not_covered(arguments(tmp_path))
    assert not_covered(arguments(tmp_path, geometry=False)) is None
    with h5py.File(tmp_path / SERIES, "r+") as h5:
        del h5["bperp"]
        h5["timeseries64"] = h5["timeseries"][:].astype("f8")
    assert "no perpendicular baselines" in not_covered(arguments(tmp_path, geometry=False))
    with h5py.File(tmp_path / SERIES, "r+") as h5:
        del h5["timeseries"]
        h5.move("timeseries64", "timeseries")
    assert "float64" in not_covered(arguments(tmp_path, geometry=False))
