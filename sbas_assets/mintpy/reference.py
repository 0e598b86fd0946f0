"""The frame's reference point: the user's, else the one that was chosen once and stays.

The choice itself is numerics (sbas/reference_point.py); here it is read from the template, pinned in the work
folder, and refused when it cannot serve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import known_options
from sbas_assets.mintpy.workfolder import GEOMETRY, STACK
from sbas_assets.sbas.reference_point import choose_reference_point
from sbas_assets.sbas.stack_overview import Coverage
from sbas_assets.step import Job
from sbas_assets.workspace import atomic_write

# what a pixel's row and column mean changes with these
_GRID_OPTIONS = ("mintpy.subset.", "mintpy.multilook.")
_MASK_OPTION = "mintpy.reference.maskFile"
_COHERENCE_OPTION = "mintpy.reference.coherenceFile"
_NO_PHASE = "has no phase in some interferogram"


def reference_point(job: Job, coverage: Coverage) -> tuple[int, int]:
    """Row and column: the user's, else the pinned ones, else chosen now and pinned."""
    given = _given_point(job, coverage.valid)
    if given is not None:
        return given
    coherence, common, valid = coverage.coherence, coverage.common, coverage.valid
    pin = _read_pin(job, coherence.shape)
    if pin is None:
        return _choose_and_pin(job, _own_coherence(job, coherence), common & _allowed(job, common), valid)
    fault = _fault_at(job, *pin, everywhere=True) if valid[pin] else _NO_PHASE
    if fault:
        raise InputError(
            "reference-point-lost",
            f"the pinned reference point (row {pin[0]}, column {pin[1]}) {fault}",
            mend=f"set mintpy.reference.yx, or remove {job.workspace.pin.name} to choose again",
            path=job.workspace.pin,
            frame=job.frame.key,
        )
    _warn_if_incoherent(job, pin, float(_own_coherence(job, coherence)[pin]))
    return pin


def _warn_if_incoherent(job: Job, pin: tuple[int, int], value: float) -> None:
    """Tell that the pinned point would not be chosen any more; moving it would shift every series, so it stays."""
    least = float(job.template.raw["mintpy.reference.minCoherence"])
    if not value >= least:
        job.run.warn(
            f"reference-coherence-low: the pinned reference point (row {pin[0]}, column {pin[1]}) stays, but its "
            f"average coherence has come down to {value:.3f}, below mintpy.reference.minCoherence = {least}; set "
            f"mintpy.reference.yx, or remove {job.workspace.pin.name} to choose again"
        )


def _choose_and_pin(job: Job, coherence: Any, common: Any, valid: Any) -> tuple[int, int]:
    try:
        row, column, value = choose_reference_point(coherence, common, valid)
    except ValueError as error:
        raise InputError(
            "reference-point-none", str(error), mend="set mintpy.reference.yx", frame=job.frame.key
        ) from None
    least = float(job.template.raw["mintpy.reference.minCoherence"])
    if value < least:
        raise InputError(
            "reference-coherence-low",
            f"the best pixel (row {row}, column {column}) has an average "
            f"coherence of {value:.3f}, below mintpy.reference.minCoherence = {least}",
            mend=f"lower it, or accept the pixel with mintpy.reference.yx = {row},{column}",
            frame=job.frame.key,
        )
    pin = {"row": row, "column": column, "average_coherence": value, **_grid(job, coherence.shape)}
    atomic_write(job.workspace.pin, json.dumps(pin, indent=1))
    return row, column


def _grid(job: Job, shape: tuple[int, ...]) -> dict[str, Any]:
    return {"length": shape[0], "width": shape[1], "options": job.template.subset(_GRID_OPTIONS)}


def _read_pin(job: Job, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the pinned point; None when there is none, or when it was chosen on another pixel grid.

    A pin that cannot be read is not replaced in silence: all series would refer to another point from then on.
    """
    path = job.workspace.pin
    if not path.exists():
        return None
    try:
        pin = json.loads(path.read_text())
        if any(pin[key] != value for key, value in _grid(job, shape).items()):
            return None
        row, column = int(pin["row"]), int(pin["column"])
        if 0 <= row < shape[0] and 0 <= column < shape[1]:
            return row, column
        reason = f"row {row}, column {column} is outside the image"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise InputError(
        "reference-pin-damaged",
        f"the pinned reference point cannot be read ({reason})",
        mend=f"restore the file, set mintpy.reference.yx, or remove {path.name} to choose again",
        path=path,
        frame=job.frame.key,
    )


def pinned_state(job: Job) -> Mapping[str, str]:
    """Decide the product together with the options: the pin, where it is used, and the user's own files."""
    state = workfolder.user_file_digests(job)
    if _explicit(job) is None and job.workspace.pin.is_file():
        state["reference_point.json"] = job.digests.of(job.workspace.pin).sha256
    return state


def _explicit(job: Job) -> tuple[str, str] | None:
    for key in ("mintpy.reference.lalo", "mintpy.reference.yx"):
        value = job.template.raw[key]
        if value not in {"no", "auto"}:
            return key, value
    return None


def _given_point(job: Job, valid: Any) -> tuple[int, int] | None:
    """Return row and column of the template's own reference point."""
    explicit = _explicit(job)
    if explicit is None:
        return None
    key, value = explicit
    first, second = (float(part) for part in value.strip("[]").split(","))
    with h5py.File(job.folder / GEOMETRY, "r") as geometry:
        length, width = geometry["height"].shape
    lalo = key == "mintpy.reference.lalo"
    found = _pixel_at(job, first, second) if lalo else (round(first), round(second))
    if found is None or not (0 <= found[0] < length and 0 <= found[1] < width):
        raise InputError(
            "reference-point-outside",
            f"{key} = {value} is outside the image of {length} rows and {width} columns",
            mend="give a row and column, or latitude and longitude, inside it",
            frame=job.frame.key,
        )
    fault = _fault_at(job, *found, everywhere=bool(valid[found]))
    if fault:
        raise InputError(
            "reference-point-no-data",
            f"{key} = {value} (row {found[0]}, column {found[1]}) {fault}",
            mend="choose another pixel",
            frame=job.frame.key,
        )
    return found


def _fault_at(job: Job, row: int, column: int, *, everywhere: bool) -> str | None:
    """Why MintPy would refuse the pixel (`mintpy.reference_point.read_reference_input`, `reference_file`).

    Where all pairs are known to have a phase `everywhere`, none is asked for it.
    """
    if not everywhere:
        with h5py.File(job.folder / STACK, "r") as h5:
            phase = h5["unwrapPhase"][:, row, column][h5["dropIfgram"][:]]
        if np.isnan(phase).any() or not phase.any():
            return _NO_PHASE
    name = job.template.raw[_MASK_OPTION]
    if name == "maskConnComp.h5":
        with h5py.File(job.folder / name, "r") as h5:
            common = bool(h5["mask"][row, column])
        return None if common else f"is outside the connected components common to all interferograms ({name})"
    with h5py.File(job.folder / STACK, "r") as h5:
        shape = h5["unwrapPhase"].shape[1:]
    own = _own_image(job, _MASK_OPTION, ("mask", "waterMask"), shape)
    return f"is masked out by {_MASK_OPTION} = {name}" if own is not None and not own[row, column] else None


def _allowed(job: Job, common: Any) -> Any:
    """Where the user's own mask lets the reference point be; everywhere without one."""
    own = _own_image(job, _MASK_OPTION, ("mask", "waterMask"), common.shape)
    return np.ones_like(common) if own is None else own != 0


def _own_coherence(job: Job, average: Any) -> Any:
    """The user's own coherence to choose by, else the average spatial one."""
    own = _own_image(job, _COHERENCE_OPTION, ("coherence", "temporalCoherence"), average.shape)
    return average if own is None else own


def _own_image(job: Job, option: str, datasets: tuple[str, ...], shape: tuple[int, ...]) -> Any:
    """Read the image of the user's own file that an option names; None when it names none."""
    name = job.template.raw[option]
    if name in {"no", known_options()[option].auto}:
        return None
    path = job.folder / name
    if not path.is_file():
        raise workfolder.file_missing(job, option, job.workspace.root / name)
    try:
        with h5py.File(path, "r") as h5:
            image = next((h5[name][:] for name in datasets if name in h5), None)
        reason = f"it has no dataset {' or '.join(datasets)}" if image is None else f"its size is {image.shape}"
    except OSError as error:
        image, reason = None, str(error)
    if image is None or image.shape != shape:
        raise InputError(
            "template-file-unusable",
            f"{option} = {name} is not an image of {shape[0]} rows and {shape[1]} columns: {reason}",
            mend="give an HDF5 file of MintPy's on the grid of the interferograms",
            path=path.resolve(),
            frame=job.frame.key,
        )
    return image


def _pixel_at(job: Job, lat: float, lon: float) -> tuple[int, int] | None:
    """Row and column of a place by MintPy's own lookup (`coordinate.geo2radar`); None when it finds none."""
    from mintpy.utils import readfile, utils

    def look_up() -> tuple[int, int] | None:
        attributes = readfile.read_attribute(STACK)
        try:
            where = utils.coordinate(attributes, lookup_file=GEOMETRY).geo2radar(np.array(lat), np.array(lon))
        except RuntimeError:
            # "No corresponding coordinate found": no pixel is near the place
            return None
        return int(where[0]), int(where[1])

    return workfolder.run(job, look_up)
