"""ERA5-like GRIB files: the headers and the order of real ones, the values of a made-up atmosphere.

The values are a function of date, hour, latitude and longitude alone: two areas of one date agree where they overlap,
and the same call gives the same bytes in every process.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache

# First, although unused here: both packages bring an ecCodes library of their own, of different versions, and two
# tables of these are shared by name. With pygrib's loaded last the process dies at its exit ("double free").
import pygrib  # noqa: F401

# isort: split
import eccodes
import numpy as np

LEVELS = (
    *(1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450, 500, 550, 600),
    *(650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000),
)
VARIABLES = ("z", "t", "q")
PARAMETERS = {"z": 129, "t": 130, "q": 133}
SPACING = 0.25

GRAVITY = 9.80665
GAS_CONSTANT_DRY = 287.06

Area = tuple[float, float, float, float]

# one thread at a time: the server answers from several, and what one has encoded the others take from the cache
_encoding = threading.Lock()


def messages(
    date: str,
    hour: int,
    area: Sequence[float],
    *,
    expver: str = "0001",
    levels: Sequence[int] = LEVELS,
    variables: Sequence[str] = VARIABLES,
) -> list[bytes]:
    """GRIB1 messages of a date ("YYYYMMDD") and an hour over ``area`` (north, west, south, east), level by level.

    ``expver`` is "0001" for the final fields, "0005" for the preliminary ones (ERA5T).
    """
    north, west, south, east = (float(edge) for edge in area)
    with _encoding:
        return list(_messages(date, hour, (north, west, south, east), expver, (tuple(levels), tuple(variables))))


def era5_bytes(
    date: str,
    hour: int,
    area: Sequence[float],
    *,
    expver: str = "0001",
    levels: Sequence[int] = LEVELS,
    variables: Sequence[str] = VARIABLES,
) -> bytes:
    """The file of one date: its messages, joined."""
    return b"".join(messages(date, hour, area, expver=expver, levels=levels, variables=variables))


def grid(area: Area) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes (falling) and longitudes of the nodes, from the north-western corner on as the real service does."""
    north, west, south, east = area
    if east < west:  # across the date line
        east += 360
    rows = int((north - south) / SPACING + 1e-6) + 1
    columns = int((east - west) / SPACING + 1e-6) + 1
    return north - SPACING * np.arange(rows), west + SPACING * np.arange(columns)


@lru_cache(maxsize=128)
def _messages(
    date: str, hour: int, area: Area, expver: str, contents: tuple[tuple[int, ...], tuple[str, ...]]
) -> tuple[bytes, ...]:
    levels, variables = contents
    latitudes, longitudes = grid(area)
    fields = atmosphere(date, hour, latitudes, longitudes)
    form = _form(date, hour, latitudes, longitudes, expver)
    try:
        return tuple(
            _message(form, level, PARAMETERS[variable], fields[variable][LEVELS.index(level)])
            for level in levels
            for variable in variables
        )
    finally:
        eccodes.codes_release(form)


def _form(date: str, hour: int, latitudes: np.ndarray, longitudes: np.ndarray, expver: str) -> int:
    """What the messages of one file have in common."""
    form = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib1")
    headers = {
        "centre": "ecmf",
        "generatingProcessIdentifier": 145,
        "dataDate": int(date),
        "dataTime": 100 * hour,
        "marsClass": "ea",
        "marsStream": "oper",
        "marsType": "an",
        "experimentVersionNumber": expver,
        "Ni": len(longitudes),
        "Nj": len(latitudes),
        "latitudeOfFirstGridPointInDegrees": latitudes[0],
        "latitudeOfLastGridPointInDegrees": latitudes[-1],
        "longitudeOfFirstGridPointInDegrees": longitudes[0],
        "longitudeOfLastGridPointInDegrees": longitudes[-1],
        "iDirectionIncrementInDegrees": SPACING,
        "jDirectionIncrementInDegrees": SPACING,
        "packingType": "grid_simple",
        "bitsPerValue": 16,
    }
    for name, value in headers.items():
        eccodes.codes_set(form, name, value)
    return form


def _message(form: int, level: int, parameter: int, field: np.ndarray) -> bytes:
    handle = eccodes.codes_clone(form)
    try:
        eccodes.codes_set(handle, "level", level)
        eccodes.codes_set(handle, "indicatorOfParameter", parameter)
        eccodes.codes_set_values(handle, np.ascontiguousarray(field, dtype=np.float64).ravel())
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


def atmosphere(date: str, hour: int, latitudes: np.ndarray, longitudes: np.ndarray) -> dict[str, np.ndarray]:
    """Geopotential (m2/s2), temperature (K) and specific humidity of (level, latitude, longitude)."""
    warmth, moisture, depth, pressure = _weather(date, hour, latitudes, longitudes)
    polar = np.sin(np.radians(latitudes))[:, None] ** 2
    levels = np.array(LEVELS, dtype=np.float64)[:, None, None]
    height = 7.4 * np.log(1013.25 / levels)  # km, roughly: where in the profile a level is

    surface = 301 - 40 * polar + 3 * warmth
    tropopause = 200 + 15 * polar + warmth
    stratosphere = tropopause + 1.7 * np.clip(height - 20, 0, 27) - 2.5 * np.clip(height - 47, 0, None)
    temperature = np.maximum(surface - 6.2 * height, stratosphere)

    humid = 0.003 + 0.015 * (1 - polar) ** 2
    humidity = 2.5e-6 + humid * (1 + 0.25 * moisture) * (levels / 1000) ** (3.0 + 0.4 * depth)

    virtual = temperature * (1 + 0.608 * humidity)
    between = GAS_CONSTANT_DRY * (virtual[:-1] + virtual[1:]) / 2 * np.log(levels[1:] / levels[:-1])
    above_lowest = np.cumsum(between[::-1], axis=0)[::-1]
    lowest = GRAVITY * 8.3 * (13 + 6 * pressure)  # of 1000 hPa, at a surface pressure of 1013 hPa and the weather
    geopotential = lowest + np.concatenate([above_lowest, np.zeros_like(above_lowest[:1])])
    return {"z": geopotential, "t": temperature, "q": humidity}


def _weather(date: str, hour: int, latitudes: np.ndarray, longitudes: np.ndarray) -> list[np.ndarray]:
    """Four patterns within -1 and 1 of waves some hundred km long, which differ from date to date."""
    random = np.random.default_rng(int(date))
    latitude, longitude = np.radians(latitudes)[:, None], np.radians(longitudes)[None, :]
    patterns = []
    for _ in range(4):
        pattern = np.zeros((len(latitudes), len(longitudes)))
        for _ in range(3):
            # whole waves around the globe: nothing jumps at the date line
            eastward, northward = random.integers(12, 60), random.uniform(-60, 60)
            phase = random.uniform(0, 2 * np.pi) + 0.1 * hour
            pattern += np.sin(eastward * longitude + northward * latitude + phase) / 3
        patterns.append(pattern)
    return patterns
