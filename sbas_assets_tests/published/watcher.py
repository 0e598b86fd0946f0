"""Readers of a frame that is being published, and what they saw.

`python -m sbas_assets_tests.published.watcher URL NAME`: polls until its standard input ends, and says what each poll
saw in a line of JSON. With NAME `newest` each poll asks anew what is current, opens that and reads all of it, as a
dataset and object by object; with a tag, the version is opened once and read again and again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import xarray as xr

from sbas_assets.published.current import read_version
from sbas_assets.published.reading import open_frame
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import open_store
from sbas_assets.published.verify import stored_problems

from .frame_to_publish import KEY, PRODUCTS, READERS_S, differences

NEWEST = "newest"
PATIENCE_S = 120
# between two polls: the processor is not theirs alone
PAUSE_S = 0.2


@dataclass(frozen=True)
class Look:
    """What a poll saw: the number of the version, what was wrong, the class of an error; and when, Unix seconds."""

    began: float
    ended: float
    number: int | None = None
    wrong: tuple[str, ...] = ()
    error: str | None = None


def _damage(url: str, version: str) -> list[str]:
    """Compare every object of a version with its manifest."""
    store = open_store(url)
    item = read_version(store, KEY, version)
    if item is None:
        return [f"the item of version {version} is gone"]
    products = read_item(item).products
    names = tuple(stored.product for stored in products)
    wrong = [] if names == PRODUCTS else [f"its products are {names}"]
    return wrong + [problem for stored in products for problem in stored_problems(store, stored, quick=False)]


def look(url: str, opened: xr.Dataset | None) -> dict[str, Any]:
    """Read everything of the current version, or of one that is open."""
    data = open_frame(f"{url}/{KEY}") if opened is None else opened
    read = data.compute()
    number = int(read.velocity.to_numpy()[0, 0])
    return {"number": number, "wrong": differences(read, number) + _damage(url, data.attrs["version"])}


def look_or_tell(url: str, opened: xr.Dataset | None) -> dict[str, Any]:
    began, seen = time.time(), dict[str, Any]()
    try:
        seen = look(url, opened)
    except Exception as error:
        seen = {"error": f"{type(error).__name__}: {error}"}
    if opened is None and time.time() - began > READERS_S:
        # a reader that is slower than versions stay finds it gone, and rightly
        seen = {} if seen.get("wrong") or "product-damaged" in seen.get("error", "") else seen
    return {"began": began, "ended": time.time(), **seen}


def watch(url: str, name: str) -> None:
    opened = None if name == NEWEST else open_frame(f"{url}/{KEY}", name)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(PAUSE_S):
        print(json.dumps(look_or_tell(url, opened)), flush=True)


class Watcher:
    """Starts a watcher, and collects what it saw."""

    def __init__(self, folder: Path, url: str, name: str = NEWEST) -> None:
        self._files = {kind: folder / f"{name}.{kind}" for kind in ("looks", "errors")}
        words = [sys.executable, "-m", "sbas_assets_tests.published.watcher", url, name]
        with self._files["looks"].open("wb") as looks, self._files["errors"].open("wb") as errors:
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=looks, stderr=errors)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE_S
        while not self.looks():
            assert self._process.poll() is None, self._files["errors"].read_text()
            assert time.monotonic() < deadline, "the watcher does not begin"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=PATIENCE_S)

    def look_again(self, meet_error: bool = False) -> None:
        """Wait for a look that begins after now and sees a version, or meets an error."""
        now, deadline = time.time(), time.monotonic() + PATIENCE_S
        while not any(look.began > now and (look.error if meet_error else look.number) for look in self.looks()):
            assert time.monotonic() < deadline, self.looks()[-1]
            time.sleep(0.05)

    def looks(self) -> list[Look]:
        lines = self._files["looks"].read_text().splitlines(keepends=True)
        # the last may be on its way
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return [Look(**entry | {"wrong": tuple(entry.get("wrong", ()))}) for entry in whole]


if __name__ == "__main__":
    watch(sys.argv[1], sys.argv[2])
