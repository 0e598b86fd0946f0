"""Layers of a series of images that its last version holds as they would be computed: they are copied.

For what is computed date by date, such as delays and tides. Which layers are the same, the computing module decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

SERIES = "timeseries"


@dataclass(frozen=True)
class Held:
    """Dates whose layers an earlier file holds as they would be computed."""

    file: Path
    dates: frozenset[str] = frozenset()


def copy_layers(held: Held, images: h5py.Dataset, layers: Mapping[str, int]) -> None:
    """Copy what is held to where it belongs.

    Parameters
    ----------
    held : Held
        What to take from where.
    images : h5py.Dataset
        (date, row, column), to be filled.
    layers : mapping
        Date (`YYYYMMDD`) to its number in `images`.
    """
    if not held.dates:
        return
    with h5py.File(held.file, "r") as h5:
        for number, date in enumerate(h5["date"][:]):
            if date.decode() in held.dates:
                images[layers[date.decode()]] = h5[SERIES][number]
