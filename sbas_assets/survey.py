"""Looking at a frame's stack before anything is computed from it: preflight, fingerprint, and the record of both.

The checks themselves are topsstack's; here their result becomes the record of the external asset `topsStack`. A run
asks several times; it is answered from the first time for as long as no file of the stack has changed. The state of the
files, too, is not asked for again at once: on a slow disk that alone takes seconds.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sbas_assets.mintpy.loading import stack_layout
from sbas_assets.provenance import Produced, Record, read_record, write_record
from sbas_assets.step import Frame, Run
from sbas_assets.topsstack.contents import Contents, remember
from sbas_assets.topsstack.fingerprint import Fingerprint, fingerprint
from sbas_assets.topsstack.origin import Orbit, orbits
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.problems import StackReport
from sbas_assets.topsstack.readings import remembering
from sbas_assets.topsstack.snapshot import Snapshot, take_snapshot
from sbas_assets.topsstack.tree import scan

STACK_ASSET = "topsStack"
CODE_VERSION = "1"
# a look at the state of the files is not repeated for so many times as long as it took, nor for longer than that
_HOLDS = 10
_AT_MOST_S = 10.0


@dataclass
class _Answer:
    """What the last survey of this process found, and for what it holds; `until` (s) whatever the files do."""

    run: str
    folder: Path
    snapshot: Snapshot
    report: StackReport
    record: Record
    until: float

    def is_for(self, frame: Frame, run: Run) -> bool:
        """Whether it was given in the same run, and its record is still there."""
        same = (self.run, self.folder) == (run.run_id, frame.workspace.root)
        return same and read_record(frame.workspace, STACK_ASSET) == self.record


_last: list[_Answer] = []


def survey(frame: Frame, run: Run) -> tuple[StackReport, Record | None]:
    """Check the frame's stack and record its version.

    Nothing is read again in the same run unless a file of the stack has changed, come or gone since; in a later run all
    is checked again, but only those files are opened that have changed.

    Returns
    -------
    report : StackReport
        Everything that is wrong with the stack.
    record : Record or None
        None when the stack cannot be processed.
    """
    began = time.monotonic()
    known = next((answer for answer in _last if answer.is_for(frame, run)), None)
    if known is not None and began < known.until:
        return known.report, known.record
    snapshot = take_snapshot(scan(stack_layout(frame)))
    looked = time.monotonic()
    until = looked + min(_HOLDS * (looked - began), _AT_MOST_S)
    if known is not None and known.snapshot.same(snapshot):
        known.until = until
        return known.report, known.record
    with remembering(frame.workspace.stack_readings) as readings:
        report = preflight(snapshot.tree.layout)
        record = _recorded(frame, run, report) if report.ok else None
    readings.save(snapshot.stamps)
    if record is None:
        return report, None
    answer = _Answer(run.run_id, frame.workspace.root, snapshot, report, record, until)
    _last[:] = [answer] if snapshot.settled else []
    return report, record


def require_stack(frame: Frame, run: Run) -> Record:
    """Return the record of a stack that can be processed.

    Raises
    ------
    InputError
        The first thing that stops it, with the others named.
    """
    report, record = survey(frame, run)
    error = report.error(frame.key)
    if error is not None:
        raise error
    assert record is not None
    return record


def _recorded(frame: Frame, run: Run, report: StackReport) -> Record:
    print_ = fingerprint(report, cache=frame.workspace.stack_digests)
    found = orbits(report.layout)
    contents = Contents.of(report, print_, found)
    remember(frame.workspace.stack_contents, contents)
    old = read_record(frame.workspace, STACK_ASSET)
    record = Record(
        asset=STACK_ASSET,
        data_version=contents.version,
        parts={"geometry": _version_of([print_.geometry, print_.reference]), "dates": _version_of(report.dates)},
        code_version=CODE_VERSION,
        options={},
        upstream={},
        metrics=stack_metrics(report),
        facts=_facts(report, print_, found),
        produced=Produced.now(run.run_id),
    )
    if old is not None and _same(old, record):
        return old
    write_record(frame.workspace, record)
    return record


def _version_of(part: Any) -> str:
    """Version of a part of the stack: the geometry does not change when pairs are added, nor always the dates."""
    return hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:32]


def _same(old: Record, new: Record) -> bool:
    texts = [record.model_dump(exclude={"produced"}, mode="json") for record in (old, new)]
    return texts[0] == texts[1]


def stack_metrics(report: StackReport) -> dict[str, Any]:
    """Count what a look at a stack has found."""
    return {
        "pairs": len(report.pairs),
        "pairs_dropped": len(report.dropped),
        "dates": len(report.dates),
        "rows": report.shape[0] if report.shape else None,
        "columns": report.shape[1] if report.shape else None,
        "problems": len(report.problems),
    }


def _facts(report: StackReport, print_: Fingerprint, orbits_: dict[str, Orbit]) -> dict[str, Any]:
    facts = {
        "pairs_loaded": [pair.name for pair in report.pairs],
        "pairs_dropped": {name: f"{problem.code}: {problem.cause}" for name, problem in report.dropped.items()},
        "ion_pairs_loaded": [pair.name for pair in report.ion_pairs],
        "dates_loaded": list(report.dates),
        "orbits": orbits_,
        "isce_version": report.isce_version,
        "stack_version": print_.version,
    }
    # as it will be read back, so that equal facts compare equal
    return dict(json.loads(json.dumps(facts)))
