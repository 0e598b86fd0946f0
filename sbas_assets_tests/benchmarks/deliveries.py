"""A stack that grows date by date, through Dagster's daemon and the sensors: seconds per update beside a full rebuild.

    python -m sbas_assets_tests.benchmarks.deliveries [--dates 40] [--json] [--quick]

An installation with `dagster-daemon` and `dagster-webserver` on a folder of its own gets a frame with the first dates
of a simulated stack (three connections), then one date after the other, each when the one before is published. Four
times on the way the stack as it is then becomes a frame of its own, which is made from nothing: the full rebuild, with
the reference point of the first frame.

Settings are as `sbas-assets` writes them, but for the clocks: Dagster looks at the sensors every five seconds, a stack
need not settle, the queue is looked at every second. Seconds to the publication hold what these take, and the start
of a process.

It fails unless every date was reported and processed exactly once, the versions are in order, and the series (HDF5 and
Zarr) equal those of each rebuild within 1e-4 mm.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sbas_assets.commands.output import Output
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.automation.date_by_date import NEAR_MM, Stream, Update, same_reference_point, series_off_mm
from sbas_assets_tests.automation.deliveries import Delivery
from sbas_assets_tests.benchmarks.machine import machine, opened, show_machine
from sbas_assets_tests.installation import Installation, installation

FIRST = 5
"""Dates before the first delivery."""
FRAME = "T071D_stream"
REBUILDS = 4
PATIENCE_S = 3600
LENGTH, WIDTH = 200, 240


@dataclass
class Measured:
    """What was found.

    Parameters
    ----------
    updates : list of Update
        One for each delivery.
    rebuilds : list of Update
        The same stacks made from nothing.
    off_mm : list of float
        Difference of the series to each rebuild.
    runs : int
        Runs of the frame.
    """

    updates: list[Update] = field(default_factory=list)
    rebuilds: list[Update] = field(default_factory=list)
    off_mm: list[float] = field(default_factory=list)
    runs: int = 0


def deliver(folder: Path, config: SimulationConfig) -> Measured:
    """Deliver a stack date by date; AssertionError unless all is as it should be."""
    simulate_stack(config, folder / "whole")
    dates = config.dates
    rebuild_at = {FIRST + (len(dates) - FIRST) * n // REBUILDS for n in range(1, REBUILDS + 1)}
    found = Measured()
    with installation(folder / "root", SBAS_THREADS="2") as made:
        stream = Stream.begin(made, Delivery(folder / "whole", folder / "stack"), FRAME)
        made.patience_s = PATIENCE_S
        made.start("daemon")
        made.start("webserver")
        stream.update(*dates[:FIRST])
        for date in dates[FIRST:]:
            found.updates.append(stream.update(date))
            if len(stream.brought) in rebuild_at:
                rebuilt, off_mm = rebuild(made, stream, folder)
                found.rebuilds.append(rebuilt)
                found.off_mm.append(off_mm)
        found.runs = len(made.ended()[FRAME])
        _require(stream, dates, found)
        assert made.is_up(), "the webserver answers"
    return found


def rebuild(made: Installation, stream: Stream, folder: Path) -> tuple[Update, float]:
    """Make a frame of the stack as it is now, from nothing, and compare the series."""
    key = f"T071D_{len(stream.brought):03d}"
    copy = folder / key
    shutil.copytree(stream.delivery.stack, copy)
    same_reference_point(made.root, FRAME, [key])
    once = Stream.begin(made, Delivery(stream.delivery.stack, copy), key, stream.brought)
    return once.update(), series_off_mm(made.root, FRAME, key)


def _require(stream: Stream, dates: Sequence[str], found: Measured) -> None:
    made = stream.made
    deliveries = 1 + len(dates) - FIRST
    assert made.ended()[FRAME] == ["SUCCESS"] * deliveries, "one run for each delivery, and no more"
    assert len(made.instance.get_runs()) == deliveries + REBUILDS, "and none besides"
    assert stream.dates_reported() == list(dates)
    assert stream.versions() == [(n + 1, date) for n, date in enumerate(dates[FIRST - 1 :])]
    assert max(found.off_mm) < NEAR_MM
    assert stream.leftovers() == []


def summary(found: Measured) -> list[dict[str, Any]]:
    """Return medians of the updates up to each rebuild, beside it."""
    rows, before = [], FIRST
    for rebuilt, off_mm in zip(found.rebuilds, found.off_mm, strict=True):
        updates = [update for update in found.updates if before < update.dates <= rebuilt.dates]
        rows.append(
            {
                "dates": rebuilt.dates,
                "update_published_s": statistics.median(update.published_s for update in updates),
                "update_run_s": statistics.median(update.run_s for update in updates),
                "rebuild_published_s": rebuilt.published_s,
                "rebuild_run_s": rebuilt.run_s,
                "off_mm": off_mm,
            }
        )
        before = rebuilt.dates
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dates", type=int, default=40, help="deliveries after the first dates")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="four dates of a small stack")
    chosen = parser.parse_args(arguments)
    out = opened(as_json=chosen.json)
    measured_on = machine()
    if not chosen.json:
        show_machine(out)
    dates = regular_dates("20200511", FIRST + (REBUILDS if chosen.quick else chosen.dates))
    size = {"length": 72, "width": 80} if chosen.quick else {"length": LENGTH, "width": WIDTH}
    with tempfile.TemporaryDirectory(prefix="sbas-deliveries-") as name:
        found = deliver(Path(name), SimulationConfig(**size, dates=dates, seed=7))
    rows = summary(found)
    if chosen.json:
        out.document({"machine": measured_on, "rows": rows, **asdict(found)})
    else:
        _show(out, rows, found, size)


def _show(out: Output, rows: list[dict[str, Any]], found: Measured, size: dict[str, int]) -> None:
    names = ("update_published_s", "update_run_s", "rebuild_published_s", "rebuild_run_s")
    table = [[row["dates"], *(f"{row[name]:.1f}" for name in names), f"{row['off_mm']:.0e}"] for row in rows]
    heads = ["update: published s", "run s", "rebuild: published s", "run s", "apart mm"]
    out.table(["dates", *(f">{head}" for head in heads)], table)
    out.say(
        f"{len(found.updates)} deliveries of one date, {size['length']} x {size['width']} pixels: {found.runs} runs, "
        "every date reported and processed once, versions in order; updates are medians since the row above"
    )


if __name__ == "__main__":
    main()
