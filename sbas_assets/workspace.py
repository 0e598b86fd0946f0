"""Where a frame's files are, who may write them, and how a file appears there whole or not at all.

Holds every path of the platform and of a frame, the lock and the atomic writes. What is *in* the files, and when
they are remade, is decided elsewhere (provenance.py, transaction.py).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sbas_assets.errors import OutsideError

LOCK_PATIENCE_S = 12 * 3600.0
SIGN_TAG = "sbas/sign"
"""Tag of a run that has begun with its frame: the file that it holds a lock on while it lives."""


@dataclass(frozen=True)
class Settings:
    """Roots of the platform, as the environment gives them.

    Parameters
    ----------
    root : Path
        `SBAS_ROOT`: frames, work folders and weather files.
    store : str
        `SBAS_STORE`: folder or fsspec URL of the published Zarr copies.
    dagster_home : Path
        `DAGSTER_HOME`: runs and events.
    """

    root: Path
    store: str
    dagster_home: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read `SBAS_ROOT`, `SBAS_STORE` and `DAGSTER_HOME`; an empty variable counts as unset."""
        env = os.environ if env is None else env
        root = Path(env.get("SBAS_ROOT") or "sbas-data").expanduser().absolute()
        return cls.under(root, store=env.get("SBAS_STORE"), dagster_home=env.get("DAGSTER_HOME"))

    @classmethod
    def under(cls, root: Path, *, store: str | None = None, dagster_home: str | None = None) -> Settings:
        """Settings of one root folder, with the store and Dagster's home below it unless given."""
        root = root.expanduser().absolute()
        home = Path(dagster_home).expanduser().absolute() if dagster_home else root / "dagster"
        return cls(root=root, store=store or str(root / "store"), dagster_home=home)

    @property
    def frames(self) -> Path:
        """Folder of the frame catalogue's YAML files."""
        return self.root / "frames"

    @property
    def weather(self) -> Path:
        """Folder that holds `ERA5/`, shared by all frames."""
        return self.root / "weather"

    def workspace(self, frame: str) -> Workspace:
        """Return the work folder of a frame; it need not exist yet."""
        return Workspace(frame, self.root / "work" / frame)


@dataclass(frozen=True)
class Workspace:
    """A frame's MintPy work folder, with this package's own files under `.sbas/`.

    Parameters
    ----------
    frame : str
        Key of the frame.
    root : Path
        The folder that looks as if `smallbaselineApp.py` had run in it.
    """

    frame: str
    root: Path

    @property
    def hidden(self) -> Path:
        """Folder of records, logs, staging and the lock."""
        return self.root / ".sbas"

    def record(self, asset: str) -> Path:
        """Path of an asset's record."""
        return self.hidden / "records" / f"{asset}.json"

    def log(self, asset: str) -> Path:
        """Path of what MintPy printed when the asset was last made."""
        return self.hidden / "logs" / f"{asset}.log"

    @property
    def digests(self) -> Path:
        """Cache of file digests."""
        return self.hidden / "digests.json"

    @property
    def stack_digests(self) -> Path:
        """Digests of the stack's images, by the state of the file."""
        return self.hidden / "stack_digests.json"

    @property
    def stack_readings(self) -> Path:
        """What the stack's headers said, and what else its single files tell, by the state of the file."""
        return self.hidden / "stack_readings.json"

    @property
    def stack_contents(self) -> Path:
        """What the stack consisted of at its last versions."""
        return self.hidden / "stack_pairs.json"

    @property
    def pin(self) -> Path:
        """The reference point that was chosen once for this frame."""
        return self.root / "reference_point.json"

    def write_template(self, text: str) -> None:
        """Keep the resolved `smallbaselineApp.cfg` beside the products, for MintPy's own programs."""
        path = self.root / "smallbaselineApp.cfg"
        if not path.is_file() or path.read_text() != text:
            atomic_write(path, text)

    @contextmanager
    def staging(self, asset: str) -> Iterator[Path]:
        """Give an empty folder on the workspace's own file system; it is removed afterwards.

        What an earlier, killed attempt at the same asset left there is removed first. Needs the frame's lock.
        """
        folder = self.hidden / "staging" / asset
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class FrameLocks:
    """The frames that this process holds, each for one run at a time.

    A lock is taken at a run's first step and kept until `release`, so two runs of one frame never interleave
    within a process that executes the whole run. The kernel drops the lock of a killed process. Beside it a run has a
    lock of its own, its sign of life, also while it waits for the frame's.
    """

    def __init__(self, patience_s: float = LOCK_PATIENCE_S) -> None:
        self.patience_s = patience_s
        self._held: dict[Path, FileLock] = {}
        self._signs: dict[Path, FileLock] = {}

    def sign_on(self, workspace: Workspace, run_id: str) -> Path:
        """Lock a run's sign of life unless it is locked already, and return its path."""
        sign = workspace.hidden / "runs" / run_id
        # a step that is tried again begins again
        if sign not in self._signs:
            sign.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(sign)
            # whoever asks whether it is locked holds it for a moment
            lock.acquire()
            self._signs[sign] = lock
        return sign

    def acquire(self, workspace: Workspace, run_id: str, tell: Callable[[str], None]) -> None:
        """Take the frame's lock, waiting for its holder.

        Raises
        ------
        OutsideError
            `frame-busy`, when the holder has not let go within the patience.
        """
        path = workspace.hidden / "lock"
        if path in self._held:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            holder = _holder(path)
            tell(f"frame {workspace.frame} is being processed by {holder}: waiting for it")
            try:
                lock.acquire(timeout=self.patience_s)
            except Timeout:
                raise OutsideError(
                    "frame-busy",
                    f"still held by {holder} after {self.patience_s:.0f} s",
                    mend="wait for that run to end, or stop it, and run again",
                    path=path,
                    frame=workspace.frame,
                ) from None
        self._held[path] = lock
        for sign in workspace.hidden.glob("runs/*"):
            if is_signed_off(sign):
                sign.unlink(missing_ok=True)
        owner = {"run": run_id, "pid": os.getpid(), "host": socket.gethostname()}
        atomic_write(path.with_name("lock.owner"), json.dumps(owner))

    def release(self) -> None:
        """Let go of every frame."""
        while self._held:
            _, lock = self._held.popitem()
            lock.release()
        while self._signs:
            sign, lock = self._signs.popitem()
            sign.unlink(missing_ok=True)
            lock.release()


def is_signed_off(sign: Path) -> bool:
    """Whether nobody holds the sign of a run any more, because the run has ended or was killed."""
    if not sign.exists():
        return True
    lock = FileLock(sign)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _holder(lock: Path) -> str:
    try:
        owner = json.loads(lock.with_name("lock.owner").read_text())
        return f"run {owner['run']} (process {owner['pid']} on {owner['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another run"


def atomic_write(path: Path, content: str | bytes, *, flushed: bool = True) -> None:
    """Write a small file so that a reader sees the old content or the new one, never a part.

    After a power cut too, unless it is not `flushed`: then `flush` has to follow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # one name per process: two runs that write the same file must not share the temporary one
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        with beside.open("wb") as file:
            file.write(data)
            if flushed:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    if flushed:
        sync_folder(path.parent)


def flush(path: Path) -> None:
    """Let a file that has its name survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


def move_into_place(source: Path, target: Path) -> None:
    """Give a finished file its final name: content on disk first, then the rename, then the folder entry."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
