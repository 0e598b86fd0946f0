"""The STAC collection of a store: one for each installation, with a link to the current item of every frame.

All frames are of one mission and made by one installation in one way, so they are one collection. Its id is the same
everywhere: it does not follow from the store's address, which changes when a store is moved, while its bytes stay.

What the collection says is put together from its links to the items, each of which repeats extent, orbit and
polarizations of its frame. So it does not depend on the order in which frames were published, an item that is added
again changes nothing, and no other object has to be read.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pystac
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pystac.extensions.projection import SCHEMA_URI as PROJECTION
from pystac.extensions.sar import SCHEMA_URI as SAR
from pystac.extensions.sat import SCHEMA_URI as SAT

from sbas_assets.published.stac_item import COLLECTION_ID, PROCESSING
from sbas_assets.published.stac_reading import Moment, read_item

_GLOBE = [-180.0, -90.0, 180.0, 90.0]
_SUMMARIZED = (
    "sat:orbit_state",
    "sat:relative_orbit",
    "sar:polarizations",
    "sar:instrument_mode",
    "sar:frequency_band",
    "proj:code",
    "processing:level",
)
_SAME = {"platform": ["sentinel-1"], "constellation": ["sentinel-1"], "instruments": ["c-sar"]}
_Value = str | int | float


class _Entry(BaseModel):
    """What a link to an item says of its frame."""

    model_config = ConfigDict(strict=True)

    href: str
    title: str
    bbox: list[float] | None = Field(alias="sbas:bbox", min_length=4, max_length=4)
    interval: list[Moment] = Field(alias="sbas:interval", min_length=2, max_length=2)
    summary: dict[str, _Value | list[_Value] | None] = Field(alias="sbas:summary")


class _Definition(BaseModel):
    """What all assets of a name have in common."""

    model_config = ConfigDict(strict=True)

    title: str
    type: str
    roles: list[str]


def add_item(collection: Mapping[str, Any] | None, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the collection with a frame's current item.

    Parameters
    ----------
    collection : mapping or None
        As it is in the store; None when there is none yet.
    item : mapping
        Of ``<frame>/item.json``; takes the place of the frame's item before.

    Returns
    -------
    dict
        For JSON; the same as before when it says nothing new.

    Raises
    ------
    ValueError
        The collection is not one of this package, or the item not one of its frames.
    """
    links = {} if collection is None else {link["href"]: link for link in _item_links(collection)}
    link = _link_to(item)
    links[link["href"]] = link
    definitions = {} if collection is None else _definitions(collection["item_assets"])
    definitions |= _definitions(item["assets"])
    return _assembled([links[href] for href in sorted(links)], dict(sorted(definitions.items())))


def decode(data: bytes) -> dict[str, Any]:
    """Return a collection from its bytes.

    Raises
    ------
    ValueError
        They are not a collection of this package.
    """
    try:
        collection = json.loads(data)
    except RecursionError as error:
        raise ValueError("not a collection of frames: nested too deeply") from error
    _item_links(collection)
    return dict(collection)


def _item_links(collection: Any) -> list[dict[str, Any]]:
    try:
        if (collection["type"], collection["id"]) != ("Collection", COLLECTION_ID):
            raise ValueError(f"not a collection of frames, but {collection['type']} {collection['id']}")
        _definitions(collection["item_assets"])
        return [_checked_link(link) for link in collection["links"] if link["rel"] == pystac.RelType.ITEM]
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ValueError(f"not a collection of frames: {error!r}") from error


def _link_to(item: Mapping[str, Any]) -> dict[str, Any]:
    frame = read_item(item).frame
    properties = item["properties"]
    try:
        if item["collection"] != COLLECTION_ID:
            raise ValueError(f"the item of {frame} belongs to the collection {item['collection']}")
        return _checked_link(
            {
                "href": f"./{frame}/item.json",
                "title": frame,
                "sbas:bbox": item.get("bbox"),
                "sbas:interval": [properties["start_datetime"], properties["end_datetime"]],
                "sbas:summary": {name: properties[name] for name in _SUMMARIZED if name in properties},
            }
        )
    except (KeyError, ValidationError) as error:
        raise ValueError(f"not an item of a frame: {error!r}") from error


def _checked_link(link: Mapping[str, Any]) -> dict[str, Any]:
    """Return a link to an item with what it has to say and no more, or raise pydantic's ValidationError."""
    _Entry.model_validate(link)
    said = {field.alias or name: link[field.alias or name] for name, field in _Entry.model_fields.items()}
    return {"rel": pystac.RelType.ITEM.value, "type": pystac.MediaType.GEOJSON.value, **said}


def _definitions(assets: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _Definition.model_validate(asset).model_dump() for name, asset in assets.items()}


def _assembled(links: list[dict[str, Any]], item_assets: dict[str, Any]) -> dict[str, Any]:
    entries = [_Entry.model_validate(link) for link in links]
    spatial = pystac.SpatialExtent([_hull([entry.bbox for entry in entries if entry.bbox is not None])])
    first, last = min(entry.interval[0] for entry in entries), max(entry.interval[1] for entry in entries)
    intervals: list[list[datetime | None]] = [[first, last]]
    collection = pystac.Collection(
        id=COLLECTION_ID,
        title="Sentinel-1 ground displacement from small-baseline InSAR",
        description="Displacement series and velocities along the line of sight, a frame each: interferograms of ISCE2 "
        "topsStack, inverted with MintPy. Each item is the current version of a frame; its links lead to earlier ones.",
        # what the publisher grants is not known here
        license="other",
        extent=pystac.Extent(spatial, pystac.TemporalExtent(intervals)),
        keywords=["InSAR", "SBAS", "Sentinel-1", "displacement", "MintPy", "ISCE2"],
        providers=[pystac.Provider("European Union/ESA/Copernicus", roles=[pystac.ProviderRole.PRODUCER])],
        # pystac would leave out what has many values, such as tracks
        summaries=pystac.Summaries(_SAME | _summaries(entries), maxcount=sys.maxsize),
        stac_extensions=sorted([PROCESSING, PROJECTION, SAR, SAT]),
    )
    collection.extra_fields["item_assets"] = item_assets
    collection.clear_links()
    collection.add_link(pystac.Link(pystac.RelType.ROOT, "./collection.json", media_type=pystac.MediaType.JSON))
    plain = collection.to_dict(include_self_link=False, transform_hrefs=False)
    plain["links"] += links
    found: dict[str, Any] = json.loads(json.dumps(plain))
    return found


def _summaries(entries: Sequence[_Entry]) -> dict[str, list[Any]]:
    found: dict[str, set[_Value]] = {}
    for entry in entries:
        for name, value in entry.summary.items():
            if value is not None:
                found.setdefault(name, set()).update(value if isinstance(value, list) else [value])
    # in a collection that somebody has changed, texts may be among the numbers
    return {name: sorted(values, key=lambda value: (str(type(value)), value)) for name, values in sorted(found.items())}


def _hull(boxes: Sequence[Sequence[float]]) -> list[float]:
    """Return the least box around boxes; across the antimeridian its west is greater than its east.

    Without any box it is the globe: STAC wants one.
    """
    if not boxes:
        return _GLOBE
    # arcs of longitude that end at the antimeridian, and the widest gap that they leave
    parts = [[(west, east)] if west <= east else [(west, 180.0), (-180.0, east)] for west, _, east, _ in boxes]
    arcs = sorted(itertools.chain.from_iterable(parts))
    merged = [list(arcs[0])]
    for west, east in arcs[1:]:
        if west <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], east)
        else:
            merged.append([west, east])
    merged.append([merged[0][0] + 360, merged[0][1] + 360])
    gap, west, east = max((after[0] - before[1], after[0], before[1]) for before, after in itertools.pairwise(merged))
    south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
    if gap <= 0:
        return [-180.0, south, 180.0, north]
    return [west - 360 if west >= 180 else west, south, east, north]
