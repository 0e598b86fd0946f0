"""A staging folder that MintPy takes for a work folder of its own.

Links to the upstream products stand where `smallbaselineApp.py` would have put them; the interferogram stack is
given as a view, so that the steps which change `ifgramStack.h5` change the view. Which step runs is decided in the
step modules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sbas_assets.errors import InputError
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.mintpy.template import Template, known_options
from sbas_assets.step import Job

STACK = "inputs/ifgramStack.h5"
GEOMETRY = "inputs/geometryRadar.h5"
ION_STACK = "inputs/ionStack.h5"
NETWORK_STACK = "inputs/network/ifgramStack.h5"
CORRECTED_STACK = "inputs/unwrapPhase_corrected/ifgramStack.h5"
NETWORK_STATE = ".sbas/network_state.h5"
INVERSION_STATE = ".sbas/inversion_state.h5"
TEMPLATE = "smallbaselineApp.cfg"

# options whose value may name a file, with the value that MintPy takes for "none so far"
FILE_OPTIONS = (
    "mintpy.network.maskFile",
    "mintpy.network.referenceFile",
    "mintpy.reference.maskFile",
    "mintpy.reference.coherenceFile",
    "mintpy.reference.date",
    "mintpy.unwrapError.waterMaskFile",
    "mintpy.networkInversion.waterMaskFile",
    "mintpy.deramp.maskFile",
    "mintpy.topographicResidual.excludeDate",
    "mintpy.residualRMS.maskFile",
    "mintpy.timeFunc.excludeDate",
    "mintpy.timeFunc.timeSeriesCovFile",
)
_FILE_SUFFIXES = (".h5", ".txt", ".he5")
# files that a step makes before it reads them
_OWN_PRODUCTS = {"network": ("waterMask.h5", "maskConnComp.h5", "avgSpatialCoh.h5")}


def link_inputs(job: Job, *, instead: Mapping[str, str] | None = None) -> None:
    """Link every file of the upstream records into the staging folder, at its place in the work folder.

    Parameters
    ----------
    job : Job
        The step at work.
    instead : mapping, optional
        Other places for some of them: work-folder path to staging path.
    """
    for record in job.inputs.values():
        for out in record.outputs:
            link(job, out.path, (instead or {}).get(out.path, out.path))


def link(job: Job, name: str, place: str | None = None) -> None:
    """Link one file of the work folder into the staging folder."""
    target = job.folder / (place or name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(job.workspace.root / name)


def write_template(job: Job, overrides: Mapping[str, str] | None = None) -> Path:
    """Write the frame's template into the staging folder, with some options replaced."""
    options = {**job.frame.config.mintpy, **job.frame.config.attributes, **(overrides or {})}
    path = job.folder / TEMPLATE
    path.write_text(Template.from_options(options).text)
    return path


def app(folder: Path) -> Any:
    """MintPy's own workflow object on a staging folder, without its change of directory.

    Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.open`.
    """
    from mintpy.smallbaselineApp import TimeSeriesAnalysis
    from mintpy.utils import readfile, utils

    workflow = TimeSeriesAnalysis(customTemplateFile=None, workDir=str(folder))
    workflow.projectName = None
    workflow.customTemplate = None
    workflow.templateFile = str(folder / TEMPLATE)
    workflow.template = utils.check_template_auto_value(readfile.read_template(workflow.templateFile))
    # the pictures are made by this package, from the finished products
    workflow.template["mintpy.plot"] = False
    return workflow


def run[T](job: Job, call: Callable[[], T]) -> T:
    """Run a MintPy call in the step's staging folder, its output going to the step's log."""
    return run_in_folder(job.folder, job.log, call, echo=job.run.echo)


def user_files(job: Job) -> dict[str, Path]:
    """Files of the user's own that the step's options name, by option.

    Raises
    ------
    InputError
        `template-file-missing`: MintPy would go on without the file and say nothing.
    """
    found = {}
    for option, value in job.template.subset(job.step.options).items():
        names_file = option in FILE_OPTIONS and value.endswith(_FILE_SUFFIXES)
        made_here = value in (known_options()[option].auto, *_OWN_PRODUCTS.get(job.step.name, ()))
        if not names_file or made_here:
            continue
        path = job.workspace.root / Path(value).expanduser()
        if not path.is_file():
            raise file_missing(job, option, path)
        found[option] = path
    return found


def file_missing(job: Job, option: str, path: Path) -> InputError:
    """Return the error for an option that names a file which is not there."""
    return InputError(
        "template-file-missing",
        f"{option} = {job.template.raw[option]}: there is no such file",
        mend="correct the path (relative to the frame's work folder) or remove the option",
        path=path,
        frame=job.frame.key,
    )


def user_file_digests(job: Job) -> dict[str, str]:
    """State of a step: digests of the user's own files, so that an edited mask makes the product anew."""
    return {option: job.digests.of(path).sha256 for option, path in user_files(job).items()}


def link_user_files(job: Job) -> None:
    """Link the user's own files to where MintPy looks for them."""
    for option, path in user_files(job).items():
        place = job.folder / Path(job.template.subset([option])[option])
        if not place.is_absolute() or not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_symlink():
                place.symlink_to(path)
