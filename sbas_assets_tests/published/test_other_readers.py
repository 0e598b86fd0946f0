"""A published product opened by programs that know nothing of this package: values, CRS, places, units, dates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401
import xarray as xr
import zarr
from rasterio.transform import from_origin

from .conftest import DATES, GEO, PROVENANCE, Sources, make_sources
from .groups import maps

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

CORNER = from_origin(25.3, 36.5, 0.002, 0.001)
UTM = {**GEO, "Y_FIRST": "4040000", "X_FIRST": "300000", "Y_STEP": "-30", "X_STEP": "30", "Y_UNIT": "meters"}


@pytest.fixture(params=["folder", "s3"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Publish a product to a folder or to a real S3 server; returns the Zarr group's URL."""
    from sbas_assets.published.zarr_product import write_product

    where = str(tmp_path / "store")
    if request.param == "s3":
        where = f"s3://{request.getfixturevalue('bucket')}/store"
        port = request.getfixturevalue("ceph").port
        # what GDAL has to be told of a server that is not Amazon's
        for name, value in {"S3_ENDPOINT": f"127.0.0.1:{port}", "HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("GDAL_HTTP_PROXY", "")

    def write(product: str, source: Path) -> str:
        return write_product(source, product, where, "T109D_test", "a1", PROVENANCE, max_memory_gb=1).url

    return write


def in_gdal(url: str, array: str) -> str:
    """What GDAL calls an array of a group."""
    return f'ZARR:"{url.replace("s3://", "/vsis3/")}":/{array}'


def test_xarray_alone_reads_values_units_and_dates(geo: Sources, stored: Callable[..., str]) -> None:
    url = stored("timeseries_demErr", geo.timeseries)
    for group in (None, "maps/0"):
        with xr.open_zarr(url, group=group) as data, h5py.File(geo.timeseries) as file:
            np.testing.assert_array_equal(data.displacement.to_numpy(), file["timeseries"][:])
            assert data.displacement.dims == ("time", "y", "x")
            assert data.displacement.units == "m"
            assert "toward the satellite" in data.displacement.sign_convention
            assert [str(day)[:10].replace("-", "") for day in data.time.to_numpy()] == DATES


def test_gdal_reads_values_crs_place_and_unit(geo: Sources, stored: Callable[..., str]) -> None:
    # GDAL 3.11 and older do not know Zarr 3's codecs
    url = stored("velocity", geo.velocity)
    with rasterio.open(in_gdal(url, "velocity")) as data, h5py.File(geo.velocity) as file:
        assert data.crs.to_epsg() == 4326
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        assert data.units == ("m/year",)
        assert np.isnan(data.nodata)
        np.testing.assert_array_equal(data.read(1), file["velocity"][:])


def test_gdal_reads_one_date_of_a_series(geo: Sources, stored: Callable[..., str]) -> None:
    # of the map copy: GDAL 3.12 and older read no shards
    url = stored("timeseries_demErr", geo.timeseries)
    with rasterio.open(in_gdal(url, "maps/0/displacement:3")) as data, h5py.File(geo.timeseries) as file:
        assert data.crs.to_epsg() == 4326
        assert data.transform.almost_equals(CORNER, precision=1e-12)
        np.testing.assert_array_equal(data.read(1), file["timeseries"][3])


def test_gdal_reads_a_coarser_level_and_a_mask(tmp_path: Path, stored: Callable[..., str]) -> None:
    url = stored("maskTempCoh", maps(tmp_path / "m.h5", (520, 40), ("mask",), bool))
    with rasterio.open(in_gdal(url, "overviews/1/maskTempCoh")) as data:
        assert data.transform.almost_equals(from_origin(25.3, 36.5, 0.004, 0.002), precision=1e-12)
        assert (data.crs.to_epsg(), data.shape, data.dtypes) == (4326, (260, 20), ("uint8",))
        with xr.open_zarr(url, group="overviews/1") as level:
            np.testing.assert_array_equal(data.read(1), level.maskTempCoh.to_numpy())


@pytest.mark.parametrize("known", ["CF", "conventions"])
def test_rioxarray_finds_crs_and_place_by_cf_or_by_the_zarr_conventions_alone(
    geo: Sources, stored: Callable[..., str], known: str
) -> None:
    group = stored("velocity", geo.velocity)
    if known == "CF":
        data = xr.open_zarr(group, decode_coords="all").velocity
        data.attrs = {key: value for key, value in data.attrs.items() if ":" not in key and key != "zarr_conventions"}
    else:
        data = xr.open_zarr(group).velocity.drop_vars(["x", "y", "spatial_ref"], errors="ignore")
    assert data.rio.crs.to_epsg() == 4326
    assert data.rio.transform().almost_equals(CORNER, precision=1e-12)


def test_group_and_maps_say_where_they_are_in_the_zarr_conventions(geo: Sources, stored: Callable[..., str]) -> None:
    group = zarr.open_group(stored("timeseries_demErr", geo.timeseries), mode="r")
    for node in (group, group["displacement"], group["maps/0"], group["maps/0/displacement"]):
        assert [item["name"] for item in node.attrs["zarr_conventions"]][-2:] == ["spatial:", "proj:"]
        assert node.attrs["spatial:dimensions"] == ["y", "x"]
        assert node.attrs["spatial:transform"] == [0.002, 0, 25.3, 0, -0.001, 36.5]
        assert node.attrs["spatial:shape"] == [30, 40]
        assert node.attrs["spatial:bbox"] == pytest.approx([25.3, 36.47, 25.38, 36.5])
        assert (node.attrs["spatial:registration"], node.attrs["proj:code"]) == ("pixel", "EPSG:4326")
    assert "zarr_conventions" not in group["time"].attrs
    assert "zarr_conventions" not in group["bperp"].attrs


def test_a_projected_product_names_its_zone(tmp_path: Path, stored: Callable[..., str]) -> None:
    sources = make_sources(tmp_path / "utm", "geo_", {**UTM, "UTM_ZONE": "35N"})
    group = zarr.open_group(stored("velocity", sources.velocity), mode="r")
    assert group.attrs["proj:code"] == "EPSG:32635"
    assert group.attrs["spatial:bbox"] == [300000, 4039100, 301200, 4040000]


def test_a_product_in_radar_geometry_claims_no_place(radar: Sources, stored: Callable[..., str]) -> None:
    group = zarr.open_group(stored("velocity", radar.velocity), mode="r")
    assert not [key for key in {**group.attrs, **group["velocity"].attrs} if ":" in key or key == "zarr_conventions"]
