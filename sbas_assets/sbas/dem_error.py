"""The DEM error of every pixel of a displacement series, by least squares with a model of the deformation.

The numbers are those of MintPy's `dem_error.py`; the time is another. Arrays in, arrays out: which file they come from
is series_dem_error.py's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import dem_error_kernel as kernel
from sbas_assets.sbas.deformation_model import Image, Model
from sbas_assets.threads import Share


@dataclass(frozen=True)
class Geometry:
    """Where the pixels are seen from.

    Parameters
    ----------
    baseline : ndarray of float32 (dates, 1) or (dates, pixels)
        Perpendicular baseline (m) relative to date `reference`, or to any other one.
    incidence : float, or ndarray of float32 (pixels,)
        Incidence angle (deg).
    distance : float, or ndarray of float32 (pixels,)
        Slant range distance (m). One number, with one incidence angle, serves all pixels.
    reference : int
        Date whose baseline is taken off.
    """

    baseline: Image
    incidence: float | Image
    distance: float | Image
    reference: int = 0

    @property
    def is_mean(self) -> bool:
        """Whether all pixels have the same angle and distance."""
        return np.ndim(self.distance) == 0

    @property
    def mean_scale(self) -> float:
        """Distance times sine of the incidence angle (m), where all pixels have the same."""
        return float(np.float64(self.distance) * np.sin(np.float64(self.incidence) * np.pi / 180.0))

    @property
    def lever(self) -> Image:
        """Baselines relative to the reference date."""
        return np.asarray(self.baseline - self.baseline[self.reference], np.float32)

    def columns(self, pixels: NDArray[np.intp]) -> NDArray[Any]:
        """Displacement by DEM error (dates, 1 or pixels), in the precision that MintPy has it in."""
        sine = np.sin(self.incidence * np.pi / 180.0)
        if self.is_mean:
            return self.lever / np.float64(self.distance * sine)
        lever = self.lever if self.baseline.shape[1] == 1 else self.lever[:, pixels]
        return np.asarray(lever / (np.asarray(self.distance)[pixels] * sine[pixels]))


@dataclass(frozen=True)
class Estimated:
    """What is found for a block of pixels.

    Parameters
    ----------
    dem : ndarray of float32 (pixels,)
        DEM error (m): DEM minus true height, relative to the reference point; 0 where a pixel is skipped.
    corrected : ndarray of float32 (dates, pixels)
        Displacement without what the DEM error causes (m); 0 where a pixel is skipped.
    residual : ndarray of float32 (dates, pixels)
        Displacement without DEM error and deformation model (m); 0 where a pixel is skipped.
    status : ndarray of int8 (pixels,)
        `SKIPPED`, `SOLVED` or `BY_MINTPY` of dem_error_kernel.
    """

    dem: Image
    corrected: Image
    residual: Image
    status: NDArray[np.int8]


def estimate(
    model: Model, geometry: Geometry, series: Image, share: Share, *, coherence: Image | None = None
) -> Estimated:
    """Estimate the DEM error of a block of pixels, and take it off.

    Parameters
    ----------
    model : Model
        How the ground may move meanwhile.
    geometry : Geometry
        Of the same dates and pixels; an own baseline for each pixel goes with an own distance and angle.
    series : ndarray of float32 (dates, pixels)
        Displacement (m). Skipped are pixels whose mean is zero, or with a date that is no number.
    share : callable
        Threads to compute with (`pixel_threads`).
    coherence : ndarray of float32 (pixels,), optional
        Temporal coherence; pixels of zero are skipped.

    Notes
    -----
    Fattahi and Amelung (2013); MintPy `dem_error.correct_dem_error_patch`, `estimate_dem_error`. The geometry of a
    pixel only scales one column of the design matrix, which does not change the fit: so the same few products serve
    all pixels. Where baselines differ between pixels, the deformation model is projected out of them. A pixel whose
    baselines the deformation model nearly reproduces, or where MintPy's cut-off of singular values may act, is given
    to MintPy itself; one with a distance or angle that is zero or no number is skipped. Pixels with an infinite value
    or a baseline that is no number, with which MintPy fails, are skipped too.
    """
    dates, pixels = series.shape
    out = Estimated(
        dem=np.empty(pixels, np.float32),
        corrected=np.empty((dates, pixels), np.float32),
        residual=np.empty((dates, pixels), np.float32),
        status=np.empty(pixels, np.int8),
    )
    seen = _pixels(series, coherence, geometry)
    results = kernel.Results(out.dem, out.corrected, out.residual, out.status)
    if geometry.baseline.shape[1] == 1:
        lever = geometry.lever.astype(np.float64)
        common = kernel.Common(lever.ravel(), *model.with_baselines(lever))

        def compute(start: int, stop: int) -> None:
            kernel.correct_with_common_baselines(seen, common, start, stop, results)
    else:
        own = kernel.Own(
            np.ascontiguousarray(geometry.baseline), geometry.reference, model.observe, model.fitted,
            *model.observations.arrays, model.singular,
        )  # fmt: skip

        def compute(start: int, stop: int) -> None:
            kernel.correct_with_own_baselines(seen, own, start, stop, results)

    share(compute, pixels)
    _by_mintpy(model, geometry, series, out)
    return out


def _pixels(series: Image, coherence: Image | None, geometry: Geometry) -> kernel.Pixels:
    nothing = np.zeros(0, np.float32)
    quality = nothing if coherence is None else coherence
    if geometry.is_mean:
        return kernel.Pixels(series, quality, nothing, nothing, geometry.mean_scale)
    return kernel.Pixels(series, quality, np.asarray(geometry.incidence), np.asarray(geometry.distance), 0.0)


def _by_mintpy(model: Model, geometry: Geometry, series: Image, out: Estimated) -> None:
    """Give the pixels that the kernel left to MintPy."""
    pixels = np.flatnonzero(out.status == kernel.BY_MINTPY)
    if not pixels.size:
        return
    columns = geometry.columns(pixels)
    if geometry.is_mean:
        _ask_mintpy(model, columns, series, pixels, out)
        return
    for number in range(pixels.size):
        column = columns[:, number : number + 1]
        if np.isfinite(column).all():
            _ask_mintpy(model, column, series, pixels[number : number + 1], out)


def _ask_mintpy(model: Model, column: NDArray[Any], series: Image, pixels: NDArray[np.intp], out: Estimated) -> None:
    from mintpy.dem_error import estimate_dem_error

    dem, corrected, residual = estimate_dem_error(
        ts0=series[:, pixels],
        G0=np.hstack((column, model.matrix)),
        tbase=model.years,
        date_flag=model.used,
        phase_velocity=model.options.velocity,
    )
    out.dem[pixels] = dem
    out.corrected[:, pixels] = corrected
    out.residual[:, pixels] = residual
