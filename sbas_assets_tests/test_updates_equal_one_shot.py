"""A frame whose stack came in several deliveries has the products, to the bit, of one whose stack was there at once."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, differences, product_files
from sbas_assets_tests.mintpy.stack_deliveries import PAIRS, Delivery

pytestmark = pytest.mark.long

DATES = regular_dates("20200511", 8, 24)
STACK = "inputs/ifgramStack.h5"
OPTIONS = {
    "mintpy.reference.yx": "9, 8",
    "mintpy.network.excludeDate": DATES[2],
    "mintpy.troposphericDelay.method": "height_correlation",
    "mintpy.unwrapError.method": "bridging+phase_closure",
    "mintpy.unwrapError.connCompMinArea": "500",
    "mintpy.networkInversion.maskDataset": "connectComponent",
    "mintpy.deramp": "linear",
    "mintpy.load.compression": "lzf",
}


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrameAtWork, FrameAtWork]:
    """In four deliveries, the last of a date between the others; and at once."""
    folder = tmp_path_factory.mktemp("deliveries")
    simulate_stack(SimulationConfig(length=72, width=80, dates=DATES, seed=5), folder / "whole")
    delivery = Delivery.begin(folder / "whole", folder / "stack")
    updated = FrameAtWork(folder / "updated", delivery.stack, OPTIONS)
    for dates in (DATES[:6], [*DATES[:4], *DATES[5:7]], [*DATES[:4], *DATES[5:]], DATES):
        delivery.withdraw(set(delivery.pairs) - set(delivery.among(dates)))
        delivery.bring(delivery.among(dates))
        # a whole run in the beginning and in the end
        result = updated.run("ifgramStack" if dates != DATES[:6] and dates != DATES else None)
        assert result.success, result.errors
    at_once = FrameAtWork(folder / "at_once", delivery.stack, OPTIONS)
    result = at_once.run()
    assert result.success, result.errors
    return updated, at_once


def segments(frame: FrameAtWork) -> list[str]:
    return [name for name in product_files(frame.workspace.root) if name.startswith("inputs/ifgramStack/")]


def test_every_product_is_the_same_to_the_bit(frames: tuple[FrameAtWork, FrameAtWork]) -> None:
    updated, at_once = frames
    assert (len(segments(updated)), len(segments(at_once))) == (4, 1)
    names = [set(product_files(frame.workspace.root)) - set(segments(frame)) for frame in frames]
    assert names[0] == names[1]
    assert "geo/geo_velocity.h5" in names[0]
    for name in sorted(names[0]):
        assert differences(updated.workspace.root / name, at_once.workspace.root / name, 0) == [], name


def test_a_view_of_the_stack_shows_the_pixels_of_its_segments(frames: tuple[FrameAtWork, FrameAtWork]) -> None:
    root = frames[0].workspace.root
    with h5py.File(root / STACK) as stack, h5py.File(root / "inputs/unwrapPhase_corrected/ifgramStack.h5") as view:
        assert view["unwrapPhase"].virtual_sources()[0].file_name == "../ifgramStack.h5"
        for name in ("unwrapPhase", "coherence", "connectComponent"):
            assert stack[name].is_virtual
            assert np.array_equal(view[name][()], stack[name][()])
            assert all(image.any() for image in view[name][()])


def test_mintpys_own_reader_and_loader_take_the_segments_for_a_stack(
    frames: tuple[FrameAtWork, FrameAtWork],
) -> None:
    from mintpy.objects import ifgramStack
    from mintpy.utils import readfile

    updated, at_once = (str(frame.workspace.root / STACK) for frame in frames)
    pairs = sorted(path.name for path in (Path(frames[0].stack) / PAIRS).iterdir())
    for name in ("unwrapPhase", f"coherence-{pairs[-1]}", "connectComponent"):
        ours, theirs = (readfile.read(file, datasetName=name, box=(3, 10, 60, 50)) for file in (updated, at_once))
        assert np.array_equal(ours[0], theirs[0])
        assert np.any(ours[0])
    stacks = [ifgramStack(file) for file in (updated, at_once)]
    for stack in stacks:
        stack.open(print_msg=False)
    assert stacks[0].get_date12_list() == stacks[1].get_date12_list() == pairs
    averages = [stack.temporal_average(datasetName="coherence")[0] for stack in stacks]
    assert np.array_equal(*averages)


def test_a_further_run_reuses_everything(frames: tuple[FrameAtWork, FrameAtWork]) -> None:
    result = frames[0].run()
    assert result.success, result.errors
    assert set(result.outcome.values()) == {"reused"}
