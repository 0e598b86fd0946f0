"""A stack is reported once for each content that is whole and at rest, with what has changed; nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sbas_assets_tests.automation.deliveries import DATES, IFG, KEY, Delivery, Watch, metadata_of, version_of

PAIR = f"{DATES[1]}_{DATES[2]}"


def cut(path: Path) -> bytes:
    """Truncate a file; return what it was."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def test_a_stack_at_rest_is_reported_once_with_all_that_it_has(watch: Watch, delivery: Delivery) -> None:
    watch.add(delivery.stack)
    assert watch.tick() == []
    [event] = watch.tick()
    found = metadata_of(event)
    assert (event.asset_key.to_user_string(), event.partition) == ("topsStack", KEY)
    assert found["pairs"] == found["pairs_added"] == 5
    assert found["dates_added"] == 4
    assert found["dates_added_names"] == ", ".join(DATES[:4])
    assert watch.tick(5) == []
    assert watch.summary == "looked at 1 of 1 frames; nothing new to report"


def test_a_delivery_date_by_date_is_reported_date_by_date(watched: Watch, delivery: Delivery) -> None:
    versions = set()
    for place, date in enumerate(DATES[4:], start=4):
        delivery.dates(date)
        [event] = watched.tick(3)
        found = metadata_of(event)
        assert found["dates_added_names"] == date
        assert found["pairs_added_names"] == f"{DATES[place - 2]}_{date}, {DATES[place - 1]}_{date}"
        assert (found["pairs_changed"], found["pairs_removed"], found["dates_changed"]) == (0, 0, 0)
        versions.add(version_of(event))
    assert len(versions) == 3
    assert watched.materializations() == 4


def test_files_that_change_from_look_to_look_are_not_judged(watched: Watch, delivery: Delivery) -> None:
    for date in DATES[4:]:
        delivery.dates(date)
        assert watched.tick() == []
        assert watched.told("files have changed")
    [event] = watched.tick()
    assert metadata_of(event)["dates_added"] == 3


def test_a_stack_settles_before_it_is_judged(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBAS_ARRIVALS_SETTLING", "300")
    delivery.dates(DATES[4])
    assert watched.tick(5) == []
    assert len(watched.tick()) == 1


def test_a_log_that_grows_in_the_stacks_folder_keeps_nothing_waiting(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    events = []
    for _ in range(3):
        with (delivery.stack / "isce.log").open("a") as log:
            log.write("still at work elsewhere\n")
        events += watched.tick()
    assert len(events) == 1


def without_baseline(delivery: Delivery) -> Callable[[], None]:
    name = f"baselines/{DATES[0]}_{DATES[4]}/{DATES[0]}_{DATES[4]}.txt"
    (delivery.stack / name).unlink()
    return lambda: shutil.copy(delivery.whole / name, delivery.stack / name) and None


def baseline_of_one_swath(delivery: Delivery) -> Callable[[], None]:
    path = delivery.stack / f"baselines/{DATES[0]}_{DATES[4]}/{DATES[0]}_{DATES[4]}.txt"
    content = path.read_text()
    path.write_text(content[: content.index("swath: IW2")])
    return lambda: path.write_text(content) and None


def truncated_pair(delivery: Delivery) -> Callable[[], None]:
    image = delivery.image(f"{DATES[3]}_{DATES[4]}")
    content = cut(image)
    return lambda: image.write_bytes(content) and None


def no_coherence_yet(delivery: Delivery) -> Callable[[], None]:
    image = delivery.image(f"{DATES[3]}_{DATES[4]}", "filt_fine.cor")
    content = image.read_bytes()
    image.unlink()
    return lambda: image.write_bytes(content) and None


def half_a_header(delivery: Delivery) -> Callable[[], None]:
    header = delivery.image(f"{DATES[3]}_{DATES[4]}", "filt_fine.unw.xml")
    content = cut(header)
    return lambda: header.write_bytes(content) and None


@pytest.mark.parametrize(
    "spoil", [without_baseline, baseline_of_one_swath, truncated_pair, no_coherence_yet, half_a_header]
)
def test_a_date_that_is_not_whole_is_waited_for(
    watched: Watch, delivery: Delivery, spoil: Callable[[Delivery], Callable[[], None]]
) -> None:
    delivery.dates(DATES[4])
    mend = spoil(delivery)
    assert watched.tick() == []
    assert watched.tick() == []
    assert watched.tick(2) == []
    mend()
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_added_names"] == DATES[4]
    assert metadata_of(event)["pairs_dropped"] == 0


def test_a_pair_that_is_not_whole_is_told_with_its_cause(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    truncated_pair(delivery)
    watched.tick(2)
    assert watched.told(f"not whole: {DATES[3]}_{DATES[4]}; reported without in 1.0 h")
    assert watched.told("raster-truncated")
    assert f"not whole: {KEY}" in watched.summary


def test_a_stack_that_stays_incomplete_is_reported_without_what_is_broken_and_again_when_it_is_repaired(
    watched: Watch, delivery: Delivery
) -> None:
    delivery.dates(DATES[4])
    mend = truncated_pair(delivery)
    assert watched.tick(2) == []
    watched.now += 3600
    [event] = watched.tick()
    assert metadata_of(event)["pairs_added_names"] == f"{DATES[2]}_{DATES[4]}"
    assert metadata_of(event)["not_whole_names"] == f"{DATES[3]}_{DATES[4]}"
    assert watched.tick(3) == []
    mend()
    [event] = watched.tick(2)
    assert metadata_of(event)["pairs_added_names"] == f"{DATES[3]}_{DATES[4]}"


def test_a_pair_that_was_given_up_keeps_no_later_date_waiting(watched: Watch, delivery: Delivery) -> None:
    delivery.dates(DATES[4])
    truncated_pair(delivery)
    watched.tick(2)
    watched.now += 3600
    watched.tick()
    delivery.dates(DATES[5])
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_added_names"] == DATES[5]


def test_an_old_pair_that_is_being_rewritten_is_waited_for(watched: Watch, delivery: Delivery) -> None:
    content = cut(delivery.image(PAIR))
    assert watched.tick(4) == []
    delivery.image(PAIR).write_bytes(content)
    assert watched.tick(4) == []
    assert watched.materializations() == 1


def test_other_content_of_the_same_name_and_size_is_a_changed_pair(watched: Watch, delivery: Delivery) -> None:
    image = delivery.image(PAIR)
    status = image.stat()
    values = np.fromfile(image, "f4")
    (values + np.float32(0.5)).tofile(image)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    [event] = watched.tick(2)
    found = metadata_of(event)
    assert found["pairs_changed_names"] == PAIR
    assert found["dates_changed_names"] == f"{DATES[1]}, {DATES[2]}"
    assert (found["pairs_added"], found["pairs_removed"]) == (0, 0)


def test_a_removed_pair_is_reported(watched: Watch, delivery: Delivery) -> None:
    shutil.rmtree(delivery.stack / IFG / PAIR)
    [event] = watched.tick(2)
    assert metadata_of(event)["pairs_removed_names"] == PAIR
    assert metadata_of(event)["dates_removed"] == 0


def test_a_removed_date_is_reported(watched: Watch, delivery: Delivery) -> None:
    for path in [path for path in (delivery.stack / IFG).iterdir() if DATES[3] in path.name]:
        shutil.rmtree(path)
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_removed_names"] == DATES[3]


def test_content_that_was_written_again_unchanged_is_nothing_new(watched: Watch, delivery: Delivery) -> None:
    for path in sorted((delivery.stack / IFG).rglob("*")):
        if path.is_file():
            path.write_bytes(path.read_bytes())
            os.utime(path)
    assert watched.tick(4) == []
    assert watched.materializations() == 1


def test_a_date_made_again_with_precise_orbits_tells_its_orbit(watched: Watch, delivery: Delivery) -> None:
    xml = delivery.stack / "secondarys" / DATES[2] / "IW1.xml"
    precise = xml.read_text()
    assert "POEORB" in precise
    xml.write_text(precise.replace("POEORB", "RESORB"))
    values = np.fromfile(delivery.image(PAIR), "f4")
    (values + np.float32(0.5)).tofile(delivery.image(PAIR))
    [event] = watched.tick(2)
    assert metadata_of(event)["orbits_changed_names"] == f"{DATES[2]}: POEORB to RESORB"
    xml.write_text(precise)
    values.tofile(delivery.image(PAIR))
    [event] = watched.tick(2)
    assert metadata_of(event)["orbits_changed_names"] == f"{DATES[2]}: RESORB to POEORB"


def test_another_orbit_without_another_content_is_nothing_new(watched: Watch, delivery: Delivery) -> None:
    xml = delivery.stack / "secondarys" / DATES[2] / "IW1.xml"
    xml.write_text(xml.read_text().replace("POEORB", "RESORB"))
    assert watched.tick(3) == []


def test_a_stack_of_two_reference_dates_is_told_and_not_reported_until_it_has_one(
    watched: Watch, delivery: Delivery
) -> None:
    second = delivery.stack / f"baselines/{DATES[1]}_{DATES[2]}"
    second.mkdir()
    (second / f"{second.name}.txt").write_text("swath: IW1\nBperp (average): 3.0\nBpar (average): 1.0\n" * 2)
    delivery.dates(DATES[4])
    assert watched.tick() == []
    assert watched.tick() == []
    assert watched.told("baseline-references-differ")
    assert f"cannot be processed: {KEY}" in watched.summary
    shutil.rmtree(second)
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_added_names"] == DATES[4]


def test_a_clock_that_is_set_back_or_ahead_neither_stops_nor_repeats_a_report(
    watched: Watch, delivery: Delivery
) -> None:
    watched.now -= 1e6
    delivery.dates(DATES[4])
    assert len(watched.tick(3)) == 1
    watched.now += 1e7
    assert watched.tick(3) == []
    delivery.dates(DATES[5])
    assert len(watched.tick(2)) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"format":0,"frames":{},"gone":[]}',
        '{"format":1,"frames":{"a":[1]},"gone":1}',
        json.dumps({"format": 1, "frames": {KEY: [1, 2, 3, 4, 5, 6]}, "gone": []}),
    ],
)
def test_a_cursor_that_cannot_be_read_begins_anew_and_says_so(watched: Watch, delivery: Delivery, garbage: str) -> None:
    watched.cursor = garbage
    delivery.dates(DATES[4])
    assert watched.tick() == []
    assert watched.told("ERROR the sensor's cursor cannot be read")
    assert len(watched.tick()) == 1
    assert watched.tick(2) == []
