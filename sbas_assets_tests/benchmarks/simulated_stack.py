"""Interferogram stacks in MintPy's layout, for benchmarks and tests of the inversion alone.

The observations are those of a random walk of the ground with noise and coherence of its own for every pixel; nothing
of a topsStack tree is simulated (sbas_assets.simulate does that).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.simulate import regular_dates

BLOCK = 50  # pixels of a side of what is missing in one piece
WAVELENGTH = 0.05546576  # m


@dataclass(frozen=True)
class Recipe:
    """What decides a stack.

    Parameters
    ----------
    length, width : int
        Rows and columns.
    dates, connections : int
        Acquisitions, 12 days apart, and how many later ones each is paired with.
    annual : bool
        Pairs of 30 cycles, nearly a year, too.
    missing, missing_blocks : float
        Share of the observations without data, single pixels or blocks of `BLOCK` x `BLOCK`.
    """

    length: int = 500
    width: int = 540
    dates: int = 98
    connections: int = 3
    annual: bool = False
    missing: float = 0.0
    missing_blocks: float = 0.0

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Indices of the dates of each pair."""
        near = [(i, j) for i in range(self.dates) for j in range(i + 1, min(self.dates, i + self.connections + 1))]
        return near + ([(i, i + 30) for i in range(self.dates - 30)] if self.annual else [])

    def scaled(self, factor: int) -> Recipe:
        """The same with so many times the rows."""
        return replace(self, length=factor * self.length)


CASES = {
    "clean": Recipe(),
    "10 % missing at random": Recipe(missing=0.1),
    "30 % missing in blocks": Recipe(missing_blocks=0.3),
    "annual pairs": Recipe(annual=True),
}


def write_stack(recipe: Recipe, path: Path, seed: int = 1) -> Path:
    """Write `ifgramStack.h5`, a stretch of rows at a time; its reference point is the first pixel."""
    rng = np.random.default_rng(seed)
    days = np.array(regular_dates("20180102", recipe.dates), np.bytes_)
    pairs = np.array(recipe.pairs)
    image = (len(pairs), recipe.length, recipe.width)
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = {
        "FILE_TYPE": "ifgramStack", "PROCESSOR": "isce", "LENGTH": recipe.length, "WIDTH": recipe.width,
        "WAVELENGTH": WAVELENGTH, "ALOOKS": 5, "RLOOKS": 20, "NCORRLOOKS": 50, "REF_Y": 0, "REF_X": 0, "UNIT": "radian",
    }  # fmt: skip
    datasets = {
        "date": days[pairs],
        "bperp": rng.normal(0, 60, len(pairs)).astype(np.float32),
        "dropIfgram": np.ones(len(pairs), np.bool_),
        "unwrapPhase": Blank(image),
        "coherence": Blank(image),
    }
    with product_file(path, attributes, datasets) as h5:
        for start in range(0, recipe.length, 2 * BLOCK):
            rows = slice(start, min(start + 2 * BLOCK, recipe.length))
            shape = (len(pairs), rows.stop - rows.start, recipe.width)
            h5["unwrapPhase"][:, rows, :] = _phase(recipe, rng, pairs, shape)
            h5["coherence"][:, rows, :] = 0.3 + 0.65 * rng.random(shape, np.float32)
        h5["unwrapPhase"][:, 0, 0] = rng.normal(0, 1, len(pairs)) + 20
    return path


def _phase(
    recipe: Recipe, rng: np.random.Generator, pairs: NDArray[np.intp], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Phase of each pair (rad): steps of 0.5 mm a cycle, noise of 0.2 rad, zero where there is none."""
    walk = np.cumsum(rng.standard_normal((recipe.dates, *shape[1:]), np.float32) * np.float32(0.11), axis=0)
    phase: NDArray[np.float32] = walk[pairs[:, 1]] - walk[pairs[:, 0]]
    phase += rng.standard_normal(shape, np.float32) * np.float32(0.2) + np.float32(20)
    if recipe.missing:
        phase[rng.random(shape, np.float32) < recipe.missing] = 0
    if recipe.missing_blocks:
        coarse = rng.random((shape[0], -(-shape[1] // BLOCK), -(-shape[2] // BLOCK))) < recipe.missing_blocks
        fine = coarse.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)[:, : shape[1], : shape[2]]
        phase[fine] = 0
    return phase
