"""Publications of a frame, each in a process of its own, to be killed at any moment.

`python -m sbas_assets_tests.published.publisher ROOT URL` has everything imported and forks for each line that it
reads, so that a publication takes no seconds to start. A publication says each write before it begins it. `Publisher`
is the other end: it starts publications, sees which phase they are in, and kills them.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sbas_assets.published.frame_version
import sbas_assets.published.object_writer
import sbas_assets.published.zarr_product  # noqa: F401 - imported once, for all the children
from sbas_assets.errors import SbasError
from sbas_assets.published import retention
from sbas_assets.published.store import Store

from .frame_to_publish import READERS_S, make_frame, publish_frame

PATIENCE_S = 120
PHASES = (
    "chunks",
    "metadata",
    "GeoTIFF",
    "manifest",
    "removal",
    "thumbnail",
    "version's item",
    "pointer",
    "successor",
    "collection",
)


def phase_of(path: str, pointer_moved: bool) -> str:
    """The phase of a publication that writes an object."""
    name = path.rsplit("/", 1)[-1]
    if name == "item.json" and "/versions/" in path:
        return "successor" if pointer_moved else "version's item"
    known = {"zarr.json": "metadata", "manifest.json": "manifest", "thumbnail.png": "thumbnail", "item.json": "pointer"}
    known["collection.json"] = "collection"
    return known.get(name, "GeoTIFF" if name.endswith(".tif") else "chunks")


def _announce() -> None:
    """Say on standard output which write begins; lines of this length are not torn, whatever thread writes them."""
    moved = False

    def saying(name: str) -> None:
        real: Callable[..., object] = getattr(Store, name)

        def write(self: Store, paths: object, *rest: object, **how: object) -> object:
            nonlocal moved
            phase = "removal" if name == "delete" else phase_of(str(paths), moved)
            if paths:
                os.write(1, f"{phase}\n".encode())
            done = real(self, paths, *rest, **how)
            moved |= phase == "pointer"
            return done

        setattr(Store, name, write)

    for name in ("put", "put_if", "delete"):
        saying(name)


def _publish(root: Path, url: str) -> int:
    _announce()
    # an hour, and a day, in seconds
    retention.READERS = timedelta(seconds=READERS_S)
    retention.UNFINISHED = timedelta(seconds=READERS_S)
    try:
        how = publish_frame(make_frame(root, url))
    except SbasError as error:
        os.write(1, f"{json.dumps({'code': error.code, 'message': str(error)})}\n".encode())
        return 2
    os.write(1, f"{json.dumps({'how': how})}\n".encode())
    return 0


def main(root: Path, url: str) -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_publish(root, url))
        print(f"begun {child}", flush=True)
        print(f"ended {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


@dataclass(frozen=True)
class End:
    """How a publication ended.

    Parameters
    ----------
    status
        Exit code; minus the signal when it was killed.
    phase
        What it was about to write or writing.
    told
        What it did to each step, or the code and message of its error.
    seconds
        How long it took.
    """

    status: int
    phase: str
    told: dict[str, str]
    seconds: float


class Publisher:
    """Starts publications one after the other."""

    def __init__(self, root: Path, url: str) -> None:
        words = [sys.executable, "-m", "sbas_assets_tests.published.publisher", str(root), url]
        self.log = root / "publisher.log"
        with self.log.open("wb") as errors:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            if getattr(self, "_child", 0):
                os.kill(self._child, signal.SIGKILL)
        self._process.communicate(timeout=PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def _read(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            self._lines.put(line.rstrip("\n"))
            if line.startswith("ended"):
                self._child = 0
        self._lines.put("gone")

    def start(self) -> None:
        self._begun, self._seen, self._told = time.monotonic(), ["beginning"], {}
        self._end: End | None = None
        print("publish", file=self._process.stdin, flush=True)
        line = self._next(PATIENCE_S)
        while not line.startswith("begun"):
            line = self._next(PATIENCE_S)
        self._child = int(line.split()[1])

    def until(self, phase: str, nth: int = 1) -> bool:
        """Wait until the nth write of a phase begins; False when the publication ended before."""
        while self._end is None:
            if self._seen.count(phase) >= nth:
                return True
            self._take(PATIENCE_S)
        return False

    def kill(self) -> End:
        """Kill it, -9."""
        if self._end is None and self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGKILL)
        return self.finish()

    def finish(self, seconds: float = PATIENCE_S) -> End:
        """Wait for its end."""
        deadline = time.monotonic() + seconds
        while self._end is None:
            self._take(deadline - time.monotonic())
        return self._end

    def _next(self, seconds: float) -> str:
        try:
            line = self._lines.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            raise AssertionError(f"the publication is silent: {self.log.read_text()}") from None
        assert line != "gone", self.log.read_text()
        return line

    def _take(self, seconds: float) -> None:
        line = self._next(seconds)
        if line.startswith("{"):
            self._told = json.loads(line)
        elif line.startswith("ended"):
            status = int(line.split()[1])
            self._end = End(status, self._seen[-1], self._told, time.monotonic() - self._begun)
        else:
            self._seen.append(line)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
