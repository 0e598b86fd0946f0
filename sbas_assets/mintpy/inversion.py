"""From interferograms to a displacement series, and which of its pixels are reliable (MintPy's invert_network)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.workfolder import CORRECTED_STACK, INVERSION_STATE, NETWORK_STACK, STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture
from sbas_assets.step import Job, Made, Step

if TYPE_CHECKING:
    from sbas_assets.mintpy.inversion_update import Inversion
    from sbas_assets.sbas.stack_inversion import Counts

_OUTPUTS = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5")


def make_timeseries(job: Job) -> Made:
    """Invert the network, and mask by temporal coherence."""
    corrected = job.inputs["unwrapPhase_corrected"].has(CORRECTED_STACK)
    stack = CORRECTED_STACK if corrected else NETWORK_STACK
    workfolder.link_inputs(job, instead={STACK: "ifgramStack.h5", stack: STACK})
    workfolder.link_user_files(job)
    workfolder.write_template(job)
    done = workfolder.run(job, lambda: _invert(job))
    if isinstance(done, str):
        job.run.tell(f"inverted by MintPy's own code: {done}")
        return _made(job, {"inverted_by": "MintPy"})
    job.run.tell(done.report)
    job.run.tell(_report(done.counts))
    counted = {"pixels_disconnected": done.counts.disconnected, "pixels_by_mintpy": done.counts.by_mintpy}
    return replace(_made(job, {**counted, **done.metrics}), continues=done.continues)


def _invert(job: Job) -> Inversion | str:
    """Bring the series up to date; return what was done, or why MintPy had to do it."""
    from mintpy.cli.ifgram_inversion import cmd_line_parse

    from sbas_assets.mintpy.inversion_update import bring_up_to_date
    from sbas_assets.sbas.stack_inversion import not_covered

    workflow = workfolder.app(job.folder)
    # whether enough pixels are reliable, a blocking check decides, with the product there to look at
    workflow.template["mintpy.networkInversion.minNumPixel"] = "0"
    inps = cmd_line_parse([STACK, "-t", TEMPLATE])
    reason = not_covered(inps)
    if reason:
        workflow.run_network_inversion("invert_network")
        return reason
    done = bring_up_to_date(job, inps)
    workflow.generate_temporal_coherence_mask()
    return done


def _report(counts: Counts) -> str:
    pixels = max(counts.solved + counts.disconnected + counts.by_mintpy, 1)
    return (
        f"{pixels} pixels inverted: {counts.disconnected} ({counts.disconnected / pixels:.2%}) from pairs that leave "
        f"the network disconnected, {counts.by_mintpy} by MintPy's own routine; {counts.too_few} left out for too "
        "few pairs"
    )


def _made(job: Job, metrics: Mapping[str, object]) -> Made:
    with h5py.File(job.folder / "temporalCoherence.h5", "r") as h5:
        coherence = h5["temporalCoherence"][:]
        row, column = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
    with h5py.File(job.folder / "maskTempCoh.h5", "r") as h5:
        reliable = h5["mask"][:] != 0
    with h5py.File(job.folder / "timeseries.h5", "r") as h5:
        dates = [date.decode() for date in h5["date"][:]]
        reference = h5.attrs["REF_DATE"]
    inverted = coherence > 0
    outputs = {name: job.folder / name for name in _OUTPUTS}
    if (job.folder / INVERSION_STATE).is_file():
        outputs[INVERSION_STATE] = job.folder / INVERSION_STATE
    return Made(
        outputs=outputs,
        metrics={
            "dates": len(dates),
            "pixels_inverted": int(inverted.sum()),
            "pixels_reliable": int(reliable.sum()),
            "temporal_coherence_median": round(float(np.median(coherence[inverted])), 4) if inverted.any() else 0.0,
            **metrics,
        },
        facts={"dates": dates, "reference_date": reference, "series": "timeseries.h5"},
        picture=map_picture(
            np.where(inverted, coherence, np.nan),
            title="Temporal coherence",
            label="1",
            cmap="gray",
            vmin=0,
            vmax=1,
            mark=(row, column),
        ),
    )


TIMESERIES = Step(
    name="timeseries",
    upstream=("ifgramStack", "geometryRadar", "network", "unwrapPhase_corrected"),
    options=(
        "mintpy.networkInversion.weightFunc",
        "mintpy.networkInversion.waterMaskFile",
        "mintpy.networkInversion.minNormVelocity",
        "mintpy.networkInversion.maskDataset",
        "mintpy.networkInversion.maskThreshold",
        "mintpy.networkInversion.minRedundancy",
        "mintpy.networkInversion.minTempCoh",
        "mintpy.networkInversion.shadowMask",
        "mintpy.unwrapError.method",
    ),
    code_version="2",
    make=make_timeseries,
    state=workfolder.user_file_digests,
)
