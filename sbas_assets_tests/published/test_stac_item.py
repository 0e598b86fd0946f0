"""The STAC item of a frame version: valid, complete, and the same for the same version."""

from __future__ import annotations

import copy
import socket
from datetime import UTC, datetime, timedelta, timezone

import pystac
import pytest
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.insar import InsarExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.sar import SarExtension
from pystac.extensions.sat import SatExtension
from pystac.extensions.version import VersionExtension

from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.stac_item import PublishedProduct, encode_item, relocated, with_successor
from sbas_assets_tests.published.stac_samples import (
    ACROSS,
    AFTER,
    FRAME,
    GEOCODED,
    PROVENANCE,
    UTM,
    VERSION,
    WGS84,
    sample_item,
    write_product,
)
from sbas_assets_tests.published.stac_validation import validate


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    return [write_product(store, name, WGS84) for name in GEOCODED]


@pytest.fixture(scope="module")
def radar(tmp_path_factory):
    return write_product(tmp_path_factory.mktemp("store"), "timeseries_demErr_radar", None)


@pytest.fixture
def item(products):
    return sample_item(products)


def test_an_item_in_each_place_is_valid_for_stac_and_its_extensions(item):
    for entity in (item, relocated(item), with_successor(relocated(item), AFTER)):
        against = " ".join(validate(entity))
        for name in ("item", "sar", "sat", "projection", "processing", "file", "datacube", "version"):
            assert f"/{name}" in against
        assert any("insar" in uri for uri in entity["stac_extensions"])


@pytest.mark.parametrize(
    "name",
    [
        "sar:frequency_band",
        "sat:orbit_state",
        "proj:shape",
        "processing:software",
        "cube:dimensions",
        "version",
        "end_datetime",
    ],
)
def test_an_item_with_a_wrong_field_is_not_valid(item, name):
    item["properties"][name] = 5
    with pytest.raises(pystac.STACValidationError):
        validate(item)


def test_an_item_with_a_wrong_checksum_or_a_field_that_insar_does_not_have_is_not_valid(item):
    broken = copy.deepcopy(item)
    broken["assets"]["velocity-cog"]["file:checksum"] = "no multihash"
    with pytest.raises(pystac.STACValidationError):
        validate(broken)
    item["properties"]["insar:number_of_pairs"] = 5
    with pytest.raises(pystac.STACValidationError):
        validate(item)


def test_pystac_reads_what_an_item_says_of_the_radar_and_the_versions(item):
    read = pystac.Item.from_dict(item)
    assert SarExtension.ext(read).polarizations == ["VV"]
    assert SarExtension.ext(read).center_frequency == pytest.approx(5.405, abs=1e-3)
    assert SarExtension.ext(read).observation_direction == "right"
    assert SatExtension.ext(read).orbit_state == "descending"
    assert SatExtension.ext(read).relative_orbit == 71
    assert InsarExtension.ext(read).reference_datetime == datetime(2022, 1, 13, 13, 53, 20, tzinfo=UTC)
    assert VersionExtension.ext(read).version == VERSION
    assert read.common_metadata.start_datetime == datetime(2022, 1, 1, 13, 53, 20, tzinfo=UTC)
    assert read.common_metadata.end_datetime == datetime(2022, 1, 25, 13, 53, 20, tzinfo=UTC)
    assert read.datetime is None


def test_pystac_reads_where_an_item_lies_and_what_its_cube_has(item):
    read = pystac.Item.from_dict(item)
    assert read.bbox == [25.0, 36.0, 28.0, 37.0]
    assert ProjectionExtension.ext(read).code == "EPSG:4326"
    assert ProjectionExtension.ext(read).shape == [4, 6]
    assert ProjectionExtension.ext(read).transform == WGS84["transform"]
    cube = DatacubeExtension.ext(read)
    assert list(cube.dimensions) == ["time", "y", "x"]
    assert cube.dimensions["time"].values == [f"2022-01-{day}T00:00:00Z" for day in ("01", "13", "25")]
    assert cube.dimensions["x"].extent == [25.25, 27.75]
    assert cube.dimensions["y"].extent == [36.125, 36.875]
    assert cube.dimensions["y"].step == -0.25
    assert cube.dimensions["x"].reference_system == 4326
    assert set(cube.variables) == {"displacement", "bperp", "velocity", "maskTempCoh"}
    assert cube.variables["displacement"].dimensions == ["time", "y", "x"]
    assert (cube.variables["velocity"].unit, cube.variables["velocity"].description) == ("m/year", "all of velocity")
    assert (cube.variables["velocity"].var_type, cube.variables["bperp"].var_type) == ("data", "auxiliary")


def test_every_single_object_has_its_checksum_and_size(item, products):
    read = pystac.Item.from_dict(item)
    velocity = next(product for product in products if product.name == "velocity")
    manifest = FileExtension.ext(read.assets["velocity-manifest"])
    assert (manifest.checksum, manifest.size) == (
        f"1220{velocity.stored.manifest_sha256}",
        velocity.stored.manifest_size,
    )
    single = [asset for asset in item["assets"].values() if not asset["href"].endswith("/data.zarr")]
    assert all(asset["file:checksum"].startswith("1220") and asset["file:size"] > 0 for asset in single)


def test_a_map_has_a_geotiff_whose_band_tells_unit_and_no_data(item):
    velocity, mask = item["assets"]["velocity-cog"], item["assets"]["maskTempCoh-cog"]
    assert velocity["type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    band = {"name": "velocity", "description": "all of velocity", "unit": "m/year"}
    assert velocity["bands"] == [{**band, "data_type": "float32", "nodata": "nan"}]
    assert mask["bands"][0]["data_type"] == "uint8"
    assert "nodata" not in mask["bands"][0]


def test_levels_of_maps_are_named_and_are_no_variables(item):
    assert item["assets"]["velocity"]["sbas:levels"] == ["maps/0"]
    assert "sbas:levels" not in item["assets"]["timeseries_demErr"]


def test_the_provenance_is_counts_and_reasons(item):
    found = item["properties"]["sbas:provenance"]
    assert (found["pairs_loaded"], found["pairs_used"], found["dates"]) == (4, 2, 3)
    assert found["pairs_dropped"] == {"left out by mintpy.network.* of the template": 1, "pair-incomplete": 2}
    assert found["orbits"] == {"POEORB": 2, "RESORB": 1}
    assert found["dates_without_weather"] == {"20220206": "2022-02-11T12:00:00Z"}
    assert found["era5_preliminary"] == ["20220125"]
    assert found["template"] == {"mintpy.deramp": "linear"}
    properties = item["properties"]
    assert properties["sbas:corrections"] == ["bridging", "ERA5", "ramp", "demErr"]
    assert properties["sbas:reference_date"] == "20220113"
    assert properties["sbas:los_sign_convention"].startswith("positive toward the satellite")
    assert properties["processing:software"] == {"sbas_assets": "0.1.0", "MintPy": "1.6.4", "ISCE2": "Release: 2.6.5"}
    assert properties["processing:level"] == "L3"


def test_the_reference_point_is_a_pixel_of_the_grid_that_is_published(products, radar):
    place = {"latitude": 36.5, "longitude": 25.5}
    assert sample_item(products)["properties"]["sbas:reference_point"] == place
    assert sample_item([radar])["properties"]["sbas:reference_point"] == PROVENANCE["reference_point"]
    pixel = {"reference_row": 3, "reference_column": 4, "reference_latitude": 36.501}
    series = PublishedProduct(
        products[0].stored,
        products[0].manifest,
        {**products[0].metadata, "attributes": {**products[0].attributes, **pixel}},
    )
    found = sample_item([series])["properties"]["sbas:reference_point"]
    assert found == {"row": 3, "column": 4, "latitude": 36.501, "longitude": 25.5}


def test_what_is_not_known_is_left_out(products):
    bare = [
        _without(product, "polarization", "wavelength_m", "antenna_side", "orbit_direction") for product in products
    ]
    item = sample_item(bare, provenance={"dates": PROVENANCE["dates"]}, thumbnail=None, predecessor=None)
    properties = item["properties"]
    assert not {"sar:polarizations", "sar:center_frequency", "sar:observation_direction"} & properties.keys()
    assert not any("/sar/" in uri or "/insar/" in uri for uri in item["stac_extensions"])
    assert "thumbnail" not in item["assets"]
    assert not any(link["rel"] == "predecessor-version" for link in item["links"])
    validate(item)


def _without(product: PublishedProduct, *names: str) -> PublishedProduct:
    kept = {name: value for name, value in product.attributes.items() if name not in names}
    return PublishedProduct(product.stored, product.manifest, {**product.metadata, "attributes": kept})


def test_the_same_version_gives_the_same_bytes_in_any_order_of_its_products(products):
    assert encode_item(sample_item(products)) == encode_item(sample_item(products[::-1]))
    same_moment = datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2)))
    assert sample_item(products, created=same_moment) == sample_item(products)


def test_a_projected_map_has_its_outline_in_degrees(tmp_path):
    item = sample_item([write_product(tmp_path, "velocity", UTM)])
    validate(item)
    west, south, east, north = item["bbox"]
    assert (west, north) == pytest.approx((27.0, 36.1445), abs=1e-3)
    assert east - west == pytest.approx(0.00667, abs=1e-4)
    assert north - south == pytest.approx(0.0036, abs=1e-4)
    assert item["properties"]["proj:code"] == "EPSG:32635"
    assert item["properties"]["cube:dimensions"]["x"]["reference_system"] == 32635


def test_a_map_across_the_antimeridian_has_two_parts(tmp_path):
    item = sample_item([write_product(tmp_path, "velocity", ACROSS)])
    validate(item)
    assert item["bbox"] == [178.5, -17.0, -178.5, -16.0]
    parts = item["geometry"]["coordinates"]
    assert item["geometry"]["type"] == "MultiPolygon"
    assert [{x for x, _ in part[0]} for part in parts] == [{178.5, 180.0}, {-180.0, -178.5}]
    assert all(part[0][0] == part[0][-1] for part in parts)


@pytest.mark.parametrize(
    "place",
    [{"proj:code": "EPSG:4326", "transform": [60.0, 0.0, -180.0, 0.0, -1.0, 10.0]}, {**UTM, "transform": [1e9] * 6}],
)
def test_a_map_that_cannot_be_a_frames_is_refused(tmp_path, place):
    with pytest.raises(ValueError, match=r"longitude|globe"):
        sample_item([write_product(tmp_path, "velocity", place)])


def test_a_frame_in_radar_geometry_alone_has_no_outline(radar):
    item = sample_item([radar])
    validate(item)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["sbas:coordinate_system"] == "radar"
    assert item["properties"]["processing:level"] == "L2"
    assert item["properties"]["cube:dimensions"]["x"] == {
        "type": "index",
        "description": "the x",
        "extent": [0, 5],
        "step": 1,
    }


def test_a_product_in_radar_geometry_beside_the_geocoded_ones_has_a_cube_of_its_own(products, radar):
    item = sample_item([*products, radar])
    validate(item)
    assert item["properties"]["cube:dimensions"]["x"]["type"] == "spatial"
    assert item["assets"]["timeseries_demErr_radar"]["cube:dimensions"]["x"]["type"] == "index"
    assert "cube:dimensions" not in item["assets"]["timeseries_demErr"]


def test_a_product_on_another_grid_says_where_it_lies(products, tmp_path):
    item = sample_item([*products[:1], write_product(tmp_path, "velocity", UTM)])
    validate(item)
    assert item["properties"]["proj:code"] == "EPSG:4326"
    assert item["assets"]["velocity"]["proj:code"] == "EPSG:32635"


def test_dates_that_do_not_fit_the_axis_are_not_named(products):
    series = products[0]
    attributes = {**series.attributes, "provenance": "{}"}
    other = PublishedProduct(series.stored, series.manifest, {**series.metadata, "attributes": attributes})
    time = sample_item([other])["properties"]["cube:dimensions"]["time"]
    assert time["extent"] == ["2022-01-01T00:00:00Z", "2022-01-25T00:00:00Z"]
    assert "values" not in time


def test_dates_that_tell_the_hour_keep_it(products):
    item = sample_item(products, provenance=PROVENANCE | {"dates": ["20220101T0415", "20220125T0415"]})
    assert item["properties"]["start_datetime"] == "2022-01-01T04:15:00Z"


def test_arguments_without_sense_are_refused(products):
    with pytest.raises(ValueError, match="no product"):
        sample_item([])
    with pytest.raises(ValueError, match="twice"):
        sample_item([products[0], products[0]])
    with pytest.raises(ValueError, match="time zone"):
        sample_item(products, created=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="no date"):
        sample_item([_without(product, "start_date") for product in products], provenance={})
    with pytest.raises(ValueError, match="folder"):
        sample_item(products, frame="T001A_other")
    stored = ProductVersion(**{**products[0].stored.as_fact(), "folder": f"{FRAME}_2/x/y"})
    with pytest.raises(ValueError, match="folder"):
        sample_item([PublishedProduct(stored, products[0].manifest, products[0].metadata)])
