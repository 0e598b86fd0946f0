"""A Climate Data Store on this machine, an account there, and a small stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sbas_assets_tests.mintpy.weather_files import AT_14_UTC, FrameWithAttributes, hawaiian_stack
from sbas_assets_tests.weather.cds_server import CdsServer

DATES = ("20220101", "20220113", "20220125", "20220206", "20220218")
OPTIONS = {**AT_14_UTC, "mintpy.geocode": "no", "mintpy.save.kmz": "no"}


@pytest.fixture
def cds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CdsServer]:
    """The service, with credentials of an account as its users have them."""
    with CdsServer() as server:
        server.polls_before_done = 0
        monkeypatch.setenv("CDSAPI_URL", server.url)
        monkeypatch.setenv("CDSAPI_KEY", server.key)
        yield server
    assert server.errors == []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hawaiian_stack(tmp_path_factory.mktemp("era5") / "stack", DATES)


@pytest.fixture
def frame(stack: Path, tmp_path: Path) -> FrameWithAttributes:
    return FrameWithAttributes(tmp_path / "root", stack, OPTIONS)
