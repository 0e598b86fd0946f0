"""The line of sight against MintPy's own function, and against geometry."""

from __future__ import annotations

import numpy as np
import pytest
from mintpy.utils.utils0 import get_unit_vector4component_of_interest

from sbas_assets.published.line_of_sight import COMPONENTS, TOLERANCE, LineOfSight, component_of

INCIDENCE, AZIMUTH = (
    grid.astype(np.float32) for grid in np.meshgrid(np.linspace(20, 50, 41), np.linspace(-270, 180, 67))
)


@pytest.mark.parametrize("component", COMPONENTS)
def test_it_is_mintpys_vector(component):
    theirs = get_unit_vector4component_of_interest(np.float64(INCIDENCE), np.float64(AZIMUTH), "enu2los")
    mine = component_of(INCIDENCE, AZIMUTH, component)
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, theirs[COMPONENTS.index(component)], rtol=0, atol=TOLERANCE / 2)


def test_it_has_the_length_one_and_points_up():
    east, north, up = (component_of(INCIDENCE, AZIMUTH, name).astype(float) for name in COMPONENTS)
    np.testing.assert_allclose(east**2 + north**2 + up**2, 1, atol=1e-6)
    assert (up > 0).all()


def test_a_descending_right_looking_satellite_is_in_the_east():
    # it flies to the south-south-west and looks to the west-north-west
    east = component_of(np.array([39.0]), np.array([-102.0]), "east")
    assert east[0] == pytest.approx(np.sin(np.radians(39)) * np.sin(np.radians(102)), abs=1e-6)


@pytest.mark.parametrize("component", COMPONENTS)
def test_pixels_without_angles_have_no_vector(component):
    incidence, azimuth = np.array([0, np.nan, 39, 39]), np.array([-102, -102, np.nan, -102])
    assert np.isnan(component_of(incidence, azimuth, component)).tolist() == [True, True, True, False]


def test_blocks_are_parts_of_the_whole_however_they_are_computed(monkeypatch):
    whole = LineOfSight(INCIDENCE, AZIMUTH, "north")
    assert (whole.shape, whole.dtype) == (INCIDENCE.shape, np.float32)
    expected = component_of(INCIDENCE, AZIMUTH, "north")
    monkeypatch.setattr("sbas_assets.published.line_of_sight._STRIP", 100)
    np.testing.assert_array_equal(whole[3:60, 2:40], expected[3:60, 2:40])
