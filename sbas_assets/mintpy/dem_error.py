"""The DEM error, what remains after it, and the date to which the final series refers.

MintPy's correct_topography, residual_RMS and reference_date; the last changes only this asset's own series, where
MintPy rewrites every series in the folder.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY, TEMPLATE
from sbas_assets.published.pictures import series_picture
from sbas_assets.step import Job, Made, Step

_AUTOMATIC_DATE = "reference_date.txt"
_SIDE_FILES = (
    "demErr.h5",
    "timeseriesResidual.h5",
    "timeseriesResidual_ramp.h5",
    "rms_timeseriesResidual.txt",
    "rms_timeseriesResidual_ramp.txt",
    "reference_date.txt",
    "exclude_date.txt",
)


def make_dem_error(job: Job) -> Made:
    """Correct the DEM error where the template asks for it, and refer the series to its date."""
    series = job.facts()["series"]
    workfolder.link_inputs(job)
    workfolder.link_user_files(job)
    workfolder.write_template(job)
    if job.template.yes("mintpy.topographicResidual"):
        final = workfolder.run(job, lambda: _correct(job.folder, series))
    else:
        final = f"referenced/{series}"
        (job.folder / "referenced").mkdir()
    date = _reference_date(job)
    workfolder.run(job, lambda: _refer(job.folder, series, final, date))
    return _made(job, final)


def _correct(folder: Path, series: str) -> str:
    """Source: `TimeSeriesAnalysis.run_topographic_residual_correction`, `run_residual_phase_rms`."""
    import mintpy.cli.dem_error

    workflow = workfolder.app(folder)
    corrected = f"{Path(series).stem}_demErr.h5"
    geometry = ["-g", GEOMETRY] if workflow.template["mintpy.topographicResidual.pixelwiseGeometry"] else []
    mintpy.cli.dem_error.main([series, "-t", TEMPLATE, "-o", corrected, *geometry])
    workflow.run_residual_phase_rms("residual_RMS")
    return corrected


def _reference_date(job: Job) -> str | None:
    """The date that the template names, in words or by a file; None to leave the first date."""
    from mintpy.utils import ptime

    value = job.template.raw["mintpy.reference.date"]
    if value == "no":
        return None
    if not value.isdigit():
        file = job.folder / value
        if not file.is_file():
            return None
        value = ptime.read_date_txt(str(file))[0]
    date = str(ptime.yyyymmdd(value))
    dates = job.facts()["dates"]
    if date not in dates:
        raise InputError(
            "reference-date-unknown",
            f"mintpy.reference.date = {date} is not a date of the series ({dates[0]} to {dates[-1]})",
            mend="name one of its dates, or no for the first one",
            frame=job.frame.key,
        )
    return date


def _refer(folder: Path, series: str, final: str, date: str | None) -> None:
    """Source: `mintpy.reference_date.run_reference_date`, for one file."""
    from mintpy.reference_date import change_timeseries_ref_date

    target = folder / final
    if target.exists():
        if date is not None:
            change_timeseries_ref_date(str(target), ref_date=date)
    elif date is not None:
        change_timeseries_ref_date(str(folder / series), ref_date=date, outfile=str(target))


def _made(job: Job, final: str) -> Made:
    outputs = {final: job.folder / final}
    outputs |= {name: job.folder / name for name in _SIDE_FILES if (job.folder / name).is_file()}
    with h5py.File(job.folder / final, "r") as h5:
        reference = str(h5.attrs["REF_DATE"])
        dates = [date.decode() for date in h5["date"][:]]
    metrics: dict[str, object] = {"dates": len(dates), "reference_date": reference}
    picture = None
    excluded = job.folder / "exclude_date.txt"
    out = excluded.read_text().split() if excluded.is_file() else []
    rms = _residual_rms(job.folder)
    if rms:
        values = [rms[date] for date in dates]
        metrics |= {"residual_rms_mean_mm": round(float(np.mean(values)), 3), "dates_with_high_residual": len(out)}
        metrics["dem_error_std_m"] = _dem_error_spread(job.folder)
        picture = series_picture(dates, values, title="Residual phase", label="RMS (mm)", highlight=out)
    return Made(
        outputs=outputs,
        metrics=metrics,
        facts={"series": final, "reference_date": reference, "dates_with_high_residual": out},
        picture=picture,
    )


def _residual_rms(folder: Path) -> dict[str, float]:
    """RMS of the residual in mm by date; empty without a DEM error correction."""
    for name in ("rms_timeseriesResidual_ramp.txt", "rms_timeseriesResidual.txt"):
        if (folder / name).is_file():
            rows = np.loadtxt(folder / name, dtype=str, ndmin=2)
            return {date: 1e3 * float(value) for date, value in rows[:, :2]}
    return {}


def _dem_error_spread(folder: Path) -> float:
    with h5py.File(folder / "demErr.h5", "r") as h5:
        error = h5["dem"][:]
    with h5py.File(folder / "maskTempCoh.h5", "r") as h5:
        reliable = h5["mask"][:] != 0
    return round(float(np.nanstd(error[reliable])), 3) if reliable.any() else 0.0


def _off(template: Template) -> str | None:
    if template.yes("mintpy.topographicResidual"):
        return None
    date = template.raw["mintpy.reference.date"]
    # without a residual MintPy makes no reference_date.txt
    if date in {"no", _AUTOMATIC_DATE}:
        return "mintpy.topographicResidual = no, and no reference date is named"
    return None


TIMESERIES_DEM_ERR = Step(
    name="timeseries_demErr",
    upstream=("geometryRadar", "timeseries", "timeseries_corrected"),
    options=(
        "mintpy.topographicResidual",
        "mintpy.topographicResidual.",
        "mintpy.residualRMS.",
        "mintpy.reference.date",
    ),
    make=make_dem_error,
    off=_off,
    state=workfolder.user_file_digests,
)
