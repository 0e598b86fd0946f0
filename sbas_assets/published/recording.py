"""A Zarr store that is only written: what is there already and right is not sent again, and everything is remembered.

Belongs here: which bytes go out, and their checksums. Does not belong here: arrays (`zarr_writer`), and whether the
whole is complete (`zarr_product`).

A data version decides every byte, so whatever an earlier attempt at it left, or sends late, is either right or
replaced: an attempt goes on where the one before it stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore

from sbas_assets.published.manifest import Manifest, StoredObject
from sbas_assets.published.store import DATA, Store

_METADATA = "zarr.json"


class RecordingStore(ZarrStore):
    """Sends chunks as they come and keeps metadata back until `finish`, so that a half-written group does not open.

    Parameters
    ----------
    store : Store
        Where the objects go.
    folder : str
        Full path of the version's folder.
    """

    supports_writes = True
    supports_deletes = False
    supports_listing = True

    def __init__(self, store: Store, folder: str) -> None:
        super().__init__()
        self._target = store
        self._folder = folder
        self._there = store.listing(folder)
        self._kept: dict[str, Buffer] = {}
        self._metadata = MemoryStore(self._kept)
        self._objects: dict[str, StoredObject] = {}

    def put(self, name: str, data: bytes) -> None:
        """Send an object unless the folder holds the same bytes under its name.

        Parameters
        ----------
        name : str
            Relative to the version's folder.
        data : bytes
            What it shall hold.
        """
        path, there = f"{self._folder}/{name}", self._there.get(name)
        if there is None or not self._target.holds(path, data, there):
            self._target.put(path, data)
        self._objects[name] = StoredObject(name, len(data), hashlib.sha256(data).hexdigest())

    def finish(self) -> Manifest:
        """Send the metadata, the root's last, remove what is not of this version, and list what is."""
        for key in sorted(self._kept, key=lambda key: (key == _METADATA, key)):
            self.put(f"{DATA}/{key}", self._kept[key].to_bytes())
        self._target.delete([f"{self._folder}/{name}" for name in self._there if name not in self._objects])
        return Manifest(tuple(self._objects[name] for name in sorted(self._objects)))

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    async def set(self, key: str, value: Buffer) -> None:
        """Send a chunk, or keep metadata."""
        if key.endswith(_METADATA):
            await self._metadata.set(key, value)
        else:
            await asyncio.to_thread(self.put, f"{DATA}/{key}", value.to_bytes())

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return metadata; of chunks nothing is known, since blocks are whole."""
        return await self._metadata.get(key, prototype, byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of metadata."""
        return await self._metadata.get_partial_values(prototype, key_ranges)

    async def exists(self, key: str) -> bool:
        """Tell whether metadata is kept under a name."""
        return await self._metadata.exists(key)

    async def delete(self, key: str) -> None:
        """Forget metadata."""
        await self._metadata.delete(key)

    def list(self) -> AsyncIterator[str]:
        """Yield the names of metadata."""
        return self._metadata.list()

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of metadata that begin so."""
        return self._metadata.list_prefix(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of metadata in a folder."""
        return self._metadata.list_dir(prefix)
