"""Bringing ERA5 files here: what is needed, room for it, and one process at a time.

Others wait for the process that fetches the files of a tile, and find them there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
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
from sbas_assets.weather.request_queue import Pause, RequestQueue
from sbas_assets.weather.service import Patience, Service
from sbas_assets.weather.tiles import Tile

_BYTES_PER_POINT = 2
_LOOK_AGAIN_S = 2.0


def fetch(
    library: Library, find_wanted: Callable[[], Wanted], limits: Limits, tell: Callable[[str], None]
) -> Generator[Pause, None, dict[str, datetime]]:
    """Fetch files; whoever asks for the next pause may do something else in between.

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

    Yields
    ------
    Pause
        When there is nothing to do for a while. Closing the generator gives up locks and slots; the requests at the
        service stay, for the next fetch.

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
    lock = FileLock(library.hidden / f"{wanted.tile.name}.lock")
    try:
        yield from _wait_for(lock, wanted.tile, find_wanted, tell)
        wanted = find_wanted()
        if not wanted.dates:
            return {}
        library.tidy(wanted.tile)
        service = Service(Patience(limits.patience, tell))
        journal = Journal(library.hidden, wanted.tile, service.url)
        slots = Slots(library.hidden, limits.requests)
        receiver = Receiver(library, wanted)
        yield from RequestQueue(service, journal, slots, receiver, limits=limits, tell=tell).run()
        return receiver.not_yet
    finally:
        lock.release()


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


def _wait_for(
    lock: FileLock, tile: Tile, find_wanted: Callable[[], Wanted], tell: Callable[[str], None]
) -> Iterator[Pause]:
    """Become the only one to fetch files of a tile, or wait until all that is needed has come."""
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while not lock.is_locked and (not waited or find_wanted().dates):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            text = f"ERA5: another run fetches files of {tile.name}: waiting for it"
            if not waited:
                tell(text)
            waited = True
            yield Pause(text, _LOOK_AGAIN_S)
