"""Importing the template that a user already has: a smallbaselineApp.cfg or a custom template.

Here: sorting its lines into MintPy options, attributes and the rest, and making relative paths absolute. Not here:
judging the values (template_mistakes), because options of the command line may still replace some of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template_mistakes import is_attribute
from sbas_assets.mintpy.template_options import known_options
from sbas_assets.mintpy.template_syntax import entries, lines_of, read_text

_NO_PATH = frozenset({"auto", "def", "default", "no", "none", "n", "off", "false"})
# smallbaselineApp takes these two out of a custom template: they describe ROI_PAC's files, not the stack.
_DROPPED = frozenset({"SUBSET_XMIN", "SUBSET_YMIN"})


@dataclass(frozen=True)
class ImportedTemplate:
    """What a user's template says.

    Parameters
    ----------
    options : dict of str to str
        MintPy options as written, those that are `auto` left out, relative paths made absolute; not validated.
    attributes : dict of str to str
        Metadata for MintPy's files, e.g. `ORBIT_DIRECTION`.
    ignored : dict of str to str
        Entries for other programs, e.g. `topsStack.*`.
    """

    options: dict[str, str]
    attributes: dict[str, str]
    ignored: dict[str, str]


def read_cfg(path: str | os.PathLike[str]) -> ImportedTemplate:
    """Read a smallbaselineApp.cfg or a custom template.

    Parameters
    ----------
    path : path
        The file; relative paths in it mean its own folder.

    Raises
    ------
    InputError
        `template-missing`, `template-unreadable`, `template-line-malformed`.
    """
    path = Path(path).expanduser()
    text = read_text(path)
    _refuse_lines_without_delimiter(text, path)
    found = entries(text)
    options = {key: value for key, value in found.items() if _is_option(key)}
    if "processor" in found:
        # An old spelling that smallbaselineApp lets win over mintpy.load.processor.
        options["mintpy.load.processor"] = found["processor"]
    attributes = {key: value for key, value in found.items() if is_attribute(key) and key not in _DROPPED}
    ignored = {key: value for key, value in found.items() if key not in options and key not in attributes}
    given = {key: value for key, value in options.items() if value.lower() != "auto"}
    return ImportedTemplate(resolve_paths(given, path.parent), attributes, ignored)


def resolve_paths(options: Mapping[str, str], folder: str | os.PathLike[str]) -> dict[str, str]:
    """Make relative paths absolute.

    Parameters
    ----------
    options : mapping of str to str
        MintPy options.
    folder : path
        What relative paths are relative to.
    """
    # Symbolic links are resolved because "../merged" is seen from the real folder by every program that opens it.
    real = Path(folder).resolve()
    return {key: _resolved(key, value, real) for key, value in options.items()}


def _resolved(key: str, value: str, folder: Path) -> str:
    option = known_options().get(key)
    if option is None or value.lower() in _NO_PATH or Path(value).is_absolute():
        return value
    kind = option.rule.kind
    if kind == "path" or (kind == "file" and (value.startswith(("./", "../")) or _is_users(value, folder))):
        return _join(folder, value)
    return value


def _is_users(name: str, folder: Path) -> bool:
    """Tell a mask that the user drew from a name such as maskTempCoh.h5, which MintPy makes again in its own folder.

    MintPy works on without a mask that it does not find, so a name left behind would change the result silently.
    """
    made_by_mintpy = {option.auto for option in known_options().values()}
    return name not in made_by_mintpy and (folder / name).is_file()


def _join(folder: Path, value: str) -> str:
    """Join without touching what comes after the leading dots: it may be a glob pattern."""
    while value.startswith(("./", "../")) or value in {".", ".."}:
        step, _, value = value.partition("/")
        folder = folder.parent if step == ".." else folder
    return str(folder / value) if value else str(folder)


def _is_option(key: str) -> bool:
    # "pysar." was MintPy's name before 2019 and "Mintpy." is a slip: both must be told, not ignored.
    return key.lower().startswith(("mintpy.", "pysar."))


def _refuse_lines_without_delimiter(text: str, path: Path) -> None:
    """MintPy skips `mintpy.deramp linear` without a word."""
    for number, line in _bare_lines(text):
        raise InputError(
            "template-line-malformed",
            f"line {number} sets nothing: {line!r} has no `=`",
            mend="write `key = value`, or put a # before a comment",
            path=path,
        )


def _bare_lines(text: str) -> Iterator[tuple[int, str]]:
    lines = enumerate(map(str.strip, lines_of(text)), 1)
    return ((number, line) for number, line in lines if _is_option(line) and "=" not in line.partition("#")[0])
