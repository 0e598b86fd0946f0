"""The line of sight as a unit vector in east, north and up, from MintPy's two angles.

Belongs here: the vector. Does not belong here: the geometry's other datasets (`variables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.published.sliceable import Numbers

COMPONENTS = ("east", "north", "up")
ANGLES = ("incidenceAngle", "azimuthAngle")
# sines and cosines of another processor may differ in their last bit, and so may these after rounding to float32
TOLERANCE = 2.0**-23
_STRIP = 1 << 20  # pixels at once: a few arrays of double precision are held of them


def component_of(incidence: NDArray[Any], azimuth: NDArray[Any], component: str) -> NDArray[np.float32]:
    """Return one component of the unit vector from the ground to the satellite; MintPy's `enu2los`.

    Parameters
    ----------
    incidence : ndarray
        Degree, at the ground from the vertical; 0 is MintPy's no-data.
    azimuth : ndarray
        Degree, of the line of sight from the ground to the satellite, from north, positive anti-clockwise.
    component : str
        One of `COMPONENTS`.

    Returns
    -------
    ndarray of float32
        NaN where there is no incidence. `get_unit_vector4component_of_interest` of mintpy.utils.utils0 gives the same
        in the precision of its input; here it is computed in double precision.
    """
    tilt, turn = np.deg2rad(incidence, dtype=np.float64), np.deg2rad(azimuth, dtype=np.float64)
    if component == "up":
        part = np.cos(tilt) + 0 * turn
    else:
        part = np.sin(tilt) * (-np.sin(turn) if component == "east" else np.cos(turn))
    return np.where(incidence == 0, np.nan, part).astype(np.float32)


@dataclass(frozen=True)
class LineOfSight:
    """A component of the line of sight for every pixel, computed when it is asked for.

    Parameters
    ----------
    incidence, azimuth : Numbers
        (length, width) degree, as for `component_of`.
    component : str
        One of `COMPONENTS`.
    """

    incidence: Numbers
    azimuth: Numbers
    component: str

    @property
    def shape(self) -> tuple[int, ...]:
        """(length, width)."""
        return self.incidence.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Return a block, given by a slice with start and stop for each dimension."""
        rows, columns = key
        out = np.empty((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        step = max(1, _STRIP // max(1, out.shape[1]))
        for start in range(rows.start, rows.stop, step):
            strip = slice(start, min(start + step, rows.stop)), columns
            angles = self.incidence[strip], self.azimuth[strip]
            out[start - rows.start : strip[0].stop - rows.start] = component_of(*angles, self.component)
        return out
