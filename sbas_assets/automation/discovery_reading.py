"""Looking at a stack from outside, and reading it whole, beside whoever else works on the frame.

Belongs here: what touches a stack's files and the frame's small ones. When it is done, and what is made of it,
discovery.py says. No Dagster here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import batched

from filelock import FileLock, Timeout

from sbas_assets.digests import Digests
from sbas_assets.mintpy.loading import stack_layout
from sbas_assets.step import Frame
from sbas_assets.topsstack.contents import Contents, remember
from sbas_assets.topsstack.fingerprint import fingerprint
from sbas_assets.topsstack.origin import orbits
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.problems import StackReport
from sbas_assets.topsstack.readings import remembering
from sbas_assets.topsstack.snapshot import Snapshot, take_snapshot
from sbas_assets.topsstack.tree import scan
from sbas_assets.workspace import Workspace

BATCH = 32
"""Images that are read before their digests are kept: what a restart of the code location costs."""


class NotNowError(Exception):
    """A stack can not be judged at this moment, which is nobody's fault; it is looked at again."""


@dataclass(frozen=True)
class Judgement:
    """What a stack is, read whole.

    Parameters
    ----------
    snapshot : str
        Digest of the state of its files, before and after.
    report : StackReport
        All that is wrong with it.
    contents : Contents or None
        What it consists of; None if it cannot be processed.
    """

    snapshot: str
    report: StackReport
    contents: Contents | None


def look(frame: Frame) -> str:
    """Return the state of a stack's files without opening any, as a digest.

    Raises
    ------
    OSError
        When the stack's folder cannot be listed.
    """
    return _state(frame).digest


def _state(frame: Frame) -> Snapshot:
    layout = stack_layout(frame)
    with os.scandir(layout.stack) as entries:
        next(entries, None)
    return take_snapshot(scan(layout))


def judge(frame: Frame, snapshot: str) -> Judgement:
    """Check a stack by the rules of the preflight, and identify its content.

    Images whose size, times and inode are those of an earlier reading are not read again.

    Parameters
    ----------
    frame : Frame
        Whose stack it is.
    snapshot : str
        What `look` has returned.

    Raises
    ------
    NotNowError
        When a run takes the frame meanwhile, or something changes the stack.
    """
    with remembering(frame.workspace.stack_readings) as readings:
        report = preflight(stack_layout(frame))
        contents = _identified(frame, report) if report.ok else None
    state = _state(frame)
    if state.digest != snapshot:
        raise NotNowError("changed while it was read")
    with suppress(NotNowError), unless_busy(frame.workspace):
        readings.save(state.stamps)
    return Judgement(snapshot, report, contents)


def _identified(frame: Frame, report: StackReport) -> Contents:
    digests = Digests(frame.workspace.stack_digests)
    images = [path for pair in (*report.pairs, *report.ion_pairs) for path in pair.files.values()]
    for batch in batched(dict.fromkeys([*images, *report.geometry.values()]), BATCH):
        digests.try_all(batch)
        with unless_busy(frame.workspace):
            digests.save()
    return Contents.of(report, fingerprint(report, digests), orbits(report.layout))


def keep(frame: Frame, contents: Contents) -> None:
    """Keep what a version consists of, to say at the next one what has changed; NotNowError as `unless_busy`."""
    with unless_busy(frame.workspace):
        remember(frame.workspace.stack_contents, contents)


@contextmanager
def unless_busy(workspace: Workspace) -> Iterator[None]:
    """Hold a frame's lock, for as long as a small file takes to be written.

    Raises
    ------
    NotNowError
        When a run holds it: nothing is written then below the work folder, and the disk is left to the run.
    """
    path = workspace.hidden / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise NotNowError("a run of the frame is at work") from None
    try:
        yield
    finally:
        lock.release()
