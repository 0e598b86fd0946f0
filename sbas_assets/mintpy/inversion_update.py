"""Whether the inversion goes on from its last version or begins anew, and the proof now and then that both agree.

The update itself is sbas/inversion_update.py's. It is believed only on top of an intact last version of the same
recipe; in all other cases all pairs are inverted, and the reason is told.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.mintpy.pair_contents import pair_identities
from sbas_assets.mintpy.workfolder import INVERSION_STATE
from sbas_assets.provenance import Record, damaged_outputs, read_record
from sbas_assets.sbas.inversion_keeping import Keeping
from sbas_assets.sbas.inversion_state import read_about
from sbas_assets.sbas.inversion_update import Refused, Updated, update_stack
from sbas_assets.sbas.stack_inversion import Counts, invert_stack
from sbas_assets.step import Job

FULL_EVERY = 20
"""After so many updates all pairs are inverted, and compared with what one more update would have given."""
_SERIES = "timeseries.h5"
_MM_PER_M = 1e3


@dataclass(frozen=True)
class Inversion:
    """What was done.

    Parameters
    ----------
    counts : Counts
        Of the pixels.
    report : str
        For the one who runs the frame.
    metrics : mapping
        For the record.
    continues : str or None
        Data version that was updated, and from which date on.
    """

    counts: Counts
    report: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    continues: str | None = None


def bring_up_to_date(job: Job, inps: Namespace) -> Inversion:
    """Write the files of the inversion into the staging folder, from the last version and new pairs where possible.

    Parameters
    ----------
    job : Job
        Of the step timeseries.
    inps : Namespace
        As for `stack_inversion.invert_stack`.
    """
    identities = pair_identities(job)
    if not identities:
        return _all_pairs(inps, None, "what old pairs consist of is not known of each alone")
    keeping = Keeping(job.folder / INVERSION_STATE, identities, _made_with(job))
    keeping.file.parent.mkdir(parents=True, exist_ok=True)
    old = read_record(job.workspace, job.step.name)
    if old is None or old.status != "made":
        return _all_pairs(inps, keeping, "there is no earlier version")
    reason = _why_anew(job, old)
    if reason:
        return _all_pairs(inps, keeping, reason)
    state, series = (job.workspace.root / name for name in (INVERSION_STATE, _SERIES))
    about = read_about(state)
    try:
        if about is not None and about.updates >= FULL_EVERY:
            return _proof(inps, state, series, keeping)
        done = _updated(update_stack(inps, state, series, keeping))
    except Refused as refused:
        return _all_pairs(inps, replace(keeping, longer=refused.short), str(refused))
    # the length of the tail, and so where it went on, is history too
    return replace(done, continues=f"{old.data_version} from {about.checkpoint}" if about else None)


def _made_with(job: Job) -> dict[str, Any]:
    return {"mintpy": version("mintpy"), "code version": job.step.code_version, **job.step.state(job)}


def _why_anew(job: Job, old: Record) -> str:
    """Say why the last version is not to be believed; empty if it is."""
    if not old.has(INVERSION_STATE):
        return "the last version kept nothing to go on from"
    faults = damaged_outputs(job.digests, job.workspace, old)
    return f"the last version is damaged ({faults[0]})" if faults else ""


def _all_pairs(inps: Namespace, keeping: Keeping | None, reason: str) -> Inversion:
    counts = invert_stack(inps, keeping=keeping)
    remark = f"; the next run will do so too: {keeping.refusal}" if keeping and keeping.refusal else ""
    return Inversion(counts, f"all pairs inverted: {reason}{remark}", {"inverted": "all pairs", "not_updated": reason})


def _updated(done: Updated) -> Inversion:
    return Inversion(
        done.counts,
        f"updated: {done.pairs_read} of {done.pairs} pairs read; earlier dates would move by {done.moved_mm:.1g} mm or "
        "less",
        {
            "inverted": "update",
            "pairs_read": done.pairs_read,
            "updates": done.updates,
            "update_left_out_mm": done.moved_in_all_mm,
        },
    )


def _proof(inps: Namespace, state: Path, series: Path, keeping: Keeping) -> Inversion:
    """Invert all pairs, and say how far one more update would have been off."""
    trial, folder = copy(inps), keeping.file.parent / "update"
    folder.mkdir()
    for name in ("tsFile", "invQualityFile", "numInvFile"):
        setattr(trial, name, str(folder / Path(getattr(inps, name)).name))
    update_stack(trial, state, series, replace(keeping, file=folder / keeping.file.name))
    done = _all_pairs(inps, keeping, f"{FULL_EVERY} updates since the last time")
    drift = _apart(Path(trial.tsFile), Path(inps.tsFile))
    report = f"{done.report}; one more update would have been off by {drift:.1g} mm"
    return replace(done, report=report, metrics={**done.metrics, "update_drift_mm": drift})


def _apart(one: Path, other: Path) -> float:
    """Largest difference of two series (mm)."""
    with h5py.File(one, "r") as left, h5py.File(other, "r") as right:
        names = range(len(right["date"]))
        worst = (np.abs(left["timeseries"][k] - right["timeseries"][k]).max() for k in names)
        return _MM_PER_M * float(max(worst))
