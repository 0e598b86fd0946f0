"""For all tests: long files first, samples or all moments, and nobody speaks to the real Climate Data Store."""

from __future__ import annotations

import os

import pytest

# before eccodes, which some tests write GRIB files with: GDAL would take its older libcurl, and crash
import rasterio  # noqa: F401


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="kill at every moment, instead of at a sample of them")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: many tests wait for servers and daemons."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def exhaustive(request: pytest.FixtureRequest) -> bool:
    """Whether tests of many moments should try them all."""
    return bool(request.config.getoption("exhaustive"))


@pytest.fixture(scope="session", autouse=True)
def no_credentials_of_the_climate_data_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["CDSAPI_RC"] = str(tmp_path_factory.mktemp("home") / "no-cdsapirc")
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        os.environ.pop(name, None)
