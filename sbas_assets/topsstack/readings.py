"""What single files of a stack said when they were last read, from one run to the next.

Belongs here: keeping it beside the state that the file had. It only ever saves reading; what is read of a file, and
what that means, is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sbas_assets.digests import Stamp
from sbas_assets.workspace import atomic_write

_FORMAT = 1
"""Another one whenever a file is understood in another way."""
_Rows = dict[str, list[Any]]


class Readings:
    """Values that JSON can hold, each with the state of the file that they were read from.

    Parameters
    ----------
    cache : Path
        JSON file; a damaged one is started afresh.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._saved = _load(cache)
        self._known = {kind: dict(rows) for kind, rows in self._saved.items()}

    def of(self, kind: str, path: Path, read: Callable[[], Any]) -> Any:
        """Return what a file said if it has not changed since, or read it; errors are not kept."""
        stamp = Stamp.of(path)
        rows = self._known.setdefault(kind, {})
        row = rows.get(str(path))
        if row is None or row[:-1] != list(stamp):
            rows.pop(str(path), None)
            settled = stamp.settled
            row = [*stamp, read()]
            if settled and Stamp.of(path) == stamp:
                rows[str(path)] = row
        return row[-1]

    def save(self, stamps: Mapping[str, Stamp | None]) -> None:
        """Keep what was read, of those files only that are as they are said to be."""
        kept = {
            kind: {path: row for path, row in rows.items() if row[:-1] == list(stamps.get(path) or ())}
            for kind, rows in self._known.items()
        }
        if kept != self._saved:
            atomic_write(self.cache, json.dumps({"format": _FORMAT, "read": kept}))
            self._saved = kept


_open: ContextVar[Readings | None] = ContextVar("readings", default=None)


@contextmanager
def remembering(cache: Path) -> Iterator[Readings]:
    """Let what is read of a stack in this context be kept in a file, and be taken from there."""
    readings = Readings(cache)
    before = _open.set(readings)
    try:
        yield readings
    finally:
        _open.reset(before)


def as_read(kind: str, path: Path, read: Callable[[], Any]) -> Any:
    """Return what a file says, a value that JSON can hold: as it was last read, where that is remembered.

    Parameters
    ----------
    kind : str
        What is read of it, and how.
    path : Path
        The file.
    read : callable
        Reads it.
    """
    readings = _open.get()
    return read() if readings is None else readings.of(kind, path, read)


def _load(cache: Path) -> dict[str, _Rows]:
    with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
        found = json.loads(cache.read_bytes())
        if found["format"] == _FORMAT:
            return {kind: {path: [*row] for path, row in rows.items()} for kind, rows in found["read"].items()}
    return {}
