"""The state of a stack's files without opening any: what tells that nothing has changed since they were last read.

Belongs here: which files and folders count, and when their times can be relied on. It only ever saves reading; what a
stack's content is, fingerprint.py says.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sbas_assets.digests import SETTLED_NS, Stamp
from sbas_assets.topsstack.tree import StackTree


@dataclass(frozen=True)
class Snapshot:
    """Every file of a stack that is read, and all that lies beside it.

    Parameters
    ----------
    tree : StackTree
        Which files are the stack's.
    stamps : dict
        Path to size, times and inode; None for a link to nothing.
    taken_ns : int
        When it was begun (ns since 1970).
    """

    tree: StackTree
    stamps: dict[str, Stamp | None]
    taken_ns: int

    def same(self, other: Snapshot) -> bool:
        """Whether nothing has changed between the two, as far as can be told from outside the files."""
        return self.tree == other.tree and self.stamps == other.stamps

    @property
    def settled(self) -> bool:
        """Whether all changes are old enough for a later one to show in the times."""
        found = [max(stamp.modified_ns, stamp.changed_ns) for stamp in self.stamps.values() if stamp]
        return max(found, default=0) < self.taken_ns - SETTLED_NS

    @property
    def digest(self) -> str:
        """What tells two states of the files apart, for somebody who cannot keep the whole.

        Of the stack's own folder only `SAFE_files.txt` counts: logs grow there without anything being new.
        """
        stack = self.tree.layout.stack.absolute()
        counting = {str(stack / "SAFE_files.txt"), *map(str, _files(self.tree))}
        beside = f"{stack}{os.sep}"
        rows = [
            (path, stamp)
            for path, stamp in sorted(self.stamps.items())
            if path in counting or os.sep in path.removeprefix(beside)
        ]
        found = (self.tree.pairs, self.tree.ion_pairs, self.tree.geometry, rows)
        return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def take_snapshot(tree: StackTree) -> Snapshot:
    """Take the state of a stack's files, their headers, and the products of the secondary dates.

    Parameters
    ----------
    tree : StackTree
        As just scanned.

    Returns
    -------
    Snapshot
    """
    taken = time.time_ns()
    stamps: dict[str, Stamp | None] = {}
    for folder in sorted(_folders(tree)):
        try:
            entries = list(os.scandir(folder))
        except OSError:
            stamps[str(folder)] = None
            continue
        stamps |= {entry.path: _stamp(entry) for entry in entries}
    return Snapshot(tree, stamps, taken)


def _folders(tree: StackTree) -> set[Path]:
    """Return the folders that hold the files; what lies beside them decides too, such as headers."""
    stack = tree.layout.stack.absolute()
    return {stack, *(file.parent for file in _files(tree)), *stack.glob("secondarys/*/")}


def _files(tree: StackTree) -> Iterator[Path]:
    yield from tree.references
    yield from tree.baselines
    yield from tree.geometry.values()
    for pair in (*tree.pairs, *tree.ion_pairs):
        yield from pair.files.values()


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
