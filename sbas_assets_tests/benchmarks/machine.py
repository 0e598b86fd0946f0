"""What every benchmark shares: the machine, a command's seconds and peak memory, and the output.

Belongs here: measuring a child process and saying where it was measured. Does not belong here: what is measured.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from sbas_assets.commands.output import Output

PACKAGES = ("numpy", "scipy", "h5py", "numba", "mintpy", "dagster", "zarr")
POLL_S = 0.02
WIDTH = 120  # of tables that go to a file or a pipe
BYTECODE = Path(tempfile.gettempdir(), "sbas-assets-benchmarks-bytecode")


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Parameters
    ----------
    seconds : float
        From the start of the process to its end.
    peak_bytes : int
        The largest resident memory of the process itself, without its children: `VmHWM` of its /proc/PID/status, read
        until it ends. `ru_maxrss` of `os.wait4` would also count what this process held when it started the child.
    lines : tuple of (float, str)
        What it wrote to standard output, each line with the seconds since the start.
    """

    seconds: float
    peak_bytes: int
    lines: tuple[tuple[float, str], ...]

    @property
    def output(self) -> str:
        """Standard output."""
        return "".join(line for _, line in self.lines)


def measure(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Measured:
    """Run a command as a child process.

    Parameters
    ----------
    command : sequence of str
        Program and arguments; a Python program should be told `-u` where the times of its lines matter.
    cwd : Path, optional
        Its working directory.
    env : mapping, optional
        Its environment; `environment()` where None.

    Raises
    ------
    RuntimeError
        It failed; with the end of what it wrote.
    """
    env = environment() if env is None else env
    began = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        peak = _Peak(process)
        assert process.stdout is not None
        lines = tuple((time.monotonic() - began, line) for line in process.stdout)
        code = process.wait()
        seconds = time.monotonic() - began
        if code != 0:
            errors.seek(0)
            told = "".join(line for _, line in lines)[-3000:] + errors.read()[-3000:]
            raise RuntimeError(f"{' '.join(command)[:200]} ended with code {code}:\n{told}")
        return Measured(seconds, peak.bytes(), lines)


class _Peak:
    """The highest `VmHWM` of a process, read by a thread until it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._kilobytes = 0
        self._process = process
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def bytes(self) -> int:
        """Peak in bytes; waits for the end of the process."""
        self._thread.join()
        return 1024 * self._kilobytes

    def _watch(self) -> None:
        status = Path(f"/proc/{self._process.pid}/status")
        while self._process.returncode is None:
            try:
                found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
            except OSError:
                return
            if found:
                self._kilobytes = max(self._kilobytes, int(found[1]))
            time.sleep(POLL_S)


def environment(**more: str) -> dict[str, str]:
    """Return an environment for a child: this process's, without settings of this package, and `more`.

    Python keeps its bytecode in a folder of the benchmarks', as an installation does beside its modules: where it is
    told not to write any, as in many containers, every process compiles all modules again for 10 s.
    """
    dropped = ("SBAS_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**inherited, "PYTHONPYCACHEPREFIX": str(BYTECODE), **more}


def middle(runs: Sequence[Measured]) -> Measured:
    """Return the run of median duration, of an even number the shorter one in the middle."""
    return sorted(runs, key=lambda run: run.seconds)[(len(runs) - 1) // 2]


def machine() -> dict[str, str | int | float]:
    """Describe the machine and the software: what a number of seconds means nothing without."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_GB": round(memory / 1e9, 1),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def opened(*, as_json: bool) -> Output:
    """Return where a benchmark's results go: `table`, `say` and `document` to standard output, `note` to the other."""
    results = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    return Output(as_json, results, Console(stderr=True, highlight=False))


def show_machine(out: Output) -> None:
    """Print the machine as a line of text."""
    out.say(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine().items()))


def gigabytes(n_bytes: float) -> str:
    """Return a size in GB for a table."""
    return f"{n_bytes / 1e9:.2f}"


@contextmanager
def work_folder(prefix: str, keep: Path | None) -> Iterator[Path]:
    """Give a temporary folder, or make a new one that is left there."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)
