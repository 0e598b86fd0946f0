"""Overlays show every value in its place and colour, and nothing where there is none."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import Normalize
from PIL import Image

from sbas_assets.pictures.overlay import overlay_picture

JET = matplotlib.colormaps["jet"]


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "P")
        return np.asarray(picture.convert("RGBA")).astype(int)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(2, 256), st.integers(0, 2**32 - 1))
def test_colours_are_matplotlibs_but_for_the_outermost_of_many(rows: int, columns: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    values[rng.uniform(0, 1, values.shape) < 0.2] = np.nan
    colormap = JET.resampled(levels)
    picture = opened(overlay_picture(values, limits=(-1.5, 1.0), colormap=colormap))
    scale = picture.shape[0] // rows
    assert picture.shape[:2] == (rows * scale, columns * scale)
    assert max(picture.shape) >= 1200
    expected = colormap(Normalize(-1.5, 1.0, clip=True)(np.ma.masked_invalid(values)), bytes=True)
    known = np.isfinite(values)
    for corner in (0, scale - 1):
        shown = picture[corner::scale, corner::scale]
        assert np.array_equal(shown[..., 3] == 255, known)
        assert np.abs(shown - expected)[known].max(initial=0) <= (0 if levels <= 254 else 5)


def test_the_reference_point_is_a_black_square_in_the_middle_of_its_pixel() -> None:
    picture = opened(overlay_picture(np.ones((30, 60)), limits=(0, 2), colormap=JET, mark=(10, 45)))
    rows, columns = np.nonzero((picture[..., :3] == 0).all(axis=-1))
    scale = picture.shape[0] / 30
    assert abs(rows.mean() + 0.5 - 10.5 * scale) <= 1
    assert abs(columns.mean() + 0.5 - 45.5 * scale) <= 1
    assert np.ptp(rows) == np.ptp(columns) >= 2


@pytest.mark.parametrize("mark", [(0, 0), (29, 59)])
def test_a_reference_point_at_the_edge_is_drawn_as_far_as_there_is_room(mark: tuple[int, int]) -> None:
    picture = opened(overlay_picture(np.ones((30, 60)), limits=(0, 2), colormap=JET, mark=mark))
    assert (picture[..., :3] == 0).all(axis=-1).any()


@pytest.mark.parametrize("values", [np.full((4, 5), np.nan), np.zeros((4, 5)), np.array([[np.inf, -np.inf, 0.0]])])
def test_maps_without_a_range_are_drawn(values: np.ndarray) -> None:
    picture = opened(overlay_picture(values, limits=(0.0, 0.0), colormap=JET))
    scale = picture.shape[0] // len(values)
    assert np.array_equal(picture[::scale, ::scale, 3] > 0, np.isfinite(values))


def test_very_large_maps_are_thinned_out() -> None:
    picture = opened(overlay_picture(np.ones((3, 14500), np.float32), limits=(0, 2), colormap=JET))
    assert picture.shape[1] == 4834
    assert opened(overlay_picture(np.ones((3, 5000), np.float32), limits=(0, 2), colormap=JET)).shape[1] == 5000
