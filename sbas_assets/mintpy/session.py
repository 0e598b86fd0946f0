"""Running MintPy's code inside this process without letting it change the process.

MintPy writes to the current directory, prints, draws with pyplot, sets environment variables and draws random
numbers without a seed. Here each call runs in a thread of its own whose working directory is private to the
thread, and everything else that it might change is put back. What MintPy is asked to do is not decided here.
"""

from __future__ import annotations

import io
import os
import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from unittest import mock

import numpy as np

from sbas_assets.errors import SbasError, outside_fault

# without a display pyplot would pick Agg anyway; with one, a GUI back end must not start in a worker thread
os.environ.setdefault("MPLBACKEND", "Agg")

SEED = 20140403  # launch day of Sentinel-1A; any constant does
_ONE_AT_A_TIME = threading.Lock()


class MintPyError(Exception):
    """MintPy stopped; the message is its own and `log` holds what it printed."""

    def __init__(self, message: str, log: Path) -> None:
        super().__init__(f"{message} (MintPy's output: {log})")
        self.log = log


def run_in_folder[T](folder: Path, log: Path, call: Callable[[], T], *, echo: bool = False) -> T:
    """Call MintPy with `folder` as its current directory.

    Parameters
    ----------
    folder : Path
        Working directory of the call, and of nothing else in the process.
    log : Path
        File that receives what is printed; replaced.
    call : callable
        Function without arguments.
    echo : bool
        Print to this process's standard output as well.

    Returns
    -------
    object
        What `call` returns.

    Raises
    ------
    MintPyError
        When the call raises or asks the interpreter to exit.
    OutsideError
        `disk-full`, `file-locked`.
    SbasError
        What the call raises of this package's own errors.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            with log.open("w") as file, _working_directory(folder), _guarded(file, echo=echo):
                try:
                    outcome["value"] = call()
                except BaseException as error:
                    traceback.print_exc(file=file)
                    outcome["error"] = error
        except BaseException as error:  # handed to the caller below
            outcome.setdefault("error", error)

    with _ONE_AT_A_TIME:
        # a daemon, so that a cancelled run can end while MintPy still computes
        thread = threading.Thread(target=work, name=f"mintpy-{folder.name}", daemon=True)
        thread.start()
        thread.join()
    error = outcome.get("error")
    if isinstance(error, SbasError):
        raise error
    if error is not None:
        raise outside_fault(error) or MintPyError(f"{type(error).__name__}: {error}", log) from error
    value: T = outcome["value"]
    return value


@contextmanager
def _working_directory(folder: Path) -> Iterator[None]:
    """Give the calling thread a working directory of its own (Linux: unshare(2) with CLONE_FS).

    Where that is forbidden, as by Docker's default seccomp profile, the process's own is changed and put back: one
    call at a time, in a run's process, which does nothing else meanwhile.
    """
    before = None
    try:
        os.unshare(os.CLONE_FS)
    except OSError:
        before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        if before is not None:
            os.chdir(before)


@contextmanager
def _guarded(log: TextIO, *, echo: bool) -> Iterator[None]:
    """Seed what is random, catch what is printed, and put back what MintPy changes."""
    environment = dict(os.environ)
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - MintPy's generator
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002
    # matplotlib's PDF and SVG carry the creation date unless this is set
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    try:
        with _redirected(log, echo=echo), _seeded_generators(), _matplotlib_settings():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


@contextmanager
def _matplotlib_settings() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context():
        try:
            yield
        finally:
            if "matplotlib.pyplot" in sys.modules:
                sys.modules["matplotlib.pyplot"].close("all")


@contextmanager
def _seeded_generators() -> Iterator[None]:
    """Let `np.random.default_rng()` without a seed give this thread the same numbers every time."""
    original, thread = np.random.default_rng, threading.get_ident()

    def default_rng(seed: Any = None) -> np.random.Generator:
        mine = seed is None and threading.get_ident() == thread
        return original(SEED if mine else seed)

    with mock.patch.object(np.random, "default_rng", default_rng):
        yield


@contextmanager
def _redirected(log: TextIO, *, echo: bool) -> Iterator[None]:
    out, err = sys.stdout, sys.stderr
    streams = _ThreadStream(log, out, echo=echo), _ThreadStream(log, err, echo=echo)
    sys.stdout, sys.stderr = streams
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
        for stream in streams:
            stream.forget_log()


class _ThreadStream(io.TextIOBase):
    """A stream that takes the creating thread's text to the log and leaves all other threads alone."""

    def __init__(self, log: TextIO, original: TextIO, *, echo: bool) -> None:
        self._log, self._original, self._echo = log, original, echo
        self._thread: int | None = threading.get_ident()

    def forget_log(self) -> None:
        """Pass everything on from now: a logging handler may keep the stream, and the next thread gets the same id."""
        self._thread = None

    def write(self, text: str) -> int:
        mine = threading.get_ident() == self._thread
        if mine:
            self._log.write(text)
        if self._echo or not mine:
            self._original.write(text)
        return len(text)

    def flush(self) -> None:
        stream = self._log if threading.get_ident() == self._thread else self._original
        # also called by the interpreter, when the stream is no longer used by anything
        if not stream.closed:
            stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._original.fileno()
