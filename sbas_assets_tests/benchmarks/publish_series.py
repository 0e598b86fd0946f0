"""A displacement series as large as a frame's, in the file that MintPy would have made of it.

Belongs here: what the numbers look like, since compression depends on it. Does not belong here: what is measured.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

COARSE = (11, 13)
BLOCK = 20  # dates that are made at once
NOISE_M = 0.002
WEATHER_M = 0.008
YEAR_DAYS = 365.25


def write_series(path: Path, n_dates: int, shape: tuple[int, int], seed: int = 1) -> Path:
    """Write `geo_timeseries.h5`: a steady and a seasonal motion, weather, 2 mm of noise, NaN outside the swath.

    MintPy's geocoding writes contiguous blocks of h5py's own choice (`chunks=True`), without compression.
    """
    rng = np.random.default_rng(seed)
    days = 12 * np.arange(n_dates)
    steady, season = 0.02 * smooth(rng, shape), 0.004 * smooth(rng, shape)
    with h5py.File(path, "w") as file:
        made = file.create_dataset("timeseries", (n_dates, *shape), np.float32, chunks=True)
        for start in range(0, n_dates, BLOCK):
            years = (days[start : start + BLOCK] / YEAR_DAYS).astype(np.float32)[:, None, None]
            block = years * steady + np.sin(2 * np.pi * years) * season
            for number in range(len(block)):
                block[number] += WEATHER_M * smooth(rng, shape) + NOISE_M * rng.standard_normal(shape, np.float32)
            block[:, ~swath(shape)] = np.nan
            made[start : start + BLOCK] = block
        texts = [f"{date(2018, 1, 2) + timedelta(int(day)):%Y%m%d}" for day in days]
        file["date"] = np.array(texts, "S8")
        file["bperp"] = rng.normal(0, 60, n_dates).astype(np.float32)
        for name, value in _attributes(shape, texts[0]).items():
            file.attrs[name] = str(value)
    return path


def smooth(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return a field of unit size that changes over a tenth of the image."""
    coarse = rng.standard_normal(COARSE, np.float32)
    return zoom(coarse, np.array(shape) / COARSE, order=1, grid_mode=True, mode="nearest")


def swath(shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where a descending image lies on its geographic grid: all but four wedges."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    y, x = y / shape[0], x / shape[1]
    return (x > 0.2 * (1 - y)) & (x < 1 - 0.2 * y) & (y > 0.1 * (1 - x)) & (y < 1 - 0.1 * x)


def _attributes(shape: tuple[int, int], first: str) -> dict[str, object]:
    return {
        "FILE_TYPE": "timeseries", "UNIT": "m", "LENGTH": shape[0], "WIDTH": shape[1], "Y_FIRST": 36.6, "X_FIRST": 25.2,
        "Y_STEP": -0.000833333333, "X_STEP": 0.000833333333, "Y_UNIT": "degrees", "X_UNIT": "degrees",
        "REF_Y": shape[0] // 2, "REF_X": shape[1] // 2, "REF_DATE": first, "WAVELENGTH": 0.05546576, "HEADING": -168.2,
        "ORBIT_DIRECTION": "DESCENDING", "PLATFORM": "Sen",
    }  # fmt: skip
