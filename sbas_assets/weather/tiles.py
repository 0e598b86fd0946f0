"""Which ERA5 files a frame needs: PyAPS's names, MintPy's area and hour.

Files are shared by all frames whose area and hour agree, so the area is rounded outwards to whole tens of degrees.
Nothing is opened here, and nothing is downloaded.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

BUFFER_DEG = 2
STEP_DEG = 10
GRID_DEG = 0.25
"""Spacing of ERA5's points (degrees)."""
_NAME = re.compile(r"ERA5_([NS]\d+)_([NS]\d+)_([EW]\d+)_([EW]\d+)_(\d{8})_(\d{2})\.grb")


class Area(NamedTuple):
    """South, north, west, east (degrees)."""

    south: float
    north: float
    west: float
    east: float

    def covers(self, other: Area) -> bool:
        """Whether no part of the other lies outside."""
        return (
            self.south <= other.south
            and self.north >= other.north
            and self.west <= other.west
            and self.east >= other.east
        )


@dataclass(frozen=True)
class Tile:
    """What a series of ERA5 files has in common: one area and one hour of the day, a file per date.

    Parameters
    ----------
    area : Area
        Whole degrees.
    hour : int
        UTC.
    """

    area: Area
    hour: int

    @classmethod
    def around(cls, area: Area, center_line_utc: float) -> Tile:
        """Return the tile of a frame.

        Parameters
        ----------
        area : Area
            Of the frame's pixels.
        center_line_utc : float
            `CENTER_LINE_UTC` (seconds of the day).

        Notes
        -----
        Source: MintPy `tropo_pyaps3.get_snwe` and `closest_weather_model_hour`: the last hour of the day is 23, so
        that an acquisition at 23:50 takes 23:00 of its own date.
        """
        # in single precision, as MintPy has latitudes and longitudes
        south, north, west, east = (np.float32(value) for value in area)
        down = [STEP_DEG * math.floor(math.floor(low - BUFFER_DEG) / STEP_DEG) for low in (south, west)]
        up = [STEP_DEG * math.ceil(math.ceil(high + BUFFER_DEG) / STEP_DEG) for high in (north, east)]
        hour = min(range(24), key=lambda hour: abs(hour - center_line_utc / 3600))
        return cls(Area(down[0], up[0], down[1], up[1]), hour)

    @property
    def name(self) -> str:
        """Area and hour as one word, for locks and messages."""
        return f"{self._stem}_{self.hour:02d}"

    @property
    def _stem(self) -> str:
        south, north = (f"{'S' if value < 0 else 'N'}{abs(value):.0f}" for value in self.area[:2])
        west, east = (f"{'W' if value < 0 else 'E'}{abs(value):.0f}" for value in self.area[2:])
        return f"ERA5_{south}_{north}_{west}_{east}"

    @property
    def points(self) -> int:
        """Grid points of a field."""
        south, north, west, east = self.area
        return round(((north - south) / GRID_DEG + 1) * ((east - west) / GRID_DEG + 1))

    def file(self, date: str) -> str:
        """Name of the file of a date, `YYYYMMDD`."""
        return f"{self._stem}_{date}_{self.hour:02d}.grb"


def parse_name(name: str) -> tuple[Tile, str] | None:
    """Return tile and date of a file's name, None if it is no ERA5 file with an area."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    *degrees, date, hour = match.groups()
    south, north, west, east = (float(text[1:]) * (-1 if text[0] in "SW" else 1) for text in degrees)
    return Tile(Area(south, north, west, east), int(hour)), date


def candidates(own: Tile, names: Iterable[str], date: str) -> list[str]:
    """Return the files that may serve a date: the frame's own name first, then larger areas, the smallest first.

    Parameters
    ----------
    own : Tile
        The frame's.
    names : iterable of str
        Files that are there.
    date : str
        `YYYYMMDD`.

    Notes
    -----
    MintPy (`tropo_pyaps3.get_grib_info`) decides for all dates at once between its own area and a larger one, by the
    number of files. The delays are the same: PyAPS reads the same points of either. Date by date, no file is fetched
    that a larger one makes needless, and the files of the other dates stay what they were.
    """
    parsed = filter(None, map(parse_name, names))
    larger = [tile for tile, day in parsed if day == date and tile.hour == own.hour and tile.area.covers(own.area)]
    return [own.file(date), *(t.file(date) for t in sorted(larger, key=lambda t: (t.points, t.name)) if t != own)]


def files_by_date(folder: Path) -> dict[str, list[str]]:
    """Names of the ERA5 files in a folder, which need not exist, by their date; sorted.

    The folder of many frames has some ten thousand files: a frame looks at those of its dates only.
    """
    found = defaultdict(list)
    for name in sorted(path.name for path in folder.glob("ERA5_*.grb")):
        # ERA5_<area>_YYYYMMDD_HH.grb
        found[name[-15:-7]].append(name)
    return found
