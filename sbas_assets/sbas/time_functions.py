"""Fitting time functions to a displacement series: velocity, seasons, steps, and how certain they are.

Arrays in, arrays out; the numbers are those of MintPy's `timeseries2velocity.py`. Files are series_velocity.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from sbas_assets.sbas import time_functions_kernel as kernel
from sbas_assets.threads import Share

Image = NDArray[np.float32]
Matrix = NDArray[np.float64]
# MintPy gives up where a singular value, in single precision, is below 1e-7 of the largest one; near that it decides
_LEAST_SINGULAR = 1e-5


@dataclass(frozen=True)
class Fit:
    """What is found for a block of pixels; 0 where there is no data.

    Parameters
    ----------
    parameters, deviations : ndarray of float32 (parameters, pixels)
        In the order of MintPy's design matrix (m, years), and their standard deviations.
    residue : ndarray of float32 (pixels,)
        Root of the sum of the squared residuals (m).
    status : ndarray of int8 (pixels,)
        `NO_DATA`, `FITTED` or `INCOMPLETE` of time_functions_kernel; the last are NaN.
    """

    parameters: Image
    deviations: Image
    residue: Image
    status: NDArray[np.int8]


@dataclass(frozen=True)
class TimeFunctions:
    """Time functions on the dates of a series.

    Parameters
    ----------
    used : ndarray of int32 (dates,)
        Which dates of the series are fitted.
    design : ndarray of float32 (dates, parameters)
        MintPy's design matrix.
    """

    used: NDArray[np.int32]
    design: Image

    @classmethod
    def of(
        cls, dates: Sequence[str], used: Sequence[str], model: Mapping[str, Any], seconds: float | str = 0
    ) -> TimeFunctions:
        """Prepare the time functions.

        Parameters
        ----------
        dates, used : sequence of str
            `YYYYMMDD`, all of the series and those to fit.
        model : mapping
            What `mintpy.utils.time_func.inps2model` returns.
        seconds : float or str
            Time of the acquisitions, seconds of the day (`CENTER_LINE_UTC`).
        """
        from mintpy.utils.time_func import get_design_matrix4time_func

        design = get_design_matrix4time_func(list(used), model=dict(model), seconds=seconds)
        return cls(np.array([dates.index(date) for date in used], np.int32), design)

    @property
    def determined(self) -> bool:
        """Whether there are more dates than parameters, and the parameters can be told apart."""
        dates, size = self.design.shape
        if dates <= size or not np.isfinite(self.design).all():
            return False
        singular = np.linalg.svd(self.design.astype(np.float64), compute_uv=False)
        return bool(singular[-1] > _LEAST_SINGULAR * singular[0])

    def fit(
        self,
        series: Image,
        share: Share,
        *,
        date: int | None = None,
        offset: Image | None = None,
        always: int | None = None,
    ) -> Fit:
        """Fit the functions to a block of pixels by least squares.

        Parameters
        ----------
        series : ndarray of float32 (dates, pixels)
            Displacement (m) at all dates.
        share : callable
            Threads to compute with (`pixel_threads`).
        date : int, optional
            Number of the date whose displacement is taken off first.
        offset : ndarray of float32 (dates,), optional
            Displacement of the reference point, taken off first.
        always : int, optional
            The reference point: fitted though all its values are 0.

        Notes
        -----
        Source: MintPy `time_func.estimate_time_func`; deviations after Fattahi and Amelung (2015), eq. 10, in
        `timeseries2velocity.run_timeseries2time_func`. MintPy computes in single precision.
        """
        (_, size), pixels = self.design.shape, series.shape[1]
        out = Fit(
            parameters=np.empty((size, pixels), np.float32),
            deviations=np.empty((size, pixels), np.float32),
            residue=np.empty(pixels, np.float32),
            status=np.empty(pixels, np.int8),
        )
        system = self._system(len(series), date, offset)
        results = kernel.Results(out.parameters, out.deviations, out.residue, out.status)
        place = -1 if always is None else always
        share(lambda start, stop: kernel.fit_pixels(system, series, place, start, stop, results), pixels)
        return out

    def _system(self, dates: int, date: int | None, offset: Image | None) -> kernel.System:
        design = self.design.astype(np.float64)
        return kernel.System(
            used=self.used,
            design=design,
            inverse=np.ascontiguousarray(np.linalg.pinv(design)),
            # inverted as MintPy does it: its rounding goes into every deviation
            variance=np.diag(linalg.inv(self.design.T @ self.design)).astype(np.float64),
            date=-1 if date is None else date,
            offset=np.zeros(dates, np.float32) if offset is None else offset,
        )
