"""Ramps of images: a surface of first or second degree through their reliable pixels, taken off.

The numbers are those of MintPy's `objects/ramp.py`. Sums over the rows and what follows from them: which file the rows
come from is series_ramp.py's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import deramp_kernel as kernel
from sbas_assets.threads import Share

Image = NDArray[np.float32]
Vector = NDArray[np.float64]

# powers of row and column, by `mintpy.deramp`
RAMPS: Mapping[str, tuple[tuple[int, int], ...]] = {
    "linear": ((1, 0), (0, 1), (0, 0)),
    "linear_range": ((0, 1), (0, 0)),
    "linear_azimuth": ((1, 0), (0, 0)),
    "quadratic": ((2, 0), (0, 2), (1, 1), (1, 0), (0, 1), (0, 0)),
    "quadratic_range": ((0, 2), (0, 1), (0, 0)),
    "quadratic_azimuth": ((2, 0), (1, 0), (0, 0)),
}
_MOST_SAMPLES = 1e6  # `max_num_sample`
# condition of the scaled normal equations: beyond it their solution loses more digits than MintPy does
_WORST_CONDITION = 1e8


@dataclass(frozen=True)
class Fit:
    """Sums over some images (rows, columns), from which their ramps follow.

    Parameters
    ----------
    length, width : int
        Size of the images.
    moments : Moments
        Of deramp_kernel; filled by `add`.
    """

    length: int
    width: int
    moments: kernel.Moments

    @classmethod
    def of(cls, shape: tuple[int, int, int], step: NDArray[np.int64]) -> Fit:
        """Start with no rows of (images, rows, columns); of each image every `step`-th row and column counts."""
        images, length, width = shape
        sums = kernel.Moments(
            powers=np.zeros((images, 5, 5)),
            products=np.zeros((images, 3, 3)),
            number=np.zeros(images, np.int64),
            step=np.asarray(step, np.int64),
        )
        return cls(length, width, sums)

    def add(self, data: Image, wanted: NDArray[np.bool_], first: int, share: Share) -> None:
        """Add rows from number `first` on; they must come in order.

        Parameters
        ----------
        data : ndarray of float32 (images, rows, columns)
            Pixels of zero and NaN are left out.
        wanted : ndarray of bool (rows, columns)
            Pixels to fit.
        first : int
            Number of the first of these rows.
        share : callable
            Threads to compute with (`pixel_threads`).
        """
        rows = part(data, wanted, first, self.length, self.width)
        share(lambda start, stop: kernel.add_moments(rows, start, stop, self.moments), len(data), 1)

    def ramps(self, kind: str, point: tuple[int, int] | None) -> Ramps:
        """Ramps of all images.

        Parameters
        ----------
        kind : str
            A key of `RAMPS`.
        point : tuple of int, optional
            Row and column where the ramp is to be zero: the reference point.

        Notes
        -----
        Source: MintPy `objects.ramp.deramp`. Where the pixels do not determine the surface, MintPy's pseudo-inverse
        decides: such images are marked, and get no ramp here.
        """
        terms = RAMPS[kind]
        coefficients = np.zeros((len(self.moments.number), 3, 3))
        unclear = np.zeros(len(coefficients), np.bool_)
        for image, (powers, products) in enumerate(zip(self.moments.powers, self.moments.products, strict=True)):
            if powers[0, 0] == 0:
                continue
            normal = np.array([[powers[a + c, b + d] for c, d in terms] for a, b in terms])
            scale = np.sqrt(np.diag(normal))
            with np.errstate(invalid="ignore", divide="ignore"):
                normal /= np.outer(scale, scale)
            if not np.isfinite(normal).all() or np.linalg.cond(normal) > _WORST_CONDITION:
                unclear[image] = True
                continue
            solution = np.linalg.solve(normal, np.array([products[term] for term in terms]) / scale) / scale
            for term, value in zip(terms, solution, strict=True):
                coefficients[(image, *term)] = value
        return Ramps(self.length, self.width, coefficients, self._at(coefficients, point), unclear)

    def _at(self, coefficients: Vector, point: tuple[int, int] | None) -> Vector:
        if point is None:
            return np.zeros(len(coefficients))
        y, x = (float(_coordinate(size)[at]) for size, at in zip((self.length, self.width), point, strict=True))
        return np.asarray(np.einsum("iab,a,b->i", coefficients, [1, y, y * y], [1, x, x * x]))


@dataclass(frozen=True)
class Ramps:
    """Ramps of some images.

    Parameters
    ----------
    length, width : int
        Size of the images.
    coefficients : ndarray of float64 (images, 3, 3)
        Of powers of row and column, both running from -1 to 1.
    zero : ndarray of float64 (images,)
        The ramp at the reference point.
    unclear : ndarray of bool (images,)
        Images whose pixels do not determine a ramp; theirs is zero.
    """

    length: int
    width: int
    coefficients: Vector
    zero: Vector
    unclear: NDArray[np.bool_]

    @classmethod
    def none(cls, shape: tuple[int, int, int]) -> Ramps:
        """Ramps that are zero, for (images, rows, columns)."""
        images, length, width = shape
        nothing = np.zeros(images)
        return cls(length, width, np.zeros((images, 3, 3)), nothing, nothing != 0)

    def take_off(
        self, data: Image, wanted: NDArray[np.bool_], first: int, share: Share, squares: kernel.Squares
    ) -> None:
        """Take the ramps off rows from number `first` on, in place; they must come in order.

        Parameters
        ----------
        data : ndarray of float32 (images, rows, columns)
            Pixels of zero stay zero.
        wanted : ndarray of bool (rows, columns)
            Pixels whose squares are added up.
        first : int
            Number of the first of these rows.
        share : callable
            Threads to compute with (`pixel_threads`).
        squares : Squares
            Of deramp_kernel: the sums to add to.
        """
        rows = part(data, wanted, first, self.length, self.width)
        share(
            lambda start, stop: kernel.take_off(rows, self.coefficients, self.zero, start, stop, squares), len(data), 1
        )


def part(data: Image, wanted: NDArray[np.bool_], first: int, length: int, width: int) -> kernel.Rows:
    """Rows from number `first` on, with their coordinates."""
    y = _coordinate(length)[first : first + data.shape[1]]
    return kernel.Rows(data, wanted, y, _coordinate(width), first)


def sample_step(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """Which pixels of a large image MintPy uses: every how-many-th in both directions, by number of pixels to fit."""
    return np.where(pixels > _MOST_SAMPLES, np.ceil(np.sqrt(pixels / _MOST_SAMPLES)), 1).astype(np.int64)


def no_squares(images: int) -> kernel.Squares:
    """Sums of squares before the first row."""
    return kernel.Squares(np.zeros(images), np.zeros(images, np.int64))


def root_mean_square(squares: kernel.Squares) -> Vector:
    """Root mean square of each image, rounded to float32 as MintPy has it; NaN without a pixel."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(squares.total / squares.number).astype(np.float32).astype(np.float64)


def _coordinate(size: int) -> Vector:
    """Row or column numbers as coordinates from -1 to 1, in which the normal equations are well conditioned."""
    return np.linspace(-1, 1, size) if size > 1 else np.zeros(1)
