"""What an inversion keeps of every pixel for the next one, in a file of its own.

Of the pairs before a checkpoint it has the Schur complement (inversion_types.Kept); of the few pixels for which that
is not enough, a hidden series or the observations. Which pixels these are is inversion_keeping.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows
from sbas_assets.sbas.condensation import empty_kept
from sbas_assets.sbas.inversion_types import Kept
from sbas_assets.sbas.product_file import Blank

STATE_VERSION = 1
_ABOUT = "about"


@dataclass(frozen=True)
class About:
    """What a state is of.

    Parameters
    ----------
    recipe : mapping
        What decides the numbers beside the observations.
    dates : list of str
        Those before the checkpoint.
    checkpoint : str
        First date after them.
    observed : str
        Digest of the pairs with such a date, and of their contents, in order.
    tail : int
        Dates to keep behind the checkpoint.
    updates : int
        Since the last inversion of all pairs.
    moved_mm : float
        Bound of the change of the series before the checkpoint that these updates left out (mm).
    """

    recipe: Mapping[str, Any]
    dates: list[str]
    checkpoint: str
    observed: str
    tail: int
    updates: int = 0
    moved_mm: float = 0.0


@dataclass(frozen=True)
class Aside:
    """Numbers of single pixels.

    Parameters
    ----------
    pixels : ndarray of int64 (n,)
        Their places in the image, ascending.
    values : dict
        Name to ndarray (rows, n).
    """

    pixels: NDArray[np.int64]
    values: dict[str, NDArray[Any]]

    def between(self, start: int, stop: int) -> Aside:
        """Return those of a stretch of the image, numbered from its start."""
        first, last = np.searchsorted(self.pixels, [start, stop])
        some = slice(int(first), int(last))
        return Aside(self.pixels[some] - start, {name: rows[:, some] for name, rows in self.values.items()})

    def where(self, good: NDArray[np.bool_]) -> Aside:
        """Return some of them."""
        return Aside(self.pixels[good], {name: rows[:, good] for name, rows in self.values.items()})

    @classmethod
    def joined(cls, parts: Sequence[Aside]) -> Aside:
        """Put stretches together."""
        pixels = np.concatenate([part.pixels for part in parts])
        order = np.argsort(pixels)
        values = {
            name: np.concatenate([part.values[name] for part in parts], axis=1)[:, order] for name in parts[0].values
        }
        return cls(pixels[order], values)


def lay_out(frontier: int, shape: tuple[int, int]) -> dict[str, Blank]:
    """Datasets of a state: rows of each of the kept numbers."""
    return {
        name: Blank((*values.shape[:-1], *shape), values.dtype)
        for name, values in empty_kept(frontier, 0)._asdict().items()
    }


def write_rows(h5: h5py.File, rows: Rows, kept: Kept) -> None:
    """Write what is kept of a block."""
    for name, values in kept._asdict().items():
        width = h5[name].shape[-1]
        h5[name][..., rows.slice, :] = values.reshape(*values.shape[:-1], len(rows), width)


def finish(h5: h5py.File, about: About, aside: Mapping[str, Aside]) -> None:
    """Write what is known of the whole, when all rows are written."""
    text = json.dumps({"state": STATE_VERSION, **asdict(about)}, sort_keys=True)
    h5[_ABOUT] = np.frombuffer(text.encode(), np.uint8)
    for kind, table in sorted(aside.items()):
        group = h5.create_group(kind)
        group["pixels"] = table.pixels
        for name, values in sorted(table.values.items()):
            group[name] = values


def read_about(file: Path) -> About | None:
    """Return what a state is of, None if another version of this package wrote it."""
    with h5py.File(file, "r") as h5:
        found = json.loads(h5[_ABOUT][:].tobytes())
    return About(**found) if found.pop("state") == STATE_VERSION else None


def read_rows(h5: h5py.File, rows: Rows) -> Kept:
    """Read what was kept of a block."""
    values = (h5[name][..., rows.slice, :] for name in Kept._fields)
    return Kept(*(np.ascontiguousarray(each.reshape(*each.shape[:-2], -1)) for each in values))


def read_aside(h5: h5py.File, kind: str) -> Aside:
    """Read the numbers of single pixels."""
    group = h5[kind]
    return Aside(group["pixels"][:], {name: group[name][:] for name in group if name != "pixels"})
