"""One item decides what readers see of a frame: published at once, in order, taken back, and by one publisher."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import fsspec
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published import collection, frame_version
from sbas_assets.published.current import find_version, list_versions, read_current, read_tags, read_version, write_tag
from sbas_assets.published.frame_version import NewVersion, complete, incomplete, publish, release, roll_back
from sbas_assets.published.history import read_history
from sbas_assets.published.reading import open_product
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import Store, open_store
from sbas_assets.published.zarr_product import write_product

from .ceph_server import CephServer
from .conftest import FRAME, PROVENANCE, Sources, show

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
V1, V2, V3 = (digit * 32 for digit in "123")


def written(url: str, geo: Sources, data_version: str):
    return write_product(geo.velocity, "velocity", url, FRAME, data_version, PROVENANCE, max_memory_gb=1).stored


def new(url: str, geo: Sources, version: str) -> NewVersion:
    """A frame version whose velocity has a data version of its own."""
    return NewVersion(FRAME, version, (written(url, geo, version[:2]),), PROVENANCE, b"png")


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


@pytest.fixture
def three(store: Store, store_url: str, geo: Sources) -> Store:
    for day, version in enumerate((V1, V2, V3)):
        assert publish(store, new(store_url, geo, version), read_current(store, FRAME), NOW + timedelta(days=day))
    return store


def seen(store: Store) -> str:
    current = read_current(store, FRAME)
    assert current is not None
    return read_item(current.item).version


def test_versions_are_linked_in_the_order_of_their_publication(three):
    facts = [read_item(read_version(three, FRAME, version)) for version in (V1, V2, V3)]
    assert [(one.publication, one.predecessor, one.successor) for one in facts] == [
        (1, None, V2),
        (2, V1, V3),
        (3, V2, None),
    ]
    assert seen(three) == V3
    assert incomplete(three, read_current(three, FRAME)) == []


def test_the_history_tells_order_time_and_what_readers_see(three):
    history = read_history(three, FRAME)
    assert [(kept.version, kept.created, kept.current) for kept in history] == [
        (V3, NOW + timedelta(days=2), True),
        (V2, NOW + timedelta(days=1), False),
        (V1, NOW, False),
    ]


def test_publishing_the_same_again_changes_no_object(three, store_url, geo):
    fs, root = fsspec.url_to_fs(store_url)
    before = {path: fs.cat_file(path) for path in fs.find(root)}
    assert publish(three, new(store_url, geo, V3), read_current(three, FRAME), NOW + timedelta(days=9))
    assert {path: fs.cat_file(path) for path in fs.find(root)} == before


def test_readers_see_nothing_of_a_version_before_its_item_is_moved(three, store_url, geo, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(frame_version, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(three, new(store_url, geo, "4" * 32), read_current(three, FRAME), NOW)
    assert seen(three) == V3
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "33"


def test_what_a_publication_killed_after_the_move_left_undone_is_told_and_done_later(
    three, store_url, geo, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(frame_version, "complete", lambda *_: None)
        publish(three, new(store_url, geo, "4" * 32), read_current(three, FRAME), NOW)
    assert seen(three) == "4" * 32
    three.delete([three.path("collection.json")])
    undone = incomplete(three, read_current(three, FRAME))
    assert undone == [f"version {V3} does not name its successor", "the collection does not name the current item"]
    complete(three, FRAME)
    assert incomplete(three, read_current(three, FRAME)) == []


@pytest.mark.parametrize("move", ["publication", "rollback"])
def test_a_link_that_a_killed_publication_left_out_is_made_before_readers_move_on(
    three, store_url, geo, monkeypatch, move
):
    fourth = "4" * 32
    with monkeypatch.context() as patch:
        patch.setattr(frame_version, "complete", lambda *_: None)
        publish(three, new(store_url, geo, fourth), read_current(three, FRAME), NOW)
    if move == "rollback":
        roll_back(three, FRAME, V1)
    else:
        publish(three, new(store_url, geo, "5" * 32), read_current(three, FRAME), NOW)
    assert read_item(read_version(three, FRAME, V3)).successor == fourth


def test_a_product_that_is_not_whole_is_not_published(three, store_url, geo):
    fourth = new(store_url, geo, "4" * 32)
    three.delete([three.path(fourth.products[0].folder, "data.zarr/velocity/c/0/0")])
    with pytest.raises(OutsideError, match=r"product-damaged.*velocity is not whole.*c/0/0 is missing"):
        publish(three, fourth, read_current(three, FRAME), NOW)
    assert seen(three) == V3


def test_of_two_publishers_one_wins_and_the_other_says_so(three, store_url, geo):
    before = read_current(three, FRAME)
    assert publish(three, new(store_url, geo, "4" * 32), before, NOW)
    with pytest.raises(InputError, match=rf"publish-conflict.*moved this frame to version {'4' * 32}"):
        publish(three, new(store_url, geo, "5" * 32), before, NOW)
    assert seen(three) == "4" * 32


def test_two_publishers_of_the_same_version_both_succeed(three, store_url, geo):
    before, fourth = read_current(three, FRAME), new(store_url, geo, "4" * 32)
    assert publish(three, fourth, before, NOW)
    assert publish(three, fourth, before, NOW + timedelta(hours=1))
    assert len(read_history(three, FRAME)) == 4


def test_of_many_publishers_at_a_real_server_exactly_one_wins(ceph: CephServer, bucket: str, geo):
    url = f"s3://{bucket}/store"
    versions = [new(url, geo, f"{number:x}" * 32) for number in range(8)]

    def attempt(version: NewVersion) -> str | None:
        try:
            publish(open_store(url), version, None, NOW)
        except InputError as error:
            return error.code
        return None

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(attempt, versions))
    assert sorted(outcomes, key=str) == [None] + ["publish-conflict"] * 7
    assert seen(open_store(url)) == versions[outcomes.index(None)].version


def test_frames_that_are_published_at_once_are_all_in_the_collection(ceph: CephServer, bucket: str, geo):
    url = f"s3://{bucket}/store"

    def one(number: int) -> None:
        frame = f"T{number}"
        stored = write_product(geo.velocity, "velocity", url, frame, "a1", PROVENANCE, max_memory_gb=1).stored
        publish(open_store(url), NewVersion(frame, V1, (stored,), PROVENANCE), None, NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(12)))
    found = json.loads(open_store(url).read(open_store(url).path("collection.json")))
    assert len([link for link in found["links"] if link["rel"] == "item"]) == 12


def test_a_collection_that_is_none_is_not_overwritten(store, store_url, geo):
    store.put(store.path("collection.json"), b'{"type": "Collection", "id": "mine"}')
    with pytest.raises(OutsideError, match=r"product-damaged.*not a collection of frames"):
        publish(store, new(store_url, geo, V1), None, NOW)
    assert b"mine" in store.read(store.path("collection.json"))


def test_a_collection_that_changes_all_the_time_ends_in_an_error(store, store_url, geo, monkeypatch):
    publish(store, new(store_url, geo, V1), None, NOW)
    monkeypatch.setattr(collection, "add_item", lambda _old, _item: {"now": datetime.now(UTC).isoformat()})
    monkeypatch.setattr(Store, "put_if", lambda *_: (_ for _ in ()).throw(OutsideError("store-conflict", "x", mend="")))
    with pytest.raises(OutsideError, match=r"store-conflict.*collection changes"):
        complete(store, FRAME)


def test_rolling_back_moves_readers_and_holds_the_version_back(three, store_url, geo):
    assert roll_back(three, FRAME, V2) == V2
    assert open_product(store_url, FRAME, "velocity").attrs["product_version"] == "22"
    assert [kept.version for kept in read_history(three, FRAME) if kept.withheld] == [V3]
    assert not publish(three, new(store_url, geo, V3), read_current(three, FRAME), NOW)
    assert seen(three) == V2


def test_a_new_version_follows_the_one_that_was_gone_back_to(three, store_url, geo):
    roll_back(three, FRAME, V2)
    assert publish(three, new(store_url, geo, "4" * 32), read_current(three, FRAME), NOW)
    current = read_item(read_current(three, FRAME).item)
    assert (current.version, current.publication, current.predecessor) == ("4" * 32, 4, V2)
    assert read_item(read_version(three, FRAME, V2)).successor == "4" * 32
    # and the one that was wrong stays held back
    assert not publish(three, new(store_url, geo, V3), read_current(three, FRAME), NOW)


def test_a_released_version_is_published_again(three, store_url, geo):
    roll_back(three, FRAME, V2)
    assert release(three, FRAME) == [V3]
    assert publish(three, new(store_url, geo, V3), read_current(three, FRAME), NOW)
    assert seen(three) == V3
    assert [kept.publication for kept in read_history(three, FRAME)] == [3, 2, 1]


def test_going_forward_again_by_a_rollback_releases_the_version(three):
    roll_back(three, FRAME, V1)
    roll_back(three, FRAME, V3)
    assert seen(three) == V3
    assert [kept.version for kept in read_history(three, FRAME) if kept.withheld] == [V1]


def test_a_version_that_is_not_whole_is_not_gone_back_to(three):
    three.delete([three.path(FRAME, "velocity", "22", "data.zarr/velocity/c/0/0")])
    with pytest.raises(OutsideError, match="product-damaged"):
        roll_back(three, FRAME, V2)
    assert seen(three) == V3


def test_rolling_back_during_a_publication_stops_it(three, store_url, geo):
    before = read_current(three, FRAME)
    roll_back(three, FRAME, V2)
    with pytest.raises(InputError, match="publish-conflict"):
        publish(three, new(store_url, geo, "4" * 32), before, NOW)
    assert seen(three) == V2


def test_versions_are_named_by_their_first_digits_or_by_a_tag(three):
    write_tag(three, FRAME, "paper", V2)
    assert read_tags(three, FRAME) == {"paper": V2}
    assert [find_version(three, FRAME, name) for name in ("1111", "paper", V3)] == [V1, V2, V3]
    write_tag(three, FRAME, "paper", None)
    assert read_tags(three, FRAME) == {}


@pytest.mark.parametrize("name", ["111", "abcd", "", "paper", "../1"])
def test_a_version_that_is_not_there_is_told(three, name):
    with pytest.raises(InputError, match=r"version-unknown.*it has 3 versions"):
        find_version(three, FRAME, name)


def test_digits_that_several_versions_begin_with_are_told(three, store_url, geo):
    publish(three, new(store_url, geo, "1111" + "0" * 28), read_current(three, FRAME), NOW)
    with pytest.raises(InputError, match="version-ambiguous"):
        find_version(three, FRAME, "1111")


def test_nothing_published_cannot_be_rolled_back_or_released(store):
    with pytest.raises(InputError, match="product-not-published"):
        roll_back(store, FRAME, V1)
    assert release(store, FRAME) == []
    assert (list_versions(store, FRAME), read_history(store, FRAME)) == ([], [])


def test_an_item_names_all_products_that_are_published_together(whole_frame, store_url):
    current = read_current(open_store(store_url), FRAME)
    assert [product.product for product in read_item(current.item).products] == [
        "temporalCoherence",
        "timeseries_demErr",
        "velocity",
    ]
    assert show(store_url) == read_item(current.item).version


def test_going_back_to_the_same_version_gives_the_same_item_but_for_what_is_held_back(three):
    before = read_current(three, FRAME).item
    roll_back(three, FRAME, V1)
    roll_back(three, FRAME, V3)
    after = read_current(three, FRAME).item

    def links(item: dict) -> list:
        return sorted(json.dumps(link, sort_keys=True) for link in item["links"])

    assert links(after) == links(before)
    assert after["assets"] == before["assets"]
    assert after["properties"] == before["properties"] | {"sbas:withheld": [V1]}
