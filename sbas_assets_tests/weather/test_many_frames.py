"""Many frames, several processes: each date is asked for once, and the service has no more requests than allowed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.workspace import Settings
from sbas_assets_tests.weather.cds_server import CdsServer
from sbas_assets_tests.weather.conftest import OPTIONS

# isort: split
from sbas_assets.weather.gribs import judge, read_fields
from sbas_assets.weather.tiles import Area, Tile

pytestmark = pytest.mark.long

NORTH, SOUTH = Tile(Area(10, 20, 20, 30), 14), Tile(Area(-20, -10, 20, 30), 14)
AREAS = (NORTH, SOUTH)
PLACES = 3
"""At the service."""
PATIENCE_S = 300
STARTED: list[subprocess.Popen[str]] = []
# a worker does its frames one after the other, with the imports of one process
WORKER = """
import sys
import sbas_assets.definitions
from sbas_assets.cli import main

for key in sys.argv[2:]:
    if code := main(["run", key, "--select", sys.argv[1], "--json"]):
        sys.exit(code)
"""


def small_stack(folder: Path, tile: Tile, dates: Sequence[str]) -> Path:
    """The smallest stack there is, in the middle of a tile."""
    south, north, west, east = tile.area
    config = SimulationConfig(
        length=40,
        width=40,
        dates=tuple(dates),
        connections=1,
        seed=5,
        n_swaths=1,
        bursts_per_swath=2,
        center_lat=(south + north) / 2,
        center_lon=(west + east) / 2,
        river=False,
        unwrap_jump_probability=0,
        shadow=False,
        conncomp=False,
    )
    simulate_stack(config, folder)
    return folder


def add_frames(root: Path, stack: Path, keys: Sequence[str]) -> None:
    attributes = {name: value for name, value in OPTIONS.items() if name.isupper()}
    options = {name: value for name, value in OPTIONS.items() if name not in attributes}
    values = {"track": 71, "direction": "descending", "stack": str(stack), "mintpy": options, "attributes": attributes}
    for key in keys:
        FrameCatalogue(root).add(key, frame_config(values))


def worker(root: Path, keys: Sequence[str], select: str = "era5") -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if name not in {"DAGSTER_HOME", "SBAS_STORE"}}
    env["SBAS_ROOT"] = str(root)
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", WORKER, select, *keys]
    STARTED.append(subprocess.Popen(words, env=env, stdout=pipe, stderr=pipe, text=True))
    return STARTED[-1]


@pytest.fixture(autouse=True)
def no_worker_outlives_its_test() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.communicate()


def finish(workers: Sequence[subprocess.Popen[str]]) -> None:
    for process in workers:
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, out + err


def until(seen: Callable[[], object], *workers: subprocess.Popen[str]) -> None:
    """Wait for something that is seen while all workers go on."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        for process in workers:
            assert process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files_of(root: Path, key: str) -> dict[str, str]:
    """The files that the asset vouches for, with their digests."""
    record = json.loads(Settings.under(root).workspace(key).record("era5").read_text())
    return dict(record["facts"]["era5_files"])


def require_whole(root: Path, tile: Tile, dates: Sequence[str]) -> None:
    folder = root / "weather" / "ERA5"
    for date in dates:
        judge(read_fields(folder / tile.file(date)), f"{date}_14", tile.area)
    assert not [path for path in (folder / ".requests").iterdir() if path.suffix != ".lock"]


def test_twenty_frames_of_one_area_ask_for_each_of_a_hundred_dates_once(
    cds: CdsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates, root = regular_dates("20200101", 100), tmp_path / "root"
    keys = [f"T071D_frame{number:02d}" for number in range(20)]
    add_frames(root, small_stack(tmp_path / "stack", NORTH, dates), keys)
    monkeypatch.setenv("SBAS_CDS_REQUESTS", str(PLACES))
    cds.polls_before_done = 1
    finish([worker(root, keys[number::4]) for number in range(4)])
    assert cds.dates_submitted == cds.dates_delivered == Counter(dates)
    assert cds.most_unfinished == PLACES
    files = files_of(root, keys[0])
    assert list(files) == [NORTH.file(date) for date in dates]
    assert all(files_of(root, key) == files for key in keys)
    require_whole(root, NORTH, dates)


def test_frames_of_two_areas_share_the_places_at_the_service(
    cds: CdsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dates, root = regular_dates("20200101", 18), tmp_path / "root"
    keys = {tile: [f"{tile.area.north:.0f}_frame{number}".replace("-", "S") for number in (1, 2)] for tile in AREAS}
    for number, tile in enumerate(AREAS):
        add_frames(root, small_stack(tmp_path / f"stack{number}", tile, dates), keys[tile])
    monkeypatch.setenv("SBAS_CDS_REQUESTS", str(PLACES))
    monkeypatch.setenv("SBAS_CDS_DATES", "3")

    def asked_of(tile: Tile) -> Counter[str]:
        south, north, west, east = tile.area
        requests = [each["date"] for each in cds.submissions if each["area"] == [north, west, south, east]]
        return Counter(day.replace("-", "") for days in requests for day in days)

    cds.polls_before_done = 10**6
    first = [worker(root, [key]) for key in keys[NORTH]]
    until(lambda: len(cds.submissions) >= PLACES, *first)
    others = [worker(root, [key]) for key in keys[SOUTH]]
    # the others have signed in and look for a place, of which there is none
    until(lambda: cds.calls["POST /api/profiles/v1/account/verification/pat"] == 2, *first, *others)
    time.sleep(2)
    assert asked_of(SOUTH) == {}
    cds.polls_before_done = 2
    finish([*first, *others])
    for tile in AREAS:
        assert asked_of(tile) == Counter(dates)
        require_whole(root, tile, dates)
        assert all(list(files_of(root, key)) == [tile.file(date) for date in dates] for key in keys[tile])
    assert cds.dates_delivered == Counter(dates) + Counter(dates)
    assert cds.most_unfinished == PLACES
