"""Small HDF5 files laid out as MintPy writes them: string attributes, `date` as S8, geo or radar coordinates."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest

from sbas_assets.published.current import read_current
from sbas_assets.published.frame_version import NewVersion
from sbas_assets.published.frame_version import publish as publish_version
from sbas_assets.published.product_version import ProductVersion, by_name
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import open_store
from sbas_assets.published.zarr_product import Written, write_product

DATES = ["20200105", "20200117", "20200129", "20200222", "20200305", "20200317", "20200329"]
SHAPE = (30, 40)
GEO = {"Y_FIRST": "36.5", "X_FIRST": "25.3", "Y_STEP": "-0.001", "X_STEP": "0.002", "Y_UNIT": "degrees"}
FRAME = "T109D_test"
PROVENANCE = {"dates": DATES, "pairs": ["20200105_20200117"], "mintpy": "1.6.4", "run_id": "abc"}


@dataclass(frozen=True)
class Sources:
    folder: Path
    timeseries: Path
    velocity: Path
    coherence: Path
    mask: Path
    geometry: Path


def write_mintpy(path: Path, datasets: dict, units: dict | None = None, **attributes: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, data in datasets.items():
            file.create_dataset(name, data=data, chunks=True)
            if units and name in units:
                file[name].attrs["UNIT"] = units[name]
        common = {
            "WIDTH": SHAPE[1],
            "LENGTH": SHAPE[0],
            "REF_Y": 3,
            "REF_X": 4,
            "REF_LAT": 36.4965,
            "REF_LON": 25.309,
            "REF_DATE": "20200105",
            "WAVELENGTH": 0.05546576,
            "HEADING": -168.2,
            "trackNumber": 109,
            "ORBIT_DIRECTION": "DESCENDING",
            "PLATFORM": "Sen",
        }
        for key, value in (common | attributes).items():
            file.attrs[key] = str(value)
    return path


def displacement(shape: tuple[int, int] = SHAPE, dates: int = len(DATES)) -> np.ndarray:
    rng = np.random.default_rng(3)
    data = rng.normal(0, 0.01, (dates, *shape)).astype(np.float32)
    data[0] = 0
    data[:, 3, 4] = 0
    data[:, :5, 10:15] = np.nan
    data[:, 20:25, 20:25] = 0
    return data


def make_sources(folder: Path, prefix: str, attributes: dict) -> Sources:
    rng = np.random.default_rng(4)
    velocity, spread = rng.normal(0, 0.01, (2, *SHAPE)).astype(np.float32)
    coherence = rng.uniform(0.3, 1, SHAPE).astype(np.float32)
    coherence[20:25, 20:25] = 0
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    geometry = {
        "height": rng.normal(100, 30, SHAPE).astype(np.float32),
        "incidenceAngle": np.full(SHAPE, 38.5, np.float32),
        "azimuthAngle": np.full(SHAPE, -102.5, np.float32),
        "slantRangeDistance": np.full(SHAPE, 9e5, np.float32),
        "shadowMask": rng.random(SHAPE) > 0.9,
    }
    if "Y_FIRST" not in attributes:
        geometry["latitude"] = (36.5 - 0.001 * rows + 0.0001 * columns).astype(np.float32)
        geometry["longitude"] = (25.3 + 0.002 * columns + 0.0002 * rows).astype(np.float32)
    return Sources(
        folder,
        write_mintpy(
            folder / f"{prefix}timeseries_demErr.h5",
            {
                "bperp": np.linspace(-50, 60, len(DATES)).astype(np.float32),
                "date": np.array(DATES, dtype="S8"),
                "timeseries": displacement(),
            },
            FILE_TYPE="timeseries",
            UNIT="m",
            **attributes,
        ),
        write_mintpy(
            folder / f"{prefix}velocity.h5",
            {"velocity": velocity, "velocityStd": abs(spread), "step20200210": velocity, "annualPhase": spread},
            {"velocity": "m/year", "velocityStd": "m/year", "step20200210": "m", "annualPhase": "radian"},
            FILE_TYPE="velocity",
            UNIT="m/year",
            **attributes,
        ),
        write_mintpy(
            folder / f"{prefix}temporalCoherence.h5",
            {"temporalCoherence": coherence},
            FILE_TYPE="temporalCoherence",
            UNIT="1",
            **attributes,
        ),
        write_mintpy(
            folder / f"{prefix}maskTempCoh.h5",
            {"mask": coherence > 0.7},
            FILE_TYPE="mask",
            UNIT="1",
            **attributes,
        ),
        write_mintpy(folder / f"{prefix}geometryRadar.h5", geometry, FILE_TYPE="geometry", **attributes),
    )


@pytest.fixture
def geo(tmp_path: Path) -> Sources:
    return make_sources(tmp_path / "geo", "geo_", GEO)


@pytest.fixture
def radar(tmp_path: Path) -> Sources:
    return make_sources(tmp_path / "radar", "", {})


@pytest.fixture(params=["folder", "file", "memory"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    urls = {
        "folder": str(tmp_path / "store"),
        "file": f"file://{tmp_path}/store",
        "memory": f"memory://{tmp_path.name}/store",
    }
    yield urls[request.param]
    fsspec.filesystem("memory").store.clear()


def show(url: str, *stored: ProductVersion) -> str:
    """Let readers see these versions of products, with what they saw before of the others; return the version."""
    store = open_store(url)
    before = read_current(store, FRAME)
    products = by_name(read_item(before.item).products if before else ()) | by_name(stored)
    version = hashlib.md5(repr(sorted(products.items())).encode()).hexdigest()
    new = NewVersion(FRAME, version, tuple(products.values()), PROVENANCE)
    assert publish_version(store, new, before, datetime.now(UTC))
    return version


@pytest.fixture
def publish(store_url: str, tmp_path: Path) -> Callable:
    """Write a product and let readers see it."""

    def run(source: Path, product: str, version: str = "a1", url: str = store_url, **kwargs: object) -> Written:
        arguments = {"max_memory_gb": 1, "scratch": tmp_path, **kwargs}
        written = write_product(source, product, url, FRAME, version, PROVENANCE, **arguments)
        show(url, written.stored)
        return written

    return run


@pytest.fixture
def whole_frame(geo: Sources, publish: Callable) -> Sources:
    publish(geo.timeseries, "timeseries_demErr")
    publish(geo.velocity, "velocity")
    publish(geo.coherence, "temporalCoherence")
    return geo
