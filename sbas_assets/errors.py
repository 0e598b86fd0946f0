"""The two ways a run can fail for a reason that is not a bug here.

`InputError` is a user's mistake: it carries a stable code (listed in docs/errors.md), names the file and the
mend, and is never retried. `OutsideError` is a fault of the outside world (network, disk, object store): it may
be retried. Anything else that is raised is a defect of this package.
"""

from __future__ import annotations

from os import PathLike, fspath


class SbasError(Exception):
    """A failure that a person can act on.

    Parameters
    ----------
    code : str
        Stable kebab-case identifier, a heading of docs/errors.md.
    message : str
        What is wrong, in one sentence.
    mend : str, optional
        What to do about it, in one sentence.
    path : path, optional
        The file or folder that is wrong.
    frame : str, optional
        Key of the frame.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        mend: str | None = None,
        path: str | PathLike[str] | None = None,
        frame: str | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.mend = mend
        self.path = fspath(path) if path is not None else None
        self.frame = frame
        super().__init__(str(self))

    def __str__(self) -> str:
        where = " ".join(filter(None, [self.frame and f"frame {self.frame}:", self.path and f"{self.path}:"]))
        text = f"[{self.code}] {where + ' ' if where else ''}{self.message}"
        return f"{text} -> {self.mend}" if self.mend else text


class InputError(SbasError):
    """A mistake in what the user gave: the stack, the template, the frame, the command."""


class OutsideError(SbasError):
    """A fault of the outside world that a later try may not meet again."""
