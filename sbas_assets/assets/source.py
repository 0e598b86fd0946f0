"""The ISCE2 topsStack folder: made by others, only looked at here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg

from sbas_assets.assets.declare import FRAMES, OWNERS
from sbas_assets.provenance import Record
from sbas_assets.step import Frame
from sbas_assets.survey import STACK_ASSET
from sbas_assets.topsstack.contents import Contents, compare, recall

DATA_VERSION_TAG = "dagster/data_version"
LISTED = 60
"""Names in a list of an event: more would not be read, and the event log keeps them for good."""

topsStack = dg.AssetSpec(  # noqa: N816 - the field's own name
    STACK_ASSET,
    description="Interferograms, geometry and baselines as ISCE2's topsStack wrote them. Its data version is the "
    "fingerprint of all files that are read; the preflight check reports what is wrong with them.",
    partitions_def=FRAMES,
    group_name="source",
    kinds={"isce2"},
    owners=OWNERS,
)

ASSETS = [topsStack]


def report_stack(instance: dg.DagsterInstance, frame: Frame, record: Record) -> None:
    """Tell Dagster the stack's data version, if it does not know it yet."""
    known = reported_version(instance, frame.key)
    if known != record.data_version:
        instance.report_runless_asset_event(stack_event(frame, record.data_version, record.metrics, known))


def reported_version(instance: dg.DagsterInstance, key: str) -> str | None:
    """Return the data version of a frame's stack that Dagster was told last."""
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(STACK_ASSET), asset_partitions=[key]), limit=1
    ).records
    known = latest[0].asset_materialization if latest else None
    return known.tags.get(DATA_VERSION_TAG) if known is not None and known.tags else None


def stack_event(frame: Frame, version: str, metrics: Mapping[str, Any], known: str | None) -> dg.AssetMaterialization:
    """Describe a version of a frame's stack, and what has changed since the one that Dagster knows.

    Parameters
    ----------
    frame : Frame
        Whose stack it is.
    version : str
        Its data version.
    metrics : mapping
        Counts of what was found.
    known : str or None
        The version that was reported last; None if none was.
    """
    return dg.AssetMaterialization(
        asset_key=STACK_ASSET,
        partition=frame.key,
        metadata={
            **metrics,
            "stack": dg.MetadataValue.path(str(frame.config.stack)),
            **_what_changed(frame, version, known),
        },
        tags={DATA_VERSION_TAG: version},
    )


def _what_changed(frame: Frame, version: str, known: str | None) -> dict[str, Any]:
    file = frame.workspace.stack_contents
    new = recall(file, version)
    old = Contents(version="") if known is None else recall(file, known)
    if new is None or old is None:
        return {"changes": f"not known: what made up version {known if new else version} was not kept"}
    shown: dict[str, Any] = {}
    for name, entries in asdict(compare(old, new)).items():
        shown[name] = len(entries)
        if entries:
            shown[f"{name}_names"] = listed(entries)
    if new.unfinished:
        shown["not_whole_names"] = listed(new.unfinished)
    return shown


def listed(names: Sequence[str], limit: int = LISTED) -> str:
    """Return names on one line, no more than a reader takes in."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
