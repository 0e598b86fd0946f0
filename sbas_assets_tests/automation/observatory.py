"""Many frames whose state is written by hand, for the daily audit to look at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from sbas_assets.automation.audit import CHECK, frames_audit
from sbas_assets.definitions import build_definitions
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.provenance import Produced, Record, write_record
from sbas_assets.resources import Platform
from sbas_assets.workspace import Settings
from sbas_assets_tests.automation.stand_ins import Machine
from sbas_assets_tests.published.stac_samples import FRAME

NOW = datetime.now(UTC).replace(microsecond=0)
OLD, NEW = "1" * 64, "2" * 64


@dataclass
class Observatory:
    """An installation of many frames; a settled one has its stack, its item, and a run that went well."""

    root: Path
    item: str
    instance: dg.DagsterInstance
    machine: Machine = field(init=False)

    def __post_init__(self) -> None:
        self.machine = Machine(instance=self.instance)

    def add(self, *frames: str, **fields: Any) -> None:
        values = {"track": 71, "direction": "descending", "stack": "/stacks/one", **fields}
        for frame in frames:
            FrameCatalogue(self.root).add(frame, frame_config(values))
        self.instance.add_dynamic_partitions("frame", list(frames))

    def settle(self, *frames: str, **fields: Any) -> None:
        self.add(*frames, **fields)
        self.machine.deliver(NEW[:32], *frames)
        for frame in frames:
            self.publish(frame, NEW)

    def publish(self, frame: str, stack: str, withheld: tuple[str, ...] = ()) -> None:
        item = json.loads(self.item.replace(FRAME, frame))
        item["properties"]["sbas:provenance"]["stack_version"] = stack
        item["properties"]["sbas:withheld"] = list(withheld)
        folder = self.root / "store" / frame
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "item.json").write_text(json.dumps(item))

    def record(self, frame: str, asset: str, version: str = "3" * 32, **facts: Any) -> None:
        record = Record(
            asset=asset,
            data_version=version,
            code_version="1",
            options={},
            upstream={},
            facts=facts,
            produced=Produced.now("run"),
        )
        write_record(Settings.under(self.root).workspace(frame), record)

    def audit(self, at: datetime = NOW) -> dict[str, dict[str, str]]:
        """Requested frames with their tags."""
        with dg.build_schedule_context(
            instance=self.instance,
            scheduled_execution_time=at,
            resources={"platform": Platform(root=str(self.root))},
            repository_def=build_definitions().get_repository_def(),
        ) as context:
            requests = frames_audit.evaluate_tick(context).run_requests or []
        assert len({request.run_key for request in requests}) == len(requests)
        return {str(request.partition_key): dict(request.tags) for request in requests}

    def told(self) -> tuple[bool, str, list[tuple[str, str]], list[tuple[str, str]]]:
        """Last evaluation of the check: passed, severity, what is wrong, what waits."""
        record = self.instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=1)[0]
        found = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
        tables = [[row.data for row in found.metadata[name].records] for name in ("wrong", "waiting")]  # type: ignore[attr-defined]
        for row in tables[0] + tables[1]:
            assert all(row.values()), row
        wrong, waiting = ([(row["frame"], row["code"]) for row in table] for table in tables)
        return found.passed, found.severity.value, wrong, waiting
