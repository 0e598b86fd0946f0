"""A series that is updated date by date is the series of all pairs; what would not be is refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from mintpy.ifgram_inversion import estimate_timeseries
from mintpy.objects import ifgramStack
from mintpy.simulation.decorrelation import coherence2weight

from sbas_assets.sbas import inversion_keeping
from sbas_assets.sbas.inversion_types import APART, DEAD, HIDDEN, LIVE
from sbas_assets.sbas.inversion_update import MOVED_IN_ALL_MM
from sbas_assets.sbas.network import Network
from sbas_assets_tests.benchmarks.simulated_stack import WAVELENGTH, Recipe
from sbas_assets_tests.sbas.growing_stack import FILES, GrowingStack

SMALL = Recipe(length=9, width=40, dates=50)


@pytest.fixture
def stack(tmp_path: Path) -> GrowingStack:
    """Its first 49 dates are inverted as version `old`."""
    stack = GrowingStack(tmp_path, SMALL)
    stack.show(49)
    assert stack.whole("old") == ""
    return stack


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(("connections", "first"), [(2, 60), (3, 45), (4, 55), (5, 60)])
def test_forty_updates_give_the_series_of_all_pairs(
    connections: int, first: int, missing: float, tmp_path: Path
) -> None:
    stack = GrowingStack(
        tmp_path, Recipe(length=6, width=50, dates=first + 40, connections=connections, missing=missing)
    )
    stack.show(first)
    refusal = stack.whole("0")
    if connections == 2 and missing:
        # a twentieth of the pixels has lost the three pairs that hold two neighbouring dates together
        assert refusal == "too many pixels have pairs that leave their network in parts"
        return
    assert refusal == ""
    for number in range(40):
        stack.show(first + number + 1)
        done = stack.update(str(number), str(number + 1))
        assert done.updates == number + 1
        if number % 8 == 7:
            stack.assert_as_whole(str(number + 1))
    assert done.moved_in_all_mm <= MOVED_IN_ALL_MM
    assert done.pairs_read < 0.75 * done.pairs


@pytest.mark.parametrize("weight", ["var", "fim", "coh", "no"])
def test_an_updated_series_is_what_mintpys_estimate_gives_in_double_precision(weight: str, tmp_path: Path) -> None:
    stack = GrowingStack(tmp_path, SMALL, options=["-w", weight])
    stack.show(48)
    stack.whole("0")
    for number in (1, 2):
        stack.show(48 + number)
        stack.update(str(number - 1), str(number))
    with h5py.File(stack.stack) as h5:
        phase, coherence = (h5[name][:, 4, 5:15].astype(float) for name in ("unwrapPhase", "coherence"))
        phase -= h5["unwrapPhase"][:, 0, 0].astype(float)[:, None]
    one, other = (matrix.astype(float) for matrix in ifgramStack.get_design_matrix4timeseries(stack.pairs))
    years = Network.of([tuple(pair.split("_")) for pair in stack.pairs]).years[:, None]
    roots = None
    if weight != "no":
        roots = np.sqrt(coherence2weight(coherence.astype(np.float32), weight, L=50, print_msg=False)).astype(float)
    for pixel in range(phase.shape[1]):
        root = None if roots is None else roots[:, pixel]
        series = estimate_timeseries(one, other, phase[:, pixel], years, weight_sqrt=root)[0].ravel()
        ours = stack.results("2")["timeseries"][:, 4, 5 + pixel]
        assert 1e3 * np.abs(-WAVELENGTH / (4 * np.pi) * series - ours).max() <= 1e-4


def test_pixels_that_lack_pairs_are_as_in_an_inversion_of_all_pairs(tmp_path: Path) -> None:
    stack = GrowingStack(tmp_path, SMALL)
    pair = {name: number for number, name in enumerate(stack.pairs)}
    days = stack.days

    def of(*dates: int) -> list[int]:
        return sorted(number for name, number in pair.items() if {days[date] for date in dates} & set(name.split("_")))

    def spoil(h5: h5py.File) -> None:
        phase = h5["unwrapPhase"]
        for column, lost in enumerate((of(0), of(5), of(2, 3), of(47), of(48), of(46, 47))):
            phase[lost, 1, column] = 0
        # held together by one pair, or by none, in the tail
        across = [number for name, number in pair.items() if name < f"{days[45]}" and name.split("_")[1] >= days[45]]
        phase[across, 1, 6] = 0
        phase[across[1:], 1, 7] = 0

    stack.spoil(spoil)
    stack.show(47)
    assert stack.whole("47") == ""
    assert list(stack.kinds("47")[1, :4]) == [APART, DEAD, DEAD, LIVE]
    for date in (48, 49, 50):
        stack.show(date)
        stack.update(str(date - 1), str(date))
        stack.assert_as_whole(str(date))
    # a date without pairs hides the series until it has some; here it never has
    assert stack.kinds("48")[1, 3] == HIDDEN
    assert not stack.results("50")["timeseries"][:, 1, 3].any()
    assert stack.kinds("50")[1, 6] == APART


def test_a_series_that_was_hidden_comes_back(tmp_path: Path) -> None:
    stack = GrowingStack(tmp_path, SMALL)
    of_last = [number for number, name in enumerate(stack.pairs) if name.endswith(stack.days[48])]

    def spoil(h5: h5py.File) -> None:
        for number in of_last:
            h5["unwrapPhase"][number, 2, 3:9] = 0

    stack.spoil(spoil)
    stack.show(48)
    stack.whole("48")
    for date in (49, 50):
        stack.show(date)
        stack.update(str(date - 1), str(date))
        stack.assert_as_whole(str(date))
    assert (stack.kinds("49")[2, 3:9] == HIDDEN).all()
    assert (stack.kinds("50")[2, 3:9] == LIVE).all()
    assert stack.results("50")["timeseries"][1:, 2, 3:9].all()


@pytest.mark.parametrize(
    ("pixels", "reason"), [(4, ""), (17, "too many pixels have lost pairs that hold their network")]
)
def test_few_pixels_that_fall_apart_in_an_update_are_read_whole_and_many_are_refused(
    pixels: int, reason: str, stack: GrowingStack
) -> None:
    across = [name for name in stack.pairs if name < f"{stack.days[46]}" and name.split("_")[1] >= stack.days[46]]

    def spoil(h5: h5py.File) -> None:
        for name in across:
            h5["unwrapPhase"][stack.pairs.index(name), 2, 3 : 3 + pixels] = 0

    stack.spoil(spoil)
    stack.show(50)
    if reason:
        assert stack.refused("old").startswith(reason)
    else:
        assert stack.update("old", "new").counts.disconnected == 0
        stack.assert_as_whole("new")
        assert (stack.kinds("new")[2, 3 : 3 + pixels] == APART).all()


def test_pairs_behind_the_checkpoint_may_come_go_and_change(stack: GrowingStack) -> None:
    stack.contents[stack.pairs[-9]] = "made anew"
    stack.spoil(lambda h5: h5["unwrapPhase"].__setitem__(len(stack.pairs) - 9, h5["unwrapPhase"][-9] + 0.01))
    stack.show(50, without=lambda pair: pair == stack.pairs[-12] or stack.days[47] in pair)
    stack.update("old", "new")
    stack.assert_as_whole("new")
    stack.show(50)
    stack.update("new", "newer")
    stack.assert_as_whole("newer")


def test_several_dates_at_once_and_none_at_all_are_updates(tmp_path: Path) -> None:
    stack = GrowingStack(tmp_path, SMALL)
    stack.show(45)
    stack.whole("45")
    stack.show(50)
    stack.update("45", "50")
    stack.assert_as_whole("50")
    stack.update("50", "again")
    stack.assert_as_whole("again")


def test_masked_observations_are_left_out_of_an_update_too(tmp_path: Path) -> None:
    stack = GrowingStack(tmp_path, SMALL, options=["-w", "coh", "--mask-dset", "coherence", "--mask-thres", "0.34"])
    stack.show(49)
    assert stack.whole("old") == ""
    stack.show(50)
    stack.update("old", "new")
    stack.assert_as_whole("new")


@pytest.mark.parametrize("what", ["changed", "removed", "added"])
def test_other_pairs_before_the_checkpoint_are_refused(what: str, stack: GrowingStack) -> None:
    stack.show(50)
    if what == "changed":
        stack.contents[stack.pairs[7]] = "made anew"
    elif what == "removed":
        stack.show(50, without=lambda pair: pair == stack.pairs[7])
    else:
        stack.show(49, without=lambda pair: pair == stack.pairs[7])
        stack.whole("old")
        stack.show(50)
    assert "came, went or changed" in stack.refused("old")


def test_a_date_before_the_checkpoint_is_refused(stack: GrowingStack) -> None:
    stack.show(49, without=lambda pair: stack.days[4] in pair)
    stack.whole("old")
    stack.show(50)
    assert f"came or went ({stack.days[4]})" in stack.refused("old")


def test_other_options_or_libraries_or_another_reference_point_are_refused(stack: GrowingStack) -> None:
    stack.show(50)
    assert stack.refused("old", made_with={"mintpy": "2.0"}) == "other mintpy"
    stack.options = ["-w", "fim"]
    assert stack.refused("old") == "other weight"
    stack.options = ["-w", "var"]
    stack.spoil(lambda h5: h5.attrs.update({"REF_Y": "1", "REF_X": "2"}))
    assert stack.refused("old") == "other REF_X, REF_Y"


def test_a_tail_that_is_too_short_is_refused_and_said(stack: GrowingStack, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(inversion_keeping, "tail_length", lambda _: 8)
        stack.whole("old")
    stack.show(50)
    assert stack.refused("old").startswith("the series before")


def test_nothing_is_kept_of_a_network_that_is_short_or_has_long_pairs(tmp_path: Path) -> None:
    for name, recipe in (("short", Recipe(6, 8, 12)), ("long", Recipe(6, 8, 60, annual=True))):
        stack = GrowingStack(tmp_path / name, recipe)
        assert stack.whole("old") == "the series is too short, or its pairs reach too far"
        assert not (stack.folder / "old" / "state.h5").exists()


def test_an_update_writes_the_same_bytes_whatever_memory_and_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = GrowingStack(tmp_path, Recipe(length=9, width=40, dates=50, missing=0.1))
    stack.show(49)
    made = []
    for memory, threads in (("4", "1"), ("0.001", "3")):
        monkeypatch.setenv("SBAS_THREADS", threads)
        stack.options = ["-w", "var", "--ram", memory]
        stack.show(49)
        stack.whole("old")
        stack.show(50)
        stack.update("old", "new")
        made.append([(stack.folder / "new" / name).read_bytes() for name in (*FILES, "state.h5")])
    assert made[0] == made[1]
