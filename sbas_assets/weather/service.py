"""The Climate Data Store, through its own client: submit a request, see how it goes, fetch its result.

Calls are repeated while the service does not answer or asks to wait; what its faults mean is said in `faults`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sbas_assets.errors import OutsideError
from sbas_assets.weather.credentials import require_credentials
from sbas_assets.weather.faults import BUSY, DATASET, LICENCE_NAMES, PassingError, RefusedError, explained
from sbas_assets.weather.gribs import LEVELS
from sbas_assets.weather.tiles import Tile

LONGEST_WAIT_S = 120.0
_PIECE = 64 * 2**10
# connecting, and waiting for the next bytes
_TIMEOUT_S = (15, 60)


@dataclass(frozen=True)
class Patience:
    """How long to go on while the service does not answer, and who hears of it."""

    seconds: float
    tell: Callable[[str], None]


class Service:
    """The user's account at the Climate Data Store.

    Parameters
    ----------
    patience : Patience
        For all calls but the first, which tells at once when there is nobody.

    Raises
    ------
    InputError
        `cds-credentials-missing`, `cds-credentials-outdated`, `cds-key-refused`.
    OutsideError
        `cds-unreachable`, `cds-busy`.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.url = require_credentials()
        self._client = _client(patience.tell)
        self._call(self._client.client.check_authentication, first=True)

    def submit(self, tile: Tile, dates: Sequence[str]) -> Any:
        """Ask for the fields of some dates; returns the client's handle on the request.

        Raises
        ------
        InputError
            `cds-licence-missing` and those of the constructor.
        NotYetError, QueueFullError, RefusedError
        """
        return self._call(lambda: self._client.retrieve(DATASET, request_of(tile, dates)))

    def find(self, request_id: str) -> Any | None:
        """Return the handle on a request that was submitted before, None if the service has forgotten it."""
        try:
            return self._call(lambda: self._client.client.get_remote(request_id))
        except RefusedError:
            return None

    def state(self, remote: Any) -> str:
        """Return "accepted", "running" or "successful".

        Raises
        ------
        NotYetError, QueueFullError, RefusedError
            When the request failed.
        """
        return self._call(lambda: "successful" if remote.results_ready else str(remote.last_status))

    def download(self, remote: Any, target: Path) -> None:
        """Fetch the result of a successful request, going on where an earlier attempt at the same target stopped."""
        results = self._call(remote.get_results)
        size, url = results.content_length, results.location
        self._call(lambda: _fetch(url, target, size))
        _require_checksum(target, results.asset.get("file:checksum"))

    def may_fetch_era5(self) -> bool:
        """Whether the account has accepted a licence that ERA5 has or had."""
        found = self._call(self._client.client.get_accepted_licences)
        return bool(LICENCE_NAMES & {str(licence["id"]) for licence in found})

    def _call[T](self, call: Callable[[], T], *, first: bool = False) -> T:
        return patiently(lambda: explained(call), self._patience, first=first)


def request_of(tile: Tile, dates: Sequence[str]) -> dict[str, Any]:
    """Write a request: PyAPS's own for one date, the same with a list of dates for several.

    Source: PyAPS `autoget.ECMWFdload`.
    """
    days = [f"{date[:4]}-{date[4:6]}-{date[6:]}" for date in dates]
    single = dict(zip(("year", "month", "day"), ([part] for part in days[0].split("-")), strict=True))
    south, north, west, east = (int(value) for value in tile.area)
    return {
        "product_type": ["reanalysis"],
        "variable": ["geopotential", "temperature", "specific_humidity"],
        **(single if len(days) == 1 else {"date": days}),
        "time": [f"{tile.hour:02d}:00"],
        "pressure_level": [str(level) for level in LEVELS],
        "data_format": "grib",
        "area": [north, west, south, east],
    }


def patiently[T](call: Callable[[], T], patience: Patience, *, first: bool = False) -> T:
    """Call until it works, waiting longer each time, and as long as the service says.

    With `first`, a service that is not there at all is told at once.

    Raises
    ------
    OutsideError
        `cds-unreachable` or `cds-busy`, when patience has run out.
    """
    from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

    rising = wait_exponential(multiplier=1, max=LONGEST_WAIT_S)

    def fault(state: RetryCallState) -> PassingError:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, PassingError)
        return error

    def wait(state: RetryCallState) -> float:
        return max(fault(state).wait, float(rising(state)))

    def exhausted(state: RetryCallState) -> bool:
        return (state.seconds_since_start or 0) + state.upcoming_sleep > patience.seconds

    def passes(error: BaseException) -> bool:
        return isinstance(error, PassingError) and not (first and error.code == "cds-unreachable")

    def announce(state: RetryCallState) -> None:
        patience.tell(f"ERA5: {fault(state).reason}; trying again in {state.upcoming_sleep:.0f} s")

    trying = Retrying(
        retry=retry_if_exception(passes),
        wait=wait,
        stop=exhausted,
        before_sleep=announce,
        reraise=True,
        sleep=time.sleep,
    )
    try:
        return trying(call)
    except PassingError as error:
        mend = "try again later; what was fetched stays, and requests that wait at the service are taken up again"
        raise OutsideError(error.code, error.reason, mend=mend) from error


def _client(tell: Callable[[str], None]) -> Any:
    import cdsapi

    def note(text: object, *_: object, **__: object) -> None:
        tell(f"ERA5: {text}")

    # its downloader logs what is told here as an error of ours
    logging.getLogger("multiurl").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # the client asks for the service's messages as it starts and only warns when there is no service: that is
        # told by the first call
        warnings.simplefilter("ignore")
        return cdsapi.Client(
            wait_until_complete=False,
            quiet=True,
            progress=False,
            timeout=_TIMEOUT_S,
            retry_max=1,
            sleep_max=1,
            warning_callback=note,
            error_callback=note,
        )


def _fetch(url: str, target: Path, size: int) -> None:
    """Fetch what is missing of a file; a result that has gone is a refusal, as that of a request is."""
    import multiurl
    import requests
    from multiurl.base import NoBar

    if target.is_file() and target.stat().st_size > size:
        target.unlink()
    if not (target.is_file() and target.stat().st_size == size):
        try:
            multiurl.download(
                url,
                str(target),
                maximum_retries=1,
                resume_transfers=True,
                # what a broken connection or a killed process loses at most
                chunk_size=_PIECE,
                timeout=_TIMEOUT_S,
                progress_bar=NoBar,
            )
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else None
            if status in BUSY:
                raise
            raise RefusedError(f"the result cannot be fetched (HTTP {status})") from error
    found = target.stat().st_size
    if found != size:
        target.unlink()
        raise RefusedError(f"the result has {found} bytes, not the {size} that were promised")


def _require_checksum(target: Path, checksum: str | None) -> None:
    """Refuse a result that is not what the service made: GRIB has no checksum of its own."""
    # of another kind than MD5 it is not known here
    if not re.fullmatch("[0-9a-f]{32}", checksum or ""):
        return
    with target.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != checksum:
        target.unlink()
        raise RefusedError(f"the result's checksum is {found}, not the {checksum} that was promised")
