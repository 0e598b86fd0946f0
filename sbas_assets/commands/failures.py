"""How a command ends: its exit code, the one message of a failure, and the log file with the rest.

Belongs here: turning any exception into one of the codes below. Does not belong here: finding out what went wrong in
a Dagster run (`results`).
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sbas_assets import __version__
from sbas_assets.commands.output import Output, opened
from sbas_assets.errors import InputError, SbasError
from sbas_assets.workspace import Settings

DONE = 0
MISTAKE = 1  # the user's
FAULT = 2  # the outside world's, or ours
INTERRUPTED = 130
BROKEN_PIPE = 141

Kind = Literal["input", "outside", "internal"]


@dataclass(frozen=True)
class Failure:
    """Why a command did not do what it was asked to.

    Parameters
    ----------
    code, message : str
        Stable code, and what is wrong.
    kind : str
        Whose fault it is; decides the exit code.
    mend, path, frame : str, optional
        As in `errors.SbasError`.
    details : str
        Traceback for the log file.
    """

    code: str
    message: str
    kind: Kind
    mend: str | None = None
    path: str | None = None
    frame: str | None = None
    details: str = ""

    @property
    def exit_code(self) -> int:
        """Code that the process ends with."""
        return MISTAKE if self.kind == "input" else FAULT


def failure_of(error: Exception) -> Failure:
    """Describe an exception."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, SbasError):
        kind: Kind = "input" if isinstance(error, InputError) else "outside"
        return Failure(error.code, error.message, kind, error.mend, error.path, error.frame, details)
    if isinstance(error, OSError):
        path = None if error.filename is None else str(error.filename)
        return Failure("system-error", error.strerror or str(error), "outside", path=path, details=details)
    message = f"{type(error).__name__}: {error}"
    return Failure("internal", message, "internal", mend="please report it, with the log", details=details)


def execute(command: str, body: Callable[[Output], int], *, as_json: bool = False) -> int:
    """Carry a command out, and tell what became of it.

    Parameters
    ----------
    command : str
        For the name of the log file.
    body : callable
        The command; gets its streams and returns its exit code.
    as_json : bool
        Standard output holds one JSON document, whatever happens.

    Returns
    -------
    int
        Exit code.
    """
    try:
        with opened(as_json=as_json) as out:
            try:
                return body(out)
            except BrokenPipeError:
                raise
            except KeyboardInterrupt:
                return _interrupted(out)
            except Exception as error:
                return fail(out, command, failure_of(error))
    except BrokenPipeError:
        return BROKEN_PIPE


def _interrupted(out: Output) -> int:
    if out.json:
        out.document({"error": {"code": "interrupted", "message": "stopped by the user"}})
    out.note("interrupted; what was finished stays")
    return INTERRUPTED


def fail(out: Output, command: str, failure: Failure, document: Mapping[str, Any] | None = None) -> int:
    """Tell a failure, and return the exit code.

    Parameters
    ----------
    out : Output
        The command's streams.
    command : str
        For the name of the log file.
    failure : Failure
        What went wrong. With the traceback in a log file unless it is the user's mistake.
    document : mapping, optional
        What the JSON document holds besides the error.
    """
    log = None if failure.kind == "input" else write_log(command, failure)
    if out.json:
        out.document({**(document or {}), "error": _as_dict(failure, log)})
    where = [part for part in (failure.frame and f"frame {failure.frame}", failure.path) if part]
    out.note(f"error: [{failure.code}] {': '.join([*where, failure.message])}", "bold red")
    for name, value in (("mend", failure.mend), ("log", log)):
        if value:
            out.note(f"  {name}: {value}")
    return failure.exit_code


def _as_dict(failure: Failure, log: Path | None) -> dict[str, Any]:
    shown = {name: getattr(failure, name) for name in ("code", "kind", "message", "mend", "path", "frame")}
    return {**shown, "log": log, "exit_code": failure.exit_code}


def write_log(command: str, failure: Failure) -> Path:
    """Keep a failure's traceback, below `$SBAS_ROOT/logs` or, if that cannot be written, in a temporary file."""
    now = datetime.now(UTC)
    about = (
        f"{now:%Y-%m-%dT%H:%M:%SZ} {' '.join(sys.argv)}\n"
        f"sbas_assets {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"[{failure.code}] {failure.message}\n\n{failure.details}\n"
    )
    name = f"{now:%Y%m%dT%H%M%SZ}-{command}.log"
    try:
        path = Settings.from_env().root / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(about)
    except OSError:
        handle, temporary = tempfile.mkstemp(prefix="sbas-assets-", suffix=f"-{name}")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(about)
        return Path(temporary)
    return path
