"""The step `timeseries_demErr`: who corrects the DEM error, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, datasets

NO_WEATHER = {"mintpy.troposphericDelay.method": "no"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dem-error") / "stack"
    simulate_stack(SimulationConfig(length=60, width=80, dates=regular_dates("20200511", 5, 24), seed=3), folder)
    return folder


def test_the_kernel_corrects_and_counts_its_pixels(stack: Path, tmp_path: Path) -> None:
    frame = FrameAtWork(tmp_path, stack, {**NO_WEATHER, "mintpy.residualRMS.deramp": "no"})
    result = frame.run('+key:"timeseries_demErr"')
    assert result.success, result.errors
    told = result.metadata["timeseries_demErr"]
    corrected = datasets(frame.workspace.root / "demErr.h5")["dem"]
    assert told["pixels_corrected"] == np.count_nonzero(corrected)
    assert told["pixels_by_mintpy"] == 0
    assert "dem_error_by" not in told
    rows = np.loadtxt(frame.workspace.root / "rms_timeseriesResidual.txt", dtype=str)
    residual = datasets(frame.workspace.root / "timeseriesResidual.h5")["timeseries"]
    reliable = datasets(frame.workspace.root / "maskTempCoh.h5")["mask"] != 0
    expected = np.sqrt(np.mean(np.square(residual[:, reliable].astype("f8")), axis=1))
    np.testing.assert_allclose(rows[:, 1].astype(float), expected, rtol=1e-6)
    best = (frame.workspace.root / "reference_date.txt").read_text().strip()
    assert best == rows[np.argmin(expected), 0]


def test_with_no_more_dates_than_parameters_mintpy_corrects_and_it_is_told(stack: Path, tmp_path: Path) -> None:
    frame = FrameAtWork(tmp_path, stack, {**NO_WEATHER, "mintpy.topographicResidual.polyOrder": "3"})
    result = frame.run('+key:"timeseries_demErr"')
    assert result.success, result.errors
    told = result.metadata["timeseries_demErr"]
    assert told["dem_error_by"] == "MintPy"
    assert "pixels_corrected" not in told
    assert np.abs(datasets(frame.workspace.root / "timeseriesResidual.h5")["timeseries"]).max() < 1e-6
