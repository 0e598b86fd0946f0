"""Correcting unwrapping errors by bridging, by phase closure, or by both.

MintPy's correct_unwrap_error on a view of the stack: the corrected phase is a dataset of the view.
"""

from __future__ import annotations

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.views import view_of_stack
from sbas_assets.mintpy.workfolder import CORRECTED_STACK, NETWORK_STACK, STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture
from sbas_assets.step import Job, Made, Step

DATASET = {
    "bridging": "unwrapPhase_bridging",
    "phase_closure": "unwrapPhase_phaseClosure",
    "bridging+phase_closure": "unwrapPhase_bridging_phaseClosure",
}


def make_corrected(job: Job) -> Made:
    """Write the corrected phase beside the original one, in a view of the stack."""
    workfolder.link_inputs(job, instead={STACK: "ifgramStack.h5", NETWORK_STACK: NETWORK_STACK})
    workfolder.link_user_files(job)
    view_of_stack(job.workspace.root / NETWORK_STACK, job.folder / STACK, relative="../ifgramStack.h5")
    _require_components(job)
    workfolder.write_template(job)
    method = job.template.raw["mintpy.unwrapError.method"]
    workfolder.run(job, lambda: _correct(method))
    return _made(job)


def _correct(method: str) -> None:
    """Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.run_unwrap_error_correction`."""
    import mintpy.cli.unwrap_error_bridging
    import mintpy.cli.unwrap_error_phase_closure

    common = [STACK, "--template", TEMPLATE]
    closure = [*common, "--cc-mask", "maskConnComp.h5"]
    bridged = "unwrapPhase_bridging"
    if method == "bridging":
        mintpy.cli.unwrap_error_bridging.main(common)
    elif method == "phase_closure":
        mintpy.cli.unwrap_error_phase_closure.main(closure)
    else:
        mintpy.cli.unwrap_error_bridging.main([*common, "-i", "unwrapPhase", "-o", bridged])
        mintpy.cli.unwrap_error_phase_closure.main([*closure, "-i", bridged, "-o", DATASET[method]])


def _require_components(job: Job) -> None:
    with h5py.File(job.folder / STACK, "r") as h5:
        if "connectComponent" in h5:
            return
    raise InputError(
        "conncomp-missing",
        f"mintpy.unwrapError.method = {job.template.raw['mintpy.unwrapError.method']} needs connected components",
        mend="unwrap with SNAPHU so that filt_fine.unw.conncomp exists, or set the method to no",
        frame=job.frame.key,
    )


def _made(job: Job) -> Made:
    name = DATASET[job.template.raw["mintpy.unwrapError.method"]]
    with h5py.File(job.folder / STACK, "r") as h5:
        if name not in h5:
            raise InputError(
                "conncomp-too-small",
                "no connected component common to all interferograms is large enough for phase closure",
                mend="lower mintpy.unwrapError.connCompMinArea",
                frame=job.frame.key,
            )
        moved = sum((_moved(h5["unwrapPhase"][i], phase, h5.attrs) for i, phase in enumerate(h5[name])), start=0)
        seen = np.count_nonzero(h5["unwrapPhase"][0])
        count = h5[name].shape[0]
    return Made(
        outputs={CORRECTED_STACK: job.folder / STACK},
        metrics={
            "dataset": name,
            "pixels_changed_per_interferogram_percent": round(100 * float(np.sum(moved)) / (count * max(seen, 1)), 3),
            "interferograms_changed_per_pixel_max": int(np.max(moved)),
        },
        facts={"unwrapping_error_correction": name},
        picture=map_picture(
            np.asarray(moved), title="Corrected unwrapping errors", label="interferograms", cmap="magma"
        ),
    )


def _moved(before: np.ndarray, after: np.ndarray, attributes: h5py.AttributeManager) -> np.ndarray:
    """Where the phase moved by at least half a cycle relative to the reference point."""
    row, column = int(attributes["REF_Y"]), int(attributes["REF_X"])
    shift = (after - after[row, column]) - (before - before[row, column])
    moved: np.ndarray = (before != 0) & (np.abs(shift) > np.pi)
    return moved.astype(np.int32)


def _off(template: Template) -> str | None:
    return None if template.value("mintpy.unwrapError.method") else "mintpy.unwrapError.method = no"


UNWRAP_PHASE_CORRECTED = Step(
    name="unwrapPhase_corrected",
    upstream=("ifgramStack", "network"),
    options=("mintpy.unwrapError.",),
    make=make_corrected,
    off=_off,
    state=workfolder.user_file_digests,
)
