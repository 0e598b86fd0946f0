"""Step `era5`: a verified ERA5 file for each date of the stack.

It needs of the stack no more than its dates, its hour and where its pixels are, so it may run before anything else is
loaded. How files are judged and fetched is in `sbas_assets.weather`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sbas_assets.errors import SbasError, WaitingError
from sbas_assets.mintpy.loading import stack_layout
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.weather import method, weather_dir
from sbas_assets.provenance import Record, read_record
from sbas_assets.step import Job, Made, Step
from sbas_assets.survey import STACK_ASSET
from sbas_assets.topsstack.extent import pixel_extent
from sbas_assets.topsstack.metadata import tops_metadata
from sbas_assets.topsstack.tree import scan
from sbas_assets.weather import release
from sbas_assets.weather.fetching import fetch
from sbas_assets.weather.gribs import BadGribError
from sbas_assets.weather.library import GribRecord, Library
from sbas_assets.weather.limits import Limits
from sbas_assets.weather.receiving import Wanted
from sbas_assets.weather.tiles import Area, Tile, candidates, files_by_date
from sbas_assets.workspace import atomic_write

_MISSING = "missing"
_LOOK_AGAIN_S = 10.0


@dataclass(frozen=True)
class _Need:
    """What a frame needs, and where it is kept."""

    library: Library
    tile: Tile
    area: Area
    dates: tuple[str, ...]
    told: Mapping[str, datetime]
    """Dates that the service did not have, and when it is to be asked again."""

    def look(self) -> tuple[dict[str, GribRecord], dict[str, str]]:
        """Return the verified file of each date, and what is wrong with those that have none."""
        names = files_by_date(self.library.folder)
        found: dict[str, GribRecord] = {}
        wrong: dict[str, str] = {}
        for date in self.dates:
            for name in candidates(self.tile, names.get(date, ()), date):
                try:
                    found[date] = self.library.verified(name, self.area)
                    break
                except BadGribError as error:
                    wrong.setdefault(date, str(error))
        return found, {date: reason for date, reason in wrong.items() if date not in found}

    def wanted(self) -> Wanted:
        """Return what can be fetched now."""
        found, wrong = self.look()
        dates: dict[str, str | None] = {
            date: reason for date, reason in wrong.items() if reason != _MISSING or self.expected(date) <= release.now()
        }
        today = release.now().date()
        for date, record in found.items():
            if record.release == "preliminary" and record.asked != today and release.final_expected(date) <= today:
                # of a larger file the frame gets one of its own
                dates[date] = None if record.file == self.tile.file(date) else _MISSING
        return Wanted(self.tile, self.area, dates)

    def expected(self, date: str) -> datetime:
        """When ERA5 is expected to have a date."""
        return self.told.get(date) or release.expected(date, self.tile.hour)


def _need(job: Job) -> _Need:
    old = read_record(job.workspace, job.step.name)
    told = {} if old is None else old.facts.get("dates_without_weather", {})
    area = _stack_area(job)
    return _Need(
        library=Library(weather_dir(job) / "ERA5", job.digests),
        tile=Tile.around(area, _center_line_utc(job)),
        area=area,
        dates=tuple(job.facts()["dates_loaded"]),
        told={date: release.parse_until(text) for date, text in told.items()},
    )


def _center_line_utc(job: Job) -> float:
    """Seconds of the day at the scene's centre, as MintPy's files will have them."""
    given = job.frame.config.attributes.get("CENTER_LINE_UTC")
    if given is not None:
        return float(given)
    return float(tops_metadata(scan(stack_layout(job.frame)).references[0])["CENTER_LINE_UTC"])


def _stack_area(job: Job) -> Area:
    """Return the bounds of the stack's pixels; its images are read once for each version of the geometry."""
    geometry, kept = job.inputs[STACK_ASSET].parts["geometry"], job.workspace.hidden / "extent.json"
    if kept.is_file():
        known = json.loads(kept.read_bytes())
        if known["geometry"] == geometry:
            return Area(*known["area"])
    images = scan(stack_layout(job.frame)).geometry
    area = Area(*pixel_extent(images["latitude"], images["longitude"]))
    atomic_write(kept, json.dumps({"geometry": geometry, "area": area}))
    return area


def make_era5(job: Job) -> Made:
    """Vouch for a file for each date, and fetch what is not there."""
    need = _need(job)
    not_yet, remark = _fetch(job, need)
    found, wrong = need.look()
    missing = {date: release.until(not_yet.get(date) or need.expected(date)) for date in wrong}
    preliminary = sorted(date for date, record in found.items() if record.release == "preliminary")
    metrics: dict[str, Any] = {
        "grib_files": len(found),
        "dates_missing": len(missing),
        "next_expected": min(missing.values(), default=None),
        "preliminary_files": len(preliminary),
        "final_data_not_asked_for": remark,
        "files_of": need.tile.name,
        "size_MB": round(sum(record.size for record in found.values()) / 1e6, 2),
    }
    return Made(
        metrics={name: value for name, value in metrics.items() if value is not None},
        facts={
            "era5_files": {record.file: record.sha256 for record in found.values()},
            "era5_preliminary": preliminary,
            "dates_without_weather": missing,
        },
    )


def _fetch(job: Job, need: _Need) -> tuple[dict[str, datetime], str | None]:
    """Fetch what can be had.

    Returns
    -------
    dict
        Dates that ERA5 does not have yet.
    str or None
        Why final data could not be asked for, where preliminary ones do for the present.
    """
    try:
        return _fetched(job, need), None
    except SbasError as error:
        (_, wrong), wanted = need.look(), need.wanted().dates
        due = {date: reason for date, reason in wrong.items() if date in wanted}
        if not due:
            job.run.tell(f"ERA5: final data were not asked for: {error.message}")
            return {}, error.message
        raise _with_files(job, need, due, error) from error


def _fetched(job: Job, need: _Need) -> dict[str, datetime]:
    """Fetch, or raise WaitingError where the run has something better to do than to wait."""
    name = job.step.name
    fetching = job.run.kept.pop(name, None) or fetch(need.library, need.wanted, Limits.from_env(), job.run.tell)
    while True:
        try:
            pause = next(fetching)
        except StopIteration as done:
            return dict(done.value)
        if job.run.others():
            job.run.kept[name] = fetching
            raise WaitingError(pause.text, _LOOK_AGAIN_S)
        time.sleep(pause.seconds)


def _with_files(job: Job, need: _Need, due: Mapping[str, str], error: SbasError) -> SbasError:
    """Name the files that are not there in an error that comes from fetching them."""
    listed = "; ".join(f"{need.tile.file(date)}: {reason}" for date, reason in [*due.items()][:5])
    otherwise = "or put the files there, or set mintpy.troposphericDelay.method to height_correlation or no"
    return type(error)(
        error.code,
        f"{len(due)} of {len(need.dates)} ERA5 files are missing or wrong "
        f"({listed}{'; ...' if len(due) > 5 else ''}), and {error.message}",
        mend=f"{error.mend}; {otherwise}",
        path=need.library.folder,
        frame=job.frame.key,
    )


def _off(template: Template) -> str | None:
    chosen = method(template)
    return None if chosen == "pyaps" else f"mintpy.troposphericDelay.method = {chosen} needs no ERA5"


def _state(job: Job) -> dict[str, str]:
    """Which files there are, and what is in them; a date without one is named."""
    if method(job.template) != "pyaps":
        return {}
    need = _need(job)
    names = files_by_date(need.library.folder)
    state = {"area": json.dumps(need.area)}
    for date in need.dates:
        there = names.get(date, ())
        name = next((name for name in candidates(need.tile, there, date) if name in there), None)
        state[name or need.tile.file(date)] = (
            _MISSING if name is None else job.digests.of(need.library.folder / name).sha256
        )
    return state


def _due(job: Job, _: Record) -> list[str]:
    """Say that the service has to be asked, though all is as it was."""
    if method(job.template) != "pyaps":
        return []
    dates = sorted(_need(job).wanted().dates)
    return [f"ERA5 may have new data of {', '.join(dates[:5])}{', ...' if len(dates) > 5 else ''}"] if dates else []


ERA5 = Step(
    name="era5",
    upstream=(STACK_ASSET,),
    parts={STACK_ASSET: "dates"},
    options=("mintpy.troposphericDelay.method", "mintpy.troposphericDelay.weatherModel"),
    code_version="2",
    make=make_era5,
    off=_off,
    state=_state,
    settles=True,
    damaged=_due,
)
