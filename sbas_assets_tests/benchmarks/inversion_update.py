"""One new date: the network inversion as an update beside the inversion of all pairs, in the same run.

    python -m sbas_assets_tests.benchmarks.inversion_update [--json] [--quick]

A stack of 100 dates and 300 pairs (three connections, 500 x 500 pixels; a random walk, noise and coherence
of its own for every pixel) is inverted without its last date, which keeps what an update needs. Then, each in a process
of its own, from file to files:

- update: the last date is added (`sbas.inversion_update.update_stack`);
- all pairs: the same network inverted anew, with what the next update needs (`sbas.stack_inversion.invert_stack`);
- bare: the same without keeping anything.

Told are medians of the seconds after the kernels are loaded, the bytes that the process read meanwhile (`rchar` of
/proc/self/io: also what came from the page cache), the peak memory, and how far the update is off.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.commands.output import Output
from sbas_assets_tests.benchmarks.machine import gigabytes, machine, measure, opened, show_machine
from sbas_assets_tests.benchmarks.simulated_stack import Recipe, write_stack

RUNS = 5
WHOLE = Recipe(length=500, width=500, dates=101)
STEP = """
import json, os, sys, time
from pathlib import Path
from mintpy.cli.ifgram_inversion import cmd_line_parse
from sbas_assets.sbas.inversion_keeping import Keeping
from sbas_assets.sbas.inversion_update import update_stack
from sbas_assets.sbas.stack_inversion import invert_stack
from sbas_assets_tests.benchmarks.simulated_stack import Recipe, write_stack

def arguments(stack, folder):
    inps = cmd_line_parse([str(stack), "-w", "var", "--ram", "4"])
    os.makedirs(folder, exist_ok=True)
    names = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
    inps.tsFile, inps.invQualityFile, inps.numInvFile = (os.path.join(folder, name) for name in names)
    return inps

def read():
    return int(next(line for line in open("/proc/self/io") if line.startswith("rchar")).split()[1])

how, stack, old, new = sys.argv[1:]
tiny = write_stack(Recipe(length=4, width=64, dates=5), Path(new, "tiny", "ifgramStack.h5"))
invert_stack(arguments(tiny, Path(new, "tiny")))
inps, keeping = arguments(stack, new), Keeping(Path(new, "state.h5"), {"all": "as simulated"})
before, began = read(), time.perf_counter()
if how == "update":
    done = update_stack(inps, Path(old, "state.h5"), Path(old, "timeseries.h5"), keeping)
    more = {"pairs_read": done.pairs_read, "moved_mm": done.moved_mm}
else:
    invert_stack(inps, keeping=keeping if how == "all pairs" else None)
    more = {"refusal": keeping.refusal}
print(json.dumps({"seconds": time.perf_counter() - began, "read_bytes": read() - before, **more}))
"""


@dataclass(frozen=True)
class Folder:
    """Where the stack and its versions are."""

    path: Path

    @property
    def stack(self) -> Path:
        """Of all dates."""
        return self.path / "inputs" / "ifgramStack.h5"

    def show(self, dates: int) -> None:
        """Let the network have the first dates only."""
        with h5py.File(self.stack, "r+") as h5:
            last = np.unique(h5["date"][:])[dates - 1]
            h5["dropIfgram"][:] = (h5["date"][:] <= last).all(axis=1)

    def run(self, how: str, version: str) -> dict[str, Any]:
        """Invert as told, in a process of its own."""
        (self.path / version).mkdir(exist_ok=True)
        command = [sys.executable, "-c", STEP, how, str(self.stack), str(self.path / "old"), str(self.path / version)]
        done = measure(command)
        return {**json.loads(done.output.splitlines()[-1]), "peak_bytes": done.peak_bytes}

    def off(self, dataset: str, name: str) -> float:
        """Largest difference of the update to the inversion of all pairs."""
        with h5py.File(self.path / "update" / name) as one, h5py.File(self.path / "all pairs" / name) as other:
            return float(np.abs(one[dataset][:].astype(float) - other[dataset][:]).max())


def compare(recipe: Recipe, runs: int) -> dict[str, Any]:
    """Medians of all ways on one stack."""
    with tempfile.TemporaryDirectory(prefix="sbas-inversion-") as name:
        folder = Folder(Path(name))
        write_stack(recipe, folder.stack)
        folder.show(recipe.dates - 1)
        first = folder.run("all pairs", "old")
        if first["refusal"]:
            raise RuntimeError(first["refusal"])
        folder.show(recipe.dates)
        # turn by turn, so that a busy machine is so for all
        done = [{how: folder.run(how, how) for how in ("update", "all pairs", "bare")} for _ in range(runs)]
        numbers = ("seconds", "read_bytes", "peak_bytes")
        ways = {
            how: {number: statistics.median(each[how][number] for each in done) for number in numbers}
            for how in ("update", "all pairs", "bare")
        }
        return {
            "ways": ways,
            "pairs": len(recipe.pairs),
            "pairs_read": done[0]["update"]["pairs_read"],
            "moved_mm": done[0]["update"]["moved_mm"],
            "off_mm": 1e3 * folder.off("timeseries", "timeseries.h5"),
            "off_coherence": folder.off("temporalCoherence", "temporalCoherence.h5"),
            "state_bytes": (folder.path / "update" / "state.h5").stat().st_size,
        }


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a tenth of the pixels, and one run each")
    chosen = parser.parse_args(arguments)
    out = opened(as_json=chosen.json)
    recipe = Recipe(length=50, width=WHOLE.width, dates=WHOLE.dates) if chosen.quick else WHOLE
    document = {"machine": machine(), **compare(recipe, 1 if chosen.quick else RUNS)}
    if chosen.json:
        out.document(document)
    else:
        _show(out, document)


def _show(out: Output, document: dict[str, Any]) -> None:
    ways = document["ways"]
    bare = ways["bare"]
    rows = [
        [
            how,
            f"{way['seconds']:.2f}",
            f"{way['seconds'] / bare['seconds']:.2f}",
            gigabytes(way["read_bytes"]),
            f"{way['read_bytes'] / bare['read_bytes']:.2f}",
            gigabytes(way["peak_bytes"]),
        ]
        for how, way in ways.items()
    ]
    show_machine(out)
    out.table(["inversion", ">s", ">of bare", ">read GB", ">of bare", ">peak GB"], rows)
    out.say(
        f"{document['pairs_read']} of {document['pairs']} pairs read, {gigabytes(document['state_bytes'])} GB kept; "
        f"off by {document['off_mm']:.0e} mm and {document['off_coherence']:.0e} of temporal coherence; earlier dates "
        f"moved by {document['moved_mm']:.0e} mm at most"
    )


if __name__ == "__main__":
    main()
