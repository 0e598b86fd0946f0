"""What the steps of the troposphere share: the method, where weather files are, and whether they cover a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.step import Frame, Job
from sbas_assets.weather.gribs import BadGribError, require_cover
from sbas_assets.weather.tiles import Area


def method(template: Template) -> str:
    """`mintpy.troposphericDelay.method` of a frame."""
    return template.raw["mintpy.troposphericDelay.method"]


def weather_dir(of: Frame | Job) -> Path:
    """Folder that holds `ERA5/`: the template's, else the platform's, which all frames share."""
    frame = of.frame if isinstance(of, Job) else of
    given = frame.template.raw["mintpy.troposphericDelay.weatherDir"]
    # an empty WEATHER_DIR leaves auto, one that is not set leaves its name
    return frame.settings.weather if given == "auto" or "$" in given else frame.workspace.root / given


def frame_area(job: Job) -> Area:
    """Where the pixels are that were loaded."""
    from mintpy.tropo_pyaps3 import get_bounding_box
    from mintpy.utils import readfile

    geometry = str(job.workspace.root / GEOMETRY)
    lat0, lat1, lon0, lon1 = get_bounding_box(readfile.read_attribute(geometry), geom_file=geometry)
    return Area(min(lat0, lat1), max(lat0, lat1), min(lon0, lon1), max(lon0, lon1))


def fault_of_area(grid: Sequence[float], area: Area) -> str | None:
    """Why a weather file's grid is no good for an area, or None: outside of it the delay would be zero."""
    try:
        require_cover(Area(*grid), area)
    except BadGribError as error:
        return str(error)
    return None


def verified_gribs(job: Job, dates: Sequence[str]) -> list[Path]:
    """The files of `dates` that the asset era5 vouched for, if they are still the same."""
    known: dict[str, str] = job.facts()["era5_files"]
    of_date = by_date(known)
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


def by_date(names: Iterable[str]) -> dict[str, str]:
    """Names of ERA5 files by their date."""
    return {name.split("_")[-2]: name for name in names}
