"""A STAC item in one of its two places: the frame's own, and that of its version, where it is kept.

Belongs here: what changes in an item after it was made. Does not belong here: making one (`stac_item`).
"""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from pystac import Link, MediaType, RelType
from pystac.extensions.version import VersionRelType

_CURRENT = "./item.json"
_KEPT = "../../item.json"


def relocated(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of ``<frame>/item.json`` as it is for ``<frame>/versions/<version>/item.json``.

    Raises
    ------
    ValueError
        It is not an item of that place.
    """
    if not _is_current(item):
        raise ValueError("the item is not the frame's own, but one that is kept")
    folder = f"versions/{item['properties']['version']}"
    moved = copy.deepcopy(dict(item))
    # the frame's own item may be another version tomorrow; the kept one has no better place than its own
    moved["links"] = [link for link in moved["links"] if link["rel"] != RelType.CANONICAL]
    for entry in [*moved["links"], *moved["assets"].values()]:
        path = posixpath.relpath(entry["href"], folder)
        entry["href"] = path if path.startswith("../") else f"./{path}"
    return moved


def as_current(item: Mapping[str, Any], withheld: Sequence[str]) -> dict[str, Any]:
    """Return a version's item as it is for ``<frame>/item.json``: the way back from `relocated`.

    Parameters
    ----------
    item : mapping
        Of ``<frame>/versions/<version>/item.json``.
    withheld : sequence of str
        Versions that are not to be published again.

    Raises
    ------
    ValueError
        It is not an item of that place.
    """
    if _is_current(item):
        raise ValueError("the item is the frame's own already")
    version = item["properties"]["version"]
    moved = copy.deepcopy(dict(item))
    for entry in [*moved["links"], *moved["assets"].values()]:
        path = posixpath.normpath(posixpath.join(f"versions/{version}", entry["href"]))
        entry["href"] = path if path.startswith("../") else f"./{path}"
    moved["links"].append(canonical_link(version))
    return with_withheld(moved, withheld)


def with_withheld(item: Mapping[str, Any], withheld: Sequence[str]) -> dict[str, Any]:
    """Return an item, in either place, that names other versions as held back."""
    changed = copy.deepcopy(dict(item))
    changed["properties"]["sbas:withheld"] = sorted(withheld)
    return changed


def with_successor(item: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return an item, in either place, with a link to the version after it.

    Parameters
    ----------
    item : mapping
        As it is in the store.
    version : str
        The version after it; replaces one named before.

    Raises
    ------
    ValueError
        It is not an item of a frame.
    """
    folder = "./versions" if _is_current(item) else ".."
    changed = copy.deepcopy(dict(item))
    others = [entry for entry in changed["links"] if entry["rel"] != VersionRelType.SUCCESSOR]
    link = version_link(VersionRelType.SUCCESSOR, f"{folder}/{version}/item.json", "Next version")
    changed["links"] = [*others, link]
    return changed


def version_link(rel: str, href: str, title: str) -> dict[str, Any]:
    """Return a link to another version's item."""
    return Link(str(rel), href, media_type=MediaType.GEOJSON, title=title).to_dict(transform_href=False)


def canonical_link(version: str) -> dict[str, Any]:
    """Return the link from the frame's own item to the same one where it is kept."""
    return version_link(RelType.CANONICAL, f"./versions/{version}/item.json", "This version, where it is kept")


def _is_current(item: Mapping[str, Any]) -> bool:
    """Tell the frame's own item from one that is kept, by its link to the latest version."""
    try:
        found = [link["href"] for link in item["links"] if link["rel"] == VersionRelType.LATEST]
        item["properties"]["version"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an item of a frame: {error!r}") from error
    if found not in ([_CURRENT], [_KEPT]):
        raise ValueError(f"not an item of a frame: its link to the latest version is {found}")
    return found == [_CURRENT]
