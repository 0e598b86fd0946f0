"""From the result of a request to files of the library: divided by date, checked, placed, or told what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sbas_assets.weather import release
from sbas_assets.weather.gribs import BadGribError, Field, by_date, read_fields
from sbas_assets.weather.library import Library
from sbas_assets.weather.tiles import Area, Tile


@dataclass(frozen=True)
class Wanted:
    """What to fetch.

    Parameters
    ----------
    tile : Tile
        Area and hour to ask for.
    area : Area
        What each file must cover.
    dates : mapping
        `YYYYMMDD` to what is wrong with the file that is there: "missing", or a reason to set it aside, or None for
        preliminary data that are good but may have final ones by now.
    """

    tile: Tile
    area: Area
    dates: Mapping[str, str | None]


class Receiver:
    """Takes results, and knows which dates are here by now and which ERA5 does not have yet."""

    def __init__(self, library: Library, wanted: Wanted) -> None:
        self.library, self.wanted = library, wanted
        self.here: set[str] = set()
        self.not_yet: dict[str, datetime] = {}

    def take(self, part: Path, dates: Sequence[str], request: str) -> dict[str, str]:
        """Divide a result into files; a bad one is set aside with its reason.

        Parameters
        ----------
        part : Path
            The result.
        dates : sequence of str
            What was asked for.
        request : str
            Its identifier.

        Returns
        -------
        dict
            Dates that have to be asked for again, and why.
        """
        try:
            found = by_date(read_fields(part))
        except BadGribError as error:
            faults = dict.fromkeys(dates, str(error))
        else:
            faults = {date: fault for date in dates if (fault := self._place(date, found.get(date), request))}
        if faults:
            reasons = "\n".join(f"{date}: {fault}" for date, fault in faults.items())
            self.library.set_aside(part, f"request {request}\n{reasons}")
        return faults

    def wait_for(self, dates: Sequence[str], latest: datetime) -> None:
        """Note that the service has nothing after `latest` (UTC)."""
        now = release.now()
        for date in dates:
            soonest = release.expected(date, self.wanted.tile.hour, lag=now - latest)
            # the service has just said that it does not have it
            self.not_yet[date] = max(soonest, now + timedelta(hours=1))

    def _place(self, date: str, fields: Sequence[Field] | None, request: str) -> str | None:
        """Put the fields of a date into the library; returns what is wrong with them."""
        if fields is None:
            return self._lacking(date)
        tile = self.wanted.tile
        path = self.library.folder / tile.file(date)
        fault = self.wanted.dates.get(date)
        if fault not in {None, "missing"} and path.exists():
            self.library.set_aside(path, str(fault))
        there = self.library.record(path.name) if path.exists() else None
        try:
            if there is None or (there.release == "preliminary" and all(f.release == "final" for f in fields)):
                self.library.accept(tile, date, fields, self.wanted.area, request)
            elif there.release == "preliminary":
                self.library.note_asked(there, release.now().date())
        except BadGribError as error:
            return str(error)
        self.here.add(date)
        return None

    def _lacking(self, date: str) -> str | None:
        """Return what is wrong when a date is not in the answer: the service leaves out the last days, silently."""
        hour, now = self.wanted.tile.hour, release.now()
        if release.moment_of(date, hour) < now - release.PATIENCE_WITH_SERVICE:
            return "is not in the answer"
        self.not_yet[date] = max(release.expected(date, hour), now + timedelta(days=1))
        return None
