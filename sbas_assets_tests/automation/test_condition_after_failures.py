"""What makes a frame due after a run has failed, tick by tick: passing faults, mistakes, and people."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sbas_assets.frames import FrameCatalogue
from sbas_assets_tests.automation.stand_ins import CHECKS, PARTS, Machine

EVERYTHING = PARTS | CHECKS


@pytest.mark.parametrize("fault", ["input", "internal", "preflight"])
def test_a_mistake_or_a_defect_is_not_run_again_until_the_input_changes(machine: Machine, fault: str) -> None:
    machine.settle("A")
    machine.faults["A"] = fault
    machine.deliver("v2", "A")
    assert set(machine.tick()) == {"A"}
    assert not machine.run("A")
    for _ in range(48):
        assert machine.tick(minutes=30) == {}
    machine.deliver("v3", "A")
    assert set(machine.tick()) == {"A"}


@pytest.mark.parametrize(("fault", "first"), [("outside", 15), ("killed", 5)])
def test_an_outside_fault_is_tried_again_three_times_ever_later(machine: Machine, fault: str, first: int) -> None:
    machine.settle("A")
    machine.faults["A"] = fault
    machine.deliver("v2", "A")
    waited, at = [], 0
    for minute in range(0, 24 * 60, 5):
        if machine.tick(minutes=5):
            waited.append(minute - at)
            # the run happens in the present, the ticks in the future
            assert not machine.run("A")
            machine.now, at = machine.now.now(machine.now.tzinfo), minute
    assert waited[1:] == [first, 60, 240]


def test_a_killed_run_that_dagster_has_not_started_again_is_asked_for_three_minutes_later(machine: Machine) -> None:
    machine.settle("A")
    machine.faults["A"] = "killed"
    machine.deliver("v2", "A")
    machine.tick()
    assert not machine.run("A")
    # the run happens in the present, the ticks in the future
    machine.now = machine.now.now(machine.now.tzinfo)
    assert machine.tick(minutes=2) == {}
    assert machine.tick(minutes=2) == {"A": EVERYTHING}


def fail_outside(machine: Machine) -> None:
    """A run for a new stack fails by a fault that is gone afterwards."""
    machine.settle("A")
    machine.faults["A"] = "outside"
    machine.deliver("v2", "A")
    machine.tick()
    machine.run("A")
    machine.faults.clear()


def test_an_outside_fault_that_has_gone_is_mended_by_the_next_run(machine: Machine) -> None:
    fail_outside(machine)
    assert machine.tick(minutes=10) == {}
    assert machine.tick(minutes=6) == {"A": EVERYTHING}
    assert machine.run("A")
    assert machine.tick(minutes=300) == {}


def test_a_clock_that_jumps_neither_loses_nor_repeats_a_retry(machine: Machine) -> None:
    fail_outside(machine)
    three_days = 3 * 24 * 60
    assert machine.tick(minutes=-three_days) == {}, "set back: the failure is of a time to come"
    assert machine.tick(minutes=30) == {}
    assert machine.tick(minutes=three_days) == {"A": EVERYTHING}
    assert machine.run("A")
    for jump in (three_days, -2 * three_days, 20 * three_days):
        assert machine.tick(minutes=jump) == {}


def test_a_stack_that_comes_while_the_clock_is_wrong_is_processed_at_once(machine: Machine) -> None:
    machine.settle("A")
    for number, jump in enumerate((-40 * 24 * 60, 400 * 24 * 60)):
        machine.deliver(f"v2.{number}", "A")
        assert machine.tick(minutes=jump) == {"A": EVERYTHING}
        assert machine.run("A")
        assert machine.tick() == {}


def test_a_run_that_a_person_stopped_is_not_started_again(machine: Machine) -> None:
    machine.settle("A")
    machine.deliver("v2", "A")
    machine.tick()
    machine.instance.report_run_canceled(machine.begin("A"))
    for _ in range(10):
        assert machine.tick(minutes=60) == {}


def test_a_mistake_in_the_frames_file_is_run_again_when_the_file_was_changed(machine: Machine, tmp_path: Path) -> None:
    file = FrameCatalogue(tmp_path).path("A")
    file.write_text("first")
    machine.settle("A", "B")
    machine.faults["A"] = "input"
    machine.deliver("v2", "A")
    machine.tick()
    machine.run("A")
    assert machine.tick() == {}
    time.sleep(0.05)
    file.write_text("second")
    # an old time does not hide the change
    os.utime(file, (0, 0))
    assert set(machine.tick()) == {"A"}
    machine.run("A")
    assert machine.tick() == {}


def test_new_code_leaves_a_stack_alone_that_the_preflight_refuses(machine: Machine) -> None:
    machine.settle("A", "B")
    machine.faults["A"] = "preflight"
    machine.deliver("v2", "A")
    machine.tick()
    machine.run("A")
    machine.code = "2"
    assert set(machine.tick()) == {"B"}
    machine.faults.clear()
    machine.deliver("v3", "A")
    assert set(machine.tick()) == {"A"}
