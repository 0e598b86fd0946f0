"""What publishing reads back from an item: the same as was put in, and nothing from a thing that is no item."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbas_assets.published.stac_item import encode_item, relocated, with_successor
from sbas_assets.published.stac_reading import decode_item, read_item
from sbas_assets_tests.published.stac_samples import (
    AFTER,
    BEFORE,
    CREATED,
    FRAME,
    GEOCODED,
    JSON,
    VERSION,
    WGS84,
    sample_item,
    write_product,
)

MANIFEST = ("assets", "velocity-manifest")


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    return [write_product(store, name, WGS84) for name in GEOCODED]


@pytest.fixture(scope="module")
def item(products):
    return sample_item(products, withheld=[AFTER])


@pytest.mark.parametrize("place", [lambda item: item, relocated], ids=["current", "kept"])
def test_an_item_gives_back_what_it_was_made_from(products, item, place):
    found = read_item(decode_item(encode_item(with_successor(place(item), AFTER))))
    assert (found.frame, found.version, found.publication) == (FRAME, VERSION, 2)
    assert (found.predecessor, found.successor, found.withheld) == (BEFORE, AFTER, (AFTER,))
    assert found.created == CREATED
    assert found.products == tuple(sorted((product.stored for product in products), key=lambda one: one.product))


def test_a_first_version_has_neither_predecessor_nor_successor(products):
    found = read_item(sample_item(products, predecessor=None))
    assert (found.predecessor, found.successor, found.withheld) == (None, None, ())


def changed(item: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    other = copy.deepcopy(item)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return other


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("type",), "Collection"),
        (("properties",), []),
        (("properties", "version"), "latest"),
        (("properties", "version"), None),
        (("properties", "created"), "yesterday"),
        (("properties", "created"), "2026-11-22T12:00:00"),
        (("properties", "created"), 5),
        (("properties", "created"), "5"),
        (("properties", "sbas:frame"), "../other"),
        (("properties", "sbas:publication"), "2"),
        (("properties", "sbas:publication"), True),
        (("properties", "sbas:publication"), -1),
        (("properties", "sbas:withheld"), "all"),
        (("properties", "sbas:withheld"), ["x"]),
        (("links",), {}),
        (("links",), [{"rel": "predecessor-version"}]),
        (("links",), [{"rel": "predecessor-version", "href": "../../other/item.json"}]),
        (("links",), [{"rel": "predecessor-version", "href": f"./versions/{BEFORE}/other.json"}]),
        (("links",), [{"rel": "successor-version", "href": f"../{name}/item.json"} for name in (BEFORE, AFTER)]),
        (("assets",), {}),
        (("assets",), {"velocity": {"href": "./velocity"}}),
        (("assets", "other-manifest"), {}),
        ((*MANIFEST, "href"), "./velocity/manifest.json"),
        ((*MANIFEST, "href"), f"./other/{VERSION}/manifest.json"),
        ((*MANIFEST, "href"), f"./velocity/{VERSION}/manifest.json"),
        ((*MANIFEST, "version"), "../.."),
        ((*MANIFEST, "sbas:product"), "maskTempCoh"),
        ((*MANIFEST, "sbas:objects"), 1.5),
        ((*MANIFEST, "sbas:bytes"), None),
        ((*MANIFEST, "file:size"), -5),
        ((*MANIFEST, "file:checksum"), "1220abc"),
        ((*MANIFEST, "file:checksum"), "ab" * 34),
    ],
)
def test_an_item_with_a_wrong_part_is_refused(item, path, value):
    with pytest.raises(ValueError, match=r"item of a frame|manifest of version"):
        read_item(changed(item, path, value))


@pytest.mark.parametrize("name", ["version", "created", "sbas:frame", "sbas:publication", "sbas:withheld"])
def test_an_item_that_lacks_a_property_is_refused(item, name):
    other = copy.deepcopy(item)
    del other["properties"][name]
    with pytest.raises(ValueError, match=name):
        read_item(other)


def test_two_manifests_of_one_product_are_refused(item):
    other = copy.deepcopy(item)
    other["assets"]["twice-manifest"] = other["assets"]["velocity-manifest"]
    with pytest.raises(ValueError, match="manifests are not those"):
        read_item(other)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"null", b"[]", b'"item"', b"5", b"[" * 100_000])
def test_bytes_that_are_no_item_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        decode_item(data)


def test_the_first_half_of_an_item_is_refused(item):
    data = encode_item(item)
    with pytest.raises(ValueError, match=r"."):
        decode_item(data[: len(data) // 2])


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_any_other_json_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        decode_item(json.dumps(value).encode())


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_json_in_the_place_of_a_part_is_read_or_refused(item, data):
    parts = [
        ("properties",),
        ("links",),
        ("assets",),
        ("links", 0),
        MANIFEST,
        (*MANIFEST, "href"),
        ("assets", "velocity"),
    ]
    other = changed(item, data.draw(st.sampled_from(parts)), data.draw(JSON))
    with contextlib.suppress(ValueError):
        assert read_item(other).frame == FRAME
