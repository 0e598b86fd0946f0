"""The ISCE2 topsStack folder: made by others, only looked at here."""

import dagster as dg

from sbas_assets.assets.declare import FRAMES, OWNERS
from sbas_assets.provenance import Record
from sbas_assets.step import Frame
from sbas_assets.survey import STACK_ASSET

DATA_VERSION_TAG = "dagster/data_version"

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
    latest = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(STACK_ASSET), asset_partitions=[frame.key]), limit=1
    ).records
    known = latest[0].asset_materialization if latest else None
    if known is not None and known.tags and known.tags.get(DATA_VERSION_TAG) == record.data_version:
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=STACK_ASSET,
            partition=frame.key,
            metadata={**record.metrics, "stack": dg.MetadataValue.path(str(frame.config.stack))},
            tags={DATA_VERSION_TAG: record.data_version},
        )
    )
