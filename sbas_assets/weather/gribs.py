"""What is in a GRIB file of ERA5, and whether it is what PyAPS takes for granted.

Belongs here: opening, judging and dividing files. Does not belong here: where they lie (`library`), where they come
from (`service`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sbas_assets.weather.tiles import Area

LEVELS = (
    *(1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450, 500, 550, 600, 650),
    *(700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000),
)
"""Pressure levels that PyAPS asks for (hPa)."""
VARIABLES = ("z", "t", "q")
"""Geopotential (m2/s2), temperature (K) and specific humidity (kg/kg), in the order in which PyAPS reads them."""
FIELDS_PER_DATE = len(LEVELS) * len(VARIABLES)

Release = Literal["final", "preliminary", "unknown"]
# what says which points a message is about
_GRID = (
    *("Ni", "Nj", "latitudeOfFirstGridPoint", "latitudeOfLastGridPoint"),
    *("longitudeOfFirstGridPoint", "longitudeOfLastGridPoint"),
)
_RELEASES: dict[str, Release] = {"0001": "final", "0005": "preliminary"}


class BadGribError(Exception):
    """A file is not what it should be; the text says why."""


@dataclass(frozen=True)
class Field:
    """One message of a file.

    Parameters
    ----------
    variable, level : str, int
        `shortName`, and the pressure level (hPa).
    moment : str
        `YYYYMMDD_HH`, UTC.
    area : Area
        Of its grid.
    release : str
        Final data, ERA5T, or not said.
    content : bytes
        The message as it is in the file.
    """

    variable: str
    level: int
    moment: str
    area: Area
    release: Release
    content: bytes

    @property
    def place(self) -> tuple[int, int]:
        """Where PyAPS expects it in the file; it reads messages by their number."""
        return LEVELS.index(self.level), VARIABLES.index(self.variable)


def read_fields(path: Path) -> list[Field]:
    """Read all messages of a file.

    Raises
    ------
    BadGribError
        When it is no GRIB file, ends early, or holds something else besides.
    """
    import pygrib

    areas: dict[tuple[Any, ...], Area] = {}
    try:
        with pygrib.open(str(path)) as grib:
            fields = [_field(message, areas) for message in grib]
    except (OSError, RuntimeError, ValueError) as error:
        raise BadGribError(f"cannot be read as GRIB ({error})") from error
    if not fields:
        raise BadGribError("holds no GRIB message")
    _require_nothing_else(path, fields)
    return fields


def _field(message: Any, areas: dict[tuple[Any, ...], Area]) -> Field:
    grid = tuple(message[key] for key in _GRID)
    if grid not in areas:
        areas[grid] = _area(message)
    return Field(
        variable=message.shortName,
        level=int(message.level),
        moment=message.validDate.strftime("%Y%m%d_%H"),
        area=areas[grid],
        release=_RELEASES.get(str(message["expver"]), "unknown") if message.has_key("expver") else "unknown",
        content=message.tostring(),
    )


def _require_nothing_else(path: Path, fields: Sequence[Field]) -> None:
    """Raise BadGribError when there are bytes besides the messages: the rest of a cut one, a damaged one.

    The archive fills its messages up with zeros.
    """
    content, end, other = path.read_bytes(), 0, b""
    for field in fields:
        start = content.index(field.content, end)
        other += content[end:start].strip(b"\0")
        end = start + len(field.content)
    other += content[end:].strip(b"\0")
    if other:
        raise BadGribError(f"is truncated or damaged: has more than its {len(fields)} whole messages")


def _area(message: Any) -> Area:
    lat, lon = message.latlons()
    lon = np.where(lon > 180, lon - 360, lon)
    return Area(float(lat.min()), float(lat.max()), float(lon.min()), float(lon.max()))


def judge(fields: Sequence[Field], moment: str, area: Area) -> tuple[Area, Release]:
    """Say that the fields are one date's, complete, in PyAPS's order, and cover an area.

    Parameters
    ----------
    fields : sequence of Field
        In the order of the file.
    moment : str
        `YYYYMMDD_HH`.
    area : Area
        What the grid must cover: PyAPS would give pixels outside of it a delay of zero.

    Returns
    -------
    area : Area
        Of the grid.
    release : str
        Preliminary if any of the fields is.

    Raises
    ------
    BadGribError
    """
    moments = {field.moment for field in fields}
    if moments != {moment}:
        raise BadGribError(f"holds {', '.join(sorted(moments)) or 'nothing'}, not {moment}")
    _require_all(fields)
    if list(fields) != in_order(fields):
        raise BadGribError("holds its fields in another order than PyAPS reads them")
    areas = {field.area for field in fields}
    if len(areas) != 1:
        raise BadGribError("holds fields of several areas")
    grid = areas.pop()
    require_cover(grid, area)
    releases = {field.release for field in fields}
    release: Release = "preliminary" if "preliminary" in releases else releases.pop()
    return grid, release


def require_cover(grid: Area, area: Area) -> None:
    """Raise BadGribError when a grid does not cover an area."""
    if not grid.covers(area):
        south, north, west, east = (f"{value:.2f}" for value in grid)
        raise BadGribError(
            f"covers latitude {south} to {north} and longitude {west} to {east}, which the frame exceeds"
        )


def _require_all(fields: Sequence[Field]) -> None:
    found = defaultdict(list)
    for field in fields:
        found[field.variable].append(field.level)
    other = sorted(found.keys() - set(VARIABLES))
    if other:
        raise BadGribError(f"holds {', '.join(other)} besides {', '.join(VARIABLES)}")
    short = {name: len(set(LEVELS) & set(found[name])) for name in VARIABLES}
    if set(short.values()) != {len(LEVELS)}:
        raise BadGribError("; ".join(f"{name}: {n} of {len(LEVELS)} levels" for name, n in sorted(short.items())))
    if len(fields) != FIELDS_PER_DATE:
        raise BadGribError(f"holds {len(fields)} fields, not {FIELDS_PER_DATE}")


def in_order(fields: Iterable[Field]) -> list[Field]:
    """Sort complete fields as PyAPS reads them."""
    return sorted(fields, key=lambda field: field.place)


def by_date(fields: Iterable[Field]) -> dict[str, list[Field]]:
    """Divide the fields of several dates; `YYYYMMDD` to fields in PyAPS's order, what PyAPS does not read left out."""
    found = defaultdict(list)
    for field in fields:
        if field.variable in VARIABLES and field.level in LEVELS:
            found[field.moment[:8]].append(field)
    return {date: in_order(of_date) for date, of_date in sorted(found.items())}
