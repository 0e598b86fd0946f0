"""Versions of a product: reused, resumed, repaired; readers keep the one that they opened."""

from __future__ import annotations

import fsspec
import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published import zarr_product
from sbas_assets.published.reading import open_product
from sbas_assets.published.recording import RecordingStore
from sbas_assets.published.store import Store
from sbas_assets.published.verify import verify_product

from .conftest import FRAME, GEO, SHAPE, write_mintpy
from .test_zarr_product import objects


def below(url: str, folder: str) -> dict[str, bytes]:
    return {name: data for name, data in objects(url).items() if folder in name}


def test_a_complete_version_is_reused(geo, publish, store_url):
    first = publish(geo.velocity, "velocity")
    before = objects(store_url)
    again = publish(geo.velocity, "velocity")
    assert (first.reused, again.reused) == (False, True)
    assert again.stored == first.stored
    assert objects(store_url) == before


def test_going_back_to_an_older_version_writes_no_product(geo, publish, store_url):
    publish(geo.velocity, "velocity", "a1")
    publish(geo.velocity, "velocity", "b2")
    before = below(store_url, "/velocity/")
    assert publish(geo.velocity, "velocity", "a1").reused
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "a1"
    assert below(store_url, "/velocity/") == before


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_every_object_is_on_the_disk_before_the_manifest_is_written(geo, publish, tmp_path, monkeypatch):
    done, put, flush = [], Store.put, Store.flush

    def putting(self: Store, path: str, data: bytes, **how: bool) -> None:
        put(self, path, data, **how)
        done.append(("put", path))

    def flushing(self: Store, path: str) -> None:
        flush(self, path)
        done.append(("flush", path))

    monkeypatch.setattr(Store, "put", putting)
    monkeypatch.setattr(Store, "flush", flushing)
    stored = publish(geo.velocity, "velocity", "b2").stored
    written = next(number for number, (_, path) in enumerate(done) if path.endswith("manifest.json"))
    before = done[:written]
    flushed = {path for how, path in before if how == "flush"}
    assert flushed == {path for how, path in before if how == "put"}
    assert len(flushed) == stored.n_objects


def test_a_killed_write_leaves_the_old_version_to_readers_and_is_gone_on_with(geo, publish, store_url, monkeypatch):
    publish(geo.velocity, "velocity", "a1")
    with monkeypatch.context() as patch:
        patch.setattr(RecordingStore, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(geo.velocity, "velocity", "b2")
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "a1"
    there = below(store_url, "/velocity/b2/")
    assert there
    # metadata comes last: what is not whole does not open
    assert not [name for name in there if name.endswith("zarr.json")]
    sent = []
    put = Store.put

    def watched(self: Store, path: str, data: bytes, **how: bool) -> None:
        sent.append(path)
        put(self, path, data, **how)

    monkeypatch.setattr(Store, "put", watched)
    done = publish(geo.velocity, "velocity", "b2")
    assert not done.reused
    assert verify_product(store_url, done.stored, geo.velocity) == []
    chunks = [path for path in sent if "/b2/data.zarr/" in path and "/c" in path.split("data.zarr")[1]]
    # a store that tells no checksums is written again
    assert bool(chunks) == store_url.startswith("memory")


def test_a_reader_keeps_the_version_that_it_opened(geo, publish, store_url, tmp_path):
    publish(geo.velocity, "velocity", "a1")
    reader = open_product(store_url, FRAME, "velocity")
    other = write_mintpy(tmp_path / "v.h5", {"velocity": np.zeros(SHAPE, np.float32)}, **GEO)
    publish(other, "velocity", "b2")
    with h5py.File(geo.velocity) as file:
        np.testing.assert_array_equal(reader.velocity.to_numpy(), file["velocity"][:])
    assert not open_product(store_url, FRAME, "velocity").velocity.to_numpy().any()


@pytest.mark.parametrize("damage", ["lost", "changed", "planted", "without manifest"])
def test_a_damaged_version_is_made_whole_where_it_is(geo, publish, store_url, damage):
    first = publish(geo.velocity, "velocity")
    before = objects(store_url)
    fs, folder = fsspec.url_to_fs(f"{store_url}/{FRAME}/velocity/a1")
    chunk = f"{folder}/data.zarr/velocity/c/0/0"
    if damage == "lost":
        fs.rm_file(chunk)
    elif damage == "changed":
        fs.pipe_file(chunk, bytes(len(fs.cat_file(chunk)) + 1))
    elif damage == "planted":
        fs.pipe_file(f"{folder}/data.zarr/velocity/c/0/9", b"late")
    else:
        fs.rm_file(f"{folder}/manifest.json")
    again = publish(geo.velocity, "velocity")
    assert not again.reused
    assert again.stored == first.stored
    assert objects(store_url) == before


def test_lost_chunks_are_found_before_readers_see_them(geo, publish, store_url, monkeypatch):
    real = RecordingStore.finish

    def lose_one(self: RecordingStore):
        manifest = real(self)
        self._target.delete([f"{self._folder}/data.zarr/velocity/c/0/0"])
        return manifest

    monkeypatch.setattr(RecordingStore, "finish", lose_one)
    with pytest.raises(OutsideError, match=r"product-damaged.*velocity/c/0/0 is missing"):
        publish(geo.velocity, "velocity")
    with pytest.raises(InputError, match="product-not-published"):
        open_product(store_url, FRAME, "velocity")


def test_a_chunk_that_was_never_written_is_found_before_readers_see_it(geo, publish, store_url, monkeypatch):
    real = RecordingStore.put
    monkeypatch.setattr(
        RecordingStore, "put", lambda self, name, data: None if "velocity/c/" in name else real(self, name, data)
    )
    with pytest.raises(OutsideError, match=r"product-damaged.*velocity has 0 of 1 objects"):
        publish(geo.velocity, "velocity")


def test_another_number_in_the_store_is_found_before_readers_see_it(geo, publish, store_url, monkeypatch):
    real = zarr_product.write_group

    def wrong(target, arrays, *rest):
        data = arrays["velocity"].data[:, :].copy()
        data[2, 2] += 1
        real(target, arrays | {"velocity": zarr_product.replace(arrays["velocity"], data=data)}, *rest)

    monkeypatch.setattr(zarr_product, "write_group", wrong)
    with pytest.raises(OutsideError, match=r"product-damaged.*velocity differs in 1 of 1200 values"):
        publish(geo.velocity, "velocity")
