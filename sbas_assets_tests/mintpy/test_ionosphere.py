"""The ionospheric correction from topsStack's split-spectrum interferograms equals MintPy's."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, Result, product_files
from sbas_assets_tests.mintpy.ion_files import copy_of, put_ionosphere
from sbas_assets_tests.oracle import run_mintpy
from sbas_assets_tests.test_mintpy_is_the_oracle import compare, with_our_point

SIZE = (72, 76)
DATES = regular_dates("20200511", 5, 24)
SPLIT_SPECTRUM = {
    "mintpy.ionosphericDelay.method": "split_spectrum",
    "mintpy.troposphericDelay.method": "no",
    "mintpy.geocode": "no",
    "mintpy.save.kmz": "no",
}
MADE = {"ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5", "timeseries_ion.h5", "inputs/ionStack.h5"}
UP_TO_VELOCITY = '+key:"velocity"'


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ion") / "stack"
    simulate_stack(SimulationConfig(length=SIZE[0], width=SIZE[1], dates=DATES, connections=2, seed=4), folder)
    return folder


def successful(frame: FrameAtWork, select: str = UP_TO_VELOCITY) -> Result:
    result = frame.run(select)
    assert result.success, result.errors
    return result


def mintpys(frame: FrameAtWork, folder: Path, place: str = "ion") -> Path:
    """MintPy's work folder; without its automatic paths it has to be told where the ionosphere is."""
    files = {"ionUnwFile": "filt.ion", "ionCorFile": "raw_no_projection.cor"}
    load = {f"mintpy.load.{key}": f"{folder}/stack/{place}/*/ion_cal/{name}" for key, name in files.items()}
    return run_mintpy(frame.stack, folder, {**with_our_point(frame, frame.options), **load})


def dropped(stack: Path) -> list[bool]:
    with h5py.File(stack) as h5:
        return [not kept for kept in h5["dropIfgram"][:]]


def test_the_correction_equals_mintpys(without: Path, tmp_path: Path) -> None:
    stack = copy_of(without, tmp_path / "with_ion")
    put_ionosphere(stack, DATES, SIZE)
    frame = FrameAtWork(tmp_path / "ours", stack, SPLIT_SPECTRUM)
    successful(frame)
    theirs = mintpys(frame, tmp_path)
    assert list(compare(frame, theirs)) == []
    assert set(product_files(theirs)) >= MADE
    assert set(product_files(frame.workspace.root)) >= MADE


def test_coarse_images_in_another_place_less_some_pairs_in_a_subset_equal_mintpys(
    without: Path, tmp_path: Path
) -> None:
    stack = copy_of(without, tmp_path / "with_ion")
    pairs = put_ionosphere(stack, DATES, (18, 19), place="ion_elsewhere")
    options = {
        **SPLIT_SPECTRUM,
        "mintpy.ionosphericDelay.excludeDate12": f"{pairs[1]}, {pairs[3]}",
        "mintpy.deramp": "linear",
        "mintpy.subset.yx": "4:70,6:74",
    }
    place = {
        "mintpy.load.ionUnwFile": "../ion_elsewhere/*/ion_cal/filt.ion",
        "mintpy.load.ionCorFile": "../ion_elsewhere/*/ion_cal/raw_no_projection.cor",
    }
    frame = FrameAtWork(tmp_path / "ours", stack, {**options, **place})
    successful(frame)
    theirs = mintpys(frame, tmp_path, "ion_elsewhere")
    # MintPy marks the excluded pairs in ionStack.h5, here in a view of it that goes with the run
    differing = [fault for fault in compare(frame, theirs) if not fault.startswith("inputs/ionStack.h5 dropIfgram")]
    assert differing == []
    assert sum(dropped(theirs / "inputs/ionStack.h5")) == 2
    assert sum(dropped(frame.workspace.root / "inputs/ionStack.h5")) == 0
    assert "timeseries_ion_ramp_demErr.h5" in product_files(frame.workspace.root)


def test_without_ionospheric_interferograms_the_run_stops_before_the_inversion(without: Path, tmp_path: Path) -> None:
    frame = FrameAtWork(tmp_path, without, SPLIT_SPECTRUM)
    result = frame.run(UP_TO_VELOCITY)
    assert set(result.errors) == {"ifgramStack"}
    assert f"[ion-stack-missing] frame {frame.key}: {without}:" in result.errors["ifgramStack"]
    assert "ion/*/ion_cal/filt.ion" in result.errors["ifgramStack"]


def test_asking_for_it_later_takes_up_at_the_correction(without: Path, tmp_path: Path) -> None:
    off = {**SPLIT_SPECTRUM, "mintpy.ionosphericDelay.method": "no"}
    frame = FrameAtWork(tmp_path / "root", copy_of(without, tmp_path / "stack"), off)
    until = '+key:"timeseries_corrected"'
    successful(frame, until)
    frame.configure(SPLIT_SPECTRUM)
    assert "[ion-stack-missing]" in frame.run(until).errors["timeseries_corrected"]
    pairs = put_ionosphere(frame.stack, DATES, SIZE)
    assert successful(frame, until).done("made") >= {"ifgramStack", "timeseries_corrected"}
    frame.configure({**SPLIT_SPECTRUM, "mintpy.ionosphericDelay.excludeDate12": pairs[1]})
    assert successful(frame, until).done("made") == {"timeseries_corrected"}
    (frame.stack / "ion" / pairs[1] / "ion_cal" / "filt.ion").write_bytes(b"")
    assert successful(frame, until).done("made") >= {"ifgramStack", "timeseries_corrected"}


def test_dates_that_the_ionosphere_does_not_reach_are_refused(without: Path, tmp_path: Path) -> None:
    stack = copy_of(without, tmp_path / "with_ion")
    put_ionosphere(stack, DATES[:4], SIZE)
    frame = FrameAtWork(tmp_path / "ours", stack, SPLIT_SPECTRUM)
    result = frame.run('+key:"timeseries_corrected"')
    assert "[ion-dates-missing]" in result.errors["timeseries_corrected"]
    assert f"1 of 5 dates ({DATES[4]})" in result.errors["timeseries_corrected"]


def test_an_excluded_date_stays_as_it_is_and_is_told(without: Path, tmp_path: Path) -> None:
    stack = copy_of(without, tmp_path / "with_ion")
    put_ionosphere(stack, DATES, SIZE)
    excluding = {**SPLIT_SPECTRUM, "mintpy.ionosphericDelay.excludeDate": DATES[4]}
    frame = FrameAtWork(tmp_path / "ours", stack, excluding)
    successful(frame, '+key:"timeseries_corrected"')
    facts = json.loads(frame.workspace.record("timeseries_corrected").read_text())["facts"]
    assert facts["dates"] == list(DATES)
    assert facts["dates_without_correction"] == [DATES[4]]
