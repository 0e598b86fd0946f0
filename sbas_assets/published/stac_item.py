"""The STAC item of a frame version: the metadata that readers find, and the pointer that decides what they see.

For the code that publishes:

- `make_item` makes the item of ``<frame>/item.json``;
- `relocated` gives the same for ``<frame>/versions/<version>/item.json``, which must be there before the other one is
  moved, because that one links to it;
- `with_successor` adds the link to the next version to an item in either place;
- `encode_item` gives the bytes; `stac_reading.decode_item` and `stac_reading.read_item` are the way back;
- `stac_collection.add_item` keeps ``collection.json``.

Nothing here knows the clock or a store: the same arguments give the same bytes. What is not known is left out, never
assumed. What STAC has no field for is named ``sbas:...``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pystac
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.insar import InsarExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.sar import FrequencyBand, ObservationDirection, Polarization, SarExtension
from pystac.extensions.sat import OrbitState, SatExtension
from pystac.extensions.version import VersionExtension, VersionRelType

from sbas_assets.published.manifest import StoredObject
from sbas_assets.published.stac_assets import THUMBNAIL, describe_apart, product_assets, projection, thumbnail_asset
from sbas_assets.published.stac_cube import cubes, moment
from sbas_assets.published.stac_footprint import footprint
from sbas_assets.published.stac_place import canonical_link, relocated, version_link, with_successor
from sbas_assets.published.stac_product import MapGrid, PublishedProduct
from sbas_assets.published.stac_provenance import corrections, software, summarize

__all__ = ["COLLECTION_ID", "PublishedProduct", "encode_item", "make_item", "relocated", "with_successor"]

COLLECTION_ID = "sentinel-1-sbas"
# pystac has no class for this extension
PROCESSING = "https://stac-extensions.github.io/processing/v1.1.0/schema.json"

_LIGHT_M_S = 299_792_458
_MISSION = {"platform": "sentinel-1", "constellation": "sentinel-1", "instruments": ["c-sar"]}
_FIRST = "timeseries_demErr"
_ATTRIBUTES = (
    "los_sign_convention",
    "los_enu_ground_to_satellite",
    "incidence_angle_deg",
    "heading_deg",
    "wavelength_m",
)


def make_item(
    frame: str,
    version: str,
    products: Sequence[PublishedProduct],
    provenance: Mapping[str, Any],
    *,
    publication: int,
    created: datetime,
    thumbnail: StoredObject | None,
    predecessor: str | None,
    successor: str | None = None,
    withheld: Sequence[str] = (),
) -> dict[str, Any]:
    """Describe a version of a frame, for ``<frame>/item.json``.

    Parameters
    ----------
    frame, version : str
        The frame's key; the hash of its product versions, 32 hexadecimal digits.
    products : sequence of PublishedProduct
        In any order.
    provenance : mapping
        Of the final series or the velocity, as in their Zarr attribute ``provenance``.
    publication : int
        Number of the publication.
    created : datetime
        When the version was published first, with a time zone.
    thumbnail : StoredObject, optional
        The picture in ``versions/<version>/``.
    predecessor, successor : str, optional
        Versions before and after it.
    withheld : sequence of str
        Versions that are not to be published again.

    Returns
    -------
    dict
        For JSON; addresses are relative to its place.

    Raises
    ------
    ValueError
        There is no product, a product is twice or not in the frame's folder, no date is known, or `created` has no
        time zone.
    """
    ordered = _ordered(frame, products)
    if created.tzinfo is None:
        raise ValueError(f"{created} has no time zone")
    attributes = _common_attributes(ordered)
    grid = next((product.grid for product in ordered if product.grid is not None), None)
    start, end = _time_span(attributes, provenance)
    geometry, bbox = (None, None) if grid is None else footprint(grid)
    item = pystac.Item(
        id=f"{frame}-{version}",
        geometry=geometry,
        bbox=bbox,
        datetime=None,
        start_datetime=start,
        end_datetime=end,
        collection=COLLECTION_ID,
        properties={
            "title": f"Sentinel-1 displacement of frame {frame}",
            "created": pystac.utils.datetime_to_str(created.astimezone(UTC)),
            **_MISSION,
            "sbas:frame": frame,
            "sbas:publication": publication,
            "sbas:withheld": sorted(withheld),
            **_sbas_properties(attributes, provenance, grid),
        },
    )
    VersionExtension.ext(item, add_if_missing=True).version = version
    _add_links(item, version, predecessor, successor)
    _add_radar(item, attributes, provenance)
    _add_processing(item, provenance, grid)
    _add_products(item, frame, ordered, grid)
    if thumbnail is not None:
        item.add_asset(THUMBNAIL, thumbnail_asset(version, thumbnail))
    return _as_dict(item)


def encode_item(item: Mapping[str, Any]) -> bytes:
    """Return the bytes of an item or of a collection: the same for the same content."""
    return json.dumps(item, indent=1, sort_keys=True, allow_nan=False).encode()


def _ordered(frame: str, products: Sequence[PublishedProduct]) -> list[PublishedProduct]:
    """Return the products by name, the series first: where they differ, the item says what the series says."""
    ordered = sorted(products, key=lambda product: (product.name != _FIRST, product.name))
    if not ordered or len({product.name for product in ordered}) < len(ordered):
        raise ValueError(f"frame {frame} has no product, or one twice: {[product.name for product in ordered]}")
    return ordered


def _common_attributes(products: Sequence[PublishedProduct]) -> dict[str, Any]:
    """Return the attributes of all groups; those of the series win, then those of the first by name."""
    found: dict[str, Any] = {}
    for product in products:
        found = {**product.attributes, **found}
    return found


def _time_span(attributes: Mapping[str, Any], provenance: Mapping[str, Any]) -> tuple[datetime, datetime]:
    dates = sorted(provenance.get("dates", ())) or [attributes.get(name) for name in ("start_date", "end_date")]
    if None in dates:
        raise ValueError("no date of the series is known")
    seconds = attributes.get("center_line_utc_s", 0)
    return moment(dates[0], seconds), moment(dates[-1], seconds)


def _sbas_properties(
    attributes: Mapping[str, Any], provenance: Mapping[str, Any], grid: MapGrid | None
) -> dict[str, Any]:
    known = {f"sbas:{name}": attributes[name] for name in _ATTRIBUTES if name in attributes}
    references = {
        "sbas:reference_point": _reference_point(attributes, provenance, grid),
        "sbas:reference_date": provenance.get("reference_date"),
    }
    return {
        "sbas:coordinate_system": "radar" if grid is None else "geo",
        **known,
        **{name: value for name, value in references.items() if value},
        "sbas:corrections": corrections(provenance),
        "sbas:provenance": summarize(provenance),
    }


def _reference_point(
    attributes: Mapping[str, Any], provenance: Mapping[str, Any], grid: MapGrid | None
) -> dict[str, Any]:
    """Return the place of the reference, its row and column on the products' own grid."""
    # the provenance has the pixel of the radar image
    found = {name: provenance.get("reference_point", {}).get(name) for name in ("latitude", "longitude")}
    if grid is None:
        found = dict(provenance.get("reference_point", {}))
    own = {name: attributes.get(f"reference_{name}") for name in ("row", "column", "latitude", "longitude")}
    return _known(found) | _known(own)


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _add_radar(item: pystac.Item, attributes: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    polarization = str(attributes.get("polarization", "")).upper()
    known = [Polarization(polarization)] if polarization in list(Polarization) else []
    side = {-1: ObservationDirection.RIGHT, 1: ObservationDirection.LEFT}.get(attributes.get("antenna_side", 0))
    wavelength = attributes.get("wavelength_m")
    fields = {
        "sar:instrument_mode": "IW",
        "sar:frequency_band": FrequencyBand.C.value,
        "sar:product_type": "LOS_DISPLACEMENT_TIMESERIES",
        "sar:polarizations": known or None,
        "sar:center_frequency": round(_LIGHT_M_S / wavelength / 1e9, 6) if wavelength else None,
        "sar:observation_direction": side,
    }
    item.properties |= _known(fields)
    if known:
        # without polarizations an item is not one of that extension
        SarExtension.add_to(item)
    direction = provenance.get("direction") or attributes.get("orbit_direction", "").lower()
    state = OrbitState(direction) if direction in list(OrbitState) else None
    track = provenance.get("track") or attributes.get("track")
    if state or track:
        SatExtension.ext(item, add_if_missing=True).apply(orbit_state=state, relative_orbit=track)
    if date := provenance.get("reference_date"):
        reference = moment(date, attributes.get("center_line_utc_s", 0))
        InsarExtension.ext(item, add_if_missing=True).apply(reference_datetime=reference)


def _add_processing(item: pystac.Item, provenance: Mapping[str, Any], grid: MapGrid | None) -> None:
    made = "Interferograms of ISCE2 topsStack, inverted by small baselines with MintPy"
    done = corrections(provenance)
    item.stac_extensions.append(PROCESSING)
    item.properties |= {
        "processing:level": "L2" if grid is None else "L3",
        "processing:lineage": f"{made}; corrections: {', '.join(done)}" if done else made,
        "processing:software": software(provenance),
    }


def _add_links(item: pystac.Item, version: str, predecessor: str | None, successor: str | None) -> None:
    for rel in (pystac.RelType.ROOT, pystac.RelType.PARENT, pystac.RelType.COLLECTION):
        item.links.append(pystac.Link(rel, "../collection.json", media_type=pystac.MediaType.JSON))
    found = [version_link(VersionRelType.LATEST, "./item.json", "The frame's current version")]
    if predecessor is not None:
        href = f"./versions/{predecessor}/item.json"
        found.append(version_link(VersionRelType.PREDECESSOR, href, "Previous version"))
    if successor is not None:
        found.append(version_link(VersionRelType.SUCCESSOR, f"./versions/{successor}/item.json", "Next version"))
    item.links += [pystac.Link.from_dict(link) for link in [*found, canonical_link(version)]]


def _add_products(item: pystac.Item, frame: str, products: Sequence[PublishedProduct], grid: MapGrid | None) -> None:
    for extension in (FileExtension, DatacubeExtension, ProjectionExtension):
        extension.add_to(item)
    cube, apart = cubes(products, grid)
    item.properties |= {"cube:dimensions": cube[0], "cube:variables": cube[1]}
    if grid is not None:
        item.properties |= projection(grid)
    for product in products:
        assets = product_assets(frame, product)
        if product.name in apart:
            describe_apart(assets[product.name], product, apart[product.name])
        for name, asset in assets.items():
            item.add_asset(name, asset)


def _as_dict(item: pystac.Item) -> dict[str, Any]:
    """Return the item as JSON will hold it: plain lists and texts."""
    item.stac_extensions.sort()
    plain: dict[str, Any] = json.loads(json.dumps(item.to_dict(include_self_link=False, transform_hrefs=False)))
    return plain
