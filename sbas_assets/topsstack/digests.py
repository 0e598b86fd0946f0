"""SHA-256 of files, without reading again what has not changed.

Belongs here: hashing bytes and remembering. What the hashes mean for a stack is in fingerprint.py. The
cache only ever saves reading: a file whose path, size, times or inode differ in any way is read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sbas_assets.errors import OutsideError
from sbas_assets.topsstack.xmlfiles import unreadable
from sbas_assets.workspace import atomic_write

CHUNK_BYTES = 4 * 2**20
THREADS = 4
SETTLED_NS = 2_000_000_000
"""A file changed less than this ago is not remembered: a second change could leave the same times."""
Stamp = tuple[int, int, int, int]


def digest_files(paths: Iterable[Path], cache: Path | None = None) -> dict[Path, str]:
    """Return the SHA-256 of files.

    Parameters
    ----------
    paths : iterable of Path
        Absolute paths.
    cache : Path, optional
        JSON file with the digests of an earlier call, replaced by those of this one. One per stack: entries
        of files that are not asked for are forgotten.

    Returns
    -------
    dict
        Path to hex digest.

    Raises
    ------
    InputError
        `file-unreadable`.
    OutsideError
        `file-changing`, when a file was written to while it was read.
    """
    known = _load(cache)
    wanted = sorted(set(paths))
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(wanted, pool.map(lambda path: _digest(path, known.get(str(path))), wanted), strict=True))
    if cache is not None:
        settled = time.time_ns() - SETTLED_NS
        entries = {str(p): [*s, d] for p, (s, d) in found.items() if max(s[1], s[2]) < settled}
        if entries != known:
            atomic_write(cache, json.dumps(entries, indent=0, sort_keys=True))
    return {path: digest for path, (_, digest) in found.items()}


def _load(cache: Path | None) -> Mapping[str, list[object]]:
    """Read the cache; one that is missing or damaged only costs time."""
    try:
        entries = json.loads(cache.read_text()) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _digest(path: Path, known: object) -> tuple[Stamp, str]:
    try:
        stamp = _stamp(path.stat())
        if isinstance(known, list) and len(known) == 5 and known[:4] == list(stamp):
            return stamp, str(known[4])
        digest = _read(path)
        after = _stamp(path.stat())
    except OSError as error:
        raise unreadable(path, error) from error
    if stamp != after:
        mend = "wait until topsStack has finished, then run again"
        raise OutsideError("file-changing", "changed while it was read", mend=mend, path=path)
    return stamp, digest


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _read(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
