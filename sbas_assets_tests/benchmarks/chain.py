"""The whole chain, from a topsStack folder to the last product, next to `smallbaselineApp.py`.

    python -m sbas_assets_tests.benchmarks.chain [--quick] [--runs N] [--only ours|mintpy] [--keep DIR] [--json]

One simulated stack, one template: bridging, a linear ramp, no troposphere, the reference point given, everything else
MintPy's default. So both load the stack, choose the network, give the overview of the closures, correct unwrapping
errors, invert, deramp, correct the DEM error, take the residual's RMS, the reference date, the velocity, geocode and
draw the KMZ (MintPy at 600 dpi, this package at two dots for each pixel).

In MintPy's time: `smallbaselineApp.py` from the start of the process to its end, `mintpy.plot = no`. Not in it: the
copy of the stack, and its histogram of the closures, which the oracle leaves out as this package does. In ours:
`sbas-assets frames add` and `sbas-assets run` in a fresh SBAS_ROOT, with all that MintPy does not do: the preflight and
fingerprint of the stack, the checks, checksums and records, the pictures for the UI, Dagster's instance, the
geocoded DEM error, the Zarr copies of seven products, their comparison with the HDF5 files, and the STAC item.

Both ran on a tiny stack before, so that Python's bytecode and numba's compiled kernels are there. The stack was just
written, so that it is in the page cache for both.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.commands.output import Output
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.benchmarks.machine import (
    Measured,
    environment,
    gigabytes,
    machine,
    measure,
    middle,
    opened,
    show_machine,
    work_folder,
)
from sbas_assets_tests.oracle import prepare_mintpy

FULL = {"length": 800, "width": 1000, "dates": regular_dates("20200511", 40)}
QUICK = {"length": 200, "width": 300, "dates": regular_dates("20200511", 12)}
TINY = {"length": 60, "width": 80, "dates": regular_dates("20200511", 6)}
KEY = "T071D_chain"
PROGRAM = (sys.executable, "-c", "from sbas_assets.cli import main; raise SystemExit(main())")
STEP = re.compile(r"^\*+ step - (\w+) \*+$")
START = "start and end"
BEYOND = 1e-5  # of the unit; below it is MintPy's single precision

# what MintPy does in these steps, these assets do; what neither name has, is counted as START
STAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "load": (("load_data",), ("ifgramStack", "geometryRadar")),
    "network": (("modify_network", "reference_point", "quick_overview"), ("network",)),
    "unwrapping errors": (("correct_unwrap_error",), ("unwrapPhase_corrected",)),
    "inversion": (("invert_network",), ("timeseries",)),
    "corrections": (
        ("correct_LOD", "correct_SET", "correct_ionosphere", "correct_troposphere", "deramp"),
        ("era5", "troposphere", "timeseries_corrected"),
    ),
    "DEM error": (("correct_topography", "residual_RMS", "reference_date"), ("timeseries_demErr",)),
    "velocity": (("velocity",), ("velocity",)),
    "geocoding": (
        ("geocode",),
        (
            "geo_geometryRadar",
            "geo_temporalCoherence",
            "geo_avgSpatialCoh",
            "geo_timeseries_demErr",
            "geo_demErr",
            "geo_velocity",
            "geo_maskTempCoh",
        ),
    ),
    "KMZ, HDF-EOS5": (("google_earth", "hdfeos5"), ("kmz", "hdfeos5")),
    "Zarr": (
        (),
        (
            "zarr_timeseries_demErr",
            "zarr_velocity",
            "zarr_temporalCoherence",
            "zarr_maskTempCoh",
            "zarr_avgSpatialCoh",
            "zarr_demErr",
            "zarr_geometry",
            "stac_item",
        ),
    ),
}
# file, dataset, unit
COMPARED = (
    ("velocity.h5", "velocity", "m/year"),
    ("timeseries_ramp_demErr.h5", "timeseries", "m"),
    ("temporalCoherence.h5", "temporalCoherence", "1"),
    ("geo/geo_velocity.h5", "velocity", "m/year"),
)


@dataclass(frozen=True)
class Chain:
    """One run of a chain: what it took, the seconds of its steps by their names, and where its products are."""

    measured: Measured
    steps: dict[str, float]
    work: Path

    def stage(self, names: Sequence[str]) -> float:
        """Seconds of some steps together."""
        return sum(self.steps.get(name, 0.0) for name in names)

    def summary(self) -> dict[str, Any]:
        """What JSON can hold."""
        seconds, peak = self.measured.seconds, self.measured.peak_bytes
        return {"seconds": round(seconds, 2), "peak_bytes": peak, "steps": self.steps, "work": self.work}


def template(config: SimulationConfig) -> dict[str, str]:
    """Options of both; the reference point lies on the larger bank, away from the bowl."""
    return {
        "mintpy.reference.yx": f"{config.length // 4}, {config.width // 4}",
        "mintpy.unwrapError.method": "bridging",
        "mintpy.deramp": "linear",
        "mintpy.troposphericDelay.method": "no",
        "mintpy.plot": "no",
    }


def add_frame(stack: Path, root: Path, options: Mapping[str, str]) -> Measured:
    """Add the stack as a frame of a root folder."""
    settings = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    command = [*PROGRAM, "frames", "add", KEY, "--stack", str(stack), *settings]
    return measure(command, env=environment(SBAS_ROOT=str(root)))


def run_ours(stack: Path, folder: Path, options: Mapping[str, str]) -> Chain:
    """Add the frame and bring it up to date, in a root folder of its own."""
    root = folder / "root"
    added = add_frame(stack, root, options)
    ran = measure([*PROGRAM, "run", KEY, "--json"], env=environment(SBAS_ROOT=str(root)))
    steps = {made["asset"]: made["seconds"] for made in json.loads(ran.output)["assets"]}
    peak = max(added.peak_bytes, ran.peak_bytes)
    both = Measured(added.seconds + ran.seconds, peak, (*added.lines, *ran.lines))
    return Chain(both, {**steps, START: round(both.seconds - sum(steps.values()), 2)}, root / "work" / KEY)


def run_mintpy(stack: Path, folder: Path, options: Mapping[str, str]) -> Chain:
    """Run `smallbaselineApp.py`; a step lasts until the next one is named in its log."""
    command, work = prepare_mintpy(stack, folder, options)
    measured = measure(command, cwd=folder)
    (folder / "mintpy.log").write_text(measured.output)
    marks = [(seconds, found[1]) for seconds, line in measured.lines if (found := STEP.match(line.strip()))]
    ends = [*(seconds for seconds, _ in marks[1:]), measured.seconds]
    steps = {name: round(end - begin, 2) for (begin, name), end in zip(marks, ends, strict=True)}
    return Chain(measured, {**steps, START: round(marks[0][0], 2)}, work)


def differences(ours: Path, theirs: Path) -> list[dict[str, Any]]:
    """Largest difference of each product on the values that both have, and how many only one has.

    A pixel whose displacement comes out as exactly zero in MintPy's single precision at some date is left out by its
    deramping there, as having no data; it differs by the ramp.
    """
    rows = []
    for name, dataset, unit in COMPARED:
        with h5py.File(ours / name) as left, h5py.File(theirs / name) as right:
            a, b = left[dataset][:], right[dataset][:]
        # 0 in every map is MintPy's other way to say that there is nothing
        has = [np.isfinite(values) & (values != 0).any(axis=tuple(range(values.ndim - 2))) for values in (a, b)]
        both = has[0] & has[1]
        off = np.abs(a[both].astype("f8") - b[both])
        rows.append(
            {
                "product": name,
                "unit": unit,
                "largest": float(off.max(initial=0.0)),
                "beyond": int((off > BEYOND).sum()),
                "both": int(both.sum()),
                "one": int((has[0] != has[1]).sum()),
            }
        )
    return rows


def show(out: Output, ours: Sequence[Chain], mintpy: Sequence[Chain], document: Mapping[str, Any]) -> None:
    """Print the tables."""
    show_machine(out)
    out.say(document["stack"])
    chains = {"sbas-assets": ours, "MintPy": mintpy}
    rows = [
        (name, f"{run.measured.seconds:.1f}", gigabytes(run.measured.peak_bytes))
        for name, runs in chains.items()
        for run in runs
    ]
    out.table(("run", ">seconds", ">peak memory (GB)"), rows)
    mine, theirs = _middle(ours), _middle(mintpy)
    if mine and theirs:
        out.say(f"MintPy takes {theirs.measured.seconds / mine.measured.seconds:.1f} times as long\n")
    out.table(("stage", ">MintPy (s)", ">ours (s)", ">times", "our assets (s)"), _stages(mine, theirs))
    found = [
        (row["product"], f"{row['largest']:.2g}", row["unit"], row["beyond"], row["both"], row["one"])
        for row in document.get("differences", ())
    ]
    if found:
        columns = ("product", ">largest difference", "unit", f">above {BEYOND:g}", ">values of both", ">values of one")
        out.table(columns, found)


def _stages(mine: Chain | None, theirs: Chain | None) -> list[tuple[str, ...]]:
    rows = []
    for stage, (steps, assets) in {**STAGES, START: ((START,), (START,))}.items():
        left = theirs.stage(steps) if theirs and steps else None
        right = mine.stage(assets) if mine else None
        times = f"{left / right:.1f}" if left and right else ""
        single = ", ".join(f"{name} {mine.steps.get(name, 0):.1f}" for name in assets) if mine else ""
        rows.append((stage, *("" if value is None else f"{value:.1f}" for value in (left, right)), times, single))
    return rows


def _middle(chains: Sequence[Chain]) -> Chain | None:
    if not chains:
        return None
    chosen = middle([chain.measured for chain in chains])
    return next(chain for chain in chains if chain.measured is chosen)


def run_both(folder: Path, config: SimulationConfig, *, runs: int, only: str | None) -> dict[str, list[Chain]]:
    """Simulate a stack and run the two, or one of them, in folders of their own."""
    stack = folder / "stack"
    simulate_stack(config, stack)
    made: dict[str, list[Chain]] = {"ours": [], "mintpy": []}
    for name, run in {"ours": run_ours, "mintpy": run_mintpy}.items():
        for number in range(runs if only in {None, name} else 0):
            place = folder / f"{name}-{number + 1}"
            place.mkdir()
            made[name].append(run(stack, place, template(config)))
            # the copy has served; the products stay for the comparison
            shutil.rmtree(place / "stack", ignore_errors=True)
    return made


def benchmark(out: Output, folder: Path, *, quick: bool, runs: int, only: str | None) -> None:
    """Run both on a tiny stack, then on the real one; compare, and show."""
    config = SimulationConfig.preset("medium", **(QUICK if quick else FULL))
    size = f"{config.length} x {config.width} pixels, {len(config.dates)} dates, {len(config.pairs)} pairs"
    document: dict[str, Any] = {"machine": machine(), "stack": size, "template": template(config)}
    out.note("warming up")
    run_both(folder / "tiny", SimulationConfig.preset("medium", **TINY), runs=1, only=only)
    shutil.rmtree(folder / "tiny")
    out.note(f"running on {size}")
    made = run_both(folder, config, runs=runs, only=only)
    document |= {name: [chain.summary() for chain in chains] for name, chains in made.items()}
    if only is None:
        document["differences"] = differences(made["ours"][-1].work, made["mintpy"][-1].work)
    if out.json:
        out.document(document)
    else:
        show(out, made["ours"], made["mintpy"], document)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark in a temporary folder, or in one that is kept."""
    parser = argparse.ArgumentParser(prog="chain", description="The whole chain next to smallbaselineApp.py.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="200 x 300 pixels and 12 dates instead of 800 x 1000, 40")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="runs of each; the median counts")
    parser.add_argument("--only", choices=("ours", "mintpy"), help="run one of the two")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in DIR, a new folder, and leave it there")
    given = parser.parse_args(arguments)
    out = opened(as_json=given.json)
    with work_folder("chain-", given.keep) as folder:
        benchmark(out, folder, quick=given.quick, runs=given.runs, only=given.only)


if __name__ == "__main__":
    main()
