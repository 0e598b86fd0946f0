"""Ticks of `stack_arrivals` over many frames: how long a sweep takes, and whether a quiet hour stays quiet.

    python -m sbas_assets_tests.benchmarks.arrivals [--frames 300] [--dates 10] FOLDER

The stacks are copies of one simulated stack. Dagster's part is played here: events and partitions are kept, the cursor
is handed on, a minute goes by between two ticks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from sbas_assets.automation import discovery_sweep
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.automation.deliveries import Watch

TICKS_OF_AN_HOUR = 60


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the stacks and the installation; must not exist")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--dates", type=int, default=10)
    parser.add_argument("--quiet-ticks", type=int, default=TICKS_OF_AN_HOUR)
    given = parser.parse_args()
    keys = [f"T071D_{number:03d}" for number in range(given.frames)]
    whole = given.folder / "whole"
    simulate_stack(
        SimulationConfig(length=40, width=40, dates=regular_dates("20200511", given.dates), bursts_per_swath=2), whole
    )
    watch = Watch(given.folder / "root")
    discovery_sweep.clock = lambda: watch.now
    for key in keys:
        shutil.copytree(whole, given.folder / "stacks" / key)
        watch.add(given.folder / "stacks" / key, key)
    os.environ["SBAS_ARRIVALS_SETTLING"] = "0"
    pairs = len(list((whole / "merged/interferograms").iterdir()))
    print(f"{given.frames} frames of {given.dates} dates, {pairs} pairs")
    _sweeps(watch, given.frames)
    _quiet(watch, given.quiet_ticks)
    touched = given.folder / "stacks" / keys[-1] / "merged/interferograms"
    for image in touched.rglob("*.unw"):
        image.write_bytes(image.read_bytes()[::-1])
    print(f"after a change of one stack: {_until(watch, 1)}")


def _sweeps(watch: Watch, frames: int) -> None:
    began = time.monotonic()
    watch.tick()
    print(f"first looks: {time.monotonic() - began:.1f} s; {watch.summary[:80]}")
    print(f"until all are judged and reported: {_until(watch, frames)}")
    began = time.monotonic()
    watch.tick()
    print(f"sweep with nothing new: {time.monotonic() - began:.1f} s; {watch.summary[:80]}")
    print(f"cursor: {len(watch.cursor or '')} characters")


def _until(watch: Watch, events: int) -> str:
    seconds, found = [], 0
    while found < events:
        began = time.monotonic()
        found += len(watch.tick())
        seconds.append(time.monotonic() - began)
    return f"{sum(seconds):.1f} s in {len(seconds)} ticks, the longest {max(seconds):.1f} s"


def _quiet(watch: Watch, ticks: int) -> None:
    began = time.monotonic()
    events = watch.tick(ticks)
    print(f"{ticks} quiet ticks: {len(events)} events, {(time.monotonic() - began) / max(ticks, 1):.1f} s each")


if __name__ == "__main__":
    main()
