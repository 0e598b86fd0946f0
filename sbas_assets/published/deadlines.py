"""How long an object store may keep a process waiting.

Belongs here: the numbers, and the variable that sets them. Does not belong here: the clients that keep them
(`s3_filesystem` for reading, `object_writer` for writing).

A request that failed for a passing reason is sent again while no more than `Deadlines.again_s` went by since it was
first sent: a server that refuses or asks to slow down is given `RETRIES` more chances within some seconds, one that is
silent a single one. So nothing waits longer than about twice `Deadlines.request_s`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sbas_assets.errors import InputError

TIMEOUT = "SBAS_STORE_TIMEOUT"
RETRIES = 6
# the waits between are this times a power of two: 0.1 to 3.2 s
FIRST_WAIT_S = 0.1


@dataclass(frozen=True)
class Deadlines:
    """How long one request may take.

    Parameters
    ----------
    request_s : float
        Seconds. Reading: of silence. Writing: until the object is there, up to about 4 MB of it.
    """

    request_s: float = 30.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Deadlines:
        """Read `SBAS_STORE_TIMEOUT`; an empty variable counts as unset.

        Raises
        ------
        InputError
            `store-timeout-invalid` when it is not a whole number above zero.
        """
        asked = (os.environ if env is None else env).get(TIMEOUT, "").strip()
        if not asked:
            return cls()
        if not (asked.isascii() and asked.isdecimal()) or int(asked) < 1:
            raise InputError(
                "store-timeout-invalid",
                f"{TIMEOUT} = {asked} is not a number of seconds",
                mend=f"set {TIMEOUT} to 1 or more, or leave it unset for {cls().request_s:.0f}",
            )
        return cls(float(asked))

    def at_most(self, seconds: float) -> Deadlines:
        """Return the same deadlines, or shorter ones."""
        return Deadlines(min(self.request_s, seconds))

    @property
    def connect_s(self) -> float:
        """Seconds until a connection is there."""
        return min(10.0, self.request_s)

    @property
    def again_s(self) -> float:
        """Seconds since a request was first sent after which it is not sent again; one timeout is within them."""
        return 1.1 * self.request_s
