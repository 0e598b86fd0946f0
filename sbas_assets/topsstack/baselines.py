"""The perpendicular baselines that topsStack writes under `baselines/REF_SEC/REF_SEC.txt`.

Belongs here: reading the files as MintPy does. MintPy skips an empty file without a word and dies much
later with `KeyError: 'DATE'`; finding that early is preflight's business, so every oddity is an error here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.topsstack.xmlfiles import unreadable

PAIR_NAME = re.compile(r"(\d{8})_(\d{8})")
MEND = "run again the line of run_files/run_*_average_baseline that names {name}"


def baseline_files(folder: Path) -> list[Path]:
    """List the baseline files of a `baselines/` folder whose names are dates, in order of name."""
    return [path for path in sorted(folder.glob("*/*.txt")) if PAIR_NAME.fullmatch(path.stem)]


def read_swath_baselines(path: Path) -> list[float]:
    """Read the perpendicular baseline (m) of each swath from one file.

    Parameters
    ----------
    path : Path
        `baselines/REF_SEC/REF_SEC.txt`.

    Returns
    -------
    list of float
        One value per swath block.

    Raises
    ------
    InputError
        `baseline-empty`, `baseline-unreadable` or `file-unreadable`.
    """
    mend = MEND.format(name=path.stem)
    try:
        text = path.read_text()
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise InputError("baseline-unreadable", "is not text", mend=mend, path=path) from error
    if not text.strip():
        cause = "is empty: the date was not unpacked when topsStack computed it, which it does not report"
        raise InputError("baseline-empty", cause, mend=mend, path=path)
    fields = [line.split(":", 1) for line in text.splitlines()]
    values = [field[1] for field in fields if field[0] == "Bperp (average)" and len(field) == 2]
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers or not all(math.isfinite(number) for number in numbers):
        cause = "holds no readable `Bperp (average)`"
        raise InputError("baseline-unreadable", cause, mend=mend, path=path)
    return numbers


def main_reference(files: Sequence[Path]) -> str:
    """Return the reference date of most files, the one that MintPy takes; the first by name on a tie."""
    return Counter(path.stem.split("_")[0] for path in files).most_common(1)[0][0]


def baseline_timeseries(folder: str | Path) -> dict[str, tuple[float, float]]:
    """Read the perpendicular baseline of every date to the reference date.

    Source: MintPy `isce_utils.read_baseline_timeseries(processor='tops')`: the mean over swaths, the same
    at the top and the bottom of the image; files of another reference date and empty files are left out.

    Parameters
    ----------
    folder : path
        `baselines/`.

    Returns
    -------
    dict
        Date `YYYYMMDD` to (top, bottom) in m; the reference date has (0, 0). Empty if there are no files.

    Raises
    ------
    InputError
        `baseline-unreadable` or `file-unreadable`.
    """
    files = baseline_files(Path(folder))
    if not files:
        return {}
    reference = main_reference(files)
    series = {reference: (0.0, 0.0)}
    for path in files:
        first, second = path.stem.split("_")
        if first == reference and not (path.is_file() and path.stat().st_size == 0):
            mean = float(np.mean(read_swath_baselines(path)))
            series[second] = (mean, mean)
    return series
