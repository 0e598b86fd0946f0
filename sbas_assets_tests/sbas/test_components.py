"""find_regions numbers the regions that MintPy numbers, and finds the same edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintpy.objects.conncomp import label_boundary, label_conn_comp

from sbas_assets.sbas import components as module
from sbas_assets.sbas.components import find_regions
from sbas_assets_tests.sbas.unwrapped_stacks import components

pytestmark = pytest.mark.filterwarnings("ignore:Parameter `min_size` is deprecated", "ignore:Only one label")


def check(image: np.ndarray, least: float) -> int:
    """Compare with MintPy; return the number of regions."""
    labels, number = label_conn_comp(image.copy(), min_area=least)
    labels, number, boundary = label_boundary(labels, number)
    found = find_regions(image, least)
    assert found.number == number
    np.testing.assert_array_equal(found.labels, labels)
    edges = [np.argwhere(boundary == value) for value in np.unique(boundary[boundary > 0])]
    assert len(found.edges) == len(edges)
    for mine, theirs in zip(found.edges, edges, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    return number


shapes = st.tuples(st.integers(5, 90), st.integers(5, 90))
least_areas = st.sampled_from([0.5, 1, 20, 60.5, 100, 2500.0])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), shapes, st.floats(0.3, 12), st.integers(1, 5), least_areas)
def test_regions_and_edges_equal_mintpys(
    seed: int, shape: tuple[int, int], size: float, levels: int, least: float
) -> None:
    check(components(np.random.default_rng(seed), shape, size, levels), least)


@pytest.mark.parametrize("least", [0, 0.5, 48, 48.5, 49, 49.5, 50, 50.0])
def test_a_region_of_exactly_the_least_area_is_kept_or_not_as_mintpy_does(least: float) -> None:
    image = np.zeros((150, 150), np.int16)
    image[3:10, 3:10] = 1
    image[40:80, 40:80] = 1
    check(image, least)


def test_a_snake_and_a_comb_are_one_region_each() -> None:
    image = np.zeros((60, 60), np.int16)
    image[:, ::8] = 1
    image[-6:] = 1
    image[::12, 30:] = 2
    for start in range(0, 48, 12):
        image[start : start + 6, 40:] = 3
    assert check(image, 1) >= 1
    check(image.T.copy(), 1)


def test_regions_that_the_erosion_takes_away_are_dropped() -> None:
    image = np.zeros((40, 60), np.int16)
    image[2:30, 2:20] = 1
    image[5:9, 30:55] = 2  # four rows: nothing is left of them
    image[12:20, 30:40] = 3
    assert check(image, 1) == 2


def test_a_region_that_is_lost_once_its_neighbour_is_lost_is_dropped_too() -> None:
    image = np.zeros((30, 40), np.int16)
    image[0:12, 0:12] = 1
    image[14:18, 10:30] = 2  # lost
    image[18:22, 10:30] = 3  # touches it, and is as thin
    image[22:28, 20:40] = 4
    check(image, 1)


@pytest.mark.parametrize("value", [0, 1])
def test_an_image_of_one_value_has_no_edge(value: int) -> None:
    found = find_regions(np.full((30, 20), value, np.int16), 100)
    assert (found.number, len(found.edges)) == (value, 0)
    assert (found.labels == value).all()


def test_more_regions_than_a_byte_can_number_are_left_to_mintpy(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((160, 160), np.int16)
    for row in range(0, 160, 8):
        for column in range(0, 160, 8):
            image[row : row + 7, column : column + 7] = 1
    asked = []
    mintpys = module._ask_mintpy
    monkeypatch.setattr(module, "_ask_mintpy", lambda *args: asked.append(args) or mintpys(*args))
    check(image, 1)
    assert len(asked) == 1
    check(image[:80], 1)
    assert len(asked) == 1
