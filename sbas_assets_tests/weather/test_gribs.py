"""A weather file is believed when it is what PyAPS takes for granted, and otherwise it is said why not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sbas_assets_tests.frames_at_work import SHARED
from sbas_assets_tests.weather.era5_fields import era5_bytes, messages

# isort: split
import eccodes

from sbas_assets.weather.gribs import (
    FIELDS_PER_DATE,
    LEVELS,
    VARIABLES,
    BadGribError,
    by_date,
    judge,
    read_fields,
)
from sbas_assets.weather.tiles import Area

DATE, HOUR, MOMENT = "20220101", 14, "20220101_14"
GRID = (20.0, -156.0, 19.0, -155.0)  # north, west, south, east
FRAME = Area(19.1, 19.9, -155.9, -155.1)
COVERED = Area(19, 20, -156, -155)
SIZE = len(messages(DATE, HOUR, GRID)[0])
REAL = sorted(SHARED.joinpath("era5").glob("*/*.grb"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*parts: bytes | Sequence[bytes]) -> Path:
        path = tmp_path / "some.grb"
        path.write_bytes(b"".join(part if isinstance(part, bytes) else b"".join(part) for part in parts))
        return path

    return write


def fault(path: Path, area: Area = FRAME, moment: str = MOMENT) -> str:
    with pytest.raises(BadGribError) as error:
        judge(read_fields(path), moment, area)
    return str(error.value)


def good(**options: object) -> list[bytes]:
    return messages(DATE, HOUR, GRID, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expver", "release"), [("0001", "final"), ("0005", "preliminary"), ("0078", "unknown")], ids=str
)
def test_a_complete_file_is_good_and_says_its_area_and_its_release(
    write: Callable[..., Path], expver: str, release: str
) -> None:
    fields = read_fields(write(good(expver=expver)))
    assert judge(fields, MOMENT, FRAME) == (COVERED, release)
    assert [(field.level, field.variable) for field in fields] == [(lev, var) for lev in LEVELS for var in VARIABLES]
    assert {field.moment for field in fields} == {MOMENT}
    assert [field.content for field in fields] == good(expver=expver)


def test_a_file_is_preliminary_if_one_of_its_fields_is(write: Callable[..., Path]) -> None:
    mixed = write(good()[:-1], good(expver="0005")[-1])
    assert judge(read_fields(mixed), MOMENT, FRAME) == (COVERED, "preliminary")


@pytest.mark.parametrize(
    "area", [(-33.0, -71.0, -34.0, -70.0), (36.0, 139.0, 35.0, 140.0), (1.0, -1.0, -1.0, 1.0)], ids=str
)
def test_areas_of_all_hemispheres_are_read(write: Callable[..., Path], area: tuple[float, float, float, float]) -> None:
    north, west, south, east = area
    fields = read_fields(write(messages(DATE, HOUR, area)))
    # all of it, to the last of its points
    whole = Area(south, north, west, east)
    assert judge(fields, MOMENT, whole) == (whole, "final")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (0, "holds no GRIB message"),
        (1, "holds no GRIB message"),
        (3, "holds no GRIB message"),
        (8, "holds no GRIB message"),
        (SIZE // 2, "holds no GRIB message"),
        (SIZE - 1, "holds no GRIB message"),
        (SIZE, "q: 0 of 37 levels; t: 0 of 37 levels; z: 1 of 37 levels"),
        (SIZE + 3, "is truncated or damaged: has more than its 1 whole messages"),
        (54 * SIZE, "q: 18 of 37 levels; t: 18 of 37 levels; z: 18 of 37 levels"),
        (55 * SIZE, "q: 18 of 37 levels; t: 18 of 37 levels; z: 19 of 37 levels"),
        (55 * SIZE + 30, "is truncated or damaged: has more than its 55 whole messages"),
        (110 * SIZE, "q: 36 of 37 levels; t: 37 of 37 levels; z: 37 of 37 levels"),
        (111 * SIZE - 5, "is truncated or damaged: has more than its 110 whole messages"),
        (111 * SIZE - 4, "is truncated or damaged: has more than its 110 whole messages"),
        (111 * SIZE - 1, "is truncated or damaged: has more than its 110 whole messages"),
    ],
)
def test_a_file_that_ends_early_is_named_wherever_it_was_cut(write: Callable[..., Path], end: int, reason: str) -> None:
    whole = era5_bytes(DATE, HOUR, GRID)
    assert len(whole) == 111 * SIZE
    assert fault(write(whole[:end])) == reason


def test_no_cut_makes_another_complete_file(write: Callable[..., Path]) -> None:
    whole, cuts = era5_bytes(DATE, HOUR, GRID), random.Random(1)
    for end in sorted(cuts.sample(range(len(whole)), 30)):
        fault(write(whole[:end]))


@pytest.mark.parametrize("rest", [b"x", b"7777", b"GRIB", b"\n", b"\0" * 10 + b"x", good()[0][:-1]])
def test_bytes_that_are_no_message_are_named(write: Callable[..., Path], rest: bytes) -> None:
    assert fault(write(good(), rest)) == "is truncated or damaged: has more than its 111 whole messages"


@pytest.mark.parametrize("place", [0, 1, 60])
def test_bytes_before_and_between_messages_are_named(write: Callable[..., Path], place: int) -> None:
    path = write(good()[:place], b"<html>", good()[place:])
    assert fault(path) == "is truncated or damaged: has more than its 111 whole messages"


def test_zeros_between_messages_are_the_archives_own(write: Callable[..., Path]) -> None:
    path = write([message + b"\0" * (number % 8) for number, message in enumerate(good())])
    assert judge(read_fields(path), MOMENT, FRAME) == (COVERED, "final")


@pytest.mark.parametrize("part", ["length", "end"])
def test_a_message_that_was_damaged_is_named(write: Callable[..., Path], part: str) -> None:
    whole = good()
    damaged = bytearray(whole[50])
    if part == "length":
        damaged[4:7] = b"\xff\xff\xff"
    else:
        damaged[-4:] = b"7770"
    path = write(whole[:50], bytes(damaged), whole[51:])
    assert fault(path) == "is truncated or damaged: has more than its 50 whole messages"


@pytest.mark.parametrize("content", [b"", b"<html><body>503 Service Unavailable</body></html>", b"\0" * 5000, b"GRIB"])
def test_what_is_no_grib_at_all_is_named(write: Callable[..., Path], content: bytes) -> None:
    assert fault(write(content)) == "holds no GRIB message"


def test_a_message_of_another_kind_cannot_be_read(write: Callable[..., Path]) -> None:
    # spherical harmonics have neither latitudes nor longitudes
    handle = eccodes.codes_grib_new_from_samples("sh_pl_grib1")
    other = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    assert fault(write(good(), other)) == "cannot be read as GRIB (Key/value not found)"


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    assert fault(tmp_path / "none.grb").startswith("cannot be read as GRIB (")


def test_another_date_and_another_hour_are_named(write: Callable[..., Path]) -> None:
    assert fault(write(messages("20220113", HOUR, GRID))) == "holds 20220113_14, not 20220101_14"
    assert fault(write(messages(DATE, 15, GRID))) == "holds 20220101_15, not 20220101_14"
    both = write(good(), messages("20220113", HOUR, GRID))
    assert fault(both) == "holds 20220101_14, 20220113_14, not 20220101_14"


def test_no_fields_at_all_are_not_a_date() -> None:
    with pytest.raises(BadGribError, match=r"^holds nothing, not 20220101_14$"):
        judge([], MOMENT, FRAME)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("level", [1, 500, 1000])
def test_a_missing_field_is_named_with_its_variable(write: Callable[..., Path], variable: str, level: int) -> None:
    place = 3 * LEVELS.index(level) + VARIABLES.index(variable)
    whole = good()
    counts = "; ".join(f"{name}: {36 if name == variable else 37} of 37 levels" for name in "qtz")
    assert fault(write(whole[:place], whole[place + 1 :])) == counts
    # nor does another field twice make up for it
    assert fault(write(whole[:place], whole[place - 1 if place else 1], whole[place + 1 :])) == counts


def test_a_missing_level_and_a_missing_variable_are_named(write: Callable[..., Path]) -> None:
    no_level = good(levels=[level for level in LEVELS if level != 850])
    assert fault(write(no_level)) == "q: 36 of 37 levels; t: 36 of 37 levels; z: 36 of 37 levels"
    assert fault(write(good(variables=["z", "t"]))) == "q: 0 of 37 levels; t: 37 of 37 levels; z: 37 of 37 levels"


def test_a_doubled_level_is_named(write: Callable[..., Path]) -> None:
    assert fault(write(good()[:3], good())) == "holds 114 fields, not 111"
    assert fault(write(good(), good()[-1])) == "holds 112 fields, not 111"


def with_another_level() -> bytes:
    handle = eccodes.codes_new_from_message(good()[0])
    eccodes.codes_set(handle, "level", 999)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def test_a_level_that_pyaps_does_not_read_is_named(write: Callable[..., Path]) -> None:
    assert fault(write(good(), with_another_level())) == "holds 112 fields, not 111"


@pytest.mark.parametrize("order", ["by variable", "reversed", "moved by one", "two exchanged"])
def test_another_order_is_named(write: Callable[..., Path], order: str) -> None:
    whole = good()
    other = {
        "by variable": [message for variable in VARIABLES for message in good(variables=[variable])],
        "reversed": whole[::-1],
        "moved by one": [*whole[1:], whole[0]],
        "two exchanged": [*whole[:7], whole[8], whole[7], *whole[9:]],
    }[order]
    assert fault(write(other)) == "holds its fields in another order than PyAPS reads them"


def wind() -> bytes:
    handle = eccodes.codes_new_from_message(good()[0])
    eccodes.codes_set(handle, "indicatorOfParameter", 131)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def test_another_variable_is_named(write: Callable[..., Path]) -> None:
    assert fault(write(good(), wind())) == "holds u besides z, t, q"
    assert fault(write(wind(), good()[1:])) == "holds u besides z, t, q"


def test_two_areas_in_one_file_are_named(write: Callable[..., Path]) -> None:
    larger = messages(DATE, HOUR, (20, -156, 18, -155))
    assert fault(write(good()[:110], larger[110])) == "holds fields of several areas"
    moved = messages(DATE, HOUR, (20.25, -156, 19.25, -155))
    assert fault(write(moved[0], good()[1:])) == "holds fields of several areas"


@pytest.mark.parametrize(
    "area",
    [
        (18.99, 19.5, -155.9, -155.1),
        (19.5, 20.01, -155.9, -155.1),
        (19.5, 19.6, -156.01, -155.9),
        (19, 20, -156, -154.9),
    ],
    ids=["south", "north", "west", "east"],
)
def test_an_area_that_does_not_reach_as_far_as_the_frame_is_named(
    write: Callable[..., Path], area: tuple[float, float, float, float]
) -> None:
    reason = "covers latitude 19.00 to 20.00 and longitude -156.00 to -155.00, which the frame exceeds"
    assert fault(write(good()), Area(*area)) == reason


def test_several_dates_are_divided_and_put_into_pyaps_order_whatever_order_they_come_in(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    dates = ("20220101", "20220113", "20220125")
    parts = [message for date in dates for message in messages(date, HOUR, GRID)]
    for seed in range(3):
        random.Random(seed).shuffle(parts)
        found = by_date(read_fields(write(parts)))
        assert list(found) == list(dates)
        for date, fields in found.items():
            assert judge(fields, f"{date}_14", FRAME) == (COVERED, "final")
            assert b"".join(field.content for field in fields) == era5_bytes(date, HOUR, GRID)


def test_what_pyaps_does_not_read_is_left_out_of_the_dates(write: Callable[..., Path]) -> None:
    (fields,) = by_date(read_fields(write(wind(), good(), with_another_level()))).values()
    assert b"".join(field.content for field in fields) == era5_bytes(DATE, HOUR, GRID)


def test_what_a_date_lacks_or_has_twice_is_still_seen_after_dividing(write: Callable[..., Path]) -> None:
    found = by_date(read_fields(write(good()[:-1], messages("20220113", HOUR, GRID), good()[0])))
    assert {date: len(fields) for date, fields in found.items()} == {DATE: FIELDS_PER_DATE, "20220113": FIELDS_PER_DATE}
    with pytest.raises(BadGribError, match=r"^q: 36 of 37 levels; t: 37 of 37 levels; z: 37 of 37 levels$"):
        judge(found[DATE], MOMENT, FRAME)
    judge(found["20220113"], "20220113_14", FRAME)


@pytest.mark.skipif(not REAL, reason="real ERA5 files are not beside the checkout")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_real_files_are_good(path: Path) -> None:
    inside = {"hawaii": Area(18.9, 19.6, -156, -155), "japan": Area(31, 33, 130, 132)}[path.parent.name]
    fields = read_fields(path)
    grid, release = judge(fields, path.stem[-11:], inside)
    assert grid.covers(inside)
    assert release in {"final", "unknown"}
    assert by_date(random.Random(1).sample(fields, FIELDS_PER_DATE)) == {path.stem[-11:-3]: fields}
