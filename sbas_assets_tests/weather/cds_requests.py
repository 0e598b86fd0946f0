"""What a request to the data store may say, and how the store says no."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sbas_assets_tests.weather.era5_fields import LEVELS, VARIABLES, Area

DATASET = "reanalysis-era5-pressure-levels"
NAMES = {"geopotential": "z", "temperature": "t", "specific_humidity": "q"}
REQUIRED = ("product_type", "variable", "time", "pressure_level", "data_format", "area")
LICENCE_PAGE = f"https://cds.climate.copernicus.eu/datasets/{DATASET}?tab=download#manage-licences"


class RefusedError(Exception):
    """An answer of 400 and more, in the words of the real service."""

    def __init__(self, status: int, title: str, detail: str = "", traceback: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.content = {"type": title, "title": title, "status": status}
        # as in the real answers, what there is nothing to say about is left out
        self.content |= {key: text for key, text in (("detail", detail), ("traceback", traceback)) if text}


def unauthorised() -> RefusedError:
    return RefusedError(401, "Authentication failed", "operation not allowed")


def licence_missing() -> RefusedError:
    detail = (
        "Not all the required licences have been accepted; "
        f"please visit {LICENCE_PAGE} to accept the required licence(s)."
    )
    return RefusedError(403, "required licences not accepted", detail)


def invalid(detail: str) -> RefusedError:
    return RefusedError(400, "invalid request", detail)


@dataclass(frozen=True)
class Request:
    """The fields asked for, in the order in which the store delivers them."""

    dates: tuple[str, ...]  # YYYYMMDD
    hours: tuple[int, ...]
    area: Area
    levels: tuple[int, ...]
    variables: tuple[str, ...]

    @classmethod
    def parse(cls, inputs: dict[str, Any], *, date_lists: bool) -> Request:
        """The request of a POST's ``inputs``; without ``date_lists``, ``date`` is refused."""
        if missing := [key for key in REQUIRED if key not in inputs]:
            raise invalid(f"Missing: {', '.join(missing)}")
        if _listed(inputs["product_type"]) != ["reanalysis"] or _listed(inputs["data_format"]) != ["grib"]:
            raise invalid("Only product_type reanalysis and data_format grib are served.")
        try:
            variables = {NAMES[name] for name in _listed(inputs["variable"])}
            levels = {int(level) for level in _listed(inputs["pressure_level"])}
            hours = {dt.time.fromisoformat(time).hour for time in _listed(inputs["time"])}
            dates = _dates(inputs, date_lists)
            north, west, south, east = (float(edge) for edge in inputs["area"])
        except (KeyError, TypeError, ValueError) as error:
            raise invalid(f"Request has not produced a valid combination of values: {error}") from error
        if not (dates and hours and variables and levels and levels <= set(LEVELS) and north >= south):
            raise invalid("Request has not produced a valid combination of values, please check your selection.")
        return cls(
            tuple(sorted(dates)),
            tuple(sorted(hours)),
            (north, west, south, east),
            tuple(sorted(levels)),
            tuple(name for name in VARIABLES if name in variables),
        )


def _listed(value: Any) -> list[str]:
    """The service takes one value as well as a list of them, and numbers as well as text."""
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def _dates(inputs: dict[str, Any], date_lists: bool) -> set[str]:
    parts = [key for key in ("year", "month", "day") if key in inputs]
    if "date" in inputs:
        if parts or not date_lists:
            raise ValueError("date")
        return {day.strftime("%Y%m%d") for each in _listed(inputs["date"]) for day in _days(each)}
    years, months, days = (map(int, _listed(inputs[key])) for key in ("year", "month", "day"))
    months, days = list(months), list(days)
    # the store takes the product of the three lists, and leaves out what no calendar has (30 February)
    return {f"{y:04d}{m:02d}{d:02d}" for y in years for m in months for d in days if _exists(y, m, d)}


def _days(text: str) -> list[dt.date]:
    """The days of "2022-01-01", or of "2022-01-01/2022-01-05"."""
    first, _, last = text.partition("/")
    start = dt.date.fromisoformat(first)
    end = dt.date.fromisoformat(last) if last else start
    return [start + dt.timedelta(days) for days in range((end - start).days + 1)]


def _exists(year: int, month: int, day: int) -> bool:
    try:
        dt.date(year, month, day)
    except ValueError:
        return False
    return True
