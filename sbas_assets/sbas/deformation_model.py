"""How the ground may move while the DEM error is estimated: the model of the deformation, prepared for least squares.

Polynomials, steps and seasons on the dates of a series, as MintPy's `time_func.py` has them. What is fitted with them
is dem_error.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

Image = NDArray[np.float32]
Matrix = NDArray[np.float64]
_CUT_OFF = 1e-8  # of singular values (`dem_error.estimate_dem_error`)


@dataclass(frozen=True)
class Options:
    """`mintpy.topographicResidual.*`, and the periods that only `dem_error.py` itself takes.

    Parameters
    ----------
    degree : int
        `polyOrder`: degree of the polynomial in time, at least 1.
    velocity : bool
        `phaseVelocity`: fit the velocity between consecutive dates instead of the displacement.
    steps : sequence of str
        `stepDate`: dates of steps, `YYYYMMDD` or `YYYYMMDDTHHMM`.
    excluded : sequence of str
        `excludeDate`: dates that are corrected but not used, `YYYYMMDD`.
    periods : sequence of float
        `--periodic`: periods in years.
    """

    degree: int = 2
    velocity: bool = False
    steps: Sequence[str] = ()
    excluded: Sequence[str] = ()
    periods: Sequence[float] = ()


@dataclass(frozen=True)
class Observations:
    """What of a series is fitted: its dates, or the velocities between them.

    Parameters
    ----------
    later, earlier : ndarray of int32 (observations,)
        Dates whose difference is an observation; -1 for `earlier` if it is a date's value itself.
    weight : ndarray of float64 (observations,)
        Factor of an observation.
    """

    later: NDArray[np.int32]
    earlier: NDArray[np.int32]
    weight: Matrix

    @classmethod
    def of(cls, used: NDArray[np.bool_], years: Image, *, velocity: bool) -> Observations:
        """The used dates, or the differences between one and the next, by time."""
        number = np.flatnonzero(used).astype(np.int32)
        if velocity:
            return cls(number[1:], number[:-1], 1 / np.diff(years[used]).astype(np.float64))
        return cls(number, np.full(number.size, -1, np.int32), np.ones(number.size))

    @property
    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32], Matrix]:
        """For the kernel."""
        return self.later, self.earlier, self.weight

    def seen(self, series: Matrix) -> Matrix:
        """Observations (observations, columns) of some series (dates, columns)."""
        before = np.where((self.earlier >= 0)[:, None], series[self.earlier], 0)
        return np.ascontiguousarray((series[self.later] - before) * self.weight[:, None])

    def spread(self, factors: Matrix, dates: int) -> Matrix:
        """Factors (dates, columns) that do to the series what `factors` do to its observations."""
        out = np.zeros((dates, factors.shape[1]))
        weighted, differences = factors * self.weight[:, None], self.earlier >= 0
        out[self.later] += weighted
        out[self.earlier[differences]] -= weighted[differences]
        return out


@dataclass(frozen=True)
class Model:
    """The deformation model on the dates of a series, orthogonalised.

    Parameters
    ----------
    options : Options
        What it was made from.
    years : ndarray of float32 (dates,)
        Time since any date.
    used : ndarray of bool (dates,)
        Dates that are not excluded.
    matrix : ndarray of float32 (dates, parameters)
        MintPy's (`get_design_matrix4time_func`); the constant comes first.
    observations : Observations
        What is fitted.
    observe : ndarray of float64 (dates, coefficients)
        Coefficients of a series are `observe.T @ series`.
    fitted : ndarray of float64 (dates, coefficients)
        The modelled series is `fitted @ coefficients`.
    singular : ndarray of float64 (2,)
        Least and largest singular value of what is observed of `matrix`; the least is 0 where it does not determine
        all parameters.
    """

    options: Options
    years: Image
    used: NDArray[np.bool_]
    matrix: Image
    observations: Observations
    observe: Matrix
    fitted: Matrix
    singular: Matrix

    @classmethod
    def of(cls, dates: Sequence[str], years: Image, options: Options, seconds: float | str = 0) -> Model:
        """Prepare the model.

        Parameters
        ----------
        dates : sequence of str
            `YYYYMMDD` or `YYYYMMDDTHHMM`, ascending.
        years : ndarray of float32 (dates,)
            Time since any date; only `options.velocity` needs it.
        options : Options
            What is modelled.
        seconds : float or str
            Time of the acquisitions, seconds of the day (`CENTER_LINE_UTC`).
        """
        from mintpy.utils.time_func import get_design_matrix4time_func

        terms = {"polynomial": options.degree, "stepDate": list(options.steps), "periodic": list(options.periods)}
        matrix = get_design_matrix4time_func(list(dates), terms, seconds=seconds)
        used = np.array([date not in options.excluded for date in dates], np.bool_)
        observations = Observations.of(used, years, velocity=options.velocity)
        # differences do not see the constant, so that it is not taken off either
        columns = np.asarray(matrix, np.float64)[:, 1:] if options.velocity else np.asarray(matrix, np.float64)
        seen = observations.seen(columns)
        # least norm gives nothing to a term that is zero at all dates, such as a step after the last one
        columns, seen = (part[:, np.any(seen != 0, axis=0)] for part in (columns, seen))
        basis, triangle, singular = _orthogonal(seen)
        fitted = linalg.solve_triangular(triangle, columns.T, trans="T").T
        observe = observations.spread(basis, len(dates))
        return cls(options, years, used, matrix, observations, observe, np.ascontiguousarray(fitted), singular)

    @property
    def redundancy(self) -> int:
        """Observations more than there are parameters, the baselines counted as one."""
        return len(self.observations.later) - len(self.fitted.T) - 1

    def with_baselines(self, lever: Matrix) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        """Add the baselines as the last parameter.

        Parameters
        ----------
        lever : ndarray of float64 (dates, 1)
            Perpendicular baseline (m).

        Returns
        -------
        observe : ndarray of float64 (dates, coefficients + 1)
            With the baselines; the last coefficient is that of `lever` itself.
        fitted : ndarray of float64 (dates, coefficients)
            Of the model alone.
        shares : ndarray of float64 (coefficients,)
            Coefficients of the baselines: what those of a series have too much, by baseline.
        lengths : ndarray of float64 (4,)
            Of the baselines and of the part of them that the model does not reproduce; least and largest singular
            value of the model.
        """
        shares = self.observe.T @ lever
        outside = self.observations.seen(lever - self.fitted @ shares)
        length, rest = float(np.linalg.norm(self.observations.seen(lever))), float(np.linalg.norm(outside))
        last = self.observations.spread(outside / rest**2 if rest > 0 else outside, len(lever))
        lengths = np.array([length, rest, *self.singular])
        return np.hstack((self.observe, last)), self.fitted, shares.ravel(), lengths


def _orthogonal(seen: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Q and R of the observed model, and its extreme singular values; harmless ones if it is not determined."""
    rows, size = seen.shape
    if size == 0:
        return np.zeros((rows, 0)), np.zeros((0, 0)), np.ones(2)
    values = linalg.svdvals(seen) if rows >= size else np.zeros(1)
    if not values[-1] > _CUT_OFF * values[0]:
        return np.zeros((rows, size)), np.eye(size), np.array([0.0, 1.0])
    basis, triangle = linalg.qr(seen, mode="economic")
    return basis, triangle, values[[-1, 0]]
