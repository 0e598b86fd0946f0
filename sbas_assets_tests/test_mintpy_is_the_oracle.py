"""Every dataset of every product equals what smallbaselineApp.py makes of the same stack."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import SHARED, FrameAtWork, datasets, differences, product_files
from sbas_assets_tests.oracle import run_mintpy

pytestmark = pytest.mark.long

TOLERANCE = 1e-6
MEXICO = SHARED / "mexico_city_T005A"
GOLDEN = SHARED / "topsstack_golden" / "10_stack_desc_S1A_VV_2swath"
NO_WEATHER = {"mintpy.troposphericDelay.method": "no"}

TEMPLATES: dict[str, dict[str, str]] = {
    "defaults": NO_WEATHER,
    "bridging and linear ramp": {
        **NO_WEATHER,
        "mintpy.unwrapError.method": "bridging",
        "mintpy.unwrapError.connCompMinArea": "500",
        "mintpy.deramp": "linear",
    },
    "phase closure, height correlation, solid Earth tides": {
        "mintpy.unwrapError.method": "phase_closure",
        "mintpy.unwrapError.connCompMinArea": "500",
        "mintpy.troposphericDelay.method": "height_correlation",
        "mintpy.solidEarthTides": "yes",
    },
    "no weights, coherence masking": {
        **NO_WEATHER,
        "mintpy.networkInversion.weightFunc": "no",
        "mintpy.networkInversion.maskDataset": "coherence",
        "mintpy.networkInversion.maskThreshold": "0.3",
    },
    "both corrections, fewer pairs, quadratic ramp, seasons, a named date": {
        **NO_WEATHER,
        "mintpy.unwrapError.method": "bridging+phase_closure",
        "mintpy.unwrapError.connCompMinArea": "500",
        "mintpy.network.coherenceBased": "yes",
        "mintpy.network.minCoherence": "0.75",
        "mintpy.deramp": "quadratic",
        "mintpy.timeFunc.periodic": "1",
        "mintpy.save.hdfEos5": "yes",
    },
    "no DEM error, a named date": {
        **NO_WEATHER,
        "mintpy.topographicResidual": "no",
        "mintpy.deramp": "linear",
        "mintpy.timeFunc.uncertaintyQuantification": "bootstrap",
        "mintpy.timeFunc.bootstrapCount": "20",
        "mintpy.subset.yx": "10:70,5:75",
        "mintpy.reference.date": "20200722",
    },
    "DEM error with a step and the mean geometry, multilooked, masked by components": {
        **NO_WEATHER,
        "mintpy.multilook.ystep": "2",
        "mintpy.multilook.xstep": "2",
        "mintpy.multilook.method": "mean",
        "mintpy.networkInversion.maskDataset": "connectComponent",
        "mintpy.networkInversion.minNormVelocity": "no",
        "mintpy.topographicResidual.stepDate": "20200815",
        "mintpy.topographicResidual.pixelwiseGeometry": "no",
        "mintpy.reference.date": "no",
    },
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oracle") / "stack"
    simulate_stack(SimulationConfig(length=76, width=82, dates=regular_dates("20200511", 9, 24), seed=3), folder)
    return folder


def compare(frame: FrameAtWork, theirs: Path, tolerance: float = TOLERANCE) -> Iterator[str]:
    """Differences of all products, in words."""
    ours = frame.workspace.root
    final = json.loads((frame.workspace.record("timeseries_demErr")).read_text())["facts"]["series"]
    for name in product_files(theirs):
        mine = ours / name
        if name == Path(final).name:
            mine = ours / final
        if name == "inputs/ifgramStack.h5":
            yield from _compare_stack(ours, theirs)
        elif not mine.exists():
            yield f"{name}: not made"
        elif name.startswith("timeseries") and name != Path(final).name:
            yield from _compare_series(mine, theirs / name, tolerance)
        else:
            yield from (f"{name} {fault}" for fault in differences(mine, theirs / name, tolerance))


def _compare_stack(ours: Path, theirs: Path) -> Iterator[str]:
    """What MintPy changes inside ifgramStack.h5 stands in views here."""
    corrected = ours / "inputs/unwrapPhase_corrected/ifgramStack.h5"
    view = corrected if corrected.exists() else ours / "inputs/network/ifgramStack.h5"
    reference = theirs / "inputs/ifgramStack.h5"
    yield from (f"ifgramStack.h5 {fault}" for fault in differences(view, reference, TOLERANCE))
    with h5py.File(view) as left, h5py.File(reference) as right:
        for key in ("REF_Y", "REF_X", "STARTING_RANGE", "HEADING", "ALOOKS", "DATE12"):
            if left.attrs[key] != right.attrs[key]:
                yield f"ifgramStack.h5 {key}: {left.attrs[key]} and {right.attrs[key]}"


def _compare_series(mine: Path, theirs: Path, tolerance: float) -> Iterator[str]:
    """A series before the last keeps its first date as reference; MintPy rewrites it to the chosen one."""
    left, right = datasets(mine)["timeseries"], datasets(theirs)["timeseries"]
    with h5py.File(theirs) as h5:
        dates = [date.decode() for date in h5["date"][:]]
        at = dates.index(h5.attrs["REF_DATE"])
    off = np.nanmax(np.abs((left - left[at]) - (right - right[at])), initial=0)
    if off > tolerance or not np.array_equal(np.isnan(left), np.isnan(right)):
        yield f"{theirs.name}: largest difference {off:.3g} m"
    yield from (f"{theirs.name} {fault}" for fault in differences(mine, theirs, tolerance, skip=["timeseries"]))


def with_our_point(frame: FrameAtWork, options: Mapping[str, str]) -> dict[str, str]:
    point = json.loads(frame.workspace.record("network").read_text())["facts"]["reference_point"]
    return {**options, "mintpy.reference.yx": f"{point['row']}, {point['column']}"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_product_of_a_simulated_stack_equals_mintpys(name: str, stack: Path, tmp_path: Path) -> None:
    options = TEMPLATES[name]
    frame = FrameAtWork(tmp_path / "ours", stack, options)
    result = frame.run()
    assert result.success, result.errors
    theirs = run_mintpy(stack, tmp_path, with_our_point(frame, options))
    assert list(compare(frame, theirs)) == []
    assert len(product_files(theirs)) >= 15


@pytest.mark.skipif(not MEXICO.exists(), reason="the real stack of Mexico City is not beside the checkout")
@pytest.mark.parametrize("name", ["as the user runs it", "bridging needs components", "deramped"])
def test_every_product_of_a_real_stack_equals_mintpys(name: str, tmp_path: Path) -> None:
    options = {
        "mintpy.reference.yx": "9, 8",
        "mintpy.troposphericDelay.method": "no",
        "mintpy.networkInversion.minTempCoh": "0.5",
    }
    if name == "deramped":
        options |= {"mintpy.deramp": "linear", "mintpy.networkInversion.weightFunc": "coh"}
    if name == "bridging needs components":
        options |= {"mintpy.unwrapError.method": "bridging"}
    frame = FrameAtWork(tmp_path / "ours", MEXICO, options, key="T005A_mexico")
    result = frame.run()
    if name == "bridging needs components":
        assert "[conncomp-missing]" in result.errors["unwrapPhase_corrected"]
        return
    assert result.success, result.errors
    theirs = run_mintpy(MEXICO, tmp_path, options)
    assert list(compare(frame, theirs)) == []


@pytest.mark.skipif(not MEXICO.exists(), reason="the real stack of Mexico City is not beside the checkout")
def test_mexico_city_sinks_at_the_gnss_station_as_published(tmp_path: Path) -> None:
    options = {"mintpy.reference.yx": "9, 8", "mintpy.networkInversion.minTempCoh": "0.5", **NO_WEATHER}
    frame = FrameAtWork(tmp_path, MEXICO, options, key="T005A_mexico")
    assert frame.run('+key:"velocity"').success
    velocity = datasets(frame.workspace.root / "velocity.h5")["velocity"]
    assert velocity[14, 88] == pytest.approx(-0.291, abs=0.002)


@pytest.mark.skipif(not GOLDEN.exists(), reason="the stack that ISCE2 itself wrote is not beside the checkout")
def test_the_whole_chain_on_a_stack_that_isce2_wrote_equals_mintpys(tmp_path: Path) -> None:
    frame = FrameAtWork(tmp_path / "ours", GOLDEN, NO_WEATHER, key="T071D_golden")
    result = frame.run()
    assert result.success, result.errors
    assert set(result.checks.values()) == {True}
    assert datasets(frame.workspace.root / "velocity.h5")["velocity"].min() == pytest.approx(-0.178, abs=0.002)
    theirs = run_mintpy(GOLDEN, tmp_path, with_our_point(frame, NO_WEATHER))
    assert list(compare(frame, theirs)) == []
