"""What Dagster's event log knows of all frames at one moment, in a few queries however many frames there are.

Belongs here: facts. Does not belong here: which of them is a reason to process a frame (`condition`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from sbas_assets.automation.run_history import Ended, busy_frames, recently_ended
from sbas_assets.survey import STACK_ASSET

STACK = dg.AssetKey(STACK_ASSET)
PREFLIGHT = dg.AssetCheckKey(STACK, "preflight")
LOOKBACK = timedelta(hours=36)
"""How far back runs are looked at; what is older is the audit's."""
_SEEN_TAG = f"dagster/input_event_pointer/{STACK_ASSET}"
_KEPT_TAGS = {DATA_VERSION_TAG, _SEEN_TAG, CODE_VERSION_TAG}
_REMEMBERED = 50_000

# the tags of an event never change: they are read once in a process, by Dagster's home and the event's id
_tags: dict[str, dict[int, Mapping[str, str]]] = {}


@dataclass
class Fleet:
    """All frames of an instance; each fact is looked up once, when it is first asked for.

    Parameters
    ----------
    instance : DagsterInstance
        Whose events and runs.
    graph : asset graph
        The assets of this code location.
    now : datetime
        Moment of the evaluation, with a time zone.
    """

    instance: dg.DagsterInstance
    graph: BaseAssetGraph[Any]
    now: datetime

    @cached_property
    def stack_events(self) -> dict[str, int]:
        """Id of the last event of each frame's stack."""
        return self._last_events(STACK)

    @cached_property
    def stack_versions(self) -> dict[str, str]:
        """Data version of each frame's stack, for frames whose stack was ever complete."""
        return self._versions(self.stack_events)

    @cached_property
    def new_stacks(self) -> dict[str, str]:
        """Version of each stack that is not the one from which all assets that read it were made last."""
        readers = [self._seen_by(key) for key in self.graph.get(STACK).child_keys]
        tags = self._tags_of(STACK, {event for reader in readers for event in reader.values()})
        return {
            frame: version
            for frame, version in self.stack_versions.items()
            if any(tags.get(reader.get(frame, 0), {}).get(DATA_VERSION_TAG) != version for reader in readers)
        }

    @cached_property
    def refused(self) -> set[str]:
        """Frames whose present stack the preflight has refused."""
        found = self.instance.event_log_storage.get_asset_check_partition_info([PREFLIGHT])
        failed = AssetCheckExecutionRecordStatus.FAILED
        return {
            check.partition_key
            for check in found
            if check.partition_key and check.is_current and check.latest_execution_status is failed
        }

    @cached_property
    def busy(self) -> dict[str, datetime]:
        """Frames that are being worked on or wait for it, and since when."""
        return busy_frames(self.instance, self.graph)

    @cached_property
    def ended(self) -> dict[str, list[Ended]]:
        """Runs of each frame that ended lately, the last first."""
        return recently_ended(self.instance, self.now - LOOKBACK)

    def of_other_code(self) -> set[str]:
        """Frames with a stack of which an asset was never made, or was made by another code version."""
        found: set[str] = set()
        for key in self.graph.materializable_asset_keys:
            events = self._last_events(key)
            tags = self._tags_of(key, events.values())
            code = self.graph.get(key).code_version
            found |= {
                f for f in self.stack_versions if f not in events or tags[events[f]].get(CODE_VERSION_TAG) != code
            }
        return found

    def _seen_by(self, key: dg.AssetKey) -> dict[str, int]:
        """Event of the stack that each frame's asset was made from; a frame for which there was none is left out."""
        events = self._last_events(key)
        tags = self._tags_of(key, events.values())
        seen = {frame: tags[event].get(_SEEN_TAG) for frame, event in events.items()}
        return {frame: int(event) for frame, event in seen.items() if event}

    def _versions(self, events: Mapping[str, int]) -> dict[str, str]:
        tags = self._tags_of(STACK, events.values())
        found = {frame: tags[event].get(DATA_VERSION_TAG) for frame, event in events.items()}
        return {frame: version for frame, version in found.items() if version}

    def _last_events(self, key: dg.AssetKey) -> dict[str, int]:
        log = self.instance.event_log_storage
        return dict(log.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION))

    def _tags_of(self, key: dg.AssetKey, events: Iterable[int]) -> dict[int, Mapping[str, str]]:
        wanted, known = set(events), self._known_tags
        unread = [event for event in wanted if event not in known]
        if unread:
            only = dg.AssetRecordsFilter(asset_key=key, storage_ids=unread)
            for record in self.instance.fetch_materializations(only, limit=len(unread)).records:
                tags = (record.asset_materialization.tags if record.asset_materialization else None) or {}
                known[record.storage_id] = {name: tags[name] for name in _KEPT_TAGS & tags.keys()}
        return {event: known.get(event, {}) for event in wanted}

    @cached_property
    def _known_tags(self) -> dict[int, Mapping[str, str]]:
        if self.instance.is_ephemeral:
            return {}
        known = _tags.setdefault(self.instance.root_directory, {})
        if len(known) > _REMEMBERED:
            known.clear()
        return known
