"""Where each pixel of the radar grid lies on the ground and under which angles the satellite is seen from there.

Belongs here: range-Doppler geolocation on WGS84 and the angles in ISCE2's conventions. Does not belong here: the
terrain itself (`scene`) and the rasters (`tree`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sbas_assets.simulate.config import SimulationConfig
from sbas_assets.simulate.layout import Layout
from sbas_assets.simulate.orbit import Orbit, baseline_axes, fit_orbit

Array = NDArray[np.float64]

WGS84_A = 6378137.0  # m
WGS84_E2 = 0.00669437999014
WAVELENGTH = 0.05546576  # m, Sentinel-1
RANGE_SAMPLE = 2.329562114715323  # m, slant range
LINE_INTERVAL = 0.002055556299999998  # s
SEAM_RANGE = 847_500.0  # m: a slant range that IW1 and IW2 both see
GROUND_SPEED = 6850.0  # m/s, of the beam on the ground


@dataclass(frozen=True, eq=False)
class Geometry:
    """Geometry of the multilooked grid; fields of shape (length, width) unless said otherwise.

    `lat`, `lon` in degrees, `incidence` and `look` from the vertical in degrees, `azimuth` of the vector from ground to
    satellite from north anti-clockwise in degrees, `slant_range` (width,) in m, `orbit` with time zero at the centre.
    """

    orbit: Orbit
    near_range: float
    slant_range: Array
    lat: Array
    lon: Array
    incidence: Array
    azimuth: Array
    look: Array


def to_geodetic(xyz: Array) -> tuple[Array, Array, Array]:
    """Geodetic latitude, longitude (rad) and height (m) of Earth-fixed positions (..., 3), after Bowring (1976)."""
    x, y, z = np.moveaxis(xyz, -1, 0)
    b = WGS84_A * np.sqrt(1 - WGS84_E2)
    p = np.hypot(x, y)
    beta = np.arctan2(z * WGS84_A, p * b)
    lat = np.arctan2(z + WGS84_E2 / (1 - WGS84_E2) * b * np.sin(beta) ** 3, p - WGS84_E2 * WGS84_A * np.cos(beta) ** 3)
    normal = WGS84_A / np.sqrt(1 - WGS84_E2 * np.sin(lat) ** 2)
    return lat, np.arctan2(y, x), p * np.cos(lat) + z * np.sin(lat) - WGS84_A**2 / normal


def to_earth_fixed(lat: float, lon: float, height: float) -> Array:
    """Earth-fixed position (3,) in m of a point given in radians and m."""
    normal = WGS84_A / np.sqrt(1 - WGS84_E2 * np.sin(lat) ** 2)
    r = (normal + height) * np.cos(lat)
    return np.array([r * np.cos(lon), r * np.sin(lon), (normal * (1 - WGS84_E2) + height) * np.sin(lat)])


def near_range(layout: Layout) -> float:
    """Slant range of the merged grid's first sample (m): the seam of IW1 and IW2 is in the middle."""
    return SEAM_RANGE - RANGE_SAMPLE * layout.width / 2


def scene_orbit(config: SimulationConfig, layout: Layout) -> Orbit:
    """Orbit that sees the centre of the configured scene in the middle of the grid."""
    target = to_earth_fixed(np.radians(config.center_lat), np.radians(config.center_lon), config.mean_height)
    slant_range = near_range(layout) + RANGE_SAMPLE * layout.width / 2
    return fit_orbit(target, slant_range, config.pass_direction)


def line_seconds(layout: Layout, line: Array | float) -> Array:
    """Time of full-resolution lines relative to the scene's centre (s)."""
    return (np.asarray(line, dtype=np.float64) - (layout.length - 1) / 2) * LINE_INTERVAL


def geolocate(position: Array, velocity: Array, slant_range: Array, height: Array) -> Array:
    """Points at zero Doppler, given range and given height, to the right of the satellite.

    Parameters
    ----------
    position, velocity : ndarray of float64, shape (length, 3)
        Of the satellite at each row (m, m/s).
    slant_range : ndarray of float64, shape (width,)
        Of each column (m).
    height : ndarray of float64, shape (length, width)
        Above the ellipsoid (m).

    Returns
    -------
    ndarray of float64, shape (length, width, 3)
        Earth-fixed positions (m).
    """
    forward = velocity / np.linalg.norm(velocity, axis=1, keepdims=True)
    down = -position
    down = down - np.sum(down * forward, axis=1, keepdims=True) * forward
    down = (down / np.linalg.norm(down, axis=1, keepdims=True))[:, None, :]
    right = np.cross(down[:, 0], forward)[:, None, :]
    distance = slant_range[None, :, None]
    angle = np.full((*height.shape, 1), np.radians(32.0))
    for _ in range(6):  # Newton's method converges quadratically; six steps reach a micrometre
        point = position[:, None, :] + distance * (np.cos(angle) * down + np.sin(angle) * right)
        lat, lon, reached = to_geodetic(point)
        climb = distance * (np.cos(angle) * right - np.sin(angle) * down)
        slope = np.sum(climb * _up(lat, lon), axis=-1)
        angle = angle + ((height - reached) / slope)[..., None]
    return position[:, None, :] + distance * (np.cos(angle) * down + np.sin(angle) * right)


def _up(lat: Array, lon: Array) -> Array:
    """Ellipsoid normals (..., 3)."""
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def make_geometry(config: SimulationConfig, layout: Layout, height: Array) -> Geometry:
    """Geolocate the multilooked grid.

    Parameters
    ----------
    config : SimulationConfig
        Grid and place.
    layout : Layout
        Full-resolution tiling.
    height : ndarray of float64, shape (length, width)
        Terrain height (m).

    Returns
    -------
    Geometry
        Of every pixel, also of those outside the subswaths.
    """
    orbit = scene_orbit(config, layout)
    rows: Array = (np.arange(config.length, dtype=np.float64) + 0.5) * config.azimuth_looks - 0.5
    columns: Array = (np.arange(config.width, dtype=np.float64) + 0.5) * config.range_looks - 0.5
    position, velocity = orbit.state(line_seconds(layout, rows))
    slant_range: Array = near_range(layout) + RANGE_SAMPLE * columns
    ground = geolocate(position, velocity, slant_range, height)
    lat, lon, _ = to_geodetic(ground)
    to_satellite = position[:, None, :] - ground
    to_satellite /= np.linalg.norm(to_satellite, axis=-1, keepdims=True)
    east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1)
    up = _up(lat, lon)
    x, y, z = (np.sum(to_satellite * axis, axis=-1) for axis in (east, np.cross(up, east), up))
    satellite_up = position / np.linalg.norm(position, axis=-1, keepdims=True)
    return Geometry(
        orbit=orbit,
        near_range=near_range(layout),
        slant_range=slant_range,
        lat=np.degrees(lat),
        lon=np.degrees(lon),
        incidence=np.degrees(np.arccos(z)),
        azimuth=np.degrees(np.arctan2(-x, y)),
        look=np.degrees(np.arccos(np.sum(to_satellite * satellite_up[:, None, :], axis=-1))),
    )


def local_incidence(geometry: Geometry, height: Array, config: SimulationConfig) -> Array:
    """Angle between the line of sight and the normal of the terrain.

    Returns
    -------
    ndarray of float64, shape (length, width)
        Local incidence angle (degrees).
    """
    incidence = np.radians(geometry.incidence)
    azimuth_step, range_step = pixel_spacing(config, float(np.mean(geometry.incidence)))
    along, across = np.gradient(height, azimuth_step, range_step)
    cosine = (across * np.sin(incidence) + np.cos(incidence)) / np.sqrt(1 + along**2 + across**2)
    angle: Array = np.degrees(np.arccos(cosine))
    return angle


def pixel_spacing(config: SimulationConfig, incidence: float = 36.0) -> tuple[float, float]:
    """Ground spacing of the multilooked grid in azimuth and range (m), at an incidence angle (degrees)."""
    azimuth = GROUND_SPEED * LINE_INTERVAL * config.azimuth_looks
    return azimuth, RANGE_SAMPLE * config.range_looks / float(np.sin(np.radians(incidence)))


def shift_axes(orbit: Orbit, config: SimulationConfig) -> tuple[Array, Array]:
    """Directions (3,) of an orbit's perpendicular and parallel offset, those of the scene's centre."""
    target = to_earth_fixed(np.radians(config.center_lat), np.radians(config.center_lon), config.mean_height)
    position, velocity = orbit.state(np.zeros(1))
    return baseline_axes(position[0], velocity[0], target)


def baseline_projection(geometry: Geometry, config: SimulationConfig, slant_range: Array) -> tuple[Array, Array]:
    """How an orbit's offset appears as Bperp and Bpar at other ranges of the scene's middle row.

    Parameters
    ----------
    geometry : Geometry
        Of the scene.
    config : SimulationConfig
        Place of the scene's centre.
    slant_range : ndarray of float64, shape (n,)
        Slant ranges (m).

    Returns
    -------
    perpendicular, parallel : ndarray of float64, shape (n, 2)
        Bperp and Bpar per metre of perpendicular (column 0) and parallel (column 1) offset.
    """
    position, velocity = geometry.orbit.state(np.zeros(1))
    height = np.full((1, slant_range.size), config.mean_height)
    ground = geolocate(position, velocity, slant_range, height)[0]
    offset_axes = np.stack(shift_axes(geometry.orbit, config), axis=-1)
    perpendicular, parallel = baseline_axes(position, velocity, ground)
    return perpendicular @ offset_axes, parallel @ offset_axes
