"""What identifies the phase and coherence of each pair of the stack, without reading them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from sbas_assets.mintpy.workfolder import CORRECTED_STACK
from sbas_assets.provenance import Record
from sbas_assets.step import Job
from sbas_assets.topsstack.contents import recall

_BRIDGING = "bridging"


def loaded_identities(job: Job) -> dict[str, str]:
    """Identify the images of each pair as they are loaded.

    Parameters
    ----------
    job : Job
        Of a step downstream of ifgramStack.

    Returns
    -------
    dict
        Pair to a text that changes when its images, the stack's geometry, or the way from them to the loaded ones do.
        Empty if the contents of the stack's version are not known any more.
    """
    return _identities(job, [job.inputs["ifgramStack"]])


def pair_identities(job: Job) -> dict[str, str]:
    """Identify the observations of each pair that the network inversion may read.

    Parameters
    ----------
    job : Job
        Of the step timeseries.

    Returns
    -------
    dict
        Pair to a text that changes when its images, the stack's geometry, or the way from them to the loaded and
        corrected phase do. Empty if that cannot be said of each pair alone: when the contents of the stack's version
        are not known any more, and when phases are corrected by closure, which looks at all pairs.
    """
    loaded, corrected = job.inputs["ifgramStack"], job.inputs["unwrapPhase_corrected"]
    if not corrected.has(CORRECTED_STACK):
        return _identities(job, [loaded])
    if job.template.raw["mintpy.unwrapError.method"] != _BRIDGING:
        return {}
    return _identities(job, [loaded, corrected])


def _identities(job: Job, ways: Sequence[Record]) -> dict[str, str]:
    contents = recall(job.workspace.stack_contents, job.inputs["ifgramStack"].upstream["topsStack"])
    if contents is None:
        return {}
    way = [[record.code_version, record.options, record.state] for record in ways]
    common = hashlib.sha256(json.dumps([way, contents.shared], sort_keys=True).encode()).hexdigest()
    return {pair: f"{common} {digest}" for pair, digest in contents.pairs.items()}
