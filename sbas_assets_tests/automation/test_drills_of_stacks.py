"""Stacks that come in a bad state, clocks that jump, frames that vanish: what is lost, done twice, or left behind.

Nothing is. The sensor, the conditions and the runs are the real ones, one after the other (`rounds`).
"""

from __future__ import annotations

import shutil

import pytest

from sbas_assets import resources
from sbas_assets.frames import FrameCatalogue
from sbas_assets.published.verify import verify_frame
from sbas_assets.step import Frame, Outcome, Run, Step
from sbas_assets_tests.automation.date_by_date import NEAR_MM, same_reference_point, series_off_mm
from sbas_assets_tests.automation.deliveries import DATES, KEY, Delivery, metadata_of
from sbas_assets_tests.automation.rounds import Rounds, hours
from sbas_assets_tests.automation.test_discovery import no_coherence_yet, truncated_pair

pytestmark = pytest.mark.long

ONCE = "T071D_once"


@pytest.fixture
def begun(rounds: Rounds, delivery: Delivery) -> Rounds:
    """A frame of which the first dates are published."""
    rounds.add_frame(delivery.stack)
    rounds.rounds(2)
    assert rounds.outcomes() == ["SUCCESS"]
    return rounds


def require_as_at_once(rounds: Rounds, delivery: Delivery) -> None:
    """The series is that of a frame which has met the stack only as it is now."""
    same_reference_point(rounds.root, KEY, [ONCE])
    rounds.add_frame(delivery.stack, ONCE)
    rounds.rounds(2)
    assert rounds.outcomes(ONCE) == ["SUCCESS"]
    assert series_off_mm(rounds.root, KEY, ONCE) < NEAR_MM
    assert rounds.leftovers() == rounds.leftovers(ONCE) == []


def test_a_half_copied_date_and_a_pair_that_is_repaired_late_cost_a_run_each_and_nothing_else(
    begun: Rounds, delivery: Delivery
) -> None:
    delivery.dates(DATES[4])
    mend = no_coherence_yet(delivery)
    assert begun.rounds(3) == []
    assert KEY in begun.summary.partition("not whole: ")[2]
    mend()
    assert len(begun.rounds(4)) == 1
    delivery.dates(DATES[5])
    delivery.dates(DATES[6])
    mend = truncated_pair(delivery)
    assert [metadata_of(event)["dates_added"] for event in begun.rounds(4)] == []
    # given up for now: what is whole is not kept waiting for ever
    (event,) = begun.round(hours(2))
    assert metadata_of(event)["pairs_dropped"] == 1
    mend()
    (event,) = begun.rounds(4)
    assert metadata_of(event)["pairs_added_names"] == f"{DATES[3]}_{DATES[4]}"
    assert begun.outcomes() == ["SUCCESS"] * 4
    assert begun.versions() == [1, 2, 3, 4]
    require_as_at_once(begun, delivery)


def test_a_second_reference_date_stops_nothing_that_was_there_and_is_gone_on_with_when_mended(
    begun: Rounds, delivery: Delivery
) -> None:
    second = delivery.stack / f"baselines/{DATES[1]}_{DATES[2]}"
    second.mkdir()
    (second / f"{second.name}.txt").write_text("swath: IW1\nBperp (average): 3.0\nBpar (average): 1.0\n" * 2)
    delivery.dates(DATES[4])
    assert begun.rounds(2) == []
    assert begun.told("baseline-references-differ"), "the tick names it"
    # a person starts it nevertheless
    assert not begun.run(KEY)
    assert begun.rounds(2, hours(5)) == [], "and nobody else does, however long it stays so"
    assert begun.outcomes() == ["SUCCESS", "preflight"]
    assert begun.versions() == [1]
    shutil.rmtree(second)
    begun.rounds(3)
    assert begun.outcomes() == ["SUCCESS", "preflight", "SUCCESS"]
    assert begun.versions() == [1, 2]
    assert begun.leftovers() == []


def test_dates_that_come_while_the_clock_is_wrong_are_processed_once(begun: Rounds, delivery: Delivery) -> None:
    right = begun.now
    for wrong, date in ((right - 86400 * 3, DATES[4]), (right + 86400 * 40, DATES[5]), (right, DATES[6])):
        begun.now = wrong
        delivery.dates(date)
        assert [metadata_of(event)["dates_added_names"] for event in begun.rounds(4)] == [date]
    assert begun.outcomes() == ["SUCCESS"] * 4
    assert begun.versions() == [1, 2, 3, 4]
    assert begun.leftovers() == []


def test_a_run_of_a_frame_that_is_removed_meanwhile_stops_and_goes_on_when_the_frame_is_added_again(
    begun: Rounds, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, file = resources.execute, FrameCatalogue(begun.root).path(KEY)
    text = file.read_bytes()

    def removed_on_the_way(step: Step, frame: Frame, run: Run, digests: resources.Digests | None = None) -> Outcome:
        if step.name == "timeseries" and file.exists():
            FrameCatalogue(begun.root).remove(KEY)
            begun.instance.delete_dynamic_partition("frame", KEY)
        return execute(step, frame, run, digests)

    delivery.dates(DATES[4])
    with monkeypatch.context() as patch:
        patch.setattr(resources, "execute", removed_on_the_way)
        begun.rounds(3)
    assert begun.partitions() == []
    assert begun.outcomes() == ["SUCCESS", "frame-unknown"]
    assert begun.versions() == [1]
    assert not any(verify_frame(str(begun.root / "store"), KEY).values()), "readers have the version before, whole"
    assert begun.leftovers() == []
    assert begun.rounds(2, hours(1)) == []
    file.write_bytes(text)
    delivery.dates(DATES[5])
    begun.rounds(4)
    assert begun.partitions() == [KEY]
    assert begun.outcomes() == ["SUCCESS", "frame-unknown", "SUCCESS"]
    assert begun.versions() == [1, 2]
    assert begun.leftovers() == []
