"""Delays from ERA5, GACOS and OPERA files equal MintPy's, and files that are not what they should be are named."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from sbas_assets_tests.frames_at_work import datasets, differences, product_files
from sbas_assets_tests.mintpy.weather_files import (
    AT_14_UTC,
    DAYS,
    NAMED,
    FrameWithAttributes,
    content,
    hawaiian_stack,
    needs_era5,
    original,
    put_gacos,
    put_gribs,
    put_opera,
    write_grib,
)
from sbas_assets_tests.oracle import run_mintpy
from sbas_assets_tests.test_mintpy_is_the_oracle import compare, with_our_point
from sbas_assets_tests.weather.era5_at_work import weather_folder

METRES = 1e-6  # m: delays of ERA5 and what is corrected with them
METRES_OF_NOISE = 5e-6  # m: what MintPy's single precision leaves where every pixel's delay is another by decimetres
OVER_THREE_DAYS = 2e-4  # m/year: the same of a velocity, where metres change in three days
NO_GEO = {"mintpy.geocode": "no", "mintpy.save.kmz": "no"}
PYAPS = {**AT_14_UTC, "mintpy.troposphericDelay.method": "pyaps", **NO_GEO}
UP_TO_VELOCITY = '+key:"velocity"'
SIX_DATES = (*DAYS, "20220113", "20220125", "20220206")


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hawaiian_stack(tmp_path_factory.mktemp("three") / "stack", DAYS)


@pytest.fixture(scope="module")
def six_dates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hawaiian_stack(tmp_path_factory.mktemp("six") / "stack", SIX_DATES)


def equals_mintpy(
    frame: FrameWithAttributes, folder: Path, own: dict[str, str], made: set[str], tolerance: float = METRES
) -> list[str]:
    """Bring the frame up to date and say in words what MintPy makes otherwise.

    `own` tells MintPy where the weather files are; `made` are products that both must have.
    """
    result = frame.run(UP_TO_VELOCITY)
    assert result.success, result.errors
    theirs = run_mintpy(frame.stack, folder, {**with_our_point(frame, frame.options), **own})
    for work in (theirs, frame.workspace.root):
        assert {"velocity.h5", "timeseries.h5", *made} <= set(product_files(work))
    faults = [fault for fault in compare(frame, theirs, tolerance) if not fault.startswith("velocityERA5.h5")]
    if (theirs / "velocityERA5.h5").exists():
        faults += differences(frame.workspace.root / "velocityERA5.h5", theirs / "velocityERA5.h5", OVER_THREE_DAYS)
    return faults


@needs_era5
def test_a_frame_corrected_with_real_era5_files_equals_mintpys(three_days: Path, tmp_path: Path) -> None:
    options = {**PYAPS, "mintpy.topographicResidual": "no"}
    frame = FrameWithAttributes(tmp_path / "ours", three_days, options)
    put_gribs(weather_folder(frame), DAYS)
    before = content(weather_folder(frame))
    shutil.copytree(weather_folder(frame), tmp_path / "weather" / "ERA5")
    own = {"mintpy.troposphericDelay.weatherDir": str(tmp_path / "weather")}
    made = {"inputs/ERA5.h5", "timeseries_ERA5.h5", "velocityERA5.h5"}
    assert equals_mintpy(frame, tmp_path, own, made) == []
    assert content(weather_folder(frame)) == before
    delay = datasets(frame.workspace.root / "inputs/ERA5.h5")["timeseries"]
    assert -4 < delay.min() < -2


@needs_era5
def test_tides_era5_and_ramp_come_off_in_mintpys_order(six_dates: Path, tmp_path: Path) -> None:
    options = {**PYAPS, "mintpy.solidEarthTides": "yes", "mintpy.deramp": "linear"}
    frame = FrameWithAttributes(tmp_path / "ours", six_dates, options)
    put_gribs(weather_folder(frame), SIX_DATES)
    shutil.copytree(weather_folder(frame), tmp_path / "weather" / "ERA5")
    own = {"mintpy.troposphericDelay.weatherDir": str(tmp_path / "weather")}
    made = {f"timeseries_SET{end}.h5" for end in ("", "_ERA5", "_ERA5_ramp", "_ERA5_ramp_demErr")}
    assert equals_mintpy(frame, tmp_path, own, made) == []


@needs_era5
def test_a_missing_grib_stops_the_correction_and_nothing_else(three_days: Path, tmp_path: Path) -> None:
    frame = FrameWithAttributes(tmp_path, three_days, {**PYAPS, "mintpy.topographicResidual": "no"})
    put_gribs(weather_folder(frame), DAYS[:2])
    result = frame.run(UP_TO_VELOCITY)
    assert set(result.errors) == {"era5"}
    assert f"[cds-credentials-missing] frame {frame.key}: {weather_folder(frame)}: 1 of 3" in result.errors["era5"]
    assert f"{NAMED.format('20220103')}: missing" in result.errors["era5"]
    assert {"network", "timeseries"} <= result.done("made")
    assert not weather_folder(frame).joinpath(NAMED.format("20220103")).exists()


@pytest.fixture(scope="module")
def before_era5(three_days: Path, tmp_path_factory: pytest.TempPathFactory) -> FrameWithAttributes:
    frame = FrameWithAttributes(tmp_path_factory.mktemp("before"), three_days, PYAPS)
    assert frame.run('key:"ifgramStack" or key:"geometryRadar"').success
    return frame


@needs_era5
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "is truncated or damaged: has more than its 55 whole messages"),
        ("cut between two messages", "q: 36 of 37 levels"),
        ("of another date", "holds 20220103_14"),
        ("empty", "holds no GRIB message"),
        ("in another order", "holds its fields in another order"),
        ("a web page", "holds no GRIB message"),
    ],
)
def test_without_credentials_a_wrong_grib_is_named_with_its_reason_and_left_alone(
    fault: str, reason: str, before_era5: FrameWithAttributes
) -> None:
    folder = weather_folder(before_era5)
    shutil.rmtree(folder, ignore_errors=True)
    put_gribs(folder, DAYS)
    target, good = folder / NAMED.format("20220102"), original("20220102")
    if fault == "truncated":
        target.write_bytes(good.read_bytes()[:40000])
    elif fault == "cut between two messages":
        write_grib(good, target, order=range(110))
    elif fault == "of another date":
        target.write_bytes(original("20220103").read_bytes())
    elif fault == "in another order":
        write_grib(good, target, order=[*range(3, 111), 0, 1, 2])
    else:
        target.write_bytes(b"" if fault == "empty" else b"<html>Service Unavailable</html>")
    before = content(folder)
    result = before_era5.run('key:"era5"')
    assert f"1 of 3 ERA5 files are missing or wrong ({target.name}: {reason}" in result.errors["era5"], result.errors
    assert content(folder) == before


@needs_era5
def test_gribs_that_do_not_reach_as_far_as_the_frame_are_refused(tmp_path: Path) -> None:
    # PyAPS would give the pixels outside a delay of zero
    stack = hawaiian_stack(tmp_path / "stack", DAYS, center_lat=19.83)
    frame = FrameWithAttributes(tmp_path, stack, PYAPS)
    put_gribs(weather_folder(frame), DAYS)
    error = frame.run('+key:"era5"').errors["era5"]
    assert "3 of 3 ERA5 files" in error
    assert "covers latitude 18.09 to 19.84 and longitude -157.20 to -148.70, which the frame exceeds" in error


@needs_era5
def test_a_new_date_needs_a_grib_of_its_own(tmp_path: Path) -> None:
    stack = hawaiian_stack(tmp_path / "stack", DAYS)
    frame = FrameWithAttributes(tmp_path, stack, PYAPS)
    put_gribs(weather_folder(frame), DAYS)
    assert frame.run('+key:"era5"').success
    hawaiian_stack(stack, (*DAYS, "20220113"))
    error = frame.run('+key:"era5"').errors["era5"]
    assert f"1 of 4 ERA5 files are missing or wrong ({NAMED.format('20220113')}: missing)" in error
    put_gribs(weather_folder(frame), (*DAYS, "20220113"))
    result = frame.run('+key:"era5"')
    assert result.success, result.errors
    assert NAMED.format("20220113") in json.loads(frame.workspace.record("era5").read_text())["facts"]["era5_files"]


@needs_era5
@pytest.mark.parametrize("weather_dir", ["", "/nowhere"])
def test_the_platforms_weather_folder_serves_frames_that_name_none(
    weather_dir: str, before_era5: FrameWithAttributes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_gribs(weather_folder(before_era5), DAYS)
    monkeypatch.setenv("WEATHER_DIR", weather_dir)
    result = before_era5.run('key:"era5"')
    assert result.success == (not weather_dir)
    assert ("/nowhere/ERA5" in result.errors.get("era5", "")) == bool(weather_dir)
    assert not Path("/nowhere").exists()


@needs_era5
def test_replaced_gribs_remake_the_delay_and_what_follows(three_days: Path, tmp_path: Path) -> None:
    frame = FrameWithAttributes(tmp_path, three_days, {**PYAPS, "mintpy.topographicResidual": "no"})
    put_gribs(weather_folder(frame), DAYS)
    until = '+key:"timeseries_corrected"'
    assert frame.run(until).success
    write_grib(original("20220103"), weather_folder(frame) / NAMED.format("20220102"), date="20220102")
    result = frame.run(until)
    assert result.success, result.errors
    assert result.done("made") == {"era5", "troposphere", "timeseries_corrected"}
    assert frame.run(until).done("made") == set()


@needs_era5
def test_gribs_replaced_behind_era5s_back_are_not_read(three_days: Path, tmp_path: Path) -> None:
    frame = FrameWithAttributes(tmp_path, three_days, PYAPS)
    put_gribs(weather_folder(frame), DAYS)
    assert frame.run('+key:"era5" or +key:"timeseries"').success
    write_grib(original("20220103"), weather_folder(frame) / NAMED.format("20220102"), date="20220102")
    result = frame.run('key:"troposphere"')
    assert f"[era5-missing] frame {frame.key}" in result.errors["troposphere"]
    assert f"{NAMED.format('20220102')}: gone or replaced since era5 was made" in result.errors["troposphere"]


@needs_era5
def test_files_of_a_larger_area_serve_as_in_mintpy(before_era5: FrameWithAttributes) -> None:
    folder = weather_folder(before_era5)
    shutil.rmtree(folder, ignore_errors=True)
    put_gribs(folder, DAYS)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("N10_N30_W160_W150", "N0_N30_W170_W140"))
    result = before_era5.run('key:"era5"')
    assert result.success, result.errors
    assert result.metadata["era5"]["grib_files"] == 3


def test_another_time_of_day_is_another_product(three_days: Path, tmp_path: Path) -> None:
    frame = FrameWithAttributes(tmp_path, three_days, {"mintpy.troposphericDelay.method": "no"})
    loaded = 'key:"ifgramStack" or key:"geometryRadar"'
    assert frame.run(loaded).success
    frame.configure({**AT_14_UTC, "mintpy.troposphericDelay.method": "no"})
    assert frame.run(loaded).done("made") >= {"ifgramStack", "geometryRadar"}


@pytest.mark.parametrize("method", ["gacos", "opera"])
def test_a_frame_corrected_with_the_users_own_delays_equals_mintpys(
    method: str, six_dates: Path, tmp_path: Path
) -> None:
    option, put = f"mintpy.troposphericDelay.{method}Dir", {"gacos": put_gacos, "opera": put_opera}[method]
    options = {**PYAPS, "mintpy.troposphericDelay.method": method, option: str(tmp_path / "delays")}
    put(tmp_path / "delays", SIX_DATES)
    frame = FrameWithAttributes(tmp_path / "ours", six_dates, options)
    made = {f"inputs/{method.upper()}.h5", f"timeseries_{method.upper()}_demErr.h5"}
    assert equals_mintpy(frame, tmp_path, {}, made, METRES_OF_NOISE) == []


@pytest.fixture(scope="module")
def inverted(three_days: Path, tmp_path_factory: pytest.TempPathFactory) -> FrameWithAttributes:
    options = {**AT_14_UTC, "mintpy.troposphericDelay.method": "no"}
    frame = FrameWithAttributes(tmp_path_factory.mktemp("inverted"), three_days, options)
    assert frame.run('+key:"timeseries" or +key:"era5"').success
    return frame


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("gacos missing", "20220102: missing"),
        ("gacos without header", "20220102: 20220102.ztd.rsc is missing"),
        ("gacos truncated", "20220102: has 1000 bytes, not 16800"),
        ("gacos elsewhere", "20220102: covers latitude"),
        ("gacos in GeoTIFF", "20220102: is read with GDAL"),
        ("opera missing", "20220102: missing"),
        ("opera truncated", "20220102: missing"),
    ],
)
def test_a_date_without_a_usable_delay_is_named_not_dropped(
    fault: str, reason: str, inverted: FrameWithAttributes, tmp_path: Path
) -> None:
    method = fault.split(maxsplit=1)[0]
    {"gacos": put_gacos, "opera": put_opera}[method](tmp_path, DAYS)
    target = next(path for path in tmp_path.iterdir() if "20220102" in path.name and path.suffix in (".ztd", ".nc"))
    header = target.with_name(f"{target.name}.rsc")
    if fault.endswith("without header"):
        header.unlink()
    elif fault.endswith("truncated"):
        target.write_bytes(target.read_bytes()[:1000])
    elif fault.endswith("elsewhere"):
        header.write_text(header.read_text().replace("19.7", "20.7"))
    elif fault.endswith("GeoTIFF"):
        if find_spec("osgeo"):
            pytest.skip("GDAL is installed here")
        target.rename(target.with_name(f"{target.name}.tif"))
    else:
        target.unlink()
    folder = {f"mintpy.troposphericDelay.{method}Dir": str(tmp_path)}
    inverted.configure({**AT_14_UTC, "mintpy.troposphericDelay.method": method, **folder})
    assert inverted.run('key:"era5"').success
    result = inverted.run('key:"troposphere"')
    assert f"[delay-files-missing] frame {inverted.key}: {tmp_path}: {method}: 1 of 3" in result.errors["troposphere"]
    assert reason in result.errors["troposphere"]


def test_a_corrected_gacos_header_remakes_the_delay(inverted: FrameWithAttributes, tmp_path: Path) -> None:
    put_gacos(tmp_path, DAYS)
    folder = {"mintpy.troposphericDelay.gacosDir": str(tmp_path)}
    inverted.configure({**AT_14_UTC, "mintpy.troposphericDelay.method": "gacos", **folder})
    assert inverted.run('key:"era5" or key:"troposphere"').success
    header = tmp_path / "20220102.ztd.rsc"
    header.write_text(header.read_text().replace("19.7", "19.6"))
    assert inverted.run('key:"troposphere"').done("made") == {"troposphere"}
    assert inverted.run('key:"troposphere"').done("reused") == {"troposphere"}
