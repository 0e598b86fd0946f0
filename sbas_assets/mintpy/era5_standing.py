"""How complete a frame's ERA5 files are, told from records alone: for the check, and for the daily schedule."""

from __future__ import annotations

from dataclasses import dataclass

from sbas_assets.digests import Digests
from sbas_assets.mintpy.era5 import ERA5
from sbas_assets.mintpy.weather import by_date, weather_dir
from sbas_assets.provenance import read_record
from sbas_assets.step import Frame
from sbas_assets.survey import STACK_ASSET
from sbas_assets.weather import release
from sbas_assets.weather.library import Library


@dataclass(frozen=True)
class Standing:
    """How complete a frame's ERA5 files are.

    Parameters
    ----------
    dates : tuple of str
        Those of the stack; none if the frame needs no ERA5.
    missing : dict
        Dates that ERA5 does not have yet, and when they are expected.
    faults : list of str
        Files that are not what the asset vouched for, or dates that it did not see.
    preliminary : list of str
        Dates whose data are not final.
    """

    dates: tuple[str, ...]
    missing: dict[str, str]
    faults: list[str]
    preliminary: list[str]


def standing(frame: Frame) -> Standing:
    """Compare what the asset vouched for with the stack's dates and with the files; FileNotFoundError if never made."""
    record, stack = (read_record(frame.workspace, name) for name in (ERA5.name, STACK_ASSET))
    if record is None or stack is None:
        raise FileNotFoundError(ERA5.name)
    if record.status == "passed-through":
        return Standing((), {}, [], [])
    folder, digests = weather_dir(frame) / "ERA5", Digests(frame.workspace.digests)
    files: dict[str, str] = record.facts["era5_files"]
    now = digests.try_all(folder / name for name in files)
    faults = [
        f"{name}: gone or replaced since era5 was made"
        for name, sha256 in files.items()
        if getattr(now[folder / name], "sha256", None) != sha256
    ]
    missing: dict[str, str] = record.facts["dates_without_weather"]
    dates = tuple(stack.facts["dates_loaded"])
    unseen = set(dates) - by_date(files).keys() - missing.keys()
    faults += [f"{date}: the stack has it, era5 has not seen it" for date in sorted(unseen)]
    return Standing(dates, missing, faults, record.facts["era5_preliminary"])


def news_expected(frame: Frame) -> list[str]:
    """Return the dates of which ERA5 may have data by now that the frame has not; nothing is asked of the service."""
    record = read_record(frame.workspace, ERA5.name)
    if record is None or record.status == "passed-through":
        return []
    now = release.now()
    late = [date for date, text in record.facts["dates_without_weather"].items() if release.parse_until(text) <= now]
    library, digests = Library(weather_dir(frame) / "ERA5", Digests()), record.facts["era5_files"]
    of_date = by_date(digests)
    for date in record.facts["era5_preliminary"]:
        known = library.record(of_date[date])
        asked = known is not None and known.asked == now.date()
        replaced = known is None or known.sha256 != digests[of_date[date]]
        if replaced or (release.final_expected(date) <= now.date() and not asked):
            late.append(date)
    return sorted(late)
