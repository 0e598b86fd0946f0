"""What a folder lacks of an object store: one writer at a time, and no folders where there are no objects.

Belongs here: files as objects. Does not belong here: writing one file whole (`workspace.atomic_write`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

# as `workspace.atomic_write` calls what it has not renamed yet
_ON_THE_WAY = re.compile(r"\..+\.[0-9]+")


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


def is_on_the_way(name: str) -> bool:
    """Tell whether a file is not whole yet; if its writer was killed, nobody gives it its name any more."""
    return _ON_THE_WAY.fullmatch(name.rsplit("/", 1)[-1]) is not None


def left_on_the_way(folder: str, before: datetime) -> list[str]:
    """Return the files of a folder, without those of the folders in it, that were last written to before a moment."""
    found = []
    for path in Path(folder).iterdir():
        # its writer may be alive, and rename it now
        with suppress(FileNotFoundError):
            if is_on_the_way(path.name) and datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                found.append(str(path))
    return found


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
