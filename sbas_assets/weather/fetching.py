"""Bringing ERA5 files here: what is needed, room for it, and one process at a time.

Others wait for the process that fetches the files of a tile, and find them there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from sbas_assets.errors import OutsideError
from sbas_assets.weather.credentials import require_credentials
from sbas_assets.weather.gribs import FIELDS_PER_DATE
from sbas_assets.weather.journal import Journal
from sbas_assets.weather.library import Library
from sbas_assets.weather.limits import Limits, Slots
from sbas_assets.weather.receiving import Receiver, Wanted
from sbas_assets.weather.request_queue import RequestQueue
from sbas_assets.weather.service import Patience, Service
from sbas_assets.weather.tiles import Tile

_BYTES_PER_POINT = 2
_LOOK_AGAIN_S = 2.0


def fetch(
    library: Library, find_wanted: Callable[[], Wanted], limits: Limits, tell: Callable[[str], None]
) -> dict[str, datetime]:
    """Fetch files.

    Parameters
    ----------
    library : Library
        Where they go.
    find_wanted : callable
        Returns what to fetch; asked again after waiting for another process, which may have fetched it.
    limits : Limits
        What may be asked of the service.
    tell : callable
        Takes a line of progress.

    Returns
    -------
    dict
        Dates that ERA5 does not have yet, with the moment at which they are expected (UTC).

    Raises
    ------
    InputError, OutsideError
        Those of `Service` and `RequestQueue.run`, and `disk-full`. What was fetched before stays.
    """
    wanted = find_wanted()
    if not wanted.dates:
        return {}
    require_credentials()
    _require_space(library.folder, wanted)
    with _alone(library.hidden, wanted.tile, tell, lambda: bool(find_wanted().dates)):
        wanted = find_wanted()
        if not wanted.dates:
            return {}
        service = Service(Patience(limits.patience, tell))
        journal = Journal(library.hidden, wanted.tile, service.url)
        slots = Slots(library.hidden, limits.requests)
        return RequestQueue(service, journal, slots, Receiver(library, wanted), limits=limits, tell=tell).run()


def _require_space(folder: Path, wanted: Wanted) -> None:
    """Refuse what would fill the disk, before anything is asked for; a result is there twice while it is divided."""
    need = 2 * len(wanted.dates) * FIELDS_PER_DATE * wanted.tile.points * _BYTES_PER_POINT
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise OutsideError(
            "disk-full",
            f"{len(wanted.dates)} ERA5 files need {need / 1e6:.0f} MB, of which {free / 1e6:.0f} MB are free",
            mend="free some space, then run again",
            path=folder,
        )


@contextmanager
def _alone(folder: Path, tile: Tile, tell: Callable[[str], None], still: Callable[[], bool]) -> Iterator[None]:
    """Be the only one to fetch files of a tile; the waiting ends too when all that is needed has come."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{tile.name}.lock")
    waited = False
    while not lock.is_locked and (still() if waited else True):
        try:
            lock.acquire(timeout=_LOOK_AGAIN_S if waited else 0)
        except Timeout:
            if not waited:
                tell(f"ERA5: another run fetches files of {tile.name}: waiting for it")
            waited = True
    try:
        yield
    finally:
        lock.release()
