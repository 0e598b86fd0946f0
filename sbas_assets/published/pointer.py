"""The small JSON file that says which version of a product readers should open.

Belongs here: its fields, reading and moving it. Does not belong here: what it points at.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sbas_assets.errors import OutsideError
from sbas_assets.published.store import LATEST, Store


@dataclass(frozen=True)
class ArrayLayout:
    """Shape and chunk shape of a stored array, and how many chunks it has."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    n_chunks: int


@dataclass(frozen=True)
class Pointer:
    """What ``latest.json`` says.

    Parameters
    ----------
    version : str
        Data version, hexadecimal.
    path : str
        The Zarr group, relative to the store: ``<frame>/<product>/<version>[-<attempt>]/data.zarr``.
    product, frame : str
        What it is a version of.
    arrays : dict of ArrayLayout
        Every array of the group, by name.
    sha256 : str
        Checksum of the version's manifest.
    """

    version: str
    path: str
    product: str
    frame: str
    arrays: dict[str, ArrayLayout]
    sha256: str

    @property
    def folder(self) -> str:
        """The version's folder, relative to the store."""
        return self.path.rsplit("/", 1)[0]


@dataclass(frozen=True)
class Published:
    """What was published.

    Parameters
    ----------
    store_url : str
        The store.
    pointer : Pointer
        As it stands now.
    n_objects, n_bytes : int
        Objects of the version and their size together, in bytes.
    reused : bool
        True when this version was already there, complete and unchanged.
    """

    store_url: str
    pointer: Pointer
    n_objects: int
    n_bytes: int
    reused: bool

    @property
    def url(self) -> str:
        """URL of the Zarr group, for ``xarray.open_zarr``."""
        return f"{self.store_url.rstrip('/')}/{self.pointer.path}"


def read_pointer(store: Store, frame: str, product: str) -> Pointer | None:
    """Return a product's pointer, or None when nothing was published.

    Raises
    ------
    OutsideError
        ``product-damaged``: there is a file, but it is not a pointer.
    """
    path = store.path(frame, product, LATEST)
    data = store.read(path)
    if data is None:
        return None
    try:
        row: dict[str, Any] = json.loads(data)
        arrays = {
            name: ArrayLayout(tuple(item["shape"]), tuple(item["chunks"]), int(item["n_chunks"]))
            for name, item in row["arrays"].items()
        }
        return Pointer(row["version"], row["path"], row["product"], row["frame"], arrays, row["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, frame, f"the pointer cannot be read: {error!r}") from error


def write_pointer(store: Store, pointer: Pointer) -> None:
    """Move a product's pointer; readers see the old version or the new one."""
    data = json.dumps(asdict(pointer), indent=1, sort_keys=True).encode()
    store.put(store.path(pointer.frame, pointer.product, LATEST), data)


def damaged(path: str, frame: str, reason: str) -> OutsideError:
    """Return the error for a published product that the store no longer holds as it was written."""
    return OutsideError(
        "product-damaged",
        reason,
        mend="remove what is at this path and publish the product again",
        path=path,
        frame=frame,
    )
