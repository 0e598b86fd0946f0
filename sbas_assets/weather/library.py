"""The folder of ERA5 files that all frames share: each file with a record of what was found in it.

A file without a record, or with another content than its record says, is read before it is believed. A file appears
under its final name whole and checked; one that is no good is moved away with its reason. What decides which files are
needed is `tiles`, how they are fetched is `fetching`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from datetime import date as calendar_day
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sbas_assets.digests import Digest, Digests
from sbas_assets.weather.gribs import BadGribError, Field, Release, judge, read_fields, require_cover
from sbas_assets.weather.tiles import Area, Tile, parse_name
from sbas_assets.workspace import atomic_write, move_into_place, sync_folder

_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


class GribRecord(BaseModel):
    """What is known of a file, in `<file>.json` beside it.

    `release` tells final data from ERA5T; `fetched` and `request` say when and by which request it came (unknown of a
    file that somebody put there); `asked` is the day on which final data were last asked for in vain.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    size: int
    sha256: str
    grid: Area
    release: Release
    fetched: str | None = None
    request: str | None = None
    asked: calendar_day | None = None

    def describes(self, digest: Digest) -> bool:
        """Whether it was made of a file of this digest."""
        return (self.size, self.sha256) == digest


class Library:
    """A folder of ERA5 files.

    Parameters
    ----------
    folder : Path
        `weather/ERA5`; need not exist.
    digests : Digests
        What is known of its files' content.
    """

    def __init__(self, folder: Path, digests: Digests) -> None:
        self.folder = folder
        self.digests = digests

    @property
    def hidden(self) -> Path:
        """Folder of what is on its way: requests, parts, locks."""
        return self.folder / ".requests"

    def verified(self, name: str, area: Area) -> GribRecord:
        """Return the record of a file that is what its name says and covers an area.

        Raises
        ------
        BadGribError
            With the reason; "missing" if there is no such file.
        """
        path = self.folder / name
        if not path.is_file():
            raise BadGribError("missing")
        digest = self.digests.of(path)
        record = self.record(name)
        if record is None or not record.describes(digest):
            grid, release = judge(read_fields(path), _moment(name), area)
            record = GribRecord(file=name, size=digest.size, sha256=digest.sha256, grid=grid, release=release)
            self._note_foreign(record)
        require_cover(record.grid, area)
        return record

    def record(self, name: str) -> GribRecord | None:
        """Return a file's record, None if it has none that can be read."""
        try:
            return GribRecord.model_validate_json(self._record_path(name).read_bytes())
        except (OSError, ValidationError):
            # vouches for nothing: the file is read again
            return None

    def accept(self, tile: Tile, date: str, fields: Sequence[Field], area: Area, request: str) -> GribRecord:
        """Write the fields of one date, check what was written, and give the file its name.

        Raises
        ------
        BadGribError
            When the fields are no good; nothing has changed then.
        """
        name = tile.file(date)
        moment = _moment(name)
        judge(fields, moment, area)
        beside = self.hidden / f"{name}.{os.getpid()}"
        beside.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(b"".join(field.content for field in fields))
            grid, release = judge(read_fields(beside), moment, area)
            digest = self.digests.of(beside)
            record = GribRecord(
                file=name,
                size=digest.size,
                sha256=digest.sha256,
                grid=grid,
                release=release,
                fetched=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                request=request,
            )
            # a record without its file vouches for nothing, a file without its record loses where it came from
            self._write(record)
            move_into_place(beside, self.folder / name)
        finally:
            beside.unlink(missing_ok=True)
        self.digests.moved(beside, self.folder / name)
        return record

    def has_all(self, tile: Tile, dates: Iterable[str]) -> bool:
        """Whether there are files of a tile for all dates."""
        return all((self.folder / tile.file(date)).is_file() for date in dates)

    def tidy(self, tile: Tile) -> None:
        """Remove what a killed process has left of writing files of a tile; needs the tile's lock."""
        for left in self.hidden.glob("ERA5_*.grb.*"):
            if (parse_name(left.name.rpartition(".")[0]) or (None,))[0] == tile:
                left.unlink(missing_ok=True)

    def set_aside(self, path: Path, reason: str) -> Path:
        """Move a file that is no good out of the way, with its reason beside it."""
        place = self.folder / "set_aside"
        place.mkdir(parents=True, exist_ok=True)
        number = 1
        while (target := place / f"{path.name}.{number}").exists():
            number += 1
        path.replace(target)
        atomic_write(target.with_name(f"{target.name}.txt"), f"{reason}\n")
        sync_folder(path.parent)
        return target

    def note_asked(self, record: GribRecord, day: calendar_day) -> None:
        """Keep on which day final data were asked for in vain."""
        self._write(record.model_copy(update={"asked": day}))

    def _note_foreign(self, record: GribRecord) -> None:
        """Write the record of a file that came from elsewhere, unless the folder is somebody else's."""
        try:
            self._write(record)
        except OSError as error:
            # then it is read again each time, which costs a tenth of a second
            if error.errno not in _READ_ONLY:
                raise

    def _write(self, record: GribRecord) -> None:
        atomic_write(self._record_path(record.file), record.model_dump_json(indent=1))

    def _record_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _moment(name: str) -> str:
    """Return `YYYYMMDD_HH` of a file's name."""
    return name.removesuffix(".grb")[-11:]
