"""The series at a place, and its plot; what one is told where there is none."""

from __future__ import annotations

from datetime import date

import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.published.point import plot_point, point_series

from .conftest import DATES, FRAME, SHAPE, write_mintpy

# The center of row 12, column 30 of the geo fixtures.
PLACE = (36.5 - 0.001 * 12.5, 25.3 + 0.002 * 30.5)


def test_the_series_at_a_pixels_center_is_that_pixels(whole_frame, store_url):
    point = point_series(store_url, FRAME, *PLACE)
    with h5py.File(whole_frame.timeseries) as file:
        np.testing.assert_array_equal(point.displacement_m, file["timeseries"][:, 12, 30].astype(float))
    with h5py.File(whole_frame.velocity) as file:
        assert point.velocity_m_per_year == file["velocity"][12, 30]
        assert point.velocity_std_m_per_year == file["velocityStd"][12, 30]
    with h5py.File(whole_frame.coherence) as file:
        assert point.temporal_coherence == file["temporalCoherence"][12, 30]
    assert (point.row, point.column) == (12, 30)
    assert (point.latitude, point.longitude) == pytest.approx(PLACE, abs=1e-9)
    assert point.distance_m == pytest.approx(0, abs=1e-3)
    assert [f"{day:%Y%m%d}" for day in point.dates] == DATES
    assert point.dates[0] == date(2020, 1, 5)
    assert (point.reference_latitude, point.reference_longitude) == (36.4965, 25.309)
    assert point.reference_date == "20200105"


def test_anywhere_in_a_pixel_is_that_pixel(whole_frame, store_url):
    for north, east in ((0.4, -0.4), (-0.4, 0.4)):
        point = point_series(store_url, FRAME, PLACE[0] + north * 0.001, PLACE[1] + east * 0.002)
        assert (point.row, point.column) == (12, 30)
    # 0.4 of 111 m northward and 0.4 of 179 m westward.
    assert point.distance_m == pytest.approx(np.hypot(44.4, 71.6), rel=0.01)


def test_pixels_are_mintpys(whole_frame, store_url):
    from mintpy.objects.coord import coordinate

    with h5py.File(whole_frame.timeseries) as file:
        mintpy = coordinate(dict(file.attrs))
    rng = np.random.default_rng(8)
    for lat, lon in zip(rng.uniform(36.4805, 36.499, 20), rng.uniform(25.34, 25.379, 20), strict=True):
        point = point_series(store_url, FRAME, lat, lon)
        assert (point.row, point.column) == mintpy.lalo2yx(lat, lon)
        assert (point.latitude, point.longitude) == pytest.approx(mintpy.yx2lalo(point.row, point.column), abs=1e-9)


def test_whole_turns_of_longitude_do_not_matter(whole_frame, store_url):
    assert point_series(store_url, FRAME, PLACE[0], PLACE[1] - 360).column == 30


@pytest.mark.parametrize("place", [(36.51, 25.33), (36.49, 25.29), (36.46, 25.33), (36.49, 25.381), (95, 25.33)])
def test_places_outside_are_told_the_bounds(whole_frame, store_url, place):
    with pytest.raises(InputError, match=r"latitude 36.47000 to 36.50000, longitude 25.30000 to 25.38000") as caught:
        point_series(store_url, FRAME, *place)
    assert caught.value.code == "point-outside"


@pytest.mark.parametrize("place", [(float("nan"), 25.33), (36.49, float("inf"))])
def test_places_that_are_not_numbers_are_outside(whole_frame, store_url, place):
    with pytest.raises(InputError, match="point-outside"):
        point_series(store_url, FRAME, *place)


@pytest.mark.parametrize("pixel", [(2, 12), (22, 22)])
def test_pixels_of_nan_and_of_mintpys_zero_have_no_data(whole_frame, store_url, pixel):
    with pytest.raises(InputError, match="point-no-data"):
        point_series(store_url, FRAME, 36.5 - 0.001 * (pixel[0] + 0.5), 25.3 + 0.002 * (pixel[1] + 0.5))


def test_the_reference_point_is_zero_and_has_data(geo, publish, store_url):
    publish(geo.timeseries, "timeseries_demErr")
    point = point_series(store_url, FRAME, 36.4965, 25.309)
    assert not point.displacement_m.any()


def test_a_series_alone_is_enough(geo, publish, store_url):
    publish(geo.timeseries, "timeseries_demErr")
    point = point_series(store_url, FRAME, *PLACE)
    assert point.velocity_m_per_year is point.velocity_std_m_per_year is point.temporal_coherence is None


def test_without_a_series_there_is_no_point(geo, publish, store_url):
    publish(geo.velocity, "velocity")
    with pytest.raises(InputError, match=r"product-not-published.*this frame has velocity"):
        point_series(store_url, FRAME, *PLACE)


def test_the_series_in_radar_coordinates_is_the_nearest_pixels(radar, publish, store_url):
    for source, product in ((radar.timeseries, "timeseries_demErr"), (radar.velocity, "velocity")):
        publish(source, product, geometry=radar.geometry)
    with h5py.File(radar.geometry) as file:
        lat, lon = float(file["latitude"][12, 30]), float(file["longitude"][12, 30])
    point = point_series(store_url, FRAME, lat + 0.0001, lon)
    assert (point.row, point.column) == (12, 30)
    assert point.distance_m == pytest.approx(11.1, rel=0.01)
    with h5py.File(radar.velocity) as file:
        assert point.velocity_m_per_year == file["velocity"][12, 30]


@pytest.mark.parametrize("place", [(36.6, 25.33), (36.5, 25.40), (float("nan"), 25.3), (36.49, 200)])
def test_places_beside_a_radar_image_are_outside(radar, publish, store_url, place):
    publish(radar.timeseries, "timeseries_demErr", geometry=radar.geometry)
    with pytest.raises(InputError, match=r"point-outside.*latitude 36\.47"):
        point_series(store_url, FRAME, *place)


def test_a_radar_product_without_coordinates_says_what_to_do(radar, publish, store_url):
    publish(radar.timeseries, "timeseries_demErr")
    with pytest.raises(InputError, match=r"point-no-coordinates.*geometryRadar.h5"):
        point_series(store_url, FRAME, *PLACE)


def test_places_are_found_in_utm(tmp_path, publish, store_url):
    corner = {"Y_FIRST": 4040000, "X_FIRST": 348000, "Y_STEP": -80, "X_STEP": 80, "UTM_ZONE": "35N"}
    data = np.random.default_rng(2).random((2, *SHAPE)).astype(np.float32)
    source = write_mintpy(tmp_path / "ts.h5", {"timeseries": data, "date": np.array(DATES[:2], "S8")}, **corner)
    publish(source, "timeseries_demErr")
    point = point_series(store_url, FRAME, 36.49, 25.31)
    # A degree of latitude is 111 km: the pixel's center is within half a diagonal of the place.
    assert point.distance_m <= np.hypot(40, 40)
    np.testing.assert_array_equal(point.displacement_m, data[:, point.row, point.column].astype(float))
    with pytest.raises(InputError, match=r"latitude 36\.4\d+ to 36\.49\d+, longitude 25\.3"):
        point_series(store_url, FRAME, 36.6, 25.31)


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("PDF", b"%PDF"), ("svg", b"<?xml")])
def test_plots_are_what_their_suffix_says_and_always_the_same(whole_frame, store_url, tmp_path, suffix, magic):
    point = point_series(store_url, FRAME, *PLACE)
    first, second = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    plot_point(point, first)
    plot_point(point, second)
    assert first.read_bytes().startswith(magic)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["plot.gif", "plot", "none/plot.png"])
def test_plots_with_another_suffix_or_folder_are_refused(whole_frame, store_url, tmp_path, name):
    point = point_series(store_url, FRAME, *PLACE)
    with pytest.raises(InputError, match="plot-path-invalid"):
        plot_point(point, tmp_path / name)
