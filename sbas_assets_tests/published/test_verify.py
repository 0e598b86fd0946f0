"""Verification finds every kind of damage, and only that."""

from __future__ import annotations

import fsspec
import h5py
import pytest

from sbas_assets.published.verify import verify_product

FRAME = "T109D_test"
CHUNK = "data.zarr/velocity/c/0/0"


@pytest.fixture
def folder(geo, publish, store_url):
    """The version's folder, as (filesystem, path)."""
    publish(geo.velocity, "velocity")
    return fsspec.url_to_fs(f"{store_url}/{FRAME}/velocity/a1")


def problems(store_url: str, source=None) -> str:
    return "; ".join(verify_product(store_url, FRAME, "velocity", source))


def test_a_missing_chunk_is_found(folder, store_url, geo):
    fs, path = folder
    fs.rm_file(f"{path}/{CHUNK}")
    assert f"{CHUNK} is missing" in problems(store_url, geo.velocity)


def test_a_truncated_chunk_is_found(folder, store_url, geo):
    fs, path = folder
    data = fs.cat_file(f"{path}/{CHUNK}")
    fs.pipe_file(f"{path}/{CHUNK}", data[:-5])
    assert f"{CHUNK} has {len(data) - 5} bytes instead of {len(data)}" in problems(store_url, geo.velocity)


def test_a_changed_byte_is_found(folder, store_url):
    fs, path = folder
    data = bytearray(fs.cat_file(f"{path}/{CHUNK}"))
    data[40] ^= 1
    fs.pipe_file(f"{path}/{CHUNK}", bytes(data))
    assert f"{CHUNK} has other content" in problems(store_url)


def test_an_object_that_was_not_published_is_found(folder, store_url):
    fs, path = folder
    fs.pipe_file(f"{path}/data.zarr/velocity/c/0/7", b"late")
    assert "data.zarr/velocity/c/0/7 is not in the manifest" in problems(store_url)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"objects": [1]}', b'{"objects": []}'])
def test_a_lost_or_broken_manifest_is_found(folder, store_url, content):
    fs, path = folder
    if content is None:
        fs.rm_file(f"{path}/manifest.json")
    else:
        fs.pipe_file(f"{path}/manifest.json", content)
    assert "manifest" in problems(store_url)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"version": "a1", "arrays": {"x": 1}}'])
def test_a_broken_pointer_is_found(folder, store_url, content):
    fs, path = folder
    fs.pipe_file(f"{path.removesuffix('/a1')}/latest.json", content)
    assert "the pointer cannot be read" in problems(store_url)


def test_nothing_published_is_a_problem(store_url):
    assert "is not published" in problems(store_url)


def test_a_source_with_one_other_number_is_found(folder, store_url, geo):
    with h5py.File(geo.velocity, "a") as file:
        file["velocity"][2, 2] += 1
    assert "velocity differs in 1 of 1200 values" in problems(store_url, geo.velocity)


def test_a_source_with_other_dates_or_datasets_is_found(geo, publish, store_url):
    publish(geo.timeseries, "timeseries_demErr")
    with h5py.File(geo.timeseries, "a") as file:
        file["date"][1] = b"20200118"
        file["timeseriesExtra"] = file["timeseries"][:]
    found = verify_product(store_url, FRAME, "timeseries_demErr", geo.timeseries)
    assert len(found) == 2
    assert "dates" in found[0]
    assert "timeseriesExtra is missing" in found[1]
