"""Removing versions of a frame that nobody needs any more, and what killed publications have left.

Belongs here: what may go, and when. Does not belong here: publishing (`frame_version`).

What a reader may have open stays: a version that readers no longer see was left, at the latest, when the frame's item
was last moved, and for an hour after that nothing goes. What no item names may be a publication on its way: it stays
for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sbas_assets.published.current import (
    TAGS,
    VERSIONS,
    list_versions,
    read_current,
    read_tags,
    read_version,
    version_path,
)
from sbas_assets.published.local_objects import is_on_the_way, left_on_the_way
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.stac_reading import FrameVersion, read_item
from sbas_assets.published.store import ITEM, ObjectInfo, Store

CLOCKS = timedelta(minutes=15)
"""How far the clock of a store that signs its requests may be off."""
READERS = timedelta(hours=1) + CLOCKS
UNFINISHED = timedelta(days=1)
_DEPTH = 2
# names that are no one's product: the pointer, its lock in a folder, tags
_KEPT = (ITEM, f".{ITEM}.lock")


@dataclass(frozen=True)
class Collected:
    """What was removed.

    Parameters
    ----------
    versions : tuple of str
        Versions of the frame.
    n_objects, n_bytes : int
        Objects, and their size together in bytes.
    """

    versions: tuple[str, ...]
    n_objects: int
    n_bytes: int


def collect(store: Store, frame: str, keep: int, now: datetime, needed: Iterable[ProductVersion] = ()) -> Collected:
    """Remove old versions of a frame, and what no item names.

    Parameters
    ----------
    store : Store
        That holds them.
    frame : str
        The frame's key.
    keep : int
        How many versions stay, the newest; the current one and those with a tag stay besides.
    now : datetime
        The present.
    needed : iterable of ProductVersion
        What is about to be published.

    Returns
    -------
    Collected
        Nothing while a reader may still use what would go.
    """
    current = read_current(store, frame)
    listing = store.listing(store.path(frame))
    if current is None or now - listing[ITEM].modified < READERS:
        return Collected((), 0, 0)
    items = {version: read_version(store, frame, version) for version in list_versions(store, frame)}
    facts = {version: read_item(item) for version, item in items.items() if item is not None}
    stay = _staying(facts, keep) | {read_item(current.item).version, *read_tags(store, frame).values()}
    gone = tuple(sorted(version for version in facts if version not in stay))
    # no item names what is removed after this
    store.delete([store.path(frame, version_path(version, ITEM)) for version in gone])
    named = [read_item(current.item), *(facts[version] for version in stay if version in facts)]
    folders = {product.folder for item in named for product in item.products}
    folders |= {f"{frame}/{VERSIONS}/{item.version}" for item in named} | {product.folder for product in needed}
    removed = _unnamed(frame, listing, folders, {f"{VERSIONS}/{version}" for version in gone} | _left(facts, gone), now)
    # what somebody has begun to use meanwhile is named by an item that was not there before
    if list_versions(store, frame) != sorted(set(facts) - set(gone)):
        removed = []
    # of the collection, which no frame's folder holds
    beside = left_on_the_way(store.root, now - UNFINISHED) if store.is_local else []
    store.delete([*(store.path(frame, name) for name in removed), *beside])
    return Collected(gone, len(removed), sum(listing[name].size for name in removed))


def _staying(facts: Mapping[str, FrameVersion], keep: int) -> set[str]:
    newest = sorted(facts, key=lambda version: facts[version].publication, reverse=True)
    return set(newest[:keep])


def _left(facts: Mapping[str, FrameVersion], gone: Iterable[str]) -> set[str]:
    """Return the folders of the products of the versions that go, relative to the frame's."""
    folders = (product.folder for version in gone for product in facts[version].products)
    return {folder.split("/", 1)[1] for folder in folders}


def _unnamed(
    frame: str, listing: Mapping[str, ObjectInfo], named: set[str], left: set[str], now: datetime
) -> list[str]:
    """Return the objects of folders that no item names: at once those of versions that go, else after a day."""
    found = []
    for folder, group in groupby(sorted(listing, key=_folder), key=_folder):
        names = list(group)
        kept = folder in _KEPT or folder.startswith(f"{TAGS}/") or f"{frame}/{folder}" in named
        if kept:
            # what a killed writer has left beside what it was to become
            names = [name for name in names if is_on_the_way(name)]
        if names and (
            (folder in left and not kept) or now - max(listing[name].modified for name in names) > UNFINISHED
        ):
            found += names
    return found


def _folder(name: str) -> str:
    return "/".join(name.split("/")[:_DEPTH])
