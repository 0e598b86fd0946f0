"""An item that cannot be read is replaced by a publication, and is in no other version's way."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import fsspec
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.current import Broken, find_version, read_current, read_replaceable
from sbas_assets.published.frame_version import NewVersion, complete, incomplete, publish, release, roll_back
from sbas_assets.published.history import read_history
from sbas_assets.published.reading import open_frame
from sbas_assets.published.retention import collect
from sbas_assets.published.store import open_store

from .conftest import FRAME, PROVENANCE, show

BROKEN = [b"", b"{", b"[]", b'{"type": "Feature"}', b"\xff\xfe\x00"]


@pytest.fixture
def versions(geo, publish, store_url):
    """Two versions, of which readers see the second."""
    one = publish(geo.velocity, "velocity", "a1").stored
    two = publish(geo.velocity, "velocity", "b2").stored
    store = open_store(store_url)
    named = {read["publication"]: read["version"] for read in (kept.to_dict() for kept in read_history(store, FRAME))}
    return store, {named[1]: one, named[2]: two}


def write(store_url: str, name: str, content: bytes) -> None:
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}/{name}")
    fs.pipe_file(path, content)


def read(store_url: str, name: str) -> bytes:
    fs, path = fsspec.url_to_fs(f"{store_url}/{FRAME}/{name}")
    return fs.cat_file(path)


def publish_again(store, version, product) -> bool:
    new = NewVersion(FRAME, version, (product,), PROVENANCE)
    return publish(store, new, read_replaceable(store, FRAME), datetime.now(UTC))


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_item_is_replaced_by_one_conditional_write(versions, store_url, content):
    store, products = versions
    before = read(store_url, "item.json")
    write(store_url, "item.json", content)
    seen = read_replaceable(store, FRAME)
    assert isinstance(seen, Broken)
    first, second = products
    # nobody can say what was rolled back
    assert release(store, FRAME) == []
    assert publish_again(store, second, products[second])
    assert read(store_url, "item.json") == before
    # who saw it broken as well is too late
    with pytest.raises(InputError, match="publish-conflict"):
        publish(store, NewVersion(FRAME, first, (products[first],), PROVENANCE), seen, datetime.now(UTC))
    assert read(store_url, "item.json") == before


@pytest.mark.parametrize("content", BROKEN)
def test_the_broken_item_of_a_version_is_written_again_with_it(versions, store_url, content):
    store, products = versions
    first, second = products
    own = f"versions/{second}/item.json"
    before = json.loads(read(store_url, own))
    write(store_url, own, content)
    with pytest.raises(OutsideError, match="product-damaged") as caught:
        open_frame(f"{store_url}/{FRAME}", second)
    assert caught.value.mend.startswith("remove it")
    assert roll_back(store, FRAME, first) == first
    assert release(store, FRAME) == [second]
    assert publish_again(store, second, products[second])
    after = json.loads(read(store_url, own))
    assert after["assets"] == before["assets"]
    assert after["properties"]["sbas:publication"] == 2
    assert open_frame(f"{store_url}/{FRAME}").attrs["version"] == second


@pytest.mark.parametrize("content", BROKEN)
def test_a_version_whose_item_is_broken_is_in_no_later_ones_way(versions, store_url, content):
    store, products = versions
    first, second = products
    write(store_url, f"versions/{second}/item.json", content)
    third = "c" * 32
    assert publish_again(store, third, products[first])
    assert open_frame(f"{store_url}/{FRAME}").attrs["version"] == third
    current = read_current(store, FRAME)
    # the number goes on from what readers saw
    assert current.item["properties"]["sbas:publication"] == 3
    for attempt in (
        lambda: read_history(store, FRAME),
        lambda: roll_back(store, FRAME, second),
        lambda: open_frame(f"{store_url}/{FRAME}", second),
    ):
        with pytest.raises(OutsideError, match=f"product-damaged.*versions/{second}/item.json"):
            attempt()
    assert open_frame(f"{store_url}/{FRAME}").attrs["version"] == third


def test_nothing_is_removed_while_an_item_cannot_be_read(versions, store_url):
    store, products = versions
    first, _ = products
    write(store_url, f"versions/{first}/item.json", b"{")
    before = store.sizes(store.path(FRAME))
    with pytest.raises(OutsideError, match="product-damaged"):
        collect(store, FRAME, 1, datetime(2099, 1, 1, tzinfo=UTC))
    assert store.sizes(store.path(FRAME)) == before


def test_a_version_that_was_removed_as_the_message_says_is_unknown(versions, store_url):
    store, products = versions
    first, second = products
    store.delete([store.path(FRAME, "versions", first, "item.json")])
    with pytest.raises(InputError, match="version-unknown"):
        find_version(store, FRAME, first)
    assert [kept.version for kept in read_history(store, FRAME)] == [second]
    assert show(store_url, products[second])


def test_the_lost_item_of_the_current_version_is_told_and_written_again(versions, store_url):
    store, (_, second) = versions[0], versions[1]
    name = f"versions/{second}/item.json"
    before = read(store_url, name)
    store.delete([store.path(FRAME, name)])
    assert incomplete(store, read_current(store, FRAME)) == [f"version {second} has no item of its own"]
    complete(store, FRAME)
    assert incomplete(store, read_current(store, FRAME)) == []
    assert sorted(json.loads(read(store_url, name))) == sorted(json.loads(before))
    assert roll_back(store, FRAME, second) == second
