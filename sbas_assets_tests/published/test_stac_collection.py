"""The STAC collection of a store: what it says follows from its items, and pystac walks from it to every object."""

from __future__ import annotations

import contextlib
import copy
import itertools
import socket
from pathlib import Path

import pystac
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sbas_assets.published.stac_collection import add_item, decode
from sbas_assets.published.stac_item import encode_item, relocated, with_successor
from sbas_assets_tests.published.stac_samples import (
    ACROSS,
    BEFORE,
    FRAME,
    GEOCODED,
    JSON,
    PROVENANCE,
    VERSION,
    WGS84,
    sample_item,
    write_product,
)
from sbas_assets_tests.published.stac_validation import validate

OTHER = "T073A_other"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def item_of(frame, bbox=(25.0, 36.0, 28.0, 37.0), dates=("20220101", "20220125"), store=None):
    item = sample_item(
        [write_product(store, "velocity", WGS84, frame)],
        frame=frame,
        provenance=PROVENANCE | {"dates": list(dates), "track": int(frame[1:4])},
    )
    if bbox is None:
        item["geometry"] = None
        del item["bbox"]
    else:
        item["bbox"] = list(bbox)
    return item


def collection_of(items):
    collection = None
    for item in items:
        collection = add_item(collection, item)
    return collection


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    item = item_of(FRAME, store=tmp_path_factory.mktemp("store"))
    other = copy.deepcopy(item)
    other["properties"]["sbas:frame"] = OTHER
    return item, add_item(None, other)


@pytest.fixture
def make(tmp_path):
    stores = (tmp_path / str(number) for number in itertools.count())
    return lambda frame, **changes: item_of(frame, store=next(stores), **changes)


def test_a_collection_is_valid(make):
    collection = collection_of([make("T071D_a"), make("T073A_b")])
    against = " ".join(validate(collection))
    assert all(name in against for name in ("collection", "sar", "sat", "projection", "processing"))


@pytest.mark.parametrize("name", ["license", "extent", "links", "summaries", "stac_version"])
def test_a_collection_that_lacks_a_part_is_not_valid(make, name):
    collection = add_item(None, make(FRAME))
    del collection[name]
    with pytest.raises((pystac.STACValidationError, pystac.STACTypeError, KeyError)):
        validate(collection)


def test_a_collection_does_not_depend_on_the_order_of_its_items(make):
    items = [
        make("T071D_a"),
        make("T073A_b", bbox=(170, -20, -170, -10)),
        make("T001A_c", dates=("20200101", "20230101")),
    ]
    found = {encode_item(collection_of(order)) for order in itertools.permutations(items)}
    assert len(found) == 1


def test_an_item_that_is_added_again_changes_nothing(make):
    item = make(FRAME)
    collection = add_item(None, item)
    assert encode_item(add_item(decode(encode_item(collection)), item)) == encode_item(collection)


def test_a_new_version_takes_the_place_of_the_one_before(make):
    collection = collection_of([make(FRAME), make(FRAME, dates=("20220101", "20220301"))])
    assert [link["href"] for link in collection["links"] if link["rel"] == "item"] == [f"./{FRAME}/item.json"]
    assert collection["extent"]["temporal"]["interval"] == [["2022-01-01T13:53:20Z", "2022-03-01T13:53:20Z"]]


def test_the_extent_holds_all_frames(make):
    collection = collection_of(
        [
            make("T001A_a"),
            make("T002A_b", bbox=(20, 30, 26, 40), dates=("20180101", "20220110")),
            make("T003A_c", bbox=None),
        ]
    )
    assert collection["extent"]["spatial"]["bbox"] == [[20, 30, 28, 40]]
    assert collection["extent"]["temporal"]["interval"] == [["2018-01-01T13:53:20Z", "2022-01-25T13:53:20Z"]]
    assert collection["summaries"]["sat:relative_orbit"] == [1, 2, 3]
    assert collection["summaries"]["sar:polarizations"] == ["VV"]


@pytest.mark.parametrize(
    ("boxes", "hull"),
    [
        ([None], [-180, -90, 180, 90]),
        ([(170, -20, -175, -10)], [170, -20, -175, -10]),
        ([(170, -20, 179, -10), (-179, -15, -170, -5)], [170, -20, -170, -5]),
        ([(170, -20, -170, -10), (-175, -15, -160, -5)], [170, -20, -160, -5]),
        ([(-180, 0, -170, 1), (0, 0, 10, 1)], [-180, 0, 10, 1]),
        ([(170, 0, 180, 1), (100, 0, 110, 1)], [100, 0, 180, 1]),
        ([(-180, 0, -60, 1), (-60, 0, 60, 1), (60, 0, 180, 1)], [-180, 0, 180, 1]),
    ],
)
def test_the_extent_is_the_least_also_across_the_antimeridian(make, boxes, hull):
    items = [make(f"T00{number}A_x", bbox=box) for number, box in enumerate(boxes, 1)]
    assert collection_of(items)["extent"]["spatial"]["bbox"] == [hull]


def test_pystac_walks_from_the_collection_to_every_object(tmp_path):
    for frame, grid in ((FRAME, WGS84), (OTHER, ACROSS)):
        write_frame(tmp_path, frame, grid)
    collection = pystac.Collection.from_file(str(tmp_path / "collection.json"))
    items = list(collection.get_items(recursive=True))
    assert [item.properties["sbas:frame"] for item in items] == [FRAME, OTHER]
    for item in items:
        assert item.get_collection().id == collection.id
        assert item.get_root().id == collection.id
        check_hrefs(item)
        kept = pystac.Item.from_file(item.get_single_link("canonical").get_absolute_href())
        check_hrefs(kept)
        older = pystac.Item.from_file(item.get_single_link("predecessor-version").get_absolute_href())
        assert Path(older.get_single_link("successor-version").get_absolute_href()).samefile(kept.get_self_href())


def write_frame(store, frame, grid):
    products = [write_product(store, name, grid, frame) for name in GEOCODED]
    older = sample_item(products, frame=frame, version=BEFORE, predecessor=None)
    item = sample_item(products, frame=frame)
    for version, kept in ((BEFORE, with_successor(relocated(older), VERSION)), (VERSION, relocated(item))):
        folder = store / frame / "versions" / version
        folder.mkdir(parents=True)
        (folder / "item.json").write_bytes(encode_item(kept))
        (folder / "thumbnail.png").write_bytes(b"PNG")
    (store / frame / "item.json").write_bytes(encode_item(item))
    path = store / "collection.json"
    before = decode(path.read_bytes()) if path.exists() else None
    path.write_bytes(encode_item(add_item(before, item)))


def check_hrefs(item):
    hrefs = [asset.get_absolute_href() for asset in item.assets.values()]
    hrefs += [link.get_absolute_href() for link in item.links]
    assert len(hrefs) > 10
    assert all(Path(href).exists() for href in hrefs)
    assert all(Path(href).stat().st_size == item.assets[name].extra_fields["file:size"] for name, href in sized(item))


def sized(item):
    return [
        (name, asset.get_absolute_href()) for name, asset in item.assets.items() if "file:size" in asset.extra_fields
    ]


def test_the_collection_tells_what_its_items_have(make):
    collection = pystac.Collection.from_dict(add_item(None, make(FRAME)))
    assert collection.item_assets["velocity"].media_type == "application/vnd.zarr; version=3"
    assert collection.item_assets["velocity-cog"].roles == ["data", "los_velocity"]
    assert set(collection.item_assets) == {"velocity", "velocity-cog", "velocity-manifest", "thumbnail"}


@pytest.mark.parametrize("name", ["start_datetime", "version", "sbas:frame"])
def test_an_item_that_lacks_a_property_is_not_added(make, name):
    item = make(FRAME)
    del item["properties"][name]
    with pytest.raises(ValueError, match="not an item of a frame"):
        add_item(None, item)


def test_the_summaries_name_every_track(make):
    items = [make(FRAME)]
    for track in range(1, 61):
        items.append(copy.deepcopy(items[0]))
        items[-1]["properties"] |= {"sbas:frame": f"T{track:03}A", "sat:relative_orbit": track}
    assert collection_of(items[1:])["summaries"]["sat:relative_orbit"] == list(range(1, 61))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_the_place_of_a_part_is_completed_or_refused(sample, data):
    collection = copy.deepcopy(sample[1])
    link = next(link for link in collection["links"] if link["rel"] == "item")
    place = data.draw(st.sampled_from([collection, link, link["sbas:summary"], collection["item_assets"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    with contextlib.suppress(ValueError):
        assert validate(add_item(decode(encode_item(collection)), sample[0]))


def test_an_item_with_half_a_bbox_is_not_added(make):
    with pytest.raises(ValueError, match="bbox"):
        add_item(None, make(FRAME, bbox=(1, 2)))


def test_an_item_of_another_collection_is_not_added(make):
    with pytest.raises(ValueError, match="other"):
        add_item(None, make(FRAME) | {"collection": "other"})


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"5", b"{}", b"[" * 100_000])
def test_bytes_that_are_no_collection_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        decode(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "Catalog"),
        ("id", "other"),
        ("links", None),
        ("links", [5]),
        ("links", [{"rel": "item"}]),
        ("item_assets", []),
        ("item_assets", None),
    ],
)
def test_a_collection_of_another_kind_is_refused(make, name, value):
    collection = copy.deepcopy(add_item(None, make(FRAME)))
    collection[name] = value
    with pytest.raises(ValueError, match="not a collection of frames"):
        decode(encode_item(collection))
    with pytest.raises(ValueError, match="not a collection of frames"):
        add_item(collection, make(FRAME))
