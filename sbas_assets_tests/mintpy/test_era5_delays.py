"""Delays from ERA5 are MintPy's own, and an update computes no more dates than it must."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.mintpy.era5_delay import Held, write_delays
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE
from sbas_assets_tests.mintpy.weather_files import (
    AT_14_UTC,
    DAYS,
    NAMED,
    FrameWithAttributes,
    hawaiian_stack,
    needs_era5,
    original,
    put_gribs,
    write_grib,
)

PYAPS = {**AT_14_UTC, "mintpy.troposphericDelay.method": "pyaps"}
UP_TO_THE_DELAY = '+key:"troposphere"'
DELAY = "inputs/ERA5.h5"
NEW = "20220113"
ONLY_WHERE_AND_WHEN = {*CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE}


def gribs_of(frame: FrameWithAttributes) -> Path:
    return frame.root / "weather" / "ERA5"


def content(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with h5py.File(path, "r") as h5:
        attributes = {key: value for key, value in h5.attrs.items() if key not in ONLY_WHERE_AND_WHEN}
        return {name: item[()] for name, item in h5.items()}, attributes


def assert_same(ours: Path, theirs: Path) -> None:
    (left, attributes), (right, expected) = content(ours), content(theirs)
    assert attributes == expected
    assert set(left) == set(right) == {"date", "timeseries"}
    for name, values in left.items():
        assert values.dtype == right[name].dtype
        np.testing.assert_array_equal(values, right[name])


def by_mintpy(series: Path, geometry: Path, gribs: Mapping[str, Path], target: Path) -> Path:
    """What `tropo_pyaps3.py` makes of the same files; the download before it is left out."""
    from mintpy import tropo_pyaps3
    from mintpy.cli.tropo_pyaps3 import cmd_line_parse
    from mintpy.utils import readfile

    inps: Namespace = cmd_line_parse(["-f", str(series), "-g", str(geometry)])
    inps.atr = readfile.read_attribute(str(series))
    inps.grib_files, inps.tropo_file = [str(path) for path in gribs.values()], str(target)
    tropo_pyaps3.calc_delay_timeseries(inps)
    return target


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FrameWithAttributes:
    """A frame of three days up to its delay; tests work on copies."""
    folder = tmp_path_factory.mktemp("delay")
    frame = FrameWithAttributes(folder / "root", hawaiian_stack(folder / "stack", DAYS), PYAPS)
    put_gribs(gribs_of(frame), DAYS)
    result = frame.run(UP_TO_THE_DELAY)
    assert result.success, result.errors
    return frame


@pytest.fixture
def frame(made: FrameWithAttributes, tmp_path: Path) -> FrameWithAttributes:
    for name in ("root", "stack"):
        shutil.copytree(made.root.parent / name, tmp_path / name, symlinks=True)
    return FrameWithAttributes(tmp_path / "root", tmp_path / "stack", PYAPS)


def updated(frame: FrameWithAttributes) -> tuple[object, object]:
    """Bring the delay up to date; return how many dates were computed and how many taken over."""
    result = frame.run(UP_TO_THE_DELAY)
    assert result.success, result.errors
    told = result.metadata["troposphere"]
    return told["dates_computed"], told["dates_reused"]


def assert_as_from_scratch(frame: FrameWithAttributes, other_root: Path) -> None:
    fresh = FrameWithAttributes(other_root, frame.stack, PYAPS)
    shutil.copytree(gribs_of(frame), gribs_of(fresh))
    assert updated(fresh)[1] == 0
    assert_same(frame.workspace.root / DELAY, fresh.workspace.root / DELAY)


@needs_era5
def test_the_delays_are_mintpys_own(made: FrameWithAttributes, tmp_path: Path) -> None:
    work = made.workspace.root
    gribs = {day: gribs_of(made) / NAMED.format(day) for day in DAYS}
    theirs = by_mintpy(work / "timeseries.h5", work / "inputs/geometryRadar.h5", gribs, tmp_path / "ERA5.h5")
    assert_same(work / DELAY, theirs)


@needs_era5
def test_odd_geometry_gives_the_same_in_whatever_order_dates_are_computed(
    made: FrameWithAttributes, tmp_path: Path
) -> None:
    # PyAPS changes heights and longitudes in place
    series, geometry = made.workspace.root / "timeseries.h5", tmp_path / "geometryRadar.h5"
    shutil.copyfile(made.workspace.root / "inputs/geometryRadar.h5", geometry)
    with h5py.File(geometry, "r+") as h5:
        h5["height"][3, :5], h5["height"][4, :5] = np.nan, -500
        h5["longitude"][10:] = h5["longitude"][10:] + 360
        h5["incidenceAngle"][5, :5], h5["incidenceAngle"][6, :5] = 0, np.nan
        h5["latitude"][7, :5] = np.nan
    gribs = {day: original(day) for day in DAYS}
    theirs = by_mintpy(series, geometry, gribs, tmp_path / "theirs.h5")
    write_delays(tmp_path / "whole.h5", series, geometry, gribs, Held(theirs))
    assert_same(tmp_path / "whole.h5", theirs)
    held = Held(theirs, frozenset(DAYS[::2]))
    write_delays(tmp_path / "second_only.h5", series, geometry, gribs, held)
    assert_same(tmp_path / "second_only.h5", theirs)


@needs_era5
def test_an_update_computes_the_new_date_only(frame: FrameWithAttributes, tmp_path: Path) -> None:
    hawaiian_stack(frame.stack, (*DAYS, NEW))
    put_gribs(gribs_of(frame), (*DAYS, NEW))
    assert updated(frame) == (1, 3)
    assert_as_from_scratch(frame, tmp_path / "other")


@needs_era5
def test_a_date_between_the_others_moves_their_layers(tmp_path: Path) -> None:
    stack = hawaiian_stack(tmp_path / "stack", (DAYS[0], DAYS[2], NEW))
    frame = FrameWithAttributes(tmp_path / "root", stack, PYAPS)
    put_gribs(gribs_of(frame), (*DAYS, NEW))
    assert updated(frame) == (3, 0)
    hawaiian_stack(stack, (*DAYS, NEW))
    assert updated(frame) == (1, 3)
    assert_as_from_scratch(frame, tmp_path / "other")


@needs_era5
def test_a_replaced_grib_has_its_date_computed_again(frame: FrameWithAttributes, tmp_path: Path) -> None:
    before = content(frame.workspace.root / DELAY)[0]["timeseries"]
    write_grib(original(DAYS[2]), gribs_of(frame) / NAMED.format(DAYS[1]), date=DAYS[1])
    assert updated(frame) == (1, 2)
    after = content(frame.workspace.root / DELAY)[0]["timeseries"]
    assert [bool((after[i] == before[i]).all()) for i in range(3)] == [True, False, True]
    assert_as_from_scratch(frame, tmp_path / "other")


@needs_era5
def test_another_geometry_has_all_dates_computed(frame: FrameWithAttributes) -> None:
    frame.configure({**PYAPS, "mintpy.subset.yx": "10:60,5:70"})
    assert updated(frame) == (3, 0)
    assert content(frame.workspace.root / DELAY)[0]["timeseries"].shape == (3, 50, 65)


@needs_era5
@pytest.mark.parametrize("harm", ["changed", "gone", "of other libraries", "of another code version"])
def test_nothing_is_taken_from_a_file_that_is_not_certain(harm: str, frame: FrameWithAttributes) -> None:
    path, record = frame.workspace.root / DELAY, frame.workspace.record("troposphere")
    before, known = content(path), json.loads(record.read_text())
    if harm == "changed":
        with h5py.File(path, "r+") as h5:
            h5["timeseries"][0, 0, 0] += 1
    elif harm == "gone":
        path.unlink()
    elif harm == "of other libraries":
        known["facts"]["delay_made_with"]["pyaps3"] = "0.3.6"
    else:
        known["code_version"] = "0"
    # so that the step is made again in any case
    record.write_text(json.dumps({**known, "data_version": "other"}))
    assert updated(frame) == (3, 0)
    np.testing.assert_array_equal(content(path)[0]["timeseries"], before[0]["timeseries"])


@needs_era5
def test_a_remake_of_an_intact_file_computes_nothing(frame: FrameWithAttributes) -> None:
    path, record = frame.workspace.root / DELAY, frame.workspace.record("troposphere")
    before = content(path)
    record.write_text(json.dumps({**json.loads(record.read_text()), "data_version": "other"}))
    assert updated(frame) == (0, 3)
    np.testing.assert_array_equal(content(path)[0]["timeseries"], before[0]["timeseries"])
    assert content(path)[1] == before[1]
