"""Interferogram stacks with unwrapping errors, in MintPy's layout: components of any shape, regions off by cycles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from scipy import ndimage

from sbas_assets.sbas.product_file import product_file

WAVELENGTH = 0.05546576  # m


def components(rng: np.random.Generator, shape: tuple[int, int], size: float, levels: int) -> np.ndarray:
    """Blobs of about `size` pixels: regions that touch others, regions in regions, specks, and nothing between."""
    field = ndimage.gaussian_filter(rng.standard_normal(shape), size)
    field = (field - field.min()) / (np.ptp(field) or 1)
    return np.asarray(np.floor(field * (levels + 1)), np.int16)


def phase_of(rng: np.random.Generator, regions: np.ndarray) -> np.ndarray:
    """Smooth phase with noise (rad), each 4-connected region off by whole cycles; some pixels are zero or NaN."""
    rows, columns = np.indices(regions.shape)
    phase = 0.05 * rows - 0.03 * columns + rng.normal(0, 0.4, regions.shape)
    for value in np.unique(regions):
        labels, count = ndimage.label(regions == value)
        phase += 2 * np.pi * rng.integers(-3, 4, count + 1)[labels]
    phase[rng.random(regions.shape) < 0.02] = 0
    phase[rng.random(regions.shape) < 0.001] = np.nan
    return phase.astype(np.float32)


def write_stack(
    path: Path,
    pairs: Sequence[tuple[str, str]],
    phase: np.ndarray,
    point: tuple[int, int] | None,
    *,
    kept: Sequence[bool] | None = None,
    coherence: np.ndarray | None = None,
    regions: np.ndarray | None = None,
) -> Path:
    """Write `ifgramStack.h5`; `phase`, `coherence` and `regions` are (pairs, rows, columns)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attributes = {
        "FILE_TYPE": "ifgramStack", "PROCESSOR": "isce", "LENGTH": phase.shape[1], "WIDTH": phase.shape[2],
        "WAVELENGTH": WAVELENGTH, "ALOOKS": 5, "RLOOKS": 20, "UNIT": "radian",
    }  # fmt: skip
    if point is not None:
        attributes |= {"REF_Y": point[0], "REF_X": point[1]}
    datasets = {
        "date": np.array(pairs, "S8"),
        "bperp": np.zeros(len(pairs), np.float32),
        "dropIfgram": np.ones(len(pairs), np.bool_) if kept is None else np.array(kept, np.bool_),
        "unwrapPhase": phase,
        "coherence": np.full(phase.shape, 0.5, np.float32) if coherence is None else coherence,
    }
    if regions is not None:
        datasets["connectComponent"] = regions
    with product_file(path, attributes, datasets):
        pass
    return path


def add_dataset(path: Path, name: str) -> None:
    """Add a dataset like the phase, to be filled."""
    with h5py.File(path, "r+") as h5:
        h5.create_dataset(name, h5["unwrapPhase"].shape, np.float32)
