"""The network inversion gives MintPy's numbers, pixel by pixel, whatever the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mintpy.ifgram_inversion import estimate_timeseries
from mintpy.objects import ifgramStack
from mintpy.simulation import decorrelation
from numpy.typing import NDArray

from sbas_assets.sbas.inversion import Inverted, Options, invert
from sbas_assets.sbas.inversion_types import DISCONNECTED, ILL_CONDITIONED, SKIPPED, SOLVED, TOO_FEW
from sbas_assets.sbas.network import Network
from sbas_assets.threads import pixel_threads

WAVELENGTH = 0.05546576  # m, Sentinel-1
MM_PER_RAD = 1e3 * WAVELENGTH / (4 * np.pi)
TOLERANCE_MM = 1e-4


@dataclass(frozen=True)
class Case:
    """A block of observations of a network."""

    pairs: Sequence[tuple[str, str]]
    phase: NDArray[np.float32]
    coherence: NDArray[np.float32]
    reference: NDArray[np.float32]

    def invert(self, options: Options, **more: Any) -> Inverted:
        with pixel_threads() as share:
            return invert(
                Network.of(self.pairs), options, self.phase, self.reference, share, coherence=self.coherence, **more
            )

    def by_mintpy(self, options: Options, pixel: int, dtype: type = np.float64) -> tuple[NDArray[Any], float, int]:
        """MintPy's own routine, in the precision asked for; MintPy itself runs it in single."""
        one, other = ifgramStack.get_design_matrix4timeseries([f"{a}_{b}" for a, b in self.pairs])
        observed = np.where(self.phase[:, pixel] == 0, np.float32(np.nan), self.phase[:, pixel] - self.reference)
        observed[observed == 0] = np.nan
        root = None
        if options.weight != "no":
            similarity = np.nan_to_num(self.coherence[:, [pixel]])
            weight = decorrelation.coherence2weight(similarity, options.weight, L=options.looks, print_msg=False)
            root = np.sqrt(weight).astype(dtype)
        years = Network.of(self.pairs).years.astype(dtype).reshape(-1, 1)
        if np.isnan(observed).all():
            return np.zeros(years.size + 1), 0.0, 0
        series, quality, count = estimate_timeseries(
            one.astype(dtype), other.astype(dtype), observed.astype(dtype), years, weight_sqrt=root,
            min_norm_velocity=options.velocity, min_redundancy=options.redundancy,
        )  # fmt: skip
        return series.ravel(), float(quality), int(count)


def acquisitions(days: Sequence[int]) -> list[str]:
    return [f"{date(2019, 1, 5) + timedelta(days=int(day)):%Y%m%d}" for day in np.cumsum([0, *days])]


def sequential(n_dates: int, connections: int, annual: int = 0) -> list[tuple[str, str]]:
    days = acquisitions([12] * (n_dates - 1))
    near = [(i, j) for i in range(n_dates) for j in range(i + 1, min(n_dates, i + connections + 1))]
    far = [(i, i + annual) for i in range(n_dates - annual)] if annual else []
    return [(days[i], days[j]) for i, j in near + far]


def observed(pairs: Sequence[tuple[str, str]], pixels: int, *, missing: float = 0.0, seed: int = 0) -> Case:
    """A random walk of 2 mm a step with noise, and coherence of all kinds."""
    rng = np.random.default_rng(seed)
    days = sorted({day for pair in pairs for day in pair})
    truth = np.cumsum(rng.normal(0, 0.5, (len(days), pixels)), axis=0)
    steps = np.array([truth[days.index(b)] - truth[days.index(a)] for a, b in pairs])
    phase = (steps + rng.normal(0, 0.3, steps.shape)).astype(np.float32)
    phase[rng.random(phase.shape) < missing] = 0
    coherence = rng.uniform(0.2, 0.98, phase.shape).astype(np.float32)
    return Case(pairs, phase, coherence, rng.normal(0, 1, len(pairs)).astype(np.float32))


def largest_difference(case: Case, options: Options, result: Inverted, dtype: type = np.float64) -> float:
    """In mm; quality and count are checked on the way.

    A pixel that was left to MintPy has MintPy's single precision.
    """
    worst = 0.0
    for pixel in range(case.phase.shape[1]):
        exactly = np.float32 if result.status[pixel] == ILL_CONDITIONED else dtype
        series, quality, count = case.by_mintpy(options, pixel, exactly)
        worst = max(worst, float(np.abs(series - result.series[:, pixel]).max()) * MM_PER_RAD)
        assert result.quality[pixel] == pytest.approx(quality, abs=1e-5)
        assert result.count[pixel] == count
    return worst


@pytest.mark.parametrize("weight", ["var", "fim", "coh", "no"])
@pytest.mark.parametrize("velocity", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_every_weight_and_norm_equals_mintpys(weight: Any, velocity: bool, missing: float) -> None:
    case = observed(sequential(20, 3), 150, missing=missing)
    options = Options(weight=weight, looks=30, velocity=velocity)
    result = case.invert(options)
    assert largest_difference(case, options, result) < TOLERANCE_MM
    # what remains against MintPy as it is, is its own rounding
    assert largest_difference(case, options, result, np.float32) < 20 * TOLERANCE_MM
    assert ((result.status == DISCONNECTED).any(), (result.status == TOO_FEW).any()) == (missing > 0, missing > 0)


def test_displacement_as_large_as_volcanoes_have_equals_mintpys_to_a_ten_thousandth_of_a_millimetre() -> None:
    case = observed(sequential(98, 3), 60)
    options = Options(weight="no")
    assert largest_difference(case, options, case.invert(options), np.float32) < TOLERANCE_MM


@pytest.mark.parametrize("annual", [15, 30])
def test_networks_with_annual_pairs_are_put_in_an_order_with_little_fill(annual: int) -> None:
    pairs = sequential(60, 3, annual)
    natural = 59 * annual  # entries of a band as wide as a year
    assert Network.of(pairs).elimination.row.size < 0.7 * natural
    case = observed(pairs, 40, missing=0.1)
    assert largest_difference(case, Options(looks=20), case.invert(Options(looks=20))) < TOLERANCE_MM


def test_all_pairs_of_all_dates_can_be_inverted() -> None:
    case = observed(sequential(30, 29), 40, missing=0.5)
    assert largest_difference(case, Options(looks=20), case.invert(Options(looks=20))) < TOLERANCE_MM


def test_one_pair_alone_is_its_own_series() -> None:
    case = observed([("20200101", "20200113")], 10)
    result = case.invert(Options(weight="no"))
    np.testing.assert_allclose(result.series[1], case.phase[0] - case.reference[0], rtol=1e-6)
    assert (result.quality == 1).all()


@pytest.mark.parametrize("redundancy", [0.0, 1.0, 2.0, 3.0])
def test_pixels_with_too_few_pairs_of_a_date_are_left_out_as_mintpy_does(redundancy: float) -> None:
    case = observed(sequential(12, 3), 300, missing=0.35)
    options = Options(looks=20, redundancy=redundancy)
    result = case.invert(options)
    assert largest_difference(case, options, result) < TOLERANCE_MM
    left_out = result.status == TOO_FEW
    assert left_out.any() == (redundancy > 0)
    assert not result.series[:, left_out].any()


def test_pairs_whose_first_date_is_the_later_one_are_understood() -> None:
    pairs = [(b, a) if k % 3 else (a, b) for k, (a, b) in enumerate(sequential(15, 3))]
    case = observed(pairs, 80, missing=0.2)
    assert largest_difference(case, Options(looks=20), case.invert(Options(looks=20))) < TOLERANCE_MM


def test_pairs_of_one_reference_date_are_understood() -> None:
    days = acquisitions([12] * 9)
    case = observed([(days[4], day) for day in days if day != days[4]], 80, missing=0.05)
    for redundancy in (0.0, 1.0):
        options = Options(weight="no", redundancy=redundancy)
        assert largest_difference(case, options, case.invert(options)) < TOLERANCE_MM


def test_zero_and_missing_coherence_weigh_as_little_as_mintpy_lets_them() -> None:
    case = observed(sequential(12, 3), 100)
    rng = np.random.default_rng(5)
    case.coherence[rng.random(case.coherence.shape) < 0.3] = 0
    case.coherence[rng.random(case.coherence.shape) < 0.1] = np.nan
    case.coherence[rng.random(case.coherence.shape) < 0.1] = 1
    for weight in ("var", "fim", "coh"):
        options = Options(weight=weight, looks=80)
        assert largest_difference(case, options, case.invert(options)) < TOLERANCE_MM


def test_every_coherence_falls_into_the_bin_that_mintpy_puts_it_in() -> None:
    first, last = (np.float32(value).view(np.uint32) for value in (0.05, 1.001))
    coherence = np.arange(first, last, dtype=np.uint32).view(np.float32).astype(np.float64)
    bins = np.linspace(0.005, 1.0, num=200) - 0.0025
    clipped = np.clip(coherence, bins.min(), bins.max())
    theirs = ((clipped - bins.min()) / 0.005).astype(np.int16)
    ours = ((np.minimum(coherence, 0.9975) - 0.0025) * 200.0).astype(np.int16)
    assert np.array_equal(ours, theirs)


def test_a_mask_dataset_leaves_observations_out() -> None:
    case = observed(sequential(12, 3), 50)
    rng = np.random.default_rng(2)
    components = rng.integers(0, 4, case.phase.shape).astype(np.int16)
    for options, mask, kept in (
        (Options(looks=20, mask="connectComponent"), components, components != 0),
        (Options(looks=20, mask="coherence", threshold=0.4), case.coherence, case.coherence >= np.float32(0.4)),
    ):
        masked = Case(case.pairs, np.where(kept, case.phase, np.float32(0)), case.coherence, case.reference)
        result = case.invert(options, mask=mask)
        assert largest_difference(masked, options, result) < TOLERANCE_MM


def test_unwanted_pixels_and_pixels_without_data_stay_zero() -> None:
    case = observed(sequential(12, 3), 130)
    case.phase[:, 3], case.phase[:, 4] = 0, np.nan
    case.phase[:, 5] = case.reference
    wanted = np.ones(130, np.bool_)
    wanted[100:] = False
    result = case.invert(Options(looks=20), wanted=wanted)
    skipped = [3, 4, 5, *range(100, 130)]
    assert (result.status[skipped] == SKIPPED).all()
    assert (np.delete(result.status, skipped) == SOLVED).all()
    assert not result.series[:, skipped].any()
    assert not result.quality[skipped].any()
    assert not result.count[skipped].any()


@pytest.mark.parametrize("threads", ["1", "3"])
def test_numbers_do_not_depend_on_neighbours_or_threads_to_the_bit(
    threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = observed(sequential(14, 3), 9000, missing=0.2)
    whole = case.invert(Options(looks=20))
    monkeypatch.setenv("SBAS_THREADS", threads)
    for start, stop in ((0, 9000), (0, 1), (17, 4711), (8999, 9000)):
        part = Case(
            case.pairs, case.phase[:, start:stop].copy(), case.coherence[:, start:stop].copy(), case.reference
        ).invert(Options(looks=20))
        assert np.array_equal(part.series, whole.series[:, start:stop])
        assert np.array_equal(part.quality, whole.quality[start:stop])


def test_a_pixel_that_mintpy_would_cut_off_a_part_of_is_left_to_mintpy() -> None:
    days = acquisitions([400, 400, 400, 1])
    pairs = [(days[0], days[1]), (days[1], days[2]), (days[2], days[3]), (days[3], days[4])]
    case = observed(pairs, 20)
    case.coherence[:] = 0.9999
    case.coherence[3, :10] = 0.01
    options = Options(weight="fim", looks=20)
    result = case.invert(options)
    assert (result.status[:10] == ILL_CONDITIONED).all()
    assert (result.status[10:] == SOLVED).all()
    assert largest_difference(case, options, result) < TOLERANCE_MM
    # what is cut off is the day with the least weight
    assert np.abs(result.series[4, :10] - result.series[3, :10]).max() < 1e-3


@st.composite
def cases(draw: st.DrawFn) -> tuple[Case, Options]:
    """Random networks, in random order, connected or not, with random data missing and random coherence."""
    n_dates = draw(st.integers(2, 12))
    days = acquisitions(draw(st.lists(st.integers(1, 400), min_size=n_dates - 1, max_size=n_dates - 1)))
    every = [(a, b) for k, a in enumerate(days) for b in days[k + 1 :]]
    chosen = draw(st.lists(st.sampled_from(every), min_size=1, max_size=40, unique=True))
    pairs = [pair[::-1] if draw(st.booleans()) else pair for pair in chosen]
    seed = draw(st.integers(0, 2**32 - 1))
    case = observed(pairs, 8, missing=draw(st.sampled_from([0.0, 0.1, 0.5])), seed=seed)
    rng = np.random.default_rng(seed)
    case.coherence[rng.random(case.coherence.shape) < draw(st.sampled_from([0.0, 0.3]))] = 0
    case.coherence[rng.random(case.coherence.shape) < draw(st.sampled_from([0.0, 0.3]))] = 1
    options = Options(
        weight=draw(st.sampled_from(["var", "fim", "coh", "no"])),
        looks=draw(st.integers(1, 120)),
        redundancy=draw(st.sampled_from([0.0, 1.0, 2.0])),
        velocity=draw(st.booleans()) or Network.of(pairs).fixed != 0,
    )
    return case, options


@settings(max_examples=200, deadline=None)
@given(cases())
def test_any_network_is_inverted_as_mintpy_does(drawn: tuple[Case, Options]) -> None:
    case, options = drawn
    assert largest_difference(case, options, case.invert(options)) < TOLERANCE_MM
