"""Ionospheric interferograms beside a simulated stack, as topsStack's filtIon.py and computeIon.py leave them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from sbas_assets.simulate.isce_xml import Axis, image_file, image_properties, raw_vrt


def put_ionosphere(stack: Path, dates: Sequence[str], shape: tuple[int, int], place: str = "ion") -> list[str]:
    """Write filt.ion and raw_no_projection.cor of every date with its next two; return the pairs.

    Both are amplitude and value, line by line (two bands, BIL), under the header of an unwrapped interferogram. An
    acquisition's ionosphere is a slope across the image.
    """
    y, x = np.meshgrid(np.linspace(0, 1, shape[0]), np.linspace(0, 1, shape[1]), indexing="ij")
    tilt = np.random.default_rng(7).normal(0, 3, (len(dates), 2))
    phase = {date: a * x + b * y * x for date, (a, b) in zip(dates, tilt, strict=True)}
    pairs = sorted({*pairwise(dates), *zip(dates, dates[2:], strict=False)})
    for first, second in pairs:
        folder = stack / place / f"{first}_{second}" / "ion_cal"
        folder.mkdir(parents=True)
        _write(folder / "filt.ion", phase[second] - phase[first])
        _write(folder / "raw_no_projection.cor", 0.9 - 0.2 * x)
    return [f"{first}_{second}" for first, second in pairs]


def _write(path: Path, values: np.ndarray) -> None:
    length, width = values.shape
    np.stack([np.ones_like(values), values], axis=1).astype("<f4").tofile(path)
    image = {"image_type": ("unw", "Image type used for displaying.")}
    header = image_properties(
        f"/data/stack/{path}", Axis(width), Axis(length), data_type="FLOAT", bands=2, scheme="BIL", extra=image
    )
    path.with_name(f"{path.name}.xml").write_text(image_file(header))
    path.with_name(f"{path.name}.vrt").write_text(raw_vrt(path.name, length, width, "f4", bands=2))


def copy_of(stack: Path, folder: Path) -> Path:
    shutil.copytree(stack, folder)
    return folder
