"""The command line at work: one demo and one frame of two versions for the session, roots of their own for tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sbas_assets.cli import main
from sbas_assets.published.reading import open_frame
from sbas_assets.simulate import SimulationConfig, simulate_stack

PROGRAM = (sys.executable, "-c", "from sbas_assets.cli import main; raise SystemExit(main())")
VARIABLES = ("SBAS_ROOT", "SBAS_STORE", "DAGSTER_HOME")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(root: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**inherited, "SBAS_ROOT": str(root), **more}


def program(root: Path, *arguments: str, cwd: Path | None = None, **more: str) -> Done:
    """Run the command line as a process of its own."""
    found = subprocess.run(
        [*PROGRAM, *arguments], env=environment(root, **more), capture_output=True, text=True, cwd=cwd, check=False
    )
    return Done(found.returncode, found.stdout, found.stderr)


@dataclass(frozen=True)
class Demo:
    root: Path
    done: Done

    key = "T071D_demo"

    @property
    def stack(self) -> Path:
        return self.root / "demo" / "stack-small"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Tests that use it leave its products as they are."""
    root = tmp_path_factory.mktemp("demo root")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    return Demo(root, program(elsewhere, "demo", "--root", str(root), "--size", "small"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small stack; nobody changes it."""
    folder = tmp_path_factory.mktemp("stacks") / "tiny"
    config = SimulationConfig.preset("small", length=40, width=50, dates=("20200511", "20200604", "20200628"))
    simulate_stack(config, folder)
    return folder


Call = Callable[..., Done]


@pytest.fixture
def sbas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Call the command line in this process, on a root of the test's own unless another is given."""

    def call(*arguments: str, root: Path = tmp_path, env: Mapping[str, str] | None = None) -> Done:
        settings = {"SBAS_ROOT": str(root), "DAGSTER_HOME": str(root / "dagster"), "SBAS_STORE": "", **(env or {})}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = main(list(arguments))
        return Done(code, *capfd.readouterr())

    return call


def codes(problems: Sequence[Mapping[str, Any]]) -> set[str]:
    return {problem["code"] for problem in problems}


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

    @property
    def store(self) -> Path:
        return self.root / "store" / KEY

    def seen(self) -> str:
        """The version that readers see."""
        return str(open_frame(str(self.store)).attrs["version"])


def item_version(done: Done) -> str:
    return {row["asset"]: row["data_version"] for row in done.json["assets"]}["stac_item"]


@pytest.fixture(scope="session")
def two_versions(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Frame:
    root = tmp_path_factory.mktemp("two versions")
    settings = [word for option in OPTIONS for word in ("--set", option)]
    assert program(root, "frames", "add", KEY, "--stack", str(stack), *settings).code == 0
    first = program(root, "run", KEY, "--json")
    assert first.code == 0, first.err
    config = root / "frames" / f"{KEY}.yaml"
    config.write_text(config.read_text().replace("linear", "quadratic"))
    second = program(root, "run", KEY, "--json")
    assert second.code == 0, second.err
    return Frame(root, item_version(first), item_version(second))


@pytest.fixture
def frame(two_versions: Frame, tmp_path: Path) -> Frame:
    """A copy of the frame with two versions that a test may change."""
    root = tmp_path / "copy"
    shutil.copytree(two_versions.root, root, ignore=shutil.ignore_patterns("dagster"))
    return replace(two_versions, root=root)


@pytest.fixture
def call(frame: Frame, sbas: Call) -> Call:
    """Call the command line on the root of `frame`."""
    return lambda *words, root=frame.root, **more: sbas(*words, root=root, **more)


def version_of(call: Call, product: str) -> str:
    return str(next(entry for entry in call("versions", KEY, "--json").json if entry["current"])["products"][product])


def reliable(frame: Frame) -> tuple[str, str]:
    """A place with displacement, as `point` wants it."""
    data = open_frame(str(frame.store))
    row, column = np.argwhere(data.maskTempCoh.to_numpy() != 0)[-1]
    return f"{float(data.y[row])}", f"{float(data.x[column])}"
