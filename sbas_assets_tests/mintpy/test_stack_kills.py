"""A load of a stack is killed before a change that it makes to a file: nothing wrong is left, nothing is lost.

`--exhaustive` kills it before each change, else before every fourth.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sbas_assets import transaction
from sbas_assets.digests import Digests
from sbas_assets.mintpy.loading import IFGRAM_STACK
from sbas_assets.mintpy.stack_segments import CROWD
from sbas_assets.provenance import damaged_outputs, read_record
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.step import Run
from sbas_assets.survey import require_stack
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import (
    STACK,
    Delivery,
    contents,
    load,
    on_disk,
    recorded,
    segments,
)
from sbas_assets_tests.mintpy.updates_at_work import killed_at
from sbas_assets_tests.test_products_are_reproducible import without_run

pytestmark = pytest.mark.long

DATES = regular_dates("20200511", 8, 24)
RUN = Run("a-run", lambda _: None)
SAMPLE = 4


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "whole"
    simulate_stack(SimulationConfig(length=40, width=40, dates=DATES, seed=5), folder)
    return folder


def first_load(_: Delivery, __: Loader) -> int:
    return 18


def one_date_more(delivery: Delivery, loader: Loader) -> int:
    """All but one pair of the last date come later; one of the first segment has other images, one has gone."""
    load(loader)
    late = [pair for pair in delivery.among(DATES) if DATES[-1] in pair]
    delivery.replace(delivery.pairs[3])
    delivery.withdraw(delivery.pairs[:1])
    delivery.bring(late)
    return len(late) + 1


def one_segment_too_many(delivery: Delivery, loader: Loader) -> int:
    load(loader)
    for number in range(CROWD):
        if number:
            load(loader)
        delivery.replace(delivery.pairs[number])
    return 1


def less_than_half_left(delivery: Delivery, loader: Loader) -> int:
    load(loader)
    delivery.withdraw(set(delivery.pairs) - set(delivery.among(DATES[:4])))
    return 0


Prepare = Callable[[Delivery, Loader], int]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("prepare", [first_load, one_date_more, one_segment_too_many, less_than_half_left])
def test_a_load_killed_at_any_moment_is_taken_up_by_the_next(
    whole: Path, prepare: Prepare, tmp_path: Path, exhaustive: bool
) -> None:
    delivery = Delivery.begin(whole, tmp_path / "stack")
    delivery.bring(delivery.among(DATES[:-1]) if prepare is not first_load else delivery.among(DATES))
    start = Loader(tmp_path / "start", delivery.stack)
    new = prepare(delivery, start)
    require_stack(start.frame, RUN)
    old = contents(start.root / STACK) if (start.root / STACK).exists() else None
    undisturbed = copied(start, tmp_path / "undisturbed")
    load(undisturbed)
    right, rest = products(undisturbed), []
    step = 1 if exhaustive else SAMPLE
    for moment in range(1, 1000, step):
        loader = copied(start, tmp_path / "killed")
        if not killed_at(loader, IFGRAM_STACK, moment):
            break
        require_nothing_wrong(loader, old, contents(undisturbed.root / STACK))
        outcome = execute(IFGRAM_STACK, loader.frame, RUN)
        if outcome.how != "reused":
            rest.append(outcome.record.metrics["pairs_read"])
        assert products(loader) == right
        assert on_disk(loader) == recorded(loader)
        shutil.rmtree(loader.folder)
    # what is in place is not read again: from some moment on nothing is
    assert len(rest) * step > 10
    assert rest == sorted(rest, reverse=True)
    assert set(rest) == {new, 0}
    assert moment > len(rest)


def copied(loader: Loader, folder: Path) -> Loader:
    shutil.copytree(loader.folder, folder)
    return Loader(folder, loader.stack)


def require_nothing_wrong(loader: Loader, old: object, new: object) -> None:
    """The record is the old one with the old files, or the new one with the new, or there is none."""
    record = read_record(loader.frame.workspace, "ifgramStack")
    assert list((loader.frame.workspace.hidden / "staging").glob("*")) in [[], [_staging(loader)]]
    if record is None:
        return
    assert damaged_outputs(Digests(), loader.frame.workspace, record) == []
    assert contents(loader.root / STACK) in [old, new]


def _staging(loader: Loader) -> Path:
    return loader.frame.workspace.hidden / "staging/ifgramStack"


def products(loader: Loader) -> dict[str, bytes]:
    return {name: without_run((loader.root / name).read_bytes()) for name in sorted(on_disk(loader))}


def test_at_no_moment_does_the_stack_of_before_lack_one_of_its_files(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MintPy's programs may read it: until the new one has its name, the old one is whole."""
    delivery = Delivery.begin(whole, tmp_path / "stack")
    delivery.bring(delivery.among(DATES[:-1]))
    loader = Loader(tmp_path, delivery.stack)
    less_than_half_left(delivery, loader)
    before, seen = contents(loader.root / STACK), []
    original = transaction.move_into_place

    def look_first(source: Path, target: Path) -> None:
        seen.append(target.name)
        assert contents(loader.root / STACK) == before
        original(source, target)
        if target.name != "ifgramStack.h5":
            assert contents(loader.root / STACK) == before
        else:
            monkeypatch.undo()

    monkeypatch.setattr(transaction, "move_into_place", look_first)
    load(loader)
    assert len(seen) == 2
    assert len(segments(loader)) == 1
    assert json.loads(loader.frame.workspace.record("ifgramStack").read_text())["outputs"][0]["path"] == STACK
