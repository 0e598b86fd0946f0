"""All geocoded products together are those of one call of MintPy's geocode.py, with every option that it has."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.mintpy.geocoding import GEO_STEPS, PIXELS
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, datasets, differences

QUICK = {
    "mintpy.troposphericDelay.method": "no",
    "mintpy.networkInversion.weightFunc": "no",
}
# run_geocode's, and the DEM error
FILES = (
    "inputs/geometryRadar.h5",
    "temporalCoherence.h5",
    "avgSpatialCoh.h5",
    "timeseries_demErr.h5",
    "velocity.h5",
    "demErr.h5",
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> FrameAtWork:
    folder = tmp_path_factory.mktemp("geocoding")
    simulate_stack(
        SimulationConfig(length=76, width=82, dates=regular_dates("20200511", 7, 24), seed=3), folder / "stack"
    )
    return FrameAtWork(folder / "root", folder / "stack", QUICK)


def remade(frame: FrameAtWork, **options: str) -> set[str]:
    """Run the frame with other options; return what was made."""
    frame.configure({**QUICK, **{f"mintpy.{name.replace('_', '.')}": value for name, value in options.items()}})
    result = frame.run("+group:geo")
    assert result.success, result.errors
    return result.done("made")


def differs(frame: FrameAtWork, folder: Path) -> dict[str, list[str]]:
    root = frame.workspace.root

    def call() -> None:
        import mintpy.cli.geocode

        lookup = ["-l", "inputs/geometryRadar.h5", "-t", "smallbaselineApp.cfg"]
        mintpy.cli.geocode.main([*FILES, *lookup, "--outdir", str(folder)])

    run_in_folder(root, folder / "log", call)
    names = [f"geo_{Path(name).name}" for name in FILES]
    faults = {name: differences(root / "geo" / name, folder / name, 0) for name in names}
    return {name: found for name, found in faults.items() if found}


CASES = {
    "defaults": {},
    "a part, in coarse pixels, with another fill value": {
        "geocode_SNWE": "38.19, 38.22, -116.42, -116.38",
        "geocode_laloStep": "-0.0004, 0.0006",
        "geocode_fillValue": "-99",
    },
    "one step for both directions": {"geocode_laloStep": "0.0003"},
    "boxes for so little memory": {"compute_maxMemory": "0.0003"},
}


@pytest.mark.parametrize("case", CASES)
def test_geocoded_products_are_those_of_one_call_of_mintpys(case: str, frame: FrameAtWork, tmp_path: Path) -> None:
    remade(frame, **CASES[case])
    assert differs(frame, tmp_path) == {}
    state = json.loads(frame.workspace.record("geo_geometryRadar").read_text())["state"]
    assert state == {"boxes": "4" if "memory" in case else "1"}


def test_another_interpolation_is_left_to_mintpy(frame: FrameAtWork) -> None:
    remade(frame)
    before = (frame.workspace.root / "geo/geo_geometryRadar.h5").read_bytes()
    frame.configure({**QUICK, "mintpy.geocode.interpMethod": "linear"})
    result = frame.run("+group:geo")
    # MintPy 1.6.4 asks this pyresample for a module that it does not import
    assert "pyresample" in result.errors["geo_geometryRadar"]
    assert (frame.workspace.root / "geo/geo_geometryRadar.h5").read_bytes() == before


def test_memory_makes_the_products_anew_only_where_it_changes_them(frame: FrameAtWork) -> None:
    remade(frame)
    assert remade(frame, compute_maxMemory="2") == set()
    assert remade(frame, compute_maxMemory="0.0003") == {step.name for step in GEO_STEPS}


def test_every_geographic_pixel_shows_the_radar_pixel_that_the_index_names(frame: FrameAtWork) -> None:
    remade(frame)
    root = frame.workspace.root
    pixels = datasets(root / PIXELS)["radarPixel"]
    shown = {"inputs/geometryRadar.h5": "height", "velocity.h5": "velocity", "demErr.h5": "dem"}
    for name, dataset in shown.items():
        radar, geo = datasets(root / name)[dataset], datasets(root / f"geo/geo_{Path(name).name}")[dataset]
        assert (geo[pixels >= 0] == radar.ravel()[pixels[pixels >= 0]]).all()
        assert 0 < (pixels < 0).mean() < 0.5


@pytest.mark.parametrize(
    "options",
    [
        {"topographicResidual": "no"},
        # the asset upstream is made then, without a DEM error
        {"topographicResidual": "no", "reference.date": "20200628"},
        {"geocode": "no", "save.kmz": "no"},
    ],
)
def test_without_dem_error_or_grid_the_geocoded_dem_error_is_passed_through_with_the_reason(
    frame: FrameAtWork, options: dict[str, str]
) -> None:
    remade(frame)
    file = frame.workspace.root / "geo/geo_demErr.h5"
    before = datasets(file)
    remade(frame, **options)
    record = json.loads(frame.workspace.record("geo_demErr").read_text())
    reason = f"mintpy.{next(iter(options))} = no"
    assert (record["status"], record["reason"], record["outputs"]) == ("passed-through", reason, [])
    assert not file.exists()
    assert frame.run("geo_demErr").outcome == {"geo_demErr": "reused"}
    assert "geo_demErr" in remade(frame)
    np.testing.assert_array_equal(datasets(file)["dem"], before["dem"])


def test_the_geocoded_dem_error_says_its_unit_and_how_much_of_the_grid_has_one(frame: FrameAtWork) -> None:
    remade(frame)
    record = json.loads(frame.workspace.record("geo_demErr").read_text())
    with h5py.File(frame.workspace.root / "geo/geo_demErr.h5") as h5:
        values, unit = h5["dem"][:], h5.attrs["UNIT"]
    assert unit == "m"
    shown = record["metrics"]["pixels_with_data_percent"]
    assert shown == pytest.approx(100 * np.isfinite(values).mean(), abs=0.01)
    assert 50 < shown < 100
    assert (frame.workspace.root / record["picture"]).is_file()
