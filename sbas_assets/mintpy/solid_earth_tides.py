"""Solid Earth tides in line of sight: MintPy and PySolid compute a date when the last file does not hold it already.

`inputs/SET.h5` has the numbers and attributes that MintPy's solid_earth_tides gives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.mintpy.held_layers import SERIES, Held, copy_layers
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.provenance import damaged_outputs, read_record
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.sbas.series_dates import keep_dates
from sbas_assets.step import Job

TIDES = "inputs/SET.h5"
_ACQUIRED = "sensingMid"
# tides refer to nothing
_REFERENCE = frozenset({"REF_DATE", "REF_X", "REF_Y"})
_LIBRARIES = ("mintpy", "pysolid", "pyresample", "scipy", "numpy")


def made_with() -> dict[str, str]:
    """Versions of the libraries that decide the numbers of a tide."""
    return {name: version(name) for name in _LIBRARIES}


def correct_tides(job: Job, series: Path, target: Path) -> Held:
    """Write the tides of a series, and the series without them; in the staging folder, with MintPy's output caught.

    Parameters
    ----------
    job : Job
        Of the step timeseries_corrected.
    series, target : Path
        Displacement, and the file to write.

    Returns
    -------
    Held
        What was taken from the last version.

    Notes
    -----
    Source: MintPy `solid_earth_tides.run_solid_earth_tides`.
    """
    import mintpy.cli.diff

    times = _times(series)
    held = _held(job, times)
    new = _compute(job, series, [date for date in times if date not in held.dates], held)
    parts = [held, *([Held(new, frozenset(times) - held.dates)] if new else [])]
    _write(job.folder / TIDES, series, times, parts)
    mintpy.cli.diff.main([str(series), TIDES, "-o", str(target), "--force"])
    return held


def _times(series: Path) -> dict[str, str]:
    """Date to the time for which its tide is computed (UTC)."""
    from mintpy.solid_earth_tides import get_datetime_list

    times, dates = get_datetime_list(str(series))
    return dict(zip(dates, (time.strftime("%Y%m%dT%H%M%S") for time in times), strict=True))


def _held(job: Job, times: dict[str, str]) -> Held:
    """What of the last version is the same for certain: of an intact file, same geometry, code and time of day."""
    held = Held(job.workspace.root / TIDES)
    old = read_record(job.workspace, job.step.name)
    if (
        old is None
        or not old.has(TIDES)
        or old.code_version != job.step.code_version
        or old.upstream.get("geometryRadar") != job.upstream_versions["geometryRadar"]
        or old.facts.get("tides_made_with") != made_with()
    ):
        return held
    if damaged_outputs(job.digests, job.workspace, old):
        return held
    with h5py.File(held.file, "r") as h5:
        stored = {date.decode(): time.decode() for date, time in zip(h5["date"][:], h5[_ACQUIRED][:], strict=True)}
    return Held(held.file, frozenset(date for date, time in times.items() if stored.get(date) == time))


def _compute(job: Job, series: Path, dates: Sequence[str], held: Held) -> Path | None:
    """Let MintPy compute the tides of some dates, into a file of their own."""
    from mintpy.solid_earth_tides import calc_solid_earth_tides_timeseries

    if not dates:
        return None
    some, target = series, job.folder / "new_tides.h5"
    if held.dates:
        some = job.folder / "dates_without_tides.h5"
        keep_dates(series, some, dates, memory=float(job.template.raw["mintpy.compute.maxMemory"]))
    calc_solid_earth_tides_timeseries(str(some), GEOMETRY, set_file=str(target))
    return target


def _write(target: Path, series: Path, times: dict[str, str], parts: Sequence[Held]) -> None:
    from mintpy.utils import readfile

    with h5py.File(series, "r") as h5:
        shape = h5[SERIES].shape
    found = {key: value for key, value in readfile.read_attribute(str(series)).items() if key not in _REFERENCE}
    datasets: dict[str, Any] = {
        "date": np.array(list(times), np.bytes_),
        _ACQUIRED: np.array(list(times.values()), np.bytes_),
        SERIES: Blank(shape),
    }
    attributes = {**found, "FILE_TYPE": SERIES, "DATA_TYPE": "float32", "UNIT": "m"}
    with product_file(target, attributes, datasets) as h5:
        for part in parts:
            copy_layers(part, h5[SERIES], {date: number for number, date in enumerate(times)})
