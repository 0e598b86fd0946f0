"""What values a MintPy option takes, derived from the bracket hint in MintPy's default template.

Here: the reading of a hint such as `[1-inf, no]`, and the few hints that say too little. Not here: the notations
(template_notations), which options exist (template_options), how a mistake is told (template_mistakes).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sbas_assets.mintpy import template_notations as notations
from sbas_assets.mintpy.template_notations import DATE, NUMBER, Parser

Kind = Literal["path", "file", "value", "text"]

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
# Hints that are examples: what the numbers mean can not be read from them.
_OVERRIDES: Mapping[str, tuple[str, Parser]] = MappingProxyType(
    {
        "mintpy.compute.numWorker": ("a number of workers, a percentage such as 80%, or all", notations.workers),
        "mintpy.reference.yx": ("row,column such as 257,151", notations.pixel),
        "mintpy.reference.lalo": ("latitude,longitude such as 31.8,130.8", notations.place),
        "mintpy.geocode.SNWE": ("S,N,W,E in degrees such as -1.2,0.5,-92,-91", notations.snwe),
        "mintpy.geocode.laloStep": ("one or two steps in degrees such as -0.0005,0.0005", notations.step),
        "mintpy.geocode.fillValue": ("np.nan or a number", notations.fill),
        "mintpy.timeFunc.periodic": ("positive periods in years such as 1,0.5", notations.periods),
    }
)
_EXAMPLES: tuple[tuple[str, Parser], ...] = (
    (r"\d{8}_\d{8}", notations.pairs),
    (r"\d{8},\d{1,4}\b.*", notations.decays),
    (r"\d+:\d+,\d+", notations.indices),
    ("y0:y1,x0:x1", notations.pixel_box),
    ("S:N,W:E", notations.geo_box),
)


@dataclass(frozen=True)
class Rule:
    """The values that one option takes.

    Parameters
    ----------
    kind : str
        `path` and `file` name files, `value` has a notation, `text` is anything.
    says : str
        What is allowed, to follow "is not".
    words : tuple of str
        The words among the values.
    parsers : tuple of Parser
        The notations, tried in turn.
    """

    kind: Kind
    says: str
    words: tuple[str, ...]
    parsers: tuple[Parser, ...]

    def read(self, value: str) -> str | None:
        """Return the value as MintPy spells it, or None when it is not allowed."""
        return next((found for parser in self.parsers if (found := parser(value)) is not None), None)


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
    if hint.startswith("path"):
        return Rule("path", hint, (), (notations.file_name,))
    tokens = [token.strip() for token in hint.split("/" if "/" in hint else ",")]
    if key in _OVERRIDES:
        says, parser = _OVERRIDES[key]
        none = [token for token in tokens if token.lower() in {"all", "no", "none"}]
        return _rule("value", says, none, [parser], auto)
    parsers = {token: found for token in tokens if (found := _parser(token, key, hint))}
    files = [token for token in tokens if re.fullmatch(r"file ?name|txtFile|\w+\.(txt|h5)", token)]
    words = [token for token in tokens if re.fullmatch(r"[\w+]+", token) and token not in {*parsers, *files}]
    if len(parsers) + len(files) + len(words) < len(tokens):
        return Rule("text", hint or "text", (), (notations.text,))
    if files and not parsers:
        parsers["file"] = notations.file_name
    says = f"of the form [{hint}]" if parsers else ""
    return _rule("file" if files else "value", says, [*words, *_MORE_WORDS.get(key, ())], [*parsers.values()], auto)


def _rule(kind: Kind, says: str, words: list[str], parsers: list[Parser], auto: str | None) -> Rule:
    """Put words before notations: "no" is a word where a file name is asked for."""
    if auto is not None and all(parser(auto) is None for parser in (notations.word(*words), *parsers)):
        words = [*words, auto]
    return Rule(kind, says or f"one of {', '.join(words)}", tuple(words), (notations.word(*words), *parsers))


def _parser(token: str, key: str, hint: str) -> Parser | None:
    """Return the notation of one part of a hint, None when the part is a word or names a file."""
    if re.fullmatch(rf"{DATE}(,{DATE})*", token):
        many = "," in token or key.rpartition(".")[2].startswith("exclude")
        return notations.dates(many=many, files="txt" in hint)
    example = next((parser for pattern, parser in _EXAMPLES if re.fullmatch(pattern, token)), None)
    return example or _bounded(token, key)


def _bounded(token: str, key: str) -> Parser | None:
    """Read `float > 0.0`, `int >= 1`, `int`, `0.0-1.0` and `1-inf`."""
    if match := re.fullmatch(rf"(int|float)\s*(?:(>=?)\s*({NUMBER}))?", token):
        low = float(match[3]) if match[3] else -math.inf
        return notations.number(low, math.inf, above=match[2] == ">", integer=match[1] == "int")
    if match := re.fullmatch(rf"({NUMBER})-({NUMBER}|inf)", token):
        return notations.number(float(match[1]), float(match[2]), integer=key in _INTEGERS)
    return None
