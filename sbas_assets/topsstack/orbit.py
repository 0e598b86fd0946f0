"""Where the satellite is and where it flies to, as ISCE2 computes it.

Belongs here: interpolation of state vectors and the geometry of the ellipsoid. Reading the vectors is
product.py's business. Every formula follows ISCE2 to the last digit that matters, because MintPy's HEADING,
HEIGHT and EARTH_RADIUS come from there: linear interpolation would be 51 m off in height, splines of the
positions 0.07 mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from sbas_assets.topsstack.product import StateVector

WGS84_A = 6378137.0
"""Semi-major axis, m (ISCE2 `isceobj/Planet/AstronomicalHandbook.py`)."""
WGS84_E2 = 0.0066943799901
"""Squared eccentricity with ISCE2's digits: it is not the defining constant of WGS84 to full precision."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Geodetic:
    """Latitude and longitude in degrees, height above the ellipsoid in m."""

    latitude: float
    longitude: float
    height: float


def select(vectors: Sequence[StateVector], time: datetime) -> list[StateVector]:
    """Choose four vectors about a time: two before and two after, else 1 + 3, else 3 + 1.

    Source: ISCE2 `Orbit._hermiteOrbitInterpolation`, `Orbit.selectStateVectors`.

    Raises
    ------
    ValueError
        If the time is outside of the vectors or there are fewer than four.
    """
    if not vectors or not vectors[0].time <= time <= vectors[-1].time:
        raise ValueError(f"the state vectors do not cover {time}")
    after = next((i for i, vector in enumerate(vectors) if vector.time > time), len(vectors))
    for before in (2, 1, 3):
        start = after - before
        if start >= 0 and start + 4 <= len(vectors) and after < len(vectors):
            return list(vectors[start : start + 4])
    raise ValueError(f"fewer than 4 state vectors around {time}")


def interpolate(vectors: Sequence[StateVector], time: datetime) -> tuple[Array, Array]:
    """Interpolate position and velocity with Hermite's polynomial of degree 7 through four vectors.

    Source: ISCE2 `orbitHermite.F`; the velocity is the derivative of the polynomial, not an interpolation.

    Parameters
    ----------
    vectors : sequence of StateVector
        In order of time.
    time : datetime
        UTC.

    Returns
    -------
    position : ndarray, shape (3,), float64
        ECEF, m.
    velocity : ndarray, shape (3,), float64
        ECEF, m/s.

    Raises
    ------
    ValueError
        If the vectors do not cover the time.
    """
    chosen = select(vectors, time)
    # Differences in time and place: small numbers, no loss of digits.
    nodes = np.array([(vector.time - time).total_seconds() for vector in chosen])
    center = np.array(chosen[1].position)
    position, velocity = np.zeros(3), np.zeros(3)
    for i, vector in enumerate(chosen):
        base, slope, slope_at_node = _lagrange(nodes, i)
        x, v = np.array(vector.position) - center, np.array(vector.velocity)
        lag = -nodes[i]
        blend = 1.0 - 2.0 * lag * slope_at_node
        position += base**2 * (blend * x + lag * v)
        velocity += 2.0 * base * slope * (blend * x + lag * v) + base**2 * (v - 2.0 * slope_at_node * x)
    return center + position, velocity


def _lagrange(nodes: Array, i: int) -> tuple[float, float, float]:
    """Return the i-th Lagrange polynomial at 0, its slope at 0 and its slope at its own node."""
    others = np.delete(nodes, i)
    steps = nodes[i] - others
    base = float(np.prod(-others / steps))
    slope = sum(float(np.prod(np.delete(-others / steps, k)) / steps[k]) for k in range(len(others)))
    return base, slope, float(np.sum(1.0 / steps))


def geodetic(position: Array) -> Geodetic:
    """Convert an ECEF position (m) to geodetic coordinates.

    Source: ISCE2 `Ellipsoid.xyz_to_llh`, the closed form of Vermeille (2002), Journal of Geodesy 76:451-454,
    doi:10.1007/s00190-002-0273-6. One step of Bowring's formula would be 2.5 mm off at the satellite's
    height.
    """
    x, y, z = (float(value) for value in position)
    axis, e4 = np.hypot(x, y), WGS84_E2**2
    p = (axis / WGS84_A) ** 2
    q = (1.0 - WGS84_E2) * (z / WGS84_A) ** 2
    r = (p + q - e4) / 6.0
    s = e4 * p * q / (4.0 * r**3)
    t = np.cbrt(1.0 + s + np.sqrt(s * (2.0 + s)))
    u = r * (1.0 + t + 1.0 / t)
    v = np.sqrt(u**2 + e4 * q)
    w = WGS84_E2 * (u + v - q) / (2.0 * v)
    k = np.sqrt(u + v + w**2) - w
    d = k * axis / (k + WGS84_E2)
    latitude = 2.0 * np.arctan2(z, d + np.hypot(d, z))
    height = (k + WGS84_E2 - 1.0) / k * np.hypot(d, z)
    return Geodetic(float(np.degrees(latitude)), float(np.degrees(np.arctan2(y, x))), float(height))


def heading(position: Array, velocity: Array) -> float:
    """Return the angle of flight from north, clockwise, degrees in (-180, 180].

    Source: ISCE2 `Orbit.getENUHeading`: the velocity in the east-north-up frame at the satellite.
    """
    place = geodetic(position)
    lat, lon = np.radians(place.latitude), np.radians(place.longitude)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return float(np.degrees(np.arctan2(east @ velocity, north @ velocity)))


def curvature_radius(latitude: float, heading_deg: float) -> float:
    """Return the ellipsoid's radius of curvature (m) at a latitude, in the direction of a heading (degrees).

    Source: ISCE2 `Ellipsoid.setSCH`, `pegRadCur` (Euler's formula).
    """
    lat, direction = np.radians(latitude), np.radians(heading_deg)
    bulge = 1.0 - WGS84_E2 * np.sin(lat) ** 2
    east = WGS84_A / np.sqrt(bulge)
    north = WGS84_A * (1.0 - WGS84_E2) / bulge**1.5
    return float(east * north / (east * np.cos(direction) ** 2 + north * np.sin(direction) ** 2))
