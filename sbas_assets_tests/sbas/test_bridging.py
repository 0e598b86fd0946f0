"""Bridges and shifts of an image equal MintPy's, whatever the shape of its regions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mintpy.objects.conncomp import connectComponent

from sbas_assets.sbas import unwrapping_kernel as kernel
from sbas_assets.sbas.bridging import NO_SHIFT, Bridging, bridging_shifts, closure_shifts, find_bridges
from sbas_assets.sbas.components import Regions, find_regions
from sbas_assets_tests.sbas.unwrapped_stacks import components, phase_of

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::FutureWarning", "ignore:Only one label")


def mintpys(image: np.ndarray, phase: np.ndarray, how: Bridging) -> connectComponent:
    """MintPy's object after its bridging, with the corrected phase as `corrected`."""
    found = connectComponent(conncomp=image.copy(), metadata={"REF_Y": how.point[0], "REF_X": how.point[1]})
    found.label(min_area=how.least)
    found.find_mst_bridge()
    found.corrected = found.unwrap_conn_comp(phase, radius=how.radius, ramp_type=how.ramp)
    return found


def corrected(regions: Regions, phase: np.ndarray, how: Bridging) -> np.ndarray:
    reference = phase[how.point][np.newaxis]
    images = kernel.Images(
        phase=phase[np.newaxis].copy(),
        original=phase[np.newaxis],
        labels=regions.labels[np.newaxis],
        shifts=bridging_shifts(regions, phase, how)[np.newaxis],
        mode=np.array([kernel.REFERENCE_DATA], np.int8),
        reference=reference,
        original_reference=reference,
        end=np.zeros(1, np.float32),
    )
    kernel.shift(images, 0, len(phase), np.zeros(phase.shape, np.int32), np.zeros((1, *phase.shape), bool))
    return np.asarray(images.phase[0])


def some_point(rng: np.random.Generator, regions: Regions, phase: np.ndarray) -> tuple[int, int]:
    """A pixel of a region with a phase; there must be one."""
    places = np.argwhere((regions.labels > 0) & (phase != 0) & ~np.isnan(phase))
    assume(len(places) > 0)
    row, column = places[rng.integers(len(places))]
    return int(row), int(column)


shapes = st.tuples(st.integers(12, 110), st.integers(12, 110))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), shapes, st.floats(1, 10), st.sampled_from([1, 20, 200]), st.sampled_from([1, 3, 50]))
def test_bridges_and_phases_equal_mintpys_to_the_bit(
    seed: int, shape: tuple[int, int], size: float, least: float, radius: int
) -> None:
    rng = np.random.default_rng(seed)
    image = components(rng, shape, size, int(rng.integers(1, 6)))
    phase = phase_of(rng, image)
    regions = find_regions(image, least)
    how = Bridging(some_point(rng, regions, phase), least, radius)
    assume(len(regions.edges) > 0)
    theirs = mintpys(image, phase, how)
    bridges = [(b["label0"], b["label1"], (b["y0"], b["x0"]), (b["y1"], b["x1"])) for b in theirs.bridges]
    assert [tuple(bridge) for bridge in find_bridges(regions, int(theirs.labelRef))] == bridges
    assert corrected(regions, phase, how).tobytes() == theirs.corrected.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["linear", "quadratic"]), st.floats(4, 10))
def test_with_a_ramp_the_phases_equal_mintpys_but_for_its_rounding(seed: int, ramp: str, size: float) -> None:
    rng = np.random.default_rng(seed)
    image = components(rng, (100, 90), size, 2)
    phase = phase_of(rng, image)
    regions = find_regions(image, 100)
    how = Bridging(some_point(rng, regions, phase), 100, 50, ramp)
    theirs = mintpys(image, phase, how).corrected
    np.testing.assert_allclose(corrected(regions, phase, how), theirs, rtol=0, atol=1e-4)


def test_a_ramp_that_the_pixels_do_not_determine_is_mintpys() -> None:
    image = np.zeros((60, 60), np.int16)
    image[10:30, 10:30] = 1
    image[35:55, 35:55] = 2
    phase = np.zeros(image.shape, np.float32)
    phase[20, 10:30] = np.arange(1, 21)  # one row: no slope across
    phase[35:55, 35:55] = 30
    how = Bridging((20, 12), 1, 50, "linear")
    theirs = mintpys(image, phase, how).corrected
    np.testing.assert_allclose(corrected(find_regions(image, 1), phase, how), theirs, rtol=0, atol=1e-4)


def test_a_region_that_is_the_whole_image_stays_as_it_is() -> None:
    regions = find_regions(np.ones((30, 30), np.int16), 1)
    shifts = bridging_shifts(regions, np.ones((30, 30), np.float32), Bridging((3, 3), 1, 50))
    np.testing.assert_array_equal(shifts, NO_SHIFT)
    assert np.signbit(shifts).all()


def test_closure_shifts_belong_to_the_region_around_all_samples_of_a_common_region() -> None:
    image = np.zeros((60, 60), np.int16)
    image[2:20, 2:20] = 1
    image[2:20, 30:58] = 2
    image[30:50, 2:58] = 3
    regions = find_regions(image, 1)
    inside = np.array([[5, 5], [10, 10]])
    across = np.array([[5, 5], [5, 40]])
    outside = np.array([[5, 5], [25, 5]])
    below = np.array([[40, 40], [35, 5]])
    shifts = closure_shifts(regions, [(across, 9.0), (outside, 8.0), (inside, -2.0), (inside, 5.0), (below, 1.0)])
    np.testing.assert_array_equal(shifts[:4], [0, -4 * np.pi, 0, 2 * np.pi])
    assert np.signbit(shifts[[0, 4, 255]]).all()
