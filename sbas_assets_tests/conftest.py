"""No test speaks to the real Climate Data Store, whatever credentials the machine has."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_credentials_of_the_climate_data_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["CDSAPI_RC"] = str(tmp_path_factory.mktemp("home") / "no-cdsapirc")
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        os.environ.pop(name, None)
