"""The notations in which MintPy writes values: numbers, dates, pairs, boxes, words, files.

Here: one parser per notation. A parser returns the value as MintPy needs it spelled, or None when the value is not of
its notation. Not here: which option takes which notation (template_rules).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime

Parser = Callable[[str], str | None]

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
INTEGER = r"[-+]?\d+"
DATE = r"\d{8}(?:T\d{4})?"
_DATE_FILES = (".txt", ".cfg", ".dat")  # the endings mintpy.utils.ptime.read_date_list opens as files
_BRACKETS = "[] "  # around lists they are a common typo, which MintPy forgives


def word(*choices: str) -> Parser:
    """Accept some words, in any case."""
    known = {choice.lower(): choice for choice in choices}
    # MintPy takes "no" and "none" for the same thing wherever it offers one of them.
    if "no" in known or "none" in known:
        known = {"no": known.get("no", "none"), "none": known.get("none", "no"), **known}
    return lambda value: known.get(value.lower())


def number(low: float, high: float, *, above: bool = False, integer: bool = False) -> Parser:
    """Accept a finite number from low to high; above low when low itself is too small."""
    pattern = re.compile(INTEGER if integer else NUMBER)

    def parse(value: str) -> str | None:
        if not pattern.fullmatch(value) or not math.isfinite(float(value)):
            return None
        inside = low < float(value) <= high if above else low <= float(value) <= high
        return value if inside else None

    return parse


def _numbers(value: str, *, pattern: str = NUMBER, separator: str = ",") -> list[float]:
    """Return the numbers of a list, an empty list when one of them is none."""
    parts = [part.strip() for part in re.split(separator, value.strip(_BRACKETS))]
    return [float(part) for part in parts] if all(re.fullmatch(pattern, part) for part in parts) else []


def _is_box(south: float, north: float, west: float, east: float) -> bool:
    return -90 <= south < north <= 90 and -180 <= west < east <= 360


def _looks_like_box(value: str) -> bool:
    return re.fullmatch("[^:,]+:[^:,]+,[^:,]+:[^:,]+", value) is not None


def pixel(value: str) -> str | None:
    """Accept `row,column`."""
    found = _numbers(value, pattern=r"\d+")
    return value if len(found) == 2 else None


def place(value: str) -> str | None:
    """Accept `latitude,longitude` in degrees."""
    found = _numbers(value)
    return value if len(found) == 2 and abs(found[0]) <= 90 and -180 <= found[1] <= 360 else None


def pixel_box(value: str) -> str | None:
    """Accept `y0:y1,x0:x1`."""
    found = _numbers(value, pattern=r"\d+", separator="[,:]") if _looks_like_box(value) else []
    return value if len(found) == 4 and found[0] < found[1] and found[2] < found[3] else None


def geo_box(value: str) -> str | None:
    """Accept `S:N,W:E` in degrees."""
    found = _numbers(value, separator="[,:]") if _looks_like_box(value) else []
    return value if len(found) == 4 and _is_box(*found) else None


def snwe(value: str) -> str | None:
    """Accept `S,N,W,E` in degrees."""
    found = _numbers(value)
    return value if len(found) == 4 and _is_box(*found) else None


def step(value: str) -> str | None:
    """Accept one or two steps that are not zero."""
    found = _numbers(value)
    return value if len(found) in {1, 2} and all(found) else None


def periods(value: str) -> str | None:
    """Accept a list of positive numbers."""
    found = _numbers(value, separator="[,;]")
    return value if found and min(found) > 0 else None


def fill(value: str) -> str | None:
    """Accept a number or NaN."""
    return value if re.fullmatch(rf"(np\.|math\.)?nan|{NUMBER}", value, re.IGNORECASE) else None


def _is_date(text: str) -> bool:
    if not re.fullmatch(DATE, text):
        return False
    try:
        datetime.strptime(text, "%Y%m%dT%H%M" if "T" in text else "%Y%m%d")
    except ValueError:
        return False
    return True


def _tidy(value: str) -> str:
    # MintPy splits at the comma only: with "20080520, 20090817" it looks for " 20090817" and finds nothing.
    return re.sub(r"\s*([,;/|_-])\s*", r"\1", value.strip(_BRACKETS))


def dates(*, many: bool, files: bool) -> Parser:
    """Accept YYYYMMDD or YYYYMMDDTHHMM, a list of them, the name of a file with dates."""

    def parse(value: str) -> str | None:
        parts = re.split("[,;]", _tidy(value)) if many else [value]
        good = all(_is_date(part) or (files and part.endswith(_DATE_FILES)) for part in parts)
        return ",".join(parts) if good else None

    return parse


def pairs(value: str) -> str | None:
    """Accept `YYYYMMDD_YYYYMMDD,...`, the earlier date first as in the names of a stack's pairs."""
    parts = _tidy(value).replace("-", "_").split(",")
    good = all(re.fullmatch(r"\d{8}_\d{8}", part) for part in parts) and all(
        _is_date(part[:8]) and _is_date(part[9:]) and part[:8] < part[9:] for part in parts
    )
    return ",".join(parts) if good else None


def indices(value: str) -> str | None:
    """Accept `1:5,25`."""
    tidy = _tidy(value)
    return tidy if re.fullmatch(r"\d+(:\d+)?(,\d+(:\d+)?)*", tidy) else None


def decays(value: str) -> str | None:
    """Accept an onset and its times in days, `20110311,60,120`, several of them separated by `;`."""
    tidy = re.sub("[/|]", ";", _tidy(value))
    onsets = [re.fullmatch(rf"({DATE})(,\d+)+", part) for part in tidy.split(";")]
    return tidy if all(onset and _is_date(onset[1]) for onset in onsets) else None


def workers(value: str) -> str | None:
    """Accept a number of workers or a percentage of the cores."""
    match = re.fullmatch(r"(\d+)(%?)", value)
    return value if match and 0 < int(match[1]) < (100 if match[2] else math.inf) else None


def file_name(value: str) -> str | None:
    """Accept anything but the answer to another question."""
    return None if value.lower() in {"yes", "true"} else value


def text(value: str) -> str | None:
    """Accept everything."""
    return value
