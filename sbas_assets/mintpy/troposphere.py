"""Tropospheric delay in line of sight for each date, from ERA5, GACOS or OPERA files.

The delay is a product of its own; it is taken off the displacement in corrections.py. An empirical delay
(height_correlation) is estimated from the displacement itself and so has no file here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.weather import method, weather_dir
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.published.pictures import series_picture
from sbas_assets.step import Job, Made, Step

DELAY_FILE = {"pyaps": "inputs/ERA5.h5", "gacos": "inputs/GACOS.h5", "opera": "inputs/OPERA.h5"}
_FOLDER_OPTION = {
    "gacos": "mintpy.troposphericDelay.gacosDir",
    "opera": "mintpy.troposphericDelay.operaDir",
}


def make_troposphere(job: Job) -> Made:
    """Compute the delay of every date of the series."""
    chosen = method(job.template)
    workfolder.link_inputs(job)
    workfolder.write_template(job)
    compute: Callable[[Job], object] = {"pyaps": _pyaps, "gacos": _gacos, "opera": _opera}[chosen]
    workfolder.run(job, lambda: compute(job))
    name = DELAY_FILE[chosen]
    return _made(job, name)


def _pyaps(job: Job) -> object:
    """Source: `mintpy.tropo_pyaps3.run_tropo_pyaps3` without its download and its correction."""
    from mintpy import tropo_pyaps3
    from mintpy.cli.tropo_pyaps3 import cmd_line_parse

    inps = cmd_line_parse(["-f", "timeseries.h5", "-g", GEOMETRY, "-w", str(weather_dir(job))])
    tropo_pyaps3.read_inps2date_time(inps)
    tropo_pyaps3.get_grib_info(inps)
    return tropo_pyaps3.calc_delay_timeseries(inps)


def _gacos(job: Job) -> object:
    from mintpy.tropo_gacos import calculate_delay_timeseries

    return calculate_delay_timeseries(DELAY_FILE["gacos"], "timeseries.h5", GEOMETRY, str(_folder(job)))


def _opera(job: Job) -> object:
    from mintpy.tropo_opera import calculate_delay_timeseries

    return calculate_delay_timeseries(DELAY_FILE["opera"], "timeseries.h5", GEOMETRY, str(_folder(job)))


def _folder(job: Job) -> Path:
    return job.workspace.root / job.template.raw[_FOLDER_OPTION[method(job.template)]]


def _user_delays(job: Job) -> dict[str, Path | None]:
    """The file of each date in the user's GACOS or OPERA folder; None where there is none."""
    folder, dates = _folder(job), job.facts()["dates"]
    if method(job.template) == "gacos":
        # in MintPy's order of preference (`mintpy.tropo_gacos.calculate_delay_timeseries`)
        named = {date: [folder / f"{date}{end}" for end in (".ztd", ".ztd.tif")] for date in dates}
        return {date: next((path for path in paths if path.is_file()), None) for date, paths in named.items()}
    return _opera_files(job, folder, dates)


def _opera_files(job: Job, folder: Path, dates: list[str]) -> dict[str, Path | None]:
    from mintpy import tropo_opera

    with h5py.File(job.workspace.root / "timeseries.h5", "r") as h5:
        utc = float(h5.attrs["CENTER_LINE_UTC"])
    early = tropo_opera.OPERA_MIN_ACQ_DATE
    days, hours = tropo_opera.get_opera_date_time_list(dates, utc)
    best = {
        date: tropo_opera._get_best_local_opera_file(day, hour, str(folder)) if date >= early else None
        for date, day, hour in zip(dates, days, hours, strict=True)
    }
    return {date: Path(path) if path else None for date, path in best.items()}


def _state(job: Job) -> Mapping[str, str]:
    """Digests of the user's own delay files; MintPy would leave out a date without a word."""
    chosen = method(job.template)
    if chosen not in _FOLDER_OPTION:
        return {}
    files = _user_delays(job)
    missing = [date for date, path in files.items() if path is None]
    if missing:
        raise InputError(
            "delay-files-missing",
            f"{chosen}: no file for {len(missing)} of {len(files)} dates ({', '.join(missing[:8])}"
            f"{', ...' if len(missing) > 8 else ''})",
            mend=f"put them there, correct {_FOLDER_OPTION[chosen]}, or leave the dates out with "
            "mintpy.network.excludeDate",
            path=_folder(job),
            frame=job.frame.key,
        )
    return {date: job.digests.of(path).sha256 for date, path in files.items() if path}


def _made(job: Job, name: str) -> Made:
    with h5py.File(job.folder / name, "r") as h5:
        dates = [date.decode() for date in h5["date"][:]]
        spread = [float(np.nanstd(h5["timeseries"][i])) for i in range(len(dates))]
        mean = [float(np.nanmean(h5["timeseries"][i])) for i in range(len(dates))]
    chosen = method(job.template)
    own = {"delay_files": _state(job)} if chosen in _FOLDER_OPTION else {}
    return Made(
        outputs={name: job.folder / name},
        metrics={
            "dates": len(dates),
            "delay_mean_m": round(float(np.mean(mean)), 4),
            "delay_spatial_std_mean_m": round(float(np.mean(spread)), 5),
        },
        facts={"troposphere": chosen, **own},
        picture=series_picture(
            dates, [1e3 * value for value in spread], title="Spread of the delay", label="std in space (mm)"
        ),
    )


def _off(template: Template) -> str | None:
    chosen = method(template)
    if chosen == "no":
        return "mintpy.troposphericDelay.method = no"
    if chosen == "height_correlation":
        return "height_correlation estimates the delay from the displacement itself, in timeseries_corrected"
    return None


TROPOSPHERE = Step(
    name="troposphere",
    upstream=("timeseries", "geometryRadar", "era5"),
    options=("mintpy.troposphericDelay.method", "mintpy.troposphericDelay.weatherModel"),
    make=make_troposphere,
    off=_off,
    state=_state,
)
