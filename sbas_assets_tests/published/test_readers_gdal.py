"""A published frame opened by GDAL: arrays of the Zarr groups, their levels, and Cloud-Optimized GeoTIFFs.

QGIS reads rasters by GDAL and cannot be started here; what GDAL tells is what QGIS shows.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
import rasterio
import xarray as xr

from .conftest import DATES
from .published_frame import CORNER, EPSG, SIGN, SIZE, PublishedFrame, level

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

GDAL = tuple(map(int, rasterio.__gdal_version__.split(".")[:2]))
# rasterio 1.5 has 3.12, and the wheel that has 3.13 (gdal-wheel 3.13.3) was built without the Zarr driver
NEEDS_3_13 = pytest.mark.skipif(
    GDAL < (3, 13), reason=f"rasterio has GDAL {rasterio.__gdal_version__}; shards and levels are read from 3.13 on"
)


def test_a_map_has_its_numbers_crs_place_and_unit(frame: PublishedFrame) -> None:
    with rasterio.open(frame.in_gdal("velocity", "velocity")) as data:
        assert data.crs.to_epsg() == EPSG
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        assert data.units == ("m/year",)
        assert np.isnan(data.nodata)
        assert data.tags()["sign_convention"] == SIGN
        np.testing.assert_array_equal(data.read(1), frame.numbers("velocity", "velocity"))


def test_a_series_has_a_band_for_each_date(frame: PublishedFrame) -> None:
    # of the copy for maps: GDAL 3.12 and older read no shards
    with rasterio.open(frame.in_gdal("timeseries_demErr", "maps/0/displacement")) as data:
        assert (data.crs.to_epsg(), data.units) == (EPSG, ("m",) * len(DATES))
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        assert data.tags()["sign_convention"] == SIGN
        np.testing.assert_array_equal(data.read(), frame.numbers("timeseries_demErr", "timeseries"))
        tags = data.tags(3)
        first, days = tags["DIM_time_UNIT"].removeprefix("days since "), int(tags["DIM_time_VALUE"])
        assert date.fromisoformat(first) + timedelta(days) == date.fromisoformat(DATES[2])


def test_one_date_of_a_series_is_a_map(frame: PublishedFrame) -> None:
    with rasterio.open(frame.in_gdal("timeseries_demErr", "maps/0/displacement:3")) as data:
        assert (data.count, data.crs.to_epsg()) == (1, EPSG)
        np.testing.assert_array_equal(data.read(1), frame.numbers("timeseries_demErr", "timeseries")[3])


@pytest.mark.parametrize(
    ("product", "group", "array"),
    [
        ("timeseries_demErr", "maps/1", "displacement"),
        ("velocity", "overviews/1", "velocityStd"),
        ("maskTempCoh", "overviews/1", "maskTempCoh"),
    ],
)
def test_a_coarser_level_is_a_map_in_its_place(frame: PublishedFrame, product: str, group: str, array: str) -> None:
    with (
        rasterio.open(frame.in_gdal(product, f"{group}/{array}")) as data,
        xr.open_zarr(frame.find(product), group=group) as known,
    ):
        assert (data.crs.to_epsg(), data.shape) == (EPSG, (SIZE[0] // 2, SIZE[1] // 2))
        assert data.transform.almost_equals(level(1), precision=1e-12)
        np.testing.assert_array_equal(data.read().squeeze(), known[array].to_numpy())


def test_false_in_a_mask_of_a_zarr_group_is_no_data_to_gdal(frame: PublishedFrame) -> None:
    # Zarr 3 asks for a fill value, and GDAL takes it for no data; the GeoTIFF has none
    with rasterio.open(frame.in_gdal("maskTempCoh", "maskTempCoh")) as data:
        assert (data.dtypes, data.nodata) == (("uint8",), 0)
    with rasterio.open(frame.in_gdal("maskTempCoh-cog")) as data:
        assert (data.dtypes, data.nodata) == (("uint8",), None)
        np.testing.assert_array_equal(data.read(1), frame.numbers("maskTempCoh", "mask"))


def test_a_geotiff_has_numbers_place_words_and_overviews(frame: PublishedFrame) -> None:
    with rasterio.open(frame.in_gdal("velocity-cog")) as data:
        assert data.crs.to_epsg() == EPSG
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        assert (data.units, data.descriptions) == (("m/year",), ("line-of-sight velocity",))
        assert data.tags(1)["sign_convention"] == SIGN
        tags = data.tags()
        assert (tags["frame"], tags["reference_date"]) == ("T109D_test", "20200105")
        assert not {"proj", "spatial"} & tags.keys()  # what GDAL makes of a name with a colon
        assert data.overviews(1) == [2]
        np.testing.assert_array_equal(data.read(1), frame.numbers("velocity", "velocity"))


@NEEDS_3_13
def test_gdal_3_13_reads_shards(frame: PublishedFrame) -> None:
    with rasterio.open(frame.in_gdal("timeseries_demErr", "displacement:3")) as data:
        assert (data.crs.to_epsg(), data.units) == (EPSG, ("m",))
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        np.testing.assert_array_equal(data.read(1), frame.numbers("timeseries_demErr", "timeseries")[3])


@NEEDS_3_13
def test_gdal_3_13_takes_coarser_levels_for_overviews(frame: PublishedFrame) -> None:
    with rasterio.open(frame.in_gdal("velocity", "velocity")) as data:
        assert data.overviews(1) == [2]
