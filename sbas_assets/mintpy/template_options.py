"""The options that the installed MintPy knows, read from its own default template.

Here: key, hint, automatic value and rule of every option. Not here: judging a user's values (template_mistakes).
The template is the contract: an option that a newer MintPy adds is known here without a change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sbas_assets.mintpy.template_rules import Rule, rule_for
from sbas_assets.mintpy.template_syntax import lines_of, split_line


@dataclass(frozen=True)
class Option:
    """One option of MintPy.

    Parameters
    ----------
    key : str
        Full name, e.g. `mintpy.networkInversion.weightFunc`.
    hint : str
        What the default template says in brackets, e.g. `var / fim / coh / no`.
    comment : str
        The whole comment of the default template.
    auto : str or None
        The value that `auto` stands for, environment variables not expanded; None when the step finds it itself.
    rule : Rule
        The values it takes.
    """

    key: str
    hint: str
    comment: str
    auto: str | None
    rule: Rule


def _default_file(name: str) -> str:
    return files("mintpy").joinpath("defaults", name).read_text(encoding="utf-8")


@cache
def default_text() -> str:
    """Return MintPy's default smallbaselineApp.cfg."""
    return _default_file("smallbaselineApp.cfg")


@cache
def _options() -> tuple[Option, ...]:
    auto_lines = map(split_line, lines_of(_default_file("smallbaselineApp_auto.cfg")))
    auto = {entry[0]: entry[1] for entry in auto_lines if entry}
    entries = [entry for entry in map(split_line, lines_of(default_text())) if entry]
    return tuple(_option(key, comment, auto.get(key)) for key, _, comment in entries)


def _option(key: str, comment: str, auto: str | None) -> Option:
    found = re.search(r"\[(.*?)\]", comment)
    hint = found[1].strip() if found else ""
    return Option(key, hint, comment.lstrip("# "), auto, rule_for(key, hint, auto))


def known_options() -> dict[str, Option]:
    """Return every option of the installed MintPy by its key, in the order of the default template."""
    return {option.key: option for option in _options()}
