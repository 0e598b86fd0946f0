"""All geocoded products together are those of one call of MintPy's geocode.py, with every option that it has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sbas_assets.mintpy.geocoding import PIXELS
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, datasets, differences

QUICK = {
    "mintpy.troposphericDelay.method": "no",
    "mintpy.topographicResidual": "no",
    "mintpy.networkInversion.weightFunc": "no",
}
GEO = {"geo_geometryRadar", "geo_temporalCoherence", "geo_avgSpatialCoh", "geo_timeseries_demErr", "geo_velocity"}
FILES = ("inputs/geometryRadar.h5", "temporalCoherence.h5", "avgSpatialCoh.h5", "timeseries.h5", "velocity.h5")


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
    assert remade(frame, compute_maxMemory="0.0003") == GEO | {"geo_maskTempCoh"}


def test_every_geographic_pixel_shows_the_radar_pixel_that_the_index_names(frame: FrameAtWork) -> None:
    remade(frame)
    root = frame.workspace.root
    pixels = datasets(root / PIXELS)["radarPixel"]
    for name, dataset in (("inputs/geometryRadar.h5", "height"), ("velocity.h5", "velocity")):
        radar, geo = datasets(root / name)[dataset], datasets(root / f"geo/geo_{Path(name).name}")[dataset]
        assert (geo[pixels >= 0] == radar.ravel()[pixels[pixels >= 0]]).all()
        assert 0 < (pixels < 0).mean() < 0.5
