"""An item in its two places: the frame's own, which readers see, and the version's, which stays.

Belongs here: making the first from the second again, as going back to a version needs. Does not belong here: making
items, and the way from the first to the second (`stac_item`).
"""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import pystac


def as_current(item: Mapping[str, Any], withheld: Sequence[str]) -> dict[str, Any]:
    """Return a version's item as it is for ``<frame>/item.json``; the inverse of `stac_item.relocated`.

    Parameters
    ----------
    item : mapping
        Of ``<frame>/versions/<version>/item.json``.
    withheld : sequence of str
        Versions that are not to be published again.
    """
    folder = f"versions/{item['properties']['version']}"
    moved = copy.deepcopy(dict(item))
    for entry in [*moved["links"], *moved["assets"].values()]:
        entry["href"] = f"./{posixpath.normpath(posixpath.join(folder, entry['href']))}".replace("./../", "../")
    kept = pystac.Link(
        pystac.RelType.CANONICAL, f"./{folder}/item.json", media_type=pystac.MediaType.GEOJSON, title="This version"
    )
    moved["links"].append(kept.to_dict(transform_href=False))
    return with_withheld(moved, withheld)


def with_withheld(item: Mapping[str, Any], withheld: Sequence[str]) -> dict[str, Any]:
    """Return an item, in either place, that names other versions as held back."""
    changed = copy.deepcopy(dict(item))
    changed["properties"]["sbas:withheld"] = sorted(withheld)
    return changed
