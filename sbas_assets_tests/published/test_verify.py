"""Verification finds every kind of damage, and only that."""

from __future__ import annotations

import fsspec
import h5py
import pytest

from sbas_assets.errors import InputError
from sbas_assets.published.verify import verify_frame, verify_product

from .conftest import FRAME

CHUNK = "data.zarr/velocity/c/0/0"


@pytest.fixture
def stored(geo, publish):
    return publish(geo.velocity, "velocity").stored


@pytest.fixture
def folder(stored, store_url):
    """The version's folder, as (filesystem, path)."""
    return fsspec.url_to_fs(f"{store_url}/{stored.folder}")


@pytest.fixture
def problems(stored, store_url):
    return lambda source=None: "; ".join(verify_product(store_url, stored, source))


def test_a_missing_chunk_is_found(folder, problems, geo):
    fs, path = folder
    fs.rm_file(f"{path}/{CHUNK}")
    assert f"{CHUNK} is missing" in problems(geo.velocity)


def test_a_truncated_chunk_is_found(folder, problems, geo):
    fs, path = folder
    data = fs.cat_file(f"{path}/{CHUNK}")
    fs.pipe_file(f"{path}/{CHUNK}", data[:-5])
    assert f"{CHUNK} has {len(data) - 5} bytes instead of {len(data)}" in problems(geo.velocity)


def test_a_changed_byte_is_found(folder, problems):
    fs, path = folder
    data = bytearray(fs.cat_file(f"{path}/{CHUNK}"))
    data[40] ^= 1
    fs.pipe_file(f"{path}/{CHUNK}", bytes(data))
    assert f"{CHUNK} has other content" in problems()


def test_an_object_that_was_not_published_is_found(folder, problems):
    fs, path = folder
    fs.pipe_file(f"{path}/data.zarr/velocity/c/0/7", b"late")
    assert "data.zarr/velocity/c/0/7 is not in the manifest" in problems()


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"objects": [1]}', b'{"objects": []}'])
def test_a_lost_or_broken_manifest_is_found(folder, problems, content):
    fs, path = folder
    if content is None:
        fs.rm_file(f"{path}/manifest.json")
    else:
        fs.pipe_file(f"{path}/manifest.json", content)
    assert "manifest" in problems()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"version": "a1", "arrays": {"x": 1}}'])
def test_a_broken_item_is_found(geo, publish, store_url, content):
    publish(geo.velocity, "velocity")
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}/item.json")
    fs.pipe_file(path, content)
    assert "the item cannot be read" in verify_frame(store_url, FRAME)["item"][0]


def test_nothing_published_is_told(store_url):
    with pytest.raises(InputError, match="product-not-published"):
        verify_frame(store_url, FRAME)


def test_all_products_of_a_frame_are_verified(whole_frame, store_url):
    assert verify_frame(store_url, FRAME) == {
        "item": [],
        "temporalCoherence": [],
        "timeseries_demErr": [],
        "velocity": [],
    }


def test_numbers_are_compared_with_the_file_that_the_version_was_made_from_only(whole_frame, store_url):
    with h5py.File(whole_frame.velocity, "a") as file:
        file["velocity"][2, 2] += 1
    of_this, of_another = ({"velocity": (version, whole_frame.velocity)} for version in ("a1", "b2"))
    assert "differs in 1 of 1200 values" in verify_frame(store_url, FRAME, sources=of_this)["velocity"][0]
    assert verify_frame(store_url, FRAME, sources=of_another)["velocity"] == []


def test_what_a_killed_publication_left_undone_is_told(whole_frame, store_url):
    fs, path = fsspec.url_to_fs(f"{store_url}/collection.json")
    fs.rm_file(path)
    assert verify_frame(store_url, FRAME)["item"] == ["the collection does not name the current item"]


def test_a_source_with_one_other_number_is_found(problems, geo):
    with h5py.File(geo.velocity, "a") as file:
        file["velocity"][2, 2] += 1
    assert "velocity differs in 1 of 1200 values" in problems(geo.velocity)


def test_a_source_with_other_dates_or_datasets_is_found(geo, publish, store_url):
    stored = publish(geo.timeseries, "timeseries_demErr").stored
    with h5py.File(geo.timeseries, "a") as file:
        file["date"][1] = b"20200118"
        file["timeseriesExtra"] = file["timeseries"][:]
    found = "; ".join(verify_product(store_url, stored, geo.timeseries))
    assert "dates" in found
    assert "timeseriesExtra is missing" in found
