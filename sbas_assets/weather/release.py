"""When ERA5 has a date: some five days later as ERA5T, two to three months later for good."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

LATENCY = timedelta(days=5)
"""From an hour to its preliminary data, as the Climate Data Store promises it."""
PATIENCE_WITH_SERVICE = timedelta(days=15)
"""What is older than this and not in an answer is a fault, no delay."""
FINAL_AFTER_MONTHS = 3
"""Final data of a month are asked for from the first day of the third month after it."""
_UNTIL = "expected on %Y-%m-%d at %H:%M UTC"


def moment_of(day: str, hour: int) -> datetime:
    """Return date `YYYYMMDD` and hour as a time (UTC)."""
    return datetime.strptime(day, "%Y%m%d").replace(hour=hour, tzinfo=UTC)


def expected(day: str, hour: int, *, lag: timedelta = LATENCY) -> datetime:
    """Return when preliminary data of a date are expected (UTC)."""
    return moment_of(day, hour) + max(lag, LATENCY)


def final_expected(day: str) -> date:
    """Return the day from which on final data of a date are asked for."""
    months = int(day[:4]) * 12 + int(day[4:6]) - 1 + FINAL_AFTER_MONTHS
    return date(months // 12, months % 12 + 1, 1)


def now() -> datetime:
    """The present moment (UTC)."""
    return datetime.now(UTC)


def until(moment: datetime) -> str:
    """Say in words when a date is expected."""
    return moment.astimezone(UTC).strftime(_UNTIL)


def parse_until(text: str) -> datetime:
    """Read what `until` has written."""
    return datetime.strptime(text, _UNTIL).replace(tzinfo=UTC)
