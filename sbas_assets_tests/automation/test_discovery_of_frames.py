"""Frames come and go, disks fail, time runs out: each frame is looked at in its turn, and faults are told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from sbas_assets.automation import discovery_sweep
from sbas_assets.automation.discovery_cursor import Pace
from sbas_assets.automation.discovery_tasks import Tasks
from sbas_assets.definitions import defs
from sbas_assets.errors import InputError
from sbas_assets.step import Frame
from sbas_assets_tests.automation.deliveries import DATES, KEY, Delivery, Watch, metadata_of

OTHER = "T072A_other"
KEYS = [f"F{number}" for number in range(5)]


def looked_at(monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> list[str]:
    """The frames whose stacks are looked at, in order; each look takes so long."""
    found: list[str] = []
    moment = [0.0]
    original = discovery_sweep.look

    def noted(frame: Frame) -> str:
        found.append(frame.key)
        moment[0] += seconds
        return original(frame)

    monkeypatch.setattr(discovery_sweep, "look", noted)
    monkeypatch.setattr(discovery_sweep, "monotonic", lambda: moment[0])
    return found


def impatient(monkeypatch: pytest.MonkeyPatch, kind: str, *keys: str) -> None:
    """A tick waits for some work hardly at all, and for all other work as long as it takes."""
    tasks = Tasks()
    original = tasks.outcome

    def outcome(each: str, place: Path, work: Callable[[], object], _: float) -> object:
        return original(each, place, work, 0.01 if each == kind and place.name in keys else 60)

    monkeypatch.setattr(tasks, "outcome", outcome)
    monkeypatch.setattr(discovery_sweep, "_tasks", tasks)
    monkeypatch.setattr(discovery_sweep, "monotonic", lambda: 0)


def test_a_new_frame_file_becomes_a_partition_and_is_reported_afterwards(watch: Watch, delivery: Delivery) -> None:
    watch.add(delivery.stack, known=False)
    assert watch.tick() == []
    assert watch.partitions() == [KEY]
    assert watch.told(f"new frames: {KEY}")
    assert len(watch.tick()) == 1
    assert not watch.told("new frames")


def test_a_stack_at_rest_is_not_reported_before_its_partition_exists(watch: Watch, delivery: Delivery) -> None:
    watch.add(delivery.stack)
    watch.tick()
    watch.instance.delete_dynamic_partition("frame", KEY)
    assert watch.tick() == []
    assert len(watch.tick()) == 1


def test_a_frame_whose_file_has_gone_keeps_its_partition_and_is_told_once(watched: Watch) -> None:
    (watched.root / "frames" / f"{KEY}.yaml").unlink()
    assert watched.tick() == []
    assert watched.partitions() == [KEY]
    assert watched.told(f"any more of: {KEY}")
    watched.tick()
    assert not watched.told("any more of")
    assert "there are no frames" in watched.summary


def test_a_frame_whose_file_comes_back_is_not_reported_twice(watched: Watch) -> None:
    file = watched.root / "frames" / f"{KEY}.yaml"
    content = file.read_text()
    file.unlink()
    watched.tick()
    file.write_text(content)
    assert watched.tick(3) == []


def test_a_broken_frame_file_is_told_and_stops_no_other(watch: Watch, delivery: Delivery) -> None:
    watch.add(delivery.stack)
    (watch.root / "frames" / f"{OTHER}.yaml").write_text("track: many\n")
    (watch.root / "frames" / "notes.txt").write_text("not a frame")
    assert len(watch.tick(2)) == 1
    assert watch.told("WARNING left out, its file is wrong: [frame-config-invalid]")
    assert watch.told("[frame-file-unexpected]")
    assert watch.partitions() == [KEY]


def test_a_frame_whose_file_is_broken_for_a_while_goes_on_where_it_was(watched: Watch, delivery: Delivery) -> None:
    file = watched.root / "frames" / f"{KEY}.yaml"
    content = file.read_text()
    file.write_text("track: [")
    delivery.dates(DATES[4])
    assert watched.tick(2) == []
    assert not watched.told("any more of")
    file.write_text(content)
    [event] = watched.tick(2)
    assert metadata_of(event)["dates_added"] == 1


def test_frames_that_are_gone_with_their_folder_fail_the_tick(watched: Watch) -> None:
    shutil.rmtree(watched.root / "frames")
    with pytest.raises(dg.Failure, match="is SBAS_ROOT mounted"):
        watched.tick()


def test_an_installation_without_frames_is_none_to_fail(watch: Watch) -> None:
    assert watch.tick() == []
    assert "there are no frames" in watch.summary


def test_a_missing_stack_is_told_and_stops_no_other(watched: Watch, tmp_path: Path) -> None:
    watched.add(tmp_path / "nowhere", OTHER)
    assert watched.tick() == []
    assert watched.told(f"{OTHER}: its stack can not be looked at")
    assert watched.told("nowhere")
    assert f"cannot be looked at: {OTHER}" in watched.summary


def test_a_tick_in_which_every_look_fails_fails_with_the_first_cause(watch: Watch, tmp_path: Path) -> None:
    watch.add(tmp_path / "nowhere", KEY)
    watch.add(tmp_path / "nor here", OTHER)
    with pytest.raises(dg.Failure, match=f"none of 2 stacks could be looked at; the first, {KEY}: .*nowhere"):
        watch.tick()


def test_a_stack_that_has_been_away_and_is_the_same_is_nothing_new(watched: Watch, delivery: Delivery) -> None:
    away = delivery.stack.rename(delivery.stack.with_name("away"))
    with pytest.raises(dg.Failure):
        watched.tick()
    away.rename(delivery.stack)
    assert watched.tick(3) == []


def test_a_defect_in_looking_at_one_stack_stops_no_other(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.add(delivery.stack, OTHER)
    original = discovery_sweep.look

    def defective(frame: Frame) -> str:
        if frame.key == OTHER:
            raise ZeroDivisionError("a defect")
        return original(frame)

    monkeypatch.setattr(discovery_sweep, "look", defective)
    delivery.dates(DATES[4])
    assert len(watched.tick(2)) == 1
    assert watched.told(f"{OTHER}: its stack can not be looked at: ZeroDivisionError: a defect")


def test_what_the_budget_leaves_over_is_the_next_ticks_first(
    watch: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in KEYS:
        watch.add(delivery.stack, key)
    order = looked_at(monkeypatch, seconds=10)
    watch.tick(5)
    # two looks of ten seconds in each tick of twenty
    assert order[:9] == [*KEYS, *KEYS[:4]]
    assert "looked at 2 of 5 frames" in watch.summary


def test_every_tick_looks_at_one_frame_at_least(
    watch: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in KEYS:
        watch.add(delivery.stack, key)
    order = looked_at(monkeypatch, seconds=100)
    watch.tick(5)
    assert order == KEYS


def test_ticks_that_fail_still_take_the_frames_in_turn(
    watch: Watch, tmp_path: Path, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in KEYS:
        watch.add(tmp_path / "nowhere", key)
    order = looked_at(monkeypatch, seconds=10)
    for _ in range(2):
        with pytest.raises(dg.Failure):
            watch.tick()
    delivery.stack.rename(tmp_path / "nowhere")
    watch.tick()
    assert order[:5] == KEYS


def test_a_look_that_hangs_takes_a_share_of_one_tick_and_no_more(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.add(delivery.stack, OTHER)
    impatient(monkeypatch, "look", OTHER)
    original, answers = discovery_sweep.look, threading.Event()

    def hanging(frame: Frame) -> str:
        if frame.key == OTHER:
            answers.wait(60)
        return original(frame)

    monkeypatch.setattr(discovery_sweep, "look", hanging)
    delivery.dates(DATES[4])
    assert len(watched.tick(3)) == 1
    assert watched.told(f"{OTHER}: not finished after")
    monkeypatch.setattr(discovery_sweep, "SILENT_S", 0)
    watched.tick()
    assert watched.told(f"{OTHER}: its stack can not be looked at")
    assert watched.told("has not answered for")
    answers.set()
    assert wait_for(watched.tick)


def wait_for(event: Callable[[], object]) -> bool:
    return any(event() for _ in range(600) if not threading.Event().wait(0.1))


def test_a_stack_that_takes_long_to_read_is_read_beside_the_ticks(
    watched: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.add(delivery.stack, OTHER)
    impatient(monkeypatch, "judge", KEY)
    original, enough = discovery_sweep.judge, threading.Event()

    def slow(frame: Frame, snapshot: str) -> object:
        if frame.key == KEY:
            enough.wait(60)
        return original(frame, snapshot)

    monkeypatch.setattr(discovery_sweep, "judge", slow)
    delivery.dates(DATES[4])
    events = watched.tick(3)
    assert [event.partition for event in events] == [OTHER]
    assert watched.told(f"{KEY}: not finished after")
    enough.set()
    assert wait_for(lambda: [event.partition for event in watched.tick()] == [KEY])


def test_only_so_many_stacks_are_read_at_once(
    watch: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in KEYS:
        watch.add(delivery.stack, key)
    impatient(monkeypatch, "judge", *KEYS)
    monkeypatch.setattr(discovery_sweep, "READERS", 2)
    original, enough = discovery_sweep.judge, threading.Event()
    begun: list[str] = []

    def slow(frame: Frame, snapshot: str) -> object:
        begun.append(frame.key)
        enough.wait(60)
        return original(frame, snapshot)

    monkeypatch.setattr(discovery_sweep, "judge", slow)
    watch.tick(4)
    assert len(begun) == 2
    assert watch.told("other stacks are being read")
    enough.set()
    reported: list[str] = []
    assert wait_for(lambda: reported.extend(str(e.partition) for e in watch.tick()) or len(reported) == len(KEYS))
    assert sorted(reported) == KEYS


def test_the_cursor_of_hundreds_of_frames_is_small(
    watch: Watch, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery_sweep, "look", lambda _: "0123456789abcdef")
    for number in range(300):
        watch.add(delivery.stack, f"T071D_santorini_{number:03d}", known=False)
    watch.tick()
    assert watch.cursor is not None
    assert len(watch.cursor) < 300 * 150


@pytest.mark.parametrize("value", ["soon", "-1", "1.5"])
def test_a_setting_that_is_no_number_of_seconds_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="arrivals-setting-invalid"):
        Pace.from_env({"SBAS_ARRIVALS_SETTLING": value})


def test_an_empty_setting_counts_as_unset() -> None:
    assert Pace.from_env({"SBAS_ARRIVALS_BUDGET": ""}) == Pace()


def test_the_sensor_is_switched_on_from_the_start_and_requests_no_runs() -> None:
    sensor = defs.resolve_sensor_def("stack_arrivals")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert not sensor.targets
