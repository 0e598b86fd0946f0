"""How subswaths and bursts tile the merged full-resolution grid.

Belongs here: line and sample offsets. Does not belong here: times, ranges and positions (`orbit`, `product_xml`).
Bursts of a small grid are shorter than Sentinel-1's 1500 lines, so that even a demo has several per subswath.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig

SENTINEL1_BURST_STEP = 1342


@dataclass(frozen=True)
class Burst:
    """Lines of one burst in the merged grid."""

    number: int
    first_line: int
    n_lines: int


@dataclass(frozen=True)
class Swath:
    """Samples of one subswath in the merged grid, and its bursts."""

    number: int
    first_sample: int
    n_samples: int
    bursts: tuple[Burst, ...]

    @property
    def first_line(self) -> int:
        """First line of the subswath."""
        return self.bursts[0].first_line

    @property
    def stop_line(self) -> int:
        """One past the last line of the subswath."""
        return self.bursts[-1].first_line + self.bursts[-1].n_lines


@dataclass(frozen=True)
class Layout:
    """Full-resolution size of the merged grid and the subswaths in it."""

    length: int
    width: int
    swaths: tuple[Swath, ...]


def make_layout(config: SimulationConfig) -> Layout:
    """Tile the full-resolution grid.

    Neighbouring subswaths overlap in range and start at different lines, so that the merged grid has the empty
    stair-step corners of a real one. As in ISCE2 the full size is not a whole multiple of the looks.
    """
    length = config.length * config.azimuth_looks + config.azimuth_looks // 3
    width = config.width * config.range_looks + config.range_looks // 3
    n = config.n_swaths
    stagger = 0 if n == 1 else (config.length // 12) * config.azimuth_looks
    overlap = 0 if n == 1 else width // 10
    n_samples = ceil((width + (n - 1) * overlap) / n)
    swaths = tuple(
        Swath(
            number=i + 1,
            first_sample=min(i * (n_samples - overlap), width - n_samples),
            n_samples=n_samples,
            bursts=_bursts(i * stagger, length - (n - 1) * stagger, config.bursts_per_swath),
        )
        for i in range(n)
    )
    return Layout(length, width, swaths)


def _bursts(first_line: int, n_lines: int, n_bursts: int | None) -> tuple[Burst, ...]:
    """Cover `n_lines` lines with bursts of equal size, each overlapping the next by a tenth."""
    n = n_bursts or max(2, ceil(n_lines / SENTINEL1_BURST_STEP))
    burst_lines = ceil(n_lines / (n - 0.1 * (n - 1)))
    last = n_lines - burst_lines
    return tuple(Burst(i + 1, first_line + i * last // (n - 1), burst_lines) for i in range(n))


def valid_pixels(layout: Layout, config: SimulationConfig) -> NDArray[np.bool_]:
    """Pixels of the multilooked grid that lie in some subswath.

    Returns
    -------
    ndarray of bool, shape (length, width)
        True inside; the stair-step corners are False.
    """
    rows = (np.arange(config.length) + 0.5) * config.azimuth_looks
    columns = (np.arange(config.width) + 0.5) * config.range_looks
    valid = np.zeros((config.length, config.width), dtype=bool)
    for swath in layout.swaths:
        row_in = (rows >= swath.first_line) & (rows < swath.stop_line)
        column_in = (columns >= swath.first_sample) & (columns < swath.first_sample + swath.n_samples)
        valid |= row_in[:, None] & column_in[None, :]
    return valid
