"""The one object of a store that all frames share, and how it is kept right although many publish at once.

Belongs here: reading and writing it. Does not belong here: what is in it (`stac_collection`). Nothing is decided by it:
a frame that it does not name yet can be read all the same.
"""

from __future__ import annotations

from typing import Any

from sbas_assets.errors import OutsideError
from sbas_assets.published.stac_collection import add_item, decode
from sbas_assets.published.stac_item import encode_item
from sbas_assets.published.store import COLLECTION, Store

_ATTEMPTS = 50


def add_to_collection(store: Store, item: dict[str, Any]) -> None:
    """Let the collection name a frame's current item; whoever comes second reads it again.

    Raises
    ------
    OutsideError
        ``product-damaged``: what is there is no collection of this package; ``store-conflict``: it changes all the
        time.
    """
    path = store.path(COLLECTION)
    for _ in range(_ATTEMPTS):
        found = store.read_tagged(path)
        data = _with(store, found[0] if found else None, item)
        if found and found[0] == data:
            return
        try:
            store.put_if(path, data, found[1] if found else None)
        except OutsideError as error:
            if error.code != "store-conflict":
                raise
        else:
            return
    raise OutsideError("store-conflict", "the collection changes all the time", mend="run again", path=path)


def is_in_collection(store: Store, item: dict[str, Any]) -> bool:
    """Tell whether the collection says all that an item does; OutsideError as above."""
    found = store.read(store.path(COLLECTION))
    return found is not None and _with(store, found, item) == found


def _with(store: Store, data: bytes | None, item: dict[str, Any]) -> bytes:
    try:
        return encode_item(add_item(None if data is None else decode(data), item))
    except ValueError as error:
        raise OutsideError(
            "product-damaged",
            f"the collection cannot be read: {error}",
            mend="move it away: runs of the frames write a new one",
            path=store.path(COLLECTION),
        ) from error
