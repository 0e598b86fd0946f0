"""Which pairs move to a new segment: few files, little copied, and the same files for the same history."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.digests import Digests
from sbas_assets.mintpy.stack_segments import CROWD, DIGITS, Arrangement, Segment, arrange, intact_segments

FROM_STACK = None


def segment(name: str, *pairs: str, digest: str = "1") -> Segment:
    return Segment(Path(f"{name}.h5"), name, tuple((pair, digest) for pair in pairs))


def wanted(*pairs: str, digest: str = "1") -> dict[str, str]:
    return dict.fromkeys(sorted(pairs), digest)


def names(number: int, first: int = 0) -> list[str]:
    return [f"{pair:05}" for pair in range(first, first + number)]


def carried_out(found: Arrangement, pairs: Mapping[str, str], name: str) -> list[Segment]:
    """The segments after an arrangement."""
    new = Segment(Path(f"{name}.h5"), name, tuple((pair, pairs[pair]) for pair in found.written))
    return [*found.kept, *([new] if found.written else [])]


def test_what_is_not_held_is_read_from_the_stack_in_order_of_name() -> None:
    found = arrange([], wanted("b", "c", "a"))
    assert found == Arrangement({}, {"a": FROM_STACK, "b": FROM_STACK, "c": FROM_STACK})
    assert list(found.written) == ["a", "b", "c"]


def test_a_segment_stays_as_it_is_and_new_pairs_get_one_of_their_own() -> None:
    old = segment("old", "a", "c")
    assert arrange([old], wanted("a", "b", "c")) == Arrangement({old: {"a": 0, "c": 1}}, {"b": FROM_STACK})


def test_a_pair_whose_images_changed_is_new() -> None:
    old = segment("old", "a", "b", "c")
    found = arrange([old], {**wanted("a", "c"), "b": "2"})
    assert found == Arrangement({old: {"a": 0, "c": 2}}, {"b": FROM_STACK})


def test_a_segment_of_which_nothing_is_wanted_goes() -> None:
    assert arrange([segment("old", "a")], {}) == Arrangement({}, {})


@pytest.mark.parametrize("pairs", ["ab", "abcd"])
def test_a_segment_of_which_half_is_wanted_stays(pairs: str) -> None:
    old = segment("old", *pairs)
    half = list(pairs[: len(pairs) // 2])
    assert list(arrange([old], wanted(*half)).kept) == [old]


def test_the_pairs_of_a_segment_of_which_less_than_half_is_wanted_are_copied() -> None:
    old = segment("old", "a", "b", "c", "d", "e")
    assert arrange([old], wanted("b", "e")) == Arrangement({}, {"b": (old, 1), "e": (old, 4)})
    assert arrange([old], wanted("b", "z")) == Arrangement({}, {"b": (old, 1), "z": FROM_STACK})


def test_segments_that_have_become_many_are_made_one_and_the_large_one_is_left_alone() -> None:
    large = segment("large", *names(100))
    small = [segment(f"small{n}", f"9000{n}") for n in range(CROWD - 1)]
    pairs = wanted(*names(100), *(f"9000{n}" for n in range(CROWD)))
    found = arrange([large, *small], pairs)
    assert list(found.kept) == [large]
    assert found.written == {**{f"9000{n}": (small[n], 0) for n in range(CROWD - 1)}, f"9000{CROWD - 1}": FROM_STACK}


@pytest.mark.parametrize("new", [1, 3, 9])
def test_over_many_updates_there_are_few_segments_and_little_is_copied(new: int) -> None:
    segments, copied, updates = arranged(start=0, new=new, updates=400)
    pairs = new * updates
    sizes = 1 + int(np.log(pairs) / np.log(CROWD))
    assert len(segments) < CROWD * sizes
    assert copied <= sizes * pairs
    assert sum(len(one.contents) for one in segments) == pairs


def arranged(*, start: int, new: int, updates: int) -> tuple[list[Segment], int, int]:
    segments: list[Segment] = []
    copied = 0
    for update in range(updates):
        pairs = wanted(*names(start + new * (update + 1)))
        found = arrange(segments, pairs)
        copied += sum(where is not FROM_STACK for where in found.written.values())
        assert sum(where is FROM_STACK for where in found.written.values()) == new
        segments = carried_out(found, pairs, f"s{update:03}")
    return segments, copied, updates


def test_an_arrangement_is_left_as_it_is_also_beside_what_it_was_made_of() -> None:
    """As after a kill, when the segments of before are still there."""
    rng = np.random.default_rng(3)
    segments: list[Segment] = []
    pairs: dict[str, str] = {}
    for update in range(150):
        pairs |= dict.fromkeys(names(int(rng.integers(0, 6)), 10 * update), "1")
        for pair in rng.permutation(sorted(pairs))[: rng.integers(0, 3)]:
            pairs[str(pair)] += "x"
        for pair in rng.permutation(sorted(pairs))[: rng.integers(0, 4)]:
            del pairs[str(pair)]
        before = segments
        found = arrange(before, pairs)
        segments = carried_out(found, pairs, f"s{update:03}")
        for there in (segments, [*before, *segments], [*segments, *reversed(before)]):
            again = arrange(there, pairs)
            assert again.written == {}
            assert set(again.kept) == set(segments)
        assert {pair for layers in arrange(segments, pairs).kept.values() for pair in layers} == set(pairs)


def stored(folder: Path, *, name: str | None = None, origin: str = "mine", content: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "new.h5"
    if content is None:
        with h5py.File(file, "w") as h5:
            h5["pair"], h5["images"] = np.array(["20200101_20200113"], "S"), np.array(["ab"], "S")
            h5.attrs["origin"] = origin
    else:
        file.write_bytes(content)
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:DIGITS]
    return file.rename(folder / (name or f"{digits}.h5"))


def test_a_segment_is_known_by_its_name_alone(tmp_path: Path) -> None:
    path = stored(tmp_path)
    (found,) = intact_segments(tmp_path, "mine", Digests())
    assert (found.path, found.contents) == (path, (("20200101_20200113", "ab"),))


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": f"{'0' * DIGITS}.h5"},
        {"name": "mine.h5"},
        {"origin": "another"},
        {"content": b"no HDF5"},
        {"content": b""},
    ],
    ids=["another name", "a user's name", "another origin", "no HDF5", "empty"],
)
def test_what_is_no_intact_segment_of_the_same_origin_is_not_used(tmp_path: Path, arguments: dict[str, object]) -> None:
    stored(tmp_path, **arguments)  # type: ignore[arg-type]
    assert intact_segments(tmp_path, "mine", Digests()) == []


def test_a_whole_file_that_lacks_a_segments_datasets_is_not_used(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as h5:
        h5.attrs["origin"] = "mine"
    stored(tmp_path, content=(tmp_path / "other.h5").read_bytes())
    assert intact_segments(tmp_path, "mine", Digests()) == []


def test_folders_and_dangling_links_in_the_place_of_segments_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"{'a' * DIGITS}.h5").mkdir()
    (tmp_path / f"{'b' * DIGITS}.h5").symlink_to("nowhere")
    assert intact_segments(tmp_path, "mine", Digests()) == []
    assert intact_segments(tmp_path / "missing", "mine", Digests()) == []
