"""What a value of a MintPy option may look like, derived from the bracket hint in MintPy's default template.

Here: parsers for the notations MintPy uses (numbers, dates, pairs, boxes, words, files) and the reading of a hint
such as `[1-inf, no]`. Not here: which options exist (template_options) and how a mistake is told (template_mistakes).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

Kind = Literal["path", "file", "value", "text"]
# A parser returns the value as MintPy needs it spelled, or None when the value is not its notation.
Parser = Callable[[str], str | None]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_DATE = r"\d{8}(?:T\d{4})?"
_DATE_FILES = (".txt", ".cfg", ".dat")  # the endings mintpy.utils.ptime.read_date_list opens as files
_RAMPS = ("linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth")

# MintPy's code takes more than the hint tells: mintpy.objects.ramp.RAMP_LIST and mintpy.cli.geocode's choices.
_MORE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mintpy.deramp": _RAMPS,
        "mintpy.residualRMS.deramp": _RAMPS,
        "mintpy.geocode.interpMethod": ("linear",),
    }
)
# The hint is a range, but the step converts the value with int().
_INTEGERS = frozenset(
    {
        "mintpy.network.connNumMax",
        "mintpy.unwrapError.bridgePtsRadius",
        "mintpy.topographicResidual.polyOrder",
        "mintpy.troposphericDelay.looks",
    }
)


@dataclass(frozen=True)
class Rule:
    """The values that one option takes."""

    kind: Kind
    says: str
    words: tuple[str, ...]
    parsers: tuple[Parser, ...]

    def read(self, value: str) -> str | None:
        """Return the value as MintPy spells it, or None when it is not allowed."""
        return next((found for parser in self.parsers if (found := parser(value)) is not None), None)


def _word(*choices: str) -> Parser:
    known = {choice.lower(): choice for choice in choices}
    # MintPy takes "no" and "none" for the same thing wherever it offers one of them.
    if "no" in known or "none" in known:
        known = {"no": known.get("no", "none"), "none": known.get("none", "no"), **known}
    return lambda value: known.get(value.lower())


def _number(low: float, high: float, *, above: bool = False, integer: bool = False) -> Parser:
    pattern = re.compile(r"[-+]?\d+" if integer else _NUMBER)

    def parse(value: str) -> str | None:
        if not pattern.fullmatch(value):
            return None
        inside = low < float(value) <= high if above else low <= float(value) <= high
        return value if inside and math.isfinite(float(value)) else None

    return parse


def _numbers(counts: Sequence[int], *, integer: bool = False) -> Callable[[str], list[float] | None]:
    """Return a reader of `1,2` and `[1, 2]`: the brackets are a common typo that MintPy forgives."""
    pattern = re.compile(r"[-+]?\d+" if integer else _NUMBER)

    def parse(value: str) -> list[float] | None:
        parts = [part.strip() for part in re.split("[,;:]", value.strip("[] "))]
        if len(parts) not in counts or not all(pattern.fullmatch(part) for part in parts):
            return None
        return [float(part) for part in parts]

    return parse


def _latitude(*values: float) -> bool:
    return all(-90 <= value <= 90 for value in values)


def _longitude(*values: float) -> bool:
    return all(-180 <= value <= 360 for value in values)


def _pixel(value: str) -> str | None:
    found = _numbers([2], integer=True)(value)
    return value if found and min(found) >= 0 and ":" not in value else None


def _place(value: str) -> str | None:
    found = _numbers([2])(value)
    return value if found and _latitude(found[0]) and _longitude(found[1]) and ":" not in value else None


def _pixel_box(value: str) -> str | None:
    found = _numbers([4], integer=True)(value) if re.fullmatch("[^:]+:[^:,]+,[^:,]+:[^:]+", value) else None
    return value if found and 0 <= found[0] < found[1] and 0 <= found[2] < found[3] else None


def _geo_box(value: str) -> str | None:
    return _snwe(value) if re.fullmatch("[^:]+:[^:,]+,[^:,]+:[^:]+", value) else None


def _snwe(value: str) -> str | None:
    found = _numbers([4])(value)
    if found is None or not (_latitude(*found[:2]) and _longitude(*found[2:])):
        return None
    return value if found[0] < found[1] and found[2] < found[3] else None


def _step(value: str) -> str | None:
    found = _numbers([1, 2])(value)
    return value if found and all(found) else None


def _periods(value: str) -> str | None:
    found = _numbers(range(1, 99))(value)
    return value if found and min(found) > 0 and ":" not in value else None


def _fill(value: str) -> str | None:
    return value if "nan" in value.lower() or re.fullmatch(_NUMBER, value) else None


def _is_date(text: str) -> bool:
    if not re.fullmatch(_DATE, text):
        return False
    try:
        datetime.strptime(text, "%Y%m%dT%H%M" if "T" in text else "%Y%m%d")
    except ValueError:
        return False
    return True


def _tidy(value: str) -> str:
    # MintPy splits at the comma only: with "20080520, 20090817" it looks for " 20090817" and finds nothing.
    return re.sub(r"\s*([,;:/|_-])\s*", r"\1", value.strip("[] "))


def _dates(*, many: bool, files: bool) -> Parser:
    def parse(value: str) -> str | None:
        parts = re.split("[,;]", _tidy(value)) if many else [value]
        allowed = (_is_date(part) or (files and part.endswith(_DATE_FILES)) for part in parts)
        return (",".join(parts) if many else value) if all(allowed) else None

    return parse


def _pairs(value: str) -> str | None:
    parts = _tidy(value).replace("-", "_").split(",")
    split = [part.split("_") for part in parts]
    good = all(len(pair) == 2 and _is_date(pair[0]) and _is_date(pair[1]) and pair[0] < pair[1] for pair in split)
    return ",".join(parts) if good else None


def _indices(value: str) -> str | None:
    tidy = _tidy(value)
    return tidy if re.fullmatch(r"\d+(:\d+)?(,\d+(:\d+)?)*", tidy) else None


def _decays(value: str) -> str | None:
    tidy = re.sub("[/|]", ";", _tidy(value))
    parts = [part.split(",") for part in tidy.split(";")]
    good = all(len(part) > 1 and _is_date(part[0]) and all(re.fullmatch(r"\d+", n) for n in part[1:]) for part in parts)
    return tidy if good else None


def _workers(value: str) -> str | None:
    match = re.fullmatch(r"(\d+)(%?)", value)
    return value if match and 0 < int(match[1]) < (100 if match[2] else math.inf) else None


def _file(value: str) -> str | None:
    return None if value.lower() in {"yes", "true"} else value


def _text(value: str) -> str | None:
    return value


# Hints that cannot be read mechanically: examples whose meaning is not in the notation.
_OVERRIDES: Mapping[str, tuple[str, Parser]] = MappingProxyType(
    {
        "mintpy.compute.numWorker": ("a number of workers, a percentage such as 80%, or all", _workers),
        "mintpy.reference.yx": ("row,column such as 257,151", _pixel),
        "mintpy.reference.lalo": ("latitude,longitude such as 31.8,130.8", _place),
        "mintpy.geocode.SNWE": ("S,N,W,E in degrees such as -1.2,0.5,-92,-91", _snwe),
        "mintpy.geocode.laloStep": ("one or two steps in degrees such as -0.000555556,0.000555556", _step),
        "mintpy.geocode.fillValue": ("np.nan or a number", _fill),
        "mintpy.timeFunc.periodic": ("positive periods in years such as 1,0.5", _periods),
    }
)


def _bounded(token: str, key: str) -> Parser | None:
    """Read `float > 0.0`, `int >= 1`, `int`, `0.0-1.0` and `1-inf`."""
    if match := re.fullmatch(rf"(int|float)\s*(?:(>=?)\s*({_NUMBER}))?", token):
        low = float(match[3]) if match[3] else -math.inf
        return _number(low, math.inf, above=match[2] == ">", integer=match[1] == "int")
    if match := re.fullmatch(rf"({_NUMBER})-({_NUMBER}|inf)", token):
        return _number(float(match[1]), float(match[2]), integer=key in _INTEGERS)
    return None


def _notation(token: str, key: str, hint: str) -> Parser | None:
    """Return the parser of one example in a hint, None when the token is a plain word."""
    leaf = key.rpartition(".")[2]
    if re.fullmatch(rf"{_DATE}(,{_DATE})*", token):
        return _dates(many="," in token or leaf.startswith("exclude"), files="txt" in hint)
    notations: list[tuple[str, Parser]] = [
        (r"\d{8}_\d{8}", _pairs),
        (r"\d{8},\d{1,4}\b.*", _decays),
        (r"\d+:\d+,\d+", _indices),
        ("y0:y1,x0:x1", _pixel_box),
        ("S:N,W:E", _geo_box),
    ]
    found = next((parser for pattern, parser in notations if re.fullmatch(pattern, token)), None)
    return found or _bounded(token, key)


def _is_file(token: str) -> bool:
    return bool(re.fullmatch(r"file ?name|txtFile|\w+\.(txt|h5)", token))


def _alternatives(hint: str) -> list[str]:
    return [token.strip() for token in hint.split("/" if "/" in hint else ",")]


def rule_for(key: str, hint: str, auto: str | None) -> Rule:
    """Derive the rule of one option.

    Parameters
    ----------
    key : str
        The option, e.g. `mintpy.network.minCoherence`.
    hint : str
        What MintPy's template says in brackets, without the brackets; empty when it says nothing.
    auto : str or None
        The value that `auto` stands for: always allowed, even where the hint forgets it.
    """
    if not hint or hint.startswith("path"):
        return Rule("path" if hint else "text", hint or "text", (), (_file if hint else _text,))
    tokens = _alternatives(hint)
    if key in _OVERRIDES:
        says, parser = _OVERRIDES[key]
        found, words = [parser], [token for token in tokens if re.fullmatch("all|no|none", token, re.IGNORECASE)]
        return _rule("value", says, words, found, auto)
    parsers = {token: parser for token in tokens if (parser := _notation(token, key, hint))}
    rest = [token for token in tokens if token not in parsers]
    files = [token for token in rest if _is_file(token)]
    words = [token for token in rest if token not in files and re.fullmatch(r"[\w+]+", token)]
    if len(files) + len(words) < len(rest):
        return Rule("text", hint, (), (_text,))
    only_files = [_file] if files and not parsers else []
    words += _MORE_WORDS.get(key, ())
    return _rule(
        "file" if files else "value",
        f"of the form [{hint}]" if files or parsers else "",
        words,
        [*parsers.values(), *only_files],
        auto,
    )


def _rule(kind: Kind, says: str, words: list[str], parsers: list[Parser], auto: str | None) -> Rule:
    """Put words before notations: "no" is a word where a file name is asked for."""
    rule = Rule(kind, says, tuple(words), (_word(*words), *parsers))
    if auto is not None and rule.read(auto) is None:
        words = [*words, auto]
        rule = Rule(kind, says, tuple(words), (_word(*words), *parsers))
    return Rule(kind, says or f"one of {', '.join(words)}", rule.words, rule.parsers)
