"""How much of the Climate Data Store's patience is used: the environment's settings, and the slots of all processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sbas_assets.errors import InputError

REQUESTS, DATES, PATIENCE = "SBAS_CDS_REQUESTS", "SBAS_CDS_DATES", "SBAS_CDS_PATIENCE"


@dataclass(frozen=True)
class Limits:
    """What is asked of the service at most.

    Parameters
    ----------
    requests : int
        Requests at the service at once, of all runs of this installation.
    dates : int
        Dates of one request; the service takes small requests first.
    patience : float
        Seconds to go on while the service does not answer.
    """

    requests: int = 4
    dates: int = 12
    patience: float = 1800.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Limits:
        """Read `SBAS_CDS_REQUESTS`, `SBAS_CDS_DATES` and `SBAS_CDS_PATIENCE`; InputError `cds-limit-invalid`."""
        env = os.environ if env is None else env
        return cls(
            requests=_whole(env, REQUESTS, cls.requests),
            dates=_whole(env, DATES, cls.dates),
            patience=float(_whole(env, PATIENCE, int(cls.patience))),
        )


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise InputError(
            "cds-limit-invalid", f"{name} = {text} is not a whole number above zero", mend=f"correct {name}"
        )
    return int(text)


class Slots:
    """Places for requests at the service, shared by all processes of an installation.

    Locks of the kernel, so that the slots of a killed process are free at once. A pool of Dagster's would stay taken
    until its daemon finds the run dead, which it cannot for a run in a terminal.

    Parameters
    ----------
    folder : Path
        Of the locks.
    number : int
        How many there are.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number

    def take(self) -> FileLock | None:
        """Take a slot, to be released by the caller; None when all are taken."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for number in range(self._number):
            # not a singleton: this process must not get a slot that it has already
            lock = FileLock(self._folder / f"slot{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return lock
        return None
