"""The command line at work: one demo for the whole session, and roots of their own for the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sbas_assets.cli import main
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
