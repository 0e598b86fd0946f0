"""One simulated stack for all tests of this folder, and the part of it that has been delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbas_assets.automation import discovery_sweep
from sbas_assets.simulate import simulate_stack
from sbas_assets_tests.automation.deliveries import CONFIG, Delivery, Watch, watch
from sbas_assets_tests.automation.rounds import Rounds
from sbas_assets_tests.automation.stand_ins import Machine

__all__ = ["watch"]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "stack"
    simulate_stack(CONFIG, folder)
    return folder


@pytest.fixture
def delivery(whole: Path, tmp_path: Path) -> Delivery:
    return Delivery(whole, tmp_path / "stack").begin()


@pytest.fixture
def watched(watch: Watch, delivery: Delivery) -> Watch:
    """A frame whose first dates have been reported."""
    watch.add(delivery.stack)
    assert len(watch.tick(2)) == 1
    return watch


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("SBAS_ROOT", str(tmp_path))
    (tmp_path / "frames").mkdir()
    return Machine()


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rounds:
    """An installation without frames, whose steps try again at once."""
    made = Rounds(tmp_path / "root")
    monkeypatch.setattr(discovery_sweep, "clock", lambda: made.now)
    monkeypatch.setattr("sbas_assets.resources.FIRST_DELAY_S", 0.01)
    settings = {"SBAS_ROOT": str(made.root), "SBAS_ARRIVALS_SETTLING": "0", "SBAS_ARRIVALS_PATIENCE": "3600"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return made
