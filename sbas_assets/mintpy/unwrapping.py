"""Correcting unwrapping errors by bridging, by phase closure, or by both.

The corrected phase is a dataset of a view of the stack. Images are corrected by stack_unwrapping.py, and new ones only
where bridging is all (bridged_segments.py); the cycles that phase closures lack are MintPy's own to find.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.bridged_segments import BRIDGED, SEGMENTS, bridge_pairs, phases
from sbas_assets.mintpy.segment_files import Segments, StackFiles
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.views import copy_virtual
from sbas_assets.mintpy.workfolder import CORRECTED_STACK, NETWORK_STACK, TEMPLATE
from sbas_assets.pictures.drawings import map_picture
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE
from sbas_assets.sbas.stack_unwrapping import Corrected, Source, Target, bridge_stack, close_stack
from sbas_assets.step import Job, Made, Step

DATASET = {
    "bridging": BRIDGED,
    "phase_closure": "unwrapPhase_phaseClosure",
    "bridging+phase_closure": "unwrapPhase_bridging_phaseClosure",
}
_OPTION = "mintpy.unwrapError."
_RECORDED = ("waterMaskFile", "connCompMinArea", "ramp", "bridgePtsRadius")


def make_corrected(job: Job) -> Made:
    """Write the corrected phase beside the original one, in a view of the stack."""
    workfolder.link_inputs(job)
    workfolder.link_user_files(job)
    _require_components(job)
    workfolder.write_template(job)
    options = workfolder.run(job, _options)
    method = job.template.raw[_OPTION + "method"]
    names = [BRIDGED] * ("bridging" in method) + [DATASET[method]] * ("closure" in method)
    if names == [BRIDGED]:
        return _made_of_segments(job, options)
    _lay_out(job, options, names)
    if BRIDGED in names:
        with _opened(job, options, "unwrapPhase") as (source, corrected):
            bridge_stack(source, _all(source, corrected[BRIDGED]), options.bridgePtsRadius, options.ramp, _memory(job))
    done = _close(job, options, *["unwrapPhase", *names][-2:])
    metrics = {"not_updated": "phase closure looks at all pairs", "pairs_corrected": len(done.seen)}
    return _made(names[-1], done, metrics, StackFiles({CORRECTED_STACK: job.folder / CORRECTED_STACK}))


def _made_of_segments(job: Job, options: Namespace) -> Made:
    with _source(job, options) as source:
        bridged = bridge_pairs(job, options, source)
    master = _lay_out(job, options, [BRIDGED], bridged.segments)
    files = bridged.segments.files(master)
    return _made(BRIDGED, bridged.done, {"pairs_corrected": files.read}, files)


def _options() -> Namespace:
    """What MintPy makes of the options for bridging, some of which are for phase closure too."""
    import mintpy.cli.unwrap_error_bridging

    options: Namespace = mintpy.cli.unwrap_error_bridging.cmd_line_parse([NETWORK_STACK, "--template", TEMPLATE])
    return options


def _require_components(job: Job) -> None:
    with h5py.File(job.workspace.root / NETWORK_STACK, "r") as h5:
        if "connectComponent" in h5:
            return
    raise InputError(
        "conncomp-missing",
        f"mintpy.unwrapError.method = {job.template.raw['mintpy.unwrapError.method']} needs connected components",
        mend="unwrap with SNAPHU so that filt_fine.unw.conncomp exists, or set the method to no",
        frame=job.frame.key,
    )


def _lay_out(job: Job, options: Namespace, names: Sequence[str], segments: Segments | None = None) -> Path:
    """Write the view in its final form, with the corrected phases in segments, or still to be filled in."""
    target = job.folder / CORRECTED_STACK
    target.parent.mkdir(parents=True, exist_ok=True)
    recorded = {} if BRIDGED not in names else {f"{_OPTION}{key}": vars(options)[key] for key in _RECORDED}
    with h5py.File(job.folder / NETWORK_STACK, "r") as source, h5py.File(target, "w") as view:
        for name in sorted({*source, *names}):
            if name in names and segments is not None:
                pairs = ["_".join(date.decode() for date in row) for row in source["date"][:]]
                segments.show(view, pairs, phases(source["unwrapPhase"].shape))
            elif name in names:
                view.create_dataset(name, source["unwrapPhase"].shape, np.float32)
            elif source[name].is_virtual:
                copy_virtual(source[name], view, name)
            else:
                source.copy(source[name], view, name=name)
        attributes = dict(source.attrs) | {key: str(value) for key, value in recorded.items() if value is not None}
        for key, value in sorted((attributes | {PROVENANCE_ATTRIBUTE: target.name}).items()):
            if key not in CLOCK_OR_PATH:
                view.attrs[key] = value
    return target


def _all(source: Source, dataset: h5py.Dataset) -> Target:
    return Target(dataset, source.wanted)


def _close(job: Job, options: Namespace, before: str, name: str) -> Corrected:
    common = workfolder.run(job, lambda: _solve_closures(before))
    if not common:
        raise InputError(
            "conncomp-too-small",
            "no connected component common to all interferograms is large enough for phase closure",
            mend="lower mintpy.unwrapError.connCompMinArea",
            frame=job.frame.key,
        )
    with _opened(job, options, before) as (source, corrected):
        return close_stack(source, _all(source, corrected[name]), common, _memory(job))


def _solve_closures(before: str) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Sampled pixels and cycles of each region common to all interferograms, the largest first."""
    from mintpy.cli.unwrap_error_phase_closure import cmd_line_parse
    from mintpy.unwrap_error_phase_closure import get_common_region_int_ambiguity

    options = cmd_line_parse([CORRECTED_STACK, "--template", TEMPLATE, "--cc-mask", "maskConnComp.h5", "-i", before])
    regions = get_common_region_int_ambiguity(
        options.ifgram_file,
        options.cc_mask_file,
        options.waterMaskFile,
        num_sample=options.numSample,
        dsNameIn=options.datasetNameIn,
        cc_min_area=options.connCompMinArea,
    )
    return [(region.sample_coords, region.int_ambiguity) for region in regions]


@contextmanager
def _opened(job: Job, options: Namespace, name: str) -> Iterator[tuple[Source, h5py.File]]:
    """The images, of the stack or corrected before, and the file to fill."""
    with _source(job, options) as source, h5py.File(job.folder / CORRECTED_STACK, "r+") as corrected:
        yield (source if name == "unwrapPhase" else replace(source, phase=corrected[name])), corrected


@contextmanager
def _source(job: Job, options: Namespace) -> Iterator[Source]:
    """All images of the stack.

    It is read through the view of the network, which is open read only: through one that is open for writing HDF5 would
    open the stack for writing, too, and change its time.
    """
    water = job.folder / options.waterMaskFile if options.waterMaskFile else None
    with h5py.File(job.folder / NETWORK_STACK, "r") as view:
        source = Source(
            phase=view["unwrapPhase"],
            original=view["unwrapPhase"],
            components=view["connectComponent"],
            pairs=["_".join(date.decode() for date in row) for row in view["date"][:]],
            wanted=np.arange(len(view["date"])),
            kept=view["dropIfgram"][:],
            point=(int(view.attrs["REF_Y"]), int(view.attrs["REF_X"])),
            least=options.connCompMinArea,
            water=_image(water) if water else None,
        )
        try:
            yield source
        except InputError as error:
            error.frame = job.frame.key
            raise


def _image(path: Path) -> NDArray[Any]:
    from mintpy.utils import readfile

    return np.asarray(readfile.read(str(path))[0])


def _memory(job: Job) -> float:
    return float(job.template.raw["mintpy.compute.maxMemory"])


def _made(name: str, done: Corrected, how: Mapping[str, object], files: StackFiles) -> Made:
    share = float(np.sum(done.moved)) / max(int(np.sum(done.seen)), 1)
    return Made(
        outputs=files.outputs,
        sealed=files.sealed,
        kept=files.kept,
        metrics={
            "dataset": name,
            "pixels_changed_per_interferogram_percent": round(100 * share, 3),
            "interferograms_changed_per_pixel_max": int(np.max(done.moved)),
            **how,
        },
        facts={"unwrapping_error_correction": name},
        picture=map_picture(done.moved, title="Corrected unwrapping errors", label="interferograms", cmap="magma"),
    )


def _off(template: Template) -> str | None:
    return None if template.value("mintpy.unwrapError.method") else "mintpy.unwrapError.method = no"


UNWRAP_PHASE_CORRECTED = Step(
    name="unwrapPhase_corrected",
    upstream=("ifgramStack", "network"),
    options=("mintpy.unwrapError.",),
    code_version="2",
    make=make_corrected,
    off=_off,
    state=workfolder.user_file_digests,
    owns=SEGMENTS,
)
