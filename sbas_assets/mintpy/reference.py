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
from sbas_assets.mintpy.workfolder import GEOMETRY, STACK
from sbas_assets.sbas.reference_point import choose_reference_point
from sbas_assets.step import Job
from sbas_assets.workspace import atomic_write

# what a pixel's row and column mean changes with these
_GRID_OPTIONS = ("mintpy.subset.", "mintpy.multilook.")


def reference_point(job: Job) -> tuple[int, int]:
    """Row and column: the user's, else the pinned ones, else chosen now and pinned."""
    given = _given_point(job)
    if given is not None:
        return given
    coherence, common, valid = quality(job)
    pin = _read_pin(job, coherence.shape)
    if pin is not None:
        row, column = pin
        if not valid[row, column]:
            raise InputError(
                "reference-point-lost",
                f"the pinned reference point (row {row}, column {column}) has no phase in some interferogram",
                mend=f"set mintpy.reference.yx, or remove {job.workspace.pin.name} to choose again",
                path=job.workspace.pin,
                frame=job.frame.key,
            )
        return pin
    return _choose_and_pin(job, coherence, common, valid)


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
    """Return the pinned point; None when there is none, or when it was chosen on another pixel grid."""
    try:
        pin = json.loads(job.workspace.pin.read_text())
        same_grid = all(pin[key] == value for key, value in _grid(job, shape).items())
        return (int(pin["row"]), int(pin["column"])) if same_grid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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


def _given_point(job: Job) -> tuple[int, int] | None:
    """Return row and column of the template's own reference point."""
    explicit = _explicit(job)
    if explicit is None:
        return None
    key, value = explicit
    first, second = (float(part) for part in value.strip("[]").split(","))
    with h5py.File(job.folder / GEOMETRY, "r") as geometry:
        length, width = geometry["height"].shape
    lalo = key == "mintpy.reference.lalo"
    row, column = _pixel_at(job, first, second) if lalo else (round(first), round(second))
    if not (0 <= row < length and 0 <= column < width):
        raise InputError(
            "reference-point-outside",
            f"{key} = {value} is outside the image of {length} rows and {width} columns",
            mend="give a row and column, or latitude and longitude, inside it",
            frame=job.frame.key,
        )
    fault = _fault_at(job, row, column)
    if fault:
        raise InputError(
            "reference-point-no-data",
            f"{key} = {value} (row {row}, column {column}) {fault}",
            mend="choose another pixel",
            frame=job.frame.key,
        )
    return row, column


def _fault_at(job: Job, row: int, column: int) -> str | None:
    """Why MintPy would refuse the pixel (`mintpy.reference_point.read_reference_input`, `reference_file`)."""
    with h5py.File(job.folder / STACK, "r") as h5:
        phase = h5["unwrapPhase"][:, row, column][h5["dropIfgram"][:]]
    if np.isnan(phase).any() or not phase.any():
        return "has no phase in some interferogram"
    with h5py.File(job.folder / "maskConnComp.h5", "r") as h5:
        common = bool(h5["mask"][row, column])
    if not common and job.template.raw["mintpy.reference.maskFile"] == "maskConnComp.h5":
        return "is outside the connected components common to all interferograms (maskConnComp.h5)"
    return None


def _pixel_at(job: Job, lat: float, lon: float) -> tuple[int, int]:
    """Row and column of a place by MintPy's own lookup (`coordinate.geo2radar`)."""
    from mintpy.utils import readfile, utils

    def look_up() -> tuple[int, int]:
        attributes = readfile.read_attribute(STACK)
        where = utils.coordinate(attributes, lookup_file=GEOMETRY).geo2radar(np.array(lat), np.array(lon))
        return int(where[0]), int(where[1])

    return workfolder.run(job, look_up)


def quality(job: Job) -> tuple[Any, Any, Any]:
    """Average coherence, common connected components, and where the kept pairs all have a phase."""
    with h5py.File(job.folder / "avgSpatialCoh.h5", "r") as h5:
        coherence = h5["coherence"][:]
    with h5py.File(job.folder / "maskConnComp.h5", "r") as h5:
        common = h5["mask"][:] != 0
    with h5py.File(job.folder / STACK, "r") as h5:
        valid = np.ones(coherence.shape, dtype=bool)
        for index in np.flatnonzero(h5["dropIfgram"][:]):
            phase = h5["unwrapPhase"][index]
            valid &= np.isfinite(phase) & (phase != 0)
    return coherence, common, valid
