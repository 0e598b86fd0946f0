"""The DEM error, what remains after it, and the date to which the final series refers.

MintPy's correct_topography, residual_RMS and reference_date; the last changes only this asset's own series, where
MintPy rewrites every series in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY, TEMPLATE
from sbas_assets.pictures.drawings import series_picture
from sbas_assets.sbas.series_dem_error import RESIDUAL, Counts, correct_series, not_covered
from sbas_assets.sbas.series_ramp import Deramped, deramp_series, series_rms
from sbas_assets.sbas.series_reference import refer_series
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
        final = f"{Path(series).stem}_demErr.h5"
        metrics = _corrected(job, series, final)
    else:
        final, metrics = f"referenced/{series}", {}
        (job.folder / "referenced").mkdir()
    date = _reference_date(job)
    _refer(job, series, final, date)
    return _made(job, final, metrics)


def _corrected(job: Job, series: str, final: str) -> dict[str, object]:
    """Estimate the DEM error and the residual's noise; return what the UI is to be told."""
    counts, residual = workfolder.run(job, lambda: (_correct(job.folder, series, final), _residual(job)))
    if residual.by_mintpy:
        job.run.tell(f"residual deramped by MintPy's own routine, for too few pixels: {', '.join(residual.by_mintpy)}")
    if isinstance(counts, str):
        job.run.tell(f"DEM error by MintPy's own code: {counts}")
        return {"dem_error_by": "MintPy"}
    if counts.by_mintpy:
        job.run.tell(
            f"DEM error of {counts.by_mintpy} pixels by MintPy's own routine: the dates hardly tell baselines and "
            "deformation model apart"
        )
    return {"pixels_corrected": counts.solved + counts.by_mintpy, "pixels_by_mintpy": counts.by_mintpy}


def _correct(folder: Path, series: str, final: str) -> Counts | str:
    """Correct the DEM error; return the pixel counts, or why MintPy had to do it.

    Source: `TimeSeriesAnalysis.run_topographic_residual_correction`.
    """
    import mintpy.cli.dem_error

    pixelwise = workfolder.app(folder).template["mintpy.topographicResidual.pixelwiseGeometry"]
    arguments = [series, "-t", TEMPLATE, "-o", final, *(["-g", GEOMETRY] if pixelwise else [])]
    inps = mintpy.cli.dem_error.cmd_line_parse(arguments)
    reason = not_covered(inps)
    if reason:
        mintpy.cli.dem_error.main(arguments)
        return reason
    return correct_series(inps)


def _residual(job: Job) -> Deramped:
    """Deramp the residual, take its root mean square by date, and judge the dates by it.

    Source: `TimeSeriesAnalysis.run_residual_phase_rms`, `utils1.get_residual_rms`, `timeseries.timeseries_rms`.
    """
    from mintpy.cli.timeseries_rms import cmd_line_parse
    from mintpy.timeseries_rms import analyze_rms, read_template2inps

    inps = read_template2inps(TEMPLATE, cmd_line_parse([RESIDUAL, "-t", TEMPLATE]))
    source = job.folder / RESIDUAL
    mask = job.folder / inps.maskFile if inps.maskFile else None
    if inps.deramp:
        deramped = source.with_name(f"{source.stem}_ramp.h5")
        found = deramp_series(source, deramped, inps.deramp, mask=mask, memory=_memory(job))
    else:
        deramped = source
        found = series_rms(source, mask=mask, memory=_memory(job))
    rows = np.hstack((np.array(found.dates)[:, None], found.rms[:, None]))
    header = (
        "Root Mean Square in space for each acquisition of time-series\n"
        f"Timeseries file: {deramped.name}\nMask file: {inps.maskFile}\nDate\t\tRMS (m)"
    )
    np.savetxt(job.folder / f"rms_{deramped.stem}.txt", rows, fmt="%s", delimiter="\t", header=header)
    analyze_rms(found.dates, found.rms.astype(np.float32).tolist(), inps)
    return found


def _memory(job: Job) -> float:
    return float(job.template.raw["mintpy.compute.maxMemory"])


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


def _refer(job: Job, series: str, final: str, date: str | None) -> None:
    """Source: `mintpy.reference_date.run_reference_date`, for one file."""
    target = job.folder / final
    if date is None:
        return
    if target.exists():
        refer_series(target, date, memory=_memory(job))
    else:
        refer_series(job.folder / series, date, memory=_memory(job), target=target)


def _made(job: Job, final: str, more: Mapping[str, object]) -> Made:
    outputs = {final: job.folder / final}
    outputs |= {name: job.folder / name for name in _SIDE_FILES if (job.folder / name).is_file()}
    with h5py.File(job.folder / final, "r") as h5:
        reference = str(h5.attrs["REF_DATE"])
        dates = [date.decode() for date in h5["date"][:]]
    metrics: dict[str, object] = {"dates": len(dates), "reference_date": reference, **more}
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
    code_version="2",
    make=make_dem_error,
    off=_off,
    state=workfolder.user_file_digests,
)
