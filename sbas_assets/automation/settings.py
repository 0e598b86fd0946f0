"""Seconds that the environment sets for the sensors.

Belongs here: reading them, and what both sensors have in common. Not here: what is waited for (discovery_cursor.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from sbas_assets.errors import InputError

INTERVAL = "SBAS_SENSORS_INTERVAL"
INTERVAL_S = 60


def seconds(env: Mapping[str, str], name: str, default: float) -> float:
    """Return a variable's whole number of seconds; InputError `arrivals-setting-invalid`."""
    text = env.get(name, "").strip()
    if text and not text.isdecimal():
        cause = f"{name} = {text} is not a whole number of seconds"
        raise InputError("arrivals-setting-invalid", cause, mend=f"correct {name}")
    return float(text) if text else default


def sensor_interval(env: Mapping[str, str] | None = None) -> int:
    """Return the seconds from one tick of a sensor to the next, at least; Dagster itself looks every five."""
    return max(1, int(seconds(os.environ if env is None else env, INTERVAL, INTERVAL_S)))
