"""What the sensor `stack_arrivals` knows of each frame from one tick to the next, and how long it waits for what.

Belongs here: the cursor's text, and the settings of the environment. What is made of both, discovery.py says.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sbas_assets.automation.settings import seconds

BUDGET, SETTLING, PATIENCE = "SBAS_ARRIVALS_BUDGET", "SBAS_ARRIVALS_SETTLING", "SBAS_ARRIVALS_PATIENCE"
FORMAT = 1
FAILED = "failed"
"""Standing of a frame whose stack could not be looked at."""


@dataclass(frozen=True)
class Pace:
    """How long the sensor takes, and waits.

    Parameters
    ----------
    budget_s : float
        After so many seconds a tick looks at no other frame. Dagster ends a tick after 60.
    settling_s : float
        How long a stack's files must have been seen unchanged before they are judged.
    patience_s : float
        How long a stack is waited for that stands still and has pairs that are not whole.
    """

    budget_s: float = 20.0
    settling_s: float = 300.0
    patience_s: float = 21600.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Pace:
        """Read `SBAS_ARRIVALS_*`; InputError `arrivals-setting-invalid`."""
        env = os.environ if env is None else env
        return cls(
            budget_s=seconds(env, BUDGET, cls.budget_s),
            settling_s=seconds(env, SETTLING, cls.settling_s),
            patience_s=seconds(env, PATIENCE, cls.patience_s),
        )


class Seen(NamedTuple):
    """What was seen of a frame's stack at the last look.

    Parameters
    ----------
    looked : int
        When (s since 1970).
    since : int
        Since when it has been seen in this state.
    snapshot : str
        Digest of the state.
    judged : str
        Digest of the state that was judged last.
    held : bool
        Judged, but not reported for now: it is waited for.
    standing : str
        What came of it, in a few words.
    """

    looked: int = 0
    since: int = 0
    snapshot: str = ""
    judged: str = ""
    held: bool = False
    standing: str = ""

    @property
    def answers(self) -> bool:
        """Whether the stack could be looked at the last time."""
        return bool(self.snapshot) and self.standing != FAILED

    def at(self, now: int, snapshot: str) -> Seen:
        """Return what is known after another look."""
        # a clock that was set back begins the waiting anew, instead of waiting until it is here again
        same = snapshot == self.snapshot and self.since <= now
        standing = "" if self.standing == FAILED else self.standing
        return self._replace(looked=now, since=self.since if same else now, snapshot=snapshot, standing=standing)

    def due(self, now: int, pace: Pace) -> bool:
        """Whether the state has been there long enough, and is to be judged."""
        if self.judged == self.snapshot and not (self.held and now - self.since >= pace.patience_s):
            return False
        return now - self.since >= pace.settling_s


@dataclass(frozen=True)
class Cursor:
    """All that is known from the ticks before.

    Parameters
    ----------
    frames : dict
        Frame to what was seen of its stack.
    gone : tuple of str
        Partitions without a frame's file that were told already.
    """

    frames: dict[str, Seen]
    gone: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `text` wrote; ValueError when it did not."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']} is not {FORMAT}")
            frames = {key: _row(row) for key, row in document["frames"].items()}
            return cls(frames, tuple(map(str, document["gone"])))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def text(self) -> str:
        """Write it, some hundred bytes for each frame."""
        document = {"format": FORMAT, "frames": self.frames, "gone": self.gone}
        return json.dumps(document, separators=(",", ":"))


def _row(values: Sequence[Any]) -> Seen:
    row = Seen(*values)
    if [type(value) for value in row] != [type(value) for value in Seen()]:
        raise ValueError(f"{row} is not what was seen of a frame")
    return row
