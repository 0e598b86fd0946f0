"""Which weather files a frame needs, by MintPy's and PyAPS's own rules, and whether they are what their names say.

Nothing is downloaded here: a file that is not there is named, never skipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.step import Job, Made, Step

ERA5_LEVELS = 37
ERA5_VARIABLES = ("z", "t", "q")
_MOMENT = re.compile(r"\d{8}_\d{2}(?=\.grb$)")

Area = tuple[float, float, float, float]
"""South, north, west, east (degrees)."""


def method(template: Template) -> str:
    """`mintpy.troposphericDelay.method` of a frame."""
    return template.raw["mintpy.troposphericDelay.method"]


def weather_dir(job: Job) -> Path:
    """Folder that holds `ERA5/`: the template's, else the platform's, which all frames share."""
    given = job.template.raw["mintpy.troposphericDelay.weatherDir"]
    # an empty WEATHER_DIR leaves auto, one that is not set leaves its name
    return job.frame.settings.weather if given == "auto" or "$" in given else job.workspace.root / given


def grib_files(job: Job, dates: Sequence[str]) -> list[Path]:
    """Paths of the GRIB files for `dates`, present or not.

    Source: `mintpy.tropo_pyaps3.get_grib_info`: PyAPS's names, the area rounded outwards to 10 degrees, the full
    hour nearest to CENTER_LINE_UTC, and files of a larger area where more of those are present. MintPy deletes files
    that are much smaller than most as it looks, and makes the folder: it is shown a folder of links.
    """
    from mintpy.tropo_pyaps3 import closest_weather_model_hour, get_grib_info
    from mintpy.utils import readfile

    geometry = str(job.workspace.root / GEOMETRY)
    hour = closest_weather_model_hour(readfile.read_attribute(geometry)["CENTER_LINE_UTC"], grib_source="ERA5")
    folder = weather_dir(job) / "ERA5"
    with TemporaryDirectory(dir=job.folder) as shown:
        _link_gribs(folder, Path(shown) / "ERA5", {f"{date}_{hour}" for date in dates})
        wanted = SimpleNamespace(
            dis_file=None,
            geom_file=geometry,
            weather_dir=shown,
            tropo_model="ERA5",
            date_list=list(dates),
            hour=hour,
        )
        names = workfolder.run(job, lambda: get_grib_info(wanted).grib_files)
    return [folder / Path(name).name for name in names]


def _link_gribs(folder: Path, place: Path, moments: set[str]) -> None:
    place.mkdir()
    for path in folder.glob("*.grb"):
        match = _MOMENT.search(path.name)
        if match and match.group() in moments and path.is_file():
            (place / path.name).symlink_to(path.absolute())


def frame_area(job: Job) -> Area:
    """South, north, west and east of the frame's pixels (degrees)."""
    from mintpy.tropo_pyaps3 import get_bounding_box
    from mintpy.utils import readfile

    geometry = str(job.workspace.root / GEOMETRY)
    lat0, lat1, lon0, lon1 = get_bounding_box(readfile.read_attribute(geometry), geom_file=geometry)
    return min(lat0, lat1), max(lat0, lat1), min(lon0, lon1), max(lon0, lon1)


def fault_of_area(grid: Area, area: Area) -> str | None:
    """Why a weather file's grid is no good for an area, or None: outside of it the delay would be zero."""
    if grid[0] <= area[0] and grid[1] >= area[1] and grid[2] <= area[2] and grid[3] >= area[3]:
        return None
    south, north, west, east = (f"{value:.2f}" for value in grid)
    return f"covers latitude {south} to {north} and longitude {west} to {east}, which the frame exceeds"


def fault_of_grib(path: Path, area: Area) -> str | None:
    """Why a file is not the ERA5 GRIB that its name promises, or None.

    Parameters
    ----------
    path : Path
        Named by PyAPS: `ERA5_<area>_YYYYMMDD_HH.grb`.
    area : tuple of float
        What its grid must cover.
    """
    import pygrib

    if not path.is_file():
        return "missing"
    try:
        with pygrib.open(str(path)) as grib:
            messages = [(m.shortName, int(m.level), m.validDate.strftime("%Y%m%d_%H")) for m in grib]
            grib.seek(0)
            grids = [message.latlons() for message in (grib.read(1) if messages else ())]
    except (OSError, RuntimeError, ValueError) as error:
        return f"cannot be read as GRIB: {error}"
    match, moments = _MOMENT.search(path.name), {moment for _, _, moment in messages}
    if match is None or moments != {match.group()}:
        return f"holds {', '.join(sorted(moments)) or 'nothing'}"
    lat, lon = grids[0]
    grid = (float(lat.min()), float(lat.max()), float(lon.min()), float(lon.max()))
    return _fault_of_levels([(name, level) for name, level, _ in messages]) or fault_of_area(grid, area)


def _fault_of_levels(messages: Sequence[tuple[str, int]]) -> str | None:
    """What PyAPS takes for granted: it reads the messages by their place in the file."""
    levels = {name: {level for n, level in messages if n == name} for name in ERA5_VARIABLES}
    short = {name: len(found) for name, found in levels.items() if len(found) < ERA5_LEVELS}
    if short:
        return "; ".join(f"{name}: {count} of {ERA5_LEVELS} levels" for name, count in sorted(short.items()))
    order = [(name, level) for level in sorted(levels["z"]) for name in ERA5_VARIABLES]
    return None if list(messages) == order else "holds its fields in another order than PyAPS reads them"


def make_era5(job: Job) -> Made:
    """Vouch for one readable GRIB file per acquisition date."""
    files, area = grib_files(job, job.facts()["dates_loaded"]), frame_area(job)
    faults = {path: fault for path in files if (fault := fault_of_grib(path, area))}
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


def verified_gribs(job: Job, dates: Sequence[str]) -> list[Path]:
    """The files of `dates` that the asset era5 vouched for, if they are still the same."""
    known: dict[str, str] = job.facts()["era5_files"]
    of_date = {name.split("_")[-2]: name for name in known}
    files = [weather_dir(job) / "ERA5" / of_date[date] for date in dates]
    other = [path for path in files if not path.is_file() or job.digests.of(path).sha256 != known[path.name]]
    if other:
        raise InputError(
            "era5-missing",
            f"{', '.join(path.name for path in other[:5])}: gone or replaced since era5 was made",
            mend="materialize era5 first",
            path=other[0].parent,
            frame=job.frame.key,
        )
    return files


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
