"""Looking at a frame's stack before anything is computed from it: preflight, fingerprint, and the record of both.

The checks themselves are topsstack's; here their result becomes the record of the external asset `topsStack`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sbas_assets.mintpy.loading import stack_layout
from sbas_assets.provenance import Produced, Record, read_record, write_record
from sbas_assets.step import Frame, Run
from sbas_assets.topsstack.fingerprint import Fingerprint, fingerprint
from sbas_assets.topsstack.origin import orbits
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.problems import StackReport

STACK_ASSET = "topsStack"
CODE_VERSION = "1"


def survey(frame: Frame, run: Run) -> tuple[StackReport, Record | None]:
    """Check the frame's stack and record its version.

    Pixels are read again only when some file has changed since the last survey.

    Returns
    -------
    report : StackReport
        Everything that is wrong with the stack.
    record : Record or None
        None when the stack cannot be processed.
    """
    report = preflight(stack_layout(frame))
    if not report.ok:
        return report, None
    return report, _recorded(frame, run, report)


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
    print_ = fingerprint(report, cache=frame.workspace.hidden / "stack_digests.json")
    old = read_record(frame.workspace, STACK_ASSET)
    record = Record(
        asset=STACK_ASSET,
        data_version=print_.version[:32],
        parts={"geometry": _geometry_version(print_)},
        code_version=CODE_VERSION,
        options={},
        upstream={},
        metrics=_metrics(report),
        facts=_facts(report, print_),
        produced=Produced.now(run.run_id),
    )
    if old is not None and _same(old, record):
        return old
    write_record(frame.workspace, record)
    return record


def _geometry_version(print_: Fingerprint) -> str:
    """Version of what does not change when pairs are added."""
    text = json.dumps([print_.geometry, print_.reference], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _same(old: Record, new: Record) -> bool:
    return old.model_dump(exclude={"produced"}) == new.model_dump(exclude={"produced"}, mode="json")


def _metrics(report: StackReport) -> dict[str, Any]:
    return {
        "pairs": len(report.pairs),
        "pairs_dropped": len(report.dropped),
        "dates": len(report.dates),
        "rows": report.shape[0] if report.shape else None,
        "columns": report.shape[1] if report.shape else None,
        "problems": len(report.problems),
    }


def _facts(report: StackReport, print_: Fingerprint) -> dict[str, Any]:
    facts = {
        "pairs_loaded": [pair.name for pair in report.pairs],
        "pairs_dropped": {name: f"{problem.code}: {problem.cause}" for name, problem in report.dropped.items()},
        "ion_pairs_loaded": [pair.name for pair in report.ion_pairs],
        "dates_loaded": list(report.dates),
        "orbits": orbits(report.layout),
        "isce_version": report.isce_version,
        "stack_version": print_.version,
    }
    # as it will be read back, so that equal facts compare equal
    return dict(json.loads(json.dumps(facts)))
