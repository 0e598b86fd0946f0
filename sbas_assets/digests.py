"""SHA-256 of files, without reading again what has not changed.

The cache only ever saves reading: a file whose path, size, times or inode differ in any way is read again. What the
digests mean is decided by the callers (provenance.py for products, topsstack/fingerprint.py for a stack).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sbas_assets.errors import OutsideError
from sbas_assets.workspace import atomic_write

THREADS = 4
SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is not remembered: a second change could leave the same times."""


class Stamp(NamedTuple):
    """What changes when a file does; a user cannot set back the time of the last change of its inode."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


class Digest(NamedTuple):
    """Size in bytes and SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Digests:
    """Digests of files, remembered from one process to the next.

    Parameters
    ----------
    cache : Path, optional
        JSON file; a damaged one is started afresh. Nothing is kept without one.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self._known = _load(cache) if cache is not None else {}

    def of(self, path: Path) -> Digest:
        """Digest one file.

        Raises
        ------
        OSError
            When the file cannot be read.
        OutsideError
            `file-changing`, when it was written to while it was read.
        """
        stamp = _stamp(path)
        known = self._known.get(str(path))
        if known is None or known[:4] != list(stamp):
            digest = _read(path)
            if _stamp(path) != stamp:
                mend = "wait until whatever writes it has finished, then run again"
                raise OutsideError("file-changing", "changed while it was read", mend=mend, path=path)
            known = self._known[str(path)] = [*stamp, digest]
        return Digest(stamp.size, str(known[4]))

    def of_all(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Digest files side by side; raises as `of` does."""
        wanted = sorted(set(paths))
        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(wanted, (digest.sha256 for digest in pool.map(self.of, wanted)), strict=True))

    def save(self) -> None:
        """Keep what was learned; files that have gone are forgotten."""
        if self.cache is None:
            return
        settled = time.time_ns() - SETTLED_NS
        rows = {path: row for path, row in self._known.items() if max(row[1], row[2]) < settled}
        atomic_write(self.cache, json.dumps({path: row for path, row in rows.items() if os.path.lexists(path)}))


def _load(cache: Path) -> dict[str, list[Any]]:
    with suppress(OSError, ValueError):
        known = json.loads(cache.read_bytes())
        if isinstance(known, dict):
            return {path: row for path, row in known.items() if _is_row(row)}
    return {}


def _is_row(row: Any) -> bool:
    """Whether something read from the cache is a file's stamp and digest."""
    return (
        isinstance(row, list)
        and len(row) == 5
        and all(isinstance(number, int) for number in row[:4])
        and isinstance(row[4], str)
    )


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
