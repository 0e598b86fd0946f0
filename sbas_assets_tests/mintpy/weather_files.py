"""Weather files for the tests: real ERA5 GRIBs under the names a frame needs, and made-up GACOS and OPERA files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pygrib
import pytest

from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.simulate import SimulationConfig, simulate_stack
from sbas_assets_tests.frames_at_work import SHARED, FrameAtWork

HAWAII = SHARED / "era5" / "hawaii"
NAMED = "ERA5_N10_N30_W160_W150_{}_14.grb"
"""PyAPS's name for the stack's area; the hour is the nearest to CENTER_LINE_UTC."""
DAYS = ("20220101", "20220102", "20220103")
AT_14_UTC = {"CENTER_LINE_UTC": "50000"}
needs_era5 = pytest.mark.skipif(not HAWAII.exists(), reason="real ERA5 files are not beside the checkout")


@dataclass
class FrameWithAttributes(FrameAtWork):
    """Options in capitals are attributes, as in a MintPy template."""

    def configure(self, options: Mapping[str, str]) -> None:
        attributes = {key: value for key, value in options.items() if key.isupper()}
        given = {key: value for key, value in options.items() if key not in attributes}
        values = {"track": 71, "direction": "descending", "stack": str(self.stack)}
        config = frame_config({**values, "mintpy": given, "attributes": attributes})
        FrameCatalogue(self.root).add(self.key, config, overwrite=True)


def hawaiian_stack(folder: Path, dates: Sequence[str], center_lat: float = 19.2) -> Path:
    """A stack on Hawaii, inside the area of the real ERA5 files."""
    config = SimulationConfig(
        length=72,
        width=76,
        dates=tuple(dates),
        connections=2,
        seed=5,
        center_lat=center_lat,
        center_lon=-155.4,
        mean_height=1500,
        relief=500,
    )
    simulate_stack(config, folder)
    return folder


def original(day: str) -> Path:
    return HAWAII / f"ERA5_N17_N22_W159_W147_{day}_14.grb"


def write_grib(source: Path, target: Path, *, date: str | None = None, order: Sequence[int] = range(111)) -> None:
    """Write a GRIB's messages again, of another date, in another order or without some."""
    with pygrib.open(str(source)) as grib:
        messages = list(grib)
    with target.open("wb") as file:
        for message in (messages[number] for number in order):
            if date is not None:
                message["dataDate"] = int(date)
            file.write(message.tostring())


def put_gribs(folder: Path, dates: Sequence[str]) -> None:
    """The real file of each of the three days as it is; for any other date one of them with the date replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, date in enumerate(dates):
        target = folder / NAMED.format(date)
        if date in DAYS:
            target.write_bytes(original(date).read_bytes())
        else:
            write_grib(original(DAYS[number % 3]), target, date=date)


def _delay(number: int, shape: tuple[int, ...]) -> np.ndarray:
    return 2.3 + 0.2 * np.random.default_rng(number).random(shape)


def put_gacos(folder: Path, dates: Sequence[str]) -> None:
    """`YYYYMMDD.ztd` (float32, m) and its ROI_PAC header, as GACOS delivers them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = 60, 70
    head = {
        "WIDTH": columns, "FILE_LENGTH": rows, "XMIN": 0, "XMAX": columns - 1, "YMIN": 0, "YMAX": rows - 1,
        "X_FIRST": -155.9, "Y_FIRST": 19.7, "X_STEP": 1 / 60, "Y_STEP": -1 / 60,
        "X_UNIT": "degres", "Y_UNIT": "degres", "Z_OFFSET": 0, "Z_SCALE": 1, "PROJECTION": "LL", "DATUM": "WGS84",
    }  # fmt: skip
    for number, date in enumerate(dates):
        (folder / f"{date}.ztd").write_bytes(_delay(number, (rows, columns)).astype("<f4").tobytes())
        (folder / f"{date}.ztd.rsc").write_text("".join(f"{key:<15} {value}\n" for key, value in head.items()))


def put_opera(folder: Path, dates: Sequence[str], hour: str = "12") -> None:
    """OPERA's L4 TROPO-ZENITH cubes: latitude from north to south, heights ascending, one time."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = {
        "height": np.array([-500.0, 0, 500, 1000, 2000, 3500, 6000, 9000]),
        "latitude": np.arange(20.5, 17.9, -0.07),
        "longitude": np.arange(-157.0, -153.9, 0.07),
    }
    shape = (1, *(len(axis) for axis in axes.values()))
    fall = np.exp(-axes["height"] / 8000)[None, :, None, None]
    for number, date in enumerate(dates):
        name = f"OPERA_L4_TROPO-ZENITH_{date}T{hour}0000Z_20250101T000000Z_HRES_v1.0.nc"
        with h5py.File(folder / name, "w") as h5:
            for key, axis in axes.items():
                h5[key] = axis
            h5["hydrostatic_delay"] = (fall * _delay(number, shape)).astype("f4")
            h5["wet_delay"] = (0.1 * fall * _delay(99 - number, shape)).astype("f4")


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every GRIB file with its bytes and its time; records are beside them."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("*.grb"))}
