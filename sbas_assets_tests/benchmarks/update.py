"""One new date, from topsStack to the published Zarr, beside a full rebuild and beside MintPy's full rerun.

    python -m sbas_assets_tests.benchmarks.update [--quick] [--pixels N] [--runs N] [--only ours] [--keep DIR] [--json]

A simulated stack with three connections is delivered up to its 100th date, and a frame is brought up to date with it.
Then dates come one by one. Each time the frame is brought up to date, `sbas-assets run` in a process of its own, and
then the stack as it is becomes a new frame in a fresh root folder, turn by turn, so that a busy machine is so for both.
At last MintPy's `smallbaselineApp.py` runs from the beginning, which is what it does for a new date. The options are
those of the benchmark `chain`.

Told are the seconds, those of processor, and the bytes read of the survey of the stack and of each asset
(`metered.py`), medians of the updates and of the full rebuilds; the sums from topsStack to `timeseries`, and to the
published Zarr; the rest is start, Dagster, and the checks. And how far the updated series are from those of the last
full rebuild.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.commands.output import Output
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.benchmarks import chain
from sbas_assets_tests.benchmarks.machine import environment, machine, measure, opened, show_machine, work_folder
from sbas_assets_tests.benchmarks.metered import SURVEY, WHOLE, Counters
from sbas_assets_tests.mintpy.stack_deliveries import Delivery

PIXELS = {False: 500, True: 100}  # rows, and columns, by whether it is to be quick
BEFORE = {False: 100, True: 60}  # dates, by whether it is to be quick
TO_SERIES = (SURVEY, "geometryRadar", "ifgramStack", "network", "unwrapPhase_corrected", "timeseries")
COMPARED = ("timeseries.h5", "timeseries_ramp_demErr.h5")
REST = "start, Dagster, checks"
NOTHING = 0.005  # seconds or GB that a share is not told of

Parts = dict[str, Counters]


@dataclass(frozen=True)
class Frame:
    """A frame in a root folder of its own."""

    root: Path

    @property
    def work(self) -> Path:
        """Its products."""
        return self.root / "work" / chain.KEY

    def bring_up_to_date(self) -> Parts:
        """Run all of its assets; return what each took."""
        told = self.root / "metered.json"
        command = [sys.executable, "-m", "sbas_assets_tests.benchmarks.metered", str(told), "run", chain.KEY, "--json"]
        measured = measure(command, env=environment(SBAS_ROOT=str(self.root)))
        parts = {name: Counters(**row) for name, row in json.loads(told.read_text()).items()}
        # from the start of the process on
        whole = Counters(**{**asdict(parts.pop(WHOLE)), "seconds": measured.seconds})
        return {**parts, REST: whole - total(parts)}


def total(parts: Parts, names: Sequence[str] | None = None) -> Counters:
    """Sum of some parts, or of all."""
    return sum((parts[name] for name in (parts if names is None else names)), Counters())


def median(runs: Sequence[Parts]) -> Parts:
    """Part by part, number by number."""
    return {
        name: Counters(
            *(statistics.median(getattr(run[name], field.name) for run in runs) for field in fields(Counters))
        )
        for name in runs[0]
    }


def apart(one: Path, other: Path) -> dict[str, float]:
    """Largest difference of the series of two frames (mm)."""
    off = {}
    for name in COMPARED:
        with h5py.File(one / name) as left, h5py.File(other / name) as right:
            assert left["date"][:].tolist() == right["date"][:].tolist()
            layers = range(len(left["date"]))
            worst = max(np.nanmax(np.abs(left["timeseries"][k] - right["timeseries"][k])) for k in layers)
        off[name] = 1e3 * float(worst)
    return off


def update_and_rebuild(folder: Path, config: SimulationConfig, before: int) -> dict[str, Any]:
    """Deliver a stack, update a frame for each date, and make others from the beginning."""
    simulate_stack(config, folder / "whole")
    delivery, options = Delivery.begin(folder / "whole", folder / "stack"), chain.template(config)
    delivery.bring(delivery.among(config.dates[:before]))
    frame = Frame(folder / "updated")
    chain.add_frame(delivery.stack, frame.root, options)
    frame.bring_up_to_date()
    updates, full = [], []
    for number in range(before, len(config.dates)):
        delivery.bring(delivery.among(config.dates[: number + 1]))
        updates.append(frame.bring_up_to_date())
        other = Frame(folder / f"full-{number}")
        chain.add_frame(delivery.stack, other.root, options)
        full.append(other.bring_up_to_date())
    return {"updates": updates, "full": full, "off_mm": apart(frame.work, other.work)}


def show(out: Output, document: Mapping[str, Any]) -> None:
    """Print the table."""
    update, full = median(document["updates"]), median(document["full"])
    theirs = document.get("mintpy_seconds")
    sums = {"topsStack to timeseries": TO_SERIES, "topsStack to Zarr": [*(set(full) - {REST})], "all": [*full]}
    rows = [(name, full[name], update[name]) for name in full]
    rows += [(name, total(full, parts), total(update, parts)) for name, parts in sums.items()]
    show_machine(out)
    out.say(document["stack"])
    columns = [
        "part",
        *(f">{what}" for unit in ("s", "CPU s", "GB read") for what in (f"full {unit}", "update", "share")),
    ]
    out.table(columns, [(name, *_cells(one, two)) for name, one, two in rows])
    if theirs:
        whole = rows[-1][2].seconds
        out.say(f"MintPy from the beginning: {theirs:.0f} s; the update takes {whole / theirs:.1%} of that")
    apart_mm = ", ".join(f"{name} {off:.1g} mm" for name, off in document["off_mm"].items())
    out.say(f"the updated series are off by: {apart_mm}")


def _cells(full: Counters, update: Counters) -> Iterator[str]:
    pairs = (
        (full.seconds, update.seconds),
        (full.cpu_seconds, update.cpu_seconds),
        (full.read_bytes / 1e9, update.read_bytes / 1e9),
    )
    for whole, part in pairs:
        yield from (f"{whole:.2f}", f"{part:.2f}", f"{part / whole:.0%}" if whole > NOTHING else "")


def benchmark(out: Output, folder: Path, *, quick: bool, pixels: int | None, runs: int, only: str | None) -> None:
    """Warm up on a tiny stack, run all on the real one, and show it."""
    before = BEFORE[quick]
    dates = regular_dates("20200511", before + runs)
    side = pixels or PIXELS[quick]
    config = SimulationConfig.preset("medium", length=side, width=side, dates=dates)
    size = f"{config.length} x {config.width} pixels, {before} dates and {runs} more, {len(config.pairs)} pairs"
    document: dict[str, Any] = {"machine": machine(), "stack": size, "template": chain.template(config)}
    out.note("warming up")
    chain.run_both(folder / "tiny", SimulationConfig.preset("medium", **chain.TINY), runs=1, only=only)
    out.note(f"running on {size}")
    document |= update_and_rebuild(folder, config, before)
    if only is None:
        out.note("running MintPy")
        (folder / "mintpy").mkdir()
        theirs = chain.run_mintpy(folder / "stack", folder / "mintpy", chain.template(config))
        document |= {"mintpy_seconds": theirs.measured.seconds, "mintpy_steps": theirs.steps}
    if out.json:
        plain = {
            name: [{part: asdict(took) for part, took in run.items()} for run in document[name]]
            for name in ("updates", "full")
        }
        out.document({**document, **plain})
    else:
        show(out, document)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark in a temporary folder, or in one that is kept."""
    parser = argparse.ArgumentParser(prog="update", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="100 x 100 pixels and 60 dates instead of 500 x 500, 100")
    parser.add_argument("--pixels", type=int, metavar="N", help="an image of N x N pixels")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="updates and full rebuilds; the median counts")
    parser.add_argument("--only", choices=("ours",), help="leave out MintPy, which takes some minutes")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in DIR, a new folder, and leave it there")
    given = parser.parse_args(arguments)
    out = opened(as_json=given.json)
    with work_folder("update-", given.keep) as folder:
        benchmark(out, folder, quick=given.quick, pixels=given.pixels, runs=given.runs, only=given.only)


if __name__ == "__main__":
    main()
