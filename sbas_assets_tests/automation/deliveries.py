"""Stacks that are delivered date by date, and the sensor's ticks as Dagster's daemon makes them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock

from sbas_assets.assets.source import DATA_VERSION_TAG
from sbas_assets.automation import discovery_sweep
from sbas_assets.automation.discovery import stack_arrivals
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.resources import Platform
from sbas_assets.simulate import SimulationConfig, regular_dates
from sbas_assets.step import Frame
from sbas_assets.survey import STACK_ASSET
from sbas_assets.workspace import Settings, Workspace

KEY = "T071D_test"
DATES = regular_dates("20200511", 7)
CONFIG = SimulationConfig(
    length=40,
    width=40,
    dates=DATES,
    connections=2,
    seed=5,
    n_swaths=2,
    bursts_per_swath=2,
    river=False,
    unwrap_jump_probability=0,
    shadow=False,
)
IFG = "merged/interferograms"


@dataclass
class Delivery:
    """A whole stack, and the folder that its files come to."""

    whole: Path
    stack: Path

    def shared(self) -> None:
        """What all pairs share."""
        for part in ("reference", "merged/geom_reference"):
            shutil.copytree(self.whole / part, self.stack / part)

    def dates(self, *dates: str) -> None:
        """Acquisitions with their baselines, and the pairs with those that are there."""
        for date in dates:
            self.product(date)
            self.baseline(date)
        here = {path.name.split("_")[1] for path in (self.stack / "baselines").iterdir()} | {DATES[0]}
        for path in sorted((self.whole / IFG).iterdir()):
            if set(path.name.split("_")) <= here and not (self.stack / IFG / path.name).exists():
                self.pair(path.name)

    def product(self, date: str) -> None:
        if date != DATES[0]:
            shutil.copytree(self.whole / "secondarys" / date, self.stack / "secondarys" / date)

    def baseline(self, date: str) -> None:
        (self.stack / "baselines").mkdir(exist_ok=True)
        if date != DATES[0]:
            name = f"baselines/{DATES[0]}_{date}"
            shutil.copytree(self.whole / name, self.stack / name)

    def pair(self, name: str) -> None:
        shutil.copytree(self.whole / IFG / name, self.stack / IFG / name)

    def image(self, pair: str, name: str = "filt_fine.unw") -> Path:
        return self.stack / IFG / pair / name

    def begin(self, n: int = 4) -> Delivery:
        """The first dates."""
        self.shared()
        self.dates(*DATES[:n])
        return self


@dataclass
class Watch:
    """An installation, Dagster's instance, and a clock that goes on by a minute with every tick."""

    root: Path
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)
    cursor: str | None = None
    now: float = 1.8e9
    log: list[str] = field(default_factory=list)
    summary: str = ""

    def add(self, stack: Path, key: str = KEY, *, known: bool = True) -> None:
        values = {"track": 71, "direction": "descending", "stack": str(stack), "mintpy": {}}
        FrameCatalogue(self.root).add(key, frame_config(values))
        if known:
            self.instance.add_dynamic_partitions("frame", [key])

    def tick(self, times: int = 1) -> list[dg.AssetMaterialization]:
        """What is reported; kept as the daemon keeps it."""
        return [event for _ in range(times) for event in self._tick()]

    def _tick(self) -> list[dg.AssetMaterialization]:
        self.now += 60
        self.log = []
        resources = {"platform": Platform(root=str(self.root))}
        with dg.build_sensor_context(self.instance, cursor=self.cursor, resources=resources) as context:
            context.log.handlers = [_Kept(self.log)]
            result = stack_arrivals(context)
        assert isinstance(result, dg.SensorResult)
        assert not result.run_requests
        events = list(result.asset_events)
        for event in events:
            self.instance.report_runless_asset_event(event)
        for request in result.dynamic_partitions_requests or []:
            self.instance.add_dynamic_partitions("frame", list(request.partition_keys))
        assert isinstance(result.skip_reason, dg.SkipReason)
        self.cursor, self.summary = result.cursor, str(result.skip_reason.skip_message)
        return events

    def workspace(self, key: str = KEY) -> Workspace:
        return Settings.under(self.root).workspace(key)

    def frame(self, key: str = KEY) -> Frame:
        return Platform(root=str(self.root)).frame(key)

    def partitions(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions("frame"))

    def told(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def materializations(self, key: str = KEY) -> int:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(STACK_ASSET), asset_partitions=[key])
        return len(self.instance.fetch_materializations(wanted, limit=100).records)

    @contextmanager
    def run_at_work(self, key: str = KEY) -> Iterator[None]:
        path = self.workspace(key).hidden / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path):
            yield


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.levelname} {record.getMessage()}")


def version_of(event: dg.AssetMaterialization) -> str:
    return str((event.tags or {})[DATA_VERSION_TAG])


def metadata_of(event: dg.AssetMaterialization) -> Mapping[str, Any]:
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch(tmp_path / "root")
    monkeypatch.setattr(discovery_sweep, "clock", lambda: watch.now)
    for name, value in {"BUDGET": "20", "SETTLING": "0", "PATIENCE": "3600"}.items():
        monkeypatch.setenv(f"SBAS_ARRIVALS_{name}", value)
    return watch
