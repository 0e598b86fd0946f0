"""The frame's STAC item as a step: the last one, which makes all Zarr copies of a frame visible at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sbas_assets.errors import OutsideError
from sbas_assets.provenance import Produced, Record
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.steps import ZARR_STEPS, published_of
from sbas_assets.step import Job, Made, Step, product_provenance

if TYPE_CHECKING:
    from sbas_assets.published.retention import Collected
    from sbas_assets.published.store import Store

# whose picture is the thumbnail, the first that has one
_PICTURES = ("geo_velocity", "velocity")


def make_item(job: Job) -> Made:
    """Remove what is too old, and make what the Zarr assets have written the frame's current version."""
    from sbas_assets.published.current import read_replaceable
    from sbas_assets.published.frame_version import NewVersion, publish
    from sbas_assets.published.store import ITEM, open_store, store_faults

    frame, products, now = job.frame, _products(job), datetime.now(UTC)
    new = NewVersion(frame.key, job.version, products, _provenance(job), _thumbnail(job))
    store = open_store(frame.settings.store)
    with store_faults(store.url):
        before = read_replaceable(store, frame.key)
        removed = _collect(job, store, products, now)
        shown = publish(store, new, before, now)
    if not shown:
        _tell_of_rollback(job, new.version)
    return Made(
        metrics={
            "item": f"{frame.settings.store.rstrip('/')}/{frame.key}/{ITEM}",
            "version": new.version,
            "current": shown,
            "products": len(products),
            "size_MB": round(sum(product.n_bytes for product in products) / 1e6, 3),
            "versions_removed": len(removed.versions),
            "removed_MB": round(removed.n_bytes / 1e6, 3),
        }
    )


def _collect(job: Job, store: Store, products: Sequence[ProductVersion], now: datetime) -> Collected:
    """Remove what is too old, before the move: what readers have left by now, they left when the item moved last."""
    from sbas_assets.published.current import list_versions
    from sbas_assets.published.retention import Collected, collect

    # then it is one of those that are there: readers see it, or a run was killed before they did
    again = job.version in list_versions(store, job.frame.key)
    try:
        keep = job.frame.config.publish.keep_versions - (0 if again else 1)
        return collect(store, job.frame.key, keep, now, needed=products)
    except OutsideError as error:
        if error.code != "product-damaged":
            raise
        # what is named by an item that cannot be read is not known
        job.run.warn(f"nothing old is removed: {error}")
        return Collected((), 0, 0)


def _products(job: Job) -> tuple[ProductVersion, ...]:
    found = (product for record in job.inputs.values() for product in published_of(record).values())
    return tuple(sorted(found, key=lambda product: product.product))


def _provenance(job: Job) -> dict[str, object]:
    record = Record(
        asset=job.step.name,
        data_version=job.version,
        code_version=job.step.code_version,
        options={},
        upstream=job.upstream_versions,
        produced=Produced.now(job.run.run_id),
        facts=job.facts_to_record({}),
    )
    return product_provenance(job.frame, record)


def _thumbnail(job: Job) -> bytes | None:
    shown = (record for record in map(job.inputs.get, _PICTURES) if record is not None and record.picture)
    picture = next((record.picture for record in shown), None)
    return None if picture is None else (job.workspace.root / picture).read_bytes()


def _tell_of_rollback(job: Job, version: str) -> None:
    job.run.warn(f"version {version} was rolled back: `sbas-assets publish {job.frame.key}` publishes it again")


def _damaged(job: Job, record: Record) -> list[str]:
    """Why the frame's current version is not the one of the record; a version that was rolled back stays so."""
    from sbas_assets.published.current import read_current
    from sbas_assets.published.frame_version import incomplete
    from sbas_assets.published.stac_reading import read_item
    from sbas_assets.published.store import open_store, store_faults

    store = open_store(job.frame.settings.store)
    with store_faults(store.url):
        try:
            current = read_current(store, job.frame.key)
        except OutsideError as error:
            return [str(error)]
        if current is None:
            return ["nothing is published"]
        item = read_item(current.item)
        if record.data_version in item.withheld:
            _tell_of_rollback(job, record.data_version)
            return []
        if item.version != record.data_version:
            return [f"the published version is {item.version}"]
        if set(item.products) != set(published_of(record).values()):
            return ["a product was written anew"]
        return incomplete(store, current)


STAC_ITEM = Step(
    name="stac_item",
    upstream=(*(step.name for step in ZARR_STEPS), *_PICTURES),
    options=(),
    make=make_item,
    damaged=_damaged,
)
