"""A program: start runs of a frame and kill each, -9, as soon as it is at work on a given asset.

`python -m sbas_assets_tests.kill_runs ROOT KEY ASSET...`: a process of its own that has everything imported and
forks, so that a run takes no seconds to start. Prints one line for each kill; exits with 1 when a run ended first.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

PATIENCE_S = 180


def run_and_kill(staging: Path, key: str) -> bool:
    """Whether the run was at work in the folder when it was killed."""
    child = os.fork()
    if child == 0:
        os.setsid()
        from sbas_assets.cli import main

        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            sys.argv = ["sbas-assets", "run", key, "--json"]
            os._exit(main() or 0)
    deadline = time.monotonic() + PATIENCE_S
    while not _at_work(staging):
        ended, _ = os.waitpid(child, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _at_work(staging: Path) -> bool:
    # what is published is written elsewhere; of the others, something should have been begun
    return staging.is_dir() and (staging.name.startswith(("zarr_", "stac_")) or any(staging.iterdir()))


def kill_all(root: Path, key: str, assets: list[str]) -> int:
    import sbas_assets.definitions  # noqa: F401 - imported once, for all the children

    for asset in assets:
        hidden = root / "work" / key / ".sbas"
        killed = run_and_kill(hidden / "staging" / asset, key)
        recorded = (hidden / "records" / f"{asset}.json").exists()
        print(asset, "killed" if killed else "NOT KILLED", "RECORDED" if recorded else "unrecorded", flush=True)
        if not killed or recorded:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(kill_all(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
