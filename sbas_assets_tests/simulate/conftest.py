"""Small simulated stacks and ISCE2's own output for the tests of the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbas_assets.simulate import SimulationConfig, Truth, regular_dates, simulate_stack

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "data" / "topsstack_golden" / "10_stack_desc_S1A_VV_2swath"


@pytest.fixture(scope="session")
def golden() -> Path:
    """A topsStack folder that ISCE2 wrote."""
    if not GOLDEN.is_dir():
        pytest.skip("no golden topsStack output beside this checkout")
    return GOLDEN


@pytest.fixture(scope="session")
def tiny_config() -> SimulationConfig:
    return SimulationConfig(length=40, width=50, dates=regular_dates("20200511", 4), water_mask=True)


@pytest.fixture(scope="session")
def tiny_stack(tiny_config: SimulationConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("tiny") / "stack"
    return folder, simulate_stack(tiny_config, folder)
