"""The mean velocity and the other time functions (MintPy's velocity step)."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.troposphere import DELAY_FILE
from sbas_assets.mintpy.workfolder import TEMPLATE
from sbas_assets.pictures.drawings import map_picture
from sbas_assets.step import Job, Made, Step


def make_velocity(job: Job) -> Made:
    """Fit the time functions to the final series, and to the tropospheric delay where there is one of ERA5."""
    workfolder.link_inputs(job)
    workfolder.link_user_files(job)
    workfolder.write_template(job)
    series = job.facts()["series"]
    for remark in workfolder.run(job, lambda: _fit_both(job.folder, series)):
        job.run.tell(remark)
    return _made(job)


def _fit_both(folder: Path, series: str) -> list[str]:
    """Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.run_timeseries2velocity`; returns remarks."""
    remarks = _fit([series, "-t", TEMPLATE, "-o", "velocity.h5"])
    delay = DELAY_FILE["pyaps"]
    if (folder / delay).is_file():
        with h5py.File(folder / "velocity.h5", "r") as h5:
            date, row, column = (str(h5.attrs[key]) for key in ("REF_DATE", "REF_Y", "REF_X"))
        same_reference = ["--ref-date", date, "--ref-yx", row, column]
        remarks += _fit([delay, "-t", TEMPLATE, "-o", "velocityERA5.h5", *same_reference])
    return remarks


def _fit(arguments: list[str]) -> list[str]:
    from mintpy.cli.timeseries2velocity import cmd_line_parse
    from mintpy.timeseries2velocity import run_timeseries2time_func

    from sbas_assets.sbas.series_velocity import fit_series, not_covered

    inps = cmd_line_parse(arguments)
    reason = not_covered(inps)
    if reason:
        run_timeseries2time_func(inps)
        return [f"{inps.outfile} by MintPy's own code: {reason}"]
    incomplete = fit_series(inps)
    return [f"{inps.outfile}: {incomplete} pixels without a value at some date are NaN"] if incomplete else []


def _made(job: Job) -> Made:
    with h5py.File(job.folder / "velocity.h5", "r") as h5:
        velocity = h5["velocity"][:] if "velocity" in h5 else None
        spread = h5["velocityStd"][:] if "velocityStd" in h5 else None
        attributes = {key: h5.attrs[key] for key in ("START_DATE", "END_DATE", "REF_Y", "REF_X")}
    with h5py.File(job.folder / "maskTempCoh.h5", "r") as h5:
        reliable = h5["mask"][:] != 0
    outputs = {name: job.folder / name for name in ("velocity.h5", "velocityERA5.h5") if (job.folder / name).is_file()}
    metrics: dict[str, object] = {"start_date": attributes["START_DATE"], "end_date": attributes["END_DATE"]}
    picture = None
    if velocity is not None:
        shown = np.where(reliable, 100 * velocity, np.nan)
        metrics |= _statistics(velocity, spread, reliable)
        mark = (int(attributes["REF_Y"]), int(attributes["REF_X"]))
        picture = map_picture(
            shown, title="LOS velocity", label="cm/year, positive toward the satellite", cmap="RdBu", mark=mark
        )
    return Made(outputs=outputs, metrics=metrics, picture=picture)


def _statistics(velocity: np.ndarray, spread: np.ndarray | None, reliable: np.ndarray) -> dict[str, float]:
    """Velocity of the reliable pixels in mm/year."""
    if not reliable.any():
        return {}
    low, middle, high = (float(v) for v in np.nanpercentile(1e3 * velocity[reliable], (0, 50, 100)))
    found = {
        "velocity_min_mm_per_year": round(low, 3),
        "velocity_median_mm_per_year": round(middle, 3),
        "velocity_max_mm_per_year": round(high, 3),
    }
    if spread is not None:
        found["velocity_std_median_mm_per_year"] = round(float(np.nanmedian(1e3 * spread[reliable])), 3)
    return found


VELOCITY = Step(
    name="velocity",
    upstream=("timeseries", "troposphere", "timeseries_corrected", "timeseries_demErr"),
    options=("mintpy.timeFunc.",),
    code_version="2",
    make=make_velocity,
    state=workfolder.user_file_digests,
)
