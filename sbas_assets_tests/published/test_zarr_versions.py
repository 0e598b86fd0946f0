"""Versions of a published product: reused, replaced under readers, killed in the middle, repaired."""

from __future__ import annotations

from urllib.parse import urlparse

import fsspec
import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published import zarr_product
from sbas_assets.published.reading import open_product
from sbas_assets.published.verify import verify_product

from .conftest import GEO, SHAPE, write_mintpy
from .test_zarr_product import FRAME, objects


def test_a_complete_version_is_reused(geo, publish, store_url):
    first = publish(geo.velocity, "velocity")
    before = objects(store_url)
    again = publish(geo.velocity, "velocity")
    assert (first.reused, again.reused) == (False, True)
    assert again.pointer == first.pointer
    assert objects(store_url) == before


def test_going_back_to_an_older_version_moves_only_the_pointer(geo, publish, store_url):
    publish(geo.velocity, "velocity", "a1")
    publish(geo.velocity, "velocity", "b2")
    back = publish(geo.velocity, "velocity", "a1")
    assert back.reused
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "a1"


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_killed_write_leaves_the_old_version_to_readers_and_is_made_good(geo, publish, store_url, monkeypatch):
    publish(geo.velocity, "velocity", "a1")
    with monkeypatch.context() as patch:
        patch.setattr(zarr_product, "make_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(geo.velocity, "velocity", "b2")
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "a1"
    with pytest.raises(InputError, match="product-not-published"):
        open_product(store_url, FRAME, "velocity", "b2")
    done = publish(geo.velocity, "velocity", "b2")
    assert not done.reused
    # A local folder can be cleared; in an object store late chunks may still arrive in it.
    local = urlparse(store_url).scheme in ("", "file")
    assert done.pointer.folder.endswith("/b2" if local else "/b2-1")
    assert verify_product(store_url, FRAME, "velocity", geo.velocity) == []
    assert open_product(store_url, FRAME, "velocity", "b2").attrs["product_version"] == "b2"


def test_a_reader_keeps_the_version_that_it_opened(geo, publish, store_url, tmp_path):
    publish(geo.velocity, "velocity", "a1")
    reader = open_product(store_url, FRAME, "velocity")
    other = write_mintpy(tmp_path / "v.h5", {"velocity": np.zeros(SHAPE, np.float32)}, **GEO)
    publish(other, "velocity", "b2")
    with h5py.File(geo.velocity) as file:
        np.testing.assert_array_equal(reader.velocity.to_numpy(), file["velocity"][:])
    assert not open_product(store_url, FRAME, "velocity").velocity.to_numpy().any()


def test_a_damaged_version_that_readers_use_is_repaired_beside_it(geo, publish, store_url):
    publish(geo.velocity, "velocity")
    fs, root = fsspec.url_to_fs(f"{store_url}/{FRAME}/velocity/a1/data.zarr/velocity/c/0/0")
    fs.rm_file(root)
    repaired = publish(geo.velocity, "velocity")
    assert repaired.pointer.folder.endswith("/a1-1")
    assert verify_product(store_url, FRAME, "velocity", geo.velocity) == []


def test_lost_chunks_are_found_before_the_pointer_moves(geo, publish, store_url, monkeypatch):
    real = zarr_product.make_manifest

    def lose_one(store, folder):
        store.fs.rm_file(f"{folder}/data.zarr/velocity/c/0/0")
        return real(store, folder)

    monkeypatch.setattr(zarr_product, "make_manifest", lose_one)
    with pytest.raises(OutsideError, match=r"product-damaged.*velocity has 0 of 1 chunks"):
        publish(geo.velocity, "velocity")
    with pytest.raises(InputError, match="product-not-published"):
        open_product(store_url, FRAME, "velocity")
