"""What the tests of `era5` look at: the folder of files, and whether each is what its name says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sbas_assets.weather.gribs import judge, read_fields
from sbas_assets.weather.tiles import Area, parse_name
from sbas_assets_tests.mintpy.weather_files import NAMED, FrameWithAttributes

AREA = Area(18.9, 19.5, -155.8, -155.0)
"""Inside the tests' stacks."""
ERA5 = 'key:"era5"'


def weather_folder(frame: FrameWithAttributes) -> Path:
    return frame.root / "weather" / "ERA5"


def good_dates(folder: Path) -> list[str]:
    """Dates of the files under final names; each must be whole and right, and have a record that describes it."""
    dates = []
    for path in sorted(folder.glob("*.grb")):
        tile, date = parse_name(path.name) or (None, "")
        assert tile is not None, path
        judge(read_fields(path), f"{date}_{tile.hour:02d}", AREA)
        dates.append(date)
    return dates


def record_of(folder: Path, date: str) -> dict[str, Any]:
    """The record beside a date's file."""
    return dict(json.loads((folder / f"{NAMED.format(date)}.json").read_text()))


def step_record(frame: FrameWithAttributes, asset: str = "era5") -> dict[str, Any]:
    """An asset's own record."""
    return dict(json.loads(frame.workspace.record(asset).read_text()))


def set_aside(folder: Path) -> dict[str, str]:
    """Names of the files that were set aside, with their reasons."""
    return {path.name: path.with_name(f"{path.name}.txt").read_text() for path in _aside(folder)}


def _aside(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "set_aside").glob("*") if path.suffix != ".txt")
