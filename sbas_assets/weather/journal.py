"""Requests that are at the service, written down so that the next process takes them up when this one is killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from sbas_assets.weather.tiles import Tile
from sbas_assets.workspace import atomic_write


class Submitted(BaseModel):
    """One request: what the service calls it, what was asked for, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str
    tile: str
    dates: tuple[str, ...]
    url: str
    at: str


class Journal:
    """The requests of one tile, one file each, beside the parts of their results.

    Parameters
    ----------
    folder : Path
        `weather/ERA5/.requests`.
    tile : Tile
        Whose.
    url : str
        Address of the service: another one does not know them.
    """

    def __init__(self, folder: Path, tile: Tile, url: str) -> None:
        self._folder, self._tile, self._url = folder, tile, url

    def open(self) -> list[Submitted]:
        """Return the requests that were not finished, the oldest first."""
        found = [entry for path in sorted(self._folder.glob("*.json")) if (entry := _read(path)) is not None]
        own = [entry for entry in found if (entry.tile, entry.url) == (self._tile.name, self._url)]
        return sorted(own, key=lambda entry: (entry.at, entry.request))

    def write(self, request: str, dates: Sequence[str]) -> Submitted:
        """Keep a request that the service has accepted."""
        now = datetime.now(UTC).isoformat()
        entry = Submitted(request=request, tile=self._tile.name, dates=tuple(dates), url=self._url, at=now)
        atomic_write(self._folder / f"{request}.json", entry.model_dump_json(indent=1))
        return entry

    def part(self, request: str) -> Path:
        """Where the request's result is fetched to."""
        return self._folder / f"{request}.part"

    def remove(self, request: str) -> None:
        """Forget a request and what was fetched of it."""
        self.part(request).unlink(missing_ok=True)
        (self._folder / f"{request}.json").unlink(missing_ok=True)


def _read(path: Path) -> Submitted | None:
    try:
        return Submitted.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        # removed by the process that finished it, or nothing of ours
        return None
