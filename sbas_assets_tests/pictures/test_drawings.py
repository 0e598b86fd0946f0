"""Pictures are small, have a palette, are the same every time, and bear odd input."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from PIL import Image

from sbas_assets.pictures import drawings
from sbas_assets.pictures.canvas import MAX_BYTES, decimate, robust_limits

RNG = np.random.default_rng(5)
DATES = [f"20{year}{month:02d}05" for year in (19, 20) for month in range(1, 13)]
BPERP = dict(zip(DATES, RNG.normal(0, 60, 24).tolist(), strict=True))
PAIRS = list(pairwise(DATES))
NOISE = RNG.normal(0, 0.01, (900, 1100)).astype(np.float32)

DRAWINGS = {
    "map": lambda: drawings.map_picture(NOISE, title="velocity", label="m/year", mark=(40, 50)),
    "flipped": lambda: drawings.map_picture(NOISE, title="v", label="m", flip_ud=True, flip_lr=True),
    "series_maps": lambda: drawings.series_maps_picture(lambda i: NOISE * i, DATES, title="d", label="m"),
    "network": lambda: drawings.network_picture(PAIRS[2:], BPERP, PAIRS[:2], dict.fromkeys(PAIRS, 0.6)),
    "bars": lambda: drawings.series_picture(DATES, range(24), title="RMS", label="m", highlight=DATES[:2]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_pictures_are_small_palette_pngs_and_always_the_same(name):
    data = DRAWINGS[name]()
    assert len(data) <= MAX_BYTES
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "P")
        assert picture.width >= 200
        assert not picture.info.keys() & {"Software", "Creation Time", "date"}
    assert DRAWINGS[name]() == data


def test_flipping_changes_the_picture_as_flipping_the_array_does():
    half = np.zeros((40, 40), np.float32)
    half[:20] = 1
    plain = drawings.map_picture(half, title="", label="")
    assert drawings.map_picture(half, title="", label="", flip_ud=True) != plain
    assert drawings.map_picture(half, title="", label="", flip_lr=True) != plain


@pytest.mark.parametrize(
    "array",
    [np.full((30, 40), np.nan), np.zeros((30, 40)), np.ones((1, 1)), np.eye(9, dtype=bool), np.ones((9, 900))],
)
def test_maps_without_a_range_are_still_drawn(array):
    assert drawings.map_picture(array, title="t", label="l")


def test_nothing_to_draw_is_still_a_picture():
    assert drawings.series_maps_picture(NOISE.__getitem__, [], title="t", label="l")
    assert drawings.network_picture([], {})
    assert drawings.series_picture([], [], title="t", label="l")


def test_only_nine_maps_are_read_with_the_first_and_the_last():
    seen = []

    def read(index: int) -> np.ndarray:
        seen.append(index)
        return NOISE[:50, :50]

    drawings.series_maps_picture(read, DATES, title="t", label="l")
    assert len(seen) == 9
    assert (seen[0], seen[-1]) == (0, 23)


def test_limits_ignore_outliers_and_center_on_zero():
    values = np.concatenate([np.linspace(-1, 3, 1000), [1e9, np.nan]])
    low, high = robust_limits([values], None, None)
    assert low == -high
    assert 2.5 < high < 3.1
    assert robust_limits([values], -2.0, 5.0) == (-2.0, 5.0)


def test_large_maps_are_decimated():
    assert decimate(np.ones((5000, 100)), 800).shape == (715, 100)


def test_drawing_never_imports_pyplot():
    code = (
        "import sys, numpy as np; from sbas_assets.pictures import drawings;"
        "from sbas_assets.published import reading;"
        "drawings.map_picture(np.eye(4), title='', label='');"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("cmap", ["RdBu", "jet"])
def test_the_ends_of_a_colour_map_stay_apart_in_a_noisy_picture(cmap):
    data = drawings.map_picture(NOISE, title="v", label="m", cmap=cmap)
    with Image.open(io.BytesIO(data)) as picture:
        shown = {color for _, color in picture.convert("RGB").getcolors()}
    for end in (0.0, 1.0):
        wanted = 255 * np.array(matplotlib.colormaps[cmap](end)[:3])
        assert min(np.abs(wanted - color).max() for color in shown) < 60


@pytest.mark.parametrize(("share", "height"), [(0.0, 480), (0.5, 480), (1.0, 360)])
def test_noise_costs_colours_first_and_then_pixels(share, height):
    array = np.where(np.arange(1100) < share * 1100, NOISE, 0)
    with Image.open(io.BytesIO(drawings.map_picture(array, title="v", label="m"))) as picture:
        assert picture.height == height


def test_maps_of_a_series_are_flipped_as_the_single_map_is():
    half = np.zeros((40, 60), np.float32)
    half[:20] = 1
    plain = drawings.series_maps_picture(lambda _: half, DATES[:4], title="", label="")
    up = drawings.series_maps_picture(lambda _: half[::-1], DATES[:4], title="", label="", flip_ud=True)
    left = drawings.series_maps_picture(lambda _: half.T[:, ::-1], DATES[:4], title="", label="", flip_lr=True)
    assert up == plain
    assert left == drawings.series_maps_picture(lambda _: half.T, DATES[:4], title="", label="")
