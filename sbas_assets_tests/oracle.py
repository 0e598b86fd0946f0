"""MintPy itself as the oracle: `smallbaselineApp.py` in a process of its own, on a copy of the same stack.

Two things that MintPy leaves to chance are made equal to this package's choice: the reference point is given, and
`numpy.random.default_rng()` gets the same seed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sbas_assets.mintpy.session import SEED
from sbas_assets.topsstack.metadata import isce_metadata, write_rsc

_PROGRAM = f"""
import sys
import numpy as np
original = np.random.default_rng
np.random.default_rng = lambda seed=None: original({SEED} if seed is None else seed)
# MintPy's own histogram of the closures fails where every triplet closes
import mintpy.utils.plot as plot
plot.plot_num_triplet_with_nonzero_integer_ambiguity = lambda *args, **kwargs: None
from mintpy.cli.smallbaselineApp import main
main(sys.argv[1:])
"""

_LOAD = {
    "metaFile": "reference/IW*.xml",
    "baselineDir": "baselines",
    "unwFile": "merged/interferograms/*/filt_fine.unw",
    "corFile": "merged/interferograms/*/filt_fine.cor",
    "connCompFile": "merged/interferograms/*/filt_fine.unw.conncomp",
    "demFile": "merged/geom_reference/hgt.rdr",
    "lookupYFile": "merged/geom_reference/lat.rdr",
    "lookupXFile": "merged/geom_reference/lon.rdr",
    "incAngleFile": "merged/geom_reference/los.rdr",
    "azAngleFile": "merged/geom_reference/los.rdr",
    "shadowMaskFile": "merged/geom_reference/shadowMask.rdr",
    "waterMaskFile": "merged/geom_reference/waterMask.rdr",
}


def run_mintpy(stack: Path, folder: Path, options: Mapping[str, str]) -> Path:
    """Run `smallbaselineApp.py` and return its work folder."""
    command, work = prepare_mintpy(stack, folder, options)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return work


def prepare_mintpy(stack: Path, folder: Path, options: Mapping[str, str]) -> tuple[list[str], Path]:
    """Copy the stack and write the template; return the command to run in `folder`, and the work folder it fills."""
    copy = folder / "stack"
    shutil.copytree(stack, copy, ignore=shutil.ignore_patterns("*.rsc"))
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    swath = sorted((copy / "reference").glob("IW*.xml"))[0]
    # the data.rsc that prep_isce writes with ISCE2 installed; without it MintPy cannot run here
    write_rsc(isce_metadata(swath, copy / "merged" / "geom_reference"), copy / "reference" / "data.rsc")
    work = folder / "mintpy"
    work.mkdir()
    lines = [f"mintpy.load.{key} = {copy / place}" for key, place in _LOAD.items()]
    lines += [f"{key} = {value}" for key, value in {"mintpy.plot": "no", **options}.items()]
    template = folder / "oracle.txt"
    template.write_text("\n".join(lines) + "\n")
    return [sys.executable, "-u", "-c", _PROGRAM, str(template), "--dir", str(work)], work
