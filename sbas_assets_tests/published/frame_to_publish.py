"""A frame whose products stand in its work folder as if steps had made them, published by the real steps.

Every value of every product tells the number of the version, so that a reader sees whether all that it read belongs
together. `plant` changes what the frame's assets have made; `publish_frame` runs the steps of the Zarr copies and the
item.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import xarray as xr

from sbas_assets.digests import Digests
from sbas_assets.frames import frame_config
from sbas_assets.provenance import Output, Produced, Record, write_record
from sbas_assets.published.item_step import STAC_ITEM
from sbas_assets.published.steps import GEOMETRY, ZARR_STEPS
from sbas_assets.step import Frame, Run
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings

from .conftest import DATES, GEO, write_mintpy

KEY = "T071D_killed"
KEEP = 3
"""Versions that stay."""
READERS_S = 4.0
"""What a reader may have open stays so long, instead of an hour."""
# more than one chunk, and a coarser level
SHAPE = (260, 280)
PRODUCTS = ("avgSpatialCoh", "demErr", "geometry", "maskTempCoh", "temporalCoherence", "timeseries_demErr", "velocity")

_FILES = {
    "geo_timeseries_demErr": "geo/geo_timeseries_demErr.h5",
    "geo_velocity": "geo/geo_velocity.h5",
    "geo_temporalCoherence": "geo/geo_temporalCoherence.h5",
    "geo_maskTempCoh": "geo/geo_maskTempCoh.h5",
    "geo_avgSpatialCoh": "geo/geo_avgSpatialCoh.h5",
    "geo_demErr": "geo/geo_demErr.h5",
    "geo_geometryRadar": "geo/geo_geometryRadar.h5",
}
# those that the steps look up, and whose own files are not published here
_UPSTREAM = ("geometryRadar", "network", "timeseries", "timeseries_corrected", "timeseries_demErr", "velocity")
_PICTURE = "pic/geo_velocity.png"
_FACTS = {"series": "timeseries_demErr.h5", "dates": DATES, "pairs_used": ["20200105_20200117"]}


def pattern(number: int) -> np.ndarray:
    """What a map of a version is filled with: never 0, and between this number and the next."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (number + 0.1 + (7 * rows + 3 * columns) % 100 / 200).astype(np.float32)


def mask(number: int) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (rows + 2 * columns + number) % 7 == 0


def series(number: int) -> np.ndarray:
    return np.stack([pattern(number) + np.float32(day / 50) for day in range(len(DATES))])


def differences(data: xr.Dataset, number: int) -> list[str]:
    """Say what of a frame, read whole, is not as it was in this version."""
    expected = {name: pattern(number) for name in ("velocity", "velocityStd", "temporalCoherence", "demErr", "height")}
    expected |= {"avgSpatialCoh": pattern(number), "maskTempCoh": mask(number), "shadowMask": mask(number)}
    expected |= {"displacement": series(number), "slantRangeDistance": pattern(number)}
    wrong = [f"{name} is not there" for name in expected if name not in data.data_vars]
    for name, values in data.data_vars.items():
        if values.dtype.kind == "f" and not np.isfinite(values.to_numpy()).all():
            wrong.append(f"{name} has no number at {int((~np.isfinite(values.to_numpy())).sum())} pixels")
        elif name in expected and not np.array_equal(values.to_numpy(), expected[str(name)]):
            wrong.append(f"{name} is {values.to_numpy().flat[0]} and so on, of another version than {number}")
    return wrong


def make_frame(root: Path, url: str) -> Frame:
    values = {"track": 71, "direction": "descending", "stack": root / "stack", "publish": {"keep_versions": KEEP}}
    config = frame_config(values)
    return Frame(KEY, config, config.template(), Settings.under(root, store=url))


def plant(frame: Frame, number: int) -> None:
    """Let the frame's assets have made a version, all of them anew."""
    root = frame.workspace.root
    size = {"LENGTH": SHAPE[0], "WIDTH": SHAPE[1], **GEO}
    values = pattern(number)
    geometry = {"height": values, "slantRangeDistance": values, "shadowMask": mask(number)}
    geometry |= {name: np.full(SHAPE, 38.5, np.float32) for name in ("incidenceAngle", "azimuthAngle")}
    times = {"date": np.array(DATES, "S8"), "bperp": np.ones(len(DATES), np.float32), "timeseries": series(number)}
    content = {
        "geo_timeseries_demErr": (times, {"FILE_TYPE": "timeseries", "UNIT": "m"}),
        "geo_velocity": ({"velocity": values, "velocityStd": values}, {"FILE_TYPE": "velocity", "UNIT": "m/year"}),
        "geo_temporalCoherence": ({"temporalCoherence": values}, {"FILE_TYPE": "temporalCoherence", "UNIT": "1"}),
        "geo_maskTempCoh": ({"mask": mask(number)}, {"FILE_TYPE": "mask", "UNIT": "1"}),
        "geo_avgSpatialCoh": ({"coherence": values}, {"FILE_TYPE": "temporalCoherence", "UNIT": "1"}),
        "geo_demErr": ({"dem": values}, {"FILE_TYPE": "dem", "UNIT": "m"}),
        "geo_geometryRadar": (geometry, {"FILE_TYPE": "geometry"}),
    }
    for asset, (arrays, attributes) in content.items():
        write_mintpy(root / _FILES[asset], arrays, **size, **attributes)
        _record(frame, asset, number, _FILES[asset])
    (root / _PICTURE).parent.mkdir(exist_ok=True)
    (root / _PICTURE).write_bytes(b"picture %d" % number)
    _record(frame, "geo_velocity", number, _FILES["geo_velocity"], picture=_PICTURE)
    write_mintpy(root / GEOMETRY, {"height": values}, **size, FILE_TYPE="geometry")
    for asset in _UPSTREAM:
        _record(frame, asset, number, *([GEOMETRY] if asset == "geometryRadar" else []))


def _record(frame: Frame, asset: str, number: int, *files: str, picture: str | None = None) -> None:
    names = [*files, *([picture] if picture else [])]
    contents = {name: (frame.workspace.root / name).read_bytes() for name in names}
    record = Record(
        asset=asset,
        data_version=hashlib.md5(f"{asset} {number}".encode()).hexdigest(),
        code_version="1",
        options={},
        upstream={},
        outputs=tuple(
            Output(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in contents.items()
        ),
        picture=picture,
        facts=_FACTS,
        produced=Produced(run_id="planted", at="2026-01-01T00:00:00Z"),
    )
    write_record(frame.workspace, record)


def publish_frame(frame: Frame) -> dict[str, str]:
    """Run the steps that publish, as a run of the frame does; returns what was done to each."""
    run, digests = Run("a-run", lambda _: None), Digests(frame.workspace.digests)
    return {step.name: execute(step, frame, run, digests).how for step in (*ZARR_STEPS, STAC_ITEM)}
