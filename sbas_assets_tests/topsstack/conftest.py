"""Fixtures of the topsStack tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from sbas_assets_tests.topsstack.writer import write_stack


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Return a whole, good, tiny stack to plant faults in."""
    return write_stack(tmp_path / "stack")
