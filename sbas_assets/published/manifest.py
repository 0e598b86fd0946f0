"""The list of a version's objects with their sizes and checksums, and whether the store still holds them.

Belongs here: reading and checking a manifest. Does not belong here: the meaning of the objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import batched
from pathlib import Path

from sbas_assets.errors import OutsideError
from sbas_assets.published.store import DATA, MANIFEST, ObjectInfo, Store
from sbas_assets.threads import thread_count

# Objects read at once: at most about 4 MB each.
_BATCH = 16


@dataclass(frozen=True)
class StoredObject:
    """One object of a version.

    Parameters
    ----------
    name : str
        Relative to the version's folder.
    size : int
        Bytes.
    sha256 : str
        Checksum, hexadecimal.
    tag : str or None
        What an S3 store called this content when it was compared; None in other stores. It changes when the object is
        written again, so a listing is enough to see that nothing was.
    """

    name: str
    size: int
    sha256: str
    tag: str | None = None


@dataclass(frozen=True)
class Manifest:
    """All objects of a version, by name."""

    objects: tuple[StoredObject, ...]

    def encode(self) -> bytes:
        """Return the manifest's bytes."""
        return json.dumps({"objects": [asdict(item) for item in self.objects]}, indent=1).encode()

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


def read_manifest(store: Store, folder: str) -> Manifest | None:
    """Return the manifest in a version's folder, or None when there is none.

    Raises
    ------
    ValueError
        What is there is not a manifest.
    """
    data = store.read(f"{folder}/{MANIFEST}")
    return None if data is None else decode_manifest(data)


def decode_manifest(data: bytes) -> Manifest:
    """Return a manifest from its bytes.

    Raises
    ------
    ValueError
        They are not a manifest.
    """
    try:
        rows = json.loads(data)["objects"]
        return Manifest(tuple(StoredObject(row["name"], int(row["size"]), row["sha256"], row["tag"]) for row in rows))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a manifest: {error!r}") from error


def quick_problems(
    store: Store, folder: str, manifest: Manifest, there: Mapping[str, ObjectInfo] | None = None
) -> list[str]:
    """Return what of a manifest is missing or not what it was, as far as a listing tells.

    In a bucket an object that was written again has another tag. A file can change and keep its size, so in a folder
    all are read.

    Parameters
    ----------
    store : Store
        That holds the version.
    folder : str
        Full path of the version's folder.
    manifest : Manifest
        What should be there.
    there : mapping, optional
        The listing of the folder, where the caller has it.
    """
    there = store.listing(folder) if there is None else there
    if store.is_local:
        return _problems(store, folder, manifest, there, [item.name for item in manifest.objects])
    return _problems(store, folder, manifest, there, ())


def full_problems(store: Store, folder: str, manifest: Manifest) -> list[str]:
    """Return what of a manifest is missing or not what it was; every object is read."""
    return _problems(store, folder, manifest, store.listing(folder), [item.name for item in manifest.objects])


def _problems(
    store: Store, folder: str, manifest: Manifest, there: Mapping[str, ObjectInfo], read: Sequence[str]
) -> list[str]:
    listed = {item.name: item for item in manifest.objects}
    problems = [f"{name} is not in the manifest" for name in there if name not in listed and name != MANIFEST]
    present = []
    for item in manifest.objects:
        found = there.get(item.name)
        if found is None:
            problems.append(f"{item.name} is missing")
        elif found.size != item.size:
            problems.append(f"{item.name} has {found.size} bytes instead of {item.size}")
        elif None not in {item.tag, found.tag} and item.tag != found.tag:
            problems.append(f"{item.name} was written again")
        else:
            present.append(item.name)
    for name, sha256 in _digests(store, folder, [name for name in present if name in set(read)]):
        if sha256 != listed[name].sha256:
            problems.append(f"{name} has other content than was published")
    return problems


def chunk_problems(manifest: Manifest, expected: Mapping[str, int]) -> list[str]:
    """Return the arrays that have fewer or more objects in the manifest than their shape asks for."""
    counts = {name: manifest.count_chunks(name) for name in expected}
    return [
        f"array {name} has {counts[name]} of {number} objects"
        for name, number in expected.items()
        if counts[name] != number
    ]


def damaged(path: str, frame: str, reason: str, mend: str | None = None) -> OutsideError:
    """Return the error for something published that the store no longer holds as it was written."""
    return OutsideError(
        "product-damaged",
        reason,
        mend=mend or "publish the frame again: what is missing or wrong is written anew",
        path=path,
        frame=frame,
    )


def _digests(store: Store, folder: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read objects, several at once, and yield the SHA-256 of each."""
    if store.is_local:
        with ThreadPoolExecutor(thread_count()) as pool:
            yield from zip(names, pool.map(lambda name: _sha256(Path(folder, name).read_bytes()), names), strict=True)
        return
    for batch in batched(names, _BATCH):
        paths = {name: f"{folder}/{name}" for name in batch}
        found = store.fs.cat(list(paths.values()))
        for name, path in paths.items():
            yield name, _sha256(found[path])


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
