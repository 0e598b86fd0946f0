"""One finished frame for all tests of this folder, which leave it as they found it, and fresh ones to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sbas_assets.simulate import simulate_stack
from sbas_assets_tests.assets.parts_at_work import CONFIG, OPTIONS
from sbas_assets_tests.frames_at_work import FrameAtWork


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes") / "stack"
    simulate_stack(CONFIG, folder)
    return folder


@pytest.fixture(scope="session")
def finished(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> FrameAtWork:
    frame = FrameAtWork(tmp_path_factory.mktemp("root"), stack, OPTIONS)
    result = frame.run()
    assert result.success, result.errors
    assert all(result.checks.values())
    return frame


@pytest.fixture
def fresh(stack: Path, tmp_path: Path) -> FrameAtWork:
    """A frame that was never run, on a copy of the stack that may be spoiled."""
    shutil.copytree(stack, tmp_path / "stack")
    return FrameAtWork(tmp_path / "root", tmp_path / "stack", OPTIONS)
