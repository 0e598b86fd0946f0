"""An update bridges new and changed pairs only, and the corrected stack is the one that bridging all pairs gives."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets import digests as digests_module
from sbas_assets.digests import Digests
from sbas_assets.errors import InputError
from sbas_assets.mintpy import bridged_segments
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.mintpy.stack_segments import CROWD
from sbas_assets.mintpy.unwrapping import UNWRAP_PHASE_CORRECTED
from sbas_assets.mintpy.workfolder import CORRECTED_STACK
from sbas_assets.provenance import damaged_outputs, read_record
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.step import Outcome
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import Delivery, segments
from sbas_assets_tests.mintpy.test_network_and_unwrapping import mintpys_correction, read
from sbas_assets_tests.mintpy.updates_at_work import (
    BRIDGING,
    RUN,
    STEPS,
    as_one_file,
    at_once,
    bridged,
    bytes_read,
    images_read,
    killed_at,
    made,
    recorded,
)

DATES = regular_dates("20200511", 7, 24)
LENGTH, WIDTH = 72, 77


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bridging") / "whole"
    simulate_stack(
        SimulationConfig(length=LENGTH, width=WIDTH, dates=DATES, seed=5, unwrap_jump_probability=0.5), folder
    )
    return folder


@pytest.fixture
def frame(delivery: Delivery, loader: Loader) -> Loader:
    """Of all dates but the last."""
    loader.options = {**BRIDGING}
    delivery.bring(delivery.among(DATES[:-1]))
    assert pairs_corrected(made(loader)) == len(delivery.pairs)
    assert len(segments(loader, CORRECTED_STACK)) == 1
    return loader


def pairs_corrected(outcome: Outcome) -> int:
    assert "not_updated" not in outcome.record.metrics
    return int(outcome.record.metrics["pairs_corrected"])


def require_as_at_once(loader: Loader, folder: Path) -> None:
    ours, theirs = bridged(loader), bridged(at_once(loader, folder))
    assert [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)] == []
    assert ours["metrics"]["interferograms_changed_per_pixel_max"] > 0
    files = {out.path for out in recorded(loader, UNWRAP_PHASE_CORRECTED).outputs if out.path.startswith("inputs")}
    there = (loader.root / "inputs/unwrapPhase_corrected").rglob("*.h5")
    assert files == {str(path.relative_to(loader.root)) for path in there}


def test_date_by_date_new_pairs_are_bridged_and_all_are_as_if_bridged_at_once(
    delivery: Delivery, loader: Loader, tmp_path: Path
) -> None:
    loader.options = {**BRIDGING}
    before: set[str] = set()
    for number in range(3, len(DATES) + 1):
        delivery.bring(delivery.among(DATES[:number]))
        assert pairs_corrected(made(loader)) == len(set(delivery.pairs) - before)
        before = set(delivery.pairs)
    assert len(segments(loader, CORRECTED_STACK)) == len(DATES) - 2
    require_as_at_once(loader, tmp_path / "at once")
    assert loader.load(STEPS)[-1].how == "reused"


def test_an_update_reads_the_images_of_new_pairs_only(
    delivery: Delivery, frame: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests_module, "SETTLED_NS", 0)
    old = set(delivery.pairs)
    delivery.bring(delivery.among(DATES))
    frame.load(STEPS[:-1])
    frame.load(STEPS[1:3])
    new = set(delivery.pairs) - old
    before = bytes_read()
    with images_read(monkeypatch) as found:
        execute(UNWRAP_PHASE_CORRECTED, frame.frame, RUN)
    assert found == {"unwrapPhase": new, "connectComponent": new}
    # what is kept of the old ones is not read either, but for the map of what moved
    assert bytes_read() - before < LENGTH * WIDTH * (3 * (4 + 2 + 4) + 4) + 12e6
    (_, fresh) = sorted(segments(frame, CORRECTED_STACK), key=os.path.getmtime)
    assert fresh.stat().st_size < 1.3 * len(new) * LENGTH * WIDTH * 4


def test_an_updated_stack_is_mintpys(delivery: Delivery, frame: Loader, folder: Path, log: Path) -> None:
    delivery.bring(delivery.among(DATES))
    assert pairs_corrected(made(frame)) == 3
    plain = as_one_file(frame, folder)
    lines = [f"{name} = {value}\n" for name, value in BRIDGING.items()]
    (folder / "smallbaselineApp.cfg").write_text("".join(lines))
    run_in_folder(folder, log, lambda: mintpys_correction("bridging"))
    name = "unwrapPhase_bridging"
    assert read(frame.root / CORRECTED_STACK, name).tobytes() == read(plain, name).tobytes()


def test_pairs_that_were_replaced_back_filled_or_left_out_are_bridged_alone(
    delivery: Delivery, frame: Loader, tmp_path: Path
) -> None:
    delivery.replace(delivery.pairs[4], by=7.0)
    assert pairs_corrected(made(frame)) == 1
    require_as_at_once(frame, tmp_path / "replaced")
    gone = [pair for pair in delivery.pairs if DATES[2] in pair]
    delivery.withdraw(gone[:2])
    assert pairs_corrected(made(frame)) == 0
    require_as_at_once(frame, tmp_path / "withdrawn")
    delivery.withdraw(gone[2:])
    made(frame)
    delivery.bring(gone)
    assert pairs_corrected(made(frame)) <= len(gone)
    require_as_at_once(frame, tmp_path / "back-filled")
    # what the network drops is shown as it is
    frame.options = {**frame.options, "mintpy.network.excludeDate12": delivery.pairs[1]}
    assert pairs_corrected(made(frame)) == 1
    require_as_at_once(frame, tmp_path / "dropped")


def test_segments_that_have_become_many_are_copied_into_one(delivery: Delivery, frame: Loader, tmp_path: Path) -> None:
    for number in range(CROWD):
        delivery.replace(delivery.pairs[number % 3], by=0.5)
        assert pairs_corrected(made(frame)) == 1
    assert len(segments(frame, CORRECTED_STACK)) < CROWD
    delivery.withdraw(set(delivery.pairs) - set(delivery.among(DATES[:4])))
    assert pairs_corrected(made(frame)) == 0
    require_as_at_once(frame, tmp_path / "at once")


@pytest.mark.parametrize(
    "options",
    [
        {"mintpy.reference.yx": "16, 16"},
        {"mintpy.unwrapError.connCompMinArea": "200"},
        {"mintpy.unwrapError.ramp": "linear"},
        {"mintpy.unwrapError.bridgePtsRadius": "3"},
        {"mintpy.unwrapError.waterMaskFile": "water.h5"},
    ],
    ids=lambda options: next(iter(options)).rsplit(".", 1)[-1],
)
def test_another_option_or_reference_point_bridges_all_pairs(
    options: dict[str, str], delivery: Delivery, frame: Loader
) -> None:
    with h5py.File(frame.root / "water.h5", "w") as h5:
        h5["waterMask"] = np.arange(LENGTH * WIDTH).reshape(LENGTH, WIDTH) % 70 > 0
        h5.attrs.update({"FILE_TYPE": "waterMask", "LENGTH": str(LENGTH), "WIDTH": str(WIDTH)})
    frame.options = {**frame.options, **options}
    assert pairs_corrected(made(frame)) == len(delivery.pairs)
    delivery.bring(delivery.among(DATES))
    assert pairs_corrected(made(frame)) == 3


def test_other_code_another_mintpy_or_unknown_contents_bridge_all_pairs(
    delivery: Delivery, frame: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = replace(UNWRAP_PHASE_CORRECTED, code_version="later")
    assert pairs_corrected(made(frame, (later,))) == len(delivery.pairs)
    with monkeypatch.context() as patched:
        patched.setattr(bridged_segments, "version", lambda _: "9.9")
        frame.frame.workspace.record("unwrapPhase_corrected").unlink()
        assert pairs_corrected(made(frame, (later,))) == len(delivery.pairs)
    monkeypatch.setattr(bridged_segments, "loaded_identities", lambda _: {})
    frame.frame.workspace.record("unwrapPhase_corrected").unlink()
    assert pairs_corrected(made(frame, (later,))) == len(delivery.pairs)


def test_what_is_damaged_is_bridged_again_alone(delivery: Delivery, frame: Loader, tmp_path: Path) -> None:
    delivery.bring(delivery.among(DATES))
    made(frame)
    old, new = sorted(segments(frame, CORRECTED_STACK), key=os.path.getsize, reverse=True)
    with h5py.File(new, "r+") as h5:
        h5["unwrapPhase_bridging"][0, 9, 9] += 1
    assert pairs_corrected(made(frame)) == 3
    old.unlink()
    assert pairs_corrected(made(frame)) == len(delivery.pairs) - 3
    (frame.root / CORRECTED_STACK).unlink()
    assert pairs_corrected(made(frame)) == 0
    require_as_at_once(frame, tmp_path / "at once")


def test_phase_closure_looks_at_all_pairs_says_so_and_leaves_no_segments(delivery: Delivery, frame: Loader) -> None:
    frame.options = {**frame.options, "mintpy.unwrapError.method": "bridging+phase_closure"}
    metrics = made(frame).record.metrics
    assert metrics["not_updated"] == "phase closure looks at all pairs"
    assert metrics["pairs_corrected"] == len(delivery.pairs)
    assert segments(frame, CORRECTED_STACK) == []
    frame.options = {**frame.options, "mintpy.unwrapError.method": "no"}
    assert frame.load(STEPS)[-1].how == "passed-through"
    assert not (frame.root / CORRECTED_STACK).exists()
    frame.options = {**frame.options, "mintpy.unwrapError.method": "bridging"}
    assert pairs_corrected(made(frame)) == len(delivery.pairs)


def test_a_new_pair_whose_reference_point_is_in_no_region_is_refused_and_the_old_stack_stays(
    delivery: Delivery, frame: Loader
) -> None:
    before = bridged(frame)
    delivery.bring(delivery.among(DATES))
    pair = f"{DATES[-2]}_{DATES[-1]}"
    image = delivery.stack / f"merged/interferograms/{pair}/filt_fine.unw.conncomp"
    data = np.fromfile(image, np.uint8).reshape(LENGTH, WIDTH)
    data[12:19, 13:20] = 0
    data[15, 16] = 7
    data.tofile(image)
    with pytest.raises(InputError, match=pair) as caught:
        frame.load(STEPS)
    assert caught.value.code == "conncomp-too-small"
    record = recorded(frame, UNWRAP_PHASE_CORRECTED)
    assert damaged_outputs(Digests(), frame.frame.workspace, record) == []
    with h5py.File(frame.root / CORRECTED_STACK) as h5:
        assert h5["unwrapPhase_bridging"][()].tobytes() == before["unwrapPhase_bridging"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_update_killed_at_any_moment_is_taken_up_by_the_next(
    delivery: Delivery, frame: Loader, tmp_path: Path, exhaustive: bool
) -> None:
    delivery.bring(delivery.among(DATES))
    delivery.replace(delivery.pairs[2])
    frame.load(STEPS[:-1])
    right = bridged(at_once(frame, tmp_path / "at once"))
    corrected = []
    for moment in range(1, 100, 1 if exhaustive else 3):
        copy = Loader(tmp_path / "killed", frame.stack, frame.options)
        shutil.copytree(frame.folder / "root", copy.folder / "root")
        if not killed_at(copy, UNWRAP_PHASE_CORRECTED, moment):
            break
        record = read_record(copy.frame.workspace, UNWRAP_PHASE_CORRECTED.name)
        assert record is None or damaged_outputs(Digests(), copy.frame.workspace, record) == []
        outcome = execute(UNWRAP_PHASE_CORRECTED, copy.frame, RUN)
        if outcome.how != "reused":
            corrected.append(pairs_corrected(outcome))
        assert bridged(copy) == right
        shutil.rmtree(copy.folder)
    # once the new segment has its name nothing is bridged again
    assert corrected == sorted(corrected, reverse=True)
    assert set(corrected) == {4, 0}
