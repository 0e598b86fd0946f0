"""Phases, geometry and orbits obey the signs and sizes that the truth states."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from ast import literal_eval
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from sbas_assets.simulate import SimulationConfig, Truth, regular_dates, simulate_stack
from sbas_assets.simulate.geometry import (
    RANGE_SAMPLE,
    WAVELENGTH,
    baseline_projection,
    line_seconds,
    make_geometry,
    pixel_spacing,
    to_earth_fixed,
    to_geodetic,
)
from sbas_assets.simulate.layout import make_layout, valid_pixels
from sbas_assets.simulate.orbit import baseline_axes, orbit_number
from sbas_assets.simulate.scene import fractal, make_scene
from sbas_assets.simulate.signals import PairSimulator, displacement, phase_std

Array = NDArray[np.float64]
QUIET = {
    "turbulence_sigma": 0,
    "stratified_sigma": 0,
    "decorrelation": 0,
    "dem_error_sigma": 0,
    "unwrap_jump_probability": 0,
}


def make_simulator(config: SimulationConfig) -> PairSimulator:
    layout = make_layout(config)
    scene = make_scene(config)
    return PairSimulator(config, scene, make_geometry(config, layout, scene.height), valid_pixels(layout, config))


def test_phase_is_minus_four_pi_over_wavelength_times_displacement_toward_the_satellite() -> None:
    config = SimulationConfig.preset("small", **QUIET)
    simulator = make_simulator(config)
    first, second = config.pairs[2]
    pair = simulator.simulate(first, second)
    expected = -4 * np.pi / WAVELENGTH * displacement(simulator.scene, second, first)
    np.testing.assert_allclose(pair.phase[simulator.observed], expected[simulator.observed], atol=1e-6)
    bowl = np.unravel_index(np.argmin(simulator.scene.velocity), simulator.scene.velocity.shape)
    assert pair.phase[bowl] > 0, "subsidence lengthens the range and makes the phase of a later date larger"


def test_the_truths_displacement_is_that_of_the_phases(tiny_stack: tuple[Path, Truth]) -> None:
    truth = tiny_stack[1]
    scene = make_scene(SimulationConfig(length=40, width=50, dates=truth.dates))
    expected = displacement(scene, truth.dates[2], truth.dates[0])
    np.testing.assert_allclose(truth.displacement(truth.dates[2]), expected, atol=1e-12)


def test_triplets_close_but_for_noise_and_whole_cycles_on_the_second_bank() -> None:
    config = SimulationConfig.preset("small", unwrap_jump_probability=0.5)
    simulator = make_simulator(config)
    a, b, c = config.dates[:3]
    closure = simulator.simulate(a, b).phase + simulator.simulate(b, c).phase - simulator.simulate(a, c).phase
    cycles = closure / (2 * np.pi)
    land = simulator.observed & ~simulator.scene.river & ~simulator.scene.shadow
    first, second = land & ~simulator.scene.second_bank, land & simulator.scene.second_bank
    assert abs(np.median(cycles[first])) < 0.05
    assert abs(np.median(cycles[second]) - np.round(np.median(cycles[second]))) < 0.05


def test_some_pair_of_the_small_preset_jumps_across_the_river() -> None:
    config = SimulationConfig.preset("small")
    simulator = make_simulator(config)
    jumps = [simulator._jump(*pair) for pair in config.pairs]
    assert 2 <= np.count_nonzero(jumps) <= len(jumps) // 3


def test_both_banks_of_the_small_preset_are_large_enough_for_mintpys_bridging() -> None:
    config = SimulationConfig.preset("small")
    component = make_simulator(config).simulate(*config.pairs[0]).component
    assert len(config.pairs) == 36
    assert np.sum(component == 1) > 2500
    assert np.sum(component == 2) > 2500


def test_everything_is_zero_where_there_is_no_data(tiny_config: SimulationConfig) -> None:
    simulator = make_simulator(tiny_config)
    pair = simulator.simulate(*tiny_config.pairs[0])
    out = ~simulator.observed
    assert out.any()
    assert not valid_pixels(make_layout(tiny_config), tiny_config)[0, -1], "stair-step corner of the second subswath"
    for band in (pair.amplitude, pair.phase, pair.coherence, pair.component):
        assert not band[out].any()


def test_noise_grows_as_coherence_falls_and_is_bounded() -> None:
    coherence = np.array([0.01, 0.2, 0.5, 0.9, 1.0])
    std = phase_std(coherence, 30)
    assert np.all(np.diff(std) < 0)
    assert std[0] == pytest.approx(np.pi / np.sqrt(3))
    assert std[-1] == 0


def test_phase_noise_has_the_size_that_coherence_predicts() -> None:
    quiet = make_simulator(SimulationConfig.preset("small", **QUIET))
    noisy = make_simulator(SimulationConfig.preset("small", **{**QUIET, "decorrelation": 0.6}))
    first, second = noisy.config.pairs[0]
    noise = noisy.simulate(first, second).phase - quiet.simulate(first, second).phase
    expected = phase_std(noisy._coherence(first, second), 30)
    ratio = (noise / expected)[noisy.observed]
    assert np.std(ratio) == pytest.approx(1, abs=0.03)


def test_turbulence_has_hanssens_spectrum_and_the_asked_variance() -> None:
    rng = np.random.default_rng(0)
    fields = [fractal(rng, (128, 128), (100.0, 100.0), -8 / 3) for _ in range(30)]
    assert np.mean([np.mean(field**2) for field in fields]) == pytest.approx(1, abs=0.35)
    window = np.hanning(128)
    profiles = np.concatenate([field - field.mean(axis=1, keepdims=True) for field in fields]) * window
    power = np.mean(np.abs(fft.rfft(profiles, axis=1)) ** 2, axis=0)
    k = np.arange(4, 24)
    slope = np.polyfit(np.log(k), np.log(power[k]), 1)[0]
    assert slope == pytest.approx(-8 / 3, abs=0.25)


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
@pytest.mark.parametrize("place", [(38.2, -116.4), (-33.4, 151.2), (65.0, -18.0), (0.1, 179.99)])
def test_pixels_lie_at_zero_doppler_and_at_their_range_to_the_right(direction: str, place: tuple[float, float]) -> None:
    config = SimulationConfig(
        length=40, width=50, pass_direction=direction, center_lat=place[0], center_lon=place[1], mean_height=800
    )
    layout = make_layout(config)
    scene = make_scene(config)
    geometry = make_geometry(config, layout, scene.height)
    row, column = 31, 7
    position, velocity = geometry.orbit.state(line_seconds(layout, np.array([row * 5 + 2.0])))
    lat, lon = np.radians(geometry.lat[row, column]), np.radians(geometry.lon[row, column])
    look = to_earth_fixed(lat, lon, scene.height[row, column]) - position[0]
    assert np.linalg.norm(look) == pytest.approx(geometry.near_range + RANGE_SAMPLE * (column * 20 + 9.5), abs=1e-3)
    assert abs(look @ velocity[0]) / np.linalg.norm(velocity[0]) < 1e-3
    assert np.cross(velocity[0], position[0]) @ look > 0, "the antenna looks to the right"
    assert geometry.lat[20, 25] == pytest.approx(place[0], abs=0.01)
    assert (velocity[0, 2] > 0) == (direction == "ASCENDING")
    assert 30 < geometry.incidence.min() < geometry.incidence.max() < 45
    facing = 100 if direction == "ASCENDING" else -100
    assert geometry.azimuth[row, column] == pytest.approx(facing, abs=12)


def test_geodetic_coordinates_invert_to_a_millimetre() -> None:
    for lat, lon, height in ((0.3, 2.0, 0.0), (-1.1, -3.0, 4000.0), (0.9, 0.1, 700e3)):
        found = to_geodetic(to_earth_fixed(lat, lon, height))
        np.testing.assert_allclose([float(x) for x in found[:2]], [lat, lon], atol=1e-9)
        assert float(found[2]) == pytest.approx(height, abs=1e-3)


@pytest.mark.parametrize(
    ("track", "date", "orbit"), [(71, "20200511", 32518), (64, "20221016", 45461), (71, "20230108", 46693)]
)
def test_orbit_numbers_are_those_that_sentinel1a_flew(track: int, date: str, orbit: int) -> None:
    assert orbit_number(track, date) == orbit


def vectors(xml: Path) -> dict[str, tuple[Array, Array]]:
    """State vectors of the first burst by time of day."""
    burst = ET.parse(xml).getroot().find(".//component[@name='burst1']")
    assert burst is not None
    found = {}
    for component in burst.iterfind(".//component[@name='state_vectors']/component"):
        text = {p.get("name"): p.findtext("value") or "" for p in component.iterfind("property")}
        arrays = (np.array(literal_eval(text[name])) for name in ("position", "velocity"))
        found[text["time"].split()[1]] = (next(arrays), next(arrays))
    return found


def bperp_from_orbits(stack: Path, pair: str, target: Array) -> float:
    reference = vectors(stack / "reference" / "IW1.xml")
    secondary = vectors(stack / "secondarys" / pair[9:] / "IW1.xml")
    time = sorted(reference)[6]
    position, velocity = reference[time]
    return float((secondary[time][0] - position) @ baseline_axes(position, velocity, target)[0])


def bperp_from_text(stack: Path, pair: str) -> float:
    text = (stack / "baselines" / pair / f"{pair}.txt").read_text()
    match = re.search(r"Bperp \(average\): (\S+)", text)
    assert match
    return float(match[1])


def test_baselines_have_isce2s_sign(golden: Path) -> None:
    target = to_earth_fixed(np.radians(38.23), np.radians(-116.35), 1500)
    for pair in ("20200511_20200523", "20200511_20200604", "20200511_20200616"):
        assert bperp_from_orbits(golden, pair, target) == pytest.approx(bperp_from_text(golden, pair), abs=0.5)


def test_baseline_files_agree_with_the_orbits_beside_them(tiny_stack: tuple[Path, Truth]) -> None:
    target = to_earth_fixed(np.radians(38.2), np.radians(-116.4), 1200)
    for pair in ("20200511_20200523", "20200511_20200604", "20200511_20200616"):
        written = bperp_from_text(tiny_stack[0], pair)
        assert abs(written) > 1
        assert bperp_from_orbits(tiny_stack[0], pair, target) == pytest.approx(written, rel=0.05, abs=1)


def test_the_perpendicular_baseline_hardly_changes_across_a_small_scene(tiny_config: SimulationConfig) -> None:
    scene = make_scene(tiny_config)
    geometry = make_geometry(tiny_config, make_layout(tiny_config), scene.height)
    perpendicular, parallel = baseline_projection(geometry, tiny_config, geometry.slant_range)
    np.testing.assert_allclose(perpendicular[:, 0], 1, atol=1e-3)
    np.testing.assert_allclose(parallel[:, 1], 1, atol=1e-3)
    assert np.all(np.diff(parallel[:, 0]) != 0)


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_metadata_of_a_simulated_stack_are_sentinel1s(direction: str, tmp_path: Path) -> None:
    metadata = pytest.importorskip("sbas_assets.topsstack.metadata")
    config = SimulationConfig(length=60, width=60, dates=regular_dates("20200511", 3), pass_direction=direction)
    simulate_stack(config, tmp_path)
    found = metadata.isce_metadata(tmp_path / "reference" / "IW1.xml", tmp_path / "merged" / "geom_reference")
    assert float(found["HEIGHT"]) == pytest.approx(700e3, abs=5e3)
    assert float(found["satelliteSpeed"]) == pytest.approx(7592, abs=10)
    assert float(found["HEADING"]) == pytest.approx(-13.3 if direction == "ASCENDING" else -166.7, abs=1)
    assert float(found["EARTH_RADIUS"]) == pytest.approx(6.36e6, abs=5e3)
    assert (found["ALOOKS"], found["RLOOKS"]) == ("5", "20")
    assert (found["LENGTH"], found["WIDTH"], found["swathNumber"]) == ("60", "60", "12")
    assert found["trackNumber"] == "71"


def test_hills_are_not_correlated_with_the_bowl() -> None:
    scene = make_scene(SimulationConfig.preset("small"))
    assert abs(np.corrcoef(scene.height.ravel(), scene.velocity.ravel())[0, 1]) < 1e-6
    assert scene.height.min() > 0


def test_delays_of_all_acquisitions_are_never_in_memory_together() -> None:
    config = SimulationConfig(length=40, width=40)
    simulator = make_simulator(config)
    for pair in config.pairs:
        simulator.simulate(*pair)
        assert len(simulator._delays) <= config.connections + 1


def test_dates_of_a_stack_differ_in_their_baselines(tiny_config: SimulationConfig) -> None:
    simulator = make_simulator(tiny_config)
    baselines = [simulator.bperp(a, b).mean() for a, b in combinations(tiny_config.dates, 2)]
    assert np.ptp(baselines) > 10
    assert pixel_spacing(tiny_config)[0] == pytest.approx(70, abs=3)
