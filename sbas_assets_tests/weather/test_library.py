"""The folder of weather files: what has a final name is whole and was read, and what is no good is kept aside."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date as calendar_day
from pathlib import Path

import pytest

from sbas_assets.digests import Digests
from sbas_assets.weather import library as library_module
from sbas_assets.weather.gribs import BadGribError, Field, read_fields
from sbas_assets.weather.library import GribRecord, Library
from sbas_assets.weather.tiles import Area, Tile
from sbas_assets_tests.weather.era5_fields import era5_bytes

TILE, DATE, OTHER = Tile(Area(19, 20, -156, -155), 14), "20220101", "20220113"
GRID = (20.0, -156.0, 19.0, -155.0)  # north, west, south, east
FRAME = Area(19.1, 19.9, -155.9, -155.1)
NAME = TILE.file(DATE)
NOBODY = 65534


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "ERA5", Digests())


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read message by message."""
    seen: list[str] = []

    def reading(path: Path) -> list[Field]:
        seen.append(path.name)
        return read_fields(path)

    monkeypatch.setattr(library_module, "read_fields", reading)
    return seen


def put(library: Library, content: bytes | None = None, name: str = NAME) -> Path:
    """As a user puts a file there."""
    library.folder.mkdir(parents=True, exist_ok=True)
    path = library.folder / name
    path.write_bytes(era5_bytes(DATE, 14, GRID) if content is None else content)
    return path


def fields_of(tmp_path: Path, date: str = DATE, **options: str) -> list[Field]:
    path = tmp_path / "fields.grb"
    path.write_bytes(era5_bytes(date, 14, GRID, **options))
    return read_fields(path)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_without_a_record_is_read_once_and_gets_one(library: Library, reads: list[str]) -> None:
    put(library, era5_bytes(DATE, 14, GRID, expver="0005"))
    assert library.record(NAME) is None
    record = library.verified(NAME, FRAME)
    assert (record.file, record.size, record.release) == (NAME, len(era5_bytes(DATE, 14, GRID)), "preliminary")
    assert (record.grid, record.fetched, record.request, record.asked) == (TILE.area, None, None, None)
    assert library.record(NAME) == record
    # nor does the next process read it again
    assert library.verified(NAME, FRAME) == Library(library.folder, Digests()).verified(NAME, FRAME) == record
    assert reads == [NAME]
    assert set(everything(library.folder)) == {NAME, f"{NAME}.json"}


def test_a_file_that_changed_behind_its_record_is_read_again(library: Library, reads: list[str]) -> None:
    path = put(library)
    before = library.verified(NAME, FRAME)
    put(library, era5_bytes(DATE, 14, GRID, expver="0005"))
    after = library.verified(NAME, FRAME)
    assert (before.release, after.release, before.size) == ("final", "preliminary", after.size)
    assert library.record(NAME) == after
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadGribError, match=r"^is truncated or damaged: has more than its 110 whole messages$"):
        library.verified(NAME, FRAME)
    assert reads == [NAME] * 3


def test_a_file_that_was_fetched_and_then_changed_loses_where_it_came_from(library: Library, tmp_path: Path) -> None:
    library.accept(TILE, DATE, fields_of(tmp_path), FRAME, "a-request")
    put(library, era5_bytes(DATE, 14, GRID, expver="0005"))
    record = library.verified(NAME, FRAME)
    assert (record.release, record.request, record.fetched) == ("preliminary", None, None)


@pytest.mark.parametrize("record", [b"", b"{", b'{"file": "other"}', b"\xff\xfe", b"[1, 2]"])
def test_a_record_that_cannot_be_read_vouches_for_nothing(library: Library, reads: list[str], record: bytes) -> None:
    put(library).with_name(f"{NAME}.json").write_bytes(record)
    assert library.verified(NAME, FRAME).release == "final"
    assert reads == [NAME]
    assert library.record(NAME) is not None


@pytest.mark.parametrize("record", [False, True], ids=["without a record", "with a record"])
def test_the_area_is_asked_for_with_and_without_a_record(library: Library, record: bool) -> None:
    put(library)
    if record:
        library.verified(NAME, FRAME)
    reason = r"^covers latitude 19.00 to 20.00 and longitude -156.00 to -155.00, which the frame exceeds$"
    with pytest.raises(BadGribError, match=reason):
        library.verified(NAME, Area(18.9, 19.9, -155.9, -155.1))


def test_a_file_that_is_not_there_is_missing_whatever_its_record_says(library: Library) -> None:
    with pytest.raises(BadGribError, match=r"^missing$"):
        library.verified(NAME, FRAME)
    put(library)
    library.verified(NAME, FRAME)
    (library.folder / NAME).unlink()
    with pytest.raises(BadGribError, match=r"^missing$"):
        library.verified(NAME, FRAME)


def test_a_bad_file_of_the_user_is_left_alone(library: Library) -> None:
    put(library, b"<html>")
    with pytest.raises(BadGribError, match=r"^holds no GRIB message$"):
        library.verified(NAME, FRAME)
    put(library, era5_bytes(OTHER, 14, GRID))
    with pytest.raises(BadGribError, match=r"^holds 20220113_14, not 20220101_14$"):
        library.verified(NAME, FRAME)
    assert everything(library.folder) == {NAME: era5_bytes(OTHER, 14, GRID)}


@pytest.fixture
def somebody_elses() -> Iterator[Library]:
    """A folder with a file in it that this process may not write to, not even as the superuser."""
    with tempfile.TemporaryDirectory() as name:
        library = Library(Path(name), Digests())
        put(library)
        Path(name).chmod(0o555)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield library
        finally:
            if is_root:
                os.seteuid(0)
            Path(name).chmod(0o755)


def test_a_folder_that_cannot_be_written_to_serves(somebody_elses: Library, reads: list[str]) -> None:
    with pytest.raises(PermissionError):
        (somebody_elses.folder / "mine").touch()
    for _ in range(2):
        assert somebody_elses.verified(NAME, FRAME).release == "final"
    assert somebody_elses.record(NAME) is None
    assert reads == [NAME, NAME]


def test_a_full_disk_is_not_taken_for_a_folder_of_somebody_else(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(library)

    def full(path: Path, content: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(library_module, "atomic_write", full)
    with pytest.raises(OSError, match="No space left"):
        library.verified(NAME, FRAME)


def test_a_fetched_file_is_placed_with_a_record_of_its_request(
    library: Library, reads: list[str], tmp_path: Path
) -> None:
    record = library.accept(TILE, DATE, fields_of(tmp_path), FRAME, "a-request")
    assert (library.folder / NAME).read_bytes() == era5_bytes(DATE, 14, GRID)
    assert (record.request, record.release, record.grid, record.asked) == ("a-request", "final", TILE.area, None)
    assert record.fetched is not None
    assert record.describes(Digests().of(library.folder / NAME))
    assert library.verified(NAME, FRAME) == record == library.record(NAME)
    # once, as it was written, and then never again
    assert reads == [f"{NAME}.{os.getpid()}"]
    assert set(everything(library.folder)) == {NAME, f"{NAME}.json"}


BAD = {
    "too few": (lambda fields: fields[:-1], "q: 36 of 37 levels; t: 37 of 37 levels; z: 37 of 37 levels"),
    "reversed": (lambda fields: fields[::-1], "holds its fields in another order than PyAPS reads them"),
    "none": (lambda fields: fields[:0], "holds nothing, not 20220101_14"),
}


@pytest.mark.parametrize("there", [False, True], ids=["nothing there", "one there"])
@pytest.mark.parametrize(("change", "reason"), BAD.values(), ids=BAD.keys())
def test_fields_that_are_no_good_leave_everything_as_it_was(
    library: Library, tmp_path: Path, there: bool, change: Callable[[list[Field]], list[Field]], reason: str
) -> None:
    if there:
        library.accept(TILE, DATE, fields_of(tmp_path, expver="0005"), FRAME, "an-earlier-request")
    before = everything(library.folder)
    with pytest.raises(BadGribError) as error:
        library.accept(TILE, DATE, change(fields_of(tmp_path)), FRAME, "a-request")
    assert str(error.value) == reason
    assert everything(library.folder) == before


def test_fields_of_another_date_or_area_leave_everything_as_it_was(library: Library, tmp_path: Path) -> None:
    with pytest.raises(BadGribError, match=r"^holds 20220113_14, not 20220101_14$"):
        library.accept(TILE, DATE, fields_of(tmp_path, OTHER), FRAME, "a-request")
    with pytest.raises(BadGribError, match=r"which the frame exceeds$"):
        library.accept(TILE, DATE, fields_of(tmp_path), Area(0, 1, 0, 1), "a-request")
    assert everything(library.folder) == {}


@pytest.mark.parametrize("step", ["judge", "_write", "move_into_place"])
def test_nothing_half_written_has_a_final_name_when_placing_fails(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fields, calls = fields_of(tmp_path), []

    def full(*_: object) -> None:
        calls.append(step)
        # what was written is read and judged for the second time
        if step != "judge" or len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Library if step == "_write" else library_module, step, full)
    with pytest.raises(OSError, match="No space left"):
        library.accept(TILE, DATE, fields, FRAME, "a-request")
    assert set(everything(library.folder)) <= {f"{NAME}.json"}
    monkeypatch.undo()
    # what the record says is not believed without its file
    with pytest.raises(BadGribError, match=r"^missing$"):
        library.verified(NAME, FRAME)
    assert library.accept(TILE, DATE, fields, FRAME, "the-next").request == "the-next"
    assert library.verified(NAME, FRAME).request == "the-next"


def test_what_is_written_is_read_back_before_it_gets_its_name(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, written = fields_of(tmp_path), Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: written(path, content[:-200]))
    with pytest.raises(BadGribError, match=r"^is truncated or damaged"):
        library.accept(TILE, DATE, fields, FRAME, "a-request")
    assert everything(library.folder) == {}


def test_a_better_file_takes_the_place_of_a_preliminary_one(library: Library, tmp_path: Path) -> None:
    first = library.accept(TILE, DATE, fields_of(tmp_path, expver="0005"), FRAME, "one")
    library.note_asked(first, calendar_day(2022, 4, 1))
    assert library.verified(NAME, FRAME) == first.model_copy(update={"asked": calendar_day(2022, 4, 1)})
    second = library.accept(TILE, DATE, fields_of(tmp_path), FRAME, "two")
    assert library.verified(NAME, FRAME) == second
    assert (second.release, second.asked, second.sha256 == first.sha256) == ("final", None, False)


def test_several_bad_files_of_one_name_are_kept_under_numbers_with_their_reasons(library: Library) -> None:
    aside = library.folder / "set_aside"
    for number in (1, 2, 3):
        path = put(library, b"bad %d" % number)
        assert library.set_aside(path, f"reason {number}") == aside / f"{NAME}.{number}"
        assert not path.exists()
    assert everything(aside) == {
        name: content
        for number in (1, 2, 3)
        for name, content in (
            (f"{NAME}.{number}", b"bad %d" % number),
            (f"{NAME}.{number}.txt", b"reason %d\n" % number),
        )
    }


def test_a_set_of_files_is_complete_when_all_dates_are_there(library: Library) -> None:
    assert library.has_all(TILE, [])
    assert not library.has_all(TILE, [DATE])
    put(library)
    assert library.has_all(TILE, [DATE])
    assert not library.has_all(TILE, [DATE, OTHER])


def test_a_record_is_kept_as_json_that_says_all_of_it(library: Library, tmp_path: Path) -> None:
    record = library.accept(TILE, DATE, fields_of(tmp_path), FRAME, "a-request")
    text = (library.folder / f"{NAME}.json").read_text()
    assert GribRecord.model_validate_json(text) == record
    assert '"grid":[19.0,20.0,-156.0,-155.0]' in "".join(text.split())
