"""A Zarr store that is only written: what is there already and right is not sent again, and everything is remembered.

Belongs here: which bytes go out, and their checksums. Does not belong here: arrays (`zarr_writer`), and whether the
whole is complete (`zarr_product`).

A data version decides every byte, so whatever an earlier attempt at it left, or sends late, is either right or
replaced: an attempt goes on where the one before it stopped. What an earlier version holds under the same name is
copied inside the store, where the store can do that and tells for certain that it is the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore

from sbas_assets.published.manifest import Manifest, StoredObject
from sbas_assets.published.store import DATA, Store

_METADATA = "zarr.json"
WORTH_COPYING = 1 << 16
"""Bytes of the smallest object that is copied: sending a smaller one takes no longer than asking for its copy."""
_FLUSHING = 4  # threads that only wait


class RecordingStore(ZarrStore):
    """Sends chunks as they come and keeps metadata back until `finish`, so that a half-written group does not open.

    Parameters
    ----------
    store : Store
        Where the objects go.
    folder : str
        Full path of the version's folder.
    earlier : str, optional
        That of an earlier version.
    """

    supports_writes = True
    supports_deletes = False
    supports_listing = True

    def __init__(self, store: Store, folder: str, earlier: str | None = None) -> None:
        super().__init__()
        self._target = store
        self._folder = folder
        self._there = store.listing(folder)
        self._earlier = earlier
        self._before = store.listing(earlier) if earlier and store.is_s3 else {}
        self._pool = ThreadPoolExecutor(_FLUSHING, "sbas-flush")
        self._flushing: list[Future[None]] = []
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
        held = there is not None and self._target.holds(path, data, there)
        if not held and not self._copied(name, data):
            self._target.put(path, data, flushed=False)
        # what a killed attempt has left may be in memory only, too
        self._flushing.append(self._pool.submit(self._target.flush, path))
        self._objects[name] = StoredObject(name, len(data), hashlib.sha256(data).hexdigest())

    def _copied(self, name: str, data: bytes) -> bool:
        """Copy what an earlier version surely holds; after a copy that failed nothing more is tried."""
        before, source = self._before.get(name), f"{self._earlier}/{name}"
        if before is None or len(data) < WORTH_COPYING or not self._target.holds(source, data, before):
            return False
        copied = self._target.copy(source, f"{self._folder}/{name}")
        if not copied:
            self._before = {}
        return copied

    def finish(self) -> Manifest:
        """Send the metadata, the root's last, remove what is not of this version, and list what is.

        All objects survive a power cut then, so that the manifest may follow.
        """
        for key in sorted(self._kept, key=lambda key: (key == _METADATA, key)):
            self.put(f"{DATA}/{key}", self._kept[key].to_bytes())
        self._target.delete([f"{self._folder}/{name}" for name in self._there if name not in self._objects])
        for flushed in self._flushing:
            flushed.result()
        self._pool.shutdown()
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
