"""An item in its two places, the frame's own and its version's, and the links between versions."""

from __future__ import annotations

import pytest

from sbas_assets.published.stac_item import relocated, with_successor
from sbas_assets_tests.published.stac_samples import (
    AFTER,
    BEFORE,
    GEOCODED,
    WGS84,
    sample_item,
    write_product,
)


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    return [write_product(store, name, WGS84) for name in GEOCODED]


@pytest.fixture
def item(products):
    return sample_item(products)


def test_a_kept_item_leads_to_the_same_objects(item):
    kept = relocated(item)
    links = {link["rel"]: link["href"] for link in kept["links"]}
    assert links["latest-version"] == "../../item.json"
    assert links["predecessor-version"] == f"../{BEFORE}/item.json"
    assert links["collection"] == "../../../collection.json"
    assert "canonical" not in links
    assert kept["assets"]["velocity"]["href"] == f"../.{item['assets']['velocity']['href']}"
    assert kept["assets"]["thumbnail"]["href"] == "./thumbnail.png"
    assert kept["properties"] == item["properties"]
    with pytest.raises(ValueError, match="kept"):
        relocated(kept)


def test_a_successor_is_named_once_in_either_place(item):
    for entity, href in ((item, f"./versions/{AFTER}/item.json"), (relocated(item), f"../{AFTER}/item.json")):
        twice = with_successor(with_successor(entity, BEFORE), AFTER)
        assert [link["href"] for link in twice["links"] if link["rel"] == "successor-version"] == [href]
    assert "successor-version" not in {link["rel"] for link in item["links"]}


def test_an_item_may_be_made_with_its_successor(products):
    links = {link["rel"]: link["href"] for link in sample_item(products, successor=AFTER)["links"]}
    assert links["successor-version"] == f"./versions/{AFTER}/item.json"


@pytest.mark.parametrize("broken", [{}, {"links": None}, {"links": []}, {"links": [{"rel": "latest-version"}]}])
def test_a_thing_that_is_no_item_is_not_moved(broken):
    with pytest.raises(ValueError, match="not an item of a frame"):
        relocated(broken)
    with pytest.raises(ValueError, match="not an item of a frame"):
        with_successor(broken, AFTER)
