"""The two ways a run can fail for a reason that is not a bug here.

`InputError` is a user's mistake: it carries a stable code (listed in docs/errors.md), names the file and the
mend, and is never retried. `OutsideError` is a fault of the outside world (network, disk, object store): it may
be retried. Anything else that is raised is a defect of this package.
"""

from __future__ import annotations

import errno
import re
from os import PathLike, fspath

_ERRNO = re.compile(r"\berrno = (\d+)")


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


class WaitingError(Exception):
    """Work is under way elsewhere, and this process may do something else for some seconds; no failure.

    Parameters
    ----------
    text : str
        What is being waited for.
    seconds : float
        When to look again.
    """

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


class OutsideError(SbasError):
    """A fault of the outside world that a later try may not meet again."""


def outside_fault(error: BaseException) -> OutsideError | None:
    """Return what the operating system refused as an error to act on, or None if it refused nothing.

    Parameters
    ----------
    error : exception
        Of a system call, or of HDF5, which hands on the system's error number.
    """
    # what fails when a file is closed has the number in its text only
    told = _ERRNO.search(str(error))
    number = (error.errno if isinstance(error, OSError) else None) or (int(told[1]) if told else None)
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return OutsideError("disk-full", str(error), mend="free some space, then run again")
    if number in {errno.EAGAIN, errno.EACCES} and "lock file" in str(error):
        mend = "close view.py, tsview.py or the notebook that has it open, then run again"
        return OutsideError("file-locked", f"another program has an HDF5 file of this frame open: {error}", mend=mend)
    return None
