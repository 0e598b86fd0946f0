"""What is written: numbers, metadata, versions, and what a killed or repeated run does."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import h5py
import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from rasterio.transform import from_origin

from sbas_assets.errors import InputError
from sbas_assets.published import zarr_product
from sbas_assets.published.reading import open_product
from sbas_assets.published.verify import verify_product

from .conftest import DATES, GEO, PROVENANCE, SHAPE, displacement, write_mintpy

FRAME = "T109D_test"


def objects(url: str) -> dict[str, bytes]:
    fs, root = fsspec.url_to_fs(url)
    return {name[len(root) :]: fs.cat_file(name) for name in sorted(fs.find(root))}


def test_every_dataset_of_every_product_is_equal_to_mintpys(geo, publish, store_url):
    sources = {
        "timeseries_demErr": geo.timeseries,
        "velocity": geo.velocity,
        "temporalCoherence": geo.coherence,
        "maskTempCoh": geo.mask,
        "geometry": geo.geometry,
    }
    for product, source in sources.items():
        stored = publish(source, product).stored
        data = open_product(store_url, FRAME, product)
        names = {"timeseries": "displacement", "mask": "maskTempCoh"}
        with h5py.File(source) as file:
            for dataset in file.keys() - {"date"}:
                array = data[names.get(dataset, dataset)]
                assert array.dtype == file[dataset].dtype
                np.testing.assert_array_equal(array.to_numpy(), file[dataset][:])
        assert verify_product(store_url, stored, source) == []


def test_crs_and_transform_are_mintpys_corner_convention(geo, publish, store_url):
    publish(geo.velocity, "velocity")
    data = open_product(store_url, FRAME, "velocity")
    assert data.rio.crs.to_epsg() == 4326
    expected = from_origin(25.3, 36.5, 0.002, 0.001)
    assert data.velocity.rio.transform().almost_equals(expected, precision=1e-12)
    assert data.velocity.rio.transform(recalc=True).almost_equals(expected, precision=1e-9)
    # The first coordinate is the center of the first pixel, half a step inside Y_FIRST and X_FIRST.
    assert float(data.y[0]) == pytest.approx(36.4995, abs=1e-12)
    assert float(data.x[0]) == pytest.approx(25.301, abs=1e-12)
    assert data.y.attrs["units"] == "degrees_north"


def test_the_stored_array_names_its_grid_mapping(geo, publish, store_url):
    publish(geo.velocity, "velocity")
    raw = xr.open_zarr(zarr_path(store_url, "velocity"), decode_cf=False)
    assert raw.velocity.attrs["grid_mapping"] == "spatial_ref"
    assert raw.spatial_ref.attrs["GeoTransform"] == "25.3 0.002 0.0 36.5 0.0 -0.001"


def zarr_path(store_url: str, product: str, version: str = "a1") -> str:
    return f"{store_url}/{FRAME}/{product}/{version}/data.zarr"


@pytest.mark.parametrize("attributes", [{"UTM_ZONE": "35N"}, {"EPSG": "32635"}, {"UTM_ZONE": "35N", "EPSG": "32635"}])
def test_utm_files_keep_their_zone(tmp_path, publish, store_url, attributes):
    corner = {"Y_FIRST": 4040000, "X_FIRST": 348000, "Y_STEP": -80, "X_STEP": 80}
    source = write_mintpy(
        tmp_path / "geo_velocity.h5", {"velocity": np.ones(SHAPE, np.float32)}, **corner, **attributes
    )
    publish(source, "velocity")
    data = open_product(store_url, FRAME, "velocity")
    assert data.rio.crs.to_epsg() == 32635
    assert data.x.attrs["standard_name"] == "projection_x_coordinate"
    assert data.x.attrs["units"] == "m"


def test_southern_utm_zones_are_southern(tmp_path, publish, store_url):
    corner = {"Y_FIRST": 6340000, "X_FIRST": 348000, "Y_STEP": -80, "X_STEP": 80, "UTM_ZONE": "19S"}
    source = write_mintpy(tmp_path / "geo_velocity.h5", {"velocity": np.ones(SHAPE, np.float32)}, **corner)
    publish(source, "velocity")
    assert open_product(store_url, FRAME, "velocity").rio.crs.to_epsg() == 32719


def test_dates_decode_to_mintpys_and_are_days_since_the_first(geo, publish, store_url):
    publish(geo.timeseries, "timeseries_demErr")
    data = open_product(store_url, FRAME, "timeseries_demErr")
    assert [str(day)[:10].replace("-", "") for day in data.time.to_numpy()] == DATES
    assert data.time.encoding["units"].startswith("days since 2020-01-05")
    assert data.time.encoding["calendar"] == "proleptic_gregorian"


def test_dates_with_hours_keep_them(tmp_path, publish, store_url):
    source = write_mintpy(
        tmp_path / "timeseries.h5",
        {"timeseries": displacement(dates=2), "date": np.array(["20200105T0412", "20200117T1625"], "S13")},
        **GEO,
    )
    publish(source, "timeseries_demErr")
    time = open_product(store_url, FRAME, "timeseries_demErr").time.to_numpy()
    assert time.tolist() == np.array(["2020-01-05T04:12", "2020-01-17T16:25"], "datetime64[ns]").tolist()


def test_attributes_tell_units_signs_and_reference(geo, publish, store_url):
    publish(geo.timeseries, "timeseries_demErr")
    publish(geo.velocity, "velocity")
    series = open_product(store_url, FRAME, "timeseries_demErr")
    velocity = open_product(store_url, FRAME, "velocity")
    assert series.displacement.attrs["units"] == "m"
    assert "toward the satellite" in series.displacement.attrs["sign_convention"]
    assert np.isnan(series.displacement.encoding["_FillValue"])
    assert velocity.velocity.attrs["units"] == velocity.velocityStd.attrs["units"] == "m/year"
    assert velocity.step20200210.attrs["units"] == "m"
    assert velocity.annualPhase.attrs["units"] == "radian"
    assert "sign_convention" not in velocity.velocityStd.attrs
    attrs = series.attrs
    assert attrs["Conventions"].startswith("CF-")
    assert (attrs["reference_row"], attrs["reference_column"], attrs["reference_date"]) == (3, 4, "20200105")
    assert (attrs["reference_latitude"], attrs["reference_longitude"]) == (36.4965, 25.309)
    assert (attrs["track"], attrs["orbit_direction"]) == (109, "DESCENDING")
    assert (attrs["wavelength_m"], attrs["heading_deg"]) == (0.05546576, -168.2)
    assert json.loads(attrs["provenance"]) == PROVENANCE


def test_radar_products_have_latitude_and_longitude_from_the_geometry(radar, publish, store_url):
    publish(radar.velocity, "velocity", geometry=radar.geometry)
    data = open_product(store_url, FRAME, "velocity")
    assert data.y.to_numpy().tolist() == list(range(SHAPE[0]))
    assert data.latitude.dims == ("y", "x")
    assert {"latitude", "longitude"} <= set(data.velocity.coords)
    assert "spatial_ref" not in data.variables
    with h5py.File(radar.geometry) as file:
        np.testing.assert_array_equal(data.latitude.to_numpy(), file["latitude"][:])


def test_radar_products_can_do_without_a_geometry(radar, publish, store_url):
    publish(radar.velocity, "velocity")
    assert "latitude" not in open_product(store_url, FRAME, "velocity").variables


def test_little_memory_gives_the_same_bytes(tmp_path, geo):
    for name, memory in (("large", 4.0), ("small", 1e-5)):
        zarr_product.write_product(
            geo.timeseries,
            "timeseries_demErr",
            str(tmp_path / name),
            FRAME,
            "a1",
            PROVENANCE,
            max_memory_gb=memory,
        )
    assert objects(str(tmp_path / "large")) == objects(str(tmp_path / "small"))


def test_two_stores_of_different_kinds_get_the_same_bytes(geo, tmp_path, publish):
    first = publish(geo.velocity, "velocity", url=str(tmp_path / "one"))
    second = publish(geo.velocity, "velocity", url=f"memory://{tmp_path.name}/two")
    version = f"/{first.stored.folder}"
    assert objects(str(tmp_path / "one") + version) == objects(f"memory://{tmp_path.name}/two{version}")
    assert first.stored == second.stored


def test_maps_without_any_value_are_still_written(tmp_path, publish, store_url):
    source = write_mintpy(tmp_path / "v.h5", {"velocity": np.full(SHAPE, np.nan, np.float32)}, **GEO)
    assert verify_product(store_url, publish(source, "velocity").stored, source) == []


def test_big_endian_numbers_keep_their_values(tmp_path, publish, store_url):
    data = np.arange(1200, dtype=">f4").reshape(SHAPE)
    publish(write_mintpy(tmp_path / "v.h5", {"velocity": data}, **GEO), "velocity")
    np.testing.assert_array_equal(open_product(store_url, FRAME, "velocity").velocity.to_numpy(), data)


@pytest.mark.parametrize(
    ("datasets", "attributes", "message"),
    [
        ({"mask": np.ones(SHAPE, bool)}, {}, "no dataset velocity"),
        ({"velocity": np.ones((3, 4), np.float32)}, {}, "has shape"),
        ({"velocity": np.ones(SHAPE, np.float32)}, {"UNIT": "mm/year"}, "is in mm/year"),
        ({"velocity": np.ones(SHAPE, np.float32)}, {"LENGTH": "many"}, "LENGTH and WIDTH"),
        ({"velocity": np.ones(SHAPE, np.float32)}, {"Y_FIRST": "36.5"}, "map coordinates"),
        ({"velocity": np.ones(SHAPE, np.float32)}, {**GEO, "EPSG": "1"}, "map coordinates"),
        ({"velocity": np.ones(SHAPE, np.float32)}, {"REF_Y": "here"}, "REF_Y"),
    ],
)
def test_files_that_are_not_the_product_are_refused(tmp_path, publish, datasets, attributes, message):
    source = write_mintpy(tmp_path / "wrong.h5", datasets, **attributes)
    with pytest.raises(InputError, match=message) as caught:
        publish(source, "velocity")
    assert caught.value.code == "product-source-invalid"
    assert caught.value.path == str(source)


@pytest.mark.parametrize("dates", [["20200105", "20200105"], ["20200117", "20200105"], ["2020", "20200105"]])
def test_dates_that_do_not_ascend_are_refused(tmp_path, publish, dates):
    source = write_mintpy(
        tmp_path / "ts.h5", {"timeseries": displacement(dates=2), "date": np.array(dates, "S8")}, **GEO
    )
    with pytest.raises(InputError, match="product-source-invalid"):
        publish(source, "timeseries_demErr")


def test_files_that_are_missing_or_no_hdf5_are_told_apart(tmp_path, publish):
    with pytest.raises(InputError, match="product-source-missing"):
        publish(tmp_path / "none.h5", "velocity")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(InputError, match="product-source-invalid"):
        publish(tmp_path / "text.h5", "velocity")


def test_a_geometry_of_another_shape_is_refused(radar, tmp_path, publish):
    odd = np.ones((5, 6), np.float32)
    geometry = write_mintpy(tmp_path / "g.h5", {"latitude": odd, "longitude": odd}, LENGTH=5, WIDTH=6)
    with pytest.raises(InputError, match="product-source-invalid"):
        publish(radar.velocity, "velocity", geometry=geometry)


def test_unknown_products_are_refused_with_the_known_ones(geo, publish):
    with pytest.raises(InputError, match=r"product-unknown.*timeseries_demErr"):
        publish(geo.velocity, "speed")


@pytest.mark.parametrize(("frame", "version"), [("../up", "a1"), ("T1", "v1.0"), ("", "a1"), ("T1", "../a")])
def test_names_that_could_leave_the_store_are_refused(geo, tmp_path, frame, version):
    with pytest.raises(ValueError, match="malformed"):
        zarr_product.write_product(geo.velocity, "velocity", str(tmp_path), frame, version, {}, max_memory_gb=1)


def test_a_source_that_breaks_while_it_is_read_is_not_blamed_on_the_store(tmp_path: Path, publish):
    source = tmp_path / "v.h5"
    with h5py.File(source, "w") as file:
        data = np.random.default_rng(1).random(SHAPE).astype(np.float32)
        file.create_dataset("velocity", data=data, chunks=SHAPE, fletcher32=True)
        offset = file["velocity"].id.get_chunk_info(0).byte_offset
        file.attrs.update({"LENGTH": "30", "WIDTH": "40"})
    raw = bytearray(source.read_bytes())
    raw[offset + 8] ^= 255
    source.write_bytes(raw)
    with pytest.raises(InputError, match=r"product-source-invalid.*velocity cannot be read"):
        publish(source, "velocity")
