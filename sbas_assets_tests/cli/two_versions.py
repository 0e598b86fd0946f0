"""A frame with two published versions that the command line has made; a test module asks for it by

pytest_plugins = ["sbas_assets_tests.cli.two_versions"]
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.published.reading import open_frame
from sbas_assets_tests.cli.conftest import Call, Done, program

KEY = "T071D_two"
OPTIONS = ("mintpy.deramp=linear", "mintpy.troposphericDelay.method=no")
PRODUCTS = {
    "avgSpatialCoh",
    "demErr",
    "geometry",
    "maskTempCoh",
    "temporalCoherence",
    "timeseries_demErr",
    "velocity",
}


@dataclass(frozen=True)
class Frame:
    """A frame of which readers see the second version."""

    root: Path
    first: str
    second: str
    runs: tuple[Done, Done]

    @property
    def store(self) -> Path:
        return self.root / "store" / KEY

    def seen(self) -> str:
        """The version that readers see."""
        return str(open_frame(str(self.store)).attrs["version"])


def item_version(done: Done) -> str:
    return {row["asset"]: row["data_version"] for row in done.json["assets"]}["stac_item"]


@pytest.fixture(scope="module")
def made(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Frame:
    root = tmp_path_factory.mktemp("two versions")
    settings = [word for option in OPTIONS for word in ("--set", option)]
    assert program(root, "frames", "add", KEY, "--stack", str(stack), *settings).code == 0
    first = program(root, "run", KEY, "--json")
    assert first.code == 0, first.err
    config = root / "frames" / f"{KEY}.yaml"
    config.write_text(config.read_text().replace("linear", "quadratic"))
    second = program(root, "run", KEY, "--json")
    assert second.code == 0, second.err
    return Frame(root, item_version(first), item_version(second), (first, second))


@pytest.fixture
def frame(made: Frame, tmp_path: Path) -> Frame:
    """A copy that a test may change."""
    root = tmp_path / "copy"
    shutil.copytree(made.root, root, ignore=shutil.ignore_patterns("dagster"))
    return Frame(root, made.first, made.second, made.runs)


@pytest.fixture
def call(frame: Frame, sbas: Call) -> Call:
    return lambda *words, root=frame.root, **more: sbas(*words, root=root, **more)


def version_of(call: Call, product: str) -> str:
    return str(next(entry for entry in call("versions", KEY, "--json").json if entry["current"])["products"][product])


def reliable(frame: Frame) -> tuple[str, str]:
    """A place with displacement, as `point` wants it."""
    data = open_frame(str(frame.store))
    row, column = np.argwhere(data.maskTempCoh.to_numpy() != 0)[-1]
    return f"{float(data.y[row])}", f"{float(data.x[column])}"
