"""A circular Sentinel-1 orbit that sees the scene, and its small shifts from one acquisition to the next.

Belongs here: positions and velocities in the Earth-fixed frame, times of day, orbit numbers. Does not belong here:
where a pixel lies on the ground (`geometry`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import root

from sbas_assets.simulate.config import DAYS_PER_CYCLE, ORBITS_PER_CYCLE, SimulationConfig, as_date
from sbas_assets.simulate.seeding import Purpose, generator

Array = NDArray[np.float64]

EARTH_GM = 3.986004418e14  # m3/s2
EARTH_ROTATION = 7.2921151467e-5  # rad/s
SEMI_MAJOR_AXIS = 7_070_800.0  # m, Sentinel-1: 693 km above the equator on average
INCLINATION = np.radians(98.18)
MEAN_MOTION = np.sqrt(EARTH_GM / SEMI_MAJOR_AXIS**3)  # rad/s
ASCENDING_NODE_LOCAL_TIME = 18.0  # hours of mean solar time: a dawn-dusk orbit

# Sentinel-1A orbit 32518 flew track 71 on 2020-05-11; track = (orbit - 73) mod 175 + 1.
KNOWN_ORBIT_DATE = "20200511"
KNOWN_ORBIT = 32518


@dataclass(frozen=True)
class Orbit:
    """Circular orbit in the Earth-fixed frame, time counted from the scene's centre.

    Parameters
    ----------
    node_longitude : float
        Earth-fixed longitude of the ascending node at the scene's centre time (rad).
    latitude_argument : float
        Angle from the ascending node along the orbit at the scene's centre time (rad).
    """

    node_longitude: float
    latitude_argument: float

    def state(self, seconds: Array) -> tuple[Array, Array]:
        """Position and velocity.

        Parameters
        ----------
        seconds : ndarray of float64, shape (n,)
            Time after the scene's centre (s).

        Returns
        -------
        position, velocity : ndarray of float64, shape (n, 3)
            Earth-fixed (WGS84) position (m) and its time derivative (m/s).
        """
        u = self.latitude_argument + MEAN_MOTION * seconds
        node = self.node_longitude - EARTH_ROTATION * seconds
        in_plane = np.stack([np.cos(u), np.sin(u) * np.cos(INCLINATION), np.sin(u) * np.sin(INCLINATION)], axis=-1)
        along = np.stack([-np.sin(u), np.cos(u) * np.cos(INCLINATION), np.cos(u) * np.sin(INCLINATION)], axis=-1)
        position = SEMI_MAJOR_AXIS * _about_pole(in_plane, node)
        velocity = SEMI_MAJOR_AXIS * MEAN_MOTION * _about_pole(along, node)
        velocity[..., 0] += EARTH_ROTATION * position[..., 1]
        velocity[..., 1] -= EARTH_ROTATION * position[..., 0]
        return position, velocity

    @property
    def second_of_day(self) -> float:
        """Time of day of the scene's centre (s, UTC): the Sun-synchronous orbit fixes it."""
        hours = (ASCENDING_NODE_LOCAL_TIME - np.degrees(self.node_longitude) / 15) % 24
        # A minute away from midnight, so that all lines of a scene have the same calendar date.
        return float(np.clip(hours * 3600, 60, 86340))

    @property
    def seconds_since_node(self) -> float:
        """Time from the ascending node to the scene's centre (s)."""
        return float(self.latitude_argument % (2 * np.pi) / MEAN_MOTION)


def _about_pole(vectors: Array, angle: Array) -> Array:
    """Rotate vectors (n, 3) about the polar axis by angles (n,) (rad)."""
    c, s = np.cos(angle), np.sin(angle)
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack([c * x - s * y, s * x + c * y, z], axis=-1)


def fit_orbit(target: Array, slant_range: float, direction: str) -> Orbit:
    """Find the orbit that sees a target to its right, at zero Doppler and at a given range.

    Parameters
    ----------
    target : ndarray of float64, shape (3,)
        Earth-fixed position of the scene's centre (m).
    slant_range : float
        Distance from the satellite to the target (m).
    direction : {"ASCENDING", "DESCENDING"}
        Direction of the orbit over the target.

    Returns
    -------
    Orbit
        The orbit; its time zero is the closest approach.
    """
    lon, lat = np.arctan2(target[1], target[0]), np.arcsin(target[2] / np.linalg.norm(target))
    rising = np.arcsin(np.sin(lat) / np.sin(INCLINATION))
    descending = direction == "DESCENDING"
    u = np.pi - rising if descending else rising
    # The ground track runs about 5 degrees of arc to the left of what is seen: east descending, west ascending.
    aside = (1 if descending else -1) * np.radians(5) / np.cos(lat)
    node = lon + aside - np.arctan2(np.cos(INCLINATION) * np.sin(u), np.cos(u))

    def miss(unknown: Array) -> Array:
        position, velocity = (x[0] for x in Orbit(unknown[0], unknown[1]).state(np.zeros(1)))
        look = target - position
        return np.array([look @ velocity / np.linalg.norm(velocity), np.linalg.norm(look) - slant_range]) / 1e3

    solution = root(miss, np.array([node, u]), tol=1e-13)
    return Orbit(float((solution.x[0] + np.pi) % (2 * np.pi) - np.pi), float(solution.x[1]))


def center_time(orbit: Orbit, acquisition: str) -> datetime:
    """UTC time of the scene's centre on an acquisition date, to the microsecond, without time zone as ISCE2 has it."""
    midnight = datetime.combine(as_date(acquisition), datetime.min.time(), tzinfo=UTC).replace(tzinfo=None)
    return midnight + timedelta(seconds=round(orbit.second_of_day, 6))


def orbit_number(track: int, acquisition: str) -> int:
    """Absolute orbit of Sentinel-1A on a track nearest to an acquisition date."""
    days = (as_date(acquisition) - as_date(KNOWN_ORBIT_DATE)).days
    estimate = KNOWN_ORBIT + round(days * ORBITS_PER_CYCLE / DAYS_PER_CYCLE)
    away = (track - 1 - (estimate - 73)) % ORBITS_PER_CYCLE
    return estimate + away - (ORBITS_PER_CYCLE if away > ORBITS_PER_CYCLE // 2 else 0)


def orbit_offset(config: SimulationConfig, acquisition: str) -> tuple[float, float]:
    """Offset of an acquisition's orbit from the nominal one, across and along the line of sight of the scene's centre.

    Returns
    -------
    perpendicular, parallel : float
        Offsets (m), in the signs of ISCE2's baselines.
    """
    draws = generator(config.seed, Purpose.ORBIT, acquisition).normal(0, config.baseline_sigma, 2)
    return float(draws[0]), float(draws[1])


def baseline_axes(position: Array, velocity: Array, target: Array) -> tuple[Array, Array]:
    """Directions in which ISCE2's computeBaseline.py counts Bperp and Bpar positive.

    Parameters
    ----------
    position, velocity : ndarray of float64, shape (..., 3)
        Of the reference orbit (m, m/s).
    target : ndarray of float64, shape (..., 3)
        Point on the ground (m).

    Returns
    -------
    perpendicular, parallel : ndarray of float64, shape (..., 3)
        Unit vectors. Parallel points from the satellite to the target, perpendicular is velocity x parallel, that is
        down and to the left of the satellite.
    """
    forward = velocity / np.linalg.norm(velocity, axis=-1, keepdims=True)
    look = target - position
    look = look - np.sum(look * forward, axis=-1, keepdims=True) * forward
    look = look / np.linalg.norm(look, axis=-1, keepdims=True)
    return np.cross(forward, look), look
