"""The overview of a stack equals MintPy's temporal_average, nonzero_mask and number of open triplets."""

from __future__ import annotations

import itertools
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintpy.objects import ifgramStack
from mintpy.unwrap_error_phase_closure import calc_num_triplet_with_nonzero_integer_ambiguity

from sbas_assets.sbas.overview_plan import triplets
from sbas_assets.sbas.overview_sums import turning_point
from sbas_assets.sbas.product_file import product_file
from sbas_assets.sbas.stack_overview import Coverage, Overview, cover, overview
from sbas_assets.simulate import regular_dates
from sbas_assets_tests.sbas.unwrapped_stacks import write_stack

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

DATES = regular_dates("20200511", 8, 12)
PAIRS = [pair for pair in itertools.combinations(DATES, 2) if DATES.index(pair[1]) - DATES.index(pair[0]) < 4]
NUMBER, SHAPE = len(PAIRS), (37, 53)


def phases(rng: np.random.Generator, number: int, shape: tuple[int, int]) -> np.ndarray:
    """Phases with noise of cycles, zeros, NaN and infinities, some pixels without any data."""
    phase = rng.normal(0, 4, (number, *shape)).astype(np.float32)
    phase[rng.random(phase.shape) < 0.05] = 0
    phase[rng.random(phase.shape) < 0.002] = np.nan
    phase[rng.random(phase.shape) < 0.001] = np.inf
    missing = rng.random(shape) < 0.05
    phase[:, missing] = rng.choice([0, np.nan])
    return phase


def some_stack(folder: Path, seed: int = 1, *, regions: bool = True, shape: tuple[int, int] = SHAPE,
               point: tuple[int, int] = (5, 9)) -> Path:  # fmt: skip
    rng = np.random.default_rng(seed)
    phase = phases(rng, NUMBER, shape)
    phase[:, point[0], point[1]] = rng.normal(0, 3, NUMBER)
    coherence = rng.random(phase.shape, np.float32)
    coherence[rng.random(phase.shape) < 0.01] = np.nan
    coherence[:, :3, :4] = 0
    coherence[:, 4, 4] = np.nan
    found = (rng.random(phase.shape) < 0.98).astype(np.int16) * rng.integers(1, 4, phase.shape, np.int16)
    kept = rng.random(NUMBER) < 0.9
    return write_stack(
        folder / "inputs/ifgramStack.h5",
        PAIRS,
        phase,
        point,
        kept=kept.tolist(),
        coherence=coherence,
        regions=found if regions else None,
    )


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return some_stack(tmp_path)


def mintpys_closures(stack: Path, coherence: np.ndarray, water: np.ndarray | None) -> np.ndarray | None:
    folder = stack.parents[1]
    size = {"LENGTH": coherence.shape[0], "WIDTH": coherence.shape[1]}
    with product_file(folder / "avgSpatialCoh.h5", {"FILE_TYPE": "coherence", **size}, {"coherence": coherence}):
        pass
    mask = None
    if water is not None:
        mask = str(folder / "waterMask.h5")
        with product_file(folder / "waterMask.h5", {"FILE_TYPE": "waterMask", **size}, {"waterMask": water}):
            pass
    picture = "mintpy.utils.plot.plot_num_triplet_with_nonzero_integer_ambiguity"
    with mock.patch(picture):
        made = calc_num_triplet_with_nonzero_integer_ambiguity(str(stack), mask, update_mode=False)
    if made is None:
        return None
    with h5py.File(made, "r") as h5:
        return np.asarray(h5["mask"][:])


@pytest.mark.parametrize("regions", [True, False])
def test_coverage_equals_mintpys_to_the_bit(tmp_path: Path, regions: bool) -> None:
    stack = some_stack(tmp_path, regions=regions)
    found, theirs = cover(stack, 4), ifgramStack(str(stack))
    assert found.coherence.tobytes() == theirs.temporal_average("coherence").tobytes()
    np.testing.assert_array_equal(found.common, theirs.nonzero_mask())
    with h5py.File(stack, "r") as h5:
        phase = h5["unwrapPhase"][:][h5["dropIfgram"][:]]
    np.testing.assert_array_equal(found.valid, (np.isfinite(phase) & (phase != 0)).all(axis=0))
    assert 0 < found.valid.sum() < found.valid.size


@pytest.mark.parametrize("water", [False, True])
def test_velocity_and_open_triplets_equal_mintpys(stack: Path, water: bool) -> None:
    coherence = cover(stack, 4).coherence
    mask = np.arange(coherence.size).reshape(SHAPE) % 7 > 0 if water else None
    found = overview(stack, coherence, mask, 4)
    assert found.velocity.tobytes() == ifgramStack(str(stack)).temporal_average("unwrapPhase").tobytes()
    assert found.closures is not None
    np.testing.assert_array_equal(found.closures, mintpys_closures(stack, coherence, mask))
    assert np.nanmax(found.closures) > 3


def test_beyond_the_width_no_reference_is_taken_off_the_velocity_as_in_mintpy(tmp_path: Path) -> None:
    stack = some_stack(tmp_path, shape=(60, 20), point=(40, 9))
    found = overview(stack, cover(stack, 4).coherence, None, 4)
    assert found.velocity.tobytes() == ifgramStack(str(stack)).temporal_average("unwrapPhase").tobytes()
    assert found.velocity[40, 9] != 0


def test_neither_memory_nor_threads_change_a_bit(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for threads, memory in [("1", 1e-9), ("1", 4.0), ("3", 1e-5), ("2", 4.0)]:
        monkeypatch.setenv("SBAS_THREADS", threads)
        covered = cover(stack, memory)
        seen = overview(stack, covered.coherence, None, memory)
        assert seen.closures is not None
        images = [covered.coherence, covered.common, covered.valid, seen.velocity, seen.closures]
        results.append(b"".join(image.tobytes() for image in images))
    assert len(set(results)) == 1


def test_without_a_triplet_there_are_no_closures(tmp_path: Path) -> None:
    pairs = list(itertools.pairwise(DATES))
    phase = phases(np.random.default_rng(2), len(pairs), SHAPE)
    phase[:, 0, 0] = 1
    stack = write_stack(tmp_path / "inputs/ifgramStack.h5", pairs, phase, (0, 0))
    found = overview(stack, cover(stack, 4).coherence, None, 4)
    assert found.closures is None
    assert mintpys_closures(stack, np.ones(SHAPE, np.float32), None) is None
    assert found.velocity.tobytes() == ifgramStack(str(stack)).temporal_average("unwrapPhase").tobytes()


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1).map(sorted))
def test_triplets_are_those_of_mintpys_design_matrix(numbers: list[tuple[int, int]]) -> None:
    dates = regular_dates("20200511", 10, 12)
    pairs = [(dates[one], dates[two]) for one, two in numbers]
    members, signs = triplets(pairs)
    matrix = ifgramStack.get_design_matrix4triplet(["_".join(pair) for pair in pairs])
    rows = np.zeros((len(members), len(pairs)), np.float32)
    np.put_along_axis(rows, members, signs, axis=1)
    theirs = [] if matrix is None else matrix.tolist()
    assert sorted(rows.tolist()) == sorted(theirs)
    assert (np.diff(members, axis=1) > 0).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 28))
def test_open_triplets_of_any_network_equal_mintpys(
    tmp_path_factory: pytest.TempPathFactory, seed: int, number: int
) -> None:
    rng = np.random.default_rng(seed)
    everything = list(itertools.combinations(DATES, 2))
    chosen = sorted(rng.choice(len(everything), number, replace=False))
    pairs = [everything[place] for place in chosen]
    phase = phases(rng, number, (9, 11))
    phase[:, 3, 3] = 2
    stack = write_stack(tmp_path_factory.mktemp("network") / "inputs/ifgramStack.h5", pairs, phase, (3, 3))
    coherence = np.ones((9, 11), np.float32)
    found, theirs = overview(stack, coherence, None, 4).closures, mintpys_closures(stack, coherence, None)
    assert (found is None) == (theirs is None)
    if found is not None:
        np.testing.assert_array_equal(found, theirs)


@pytest.mark.parametrize(("known", "keep"), [(1, 1), (3, 9), (8, 8), (11, 15), (0, 4)])
def test_going_on_from_what_is_known_gives_the_bytes_of_all_interferograms_and_keeps_the_same(
    stack: Path, known: int, keep: int
) -> None:
    coherence = cover(stack, 4).coherence
    before = cover(stack, 4, keep=known).early, overview(stack, coherence, None, 4, keep=known).early
    ours = cover(stack, 4, before[0], keep=keep), overview(stack, coherence, None, 4, before[1], keep=keep)
    theirs = cover(stack, 4, keep=keep), overview(stack, coherence, None, 4, keep=keep)
    for one, other in zip(ours, theirs, strict=True):
        assert one.early.pairs == other.early.pairs == keep
        assert images_of(one) == images_of(other)


def images_of(found: Coverage | Overview) -> list[bytes]:
    images = [image for name, image in vars(found).items() if name != "early"]
    return [image.tobytes() for image in (*images, *found.early.sums)]


def test_the_turning_point_leaves_the_pairs_of_the_last_date_and_of_the_next_behind_it() -> None:
    pairs = list(PAIRS)
    turn = turning_point(pairs)
    # three connections: the next date is connected with the last three, the last with the three before
    assert {first for first, _ in pairs[turn:]} == set(DATES[-4:-1])
    assert {first for first, _ in pairs[:turn]} == set(DATES[:-4])


def test_pairs_that_reach_over_half_the_series_move_the_turning_point() -> None:
    pairs = sorted([*itertools.pairwise(DATES), (DATES[0], DATES[4])])
    assert pairs[turning_point(pairs)][0] == DATES[-5]
    assert turning_point(sorted([*pairs, (DATES[0], DATES[-1])])) == 0
    assert turning_point([]) == 0
