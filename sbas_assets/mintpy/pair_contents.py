"""What identifies the phase and coherence of each pair of the stack, without reading them."""

from __future__ import annotations

import hashlib
import json

from sbas_assets.mintpy.workfolder import CORRECTED_STACK
from sbas_assets.step import Job
from sbas_assets.topsstack.contents import recall

_CONTENTS = "stack_pairs.json"  # as survey.py writes it
_BRIDGING = "bridging"


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
    contents = recall(job.workspace.hidden / _CONTENTS, loaded.upstream["topsStack"])
    is_corrected = corrected.has(CORRECTED_STACK)
    if contents is None or (is_corrected and job.template.raw["mintpy.unwrapError.method"] != _BRIDGING):
        return {}
    ways = [loaded, corrected] if is_corrected else [loaded]
    way = [[record.code_version, record.options, record.state] for record in ways]
    common = hashlib.sha256(json.dumps([way, contents.shared], sort_keys=True).encode()).hexdigest()
    return {pair: f"{common} {digest}" for pair, digest in contents.pairs.items()}
