"""What the faults of the Climate Data Store mean: a user's mistake, something that passes, or no for good.

Every exception of the client's and of its libraries' is told as one of `InputError`, `PassingError`, `NotYetError`,
`QueueFullError` and `RefusedError`; what is none of these is a defect and passes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sbas_assets.errors import InputError
from sbas_assets.weather.credentials import KEY_MEND, URL_MEND

DATASET = "reanalysis-era5-pressure-levels"
LICENCES = f"https://cds.climate.copernicus.eu/datasets/{DATASET}?tab=download#manage-licences"
LICENCE_NAMES = {"cc-by", "licence-to-use-copernicus-products"}
"""ERA5's licence since July 2025, and before."""
BUSY = {408, 429, 500, 502, 503, 504}
_LATEST = re.compile(r"latest date available[^:]*:\s*(\d{4}-\d\d-\d\d)(?:[ T](\d\d))?", re.IGNORECASE)
_FULL = re.compile(r"queued requests|temporarily limited", re.IGNORECASE)


class PassingError(Exception):
    """Something that passes.

    Parameters
    ----------
    code : str
        Of the error, if it does not pass.
    reason : str
        What it is.
    wait : float, optional
        Seconds that the service asks to wait.
    """

    def __init__(self, code: str, reason: str, *, wait: float = 0) -> None:
        super().__init__(reason)
        self.code, self.reason, self.wait = code, reason, wait


class NotYetError(Exception):
    """The service has none of the dates yet; `latest` is the last moment that it has (UTC)."""

    def __init__(self, latest: datetime) -> None:
        super().__init__(f"the service has data up to {latest:%Y-%m-%d %H:00}")
        self.latest = latest


class QueueFullError(Exception):
    """The service has as many requests of this account as it takes; the text is its own."""


class RefusedError(Exception):
    """The service does not accept this request, or failed to answer it; the text says why."""


def explained[T](call: Callable[[], T]) -> T:
    """Call, and say what a fault of the client's means.

    Raises
    ------
    InputError
        `cds-key-refused`, `cds-licence-missing`, `cds-url-wrong`, `cds-certificate-refused`.
    PassingError, NotYetError, QueueFullError, RefusedError
    """
    import requests
    from ecmwf.datastores.processing import ProcessingFailedError

    try:
        return call()
    except requests.HTTPError as error:
        raise _explain(error, error.response) from error
    except requests.exceptions.SSLError as error:
        mend = "set the machine's clock and certificates right, or `verify: 0` in ~/.cdsapirc"
        raise InputError("cds-certificate-refused", f"no secure connection ({_short(error)})", mend=mend) from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        cause = f"the Climate Data Store cannot be reached ({_short(error)})"
        raise PassingError("cds-unreachable", cause) from error
    except requests.exceptions.RequestException as error:
        raise InputError("cds-url-wrong", f"the address cannot be used ({_short(error)})", mend=URL_MEND) from error
    except ProcessingFailedError as error:
        raise _failed(str(error)) from error
    except AssertionError as error:
        # multiurl's way to say that a body was shorter than promised
        raise PassingError("cds-busy", f"the service broke off ({error})") from error


def licence_missing() -> InputError:
    """Return the error of an account that has not accepted ERA5's licence."""
    mend = f"sign in and accept the licences at {LICENCES}"
    return InputError("cds-licence-missing", "the licence of ERA5 was not accepted by this account", mend=mend)


def _explain(error: Exception, response: Any) -> Exception:
    """Say what an answer with a fault's status means."""
    status, text = response.status_code, str(error)
    if status in BUSY:
        cause = f"the Climate Data Store is busy (HTTP {status})"
        return PassingError("cds-busy", cause, wait=_asked_wait(response))
    if status == 403 and re.search("licence|license|polic", text, re.IGNORECASE):
        return licence_missing()
    if status in {401, 403}:
        cause = f"the Climate Data Store does not accept the key (HTTP {status})"
        return InputError("cds-key-refused", cause, mend=KEY_MEND)
    if status == 404 and "/jobs/" not in str(response.url):
        return InputError("cds-url-wrong", f"there is no Climate Data Store at {response.url}", mend=URL_MEND)
    return _failed(text)


def _failed(text: str) -> Exception:
    """Say why a request was not accepted, or its job failed."""
    latest = _LATEST.search(text)
    if latest:
        day, hour = latest.groups()
        return NotYetError(datetime.fromisoformat(f"{day}T{hour or '00'}:00+00:00").astimezone(UTC))
    if _FULL.search(text):
        return QueueFullError(_last_line(text))
    return RefusedError(_last_line(text))


def _last_line(text: str) -> str:
    """Return the line that says most: the service puts it last."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")


def _asked_wait(response: Any) -> float:
    asked = response.headers.get("Retry-After", "")
    named = re.search(r"wait (\d+) second", response.text)
    return float(asked) if asked.isdecimal() else float(named.group(1)) if named else 0.0


def _short(error: Exception) -> str:
    """Return the innermost reason of a connection's fault, without the pool and the path."""
    text = str(error)
    reason = re.search(r"\[Errno -?\d+\] [^'\")]+|Read timed out|timed out|IncompleteRead", text)
    return reason.group() if reason else text[:200]
