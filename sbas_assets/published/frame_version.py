"""Making a version of a frame the one that readers see, and going back to an earlier one.

Belongs here: the order of a publication. Everything of a version is in the store and proved before its item becomes the
current one, by one conditional write; what follows that (links of the version before, the collection) a later run
completes. Does not belong here: writing products (`zarr_product`), removing old versions (`retention`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published import stac_item
from sbas_assets.published.collection import add_to_collection, is_in_collection
from sbas_assets.published.current import (
    Broken,
    Current,
    Item,
    find_version,
    list_versions,
    read_current,
    read_if_whole,
    read_replaceable,
    read_version,
    version_path,
)
from sbas_assets.published.manifest import StoredObject, damaged, quick_problems, read_manifest
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.stac_item import PublishedProduct
from sbas_assets.published.stac_place import as_current, relocated, with_successor, with_withheld
from sbas_assets.published.stac_reading import FrameVersion, read_item
from sbas_assets.published.store import DATA, ITEM, Store

THUMBNAIL = "thumbnail.png"


@dataclass(frozen=True)
class NewVersion:
    """What is to be published.

    Parameters
    ----------
    frame : str
        The frame's key.
    version : str
        Data version of the whole, hexadecimal.
    products : tuple of ProductVersion
        What it consists of.
    provenance : mapping
        What the item tells of its making.
    thumbnail : bytes or None
        A small PNG.
    """

    frame: str
    version: str
    products: tuple[ProductVersion, ...]
    provenance: Mapping[str, Any]
    thumbnail: bytes | None = None


def publish(store: Store, new: NewVersion, before: Current | Broken | None, now: datetime) -> bool:
    """Make a version the one that readers see.

    Parameters
    ----------
    store : Store
        That holds its products.
    new : NewVersion
        The version.
    before : Current or Broken or None
        What readers saw when this publication began; what is broken is replaced.
    now : datetime
        Becomes the time of its creation, unless it was published before.

    Returns
    -------
    bool
        False when somebody rolled it back: then readers go on seeing the version that was chosen.

    Raises
    ------
    InputError
        ``publish-conflict``: somebody else has moved the frame to another version meanwhile.
    OutsideError
        ``product-damaged``: one of its products is not whole; or a fault of the store.
    """
    seen = before if isinstance(before, Current) else None
    current = read_item(seen.item) if seen else None
    if current and new.version in current.withheld:
        return False
    published = [_whole(store, new.frame, product) for product in new.products]
    if current is None or current.version != new.version or set(current.products) != set(new.products):
        item = _kept_item(store, new, published, seen, now)
        if current:
            # once it has moved, nobody would know what the publication before this one was killed over
            _name_successor(store, current)
        _move(store, new.frame, item, before)
    complete(store, new.frame)
    return True


def roll_back(store: Store, frame: str, wanted: str) -> str:
    """Make an earlier version the one that readers see, and hold back the one they see now; return the version.

    Raises
    ------
    InputError
        ``version-unknown``, ``version-ambiguous``, ``product-not-published``, ``publish-conflict``.
    OutsideError
        ``product-damaged``: what would be gone back to is not whole.
    """
    before = read_current(store, frame)
    if before is None:
        raise InputError("product-not-published", "nothing of this frame is published", mend="run it", frame=frame)
    version, current = find_version(store, frame, wanted), read_item(before.item)
    target = read_version(store, frame, version)
    if target is None:
        raise damaged(store.path(frame, version_path(version, ITEM)), frame, "the version's item is gone")
    for product in read_item(target).products:
        _whole(store, frame, product)
    if version == current.version:
        return version
    held = {*current.withheld, current.version} - {version}
    _name_successor(store, current)
    _move(store, frame, as_current(target, sorted(held)), before)
    complete(store, frame)
    return version


def release(store: Store, frame: str) -> list[str]:
    """Hold no version back any longer, so that the next run publishes what it makes; return those that were held."""
    before = read_replaceable(store, frame)
    if not isinstance(before, Current):
        return []
    held = read_item(before.item).withheld
    if held:
        _move(store, frame, with_withheld(before.item, ()), before)
    return list(held)


def complete(store: Store, frame: str) -> None:
    """Do what follows the move: tell the version before of its successor, and the collection of the item.

    The version's own item, which was there before the move, is written again if it has been lost.
    """
    current = read_current(store, frame)
    if current is None:
        return
    facts = read_item(current.item)
    if read_if_whole(store, frame, facts.version) is None:
        _keep(store, frame, current.item)
    _name_successor(store, facts)
    add_to_collection(store, current.item)


def incomplete(store: Store, current: Current) -> list[str]:
    """Return in words what a publication that was cut off after the move has left undone."""
    facts, undone = read_item(current.item), []
    if read_if_whole(store, facts.frame, facts.version) is None:
        undone.append(f"version {facts.version} has no item of its own")
    older = read_if_whole(store, facts.frame, facts.predecessor) if facts.predecessor else None
    if older is not None and read_item(older).successor != facts.version:
        undone.append(f"version {facts.predecessor} does not name its successor")
    if not is_in_collection(store, current.item):
        undone.append("the collection does not name the current item")
    return undone


def _name_successor(store: Store, facts: FrameVersion) -> None:
    """Let the version before the current one name it."""
    older = read_if_whole(store, facts.frame, facts.predecessor) if facts.predecessor else None
    if older is not None and read_item(older).successor != facts.version:
        named = with_successor(older, facts.version)
        path = store.path(facts.frame, version_path(read_item(older).version, ITEM))
        store.put(path, stac_item.encode_item(named))


def _whole(store: Store, frame: str, product: ProductVersion) -> PublishedProduct:
    """Return a product with what the item says of it, or raise ``product-damaged``."""
    folder = store.path(product.folder)
    try:
        manifest = read_manifest(store, folder)
    except ValueError as error:
        raise damaged(folder, frame, f"the manifest of {product.product} cannot be read: {error}") from error
    if manifest is None or manifest.sha256 != product.manifest_sha256:
        raise damaged(folder, frame, f"the manifest of {product.product} is gone, or another one")
    problems = quick_problems(store, folder, manifest)
    if problems:
        raise damaged(folder, frame, f"{product.product} is not whole: {'; '.join(problems)}")
    # the manifest vouches for it
    metadata = json.loads(store.read(f"{folder}/{DATA}/zarr.json") or b"")
    return PublishedProduct(product, manifest, metadata)


def _kept_item(
    store: Store, new: NewVersion, published: Sequence[PublishedProduct], before: Current | None, now: datetime
) -> Item:
    """Write the version's own item, unless it is there, and return the one for readers."""
    old = read_if_whole(store, new.frame, new.version)
    if old is not None and set(read_item(old).products) == set(new.products):
        return as_current(old, _withheld(before))
    facts = read_item(old) if old is not None else None
    item = stac_item.make_item(
        new.frame,
        new.version,
        published,
        new.provenance,
        publication=facts.publication if facts else _next_publication(store, new.frame, before),
        created=facts.created if facts else now,
        thumbnail=_write_thumbnail(store, new),
        predecessor=facts.predecessor if facts else (read_item(before.item).version if before else None),
        successor=facts.successor if facts else None,
        withheld=_withheld(before),
    )
    _keep(store, new.frame, item)
    return item


def _keep(store: Store, frame: str, item: Item) -> None:
    """Write the version's own item, made of the one for readers."""
    own = with_withheld(relocated(item), ())
    store.put(store.path(frame, version_path(read_item(own).version, ITEM)), stac_item.encode_item(own))


def _withheld(before: Current | None) -> tuple[str, ...]:
    return tuple(read_item(before.item).withheld) if before else ()


def _next_publication(store: Store, frame: str, before: Current | None) -> int:
    items = [read_if_whole(store, frame, version) for version in list_versions(store, frame)]
    known = [*items, before.item if before else None]
    return 1 + max((read_item(item).publication for item in known if item is not None), default=0)


def _write_thumbnail(store: Store, new: NewVersion) -> StoredObject | None:
    if new.thumbnail is None:
        return None
    name = version_path(new.version, THUMBNAIL)
    store.put(store.path(new.frame, name), new.thumbnail)
    return StoredObject(name, len(new.thumbnail), hashlib.sha256(new.thumbnail).hexdigest())


def _move(store: Store, frame: str, item: Item, before: Current | Broken | None) -> None:
    try:
        store.put_if(store.path(frame, ITEM), stac_item.encode_item(item), before.tag if before else None)
    except OutsideError as error:
        if error.code != "store-conflict":
            raise
        found = read_current(store, frame)
        there = read_item(found.item).version if found else "none"
        if there == read_item(item).version:
            return
        raise InputError(
            "publish-conflict",
            f"somebody else has moved this frame to version {there} meanwhile",
            mend="one installation may publish a frame into a store; run again if this one should",
            frame=frame,
            path=store.path(frame, ITEM),
        ) from error
