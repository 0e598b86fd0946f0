"""The text of a MintPy template: `key = value  # comment`, line by line.

Here: reading a template as `mintpy.utils.readfile.read_template` does, and putting values into one without losing
its comments. Not here: what keys and values mean (template_rules, template_mistakes). MintPy's own reader is not
imported because it brings matplotlib with it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from sbas_assets.errors import InputError

_COMMENT_MARKS = ("%", "#", "!")
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


def lines_of(text: str) -> list[str]:
    """Split as a text file is split, whatever system wrote it."""
    return [line.rstrip("\n") for line in io.StringIO(text, newline=None)]


def split_line(line: str) -> tuple[str, str, str] | None:
    """Return key, value and comment (with its mark) of one line, None for a line that sets nothing."""
    line = line.strip()
    key, delimiter, rest = line.partition("=")
    if not delimiter or line.startswith(_COMMENT_MARKS):
        return None
    value, mark, comment = rest.partition("#")
    return key.strip(), value.strip(), mark + comment


def expand(value: str) -> str:
    """Replace `~` and environment variables; a variable that is not set stays as it is written."""
    return os.path.expandvars(os.path.expanduser(value))  # noqa: PTH111 - Path() would drop "./" and "//"


def entries(text: str) -> dict[str, str]:
    """Read a template; empty values are dropped and the last of several wins, as in MintPy."""
    found = (split_line(line) for line in lines_of(text))
    pairs = [(entry[0], expand(entry[1])) for entry in found if entry]
    return {key: value for key, value in pairs if value}


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values into the lines of a template that have their keys.

    MintPy's `update_template_file` searches with regular expressions and fails on some of the characters that paths
    and globs are made of; here a line is taken apart and put together again.
    """
    return "\n".join(_replaced(line, values) for line in lines_of(text)) + "\n"


def _replaced(line: str, values: Mapping[str, str]) -> str:
    entry = split_line(line)
    if entry is None or entry[0] not in values:
        return line
    head = re.match(r"[^=]*=\s*", line)
    assert head is not None
    return f"{head[0]}{values[entry[0]]}  {entry[2]}".rstrip()


def read_text(path: Path) -> str:
    """Read a template that a person wrote.

    Comments may be in any encoding (a Chinese comment saved as GBK is common); a value may not, because nobody could
    tell which file it means.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            "template-missing", "there is no such template file", mend="check the path", path=path
        ) from None
    except OSError as error:
        raise _unreadable(path, f"the template can not be read ({error.strerror})") from None
    if b"\0" in raw:
        raise _unreadable(path, "this is not a text file in UTF-8")
    text = raw.decode("utf-8-sig", errors="replace")
    for number, line in enumerate(lines_of(text), 1):
        entry = split_line(line)
        if entry and _UNREADABLE in entry[0] + entry[1]:
            raise _unreadable(path, f"line {number} is not UTF-8")
    return text


def _unreadable(path: Path, message: str) -> InputError:
    mend = "give MintPy's smallbaselineApp.cfg or a custom template: a text file in UTF-8 with lines `key = value`"
    return InputError("template-unreadable", message, mend=mend, path=path)
