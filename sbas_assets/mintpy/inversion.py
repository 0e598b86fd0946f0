"""From interferograms to a displacement series, and which of its pixels are reliable (MintPy's invert_network)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.workfolder import CORRECTED_STACK, NETWORK_STACK, STACK
from sbas_assets.published.pictures import map_picture
from sbas_assets.step import Job, Made, Step

_OUTPUTS = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5", "maskTempCoh.h5")


def make_timeseries(job: Job) -> Made:
    """Invert the network, and mask by temporal coherence."""
    corrected = job.inputs["unwrapPhase_corrected"].has(CORRECTED_STACK)
    stack = CORRECTED_STACK if corrected else NETWORK_STACK
    workfolder.link_inputs(job, instead={STACK: "ifgramStack.h5", stack: STACK})
    workfolder.link_user_files(job)
    workfolder.write_template(job)
    workfolder.run(job, lambda: _invert(job.folder))
    return _made(job)


def _invert(folder: Path) -> None:
    workflow = workfolder.app(folder)
    # whether enough pixels are reliable, a blocking check decides, with the product there to look at
    workflow.template["mintpy.networkInversion.minNumPixel"] = "0"
    workflow.run_network_inversion("invert_network")


def _made(job: Job) -> Made:
    with h5py.File(job.folder / "temporalCoherence.h5", "r") as h5:
        coherence = h5["temporalCoherence"][:]
        row, column = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
    with h5py.File(job.folder / "maskTempCoh.h5", "r") as h5:
        reliable = h5["mask"][:] != 0
    with h5py.File(job.folder / "timeseries.h5", "r") as h5:
        dates = [date.decode() for date in h5["date"][:]]
        reference = h5.attrs["REF_DATE"]
    inverted = coherence > 0
    return Made(
        outputs={name: job.folder / name for name in _OUTPUTS},
        metrics={
            "dates": len(dates),
            "pixels_inverted": int(inverted.sum()),
            "pixels_reliable": int(reliable.sum()),
            "temporal_coherence_median": round(float(np.median(coherence[inverted])), 4) if inverted.any() else 0.0,
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
    make=make_timeseries,
    state=workfolder.user_file_digests,
)
