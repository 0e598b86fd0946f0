"""The step timeseries goes on from its last version where that is right, and tells why where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets import transaction
from sbas_assets.frames import frame_config
from sbas_assets.mintpy import inversion_update
from sbas_assets.mintpy.inversion import TIMESERIES
from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK
from sbas_assets.mintpy.network import NETWORK
from sbas_assets.mintpy.unwrapping import UNWRAP_PHASE_CORRECTED
from sbas_assets.mintpy.workfolder import INVERSION_STATE
from sbas_assets.sbas import inversion_keeping, inversion_state
from sbas_assets.sbas import inversion_update as kernel_update
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.step import Frame, Outcome, Run, Step
from sbas_assets.survey import require_stack
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings

DATES = regular_dates("20200511", 13)
CONFIG = SimulationConfig(length=44, width=48, dates=DATES, connections=2, seed=5)
STEPS = (IFGRAM_STACK, GEOMETRY_RADAR, NETWORK, UNWRAP_PHASE_CORRECTED, TIMESERIES)
UP_TO_IT = STEPS[:-1]
SERIES = "timeseries.h5"


class GrowingFrame:
    """A frame whose stack has the first dates of a larger one; `told` holds what its last run said."""

    def __init__(self, folder: Path, whole: Path) -> None:
        self.whole, self.stack = whole, folder / "stack"
        self.settings = Settings.under(folder / "root")
        self.workspace = self.settings.workspace("T071D_test")
        self.told: list[str] = []

    def show(self, dates: int, without: str = "never") -> None:
        shown = set(DATES[:dates])
        shutil.rmtree(self.stack, ignore_errors=True)
        shutil.copytree(self.whole, self.stack)
        for place in (self.stack / "merged/interferograms").iterdir():
            if not set(place.name.split("_")) <= shown or without in place.name:
                shutil.rmtree(place)

    def run(self, steps: Sequence[Step] = STEPS, **options: str) -> Outcome:
        mintpy = {f"mintpy.{name.replace('__', '.')}": value for name, value in options.items()}
        values = {"track": 71, "direction": "descending", "stack": self.stack, "mintpy": mintpy}
        frame = Frame("T071D_test", frame_config(values), frame_config(values).template(), self.settings)
        self.told.clear()
        run = Run("a-run", self.told.append)
        require_stack(frame, run)
        return [execute(step, frame, run) for step in steps][-1]

    def series(self) -> np.ndarray:
        with h5py.File(self.workspace.root / SERIES) as h5:
            return np.asarray(h5["timeseries"][:])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack") / "whole"
    simulate_stack(CONFIG, folder)
    return folder


@pytest.fixture(autouse=True)
def short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few dates are enough here: how many there must be, sbas/test_inversion_update.py has tested."""
    monkeypatch.setattr(inversion_keeping, "tail_length", lambda _: 6)
    monkeypatch.setattr(kernel_update, "MOVED_MM", 100.0)
    monkeypatch.setattr(kernel_update, "MOVED_IN_ALL_MM", 1000.0)


@pytest.fixture
def frame(tmp_path: Path, whole: Path) -> GrowingFrame:
    """Of eleven dates, up to the series."""
    frame = GrowingFrame(tmp_path, whole)
    frame.show(11)
    assert frame.run().record.metrics["not_updated"] == "there is no earlier version"
    return frame


def not_updated(outcome: Outcome) -> str:
    assert outcome.record.metrics["inverted"] == "all pairs"
    return str(outcome.record.metrics["not_updated"])


def test_a_new_date_is_an_update_and_is_told(frame: GrowingFrame) -> None:
    frame.show(12)
    outcome = frame.run()
    metrics = outcome.record.metrics
    assert (metrics["inverted"], metrics["updates"], metrics["pairs_read"]) == ("update", 1, 11)
    assert any(line.startswith("updated: 11 of 21 pairs read") for line in frame.told)
    assert outcome.record.has(INVERSION_STATE)
    assert frame.series().shape == (12, 44, 48)


def test_the_same_history_gives_the_same_bytes(frame: GrowingFrame, tmp_path: Path) -> None:
    frame.show(12)
    twin = GrowingFrame(tmp_path / "twin", frame.whole)
    twin.show(11)
    twin.run()
    twin.show(12)
    made = [each.run().record for each in (frame, twin)]
    assert made[0].data_version == made[1].data_version
    for name in ("timeseries", "temporalCoherence", "maskTempCoh"):
        pictures = [each.workspace.root / f"{name}.h5" for each in (frame, twin)]
        with h5py.File(pictures[0]) as one, h5py.File(pictures[1]) as other:
            assert all(np.array_equal(one[key][()], other[key][()]) for key in other)


def test_an_update_has_a_data_version_of_its_own_because_its_last_digits_are(
    frame: GrowingFrame, tmp_path: Path
) -> None:
    frame.show(12)
    updated = frame.run()
    assert frame.run().how == "reused"
    at_once = GrowingFrame(tmp_path / "twin", frame.whole)
    at_once.show(11)
    at_once.run(UP_TO_IT)  # the reference point is pinned
    at_once.show(12)
    whole = at_once.run()
    assert not np.array_equal(frame.series(), at_once.series())
    assert updated.record.data_version != whole.record.data_version
    (frame.workspace.root / SERIES).unlink()
    again = frame.run()
    assert again.how == "made"
    assert again.record.data_version == whole.record.data_version
    assert np.array_equal(frame.series(), at_once.series())


def test_other_options_of_the_inversion_begin_anew_and_others_do_not(frame: GrowingFrame) -> None:
    frame.show(12)
    assert not_updated(frame.run(networkInversion__weightFunc="no")) == "other weight"
    frame.show(13)
    with_mask = frame.run(networkInversion__weightFunc="no", networkInversion__minTempCoh="0.6")
    assert with_mask.record.metrics["inverted"] == "update"


def test_another_reference_point_begins_anew(frame: GrowingFrame) -> None:
    frame.show(12)
    assert not_updated(frame.run(reference__yx="20, 20")).startswith("other REF_")


def test_an_old_pair_with_other_content_begins_anew(frame: GrowingFrame) -> None:
    frame.show(12)
    image = frame.stack / f"merged/interferograms/{DATES[0]}_{DATES[1]}/filt_fine.unw"
    data = np.fromfile(image, "<f4")
    data[-40:] += 0.01
    image.write_bytes(data.tobytes())
    assert "came, went or changed" in not_updated(frame.run())


def test_a_back_filled_date_begins_anew(tmp_path: Path, whole: Path) -> None:
    frame = GrowingFrame(tmp_path, whole)
    frame.show(12, without=DATES[3])
    frame.run()
    frame.show(12)
    assert f"came or went ({DATES[3]})" in not_updated(frame.run())


def test_a_pair_that_is_dropped_from_the_network_begins_anew(frame: GrowingFrame) -> None:
    frame.show(12)
    assert "went" in not_updated(frame.run(network__excludeDate12=f"{DATES[1]}_{DATES[3]}"))


def test_bridged_phase_is_updated(frame: GrowingFrame) -> None:
    bridged = {"unwrapError__method": "bridging", "unwrapError__connCompMinArea": "100"}
    frame.show(12)
    assert not_updated(frame.run(**bridged)) == "other dataset"
    frame.show(13)
    assert frame.run(**bridged).record.metrics["inverted"] == "update"


def test_phase_that_is_corrected_by_closure_is_inverted_whole_every_time(frame: GrowingFrame) -> None:
    closed = {"unwrapError__method": "phase_closure", "unwrapError__connCompMinArea": "100"}
    for dates in (12, 13):
        frame.show(dates)
        assert not_updated(frame.run(**closed)) == "what old pairs consist of is not known of each alone"
    frame.show(12)
    assert not_updated(frame.run()) == "the last version kept nothing to go on from"


def test_with_more_than_one_pair_asked_of_each_date_nothing_is_kept_and_the_reason_is_told(frame: GrowingFrame) -> None:
    frame.show(12)
    assert not_updated(frame.run(networkInversion__minRedundancy="2.0")) == "other redundancy"
    told = "the next run will do so too: mintpy.networkInversion.minRedundancy = 2 counts the pairs of all dates"
    assert any(told in line for line in frame.told)
    frame.show(13)
    outcome = frame.run(networkInversion__minRedundancy="2.0")
    assert not_updated(outcome) == "the last version kept nothing to go on from"


def test_what_another_version_of_this_package_kept_is_not_believed(
    frame: GrowingFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inversion_state, "STATE_VERSION", inversion_state.STATE_VERSION + 1)
    frame.show(12)
    assert not_updated(frame.run()) == "what was kept is of another version of this package"
    frame.show(13)
    assert frame.run().record.metrics["inverted"] == "update"


@pytest.mark.parametrize("name", [INVERSION_STATE, SERIES])
def test_a_damaged_last_version_is_not_believed(name: str, frame: GrowingFrame) -> None:
    with h5py.File(frame.workspace.root / name, "r+") as h5:
        h5["kind" if name == INVERSION_STATE else "timeseries"][..., 20, 20] = 7
    frame.show(12)
    assert f"damaged ({name}" in not_updated(frame.run())
    assert frame.run().how == "reused"


def test_a_run_that_was_killed_while_it_published_leads_to_all_pairs(
    frame: GrowingFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame.show(12)
    frame.run(UP_TO_IT)
    place, moved = transaction.move_into_place, []

    def move_one(source: Path, target: Path) -> None:
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        place(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(transaction, "move_into_place", move_one)
        with pytest.raises(KeyboardInterrupt):
            frame.run()
    assert moved == [frame.workspace.root / INVERSION_STATE]
    assert not_updated(frame.run()) == "there is no earlier version"


def test_every_so_often_all_pairs_are_inverted_and_the_drift_is_recorded(
    frame: GrowingFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inversion_update, "FULL_EVERY", 1)
    frame.show(12)
    assert frame.run().record.metrics["inverted"] == "update"
    frame.show(13)
    metrics = frame.run().record.metrics
    assert metrics["not_updated"] == "1 updates since the last time"
    # a tail this short is not forgotten yet: the drift is seen
    assert 0 < metrics["update_drift_mm"] < 10
    frame.show(13, without=f"_{DATES[-1]}")
    assert frame.run().record.metrics["updates"] == 1
