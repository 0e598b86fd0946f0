"""Every stored array is compared: with the file, with the level above, or with what it is derived from."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr

from .conftest import Sources, make_sources
from .groups import maps, problems, series, write

SERIES = "timeseries_demErr"


@pytest.fixture
def source(tmp_path):
    return series(tmp_path / "ts.h5", (521, 530), dates=3)


def test_a_faithful_group_has_no_problems(source, geo: Sources, tmp_path):
    assert problems(write(tmp_path / "t", source, SERIES), source, SERIES) == []
    assert problems(write(tmp_path / "g", geo.geometry, "geometry"), geo.geometry, "geometry") == []
    dem = maps(tmp_path / "d.h5", (530, 20), ("dem",))
    assert problems(write(tmp_path / "d", dem, "demErr"), dem, "demErr") == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("displacement", "displacement differs in 1 of 828390 values from dataset timeseries of ts.h5"),
        ("maps/0/displacement", "maps/0/displacement differs in 1 of 828390 values from dataset timeseries of ts.h5"),
        ("maps/1/displacement", "maps/1/displacement differs in 1 of 207495 values from maps/0/displacement, of which"),
    ],
)
def test_one_other_number_is_found_in_every_copy(source, tmp_path, name, words):
    folder = write(tmp_path / "t", source, SERIES)
    array = zarr.open_array(folder / name, mode="r+")
    array[1, 100, 101] = np.nextafter(np.float32(array[1, 100, 101]), np.float32(9))
    found = problems(folder, source, SERIES)
    assert len(found) == 1
    assert found[0].startswith(words)


@pytest.mark.parametrize("name", ["x", "maps/1/y", "time", "maps/0/time"])
def test_a_moved_coordinate_is_found(source, tmp_path, name):
    folder = write(tmp_path / "t", source, SERIES)
    array = zarr.open_array(folder / name, mode="r+")
    array[0] += 1
    assert [line for line in problems(folder, source, SERIES) if name in line or "dates are not" in line]


def test_dates_told_in_another_unit_are_found(source, tmp_path):
    folder = write(tmp_path / "t", source, SERIES)
    zarr.open_array(folder / "maps/0/time", mode="r+").attrs["units"] = "days since 2020-01-06"
    zarr.consolidate_metadata(str(folder))
    assert problems(folder, source, SERIES) == ["maps/0/time has another unit than what is made of ts.h5"]


def test_arrays_that_are_missing_or_too_many_are_found(source, tmp_path):
    folder = write(tmp_path / "t", source, SERIES)
    group = zarr.open_group(folder, mode="r+")
    del group["maps/1/displacement"]
    group.create_array("maps/1/guess", shape=(2,), dtype="f4")
    zarr.consolidate_metadata(str(folder))
    missing, unknown = problems(folder, source, SERIES)
    assert missing.startswith("maps/1/displacement is missing, unlike")
    assert unknown == "maps/1/guess is not of ts.h5"


def test_a_wrong_line_of_sight_is_found_and_a_last_bit_is_not(geo: Sources, tmp_path):
    folder = write(tmp_path / "g", geo.geometry, "geometry")
    array = zarr.open_array(folder / "los_east", mode="r+")
    array[2, 3] = np.nextafter(array[2, 3], np.float32(1))
    assert problems(folder, geo.geometry, "geometry") == []
    array[2, 3] += 1e-6
    found = problems(folder, geo.geometry, "geometry")
    assert found == ["los_east differs in 1 of 1200 values from what is made of geo_geometryRadar.h5"]


@pytest.mark.parametrize("bits", [7, 16])
def test_rounded_numbers_are_held_to_the_stated_rounding_and_not_more(source, tmp_path, bits):
    folder = write(tmp_path / "t", source, SERIES, mantissa_bits=bits)
    assert problems(folder, source, SERIES) == []
    array = zarr.open_array(folder / "displacement", mode="r+")
    value = array[1, 100, 101]
    array[1, 100, 101] = value * np.float32(1 + 2.0**-bits)
    assert problems(folder, source, SERIES)[0].startswith("displacement differs in 1 of")


@pytest.mark.parametrize("stated", [None, 0, 23, "10", 12])
def test_a_rounding_that_is_not_told_right_is_found(source, tmp_path, stated):
    folder = write(tmp_path / "t", source, SERIES, mantissa_bits=10)
    array = zarr.open_array(folder / "displacement", mode="r+")
    array.update_attributes({"quantization_nsb": stated})
    zarr.consolidate_metadata(str(folder))
    assert problems(folder, source, SERIES)


def test_latitude_and_longitude_in_radar_geometry_are_compared_with_the_geometry(tmp_path):
    from zarr.storage import LocalStore

    from sbas_assets.published.cf_dataset import build_arrays
    from sbas_assets.published.mintpy_file import open_mintpy
    from sbas_assets.published.zarr_writer import write_group

    sources = make_sources(tmp_path / "radar", "", {})
    folder = tmp_path / "v"
    with open_mintpy(sources.velocity) as file, open_mintpy(sources.geometry) as places:
        write_group(LocalStore(folder), build_arrays(file, "velocity", places), {}, 10**9)
    assert problems(folder, sources.velocity, "velocity") == []
    assert problems(folder, sources.velocity, "velocity", sources.geometry) == []
    with h5py.File(sources.geometry, "a") as file:
        file["latitude"][3, 3] += 1
    assert "latitude differs in 1 of 1200" in problems(folder, sources.velocity, "velocity", sources.geometry)[0]
