"""Which weather files a frame needs, by MintPy's and PyAPS's own rules, and whether they are what their names say.

Nothing is downloaded here: a file that is not there is named, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.step import Job, Made, Step

ERA5_LEVELS = 37
ERA5_VARIABLES = frozenset({"z", "t", "q"})


def method(template: Template) -> str:
    """`mintpy.troposphericDelay.method` of a frame."""
    return template.raw["mintpy.troposphericDelay.method"]


def weather_dir(job: Job) -> Path:
    """Folder that holds `ERA5/`: the template's, else the platform's, which all frames share."""
    given = job.template.raw["mintpy.troposphericDelay.weatherDir"]
    return job.frame.settings.weather if "$" in given else job.workspace.root / given


def grib_files(job: Job, dates: Sequence[str]) -> list[Path]:
    """Paths of the GRIB files for `dates`, present or not.

    Source: `mintpy.tropo_pyaps3.get_grib_info`: PyAPS's names, the area rounded outwards to 10 degrees, the full
    hour nearest to CENTER_LINE_UTC, and files of a larger area where more of those are present.
    """
    from mintpy.tropo_pyaps3 import closest_weather_model_hour, get_grib_info
    from mintpy.utils import readfile

    geometry = str(job.workspace.root / GEOMETRY)
    hour = closest_weather_model_hour(readfile.read_attribute(geometry)["CENTER_LINE_UTC"], grib_source="ERA5")
    wanted = SimpleNamespace(
        dis_file=None,
        geom_file=geometry,
        weather_dir=str(weather_dir(job)),
        tropo_model="ERA5",
        date_list=list(dates),
        hour=hour,
    )
    names = workfolder.run(job, lambda: get_grib_info(wanted).grib_files)
    return [Path(name) for name in names]


def fault_of_grib(path: Path) -> str | None:
    """Why a file is not the ERA5 GRIB that its name promises, or None.

    Parameters
    ----------
    path : Path
        Named by PyAPS: `ERA5_<area>_YYYYMMDD_HH.grb`.
    """
    import pygrib

    if not path.is_file():
        return "missing"
    try:
        with pygrib.open(str(path)) as grib:
            messages = [(m.shortName, int(m.level), m.validDate.strftime("%Y%m%d_%H")) for m in grib]
    except (OSError, RuntimeError, ValueError) as error:
        return f"cannot be read as GRIB: {error}"
    match = re.search(r"\d{8}_\d{2}(?=\.grb$)", path.name)
    moments = {moment for _, _, moment in messages}
    if match is None or moments != {match.group()}:
        return f"holds {', '.join(sorted(moments)) or 'nothing'}"
    levels = {name: {level for n, level, _ in messages if n == name} for name in ERA5_VARIABLES}
    short = {name: len(found) for name, found in levels.items() if len(found) < ERA5_LEVELS}
    return "; ".join(f"{name}: {count} of {ERA5_LEVELS} levels" for name, count in sorted(short.items())) or None


def make_era5(job: Job) -> Made:
    """Vouch for one readable GRIB file per acquisition date."""
    files = grib_files(job, job.facts()["dates_loaded"])
    faults = {path: fault for path in files if (fault := fault_of_grib(path))}
    if faults:
        listed = "; ".join([*(f"{path.name}: {fault}" for path, fault in faults.items())][:5])
        more = ", ..." if len(faults) > 5 else ""
        raise InputError(
            "era5-missing",
            f"{len(faults)} of {len(files)} ERA5 files are missing or wrong ({listed}{more})",
            mend="put them there (PyAPS downloads the same files), or set mintpy.troposphericDelay.method to "
            "height_correlation or no",
            path=files[0].parent,
            frame=job.frame.key,
        )
    digests = {path.name: job.digests.of(path).sha256 for path in files}
    size = sum(path.stat().st_size for path in files)
    return Made(
        metrics={"grib_files": len(files), "size_MB": round(size / 1e6, 2)},
        facts={"era5_files": digests},
    )


def _era5_off(template: Template) -> str | None:
    chosen = method(template)
    return None if chosen == "pyaps" else f"mintpy.troposphericDelay.method = {chosen} needs no ERA5"


def _era5_state(job: Job) -> dict[str, str]:
    if method(job.template) != "pyaps":
        return {}
    files = grib_files(job, job.facts()["dates_loaded"])
    return {path.name: job.digests.of(path).sha256 if path.is_file() else "missing" for path in files}


ERA5 = Step(
    name="era5",
    upstream=("ifgramStack", "geometryRadar"),
    options=("mintpy.troposphericDelay.method", "mintpy.troposphericDelay.weatherModel"),
    make=make_era5,
    off=_era5_off,
    state=_era5_state,
)
