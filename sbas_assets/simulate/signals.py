"""Phase and coherence of the interferograms, in ISCE2's sign.

With displacement positive toward the satellite a pair `D1_D2` measures
`-4 pi / wavelength * (d(D2) - d(D1))`, the sign that MintPy inverts. Belongs here: what an acquisition or a pair adds
to the ground truth. Does not belong here: files.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig, as_date
from sbas_assets.simulate.geometry import WAVELENGTH, Geometry, baseline_projection, pixel_spacing
from sbas_assets.simulate.orbit import orbit_offset
from sbas_assets.simulate.scene import Scene, fractal, season, years
from sbas_assets.simulate.seeding import Purpose, generator

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

METRES_TO_PHASE = -4 * np.pi / WAVELENGTH
DECORRELATION_DAYS = 60.0
CRITICAL_BASELINE = 5000.0  # m, Sentinel-1 IW
CONNECTED_COHERENCE = 0.4
# Samples of an oversampled image are correlated: 5 x 20 looks count as about 30 independent ones.
INDEPENDENT_SHARE = 0.3


@dataclass(frozen=True, eq=False)
class Interferogram:
    """One pair as topsStack leaves it, every field of shape (length, width).

    `amplitude` (no unit), `phase` unwrapped (rad), `coherence` (0 to 1), `component` connected component (0: none).
    """

    amplitude: NDArray[np.float32]
    phase: NDArray[np.float32]
    coherence: NDArray[np.float32]
    component: NDArray[np.uint8]


def displacement(scene: Scene, acquisition: str, since: str) -> Array:
    """Displacement of the ground between two acquisitions.

    Parameters
    ----------
    scene : Scene
        Ground truth.
    acquisition, since : str
        Later and earlier acquisition, `YYYYMMDD`.

    Returns
    -------
    ndarray of float64, shape (length, width)
        LOS displacement (m), positive toward the satellite.
    """
    elapsed = years(acquisition) - years(since)
    return scene.velocity * elapsed + scene.seasonal * (season(acquisition) - season(since))


def phase_std(coherence: Array, looks: float) -> Array:
    """Standard deviation of a multilooked interferogram's phase.

    Cramer-Rao bound of Rodriguez and Martin (1992), never more than that of a phase without information.

    Parameters
    ----------
    coherence : ndarray of float64
        Coherence, above 0 and up to 1.
    looks : float
        Number of independent looks.

    Returns
    -------
    ndarray of float64
        Standard deviation (rad).
    """
    bound = np.sqrt((1 - coherence**2) / (2 * looks * coherence**2))
    std: Array = np.minimum(bound, np.pi / np.sqrt(3))
    return std


class PairSimulator:
    """Makes one interferogram after the other, keeping the delays of the last few acquisitions only.

    Parameters
    ----------
    config : SimulationConfig
        Sizes of all disturbances.
    scene : Scene
        Ground truth.
    geometry : Geometry
        Of the grid.
    valid : ndarray of bool, shape (length, width)
        Pixels inside the subswaths.
    """

    def __init__(self, config: SimulationConfig, scene: Scene, geometry: Geometry, valid: Mask) -> None:
        self.config = config
        self.scene = scene
        self.observed = valid & ~_edge(config)
        self.bperp_per_metre, _ = baseline_projection(geometry, config, geometry.slant_range)
        # Range change per metre of baseline and of DEM error (Fattahi and Amelung, 2013).
        self.lever = scene.dem_error / (geometry.slant_range * np.sin(np.radians(geometry.incidence)))
        self._delays: OrderedDict[str, Array] = OrderedDict()

    def delay(self, acquisition: str) -> Array:
        """Tropospheric delay of one acquisition, as the LOS displacement it mimics (m), shape (length, width)."""
        if acquisition not in self._delays:
            self._delays[acquisition] = self._make_delay(acquisition)
            while len(self._delays) > self.config.connections + 1:
                self._delays.popitem(last=False)
        return self._delays[acquisition]

    def _make_delay(self, acquisition: str) -> Array:
        c = self.config
        rng = generator(c.seed, Purpose.TURBULENCE, acquisition)
        turbulent = c.turbulence_sigma * fractal(rng, (c.length, c.width), pixel_spacing(c), -8 / 3)
        slope = generator(c.seed, Purpose.STRATIFICATION, acquisition).normal(0, c.stratified_sigma)
        return turbulent + slope * (self.scene.height - c.mean_height) / 1000

    def bperp(self, first: str, second: str) -> Array:
        """Perpendicular baseline of a pair at each column (m), shape (width,)."""
        offset = np.subtract(orbit_offset(self.config, second), orbit_offset(self.config, first))
        return self.bperp_per_metre @ offset

    def simulate(self, first: str, second: str) -> Interferogram:
        """Simulate one pair.

        Parameters
        ----------
        first, second : str
            Acquisitions `YYYYMMDD`, the earlier one first.

        Returns
        -------
        Interferogram
            All zero outside the subswaths and on the border without data.
        """
        c = self.config
        true_coherence = self._coherence(first, second)
        measured = displacement(self.scene, second, first) + self.delay(second) - self.delay(first)
        measured += self.bperp(first, second) * self.lever
        looks = max(1.0, INDEPENDENT_SHARE * c.azimuth_looks * c.range_looks)
        noise = generator(c.seed, Purpose.PHASE_NOISE, first, second).standard_normal(measured.shape)
        phase = METRES_TO_PHASE * measured + (noise * phase_std(true_coherence, looks) if c.decorrelation > 0 else 0)
        phase[self.scene.second_bank] += 2 * np.pi * self._jump(first, second)
        spread = generator(c.seed, Purpose.COHERENCE_NOISE, first, second).standard_normal(phase.shape)
        coherence = np.clip(true_coherence + spread * (1 - true_coherence**2) / np.sqrt(2 * looks), 0.01, 0.999)
        speckle = generator(c.seed, Purpose.AMPLITUDE, first, second).gamma(looks, 1 / looks, phase.shape)
        out = ~self.observed
        for field in (phase, coherence, speckle):
            field[out] = 0
        return Interferogram(
            amplitude=(1e4 * speckle).astype(np.float32),
            phase=phase.astype(np.float32),
            coherence=coherence.astype(np.float32),
            component=self._components(true_coherence),
        )

    def _coherence(self, first: str, second: str) -> Array:
        """Expected coherence: bare ground's, less what time and baseline take."""
        days = (as_date(second) - as_date(first)).days
        lasting = 1 - self.config.decorrelation * (1 - np.exp(-days / DECORRELATION_DAYS))
        geometric = np.maximum(0.1, 1 - np.abs(self.bperp(first, second)) / CRITICAL_BASELINE)
        coherence: Array = np.maximum(0.02, self.scene.coherence * lasting * geometric)
        return coherence

    def _jump(self, first: str, second: str) -> int:
        """Whole cycles by which the unwrapping misses on the second bank."""
        rng = generator(self.config.seed, Purpose.UNWRAPPING, first, second)
        happens = rng.random() < self.config.unwrap_jump_probability
        return int(rng.choice([-2, -1, 1, 2], p=[0.1, 0.4, 0.4, 0.1])) if happens else 0

    def _components(self, coherence: Array) -> NDArray[np.uint8]:
        """Connected components: the first bank 1, the second 2, none where the phase means nothing."""
        component = np.where(self.scene.second_bank, 2, 1)
        component[~self.observed | (coherence < CONNECTED_COHERENCE)] = 0
        return component.astype(np.uint8)


def _edge(config: SimulationConfig) -> Mask:
    """Border of the grid that filtering and resampling leave without phase."""
    edge = np.ones((config.length, config.width), dtype=bool)
    n = config.nodata_edge
    edge[n : config.length - n, n : config.width - n] = False
    return edge
