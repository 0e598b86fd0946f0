"""Names, areas and hours of weather files are MintPy's, and a date may be served by a file of a larger area."""

from __future__ import annotations

import math
import random
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mintpy.tropo_pyaps3 import (
    closest_weather_model_hour,
    get_bounding_box,
    get_grib_filenames,
    get_grib_info,
    get_snwe,
)

from sbas_assets.weather.tiles import GRID_DEG, Area, Tile, candidates, files_by_date, parse_name

DATES = ("20220101", "20220113", "20220125")
OWN = Tile(Area(10, 30, -160, -150), 14)
HAWAII = (19.0, 19.4, -155.6, -155.2)


def _near_multiple(low: int, high: int) -> st.SearchStrategy[float]:
    """Where the rounding turns: two degrees beside a multiple of ten, exactly or the least bit off."""

    def off(multiple: int, buffer: int, steps: int) -> float:
        value = np.float32(10 * multiple + buffer)
        for _ in range(abs(steps)):
            value = np.nextafter(value, np.float32(math.copysign(math.inf, steps)))
        return float(value)

    return st.builds(off, st.integers(low // 10, high // 10), st.sampled_from([-2, -1, 0, 1, 2]), st.integers(-2, 2))


def _degrees(low: int, high: int) -> st.SearchStrategy[float]:
    return st.floats(low, high, width=32) | st.integers(low, high).map(float) | _near_multiple(low + 10, high - 10)


LATITUDES = st.tuples(_degrees(-80, 80), _degrees(-80, 80)).map(sorted)
LONGITUDES = st.tuples(_degrees(-175, 175), _degrees(-175, 175)).map(sorted)
SECONDS = st.floats(0, 86400) | st.integers(0, 48).map(lambda half: 1800.0 * half)
TILES = st.builds(
    lambda south, north, west, east, hour: Tile(Area(*sorted((south, north)), *sorted((west, east))), hour),
    *[st.integers(-9, 9).map(lambda ten: 10 * ten)] * 2,
    *[st.integers(-18, 18).map(lambda ten: 10 * ten)] * 2,
    st.integers(0, 23),
)
DAYS = st.dates(min_value=np.datetime64("1940-01-01").item()).map(lambda day: f"{day:%Y%m%d}")


@pytest.fixture(scope="module")
def geometry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("geometry") / "geometryRadar.h5"


def in_single_precision(path: Path, latitudes: list[float], longitudes: list[float]) -> dict[str, str]:
    """Write coordinates as MintPy's files have them; returns the attributes."""
    attributes = {"LENGTH": "2", "WIDTH": "2", "FILE_TYPE": "geometry", "DATA_TYPE": "float32"}
    with h5py.File(path, "w") as h5:
        h5["latitude"] = np.array([latitudes, latitudes[::-1]], dtype=np.float32)
        h5["longitude"] = np.array([longitudes, longitudes[::-1]], dtype=np.float32)
        h5.attrs.update(attributes)
    return attributes


@given(LATITUDES, LONGITUDES)
@settings(max_examples=300, deadline=None)
def test_an_area_is_rounded_as_mintpy_rounds_it(
    geometry: Path, latitudes: list[float], longitudes: list[float]
) -> None:
    assume(0 not in latitudes + longitudes)  # no data, to MintPy
    attributes = in_single_precision(geometry, latitudes, longitudes)
    theirs = get_snwe(attributes, geom_file=str(geometry))
    assert tuple(Tile.around(Area(*latitudes, *longitudes), 0).area) == theirs


@given(LATITUDES, LONGITUDES)
@settings(max_examples=100, deadline=None)
def test_coordinates_that_were_read_in_double_precision_are_rounded_as_mintpys(
    geometry: Path, latitudes: list[float], longitudes: list[float]
) -> None:
    assume(0 not in latitudes + longitudes)
    # less than what single precision can tell apart, as the images of a stack have it
    finer = [[value * (1 + 1e-8) for value in values] for values in (latitudes, longitudes)]
    attributes = in_single_precision(geometry, *finer)
    theirs = get_snwe(attributes, geom_file=str(geometry))
    assert tuple(Tile.around(Area(*finer[0], *finer[1]), 0).area) == theirs


@given(st.integers(-80 * 64, 80 * 64), st.integers(-175 * 64, 150 * 64), st.integers(2, 600))
@settings(max_examples=300, deadline=None)
def test_the_area_of_a_regular_grid_is_mintpys(row: int, column: int, pixels: int) -> None:
    # in steps that both precisions have
    step = 1 / 64
    grid = {"Y_FIRST": row * step, "Y_STEP": -step, "X_FIRST": column * step, "X_STEP": step}
    meta = {name: str(value) for name, value in {**grid, "LENGTH": pixels, "WIDTH": pixels}.items()}
    north, south, west, east = get_bounding_box(meta)
    assert tuple(Tile.around(Area(south, north, west, east), 0).area) == get_snwe(meta)


@pytest.mark.parametrize(
    ("area", "name"),
    [
        (HAWAII, "ERA5_N10_N30_W160_W150"),
        # two degrees of room, and no more than that
        ((12, 18, 22, 28), "ERA5_N10_N20_E20_E30"),
        ((np.nextafter(np.float32(12), np.float32(0)), 18, 22, 28), "ERA5_N0_N20_E20_E30"),
        ((12, np.nextafter(np.float32(18), np.float32(99)), 22, 28), "ERA5_N10_N30_E20_E30"),
        ((-33.5, -33.1, -70.9, -70.2), "ERA5_S40_S30_W80_W60"),
        ((-1, 1, -1, 1), "ERA5_S10_N10_W10_E10"),
        ((2, 8, 2, 8), "ERA5_N0_N10_E0_E10"),
        ((-8, -2, -8, -2), "ERA5_S10_N0_W10_E0"),
    ],
)
def test_an_area_is_named_by_hemisphere(area: tuple[float, float, float, float], name: str) -> None:
    assert Tile.around(Area(*area), 0).file("20220101") == f"{name}_20220101_00.grb"


@given(SECONDS)
@settings(max_examples=300)
def test_the_hour_is_the_nearest_as_mintpy_finds_it(seconds: float) -> None:
    tile = Tile.around(Area(*HAWAII), seconds)
    assert f"{tile.hour:02d}" == closest_weather_model_hour(seconds)


def test_the_last_hour_of_a_day_is_its_own() -> None:
    hours = {seconds: Tile.around(Area(*HAWAII), seconds).hour for seconds in (1799, 1800, 1801, 50000, 86399)}
    assert hours == {1799: 0, 1800: 0, 1801: 1, 50000: 14, 86399: 23}


@given(TILES, st.lists(DAYS, min_size=1, max_size=3))
@settings(max_examples=300)
def test_a_file_has_mintpys_name(tile: Tile, dates: list[str]) -> None:
    area = tuple(int(value) for value in tile.area)
    theirs = get_grib_filenames(dates, f"{tile.hour:02d}", "ERA5", "weather/ERA5", snwe=area)
    assert [f"weather/ERA5/{tile.file(date)}" for date in dates] == theirs


@given(TILES, DAYS)
@settings(max_examples=300)
def test_a_name_says_tile_and_date(tile: Tile, date: str) -> None:
    assert parse_name(tile.file(date)) == (tile, date)
    assert tile.name == tile.file(date).replace(f"_{date}_", "_").removesuffix(".grb")


@pytest.mark.parametrize(
    "name",
    [
        "ERA5_20220101_14.grb",
        "ERA5_N10_N30_W160_W150_20220101_14.grb.json",
        "ERA5_N10_N30_W160_W150_20220101_14.grb.1234",
        "ERA5_N10_N30_W160_W150_2022_14.grb",
        "ERA-Int_20220101_14.grb",
        "ERA5_W160_W150_N10_N30_20220101_14.grb",
        "",
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    assert parse_name(name) is None


@pytest.mark.parametrize("tile", [OWN, Tile(Area(-40, 0, -10, 20), 3)])
def test_a_tile_has_as_many_points_as_its_grid(tile: Tile) -> None:
    south, north, west, east = tile.area
    rows, columns = (len(np.arange(low, high + GRID_DEG / 2, GRID_DEG)) for low, high in ((south, north), (west, east)))
    assert tile.points == rows * columns


def test_the_own_file_comes_first_and_then_larger_ones_the_smallest_first() -> None:
    areas = [(0, 40, -180, -140), (10, 30, -170, -150), (10, 40, -160, -150), (-90, 90, -180, 180)]
    larger = [Tile(Area(*area), 14).file(DATES[0]) for area in areas]
    # the third reaches further north than the second, but 30 x 10 degrees are less than 20 x 20
    expected = [OWN.file(DATES[0]), larger[2], larger[1], larger[0], larger[3]]
    names = [*larger, OWN.file(DATES[0])]
    for seed in range(10):
        random.Random(seed).shuffle(names)
        assert candidates(OWN, names, DATES[0]) == expected
    assert candidates(OWN, larger, DATES[0]) == expected
    assert candidates(OWN, [], DATES[0]) == [OWN.file(DATES[0])]


@pytest.mark.parametrize(
    ("area", "hour", "date"),
    [
        ((10, 20, -160, -150), 14, DATES[0]),
        ((20, 40, -180, -140), 14, DATES[0]),
        ((0, 40, -180, -160), 14, DATES[0]),
        ((0, 40, 140, 180), 14, DATES[0]),
        ((0, 40, -180, -140), 13, DATES[0]),
        ((0, 40, -180, -140), 14, DATES[1]),
    ],
    ids=["smaller", "south is missing", "east is missing", "elsewhere", "another hour", "another date"],
)
def test_no_other_file_serves(area: tuple[int, int, int, int], hour: int, date: str) -> None:
    names = [Tile(Area(*area), hour).file(date), "ERA5_20220101_14.grb", "README.md"]
    assert candidates(OWN, names, DATES[0]) == [OWN.file(DATES[0])]


@given(TILES, st.lists(st.tuples(TILES, st.sampled_from(DATES)), max_size=12))
@settings(max_examples=200)
def test_every_candidate_covers_the_tile_at_its_hour_and_date(own: Tile, others: list[tuple[Tile, str]]) -> None:
    first, *rest = candidates(own, [tile.file(date) for tile, date in others], DATES[0])
    assert first == own.file(DATES[0])
    found = [parsed for name in rest if (parsed := parse_name(name))]
    assert all(tile.area.covers(own.area) and (tile.hour, date) == (own.hour, DATES[0]) for tile, date in found)
    assert [tile.points for tile, _ in found] == sorted(tile.points for tile, _ in found)
    assert own.file(DATES[0]) not in rest
    fits = {t for t, date in others if date == DATES[0] and t.hour == own.hour and t.area.covers(own.area)} - {own}
    assert {tile for tile, _ in found} == fits


def mintpys_choice(folder: Path, geometry: Path) -> list[str]:
    given = {"weather_dir": str(folder), "tropo_model": "ERA5", "dis_file": None, "geom_file": str(geometry)}
    inps = get_grib_info(SimpleNamespace(**given, date_list=list(DATES), hour="14"))
    return [Path(name).name for name in inps.grib_files]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({(0, 40, -180, -140): DATES}, (0, 40, -180, -140)),
        # of those which are too small, or whose dates are others, none is taken
        ({(0, 40, -180, -140): DATES, (10, 20, -160, -150): DATES, (0, 40, -160, -140): ()}, (0, 40, -180, -140)),
        ({(10, 30, -160, -150): DATES, (0, 40, -180, -140): DATES}, (10, 30, -160, -150)),
        ({}, (10, 30, -160, -150)),
    ],
    ids=["larger", "larger and smaller", "own and larger", "none"],
)
def test_files_of_a_larger_area_are_chosen_as_by_mintpy(
    there: dict[tuple[int, int, int, int], tuple[str, ...]], expected: tuple[int, int, int, int], tmp_path: Path
) -> None:
    in_single_precision(tmp_path / "geometryRadar.h5", list(HAWAII[:2]), list(HAWAII[2:]))
    folder = tmp_path / "weather" / "ERA5"
    folder.mkdir(parents=True)
    for area, dates in there.items():
        for date in dates:
            folder.joinpath(Tile(Area(*area), 14).file(date)).write_bytes(b"GRIB")
    theirs = mintpys_choice(folder.parent, tmp_path / "geometryRadar.h5")
    own, names = Tile.around(Area(*HAWAII), 50000), [*chain.from_iterable(files_by_date(folder).values())]
    found = [[name for name in candidates(own, names, date) if name in names] for date in DATES]
    ours = [serving[0] if serving else own.file(date) for serving, date in zip(found, DATES, strict=True)]
    assert ours == theirs == [Tile(Area(*expected), 14).file(date) for date in DATES]


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert files_by_date(tmp_path / "ERA5") == {}
    tmp_path.joinpath("ERA5_N10_N30_W160_W150_20220101_14.grb.json").touch()
    tmp_path.joinpath(OWN.file(DATES[1])).touch()
    tmp_path.joinpath(OWN.file(DATES[0])).touch()
    assert files_by_date(tmp_path) == {date: [OWN.file(date)] for date in DATES[:2]}
