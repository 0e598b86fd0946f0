"""The network inversion beside MintPy's, on the same simulated observations, in the same run.

    python -m sbas_assets_tests.benchmarks.inversion [--json] [--quick]

A stack of 98 dates and 288 pairs (three connections; with `annual`, also pairs of a year) is written as MintPy's
`ifgramStack.h5`: clean, with 10 % of the observations missing at random, with 30 % missing in blocks of 50 x 50
pixels, and with annual pairs. For each are timed

- the kernel: MintPy's `estimate_timeseries` pixel by pixel in one thread, on a sample of pixels (all 270,000 would
  take ten minutes and more), against `sbas.inversion.invert` with all threads on all pixels; medians of several
  repetitions, reading excluded, temporal coherence included;
- the step from file to files (read, invert, write): `sbas.stack_inversion.invert_stack` in a process of its own, with
  its peak memory; before it, what the first call in a process costs, on a tiny stack, with the compiled kernels found
  on disk (as by every process but the first ever);
- the step on four times the pixels: time and memory.

The largest difference is against MintPy as it is, in single precision, on the connected pixels of the sample;
`double mm` is against MintPy's own routine given the same numbers in double precision, on some of them.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from sbas_assets.commands.output import Output
from sbas_assets.sbas.blocks import Rows, read_layers
from sbas_assets.sbas.inversion import Inverted, Options, invert
from sbas_assets.sbas.inversion_types import DISCONNECTED, ILL_CONDITIONED, SOLVED
from sbas_assets.sbas.network import Network
from sbas_assets.threads import pixel_threads
from sbas_assets_tests.benchmarks.machine import gigabytes, machine, measure, opened, show_machine
from sbas_assets_tests.benchmarks.simulated_stack import CASES, WAVELENGTH, Recipe, write_stack

MM_PER_M = 1e3
SCALE = -WAVELENGTH / (4 * np.pi)
RUNS = 5
DOUBLE = 300  # pixels of the sample that are inverted in double precision too
STEP = """
import json, sys, time
from pathlib import Path
from mintpy.cli.ifgram_inversion import cmd_line_parse
from sbas_assets_tests.benchmarks.simulated_stack import Recipe, write_stack
tiny = write_stack(Recipe(length=4, width=64, dates=5), Path("tiny", "ifgramStack.h5"))
began = time.perf_counter()
from sbas_assets.sbas.stack_inversion import invert_stack
invert_stack(cmd_line_parse([str(tiny), "-w", "var"]))
ready = time.perf_counter()
inps = cmd_line_parse([sys.argv[1], "-w", "var"])
invert_stack(inps)
print(json.dumps({"first_call_s": ready - began, "step_s": time.perf_counter() - ready}))
"""


@dataclass(frozen=True)
class Kernel:
    """Pixels per second of both, and how far apart they are."""

    ours: float
    mintpy: float
    off_mm: float
    off_double_mm: float
    off_coherence: float
    disconnected: int
    left_to_mintpy: int


def time_kernel(stack: Path, recipe: Recipe, sample_rows: int) -> Kernel:
    """Compare the kernels on one stack, in this process."""
    from mintpy.cli.ifgram_inversion import cmd_line_parse

    rows = min(sample_rows, recipe.length)
    with redirect_stdout(io.StringIO()):
        inps = cmd_line_parse([str(stack), "-w", "var"])
        theirs, spent = _mintpy(inps, (0, 0, recipe.width, rows))
    ours, seconds = _ours(inps, recipe)
    pixels = rows * recipe.width
    connected = ours.status[:pixels] == SOLVED
    off = np.abs(theirs[0].reshape(recipe.dates, -1) - ours.series[:, :pixels])[:, connected]
    quality = np.abs(theirs[1].ravel() - ours.quality[:pixels])
    return Kernel(
        ours=recipe.length * recipe.width / seconds,
        mintpy=pixels / spent,
        off_mm=MM_PER_M * float(off.max()),
        off_double_mm=_off_double(inps, ours, np.flatnonzero(connected)[:DOUBLE]),
        # the reference point is set to one by the step, after the kernel
        off_coherence=float(quality[1:].max()),
        disconnected=int((ours.status == DISCONNECTED).sum()),
        left_to_mintpy=int((ours.status == ILL_CONDITIONED).sum()),
    )


def _ours(inps: Namespace, recipe: Recipe) -> tuple[Inverted, float]:
    """Result, and the median of the seconds for the whole stack held in memory."""
    with h5py.File(inps.ifgramStackFile) as h5, pixel_threads() as share:
        whole = Rows(0, recipe.length)
        layers = np.arange(len(recipe.pairs))
        phase, coherence = (read_layers(h5[name], layers, whole) for name in ("unwrapPhase", "coherence"))
        names = [(one.decode(), other.decode()) for one, other in h5["date"][:]]
        network, reference = Network.of(names), phase[:, 0].copy()
        options = Options(weight="var", looks=50)
        seconds = []
        for _ in range(RUNS):
            began = time.perf_counter()
            result = invert(network, options, phase, reference, share, coherence=coherence, scale=SCALE)
            seconds.append(time.perf_counter() - began)
    return result, statistics.median(seconds[1:])


def _mintpy(inps: Namespace, box: tuple[int, int, int, int]) -> tuple[list[NDArray[np.float32]], float]:
    """MintPy's series and temporal coherence of a sample, and its seconds, with one thread as MintPy has it."""
    from mintpy.ifgram_inversion import run_ifgram_inversion_patch
    from mintpy.objects import ifgramStack

    stack = ifgramStack(inps.ifgramStackFile)
    reference = stack.get_reference_phase("unwrapPhase", dropIfgram=True)
    with threadpool_limits(1):
        began = time.perf_counter()
        series, _, quality, _, _ = run_ifgram_inversion_patch(
            inps.ifgramStackFile, box=box, ref_phase=reference, weight_func="var", min_redundancy=1.0
        )
        return [series, quality], time.perf_counter() - began


def _off_double(inps: Namespace, ours: Inverted, pixels: NDArray[np.intp]) -> float:
    """Largest difference in mm to MintPy's `estimate_timeseries` when it is given double precision."""
    from mintpy.ifgram_inversion import calc_weight_sqrt, estimate_timeseries
    from mintpy.objects import ifgramStack

    stack = ifgramStack(inps.ifgramStackFile)
    stack.open(print_msg=False)
    rows = int(pixels.max()) // stack.width + 1
    box = (0, 0, stack.width, rows)
    phase = stack.read(datasetName="unwrapPhase", box=box, print_msg=False).reshape(stack.numIfgram, -1)
    with redirect_stdout(io.StringIO()):
        roots = calc_weight_sqrt(stack, box).astype(float)
    one, other = (matrix.astype(float) for matrix in stack.get_design_matrix4timeseries(stack.date12List))
    years = Network.of([tuple(pair.split("_")) for pair in stack.date12List]).years
    worst = 0.0
    for pixel in pixels:
        observed = np.where(phase[:, pixel] == 0, np.nan, phase[:, pixel] - phase[:, 0]).astype(float)
        series = estimate_timeseries(one, other, observed, years[:, None], roots[:, pixel])[0]
        worst = max(worst, float(np.abs(SCALE * series.ravel() - ours.series[:, pixel]).max()))
    return MM_PER_M * worst


def time_step(stack: Path, runs: int) -> dict[str, float]:
    """Seconds of the step from file to files and of the first call before it (medians), and the peak memory."""
    done = [measure([sys.executable, "-c", STEP, str(stack)], cwd=stack.parent) for _ in range(runs)]
    told = [json.loads(run.output.splitlines()[-1]) for run in done]
    seconds = {name: statistics.median(one[name] for one in told) for name in ("first_call_s", "step_s")}
    return {**seconds, "peak_bytes": max(run.peak_bytes for run in done)}


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a tenth of the pixels, and not four times as many")
    chosen = parser.parse_args(arguments)
    out = opened(as_json=chosen.json)
    document: dict[str, Any] = {"machine": machine(), "cases": {}}
    for name, recipe in CASES.items():
        small = replace(recipe, length=50) if chosen.quick else recipe
        out.note(f"{name}: {small.length} x {small.width} pixels, {len(small.pairs)} pairs, {small.dates} dates")
        with tempfile.TemporaryDirectory(prefix="sbas-inversion-") as folder:
            stack = write_stack(small, Path(folder, "inputs", "ifgramStack.h5"))
            kernel = time_kernel(stack, small, 1 if chosen.quick else 4)
            step = time_step(stack, 2 if chosen.quick else RUNS)
            document["cases"][name] = asdict(kernel) | {
                "pixels": small.length * small.width,
                "ratio": kernel.ours / kernel.mintpy,
                **step,
            }
    if not chosen.quick:
        document["four_times"] = _four_times(document["cases"]["clean"])
    if chosen.json:
        out.document(document)
    else:
        _show(out, document)


def _four_times(once: dict[str, Any]) -> dict[str, Any]:
    """The step on four times the pixels, compared with the clean case."""
    with tempfile.TemporaryDirectory(prefix="sbas-inversion-") as folder:
        stack = write_stack(CASES["clean"].scaled(4), Path(folder, "inputs", "ifgramStack.h5"))
        step = time_step(stack, RUNS)
    return {
        **step,
        "time_ratio": step["step_s"] / once["step_s"],
        "memory_ratio": step["peak_bytes"] / once["peak_bytes"],
    }


def _show(out: Output, document: dict[str, Any]) -> None:
    cases = document["cases"]
    clean = cases["clean"]["ours"]
    rows = [
        [
            name,
            f"{case['mintpy']:.0f}",
            f"{case['ours']:.0f}",
            f"{case['ratio']:.0f}",
            f"{clean / case['ours']:.2f}",
            f"{case['first_call_s']:.2f}",
            f"{case['step_s']:.2f}",
            gigabytes(case["peak_bytes"]),
            f"{case['off_mm']:.0e}",
            f"{case['off_double_mm']:.0e}",
            f"{case['off_coherence']:.0e}",
            f"{case['disconnected'] / case['pixels']:.2%}",
        ]
        for name, case in cases.items()
    ]
    columns = [
        "observations", ">MintPy px/s", ">ours px/s", ">ratio", ">of clean", ">first s", ">step s", ">peak GB",
        ">off mm", ">double mm", ">off coh.", ">disconn.",
    ]  # fmt: skip
    show_machine(out)
    out.table(columns, rows)
    if "four_times" in document:
        more = document["four_times"]
        out.say(
            f"four times the pixels: {more['step_s']:.2f} s ({more['time_ratio']:.2f} times), "
            f"{gigabytes(more['peak_bytes'])} GB ({more['memory_ratio']:.2f} times)"
        )


if __name__ == "__main__":
    main()
