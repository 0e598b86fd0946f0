"""A published frame opened by xarray and rioxarray alone, found by nothing but its item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
import zarr

from sbas_assets.published.zarr_product import write_product

from .conftest import DATES, FRAME, GEO, PROVENANCE, Sources, make_sources
from .published_frame import CORNER, EPSG, SIGN, SIZE, PublishedFrame, level

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

UTM = {**GEO, "Y_FIRST": "4040000", "X_FIRST": "300000", "Y_STEP": "-30", "X_STEP": "30", "Y_UNIT": "meters"}


@pytest.mark.parametrize("group", [None, "maps/0"])
def test_xarray_reads_numbers_units_sign_dates_and_places_of_a_series(frame: PublishedFrame, group: str | None) -> None:
    with xr.open_zarr(frame.find("timeseries_demErr"), group=group, decode_coords="all") as data:
        np.testing.assert_array_equal(data.displacement, frame.numbers("timeseries_demErr", "timeseries"))
        assert (data.displacement.dims, data.displacement.units) == (("time", "y", "x"), "m")
        assert data.displacement.sign_convention == SIGN
        assert [str(day)[:10].replace("-", "") for day in data.time.to_numpy()] == DATES
        assert (data.y.units, data.x.units) == ("degrees_north", "degrees_east")
        np.testing.assert_allclose(data.y, 36.5 - 0.001 * (np.arange(SIZE[0]) + 0.5), rtol=0, atol=1e-12)
        np.testing.assert_allclose(data.x, 25.3 + 0.002 * (np.arange(SIZE[1]) + 0.5), rtol=0, atol=1e-12)
        assert "4326" in data.spatial_ref.attrs["crs_wkt"]


def test_xarray_reads_maps_and_masks(frame: PublishedFrame) -> None:
    with xr.open_zarr(frame.find("velocity"), decode_coords="all") as data:
        np.testing.assert_array_equal(data.velocity, frame.numbers("velocity", "velocity"))
        assert (data.velocity.units, data.velocity.sign_convention) == ("m/year", SIGN)
        assert data.attrs["reference_date"] == "20200105"
    with xr.open_zarr(frame.find("maskTempCoh")) as data:
        assert data.maskTempCoh.dtype == bool
        np.testing.assert_array_equal(data.maskTempCoh, frame.numbers("maskTempCoh", "mask"))


@pytest.mark.parametrize("product", ["timeseries_demErr", "velocity", "maskTempCoh"])
def test_the_levels_that_the_item_names_open_and_know_their_place(frame: PublishedFrame, product: str) -> None:
    levels = frame.item()["assets"][product]["sbas:levels"]
    for number, name in enumerate(levels, 2 - len(levels)):
        with xr.open_zarr(frame.find(product), group=name, decode_coords="all") as data:
            assert (data.sizes["y"], data.sizes["x"]) == (SIZE[0] // 2**number, SIZE[1] // 2**number)
            assert data.rio.crs.to_epsg() == EPSG
            assert data.rio.transform().almost_equals(level(number), precision=1e-12)
    assert number == 1


def test_all_levels_of_a_product_open_at_once_but_not_as_a_tree(frame: PublishedFrame) -> None:
    # a tree's coarser levels would have to have their parents' y and x
    with pytest.raises(ValueError, match="not aligned with its parents"):
        xr.open_datatree(frame.find("timeseries_demErr"), engine="zarr")
    found = xr.open_groups(frame.find("timeseries_demErr"), engine="zarr")
    assert {"/", "/maps/0", "/maps/1"} <= found.keys()
    tree = xr.open_datatree(frame.find("timeseries_demErr"), engine="zarr", group="maps")
    assert tree["1"].displacement.shape == (len(DATES), SIZE[0] // 2, SIZE[1] // 2)


@pytest.mark.parametrize("known", ["CF", "conventions"])
def test_rioxarray_finds_crs_and_place_by_cf_or_by_the_zarr_conventions_alone(
    frame: PublishedFrame, known: str
) -> None:
    if known == "CF":
        data = xr.open_zarr(frame.find("velocity"), decode_coords="all").velocity
        data.attrs = {key: value for key, value in data.attrs.items() if ":" not in key and key != "zarr_conventions"}
    else:
        data = xr.open_zarr(frame.find("velocity")).velocity.drop_vars(["x", "y", "spatial_ref"], errors="ignore")
    assert data.rio.crs.to_epsg() == EPSG
    assert data.rio.transform().almost_equals(CORNER, precision=1e-12)


def test_rioxarray_cuts_and_warps_a_series(frame: PublishedFrame) -> None:
    data = xr.open_zarr(frame.find("timeseries_demErr"), decode_coords="all").displacement
    part = data.rio.clip_box(25.501, 36.4505, 25.599, 36.4795)
    numbers = frame.numbers("timeseries_demErr", "timeseries")
    np.testing.assert_array_equal(part, numbers[:, 20:50, 100:150])
    warped = part.rio.reproject("EPSG:32635")
    assert warped.rio.crs.to_epsg() == 32635
    assert [str(day)[:10].replace("-", "") for day in warped.time.to_numpy()] == DATES
    assert set(np.unique(warped.to_numpy()[np.isfinite(warped)])) <= set(np.unique(part))


def test_groups_and_arrays_say_where_they_are_in_the_zarr_conventions(frame: PublishedFrame) -> None:
    group = zarr.open_group(frame.find("timeseries_demErr"), mode="r")
    for node in (group, group["displacement"], group["maps/0"], group["maps/0/displacement"]):
        assert [item["name"] for item in node.attrs["zarr_conventions"]][-2:] == ["spatial:", "proj:"]
        assert node.attrs["spatial:dimensions"] == ["y", "x"]
        assert node.attrs["spatial:transform"] == [0.002, 0, 25.3, 0, -0.001, 36.5]
        assert node.attrs["spatial:shape"] == list(SIZE)
        assert node.attrs["spatial:bbox"] == pytest.approx([25.3, 36.41, 26.7, 36.5])
        assert (node.attrs["spatial:registration"], node.attrs["proj:code"]) == ("pixel", "EPSG:4326")
    assert "zarr_conventions" not in group["time"].attrs


def test_a_projected_product_names_its_zone(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "utm", "geo_", {**UTM, "UTM_ZONE": "35N"})
    url = write_product(sources.velocity, "velocity", str(tmp_path), FRAME, "a1", PROVENANCE, max_memory_gb=1).url
    group = zarr.open_group(url, mode="r")
    assert group.attrs["proj:code"] == "EPSG:32635"
    assert group.attrs["spatial:bbox"] == [300000, 4039100, 301200, 4040000]
    data = xr.open_zarr(url, decode_coords="all").velocity
    assert (data.rio.crs.to_epsg(), data.x.units) == (32635, "m")


def test_a_product_in_radar_geometry_claims_no_place(radar: Sources, tmp_path: Path) -> None:
    url = write_product(radar.velocity, "velocity", str(tmp_path), FRAME, "a1", PROVENANCE, max_memory_gb=1).url
    group = zarr.open_group(url, mode="r")
    assert not [key for key in {**group.attrs, **group["velocity"].attrs} if ":" in key or key == "zarr_conventions"]
    assert xr.open_zarr(url, decode_coords="all").velocity.rio.crs is None
