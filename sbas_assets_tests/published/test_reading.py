"""Readers: what they open, in which version, and what they are told when there is none."""

from __future__ import annotations

import json

import fsspec
import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.current import write_tag
from sbas_assets.published.point import point_series
from sbas_assets.published.reading import list_products, open_frame, open_product
from sbas_assets.published.store import Store, open_store
from sbas_assets.published.zarr_product import write_product

from .conftest import FRAME, GEO, PROVENANCE, SHAPE, Sources, show, write_mintpy

PLACE = (36.4875, 25.361)


def item_path(store_url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    return fsspec.url_to_fs(f"{store_url}/{FRAME}/item.json")


def current(store_url: str) -> str:
    fs, path = item_path(store_url)
    return json.loads(fs.cat_file(path))["properties"]["version"]


@pytest.fixture
def zeros(tmp_path):
    """A velocity that is told from the fixture's at a glance."""
    return write_mintpy(tmp_path / "zeros.h5", {"velocity": np.zeros(SHAPE, np.float32)}, FILE_TYPE="velocity", **GEO)


def test_products_are_listed_when_they_are_published(whole_frame, store_url):
    assert list_products(store_url, FRAME) == ["temporalCoherence", "timeseries_demErr", "velocity"]
    assert list_products(store_url, "other") == []


def test_what_is_written_but_not_shown_is_seen_by_no_reader(geo, publish, store_url):
    write_product(geo.velocity, "velocity", store_url, FRAME, "a1", PROVENANCE, max_memory_gb=1)
    assert list_products(store_url, FRAME) == []
    with pytest.raises(InputError, match=r"product-not-published.*the store is empty"):
        open_product(store_url, FRAME, "velocity")
    with pytest.raises(InputError, match="product-not-published"):
        open_frame(f"{store_url}/{FRAME}")


def test_opening_reads_nothing_but_metadata_and_axes(whole_frame, store_url):
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}")
    chunks = [name for name in fs.find(path) if "displacement/c/" in name or "velocity/c/" in name]
    for chunk in chunks:
        fs.pipe_file(chunk, b"not a chunk")
    data = open_product(store_url, FRAME, "timeseries_demErr")
    assert data.displacement.chunks is not None
    assert "spatial_ref" in data.coords
    assert open_frame(f"{store_url}/{FRAME}").velocity.chunks is not None


def test_what_is_not_published_is_told_with_what_is(whole_frame, store_url):
    with pytest.raises(InputError, match=r"geometry is not published; this frame has temporalCoherence, ") as caught:
        open_product(store_url, FRAME, "geometry")
    assert caught.value.code == "product-not-published"
    with pytest.raises(InputError, match=f"the store has the frames {FRAME}"):
        open_product(store_url, "T1", "velocity")
    with pytest.raises(InputError, match=f"the frame is not published; the store has the frames {FRAME}"):
        open_frame(f"{store_url}/T1")


def test_an_empty_store_says_so(store_url):
    with pytest.raises(InputError, match="the store is empty"):
        open_product(store_url, FRAME, "velocity")
    with pytest.raises(InputError, match="the store is empty"):
        open_frame(f"{store_url}/{FRAME}")


def test_a_frame_is_one_dataset_of_all_its_products(whole_frame: Sources, store_url):
    data = open_frame(f"{store_url}/{FRAME}")
    assert {"displacement", "velocity", "velocityStd", "temporalCoherence"} <= set(data.data_vars)
    assert data.attrs["version"] == current(store_url)
    assert "spatial_ref" in data.coords
    for name, source, dataset in (
        ("displacement", whole_frame.timeseries, "timeseries"),
        ("velocity", whole_frame.velocity, "velocity"),
        ("temporalCoherence", whole_frame.coherence, "temporalCoherence"),
    ):
        with h5py.File(source) as file:
            np.testing.assert_array_equal(data[name].to_numpy(), file[dataset][:])


def test_a_frame_is_found_by_the_url_of_its_folder_and_of_its_item(whole_frame, store_url):
    for url in (f"{store_url}/{FRAME}", f"{store_url}/{FRAME}/", f"{store_url}/{FRAME}/item.json"):
        assert open_frame(url).attrs["version"] == current(store_url)


def test_a_key_is_a_frame_of_the_store_in_the_environment(whole_frame, store_url, monkeypatch):
    monkeypatch.setenv("SBAS_STORE", store_url)
    assert open_frame(FRAME).attrs["version"] == current(store_url)
    monkeypatch.setenv("SBAS_STORE", f"{store_url}/nothing")
    with pytest.raises(InputError, match="product-not-published"):
        open_frame(FRAME)


@pytest.mark.parametrize("text", ["", ".", "/", "../T1 ", "s3://bucket/", "https://example.org/a b", "/item.json", "ü"])
def test_what_is_neither_a_key_nor_the_url_of_a_frame_is_told(text):
    with pytest.raises(InputError, match=r"frame-url-invalid.*neither a frame's key nor the URL of a frame") as caught:
        open_frame(text)
    assert "T071D_santorini" in caught.value.mend


def test_a_name_that_two_products_have_gets_the_products_before_it(geo, publish, store_url, tmp_path):
    publish(geo.velocity, "velocity")
    # MintPy's other estimate of the same name
    other = {"temporalCoherence": np.ones(SHAPE, np.float32), "velocityStd": np.ones(SHAPE, np.float32)}
    publish(write_mintpy(tmp_path / "c.h5", other, FILE_TYPE="temporalCoherence", **GEO), "temporalCoherence")
    data = open_frame(f"{store_url}/{FRAME}")
    with h5py.File(geo.velocity) as file:
        spread = file["velocityStd"][:]
    both = {data["velocityStd"].to_numpy().mean(), data["velocity_velocityStd"].to_numpy().mean()}
    assert both == {1, spread.mean()}


def test_radar_originals_are_no_part_of_the_frames_dataset(geo, radar, publish, store_url):
    publish(geo.velocity, "velocity")
    publish(radar.velocity, "velocity", geometry=radar.geometry, beside=True)
    assert list_products(store_url, FRAME) == ["velocity", "velocity_radar"]
    with h5py.File(geo.velocity) as file:
        np.testing.assert_array_equal(open_frame(f"{store_url}/{FRAME}").velocity.to_numpy(), file["velocity"][:])
    assert "latitude" in open_product(store_url, FRAME, "velocity_radar").coords


def test_old_versions_of_a_frame_can_be_opened_by_digits_and_tag(whole_frame, publish, zeros, store_url):
    first = current(store_url)
    publish(zeros, "velocity", "b2")
    second = current(store_url)
    write_tag(open_store(store_url), FRAME, "paper", first)
    assert first[:4] != second[:4]
    for version in (first, first[:4], "paper"):
        assert open_frame(f"{store_url}/{FRAME}", version).attrs["version"] == first
        assert open_product(store_url, FRAME, "velocity", version).attrs["product_version"] == "a1"
    for version in (None, second, second[:4]):
        assert open_product(store_url, FRAME, "velocity", version).attrs["product_version"] == "b2"
        assert not open_frame(f"{store_url}/{FRAME}", version).velocity.to_numpy().any()


@pytest.mark.parametrize("version", ["ffff" * 8, "", "a", "../../x", "no such tag"])
def test_a_version_that_there_is_not_is_told(whole_frame, store_url, version):
    for attempt in (
        lambda: open_product(store_url, FRAME, "velocity", version),
        lambda: open_frame(f"{store_url}/{FRAME}", version),
    ):
        with pytest.raises(InputError, match=r"version-unknown.*it has 3 versions") as caught:
            attempt()
        assert "sbas-assets versions" in caught.value.mend


def test_digits_that_several_versions_begin_with_are_told(whole_frame, store_url):
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}/versions")
    version = current(store_url)
    other = version[:-1] + ("0" if version[-1] != "0" else "1")
    fs.makedirs(f"{path}/{other}")
    fs.copy(f"{path}/{version}/item.json", f"{path}/{other}/item.json")
    with pytest.raises(InputError, match=r"version-ambiguous.*2 versions begin with"):
        open_frame(f"{store_url}/{FRAME}", version[:6])
    assert open_frame(f"{store_url}/{FRAME}", version).attrs["version"] == version


def test_a_reader_of_a_frame_keeps_the_version_that_it_opened(whole_frame, publish, zeros, store_url):
    before = open_frame(f"{store_url}/{FRAME}")
    publish(zeros, "velocity", "b2")
    with h5py.File(whole_frame.velocity) as file:
        np.testing.assert_array_equal(before.velocity.to_numpy(), file["velocity"][:])


def test_products_of_one_publication_appear_together(geo, publish, zeros, store_url, tmp_path):
    """One object moves: a reader never sees the new velocity beside the old series."""
    write = {"max_memory_gb": 1, "scratch": tmp_path}
    first = [
        write_product(source, product, store_url, FRAME, "a1", PROVENANCE, **write).stored
        for source, product in ((geo.velocity, "velocity"), (geo.coherence, "temporalCoherence"))
    ]
    show(store_url, *first)
    second = [
        write_product(source, product, store_url, FRAME, "b2", PROVENANCE, **write).stored
        for source, product in ((zeros, "velocity"), (geo.coherence, "temporalCoherence"))
    ]
    products = ("velocity", "temporalCoherence")
    assert {open_product(store_url, FRAME, name).attrs["product_version"] for name in products} == {"a1"}
    show(store_url, *second)
    assert {open_product(store_url, FRAME, name).attrs["product_version"] for name in products} == {"b2"}


@pytest.mark.parametrize("gone", ["velocity/a1", "velocity/a1/data.zarr/zarr.json"])
def test_a_version_that_has_gone_is_damage_not_absence(whole_frame, store_url, gone):
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}/{gone}")
    fs.rm(path, recursive=True)
    for attempt in (
        lambda: open_product(store_url, FRAME, "velocity"),
        lambda: open_frame(f"{store_url}/{FRAME}"),
    ):
        with pytest.raises(OutsideError, match="product-damaged"):
            attempt()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "a1"}', b"\xff\xfe\x00"])
def test_an_item_that_is_none_is_damage_to_every_reader(whole_frame, store_url, content):
    fs, path = item_path(store_url)
    fs.pipe_file(path, content)
    for attempt in (
        lambda: open_product(store_url, FRAME, "velocity"),
        lambda: open_frame(f"{store_url}/{FRAME}"),
        lambda: list_products(store_url, FRAME),
        lambda: point_series(store_url, FRAME, *PLACE),
    ):
        with pytest.raises(OutsideError, match=r"product-damaged.*item cannot be read"):
            attempt()


def test_a_version_is_opened_although_the_current_item_is_damaged(whole_frame, store_url):
    version = current(store_url)
    fs, path = item_path(store_url)
    fs.pipe_file(path, b"{")
    assert open_frame(f"{store_url}/{FRAME}", version).attrs["version"] == version


def test_which_version_is_read_one_small_object_decides(whole_frame, store_url, monkeypatch):
    read, asked = Store.read, []
    monkeypatch.setattr(Store, "read", lambda self, path: asked.append(path) or read(self, path))
    monkeypatch.setattr(Store, "read_tagged", lambda self, path: (asked.append(path) or read(self, path), ""))
    open_product(store_url, FRAME, "velocity")
    assert [path.rsplit("/", 2)[1:] for path in asked] == [[FRAME, "item.json"]]
