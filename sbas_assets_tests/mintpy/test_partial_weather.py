"""Dates that ERA5 does not have yet stop a frame, or leave its corrected series: they never stay in it uncorrected."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr

from sbas_assets.frames import FrameCatalogue
from sbas_assets_tests.frames_at_work import Result, datasets, differences, product_files
from sbas_assets_tests.mintpy.ion_files import put_ionosphere
from sbas_assets_tests.mintpy.weather_files import (
    AT_14_UTC,
    DAYS,
    FrameWithAttributes,
    hawaiian_stack,
    needs_era5,
    put_gribs,
)
from sbas_assets_tests.oracle import run_mintpy
from sbas_assets_tests.test_mintpy_is_the_oracle import with_our_point

pytestmark = pytest.mark.long

DATES = (*DAYS, "20220113", "20220125", "20220206", "20220218")
OPTIONS = {
    **AT_14_UTC,
    "mintpy.troposphericDelay.method": "pyaps",
    "mintpy.solidEarthTides": "yes",
    "mintpy.ionosphericDelay.method": "split_spectrum",
    "mintpy.deramp": "linear",
    "mintpy.reference.date": "auto",
    "mintpy.save.hdfEos5": "yes",
}
TIDES, IONOSPHERE, DELAYED, RAMP, FINAL = (
    f"timeseries_SET{end}.h5" for end in ("", "_ion", "_ion_ERA5", "_ion_ERA5_ramp", "_ion_ERA5_ramp_demErr")
)
TOLERANCE = 1e-6  # m
METRES_OF_DELAY = 5e-6  # m: what MintPy's single precision leaves of delays of metres
EXPECTED = "expected on 2022-03-01 at 14:00 UTC"
UP_TO_VELOCITY = '+key:"velocity" and not key:"era5"'
ALL_BUT_ERA5 = 'not key:"era5"'


@dataclass
class FrameWithPolicy(FrameWithAttributes):
    """A frame that does not wait, unless it is told to."""

    policy: str = "partial"

    def configure(self, options: Mapping[str, str]) -> None:
        super().configure(options)
        catalogue = FrameCatalogue(self.root)
        config = catalogue.get(self.key).model_copy(update={"missing_weather": self.policy})
        catalogue.add(self.key, config, overwrite=True)

    def facts(self, asset: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.workspace.record(asset).read_text())["facts"]
        return found


def without_weather(frame: FrameWithPolicy, dates: Sequence[str]) -> None:
    """Let the record of era5 say that ERA5 does not have some dates, whatever files there are."""
    path = frame.workspace.record("era5")
    record = json.loads(path.read_text())
    files = record["facts"]["era5_files"]
    record["facts"]["era5_files"] = {name: files[name] for name in files if name.split("_")[-2] not in dates}
    record["facts"]["dates_without_weather"] = dict.fromkeys(dates, EXPECTED)
    record["data_version"] = f"without {' '.join(dates)}"
    path.write_text(json.dumps(record))


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> FrameWithPolicy:
    """A frame with the weather of all dates, up to the velocity; tests work on copies."""
    folder = tmp_path_factory.mktemp("complete")
    stack = hawaiian_stack(folder / "stack", DATES)
    put_ionosphere(stack, DATES, (72, 76))
    frame = FrameWithPolicy(folder / "root", stack, OPTIONS)
    put_gribs(frame.root / "weather/ERA5", DATES)
    result = frame.run('+key:"velocity"')
    assert result.success, result.errors
    return frame


@pytest.fixture
def frame(complete: FrameWithPolicy, tmp_path: Path) -> FrameWithPolicy:
    shutil.copytree(complete.root, tmp_path / "root", symlinks=True)
    return FrameWithPolicy(tmp_path / "root", complete.stack, OPTIONS)


def brought_up(frame: FrameWithPolicy, select: str) -> Result:
    result = frame.run(select)
    assert result.success, result.errors
    return result


def attributes(path: Path) -> dict[str, Any]:
    with h5py.File(path, "r") as h5:
        return dict(h5.attrs)


def dates_in(path: Path) -> list[str]:
    return [date.decode() for date in datasets(path)["date"]]


@needs_era5
def test_a_frame_waits_for_dates_that_era5_does_not_have(frame: FrameWithPolicy) -> None:
    frame.policy = "wait"
    frame.configure(OPTIONS)
    without_weather(frame, DATES[-2:])
    result = frame.run(UP_TO_VELOCITY)
    assert set(result.errors) == {"troposphere"}
    error = result.errors["troposphere"]
    assert f"[era5-incomplete] frame {frame.key}: 2 of 7 dates" in error
    assert f"({DATES[-2]}: {EXPECTED}; {DATES[-1]}: {EXPECTED})" in error
    assert "missing_weather: partial" in error


@needs_era5
def test_the_policy_is_part_of_what_the_delay_is_made_from(frame: FrameWithPolicy) -> None:
    without_weather(frame, DATES[-1:])
    brought_up(frame, UP_TO_VELOCITY)
    frame.policy = "wait"
    frame.configure(OPTIONS)
    assert "[era5-incomplete]" in frame.run(UP_TO_VELOCITY).errors["troposphere"]


@needs_era5
@pytest.mark.parametrize("left", [0, 1])
def test_a_series_needs_two_dates_with_weather(left: int, frame: FrameWithPolicy) -> None:
    without_weather(frame, DATES[left:])
    error = frame.run(UP_TO_VELOCITY).errors["troposphere"]
    assert f"[era5-incomplete] frame {frame.key}: {7 - left} of 7 dates" in error
    assert "wait: a series needs two dates" in error


@needs_era5
@pytest.mark.parametrize(
    "missing", [DATES[:1], DATES[3:4], DATES[-1:], (DATES[0], DATES[4])], ids=["first", "middle", "last", "two"]
)
def test_the_series_is_that_of_all_dates_without_those_that_lack_weather(
    missing: Sequence[str], complete: FrameWithPolicy, frame: FrameWithPolicy
) -> None:
    without_weather(frame, missing)
    brought_up(frame, UP_TO_VELOCITY)
    left = [date for date in DATES if date not in missing]
    chosen = [DATES.index(date) for date in left]
    ours, whole = frame.workspace.root, complete.workspace.root
    for name in ("timeseries.h5", TIDES, IONOSPHERE):
        assert dates_in(ours / name) == list(DATES)
        assert differences(ours / name, whole / name, 0) == []
    np.testing.assert_array_equal(
        datasets(ours / "inputs/ERA5.h5")["timeseries"], datasets(whole / "inputs/ERA5.h5")["timeseries"][chosen]
    )
    for name in (DELAYED, RAMP):
        mine, theirs = datasets(ours / name), datasets(whole / name)
        assert dates_in(ours / name) == left
        np.testing.assert_array_equal(mine["bperp"], theirs["bperp"][chosen])
        expected = theirs["timeseries"][chosen]
        np.testing.assert_allclose(mine["timeseries"], expected - expected[0], rtol=0, atol=TOLERANCE, err_msg=name)
        ends = {key: attributes(ours / name)[key] for key in ("REF_DATE", "START_DATE", "END_DATE")}
        assert ends == {"REF_DATE": left[0], "START_DATE": left[0], "END_DATE": left[-1]}
    for name in (FINAL, "timeseriesResidual.h5"):
        assert dates_in(ours / name) == left
    facts = frame.facts("velocity")
    assert facts["dates"] == left
    assert facts["reference_date"] in left
    assert facts["reference_date"] == attributes(ours / FINAL)["REF_DATE"]
    velocity = attributes(ours / "velocity.h5")
    assert (velocity["START_DATE"], velocity["END_DATE"]) == (left[0], left[-1])


@needs_era5
def test_velocities_are_those_that_mintpy_fits_to_the_other_dates(frame: FrameWithPolicy, tmp_path: Path) -> None:
    # MintPy has all weather, and is told to leave the date out of its fits
    without_weather(frame, DATES[3:4])
    brought_up(frame, UP_TO_VELOCITY)
    shutil.copytree(frame.root / "weather/ERA5", tmp_path / "weather/ERA5", ignore=shutil.ignore_patterns("*.json"))
    ionosphere = {"ionUnwFile": "filt.ion", "ionCorFile": "raw_no_projection.cor"}
    own = {
        **{f"mintpy.load.{key}": f"{tmp_path}/stack/ion/*/ion_cal/{name}" for key, name in ionosphere.items()},
        "mintpy.troposphericDelay.weatherDir": str(tmp_path / "weather"),
        "mintpy.topographicResidual.excludeDate": DATES[3],
        "mintpy.timeFunc.excludeDate": DATES[3],
        "mintpy.save.hdfEos5": "no",
        "mintpy.geocode": "no",
        "mintpy.save.kmz": "no",
    }
    theirs = run_mintpy(frame.stack, tmp_path, {**with_our_point(frame, OPTIONS), **own})
    ours = frame.workspace.root
    assert differences(ours / "demErr.h5", theirs / "demErr.h5", TOLERANCE) == []
    # the other terms depend on the reference date, which MintPy may choose otherwise
    for name, tolerance in (("velocity.h5", METRES_OF_DELAY), ("velocityERA5.h5", 10 * METRES_OF_DELAY)):
        skip = sorted(datasets(theirs / name).keys() - {"velocity", "velocityStd"})
        assert differences(ours / name, theirs / name, tolerance, skip) == []


@needs_era5
@pytest.mark.parametrize("missing", [DATES[:1], DATES[-1:]], ids=["first", "last"])
def test_every_product_is_made_of_the_shorter_series_and_of_the_whole_one_later(
    missing: Sequence[str], complete: FrameWithPolicy, frame: FrameWithPolicy
) -> None:
    without_weather(frame, missing)
    result = brought_up(frame, ALL_BUT_ERA5)
    assert [name for name, passed in result.checks.items() if not passed] == []
    assert result.metadata["troposphere"]["dates_computed"] == 0
    left = [date for date in DATES if date not in missing]
    work, told = frame.workspace.root, dict.fromkeys(missing, EXPECTED)
    assert dates_in(work / f"geo/geo_{FINAL}") == left
    assert len(list(work.rglob("*.he5"))) == 1
    for name in ("velocity.h5", DELAYED, RAMP, FINAL, f"geo/geo_{FINAL}", "geo/geo_velocity.h5"):
        provenance = json.loads(attributes(work / name)["SBAS_ASSETS_PROVENANCE"])
        assert provenance["dates_without_weather"] == told, name
    for product, dates in (("timeseries_demErr", left), ("velocity", None)):
        stores = list(frame.root.rglob(f"{product}/**/data.zarr"))
        group = zarr.open_group(stores[0], mode="r")
        assert json.loads(str(group.attrs["provenance"]))["dates_without_weather"] == told
        assert dates is None or group["time"].shape == (len(dates),)
    assert brought_up(frame, ALL_BUT_ERA5).done("made") == set()

    later = brought_up(frame, '+key:"velocity"')
    told_of = later.metadata["troposphere"]
    assert (told_of["dates_computed"], told_of["dates_reused"]) == (1, 6)
    for name in product_files(complete.workspace.root):
        assert differences(work / name, complete.workspace.root / name, 0) == [], name
