"""Which version of a frame readers see: one small object, its item, and the items of all versions beside it.

Belongs here: reading and moving these objects, and what a version may be called. Does not belong here: what is in an
item (`stac_item`), the order of a publication (`frame_version`), removing old versions (`retention`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.manifest import damaged
from sbas_assets.published.stac_reading import decode_item
from sbas_assets.published.store import ITEM, Store

VERSIONS = "versions"
TAGS = "tags"
LEAST_PREFIX = 4
"""Digits that name a version, if no other begins with them."""

_TAG = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_VERSION = r"[0-9a-f]{32}"

Item = dict[str, Any]


@dataclass(frozen=True)
class Current:
    """The item that readers see.

    Parameters
    ----------
    item : dict
        STAC item.
    tag : str
        What `Store.put_if` expects if nobody has moved it since.
    """

    item: Item
    tag: str


@dataclass(frozen=True)
class Broken:
    """What stands in the item's place and cannot be read; readers are told, and a publication replaces it.

    Parameters
    ----------
    tag : str
        As in `Current`.
    """

    tag: str


def read_current(store: Store, frame: str) -> Current | None:
    """Return the item of the version that readers see, or None when nothing was published.

    Raises
    ------
    OutsideError
        ``product-damaged``: there is something, but it is not an item.
    """
    found = store.read_tagged(store.path(frame, ITEM))
    return None if found is None else Current(_decode(store, frame, ITEM, found[0]), found[1])


def read_replaceable(store: Store, frame: str) -> Current | Broken | None:
    """Return what a publication replaces: the item, something that is none, or nothing."""
    found = store.read_tagged(store.path(frame, ITEM))
    if found is None:
        return None
    try:
        return Current(decode_item(found[0]), found[1])
    except ValueError:
        return Broken(found[1])


def read_version(store: Store, frame: str, version: str) -> Item | None:
    """Return the item of one version, or None when there is none; OutsideError ``product-damaged``."""
    name = version_path(version, ITEM)
    data = store.read(store.path(frame, name))
    return None if data is None else _decode(store, frame, name, data)


def read_if_whole(store: Store, frame: str, version: str) -> Item | None:
    """Return the item of one version, or None when there is none that can be read.

    A version that is lost must not be in the way of those after it.
    """
    try:
        return read_version(store, frame, version)
    except OutsideError as error:
        if error.code != "product-damaged":
            raise
        return None


def version_path(version: str, name: str) -> str:
    """Return where something of a version is, relative to the frame's folder."""
    return f"{VERSIONS}/{version}/{name}"


def list_versions(store: Store, frame: str) -> list[str]:
    """Return the versions that have an item, sorted."""
    names = store.sizes(store.path(frame, VERSIONS))
    return sorted(name.removesuffix(f"/{ITEM}") for name in names if name.count("/") == 1 and name.endswith(f"/{ITEM}"))


def read_tags(store: Store, frame: str) -> dict[str, str]:
    """Return the version that each tag names, by tag."""
    folder = store.path(frame, TAGS)
    found = {name: store.read(f"{folder}/{name}") for name in store.sizes(folder) if not name.startswith(".")}
    return {name: data.decode(errors="replace").strip() for name, data in found.items() if data is not None}


def write_tag(store: Store, frame: str, tag: str, version: str | None) -> None:
    """Give a version a tag, taken from another one if need be; with None take the tag away.

    Raises
    ------
    InputError
        ``tag-invalid``: it cannot be told from a version, or would not be one object among the tags.
    """
    if not re.fullmatch(_TAG, tag) or re.fullmatch(_VERSION, tag):
        mend = (
            "begin with a letter or digit, go on with these and . _ -, 64 at most; 32 hexadecimal digits are a version"
        )
        raise InputError("tag-invalid", f"{tag!r} is no name for a tag", mend=mend, frame=frame)
    path = store.path(frame, TAGS, tag)
    if version is None:
        store.delete([path])
    else:
        store.put(path, version.encode())


def find_version(store: Store, frame: str, wanted: str) -> str:
    """Return the version that a tag, or the first digits of a version, names.

    Raises
    ------
    InputError
        ``version-unknown``, ``version-ambiguous``.
    """
    tags = read_tags(store, frame)
    if wanted in tags:
        return tags[wanted]
    versions = list_versions(store, frame)
    found = [version for version in versions if version.startswith(wanted)] if len(wanted) >= LEAST_PREFIX else []
    if wanted in versions or len(found) == 1:
        return wanted if wanted in versions else found[0]
    mend = f"see `sbas-assets versions {frame}`"
    if found:
        raise InputError("version-ambiguous", f"{len(found)} versions begin with {wanted}", mend=mend, frame=frame)
    there = f"it has {len(versions)} versions" if versions else "it has none"
    raise InputError("version-unknown", f"the frame has no version {wanted!r}; {there}", mend=mend, frame=frame)


def resolve(store: Store, frame: str, version: str | None) -> Item | None:
    """Return the item that a reader asks for, or None when nothing was published.

    Raises
    ------
    InputError
        ``version-unknown``, ``version-ambiguous``.
    OutsideError
        ``product-damaged``.
    """
    if version is None:
        current = read_current(store, frame)
        return None if current is None else current.item
    # by its whole name a version is found also where nothing can be listed, as on the web
    item = read_version(store, frame, version) if re.fullmatch(_VERSION, version) else None
    return item or read_version(store, frame, find_version(store, frame, version))


def _decode(store: Store, frame: str, name: str, data: bytes) -> Item:
    try:
        item = decode_item(data)
    except ValueError as error:
        # what is published again is the frame's newest version only
        mend = None if name == ITEM else "remove it: nobody can go back to that version any longer"
        raise damaged(store.path(frame, name), frame, f"the item cannot be read: {error}", mend) from error
    return item
