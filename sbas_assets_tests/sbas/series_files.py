"""Small displacement series on disk, as a MintPy work folder has them, with known DEM errors and ramps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.simulate import regular_dates

SERIES, GEOMETRY, COHERENCE, MASK = "timeseries.h5", "inputs/geometryRadar.h5", "temporalCoherence.h5", "maskTempCoh.h5"


def write_series(
    folder: Path,
    length: int,
    width: int,
    dates: Sequence[str] = regular_dates("20160511", 12),
    *,
    own_baselines: bool = False,
    chunks: tuple[int, int, int] | None = None,
    seed: int = 0,
) -> None:
    """Write a series, its geometry, coherence and mask, date by date.

    The first columns hold no displacement, the first rows no coherence, some pixels no number or no geometry; the last
    quarter of the dates has a ramp.
    """
    rng = np.random.default_rng(seed)
    days = np.array([np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}") for date in dates])
    years = (days - days[0]).astype("f4") / np.float32(365.25)
    baselines = rng.normal(0, 60, len(dates)).astype("f4")
    baselines -= baselines[0]
    distance = np.broadcast_to(np.linspace(8e5, 9.5e5, width, dtype="f4"), (length, width)).copy()
    incidence = np.linspace(30, 45, width, dtype="f4") + np.linspace(0, 0.3, length, dtype="f4")[:, None]
    velocity, error = (rng.normal(0, size, (length, width)).astype("f4") for size in (0.02, 10))
    common = _attributes(length, width, dates)
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / SERIES, "w") as h5:
        images = h5.create_dataset("timeseries", (len(dates), length, width), "f4", chunks=chunks)
        slope = np.linspace(0, 0.02, width, dtype="f4")
        for number, years_since in enumerate(years):
            image = velocity * years_since + error * baselines[number] / (distance * np.sin(np.deg2rad(incidence)))
            image += rng.standard_normal((length, width), "f4") * np.float32(0.004) * (number > 0)
            image += slope * (4 * number >= 3 * len(dates))
            image -= image[length // 2, width // 3]
            image[:, : width // 20] = 0
            image[-1, number % width] = np.nan
            images[number] = image
        h5["date"], h5["bperp"] = np.array(dates, "S"), baselines
        h5.attrs.update(common)
    incidence[-2, :3], distance[-3, :3] = (0, np.nan, 180), (np.nan, 0, 5e7)
    with h5py.File(folder / GEOMETRY, "w") as h5:
        h5["incidenceAngle"], h5["slantRangeDistance"] = incidence, distance
        h5["height"] = np.zeros((length, width), "f4")
        if own_baselines:
            h5["date"] = np.array(dates, "S")
            images = h5.create_dataset("bperp", (len(dates), length, width), "f4")
            bend = np.linspace(-1, 1, length, dtype="f4")[:, None] * np.linspace(0, 1, width, dtype="f4")
            for number, baseline in enumerate(baselines):
                images[number] = baseline * (1 + np.float32(0.02) * bend) + bend * np.float32(number % 3)
        h5.attrs.update({**common, "FILE_TYPE": "geometry"})
    coherence = rng.uniform(0.3, 1, (length, width)).astype("f4")
    coherence[: length // 10] = 0
    _write_image(folder / COHERENCE, "temporalCoherence", coherence, {**common, "FILE_TYPE": "temporalCoherence"})
    _write_image(folder / MASK, "mask", coherence > 0.5, {**common, "FILE_TYPE": "mask"})


def _attributes(length: int, width: int, dates: Sequence[str]) -> dict[str, str]:
    values: dict[str, Any] = {
        "FILE_TYPE": "timeseries",
        "UNIT": "m",
        "PROCESSOR": "isce",
        "PLATFORM": "Sen",
        "LENGTH": length,
        "WIDTH": width,
        "REF_DATE": dates[0],
        "START_DATE": dates[0],
        "END_DATE": dates[-1],
        "REF_Y": length // 2,
        "REF_X": width // 3,
        "CENTER_LINE_UTC": 51000.0,
        "STARTING_RANGE": 8e5,
        "RANGE_PIXEL_SIZE": 1.5e5 / width,
        "HEIGHT": 700000.0,
        "EARTH_RADIUS": 6371000.0,
        "WAVELENGTH": 0.0555,
    }
    return {key: str(value) for key, value in values.items()}


def _write_image(path: Path, name: str, image: np.ndarray, attributes: Mapping[str, str]) -> None:
    with h5py.File(path, "w") as h5:
        h5[name] = image
        h5.attrs.update(attributes)


def contents(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Datasets and attributes, without those that say where and when a file was written."""
    with h5py.File(path, "r") as h5:
        passing = {"FILE_PATH", "MODIFICATION_TIME", "SBAS_ASSETS_PROVENANCE"}
        attributes = {key: value for key, value in h5.attrs.items() if key not in passing}
        return {name: item[()] for name, item in h5.items()}, attributes


def assert_same(ours: Path, theirs: Path, tolerance: Mapping[str, float]) -> None:
    """Same datasets, types, attributes and NaN; values apart by `tolerance` and 1e-5 at most, by dataset."""
    (left, attributes), (right, expected) = contents(ours), contents(theirs)
    assert attributes == expected
    assert set(left) == set(right)
    for name, values in left.items():
        assert values.dtype == right[name].dtype, name
        assert values.shape == right[name].shape, name
        if name in tolerance:
            np.testing.assert_allclose(values, right[name], rtol=1e-5, atol=tolerance[name], equal_nan=True)
        else:
            np.testing.assert_array_equal(values, right[name])
