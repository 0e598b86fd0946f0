"""Geocoded files are those of MintPy's geocode.py: all datasets, wherever the grid lies, in one box or many."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbas_assets.sbas import blocks
from sbas_assets.sbas.geo_files import geocode_file
from sbas_assets.sbas.geocoding import DATASET, box_count, write_radar_pixels
from sbas_assets.sbas.geocoding_kernel import take_pixels
from sbas_assets.threads import THREADS

SHAPE = (90, 70)
DATES = 6
RNG = np.random.default_rng(11)
ATTRIBUTES = {
    "LENGTH": SHAPE[0],
    "WIDTH": SHAPE[1],
    "HEADING": -168.0,
    "HEIGHT": 700000.0,
    "EARTH_RADIUS": 6371000.0,
    "STARTING_RANGE": 800000.0,
    "RANGE_PIXEL_SIZE": 20.0,
    "AZIMUTH_PIXEL_SIZE": 42.0,
    "ALOOKS": 3,
    "RLOOKS": 9,
    "PROCESSOR": "isce",
    "DATA_TYPE": "float32",
}
REFERENCE = {"REF_Y": 40, "REF_X": 30, "REF_DATE": "20200101"}
SERIES, MAPS, GEOMETRY = "timeseries.h5", "maps.h5", "geometryRadar.h5"


def write(path: Path, attributes: Mapping[str, Any], datasets: Mapping[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as h5:
        for name, values in datasets.items():
            h5[name] = values
        h5.attrs.update({key: str(value) for key, value in attributes.items()})


def image(*more: int) -> np.ndarray:
    return RNG.normal(0, 1, (*more, *SHAPE)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    rough = RNG.normal(0, 5e-5, SHAPE)
    lat = 40 + 4e-4 * rows - 5e-5 * columns + rough
    lon = 20 - 8e-5 * rows + 6e-4 * columns - rough
    # no data, as in images of several swaths
    lat[:3, :9] = lon[:3, :9] = 0
    geometry = {"latitude": lat.astype("f4"), "longitude": lon.astype("f4"), "height": image(), "mask": image() > 0}
    write(tmp_path / GEOMETRY, {**ATTRIBUTES, "FILE_TYPE": "geometry"}, geometry)
    series = {"timeseries": image(DATES), "date": np.array([f"2020010{n + 1}" for n in range(DATES)], "S8")}
    write(tmp_path / SERIES, {**ATTRIBUTES, **REFERENCE, "FILE_TYPE": "timeseries", "UNIT": "m"}, series)
    numbers = RNG.integers(-9, 9, SHAPE)
    maps = {"one": image(), "two": image().astype("f8"), "small": numbers.astype("i2"), "bytes": numbers.astype("u1")}
    write(tmp_path / MAPS, {**ATTRIBUTES, **REFERENCE, "FILE_TYPE": "velocity", "UNIT": "m/year"}, maps)
    with h5py.File(tmp_path / MAPS, "r+") as h5:
        h5["one"][4:7] = np.nan
        h5["one"].attrs["UNIT"] = "m/year"
    return tmp_path


def by_mintpy(folder: Path, *arguments: str) -> dict[str, tuple[dict[str, np.ndarray], dict[str, str]]]:
    import mintpy.cli.geocode

    files = [str(folder / name) for name in (GEOMETRY, SERIES, MAPS)]
    mintpy.cli.geocode.main([*files, "-l", files[0], "--outdir", str(folder / "theirs"), *arguments])
    return {name: read(folder / "theirs" / f"geo_{name}") for name in (GEOMETRY, SERIES, MAPS)}


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    with h5py.File(path) as h5:
        return {name: item[()] for name, item in h5.items()}, dict(h5.attrs)


def ours(folder: Path, memory: float = 4.0, fill: float = np.nan, **grid: Any) -> dict[str, Path]:
    pixels, found = folder / "pixels.h5", {}
    write_radar_pixels(folder / GEOMETRY, pixels, boxes=box_count(DATES, SHAPE, memory), **grid)
    for name in (GEOMETRY, SERIES, MAPS):
        found[name] = folder / f"geo_{name}"
        geocode_file(folder / name, found[name], pixels, lookup=folder / GEOMETRY, fill=fill, memory=memory)
    return found


def memory_for(boxes: int) -> float:
    return DATES * SHAPE[0] * SHAPE[1] * 24 / 2**30 / (boxes - 0.5)


CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "as it comes": ([], {}),
    "two boxes": (["--ram", str(memory_for(2))], {"memory": memory_for(2)}),
    "seven boxes": (["--ram", str(memory_for(7))], {"memory": memory_for(7)}),
    "a part": (["-b", "40.01", "40.03", "20.0", "20.03"], {"bounds": (40.01, 40.03, 20.0, 20.03)}),
    "more than all": (["-b", "39.9", "40.1", "19.9", "20.1"], {"bounds": (39.9, 40.1, 19.9, 20.1)}),
    "coarse": (["--lalo", "-0.002", "0.001"], {"steps": (-0.002, 0.001)}),
    "fine, another fill value": (["--lalo", "0.0002", "0.0002", "--fill", "7"], {"steps": [2e-4, 2e-4], "fill": 7.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_files_are_geocoded_as_mintpy_geocodes_them_together(case: str, folder: Path) -> None:
    arguments, options = CASES[case]
    theirs = by_mintpy(folder, *arguments)
    for name, path in ours(folder, **options).items():
        (mine, attributes), (expected, expected_attributes) = read(path), theirs[name]
        assert set(mine) == set(expected)
        for dataset, values in expected.items():
            assert mine[dataset].dtype == values.dtype
            np.testing.assert_array_equal(mine[dataset], values, err_msg=f"{name} {dataset}")
        ignored = {"FILE_PATH", "SBAS_ASSETS_PROVENANCE"}
        assert {k: v for k, v in attributes.items() if k not in ignored} == {
            k: v for k, v in expected_attributes.items() if k not in ignored
        }


def test_boxes_make_a_difference_so_that_all_files_need_the_same(folder: Path) -> None:
    one, two = folder / "one.h5", folder / "three.h5"
    write_radar_pixels(folder / GEOMETRY, one)
    write_radar_pixels(folder / GEOMETRY, two, boxes=3)
    first, second = (read(path)[0][DATASET] for path in (one, two))
    assert first.shape == second.shape
    assert 0 < np.mean(first != second) < 0.1
    assert second.max() < SHAPE[0] * SHAPE[1] - SHAPE[1]


def test_units_of_datasets_stay(folder: Path) -> None:
    with h5py.File(ours(folder)[MAPS]) as h5:
        assert (h5["one"].attrs["UNIT"], dict(h5["two"].attrs)) == ("m/year", {})


@pytest.mark.parametrize(("threads", "enough"), [("1", 2**27), ("3", 2**27), ("2", 20_000), ("2", 1)])
def test_neither_threads_nor_blocks_change_a_byte(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threads: str, enough: int
) -> None:
    before = {name: path.read_bytes() for name, path in ours(folder).items()}
    monkeypatch.setenv(THREADS, threads)
    monkeypatch.setattr(blocks, "_ENOUGH", enough)
    assert {name: path.read_bytes() for name, path in ours(folder).items()} == before


def test_pixels_of_another_image_are_refused(folder: Path) -> None:
    ours(folder)
    with h5py.File(folder / "pixels.h5", "r+") as h5:
        h5[DATASET][0, 0] = SHAPE[0] * SHAPE[1]
    with pytest.raises(ValueError, match="radar pixel 6300 in an image of 90 x 70"):
        geocode_file(folder / MAPS, folder / "o.h5", folder / "pixels.h5", lookup=folder / GEOMETRY)


def test_the_number_of_boxes_is_mintpys(folder: Path) -> None:
    from mintpy.objects.resample import resample

    for memory in (4.0, 0.001, memory_for(2), memory_for(5), 0.0):
        assert box_count(DATES, SHAPE, memory) == resample.get_num_box(str(folder / SERIES), memory)


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 30), st.integers(0, 40))
def test_taking_pixels_is_indexing(data: st.DataObject, layers: int, size: int, places: int) -> None:
    first = data.draw(st.integers(0, 5))
    numbers = st.one_of(st.just(-1), st.integers(first, first + size - 1))
    pixels = np.array(data.draw(st.lists(numbers, min_size=places, max_size=places)), np.int32)
    images = np.arange(layers * size, dtype=np.uint32).reshape(layers, size)
    out = np.full((layers, places), 999, np.uint32)
    take_pixels(images, pixels, first, np.uint32(77), 0, places, out)
    np.testing.assert_array_equal(out, np.where(pixels < 0, 77, images[:, np.maximum(pixels - first, 0)]))
