"""A stack corrected by bridging and by phase closure equals what MintPy writes, with whatever options."""

from __future__ import annotations

import itertools
import shutil
from argparse import Namespace
from pathlib import Path

import h5py
import numpy as np
import pytest
from mintpy.unwrap_error_bridging import run_unwrap_error_bridging
from mintpy.unwrap_error_phase_closure import correct_unwrap_error_phase_closure
from scipy import ndimage

from sbas_assets.errors import InputError
from sbas_assets.sbas.product_file import product_file
from sbas_assets.sbas.stack_unwrapping import Source, Target, bridge_stack, close_stack
from sbas_assets.simulate import regular_dates
from sbas_assets_tests.sbas.unwrapped_stacks import add_dataset, components, phase_of, write_stack

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::FutureWarning", "ignore:Only one label")

DATES = regular_dates("20200511", 6, 12)
PAIRS = [pair for pair in itertools.combinations(DATES, 2) if DATES.index(pair[1]) - DATES.index(pair[0]) < 4]
SHAPE = (70, 90)
POINT = (22, 21)
DROPPED = [2, 9]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Components that all pairs have in common, with a different fringe of others around each pair's."""
    rng = np.random.default_rng(7)
    images = np.array([components(rng, SHAPE, 5, 3) for _ in PAIRS])
    images[:, 8:40, 8:38] = 1
    images[:, 45:66, 50:88] = 2
    phase = np.array([phase_of(rng, image) for image in images])
    phase[:, POINT[0], POINT[1]] = rng.normal(0, 3, len(PAIRS))
    kept = [number not in DROPPED for number in range(len(PAIRS))]
    folder = tmp_path_factory.mktemp("unwrapping")
    water = np.ones(SHAPE, np.bool_)
    water[:, 60:64] = False
    attributes = {"FILE_TYPE": "waterMask", "LENGTH": SHAPE[0], "WIDTH": SHAPE[1]}
    with product_file(folder / "waterMask.h5", attributes, {"waterMask": water}):
        pass
    common = (images != 0).all(axis=0)
    with product_file(folder / "maskConnComp.h5", attributes | {"FILE_TYPE": "mask"}, {"mask": common}):
        pass
    return write_stack(folder / "inputs/ifgramStack.h5", PAIRS, phase, POINT, kept=kept, regions=images)


def source(h5: h5py.File, phase: str = "unwrapPhase", water: bool = False, least: float = 60) -> Source:
    mask = Path(h5.filename).parents[1] / "waterMask.h5"
    return Source(
        phase=h5[phase],
        original=h5["unwrapPhase"],
        components=h5["connectComponent"],
        pairs=["_".join(pair) for pair in PAIRS],
        wanted=np.arange(len(PAIRS)),
        kept=h5["dropIfgram"][:],
        point=POINT,
        least=least,
        water=read(mask, "waterMask") if water else None,
    )


def read(path: Path, name: str) -> np.ndarray:
    with h5py.File(path, "r") as h5:
        return np.asarray(h5[name][()])


def bridged(stack: Path, folder: Path, *, memory: float = 4, water: bool = False, radius: int = 50,
            ramp: str | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The corrected phase, and in how many pairs each pixel moved."""
    copied = copy(stack, folder)
    add_dataset(copied, "unwrapPhase_bridging")
    with h5py.File(copied, "r+") as h5:
        done = bridge_stack(source(h5, water=water), whole(h5["unwrapPhase_bridging"]), radius, ramp, memory)
        np.testing.assert_array_equal(done.seen, np.count_nonzero(h5["unwrapPhase"][:], axis=(1, 2)))
        return h5["unwrapPhase_bridging"][:], done.moved


def whole(dataset: h5py.Dataset) -> Target:
    return Target(dataset, np.arange(len(PAIRS)))


def copy(stack: Path, folder: Path) -> Path:
    shutil.copytree(stack.parents[1], folder)
    return folder / "inputs" / stack.name


def slowly_moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """By more than half a cycle against the reference point, in pairs that are kept."""
    at = (slice(None), slice(POINT[0], POINT[0] + 1), slice(POINT[1], POINT[1] + 1))
    change = np.abs((after - after[at]) - (before - before[at]))
    change[DROPPED] = 0
    return np.asarray(((before != 0) & (change > np.pi)).sum(axis=0))


@pytest.mark.parametrize(
    ("water", "radius", "ramp"),
    [(False, 50, None), (True, 50, None), (False, 2, None), (True, 3, "linear"), (False, 50, "quadratic")],
)
def test_bridged_phases_equal_mintpys(stack: Path, tmp_path: Path, water: bool, radius: int, ramp: str | None) -> None:
    ours, moved = bridged(stack, tmp_path / "ours", water=water, radius=radius, ramp=ramp)
    theirs = copy(stack, tmp_path / "theirs")
    mask = str(theirs.parents[1] / "waterMask.h5") if water else None
    options = Namespace(
        ifgram_file=str(theirs), waterMaskFile=mask, connCompMinArea=60, ramp=ramp, bridgePtsRadius=radius
    )
    run_unwrap_error_bridging(str(theirs), mask, ramp, radius, 60, inps=options)
    expected = read(theirs, "unwrapPhase_bridging")
    if ramp is None:
        assert ours.tobytes() == expected.tobytes()
    else:
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(moved, slowly_moved(read(stack, "unwrapPhase"), ours))
    assert moved.max() > 0
    np.testing.assert_array_equal(ours[DROPPED], read(stack, "unwrapPhase")[DROPPED])


@pytest.mark.parametrize("before", ["unwrapPhase", "unwrapPhase_bridging"])
@pytest.mark.parametrize("water", [False, True])
def test_phases_that_close_equal_mintpys(stack: Path, tmp_path: Path, before: str, water: bool) -> None:
    bridged(stack, tmp_path / "work")
    work = tmp_path / "work/inputs/ifgramStack.h5"
    mask = str(work.parents[1] / "waterMask.h5") if water else None
    regions = common_regions(read(stack, "connectComponent"))
    correct_unwrap_error_phase_closure(str(work), regions, mask, dsNameIn=before, dsNameOut="theirs", cc_min_area=60)
    add_dataset(work, "ours")
    with h5py.File(work, "r+") as h5:
        common = [(region.sample_coords, region.int_ambiguity) for region in regions]
        moved = close_stack(source(h5, before, water), whole(h5["ours"]), common, 4).moved
        assert h5["ours"][:].tobytes() == h5["theirs"][:].tobytes()
        np.testing.assert_array_equal(moved, slowly_moved(h5["unwrapPhase"][:], h5["ours"][:]))
    assert moved.max() > 0


def common_regions(images: np.ndarray) -> list[Namespace]:
    """Regions in all images, with some pixels and cycles of each; whatever the closures would say."""
    rng = np.random.default_rng(3)
    labels, count = ndimage.label((images != 0).all(axis=0))
    kept = ["_".join(pair) for number, pair in enumerate(PAIRS) if number not in DROPPED]
    found = []
    for number in sorted(range(1, count + 1), key=lambda number: -int((labels == number).sum())):
        places = np.argwhere(labels == number)
        found.append(
            Namespace(
                sample_coords=places[rng.integers(0, len(places), 10)],
                int_ambiguity=rng.integers(-2, 3, len(kept)).astype(float),
                date12_list=kept,
            )
        )
    return found


def test_neither_memory_nor_threads_change_a_bit(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for number, (threads, memory) in enumerate([("1", 1e-9), ("1", 4.0), ("3", 1e-9), ("2", 4.0)]):
        monkeypatch.setenv("SBAS_THREADS", threads)
        results.append(bridged(stack, tmp_path / str(number), memory=memory))
    assert len({phase.tobytes() for phase, _ in results}) == 1
    assert len({moved.tobytes() for _, moved in results}) == 1


def test_a_reference_point_in_no_large_region_is_refused_with_the_pair_named(stack: Path, tmp_path: Path) -> None:
    copied = copy(stack, tmp_path / "work")
    with h5py.File(copied, "r+") as h5:
        h5["connectComponent"][4, 15:30, 15:30] = 0
        h5["connectComponent"][4, 21:24, 20:23] = 5
        with pytest.raises(InputError, match="_".join(PAIRS[4])) as caught:
            bridge_stack(source(h5), whole(h5["unwrapPhase"]), 50, None, 4)
    assert caught.value.code == "conncomp-too-small"
    assert "row 22, column 21" in str(caught.value)
