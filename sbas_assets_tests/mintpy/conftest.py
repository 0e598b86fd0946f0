"""A folder for MintPy to work in, where its output goes, and a stack that is delivered piece by piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbas_assets.simulate import SimulationConfig, simulate_stack
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.mintpy.stack_deliveries import DATES, SIZE, Delivery, load, segments


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "step.log"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("updates") / "whole"
    simulate_stack(SimulationConfig(length=SIZE[0], width=SIZE[1], dates=DATES, seed=5), folder)
    return folder


@pytest.fixture
def delivery(whole: Path, tmp_path: Path) -> Delivery:
    return Delivery.begin(whole, tmp_path / "stack")


@pytest.fixture
def loader(delivery: Delivery, tmp_path: Path) -> Loader:
    return Loader(tmp_path, delivery.stack)


@pytest.fixture
def loaded(delivery: Delivery, loader: Loader) -> Loader:
    """All but the last date, in one segment."""
    delivery.bring(delivery.among(DATES[:-1]))
    load(loader)
    assert len(segments(loader)) == 1
    return loader


@pytest.fixture
def updated(delivery: Delivery, loaded: Loader) -> Loader:
    """Two segments."""
    delivery.bring(delivery.among(DATES))
    load(loaded)
    return loaded
