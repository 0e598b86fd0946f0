"""Tropospheric delay in line of sight for each date, from ERA5, GACOS or OPERA files.

The delay is a product of its own; it is taken off the displacement in corrections.py. An empirical delay
(height_correlation) is estimated from the displacement itself and so has no file here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.era5_delay import ERA5_DELAY, era5_delays, made_with
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.weather import fault_of_area, frame_area, method, verified_gribs
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.pictures.drawings import series_picture
from sbas_assets.step import Job, Made, Step
from sbas_assets.weather.tiles import Area

DELAY_FILE = {"pyaps": ERA5_DELAY, "gacos": "inputs/GACOS.h5", "opera": "inputs/OPERA.h5"}
LEAST_DATES = 2
_FOLDER_OPTION = {
    "gacos": "mintpy.troposphericDelay.gacosDir",
    "opera": "mintpy.troposphericDelay.operaDir",
}


def make_troposphere(job: Job) -> Made:
    """Compute the delay of every date of the series, or of those that have weather if the frame's policy is partial."""
    chosen = method(job.template)
    if chosen == "pyaps":
        return _pyaps(job)
    # before MintPy leaves out a date or stops at a file
    digests = _delay_digests(job)
    workfolder.link_inputs(job)
    workfolder.write_template(job)
    compute = _gacos if chosen == "gacos" else _opera
    workfolder.run(job, lambda: compute(_folder(job)))
    return _made(job, facts={"delay_files": digests} if digests else {})


def _pyaps(job: Job) -> Made:
    dates = _dates_with_weather(job)
    gribs = dict(zip(dates, verified_gribs(job, dates), strict=True))
    workfolder.link_inputs(job)
    held = era5_delays(job, gribs)
    # other frames share the folder: what was read is what era5 vouched for only if it is so still
    verified_gribs(job, dates)
    reused = len(held.dates)
    return _made(
        job,
        metrics={"dates_computed": len(dates) - reused, "dates_reused": reused},
        facts={"delay_made_with": made_with()},
    )


def _dates_with_weather(job: Job) -> list[str]:
    """Dates of the series whose delay can be computed.

    Raises
    ------
    InputError
        `era5-incomplete`, unless the frame is content with a series of the other dates.
    """
    facts = job.facts()
    missing = {date: text for date, text in facts.get("dates_without_weather", {}).items() if date in facts["dates"]}
    left = [date for date in facts["dates"] if date not in missing]
    partial = job.frame.config.missing_weather == "partial"
    if missing and (not partial or len(left) < LEAST_DATES):
        listed = "; ".join([f"{date}: {text}" for date, text in missing.items()][:8])
        raise InputError(
            "era5-incomplete",
            f"{len(missing)} of {len(facts['dates'])} dates have no ERA5 weather yet ({listed}"
            f"{'; ...' if len(missing) > 8 else ''})",
            mend="wait: a series needs two dates with weather at least"
            if partial
            else "wait, or set missing_weather: partial in the frame's file",
            frame=job.frame.key,
        )
    if missing:
        job.run.tell(f"without weather and so without delay: {', '.join(missing)}")
    return left


def _gacos(folder: Path) -> object:
    from mintpy.tropo_gacos import calculate_delay_timeseries

    return calculate_delay_timeseries(DELAY_FILE["gacos"], "timeseries.h5", GEOMETRY, str(folder))


def _opera(folder: Path) -> object:
    from mintpy.tropo_opera import calculate_delay_timeseries

    return calculate_delay_timeseries(DELAY_FILE["opera"], "timeseries.h5", GEOMETRY, str(folder))


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


def _fault_of_delay(path: Path | None, area: Area) -> str | None:
    """Why the delay cannot be taken from a GACOS or OPERA file, or None."""
    if path is None:
        return "missing"
    if path.suffix == ".tif":
        return None if find_spec("osgeo") else "is read with GDAL (osgeo), which is not installed; use the binary .ztd"
    if path.suffix == ".nc":
        with h5py.File(path, "r") as h5:
            lat, lon = h5["latitude"][:], h5["longitude"][:]
        return fault_of_area((lat.min(), lat.max(), lon.min(), lon.max()), area)
    return _fault_of_ztd(path, area)


def _fault_of_ztd(path: Path, area: Area) -> str | None:
    from mintpy.utils import readfile

    rsc = path.with_name(f"{path.name}.rsc")
    if not rsc.is_file():
        return f"{rsc.name} is missing"
    try:
        head = readfile.read_roipac_rsc(str(rsc))
        rows, columns = int(head["LENGTH"]), int(head["WIDTH"])
        north, west, dy, dx = (float(head[key]) for key in ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP"))
    except (KeyError, IndexError, ValueError) as error:
        return f"{rsc.name} is incomplete ({error})"
    size = path.stat().st_size
    if size != 4 * rows * columns:
        return f"has {size} bytes, not {4 * rows * columns}"
    # from the first to the last pixel's centre
    first, last = (north + dy / 2, west + dx / 2), (north + (rows - 0.5) * dy, west + (columns - 0.5) * dx)
    return fault_of_area((last[0], first[0], first[1], last[1]), area)


def _state(job: Job) -> Mapping[str, str]:
    chosen = method(job.template)
    if chosen == "pyaps":
        return {"missing_weather": job.frame.config.missing_weather}
    return _delay_digests(job) if chosen in _FOLDER_OPTION else {}


def _delay_digests(job: Job) -> dict[str, str]:
    """Digests of the user's own delay files; MintPy would leave out a date without a word."""
    chosen = method(job.template)
    files, area = _user_delays(job), frame_area(job)
    faults = {date: fault for date, path in files.items() if (fault := _fault_of_delay(path, area))}
    if faults:
        listed = "; ".join([f"{date}: {fault}" for date, fault in faults.items()][:8])
        raise InputError(
            "delay-files-missing",
            f"{chosen}: {len(faults)} of {len(files)} dates have no usable file ({listed}"
            f"{'; ...' if len(faults) > 8 else ''})",
            mend=f"put them there, correct {_FOLDER_OPTION[chosen]}, or leave the dates out with "
            "mintpy.network.excludeDate",
            path=_folder(job),
            frame=job.frame.key,
        )
    parts = [part for path in files.values() if path for part in (path, path.with_name(f"{path.name}.rsc"))]
    return {part.name: job.digests.of(part).sha256 for part in parts if part.is_file()}


def _made(job: Job, *, metrics: Mapping[str, int] | None = None, facts: Mapping[str, object] | None = None) -> Made:
    name = DELAY_FILE[method(job.template)]
    with h5py.File(job.folder / name, "r") as h5:
        dates = [date.decode() for date in h5["date"][:]]
        images = (h5["timeseries"][number] for number in range(len(dates)))
        mean, spread = zip(*((float(np.nanmean(image)), float(np.nanstd(image))) for image in images), strict=True)
    return Made(
        outputs={name: job.folder / name},
        metrics={
            "dates": len(dates),
            **(metrics or {}),
            "delay_mean_m": round(float(np.mean(mean)), 4),
            "delay_spatial_std_mean_m": round(float(np.mean(spread)), 5),
        },
        facts={"troposphere": method(job.template), **(facts or {})},
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
