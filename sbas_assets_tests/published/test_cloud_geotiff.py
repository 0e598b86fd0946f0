"""Cloud-Optimized GeoTIFFs: numbers, place, units and signs by GDAL, their layout by another reader, on S3 too."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.shutil import copy
from rasterio.transform import from_origin

from sbas_assets.errors import InputError
from sbas_assets.published.cf_dataset import root_attributes
from sbas_assets.published.cloud_geotiff import COG_PRODUCTS, TILE, cog_problems, write_cog
from sbas_assets.published.mintpy_file import BlockReader, open_mintpy
from sbas_assets.published.variables import TOWARD_SATELLITE

from .ceph_server import CephServer
from .conftest import GEO, PROVENANCE, Sources, write_mintpy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

ODD = (1301, 1607)


def write(source: Path, product: str, target: Path) -> Path | None:
    with open_mintpy(source) as file:
        attributes = root_attributes(file, product, "T109D_test", "a1", PROVENANCE)
        return write_cog(file, product, target, attributes)


def problems(cog: Path | bytes, source: Path, product: str) -> list[str]:
    with open_mintpy(source) as file:
        return cog_problems(cog, file, product)


def write_map(path: Path, values: np.ndarray, dataset: str = "velocity", **attributes: object) -> Path:
    place = {**GEO, "LENGTH": values.shape[0], "WIDTH": values.shape[1], "UNIT": "m/year"}
    return write_mintpy(path, {dataset: values}, **place | attributes)


def velocity(shape: tuple[int, int]) -> np.ndarray:
    values = np.random.default_rng(1).normal(0, 0.01, shape).astype(np.float32)
    values[: shape[0] // 3, : shape[1] // 4] = np.nan
    return values


@pytest.mark.parametrize("product", COG_PRODUCTS)
def test_gdal_reads_the_numbers_the_place_and_the_words(geo: Sources, tmp_path: Path, product: str) -> None:
    source, dataset, unit = {
        "velocity": (geo.velocity, "velocity", "m/year"),
        "temporalCoherence": (geo.coherence, "temporalCoherence", "1"),
        "maskTempCoh": (geo.mask, "mask", "1"),
    }[product]
    target = tmp_path / f"{product}.tif"
    assert write(source, product, target) == target
    assert problems(target, source, product) == []
    with rasterio.open(target) as data, h5py.File(source) as file:
        np.testing.assert_array_equal(data.read(1), file[dataset][:])
        assert data.crs.to_epsg() == 4326
        assert data.transform == from_origin(25.3, 36.5, 0.002, 0.001)
        assert data.units == (unit,)
        assert data.compression.name == "deflate"
        tags = data.tags()
    assert (tags["frame"], tags["product"], tags["product_version"]) == ("T109D_test", product, "a1")
    assert tags["los_sign_convention"] == TOWARD_SATELLITE
    assert (tags["reference_date"], tags["reference_row"], tags["reference_latitude"]) == ("20200105", "3", "36.4965")
    assert not {"provenance", "zarr_conventions"} & tags.keys()


def test_a_signed_map_names_its_band_and_the_sign(geo: Sources, tmp_path: Path) -> None:
    with rasterio.open(write(geo.velocity, "velocity", tmp_path / "v.tif")) as data:
        assert data.descriptions == ("line-of-sight velocity",)
        assert data.tags(1)["sign_convention"] == TOWARD_SATELLITE
    with rasterio.open(write(geo.coherence, "temporalCoherence", tmp_path / "c.tif")) as data:
        assert "sign_convention" not in data.tags(1)


def test_no_data_is_nan_in_numbers_and_nothing_in_masks(geo: Sources, tmp_path: Path) -> None:
    with rasterio.open(write(geo.velocity, "velocity", tmp_path / "v.tif")) as data:
        assert np.isnan(data.nodata)
    with rasterio.open(write(geo.mask, "maskTempCoh", tmp_path / "m.tif")) as data:
        assert data.nodata is None
        assert set(np.unique(data.read(1))) == {0, 1}


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (TILE, TILE), (TILE + 1, TILE - 1), ODD], ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_any_size_keeps_its_numbers(tmp_path: Path, shape: tuple[int, int], dtype: str) -> None:
    values = velocity(shape).astype(dtype)
    source = write_map(tmp_path / "geo_velocity.h5", values)
    target = write(source, "velocity", tmp_path / "v.tif")
    assert problems(target, source, "velocity") == []
    with rasterio.open(target) as data:
        np.testing.assert_array_equal(data.read(1), values)
        assert len(data.overviews(1)) == (2 if shape == ODD else 1 if max(shape) > TILE else 0)


@pytest.mark.parametrize(("attributes", "epsg"), [({"UTM_ZONE": "35N"}, 32635), ({"EPSG": 3857}, 3857)], ids=str)
def test_a_projected_map_keeps_its_zone(tmp_path: Path, attributes: dict, epsg: int) -> None:
    place = {"Y_FIRST": "4040000.5", "X_FIRST": "300000.25", "Y_STEP": "-30", "X_STEP": "30", "Y_UNIT": "meters"}
    source = write_map(tmp_path / "geo_velocity.h5", velocity((40, 50)), **place, **attributes)
    with rasterio.open(write(source, "velocity", tmp_path / "v.tif")) as data:
        assert data.crs.to_epsg() == epsg
        assert data.transform == from_origin(300000.25, 4040000.5, 30, 30)
    assert problems(tmp_path / "v.tif", source, "velocity") == []


def test_a_map_with_south_at_the_top_stays_so(tmp_path: Path) -> None:
    source = write_map(tmp_path / "geo_velocity.h5", velocity((40, 50)), Y_STEP="0.001")
    target = write(source, "velocity", tmp_path / "v.tif")
    assert problems(target, source, "velocity") == []
    with rasterio.open(target) as data:
        assert data.transform.e == 0.001


def test_overviews_average_the_pixels_that_have_a_number(tmp_path: Path) -> None:
    values = velocity((1200, 1600))
    values[500:900:3, 700:1200] = np.nan
    target = write(write_map(tmp_path / "geo_velocity.h5", values), "velocity", tmp_path / "v.tif")
    with rasterio.open(target, overview_level=0) as data:
        seen = data.read(1)
    blocks = values.reshape(600, 2, 800, 2)
    many = np.isfinite(blocks).sum(axis=(1, 3))
    mean = np.nansum(blocks, axis=(1, 3)) / np.where(many, many, np.nan)
    assert {0, 2, 4} <= set(np.unique(many))
    np.testing.assert_allclose(seen, mean, atol=1e-8)


def test_overviews_of_a_mask_show_what_most_pixels_are(tmp_path: Path) -> None:
    mask = np.zeros((1024, 1024), np.bool_)
    mask[:, 512:] = True
    mask[::4, ::4] ^= True
    source = write_map(tmp_path / "geo_maskTempCoh.h5", mask, "mask")
    with rasterio.open(write(source, "maskTempCoh", tmp_path / "m.tif"), overview_level=0) as data:
        seen = data.read(1)
    assert (seen[:, :256] == 0).all()
    assert (seen[:, 256:] == 1).all()


def test_another_reader_finds_headers_first_and_small_copies_before_large(tmp_path: Path) -> None:
    target = write(write_map(tmp_path / "geo_velocity.h5", velocity(ODD)), "velocity", tmp_path / "v.tif")
    with tifffile.TiffFile(target) as file:
        pages = list(file.pages)
        assert [page.shape for page in pages] == [ODD, (650, 803), (325, 401)]
        assert all(page.is_tiled and (page.tilewidth, page.tilelength) == (TILE, TILE) for page in pages)
        assert max(page.offset for page in pages) < min(min(page.dataoffsets) for page in pages)
        firsts = [min(page.dataoffsets) for page in pages]
        assert firsts == sorted(firsts, reverse=True)


def test_the_same_map_gives_the_same_bytes_with_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_map(tmp_path / "geo_velocity.h5", velocity(ODD))
    made = []
    for number, threads in enumerate(("1", "4", "4")):
        monkeypatch.setenv("SBAS_THREADS", threads)
        folder = tmp_path / str(number)
        folder.mkdir()
        made.append(write(source, "velocity", folder / f"{number}.tif").read_bytes())
    assert made[0] == made[1] == made[2]


def test_no_more_than_a_tile_is_read_at_once(tmp_path: Path) -> None:
    source = write_map(tmp_path / "geo_velocity.h5", velocity(ODD))
    sizes = []

    class Watched(BlockReader):
        def __getitem__(self, key):
            values = super().__getitem__(key)
            sizes.append(values.size)
            return values

    with open_mintpy(source) as file:
        reader = file.datasets["velocity"]
        watched = replace(file, datasets={"velocity": Watched(reader.path, reader.dataset)})
        target = write_cog(watched, "velocity", tmp_path / "v.tif", {})
        assert cog_problems(target, watched, "velocity") == []
    assert max(sizes) <= TILE * TILE
    assert sum(sizes) == 2 * ODD[0] * ODD[1]


def test_radar_coordinates_have_no_geotiff(radar: Sources, tmp_path: Path) -> None:
    assert write(radar.velocity, "velocity", tmp_path / "v.tif") is None
    assert not (tmp_path / "v.tif").exists()


def test_a_series_has_no_geotiff(geo: Sources, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no map"):
        write(geo.timeseries, "timeseries_demErr", tmp_path / "t.tif")


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"height": np.zeros((30, 40), np.float32)}, "no dataset velocity"),
        ({"velocity": np.zeros((30, 40), np.complex64)}, "complex64"),
        ({"velocity": np.zeros((30, 40), "S3")}, "not a map of real numbers"),
    ],
)
def test_a_file_without_the_map_is_told_apart(tmp_path: Path, datasets: dict, words: str) -> None:
    source = write_mintpy(tmp_path / "geo_velocity.h5", datasets, **GEO)
    with pytest.raises(InputError, match=words) as caught:
        write(source, "velocity", tmp_path / "v.tif")
    assert caught.value.code == "product-source-invalid"
    assert [path.name for path in tmp_path.iterdir()] == ["geo_velocity.h5"]


def test_one_other_number_is_found_in_the_file_and_in_its_bytes(tmp_path: Path) -> None:
    values = velocity(ODD)
    source = write_map(tmp_path / "geo_velocity.h5", values)
    target = write(source, "velocity", tmp_path / "v.tif")
    values[1300, 1606] += 1e-6
    values[0, 0] = 0
    other = write_map(tmp_path / "other.h5", values)
    said = ["differs in 2 of 2090707 values from dataset velocity"]
    assert problems(target, other, "velocity") == problems(target.read_bytes(), other, "velocity") == said


def test_another_place_and_another_layout_are_found(geo: Sources, tmp_path: Path) -> None:
    target = write(geo.velocity, "velocity", tmp_path / "v.tif")
    moved = write_map(tmp_path / "moved.h5", velocity((30, 40)), X_FIRST="25.4", EPSG=32635)
    said = problems(target, moved, "velocity")
    assert [text.split(" is ")[0] for text in said[:2]] == ["its crs", "its transform"]
    larger = write_map(tmp_path / "larger.h5", velocity((31, 40)))
    assert problems(target, larger, "velocity") == ["its height is 30, not 31"]
    copy(target, tmp_path / "plain.tif", driver="GTiff", tiled=True, blockxsize=TILE, blockysize=TILE)
    assert problems(tmp_path / "plain.tif", geo.velocity, "velocity") == ["it is not laid out for the cloud"]


def test_a_damaged_file_is_a_problem_and_no_crash(geo: Sources, tmp_path: Path) -> None:
    whole = write(geo.velocity, "velocity", tmp_path / "v.tif").read_bytes()
    for damaged in (b"", b"nothing", whole[: len(whole) // 2]):
        assert problems(damaged, geo.velocity, "velocity")[0].startswith("it cannot be read: ")


def test_a_full_disk_is_an_error_of_the_system_and_leaves_nothing(tmp_path: Path) -> None:
    write_map(tmp_path / "geo_velocity.h5", velocity(ODD))
    program = """
import resource, signal, sys
from pathlib import Path
from sbas_assets.published import cloud_geotiff
from sbas_assets.published.mintpy_file import open_mintpy
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_mintpy(Path(sys.argv[1], "geo_velocity.h5")) as file:
    try:
        cloud_geotiff.write_cog(file, "velocity", Path(sys.argv[1], "v.tif"), {})
    except OSError as error:
        print(error.errno)
"""
    for limit in ("100000", "8600000"):
        run = subprocess.run(
            [sys.executable, "-c", program, tmp_path, limit], capture_output=True, text=True, check=True
        )
        assert run.stdout == f"{errno.EIO}\n"
        assert [path.name for path in tmp_path.iterdir()] == ["geo_velocity.h5"]


def test_gdal_reads_it_from_a_bucket_in_a_few_requests(ceph: CephServer, bucket: str, tmp_path: Path) -> None:
    values = velocity((2000, 2500))
    source = write_map(tmp_path / "geo_velocity.h5", values)
    target = write(source, "velocity", tmp_path / "v.tif")
    ceph.client().put_object(Bucket=bucket, Key="velocity/a1/velocity.tif", Body=target.read_bytes())
    options = {
        "AWS_S3_ENDPOINT": f"127.0.0.1:{ceph.port}",
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    }
    place = f"/vsis3/{bucket}/velocity/a1/velocity.tif"
    with rasterio.Env(**options):
        mark = ceph.mark()
        with rasterio.open(place) as data:
            small = data.read(1, out_shape=(500, 625))
        # the headers, and the four tiles of the copy at a quarter of the resolution, which lie side by side
        assert len(ceph.since(mark)) <= 4
        assert small.shape == (500, 625)
        with rasterio.open(place) as data:
            np.testing.assert_array_equal(data.read(1), values)
            assert data.crs.to_epsg() == 4326
