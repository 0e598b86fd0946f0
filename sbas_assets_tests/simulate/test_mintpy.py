"""MintPy, run as an analyst runs it, finds the simulated truth in a simulated stack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sbas_assets.simulate import SimulationConfig, Truth, compare_velocity, regular_dates, simulate_stack

pytestmark = pytest.mark.long

COMMON = """
mintpy.load.autoPath = yes
mintpy.load.processor = isce
mintpy.compute.maxMemory = 1
mintpy.plot = no
"""


def write_rsc(stack: Path) -> None:
    """Write what MintPy would ask ISCE2 for; newer than the products, so that it is believed."""
    metadata = pytest.importorskip("sbas_assets.topsstack.metadata")
    found = metadata.isce_metadata(stack / "reference" / "IW1.xml", stack / "merged" / "geom_reference")
    text = "".join(f"{key:<40} {value}\n" for key, value in found.items())
    (stack / "reference" / "data.rsc").write_text(text)


def run_mintpy(stack: Path, template: str, *arguments: str) -> Path:
    """Run smallbaselineApp.py in `stack/mintpy`, where its automatic paths find the tree."""
    work = stack / "mintpy"
    work.mkdir(exist_ok=True)
    (work / "simulated.txt").write_text(COMMON + template)
    command = [sys.executable, "-m", "mintpy.cli.smallbaselineApp", "simulated.txt", "--dir", str(work), *arguments]
    # MintPy asks os.path.isfile(False), which is true when standard input is a file: give it none.
    done = subprocess.run(
        command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return work


def read(path: Path, name: str | None = None) -> tuple[NDArray[np.float32], dict[str, str]]:
    from mintpy.utils import readfile

    data, attributes = readfile.read(str(path), datasetName=name)
    return data, attributes


def reference_of(attributes: dict[str, str]) -> tuple[int, int]:
    return int(attributes["REF_Y"]), int(attributes["REF_X"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    stack = tmp_path_factory.mktemp("small") / "stack"
    truth = simulate_stack(SimulationConfig.preset("small"), stack)
    write_rsc(stack)
    template = (
        "mintpy.reference.yx = 30,15\n"  # else MintPy draws one at random
        "mintpy.unwrapError.method = bridging\n"
        "mintpy.troposphericDelay.method = height_correlation\n"
    )
    return run_mintpy(stack, template), truth


def test_the_whole_chain_finds_the_velocity_of_the_small_preset(small: tuple[Path, Truth]) -> None:
    work, truth = small
    velocity, attributes = read(work / "velocity.h5", "velocity")
    mask, _ = read(work / "maskTempCoh.h5")
    result = compare_velocity(truth, velocity, reference_of(attributes), mask.astype(bool))
    assert result["passes"], result
    assert result["coverage"] > 0.95
    assert velocity[mask.astype(bool)].min() < -0.06


def test_the_geocoded_bowl_lies_where_the_truth_has_it(small: tuple[Path, Truth]) -> None:
    work, truth = small
    velocity, attributes = read(work / "geo" / "geo_velocity.h5", "velocity")
    row, column = np.unravel_index(np.nanargmin(velocity), velocity.shape)
    lat = float(attributes["Y_FIRST"]) + (row + 0.5) * float(attributes["Y_STEP"])
    lon = float(attributes["X_FIRST"]) + (column + 0.5) * float(attributes["X_STEP"])
    bowl = np.unravel_index(np.argmin(truth.velocity), truth.velocity.shape)
    assert lat == pytest.approx(truth.lat[bowl], abs=0.003)
    assert lon == pytest.approx(truth.lon[bowl], abs=0.004)


def test_dem_error_of_a_noise_free_stack_comes_back_with_its_sign_and_size(tmp_path: Path) -> None:
    config = SimulationConfig(
        length=60,
        width=60,
        dates=regular_dates("20200511", 8, 24),
        seasonal_amplitude=0,
        turbulence_sigma=0,
        stratified_sigma=0,
        decorrelation=0,
        unwrap_jump_probability=0,
        river=False,
        shadow=False,
        n_swaths=1,
        pass_direction="ASCENDING",
    )
    truth = simulate_stack(config, tmp_path)
    write_rsc(tmp_path)
    # The closure overview between these two ranges fails on a stack without any unwrapping error.
    template = "mintpy.reference.yx = 30,15\nmintpy.troposphericDelay.method = no\n"
    run_mintpy(tmp_path, template, "--end", "reference_point")
    work = run_mintpy(tmp_path, template, "--start", "invert_network", "--end", "velocity")

    found, attributes = read(work / "demErr.h5")
    reference = reference_of(attributes)
    expected = truth.dem_error - truth.dem_error[reference]
    assert np.ptp(expected) > 20
    np.testing.assert_allclose(found[truth.valid], expected[truth.valid], atol=0.02 * np.ptp(expected))

    velocity, _ = read(work / "velocity.h5", "velocity")
    result = compare_velocity(truth, velocity, reference, truth.valid)
    assert result["max_error_mm_per_year"] < 0.2
