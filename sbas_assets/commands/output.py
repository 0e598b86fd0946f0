"""Where a command's words go: results to standard output, everything else to standard error.

Belongs here: the two streams, tables and JSON. Does not belong here: what is said, and exit codes (`failures`).
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# into a file or a pipe nothing is wrapped: a path that is broken in two is no path
UNWRAPPED = 2000


@dataclass(frozen=True)
class Output:
    """A command's streams.

    Parameters
    ----------
    json : bool
        The result is one JSON document instead of words for people.
    results : Console
        Standard output.
    notes : Console
        Standard error: progress, notes, errors.
    """

    json: bool
    results: Console
    notes: Console

    def document(self, content: Any) -> None:
        """Print the result as JSON."""
        self.results.file.write(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line of the result, as it is."""
        _line(self.results, text, style)

    def note(self, text: str, style: str = "") -> None:
        """Print a line that is not part of the result."""
        _line(self.notes, text, style)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
        """Print a table; columns named with a `>` before them are aligned to the right."""
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        table.collapse_padding = True
        for name in columns:
            right = name.startswith(">")
            table.add_column(name.removeprefix(">"), justify="right" if right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
        self.results.print(table)


def _line(console: Console, text: str, style: str) -> None:
    console.print(Text(text, style=style), soft_wrap=True)


@contextmanager
def opened(*, as_json: bool) -> Iterator[Output]:
    """Give a command its streams.

    They are copies of the process's own: Dagster redirects descriptors 1 and 2 into its log files while it runs, and
    what any library prints to standard output would otherwise stand in the middle of the result.
    """
    with _copy(1) as out, _copy(2) as err, _stray_output_to_stderr(out.fileno()):
        yield Output(as_json, _console(out), _console(err))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the caller decide; rich would end the process with its own exit code."""
        raise BrokenPipeError


def _console(file: TextIO) -> Console:
    return _Console(file=file, width=None if file.isatty() else UNWRAPPED, highlight=False)


@contextmanager
def _copy(descriptor: int) -> Iterator[TextIO]:
    try:
        copy = os.dup(descriptor)
    except OSError:  # closed by whoever started us: nobody listens
        copy = os.open(os.devnull, os.O_WRONLY)
    # None: Python found the descriptor closed when it started
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    with os.fdopen(copy, "w", encoding=encoding, errors="backslashreplace") as file:
        yield file


@contextmanager
def _stray_output_to_stderr(original: int) -> Iterator[None]:
    if sys.stdout is None or sys.stderr is None:
        yield
        return
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(original, 1)


def plain(value: Any) -> Any:
    """Return what JSON can hold: no NaN, no paths, no numpy numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def readable_size(n_bytes: float | None) -> str:
    """Return a size for people, e.g. `3.4 MB`; empty when it is not known."""
    if n_bytes is None:
        return ""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
