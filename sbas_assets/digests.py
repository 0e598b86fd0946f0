"""SHA-256 of files, without reading again what has not changed.

What is remembered only ever saves reading: a file whose path, size, times or inode differ in any way is read again.
What the digests mean is decided by the callers (provenance.py for products, topsstack/fingerprint.py for a stack).
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
from sbas_assets.threads import thread_count
from sbas_assets.workspace import atomic_write

PIECE = 4 * 2**20
"""Bytes read at once: each piece waits for the interpreter's lock, some milliseconds while other threads compute."""
SETTLED_NS = 2_000_000_000
"""A file read sooner after its last change is read again by the next process: a change after the reading could have
left the same times, because a file system's clock may tick that slowly."""


class Stamp(NamedTuple):
    """What changes when a file does; a user cannot set back the time of the last change of its inode."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Stamp of a file, or of what a link leads to."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def settled(self) -> bool:
        """Whether the last change is so old that a later one would show in the times."""
        return max(self.modified_ns, self.changed_ns) < time.time_ns() - SETTLED_NS


class Digest(NamedTuple):
    """Size in bytes and SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Digests:
    """Digests of files, remembered from one process to the next.

    One object may serve a whole run: it remembers all that it has read, and what the run itself put in place.

    Parameters
    ----------
    cache : Path, optional
        JSON file; a damaged one is started afresh. Nothing is kept without one.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self.cache = cache
        self._known = _load(cache) if cache is not None else {}
        self._unsettled: set[str] = set()
        self._saved = dict(self._known)

    def of(self, path: Path) -> Digest:
        """Digest one file.

        Raises
        ------
        OSError
            When the file cannot be read.
        OutsideError
            `file-changing`, when it was written to while it was read.
        """
        stamp = Stamp.of(path)
        known = self._as_known(path, stamp)
        if known is None:
            known = self._read_anew(path, stamp, settled=stamp.settled)
        return Digest(stamp.size, str(known[4]))

    def of_own(self, path: Path) -> Digest:
        """Digest a file that this process has finished, before anybody else knows of it.

        Its time of writing is set back, so that any later writing shows in it, however slowly the file system's clock
        ticks: the next process need not read it again. Raises as `of` does.
        """
        if self._as_known(path, Stamp.of(path)) is None:
            back = time.time_ns() - 2 * SETTLED_NS
            os.utime(path, ns=(back, back))
            self._read_anew(path, Stamp.of(path), settled=True)
        return self.of(path)

    def of_all(self, paths: Iterable[Path]) -> dict[Path, str]:
        """Digest files side by side; raises as `of` does."""
        digests = {}
        for path, found in self.try_all(paths).items():
            if isinstance(found, OSError):
                raise found
            digests[path] = found.sha256
        return digests

    def try_all(self, paths: Iterable[Path]) -> dict[Path, Digest | OSError]:
        """Digest files side by side, the largest first; what cannot be read has its error instead."""
        found: dict[Path, Digest | OSError] = {}
        unknown: dict[Path, int] = {}
        for path in sorted(set(paths)):
            try:
                stamp = Stamp.of(path)
            except OSError as error:
                found[path] = error
                continue
            known = self._as_known(path, stamp)
            if known is None:
                unknown[path] = stamp.size
            else:
                found[path] = Digest(stamp.size, str(known[4]))
        with ThreadPoolExecutor(thread_count()) as pool:
            order = sorted(unknown, key=lambda path: -unknown[path])
            return found | dict(zip(order, pool.map(self._try, order), strict=True))

    def moved(self, source: Path, target: Path) -> Digest:
        """Digest a file that this process has just renamed, without reading it again if it is what it was before."""
        known, settled = self._known.pop(str(source), None), str(source) not in self._unsettled
        stamp = Stamp.of(target)
        # a rename leaves all of a file but the time of the last change of its inode
        if known is not None and known[:2] == list(stamp[:2]) and known[3] == stamp.inode:
            self._remember(target, stamp, known[4], settled=settled)
        return self.of(target)

    def save(self) -> None:
        """Keep what was learned; files that have gone are forgotten."""
        kept = {path: row for path, row in self._known.items() if path not in self._unsettled and os.path.lexists(path)}
        if self.cache is None or (kept == self._saved and self.cache.is_file()):
            return
        atomic_write(self.cache, json.dumps(kept))
        self._saved = kept

    def _as_known(self, path: Path, stamp: Stamp) -> list[Any] | None:
        known = self._known.get(str(path))
        return known if known is not None and known[:4] == list(stamp) else None

    def _read_anew(self, path: Path, stamp: Stamp, *, settled: bool) -> list[Any]:
        digest = _read(path)
        if Stamp.of(path) != stamp:
            mend = "wait until whatever writes it has finished, then run again"
            raise OutsideError("file-changing", "changed while it was read", mend=mend, path=path)
        return self._remember(path, stamp, digest, settled=settled)

    def _try(self, path: Path) -> Digest | OSError:
        try:
            return self.of(path)
        except OSError as error:
            return error

    def _remember(self, path: Path, stamp: Stamp, digest: str, *, settled: bool) -> list[Any]:
        (self._unsettled.discard if settled else self._unsettled.add)(str(path))
        row = self._known[str(path)] = [*stamp, digest]
        return row


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


def _read(path: Path) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(buffer):
            digest.update(buffer[:length])
    return digest.hexdigest()
