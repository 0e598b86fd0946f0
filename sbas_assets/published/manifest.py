"""The list of a version's objects with their sizes and checksums, and whether the store still holds them.

Belongs here: making, reading and checking a manifest. Does not belong here: the meaning of the objects.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from sbas_assets.published.pointer import ArrayLayout
from sbas_assets.published.store import DATA, MANIFEST, Store
from sbas_assets.threads import thread_count
from sbas_assets.workspace import sync_folder

# Objects read at once: at most about 4 MB each.
_BATCH = 16


@dataclass(frozen=True)
class StoredObject:
    """One object: its name below the version's folder, its size in bytes, and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All objects of a version, by name."""

    objects: tuple[StoredObject, ...]

    def encode(self) -> bytes:
        """Return the manifest's bytes: the same for the same objects, whatever store they are in."""
        rows = [{"name": item.name, "size": item.size, "sha256": item.sha256} for item in self.objects]
        return json.dumps({"objects": rows}, indent=1).encode()

    @property
    def sha256(self) -> str:
        """Checksum of the encoded manifest, and so of everything it lists."""
        return hashlib.sha256(self.encode()).hexdigest()

    @property
    def n_bytes(self) -> int:
        """Sum of the sizes in bytes."""
        return sum(item.size for item in self.objects)

    def count_chunks(self, array: str) -> int:
        """Return how many chunks of an array are listed."""
        chunk = f"{DATA}/{array}/c"
        return sum(item.name == chunk or item.name.startswith(f"{chunk}/") for item in self.objects)


def decode_manifest(data: bytes) -> Manifest:
    """Return a manifest from its bytes.

    Raises
    ------
    ValueError
        They are not a manifest.
    """
    try:
        rows = json.loads(data)["objects"]
        return Manifest(tuple(StoredObject(row["name"], int(row["size"]), row["sha256"]) for row in rows))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a manifest: {error!r}") from error


def make_manifest(store: Store, folder: str) -> Manifest:
    """Read every object below `folder`'s ``data.zarr`` back and list it.

    What is listed is what the store really holds, not what was meant to be written. In a local store every file
    is flushed to the disk on the way, so a manifest never outlives its data in a power cut.
    """
    names = [name for name in store.sizes(folder) if name.startswith(f"{DATA}/")]
    objects = tuple(_stored(store, folder, names, flush=True))
    if store.is_local:
        for parent in {Path(folder, name).parent for name in names}:
            sync_folder(parent)
    return Manifest(objects)


def manifest_problems(store: Store, folder: str, manifest: Manifest) -> list[str]:
    """Return what of a manifest is missing, of another size or of other content in the store."""
    sizes = store.sizes(folder)
    listed = {item.name: item for item in manifest.objects}
    problems = [f"{name} is not in the manifest" for name in sizes if name not in listed and name != MANIFEST]
    present = []
    for item in manifest.objects:
        if item.name not in sizes:
            problems.append(f"{item.name} is missing")
        elif sizes[item.name] != item.size:
            problems.append(f"{item.name} has {sizes[item.name]} bytes instead of {item.size}")
        else:
            present.append(item.name)
    for item in _stored(store, folder, present):
        if item != listed[item.name]:
            problems.append(f"{item.name} has other content than was published")
    return problems


def chunk_problems(manifest: Manifest, arrays: Mapping[str, ArrayLayout]) -> list[str]:
    """Return the arrays that have fewer chunks in the manifest than their shape asks for."""
    counts = {name: manifest.count_chunks(name) for name in arrays}
    return [
        f"array {name} has {counts[name]} of {layout.n_chunks} chunks"
        for name, layout in arrays.items()
        if counts[name] != layout.n_chunks
    ]


def _stored(store: Store, folder: str, names: Sequence[str], *, flush: bool = False) -> Iterator[StoredObject]:
    """Read objects, several at once."""
    if store.is_local:
        with ThreadPoolExecutor(thread_count()) as pool:
            yield from pool.map(lambda name: _digested(name, _read(Path(folder, name), flush=flush)), names)
        return
    for batch in batched(names, _BATCH):
        paths = {name: f"{folder}/{name}" for name in batch}
        found = store.fs.cat(list(paths.values()))
        for name, path in paths.items():
            yield _digested(name, found[path])


def _digested(name: str, data: bytes) -> StoredObject:
    return StoredObject(name, len(data), hashlib.sha256(data).hexdigest())


def _read(path: Path, *, flush: bool) -> bytes:
    with path.open("rb") as file:
        if flush:
            os.fsync(file.fileno())
        return file.read()
