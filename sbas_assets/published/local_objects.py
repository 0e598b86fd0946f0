"""What a folder lacks of an object store: one writer at a time, and no folders where there are no objects.

Belongs here: files as objects. Does not belong here: writing one file whole (`workspace.atomic_write`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock


def digest(data: bytes) -> str:
    """Return the tag of an object whose store gives it none."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def only_writer(path: str, seconds: float) -> Iterator[None]:
    """Hold the lock beside a file.

    Raises
    ------
    TimeoutError
        Somebody else held it for so many seconds.
    """
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(f".{place.name}.lock"), timeout=seconds):
        yield


def remove_files(root: str, paths: Sequence[str]) -> None:
    """Remove files, and then the folders below the root that are empty."""
    for path in paths:
        Path(path).unlink(missing_ok=True)
    top = Path(root)
    parents = {parent for path in paths for parent in Path(path).parents if top in parent.parents}
    for folder in sorted(parents, key=lambda one: len(one.parts), reverse=True):
        # not empty, or removed by another process
        with suppress(OSError):
            folder.rmdir()
