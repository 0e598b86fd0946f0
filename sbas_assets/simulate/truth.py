"""What a simulated stack really contains, kept beside it, and how well a result agrees with it.

Belongs here: the file `truth.h5` and the comparison of velocities. MintPy and the assets never read this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.simulate.config import SimulationConfig
from sbas_assets.simulate.geometry import Geometry
from sbas_assets.simulate.scene import Scene, season, years

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TRUTH_FILE = "truth.h5"
FIELDS = ("velocity", "seasonal_amplitude", "dem_error", "height", "lat", "lon", "valid")

VELOCITY_RMSE_THRESHOLD = 5.0
"""Largest RMSE and bias (mm/year) of a good velocity of either preset.

Measured with MintPy 1.6.4, bridging on. Preset small: RMSE 1.5 to 2.0 over five seeds when the troposphere is
corrected by height correlation, 3.8 when it is not corrected (seed 0). Preset medium (seed 0): 1.5 and 1.9. Bias up to
4 with reference pixels drawn at random. Without bridging the second bank drops out of the reliable mask, which the
coverage shows.
"""


@dataclass(frozen=True, eq=False)
class Truth:
    """Known content of a simulated stack.

    Parameters
    ----------
    velocity : ndarray of float64, shape (length, width)
        Steady LOS velocity (m/year), positive toward the satellite.
    seasonal_amplitude : ndarray of float64, shape (length, width)
        Amplitude of the yearly LOS displacement (m).
    dem_error : ndarray of float64, shape (length, width)
        DEM minus true height (m), the sign of MintPy's demErr.h5.
    height, lat, lon : ndarray of float64, shape (length, width)
        Terrain height (m), latitude and longitude (degrees) of every pixel.
    valid : ndarray of bool, shape (length, width)
        Pixels with phase in every pair, on land, in sight of the satellite.
    dates : tuple of str
        Acquisitions, `YYYYMMDD`, ascending.
    reference_date : str
        Reference acquisition of the coregistration.
    """

    velocity: Array
    seasonal_amplitude: Array
    dem_error: Array
    height: Array
    lat: Array
    lon: Array
    valid: Mask
    dates: tuple[str, ...]
    reference_date: str

    def displacement(self, date: str, since: str | None = None) -> Array:
        """Displacement of the ground.

        Parameters
        ----------
        date : str
            Acquisition, `YYYYMMDD`.
        since : str, optional
            Acquisition with zero displacement; the first if not given.

        Returns
        -------
        ndarray of float64, shape (length, width)
            LOS displacement (m), positive toward the satellite.
        """
        start = since or self.dates[0]
        swing = season(date) - season(start)
        return self.velocity * (years(date) - years(start)) + self.seasonal_amplitude * swing

    def linear_velocity(self, dates: Sequence[str] | None = None) -> Array:
        """Slope of the straight line through the true displacements at the acquisitions.

        It differs from `velocity` by what a seasonal motion adds when the acquisitions do not cover whole years, and is
        what a linear fit to perfect data gives.

        Returns
        -------
        ndarray of float64, shape (length, width)
            LOS velocity (m/year).
        """
        used = dates or self.dates
        t = np.array([years(date) for date in used])
        t -= t.mean()
        swing = float(t @ np.array([season(date) for date in used]) / (t @ t))
        return self.velocity + swing * self.seasonal_amplitude


def make_truth(config: SimulationConfig, scene: Scene, geometry: Geometry, observed: Mask) -> Truth:
    """Collect what is known about a simulated stack; `observed` are the pixels with phase, shape (length, width)."""
    return Truth(
        velocity=scene.velocity,
        seasonal_amplitude=scene.seasonal,
        dem_error=scene.dem_error,
        height=scene.height,
        lat=geometry.lat,
        lon=geometry.lon,
        valid=observed & ~scene.river & ~scene.shadow,
        dates=config.dates,
        reference_date=config.reference,
    )


def save_truth(truth: Truth, config: SimulationConfig, stack_dir: Path) -> None:
    """Write `truth.h5`: the fields of `Truth` as datasets, dates and the configuration (JSON) as attributes."""
    with h5py.File(stack_dir / TRUTH_FILE, "w", track_order=True) as file:
        for name in FIELDS:
            file.create_dataset(name, data=getattr(truth, name), track_times=False)
        file.attrs["dates"] = ",".join(truth.dates)
        file.attrs["reference_date"] = truth.reference_date
        file.attrs["config"] = config.model_dump_json()


def load_truth(stack_dir: str | Path) -> Truth:
    """Read the truth of a simulated stack.

    Parameters
    ----------
    stack_dir : path
        Folder that `simulate_stack` wrote.

    Returns
    -------
    Truth
        Its truth.
    """
    path = Path(stack_dir) / TRUTH_FILE
    if not path.is_file():
        raise InputError(
            "truth-missing",
            "there is no known truth: this stack was not made by the simulator",
            mend="compare only simulated stacks",
            path=path,
        )
    with h5py.File(path, "r") as file:
        fields = {name: file[name][()] for name in FIELDS}
        dates = tuple(str(file.attrs["dates"]).split(","))
        return Truth(**fields, dates=dates, reference_date=str(file.attrs["reference_date"]))


def compare_velocity(
    truth: Truth,
    velocity: NDArray[np.floating],
    reference_yx: tuple[int, int],
    mask: NDArray[np.bool_],
    threshold: float = VELOCITY_RMSE_THRESHOLD,
) -> dict[str, float | int | bool]:
    """Compare an estimated velocity with the truth.

    Both are taken relative to the reference pixel. That pixel's own noise would appear as a bias of all others, so
    the bias (median error) is reported and removed before the RMSE and the largest error are taken. A velocity passes
    if neither its RMSE nor its bias exceeds the threshold and it covers half of the pixels that have a truth.

    Parameters
    ----------
    truth : Truth
        Known content of the stack.
    velocity : ndarray of float, shape (length, width)
        Estimated LOS velocity (m/year), positive toward the satellite, in radar coordinates.
    reference_yx : tuple of int
        Row and column of the reference pixel.
    mask : ndarray of bool, shape (length, width)
        Pixels that the estimate calls reliable.
    threshold : float
        Largest RMSE and largest bias that pass (mm/year).

    Returns
    -------
    dict
        `rmse_mm_per_year`, `max_error_mm_per_year`, `bias_mm_per_year` (estimate minus truth), `n_pixels` compared,
        `coverage` (share of the truth's valid pixels), `threshold_mm_per_year` and `passes`.
    """
    shape = truth.velocity.shape
    if velocity.shape != shape or mask.shape != shape:
        raise InputError(
            "truth-shape", f"velocity {velocity.shape} or mask {mask.shape} is not on the simulated grid {shape}"
        )
    expected = truth.linear_velocity()
    expected = expected - expected[reference_yx]
    use = mask.astype(bool) & truth.valid & np.isfinite(velocity)
    error = (velocity.astype(np.float64) - expected)[use] * 1000
    n_pixels = int(use.sum())
    bias = float(np.median(error)) if n_pixels else float("nan")
    rmse = float(np.sqrt(np.mean((error - bias) ** 2))) if n_pixels else float("nan")
    worst = float(np.max(np.abs(error - bias))) if n_pixels else float("nan")
    coverage = n_pixels / int(truth.valid.sum())
    return {
        "rmse_mm_per_year": rmse,
        "max_error_mm_per_year": worst,
        "bias_mm_per_year": bias,
        "n_pixels": n_pixels,
        "coverage": coverage,
        "threshold_mm_per_year": threshold,
        "passes": bool(rmse <= threshold and abs(bias) <= threshold and coverage >= 0.5),
    }
