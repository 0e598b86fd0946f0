"""What is true about the ground: terrain, motion, DEM error, water, shadow and how well each pixel keeps its phase.

Belongs here: everything that does not depend on an acquisition. Does not belong here: delays and noise (`signals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sbas_assets.simulate.config import SimulationConfig, as_date
from sbas_assets.simulate.geometry import pixel_spacing
from sbas_assets.simulate.seeding import Purpose, generator

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

YEAR_DAYS = 365.25
EPOCH = as_date("20100101")
SEASONAL_PEAK = 0.2  # share of the year after 1 January at which the seasonal displacement is largest


@dataclass(frozen=True, eq=False)
class Scene:
    """Ground truth on the multilooked grid, every field of shape (length, width).

    `height` in m, `velocity` in m/year and `seasonal` (amplitude) in m along the line of sight, positive toward the
    satellite, `dem_error` in m (DEM minus true height), `coherence` of a pair without temporal or geometric
    decorrelation (0 to 1), `river` and `shadow` masks, `second_bank` the smaller side of the river.
    """

    height: Array
    velocity: Array
    seasonal: Array
    dem_error: Array
    coherence: Array
    river: Mask
    second_bank: Mask
    shadow: Mask


def years(acquisition: str) -> float:
    """Time of an acquisition since a fixed epoch (years of 365.25 days)."""
    return (as_date(acquisition) - EPOCH).days / YEAR_DAYS


def season(acquisition: str) -> float:
    """Value of the yearly cycle on an acquisition date (-1 to 1)."""
    return float(np.cos(2 * np.pi * (years(acquisition) - SEASONAL_PEAK)))


def fractal(rng: np.random.Generator, shape: tuple[int, int], spacing: tuple[float, float], slope: float) -> Array:
    """Isotropic random field with a power-law spectrum and unit expected variance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the phases.
    shape : tuple of int
        Rows and columns.
    spacing : tuple of float
        Ground distance between rows and between columns (m).
    slope : float
        Exponent of the one-dimensional spectrum; -8/3 is turbulence below the thickness of the troposphere
        (Hanssen, 2001, section 4.7). The two-dimensional spectrum falls one power faster.

    Returns
    -------
    ndarray of float64, shape `shape`
        The field. It is cut from a domain twice as large, so that opposite edges are independent.
    """
    n_rows, n_columns = (fft.next_fast_len(2 * n, real=True) for n in shape)
    ky = fft.fftfreq(n_rows, spacing[0])[:, None]
    kx = fft.rfftfreq(n_columns, spacing[1])[None, :]
    wavenumber = np.hypot(ky, kx)
    wavenumber[0, 0] = np.inf
    amplitude = wavenumber ** ((slope - 1) / 2)
    white = fft.rfft2(rng.standard_normal((n_rows, n_columns)))
    field = fft.irfft2(white * amplitude, s=(n_rows, n_columns))
    weight = np.full(kx.shape, 2.0)
    weight[0, 0] = 1.0
    variance = np.sum(weight * amplitude**2) / (n_rows * n_columns)
    scaled: Array = field[: shape[0], : shape[1]] / np.sqrt(variance)
    return scaled


def make_scene(config: SimulationConfig) -> Scene:
    """Lay out the ground: a subsiding bowl on one bank, a seasonal swell on the other, hills over all."""
    shape = (config.length, config.width)
    spacing = pixel_spacing(config)
    river, second_bank = _river(config)
    shadow = _shadow(config)
    dem_error = config.dem_error_sigma * fractal(generator(config.seed, Purpose.DEM_ERROR), shape, spacing, -1.5)
    bowl = _bump(config, 0.45, 0.76, config.bowl_radius)
    return Scene(
        height=_terrain(config, bowl),
        velocity=config.peak_velocity * bowl,
        seasonal=config.seasonal_amplitude * _bump(config, 0.6, 0.22, 1.5 * config.bowl_radius),
        dem_error=dem_error,
        coherence=_coherence(config, river, shadow),
        river=river,
        second_bank=second_bank,
        shadow=shadow,
    )


def _terrain(config: SimulationConfig, bowl: Array) -> Array:
    """Hills that have nothing to do with the bowl.

    Where motion follows the terrain nobody can tell it from a delay that follows it: correcting the troposphere by its
    correlation with height would take part of the bowl, and the truth would not be the fault of the processing.
    """
    rng = generator(config.seed, Purpose.TERRAIN)
    hills = fractal(rng, (config.length, config.width), pixel_spacing(config), -3.5)
    shape = bowl - bowl.mean()
    hills -= shape * (np.vdot(shape, hills) / np.vdot(shape, shape))
    # A height of zero would read as "no data".
    height: Array = np.maximum(config.mean_height + config.relief * (hills - hills.mean()), 1.0)
    return height


def _bump(config: SimulationConfig, row: float, column: float, radius: float) -> Array:
    """Gaussian of height one around a place given in shares of the grid, radius in m on the ground."""
    dy, dx = pixel_spacing(config)
    y = (np.arange(config.length) - row * config.length) * dy
    x = (np.arange(config.width) - column * config.width) * dx
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * radius**2))


def _river(config: SimulationConfig) -> tuple[Mask, Mask]:
    """Masks of a meandering river along azimuth and of the narrower bank on its right."""
    shape = (config.length, config.width)
    if not config.river:
        return np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    rows = np.arange(config.length)[:, None] / config.length
    columns = np.arange(config.width)[None, :]
    middle = config.width * (0.52 + 0.04 * np.sin(2 * np.pi * 1.3 * rows))
    half = max(2.0, 0.02 * config.width)
    return np.abs(columns - middle) <= half, columns > middle + half


def _shadow(config: SimulationConfig) -> Mask:
    """Mask of a small slope in radar shadow near the first bank's lower edge."""
    shadow = np.zeros((config.length, config.width), dtype=bool)
    if config.shadow:
        row, column = int(0.7 * config.length), int(0.42 * config.width)
        shadow[row : row + config.length // 12, column : column + max(3, config.width // 40)] = True
    return shadow


def _coherence(config: SimulationConfig, river: Mask, shadow: Mask) -> Array:
    """Coherence before decorrelation: bare ground, patches of vegetation, none on water and in shadow."""
    patches = fractal(
        generator(config.seed, Purpose.VEGETATION), (config.length, config.width), pixel_spacing(config), -3.0
    )
    coherence = np.where(patches > 1.0, 0.97 - 0.25 * np.tanh(patches - 1.0), 0.97)
    coherence[river] = 0.08
    coherence[shadow] = 0.1
    return coherence
