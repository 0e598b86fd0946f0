"""What a listing of a store tells of one object."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ObjectInfo:
    """What a listing tells of an object.

    Parameters
    ----------
    size : int
        Bytes.
    modified : datetime
        When it was last written, with a time zone, by the store's own clock.
    tag : str or None
        As of `store.Store.read_tagged`; None where that would mean reading the object.
    """

    size: int
    modified: datetime
    tag: str | None
