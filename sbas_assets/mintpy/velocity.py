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
    workfolder.run(job, lambda: _fit(job.folder, series))
    return _made(job)


def _fit(folder: Path, series: str) -> None:
    """Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.run_timeseries2velocity`."""
    import mintpy.cli.timeseries2velocity
    from mintpy.utils import readfile

    mintpy.cli.timeseries2velocity.main([series, "-t", TEMPLATE, "-o", "velocity.h5"])
    delay = DELAY_FILE["pyaps"]
    if (folder / delay).is_file():
        fitted = readfile.read_attribute("velocity.h5")
        same_reference = ["--ref-date", fitted["REF_DATE"], "--ref-yx", fitted["REF_Y"], fitted["REF_X"]]
        mintpy.cli.timeseries2velocity.main([delay, "-t", TEMPLATE, "-o", "velocityERA5.h5", *same_reference])


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
    make=make_velocity,
    state=workfolder.user_file_digests,
)
