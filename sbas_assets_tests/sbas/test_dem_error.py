"""The DEM error: MintPy's numbers, for every option, every geometry and every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sbas_assets.sbas.deformation_model import Model, Options
from sbas_assets.sbas.dem_error import Estimated, Geometry, estimate
from sbas_assets.sbas.dem_error_kernel import BY_MINTPY, SKIPPED, SOLVED
from sbas_assets.simulate import regular_dates
from sbas_assets.threads import THREADS, pixel_threads

DATES = regular_dates("20160511", 16, 24)
# metres: of displacement, and of the DEM; the first as MintPy rounds, the second as its arrays do
MINTPY, ROUNDING = (1e-6, 2e-3), (2e-8, 2e-5)

OPTIONS = {
    "a parabola": Options(),
    "a line": Options(degree=1),
    "a polynomial of fourth degree": Options(degree=4),
    "a step": Options(steps=[DATES[7]]),
    "two steps by the minute": Options(steps=["20160709T1200", "20161101T1415"]),
    "a step after the last date": Options(steps=["20300101"]),
    "excluded dates": Options(excluded=[DATES[3], DATES[8]]),
    "the first and the last date excluded": Options(excluded=[DATES[0], DATES[-1]]),
    "a season": Options(degree=1, periods=[0.4]),
    "all of it": Options(degree=2, steps=[DATES[7]], excluded=[DATES[3], DATES[4]], periods=[0.4]),
}
GEOMETRIES = ("mean", "of pixels", "with baselines of pixels")


def years_of(dates: Sequence[str]) -> np.ndarray:
    days = np.array([np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:8]}") for date in dates])
    return (days - days[0]).astype("f4") / np.float32(365.25)


def model_of(options: Options, dates: Sequence[str] = DATES) -> Model:
    return Model.of(dates, years_of(dates), options, seconds=51000.0)


def geometry_of(kind: str, dates: int, pixels: int, rng: np.random.Generator) -> Geometry:
    baseline = rng.normal(0, 60, (dates, 1)).astype("f4")
    if kind == "mean":
        return Geometry(baseline, 38.5, 8.7e5)
    if kind == "with baselines of pixels":
        baseline = (baseline * rng.uniform(0.98, 1.02, pixels) + rng.normal(0, 1, (dates, pixels))).astype("f4")
    incidence, distance = rng.uniform(30, 45, pixels).astype("f4"), rng.uniform(8e5, 9.5e5, pixels).astype("f4")
    return Geometry(baseline, incidence, distance, reference=2)


def series_of(years: np.ndarray, geometry: Geometry, pixels: int, rng: np.random.Generator) -> np.ndarray:
    motion = 0.03 * rng.normal(size=pixels) * years[:, None] + 0.005 * rng.normal(size=(years.size, pixels))
    return (motion + geometry.lever / 5e5 * rng.normal(0, 10, pixels)).astype("f4")


def run(model: Model, geometry: Geometry, series: np.ndarray, coherence: np.ndarray | None = None) -> Estimated:
    with pixel_threads() as share:
        return estimate(model, geometry, series, share, coherence=coherence)


def by_mintpy(model: Model, geometry: Geometry, series: np.ndarray, *, double: bool = False) -> Estimated:
    """`correct_dem_error_patch`, 2.2, in MintPy's precision or in double, without what MintPy skips."""
    from mintpy.dem_error import estimate_dem_error

    out = Estimated(*(np.zeros(shape, "f8") for shape in (series.shape[1:], series.shape, series.shape, ())))
    kind = "f8" if double else series.dtype
    for pixel in range(series.shape[1]):
        column = geometry.columns(np.array([pixel]))
        design = np.hstack((column, model.matrix))
        design = design.astype("f8") if double else design
        values, years = series[:, [pixel]].astype(kind), model.years.astype(kind)
        found = estimate_dem_error(values, design, years, model.used, model.options.velocity)
        out.dem[pixel], out.corrected[:, [pixel]], out.residual[:, [pixel]] = found[0][0], found[1], found[2]
    return out


def assert_close(found: Estimated, expected: Estimated, tolerance: tuple[float, float], size: float = 1.0) -> None:
    displacement, height = tolerance
    np.testing.assert_allclose(found.dem, expected.dem, rtol=1e-6, atol=height * size)
    np.testing.assert_allclose(found.corrected, expected.corrected, rtol=1e-7, atol=displacement * size)
    np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-7, atol=displacement * size)


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize("velocity", [False, True], ids=["displacement", "velocity"])
@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_gives_the_numbers_of_mintpy(name: str, velocity: bool, kind: str) -> None:
    rng = np.random.default_rng(1)
    model = model_of(replace(OPTIONS[name], velocity=velocity))
    geometry = geometry_of(kind, len(DATES), 150, rng)
    series = series_of(model.years, geometry, 150, rng)
    found = run(model, geometry, series)
    assert set(found.status) == {SOLVED}
    assert {found.dem.dtype, found.corrected.dtype, found.residual.dtype} == {np.dtype("f4")}
    assert_close(found, by_mintpy(model, geometry, series, double=True), ROUNDING)
    # MintPy divides by the time between dates in single precision
    assert_close(found, by_mintpy(model, geometry, series), MINTPY, size=3 if velocity else 1)


@given(
    seed=st.integers(0, 2**32 - 1),
    gaps=st.lists(st.sampled_from([6, 12, 18, 24, 36, 96, 300]), min_size=9, max_size=40),
    degree=st.integers(1, 4),
    velocity=st.booleans(),
    steps=st.integers(0, 2),
    excluded=st.integers(0, 3),
    kind=st.sampled_from(GEOMETRIES),
)
@settings(max_examples=100, deadline=None)
def test_any_dates_baselines_steps_and_exclusions_give_the_numbers_of_mintpy(
    *, seed: int, gaps: list[int], degree: int, velocity: bool, steps: int, excluded: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    days = np.datetime64("2015-01-03") + np.cumsum([0, *gaps])
    dates = [str(day).replace("-", "") for day in days]
    inner = rng.permutation(dates[1:-1]).tolist()
    options = Options(degree, velocity, steps=inner[:steps], excluded=inner[steps : steps + excluded])
    model = model_of(options, dates)
    geometry = geometry_of(kind, len(dates), 5, rng)
    series = series_of(model.years, geometry, 5, rng)
    series[rng.integers(len(dates)), 1], series[:, 2] = np.nan, 0
    found = run(model, geometry, series)
    lost = np.array([False, True, True, False, False])
    np.testing.assert_array_equal(found.status[lost], SKIPPED)
    assert not found.corrected[:, lost].any()
    assume(set(found.status[~lost]) == {SOLVED})
    expected = by_mintpy(model, geometry, np.nan_to_num(series), double=True)
    for values in (expected.dem, expected.corrected.T, expected.residual.T):
        values[lost] = 0
    # noise of 5 mm over baselines that hardly differ from the model makes DEM errors of many metres
    assert_close(
        found, expected, ROUNDING, size=max(1.0, np.abs(series[:, ~lost]).max(), np.abs(expected.dem).max() / 50)
    )


def skipped(change: str) -> tuple[np.ndarray, Estimated]:
    """Correct pixels of which number 1 was changed; all others have to be corrected."""
    rng = np.random.default_rng(2)
    model, geometry = model_of(Options()), geometry_of("with baselines of pixels", len(DATES), 4, rng)
    series, coherence = series_of(model.years, geometry, 4, rng), np.full(4, 0.7, "f4")
    if change == "all zero":
        series[:, 1] = 0
    elif change == "values that add up to zero":
        series[:, 1] = np.tile([0.25, -0.25], 8)
    elif change in {"NaN", "infinity"}:
        series[5, 1] = float(change)
    elif change == "NaN in an excluded date":
        model, series[5, 1] = model_of(Options(excluded=[DATES[5]])), np.nan
    elif change.startswith("coherence"):
        coherence[1] = float(change.split()[1])
    elif change.startswith("baseline"):
        geometry.baseline[3, 1] = np.nan
    else:
        name, value = change.split()
        getattr(geometry, name)[1] = float(value)
    return series, run(model, geometry, series, coherence)


@pytest.mark.parametrize(
    "change",
    [
        "all zero",
        "values that add up to zero",
        "NaN",
        "NaN in an excluded date",
        "infinity",
        "coherence 0",
        "incidence 0",
        "incidence nan",
        "incidence inf",
        "distance 0",
        "distance nan",
        "baseline nan",
    ],
)
def test_a_pixel_without_data_is_skipped_and_zero_everywhere(change: str) -> None:
    _, found = skipped(change)
    assert found.status.tolist() == [SOLVED, SKIPPED, SOLVED, SOLVED]
    assert found.dem[1] == 0
    assert not found.corrected[:, 1].any()
    assert not found.residual[:, 1].any()
    assert found.residual[:, [0, 2, 3]].all()


def test_a_coherence_that_is_no_number_skips_nothing_as_with_mintpy() -> None:
    _, found = skipped("coherence nan")
    assert set(found.status) == {SOLVED}


@pytest.mark.parametrize("velocity", [False, True])
@pytest.mark.parametrize("kind", GEOMETRIES)
def test_baselines_that_are_all_the_same_leave_the_displacement_as_it_is(kind: str, velocity: bool) -> None:
    rng = np.random.default_rng(3)
    model, geometry = model_of(Options(velocity=velocity)), geometry_of(kind, len(DATES), 6, rng)
    geometry.baseline[:] = 7.5
    series = series_of(model.years, geometry, 6, rng)
    found = run(model, geometry, series)
    assert set(found.status) == {SOLVED}
    assert not found.dem.any()
    np.testing.assert_array_equal(found.corrected, series)
    assert_close(found, by_mintpy(model, geometry, series), MINTPY)


def doubtful(what: str, kind: str) -> tuple[Model, Geometry]:
    """A model and a geometry of six pixels that MintPy has to decide on."""
    rng = np.random.default_rng(4)
    options, dates = Options(), DATES
    if what == "fewer dates than parameters":
        options, dates = Options(degree=3), DATES[:4]
    elif what == "all dates but three excluded":
        options = Options(excluded=DATES[:13])
    elif what == "a step before the first date":
        options = Options(steps=["20100101"])
    elif what == "the same step twice":
        options = Options(steps=[DATES[5], DATES[5]])
    geometry = geometry_of(kind, len(dates), 6, rng)
    if what == "baselines that grow with time":
        geometry.baseline[:] = 40 * years_of(dates)[:, None] + 1e-3 * geometry.baseline
    elif what == "pixels beyond the moon":
        distance = 5e14 if kind == "mean" else np.full(6, 5e14, "f4")
        geometry = replace(geometry, distance=distance)
    return model_of(options, dates), geometry


@pytest.mark.parametrize("kind", GEOMETRIES)
@pytest.mark.parametrize(
    "what",
    [
        "fewer dates than parameters",
        "all dates but three excluded",
        "a step before the first date",
        "the same step twice",
        "baselines that grow with time",
        "pixels beyond the moon",
    ],
)
def test_what_the_dates_do_not_tell_apart_is_decided_by_mintpy(what: str, kind: str) -> None:
    model, geometry = doubtful(what, kind)
    series = series_of(model.years, geometry, 6, np.random.default_rng(5))
    series[:, 2] = 0
    found = run(model, geometry, series)
    assert found.status.tolist() == [BY_MINTPY, BY_MINTPY, SKIPPED, BY_MINTPY, BY_MINTPY, BY_MINTPY]
    expected = by_mintpy(model, geometry, series)
    if kind != "mean":
        np.testing.assert_array_equal(found.dem, expected.dem.astype("f4"))
    assert_close(found, expected, ROUNDING, size=max(1, np.abs(expected.dem).max()))


def test_one_pixel_that_is_far_away_is_given_to_mintpy_and_its_neighbours_are_not() -> None:
    rng = np.random.default_rng(6)
    model, geometry = model_of(Options()), geometry_of("of pixels", len(DATES), 3, rng)
    geometry.distance[1] = 5e14
    series = series_of(model.years, geometry, 3, rng)
    found = run(model, geometry, series)
    assert found.status.tolist() == [SOLVED, BY_MINTPY, SOLVED]
    assert_close(found, by_mintpy(model, geometry, series), MINTPY)


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_neither_threads_nor_neighbours_change_a_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    model, geometry = model_of(Options(steps=[DATES[4]], velocity=True)), geometry_of(kind, len(DATES), 9001, rng)
    series = series_of(model.years, geometry, 9001, rng)
    monkeypatch.setenv(THREADS, "1")
    whole = run(model, geometry, series)
    monkeypatch.setenv(THREADS, "3")
    for start, stop in [(0, 9001), (0, 37), (37, 4200), (4200, 9001)]:
        cut = slice(start, stop)
        some = {name: getattr(geometry, name)[..., cut] for name in ("incidence", "distance") if kind != "mean"}
        if geometry.baseline.shape[1] > 1:
            some["baseline"] = geometry.baseline[:, cut]
        piece = run(model, replace(geometry, **some), np.ascontiguousarray(series[:, cut]))
        for name in ("dem", "corrected", "residual", "status"):
            np.testing.assert_array_equal(getattr(piece, name), getattr(whole, name)[..., cut])
