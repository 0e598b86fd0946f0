"""The DEM error, the residual's root mean square, ramps and the reference date beside MintPy's, in the same run.

    python -m sbas_assets_tests.benchmarks.dem_error [--json] [--quick]

A series of 40 dates and 800 x 1000 pixels is written with its geometry, coherence and mask. Each step is timed from
file to files, in a process of its own: MintPy's function once, this package's several times, of which the median
counts. Imports are not counted, nor the start of numba, which is once for all kernels of a process; loading the
compiled kernel is. Both read files that were just written. The last line is the main case on four times the pixels.

`double mm` is the largest difference to MintPy's own routine given the same numbers in double precision, on a sample of
pixels: what remains of the difference is what MintPy rounds away.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.commands.output import Output
from sbas_assets.sbas.series_dem_error import RESIDUAL, _Source
from sbas_assets.simulate import regular_dates
from sbas_assets_tests.benchmarks.machine import gigabytes, machine, measure, middle, opened, show_machine
from sbas_assets_tests.sbas.series_files import COHERENCE, GEOMETRY, MASK, SERIES, write_series

MM_PER_M = 1e3
DATES = regular_dates("20180102", 40)
WIDTH = 1000
RUNS = 5
DOUBLE = 200  # pixels that MintPy corrects in double precision too
CORRECTED = "out_demErr.h5"
TIMED = """
import json, sys, time
import numba
{imports}
numba.njit(lambda x: x)(1)
arguments = sys.argv[1:]
{before}
began = time.perf_counter()
{call}
print(json.dumps(time.perf_counter() - began))
"""


@dataclass(frozen=True)
class Case:
    """A step of MintPy and ours: what each imports and calls, the files and datasets to compare.

    Parameters
    ----------
    mintpy, ours : tuple of str
        What is imported, done before the clock starts, and timed.
    arguments : sequence of str
        Of the program.
    compared : mapping
        Factor from the file's unit to the table's, by file and dataset.
    own_baselines : bool
        Whether the geometry has baselines for each pixel.
    """

    mintpy: tuple[str, str, str]
    ours: tuple[str, str, str]
    arguments: Sequence[str] = ()
    compared: Mapping[tuple[str, str], float] = field(default_factory=dict)
    own_baselines: bool = False


def dem_error(*arguments: str, own_baselines: bool = False) -> Case:
    """The correction of the DEM error, with options of `dem_error.py`."""
    parse = "inps = cmd_line_parse(arguments)"
    return Case(
        mintpy=("from mintpy.cli.dem_error import cmd_line_parse\nimport mintpy.dem_error as d", parse,
                "d.correct_dem_error(inps)"),
        ours=("from mintpy.cli.dem_error import cmd_line_parse\nimport mintpy.dem_error\n"
              "import sbas_assets.sbas.series_dem_error as d", parse,
              "assert d.not_covered(inps) is None; d.correct_series(inps)"),
        arguments=(SERIES, "-o", CORRECTED, *arguments),
        compared={(CORRECTED, "timeseries"): MM_PER_M, (RESIDUAL, "timeseries"): MM_PER_M, ("demErr.h5", "dem"): 1.0},
        own_baselines=own_baselines,
    )  # fmt: skip


def ramp(kind: str) -> Case:
    """Deramping, and the root mean square of what remains."""
    return Case(
        mintpy=("from mintpy.utils import utils1\nfrom mintpy.objects import timeseries", "",
                f"utils1.run_deramp('{SERIES}', '{kind}', '{MASK}', 'out_ramp.h5'); "
                f"timeseries('out_ramp.h5').timeseries_rms('{MASK}', 'rms.txt')"),
        ours=("from pathlib import Path\nimport mintpy.utils.readfile\nimport sbas_assets.sbas.series_ramp as d", "",
              f"d.deramp_series(Path('{SERIES}'), Path('out_ramp.h5'), '{kind}', mask=Path('{MASK}'), memory=4)"),
        compared={("out_ramp.h5", "timeseries"): MM_PER_M},
    )  # fmt: skip


REFERENCE = Case(
    mintpy=("from mintpy.reference_date import change_timeseries_ref_date as change", "",
            f"change('{SERIES}', '{DATES[7]}', 'out_ref.h5')"),
    ours=("from pathlib import Path\nimport sbas_assets.sbas.series_reference as d", "",
          f"d.refer_series(Path('{SERIES}'), '{DATES[7]}', memory=4, target=Path('out_ref.h5'))"),
    compared={("out_ref.h5", "timeseries"): MM_PER_M},
)  # fmt: skip

MAIN = "DEM error, geometry of pixels"
CASES = {
    MAIN: dem_error("-g", GEOMETRY),
    "DEM error, by velocity": dem_error("-g", GEOMETRY, "--phase-velocity"),
    "DEM error, baselines of pixels": dem_error("-g", GEOMETRY, own_baselines=True),
    "DEM error, mean geometry": dem_error(),
    "residual RMS (quadratic ramp)": ramp("quadratic"),
    "linear ramp": ramp("linear"),
    "reference date": REFERENCE,
}


def run(parts: tuple[str, str, str], arguments: Sequence[str], folder: Path, runs: int = 1) -> tuple[float, int]:
    """Seconds of the median run, and its peak memory in bytes."""
    imports, before, call = parts
    program = TIMED.format(imports=imports, before=before, call=call)
    done = [measure([sys.executable, "-c", program, *arguments], cwd=folder) for _ in range(runs)]
    seconds = sorted(float(one.output.splitlines()[-1]) for one in done)
    return seconds[(runs - 1) // 2], middle(done).peak_bytes


def first_rows(folder: Path, target: Path, rows: int) -> None:
    """Write a work folder with the first rows of another."""
    (target / "inputs").mkdir(parents=True)
    for name in (SERIES, GEOMETRY, COHERENCE, MASK):
        with h5py.File(folder / name) as old, h5py.File(target / name, "w") as new:
            point = min(int(old.attrs["REF_Y"]), rows - 1)
            new.attrs.update({**old.attrs, "LENGTH": str(rows), "REF_Y": str(point)})
            for key, data in old.items():
                new[key] = data[()] if data.ndim == 1 else data[..., :rows, :]


def compare(ours: Path, theirs: Path, case: Case) -> dict[str, float]:
    """Largest difference of each dataset, date by date."""
    found = {}
    for (file, name), factor in case.compared.items():
        with h5py.File(ours / file) as one, h5py.File(theirs / file) as other:
            left, right = one[name], other[name]
            layers = [...] if left.ndim == 2 else range(left.shape[0])
            off = [np.nanmax(np.abs(left[layer] - right[layer]), initial=0) for layer in layers]
        found[file] = factor * float(max(off))
    return found


def off_double(folder: Path, case: Case) -> float:
    """Largest difference in mm to MintPy's `estimate_dem_error` when it is given double precision."""
    from mintpy.cli.dem_error import cmd_line_parse
    from mintpy.dem_error import estimate_dem_error

    with redirect_stdout(io.StringIO()):
        names = [str(folder / word) if word.endswith(".h5") else word for word in case.arguments]
        inps: Namespace = cmd_line_parse(names)
    source, worst = _Source(inps), 0.0
    with source.opened() as inputs, h5py.File(folder / CORRECTED) as one, h5py.File(folder / RESIDUAL) as two:
        block = source.read(inputs, source.blocks(inputs)[0])
        outputs = [h5["timeseries"][:, : len(block.series[0]) // WIDTH].reshape(len(DATES), -1) for h5 in (one, two)]
    pixels = np.flatnonzero(outputs[1].any(axis=0))[:: outputs[0].shape[1] // DOUBLE]
    model = source.model
    for pixel in pixels:
        column = block.geometry.columns(np.array([pixel]))
        design, years = np.hstack((column, model.matrix)).astype(float), model.years.astype(float)
        series = block.series[:, pixel].astype(float)
        expected = estimate_dem_error(series, design, years, model.used, model.options.velocity)[1:]
        off = [np.abs(values.ravel() - made[:, pixel]).max() for values, made in zip(expected, outputs, strict=True)]
        worst = max(worst, float(max(off)))
    return MM_PER_M * worst


def time_case(case: Case, folder: Path, runs: int) -> dict[str, Any]:
    """Seconds, memory and differences of one step."""
    theirs = folder / "mintpy"
    shutil.copytree(folder, theirs, ignore=shutil.ignore_patterns("small", "*out*", RESIDUAL, "demErr.h5"))
    mintpy, peak = run(case.mintpy, case.arguments, theirs)
    seconds, own_peak = run(case.ours, case.arguments, folder, runs)
    found: dict[str, Any] = {
        "mintpy_s": mintpy,
        "ours_s": seconds,
        "ratio": mintpy / seconds,
        "mintpy_peak_bytes": peak,
        "peak_bytes": own_peak,
        "off": compare(folder, theirs, case),
    }
    if (CORRECTED, "timeseries") in case.compared:
        found["off_double_mm"] = off_double(folder, case)
    shutil.rmtree(theirs)
    return found


def four_times(once: Mapping[str, Any], length: int, runs: int) -> dict[str, float]:
    """The correction of the DEM error on four times the rows."""
    case = CASES[MAIN]
    with tempfile.TemporaryDirectory(prefix="sbas-dem-error-") as name:
        write_series(Path(name), 4 * length, WIDTH, DATES)
        seconds, peak = run(case.ours, case.arguments, Path(name), runs)
    return {
        "ours_s": seconds,
        "time_ratio": seconds / once["ours_s"],
        "peak_bytes": peak,
        "memory_ratio": peak / once["peak_bytes"],
    }


def benchmark(out: Output, *, quick: bool) -> dict[str, Any]:
    """Run all cases; the first rows of each serve to load and, where need be, compile both."""
    length, runs = (40, 2) if quick else (800, RUNS)
    document: dict[str, Any] = {"machine": machine(), "series": f"{length} x {WIDTH} pixels, {len(DATES)} dates"}
    document["cases"] = {}
    for own_baselines in (False, True):
        with tempfile.TemporaryDirectory(prefix="sbas-dem-error-") as name:
            folder = Path(name)
            write_series(folder, length, WIDTH, DATES, own_baselines=own_baselines)
            first_rows(folder, folder / "small", 10)
            for label, case in CASES.items():
                if case.own_baselines == own_baselines:
                    out.note(label)
                    run(case.ours, case.arguments, folder / "small")
                    document["cases"][label] = time_case(case, folder, runs)
    out.note("four times the pixels")
    document["four_times"] = four_times(document["cases"][MAIN], length, min(runs, 3))
    return document


def show(out: Output, document: Mapping[str, Any]) -> None:
    """Print the table."""
    show_machine(out)
    out.say(document["series"])
    rows = []
    for label, case in document["cases"].items():
        off = dict(case["off"])
        height = off.pop("demErr.h5", None)
        rows.append(
            [
                label,
                f"{case['mintpy_s']:.1f}",
                f"{case['ours_s']:.2f}",
                f"{case['ratio']:.0f}",
                gigabytes(case["mintpy_peak_bytes"]),
                gigabytes(case["peak_bytes"]),
                " ".join(f"{value:.0e}" for value in off.values()),
                f"{case['off_double_mm']:.0e}" if "off_double_mm" in case else "",
                f"{height:.0e}" if height is not None else "",
            ]
        )
    columns = ["step", ">MintPy s", ">ours s", ">ratio", ">MintPy GB", ">ours GB", ">off mm", ">double mm", ">DEM m"]
    out.table(columns, rows)
    more = document["four_times"]
    out.say("off mm: the corrected series and the residual, or the one series that is written")
    out.say(
        f"DEM error on four times the pixels: {more['ours_s']:.2f} s ({more['time_ratio']:.2f} times), "
        f"{gigabytes(more['peak_bytes'])} GB ({more['memory_ratio']:.2f} times)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the pixels")
    chosen = parser.parse_args(arguments)
    out = opened(as_json=chosen.json)
    document = benchmark(out, quick=chosen.quick)
    if chosen.json:
        out.document(document)
    else:
        show(out, document)


if __name__ == "__main__":
    main()
