"""Readers of products, orbits, rasters, baselines and layouts on files that a test writes itself."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sbas_assets import digests
from sbas_assets.errors import InputError
from sbas_assets.topsstack import rasters
from sbas_assets.topsstack.baselines import baseline_timeseries
from sbas_assets.topsstack.geometry import corner_rows
from sbas_assets.topsstack.metadata import isce_metadata, pair_metadata
from sbas_assets.topsstack.orbit import curvature_radius, geodetic, heading, interpolate
from sbas_assets.topsstack.product import StateVector, read_product
from sbas_assets.topsstack.rasters import RasterHeader, check_size, read_band, read_header, row_blocks
from sbas_assets.topsstack.tree import StackLayout, scan
from sbas_assets_tests.topsstack.planting import GEOM, IW1, IW2, UNW, edit, remove
from sbas_assets_tests.topsstack.writer import DATES, PAIRS, SHAPE, write_baseline, write_raster


def test_bursts_and_vectors_come_in_order_of_flight_not_of_the_document(stack):
    product = read_product(stack / IW1)
    assert [burst.number for burst in product.bursts] == list(range(1, 12))
    times = [vector.time for vector in product.bursts[0].state_vectors]
    assert times == sorted(times)
    assert product.bursts[-1].sensing_start == max(burst.sensing_start for burst in product.bursts)


def test_times_without_a_fraction_are_read(stack):
    assert "13:51:23<" in (stack / IW2).read_text()
    assert read_product(stack / IW2).bursts[0].sensing_start == datetime(2020, 5, 11, 13, 51, 23)


def test_product_of_several_slices_has_no_spacecraft_and_mintpy_calls_it_sen(stack):
    edit(IW1, '<property name="spacecraftname"><value>Sentinel-1</value></property>', "")(stack)
    assert read_product(stack / IW1).spacecraft_name is None
    assert isce_metadata(stack / IW1)["PLATFORM"] == "sen"


def test_all_missing_attributes_are_named_in_one_error(stack):
    edit(IW1, '<property name="polarization">', '<property name="gone">')(stack)
    edit(IW1, '<property name="ascendingnodetime">', '<property name="gone">')(stack)
    with pytest.raises(InputError) as caught:
        read_product(stack / IW1)
    assert "burst1.polarization" in caught.value.message
    assert caught.value.path == str(stack / IW1)


def circular(count: int) -> tuple[datetime, list[StateVector]]:
    start, rate = datetime(2020, 1, 1), 0.00106
    vectors = []
    for number in range(count):
        angle = rate * 10.0 * number
        position = (7.07e6 * np.cos(angle), 0.0, 7.07e6 * np.sin(angle))
        velocity = (-7.07e6 * rate * np.sin(angle), 0.0, 7.07e6 * rate * np.cos(angle))
        vectors.append(StateVector(start + timedelta(seconds=10 * number), position, velocity))
    return start, vectors


@pytest.mark.parametrize("seconds", [3.0, 35.0, 61.0, 20.0], ids=["1+3", "2+2", "3+1", "on a vector"])
def test_circular_orbit_is_interpolated_within_a_micrometre(seconds):
    start, vectors = circular(8)
    position, velocity = interpolate(vectors, start + timedelta(seconds=seconds))
    angle = 0.00106 * seconds
    assert position == pytest.approx([7.07e6 * np.cos(angle), 0, 7.07e6 * np.sin(angle)], abs=1e-6)
    assert velocity == pytest.approx([-7494.2 * np.sin(angle), 0, 7494.2 * np.cos(angle)], abs=1e-6)


@pytest.mark.parametrize("count", [0, 3, 8])
def test_time_that_the_vectors_do_not_cover_is_refused(count):
    start, vectors = circular(count)
    with pytest.raises(ValueError, match="state vectors"):
        interpolate(vectors, start + timedelta(seconds=75))


def test_ellipsoid_is_right_on_the_equator_and_near_the_pole():
    place = geodetic(np.array([0.0, 6378137.0 + 700e3, 0.0]))
    assert (place.latitude, place.longitude, place.height) == pytest.approx((0, 90, 700e3), abs=1e-6)
    assert geodetic(np.array([1.0, 0.0, 7e6])).latitude == pytest.approx(90, abs=1e-4)
    assert heading(np.array([7e6, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])) == pytest.approx(-90)
    assert curvature_radius(0.0, 90.0) == pytest.approx(6378137.0)
    assert curvature_radius(0.0, 0.0) == pytest.approx(6378137.0 * (1 - 0.0066943799901))


@pytest.mark.parametrize("scheme", ["BIL", "BSQ", "BIP"])
def test_every_interleaving_is_read_from_xml_and_from_vrt(tmp_path, scheme):
    bands = [np.arange(20, dtype="f4").reshape(4, 5) + 100 * band for band in range(2)]
    path = tmp_path / "image.rdr"
    write_raster(path, bands, scheme)
    offsets = {"BIL": (20, 4, 40), "BSQ": (80, 4, 20), "BIP": (4, 8, 40)}[scheme]
    nodes = "".join(
        f'<VRTRasterBand dataType="Float32" band="{n + 1}" subClass="VRTRawRasterBand"><ByteOrder>LSB</ByteOrder>'
        f"<ImageOffset>{n * offsets[0]}</ImageOffset><PixelOffset>{offsets[1]}</PixelOffset>"
        f"<LineOffset>{offsets[2]}</LineOffset></VRTRasterBand>"
        for n in range(2)
    )
    (tmp_path / "image.rdr.vrt").write_text(f'<VRTDataset rasterXSize="5" rasterYSize="4">{nodes}</VRTDataset>')
    for _ in ("xml", "vrt"):
        header = read_header(path)
        assert header.layout == (5, 4, 2, scheme, "<f4")
        for number, wanted in enumerate(bands, start=1):
            np.testing.assert_array_equal(read_band(path, header, number), wanted)
        path.with_name("image.rdr.xml").unlink(missing_ok=True)


@pytest.mark.parametrize("root", ["imageFile", "image_name"])
@pytest.mark.parametrize("name", ["FLOAT", "float", "Float"])
def test_header_of_either_root_and_any_case_is_read(tmp_path, root, name):
    path = tmp_path / "image"
    write_raster(path, [np.zeros((2, 3), "f4")])
    xml = tmp_path / "image.xml"
    xml.write_text(xml.read_text().replace("imageFile", root).replace("FLOAT", name))
    assert read_header(path).dtype == "f4"


@pytest.mark.parametrize("content", ["", "<imageFile/>", "<html/>", "<imageFile>"])
def test_what_is_no_header_is_refused_with_the_file(tmp_path, content):
    (tmp_path / "image.xml").write_text(content)
    with pytest.raises(InputError, match=r"\[header-unreadable\].*image\.xml"):
        read_header(tmp_path / "image")


def test_blocks_of_rows_cover_an_image_and_stay_within_bounds():
    header = RasterHeader(1000, 333, 2, "BIL", "f4")
    blocks = list(row_blocks(header, 100_000))
    assert [block.start for block in blocks[1:]] == [block.stop for block in blocks[:-1]]
    assert (blocks[0].start, blocks[-1].stop) == (0, 333)
    assert all((block.stop - block.start) * 8000 <= 100_000 for block in blocks)


def test_size_is_compared_without_reading(tmp_path):
    path = tmp_path / "image"
    write_raster(path, [np.zeros((2, 3), "f4")])
    check_size(path, read_header(path))
    path.write_bytes(b"\0" * 23)
    with pytest.raises(InputError, match=r"raster-truncated.*23 bytes.*24"):
        read_band(path, read_header(path))


def test_corners_are_taken_inside_the_stair_steps_of_zeros(tmp_path):
    latitude = np.full((20, 6), 38.0)
    latitude[:3, 4:] = latitude[16:, :2] = 0
    write_raster(tmp_path / "lat.rdr", [latitude])
    assert corner_rows(tmp_path / "lat.rdr", read_header(tmp_path / "lat.rdr")) == (5, 13)


def test_metadata_with_geometry_have_looks_size_and_corners(stack):
    meta = isce_metadata(stack / IW1, stack / GEOM)
    assert (meta["ALOOKS"], meta["RLOOKS"], meta["LENGTH"], meta["WIDTH"]) == ("3", "9", "12", "10")
    assert float(meta["RANGE_PIXEL_SIZE"]) == pytest.approx(9 * 2.329562114715323)
    assert float(meta["LAT_REF1"]) == pytest.approx(37.998)
    assert meta["CENTER_INCIDENCE_ANGLE"] == "38.0"
    assert meta["swathNumber"] == "12"


def test_pair_metadata_take_the_difference_of_baselines():
    series = {"20200511": (0.0, 0.0), "20200523": (20.0, 20.0), "20200604": (-5.0, -4.0)}
    meta = pair_metadata({"PROCESSOR": "isce"}, {"BANDS": "2"}, "20200523_20200604", series)
    assert meta["DATE12"] == "200523-200604"
    assert (meta["P_BASELINE_TOP_HDR"], meta["P_BASELINE_BOTTOM_HDR"]) == ("-25.0", "-24.0")


def test_baselines_skip_empty_files_and_other_references_as_mintpy_does(stack):
    write_baseline(stack, "20200523", "20200604", 99.0)
    (stack / f"baselines/{DATES[0]}_{DATES[2]}/{DATES[0]}_{DATES[2]}.txt").write_text("")
    assert baseline_timeseries(stack / "baselines") == {DATES[0]: (0.0, 0.0), DATES[1]: (21.5, 21.5)}
    assert baseline_timeseries(stack / "none") == {}


def test_full_resolution_geometry_is_taken_only_if_there_is_no_multilooked(stack):
    for name in ("hgt", "lat", "lon", "los", "shadowMask"):
        (stack / GEOM / f"{name}.rdr").rename(stack / GEOM / f"{name}.rdr.full")
    assert scan(StackLayout(stack)).geometry["height"].name == "hgt.rdr.full"
    write_raster(stack / GEOM / "lat.rdr", [np.ones(SHAPE)])
    assert list(scan(StackLayout(stack)).geometry) == ["latitude"]


def test_layout_takes_template_values_relative_to_the_mintpy_folder(stack):
    template = {
        "mintpy.load.unwFile": "../merged/interferograms/*/filt_*.unw",
        "mintpy.load.connCompFile": "none",
        "mintpy.load.demFile": str(stack / GEOM / "hgt.rdr"),
        "mintpy.load.corFile": "auto",
    }
    tree = scan(StackLayout.from_template(stack, template))
    assert [pair.name for pair in tree.pairs] == list(PAIRS)
    assert set(tree.pairs[0].files) == {"unw", "cor"}
    assert tree.geometry["height"] == stack / GEOM / "hgt.rdr"


def test_folder_with_glob_characters_in_its_name_is_scanned(stack):
    moved = stack.rename(stack.with_name("stack [old]*"))
    assert len(scan(StackLayout(moved)).pairs) == 3


def test_pair_may_be_named_in_the_file_instead_of_the_folder(stack):
    remove(UNW)(stack)
    (stack / "flat").mkdir()
    write_raster(stack / "flat/filt_20200511_20200616.unw", [np.ones(SHAPE, "f4")] * 2)
    layout = StackLayout(stack, unw="flat/*.unw", cor="flat/*.cor", conncomp=None)
    assert [pair.name for pair in scan(layout).pairs] == ["20200511_20200616"]


def test_reading_imports_neither_dagster_nor_isce_nor_mintpy():
    code = (
        "import sys, sbas_assets.topsstack.{0}; sys.exit(any(m in sys.modules for m in ('dagster', 'isce', 'mintpy')))"
    )
    for module in ("preflight", "fingerprint", "origin", "metadata"):
        assert subprocess.run([sys.executable, "-c", code.format(module)], check=False).returncode == 0, module


def test_preflight_of_a_relative_path_gives_absolute_files(stack, monkeypatch):
    monkeypatch.chdir(stack.parent)
    tree = scan(StackLayout(Path("stack")))
    assert all(path.is_absolute() for pair in tree.pairs for path in pair.files.values())


def test_a_header_is_read_once_for_as_long_as_it_stays_the_same(tmp_path, monkeypatch):
    read, parsed = [], rasters._parsed
    monkeypatch.setattr(rasters, "_parsed", lambda path: read.append(path) or parsed(path))
    monkeypatch.setattr(digests, "SETTLED_NS", -(10**9))  # files written just now count as old
    path = tmp_path / "image"
    write_raster(path, [np.zeros((3, 4), "f4")])
    assert read_header(path) == read_header(path)
    assert len(read) == 1
    write_raster(path, [np.zeros((3, 5), "f4")])
    assert read_header(path).shape == (3, 5)
    remove("image.xml")(tmp_path)
    with pytest.raises(InputError):
        read_header(path)


def test_a_header_that_was_just_written_is_read_every_time(tmp_path, monkeypatch):
    read, parsed = [], rasters._parsed
    monkeypatch.setattr(rasters, "_parsed", lambda path: read.append(path) or parsed(path))
    path = tmp_path / "image"
    write_raster(path, [np.zeros((3, 4), "f4")])
    assert read_header(path) == read_header(path)
    assert len(read) == 2
