"""The Zarr copies as steps: which file of the work folder each is made from, and whether it still stands.

Zarr is imported when something is published or looked at: who only lists the assets need not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template import Template
from sbas_assets.provenance import Record, read_record, travelling_facts
from sbas_assets.published.product_version import RADAR, ProductVersion
from sbas_assets.step import Frame, Job, Made, Step, product_provenance

GEOMETRY = "inputs/geometryRadar.h5"


@dataclass(frozen=True)
class Source:
    """Where a product comes from.

    Parameters
    ----------
    geo, radar : str
        Assets that make it on the geographic grid and in radar geometry.
    file : str or None
        The product in radar geometry; None for the final displacement series.
    more : tuple of str
        Assets that may have made the file when `radar` passed it through.
    option : str or None
        Template key without which there is no such product.
    """

    geo: str
    radar: str
    file: str | None
    more: tuple[str, ...] = ()
    option: str | None = None

    @property
    def assets(self) -> tuple[str, ...]:
        """All assets above, each once, the later ones nearer to the product."""
        return tuple(dict.fromkeys(("geometryRadar", *self.more, self.radar, self.geo)))

    def find(self, frame: Frame, records: Mapping[str, Record]) -> Iterator[tuple[str, Record, Path]]:
        """Yield suffix of the name, record and HDF5 file of what is published.

        That is the geocoded product, and its radar original beside it where the frame asks for it; without geocoding
        the product in radar geometry.
        """
        root, suffix = frame.workspace.root, ""
        geocoded = records[self.geo]
        if geocoded.status == "made":
            yield "", geocoded, root / next(out.path for out in geocoded.outputs if out.path != geocoded.picture)
            suffix = RADAR
        if suffix and not frame.config.publish.radar:
            return
        file = self.file or str(travelling_facts(records, {})["series"])
        maker = next((records[name] for name in reversed(self.assets[:-1]) if records[name].has(file)), None)
        yield suffix, maker or records[self.radar], root / file

    def off(self, template: Template) -> str | None:
        """Tell why there is no such product."""
        return f"{self.option} = no" if self.option and not template.yes(self.option) else None


SOURCES = {
    "timeseries_demErr": Source(
        "geo_timeseries_demErr", "timeseries_demErr", None, ("timeseries", "timeseries_corrected")
    ),
    "velocity": Source("geo_velocity", "velocity", "velocity.h5"),
    "temporalCoherence": Source("geo_temporalCoherence", "timeseries", "temporalCoherence.h5"),
    "maskTempCoh": Source("geo_maskTempCoh", "timeseries", "maskTempCoh.h5"),
    "avgSpatialCoh": Source("geo_avgSpatialCoh", "network", "avgSpatialCoh.h5"),
    "demErr": Source("geo_demErr", "timeseries_demErr", "demErr.h5", option="mintpy.topographicResidual"),
    "geometry": Source("geo_geometryRadar", "geometryRadar", GEOMETRY),
}


def asset_of(product: str) -> str:
    """Return the asset that publishes a product."""
    return f"zarr_{product}"


def published_of(record: Record | None) -> dict[str, ProductVersion]:
    """Return what an asset, or those that it was made from, have written into the store, by the product's name."""
    facts = record.facts.get("published", {}) if record else {}
    return {name: ProductVersion.from_fact(fact) for name, fact in facts.items()}


def published_files(frame: Frame) -> dict[str, tuple[ProductVersion, Path]]:
    """Return what the frame's assets have written into the store, with the HDF5 file that each is a copy of.

    Products that were never made, or are turned off, are not among them.
    """
    found: dict[str, tuple[ProductVersion, Path]] = {}
    for product, source in SOURCES.items():
        stored = published_of(read_record(frame.workspace, asset_of(product)))
        records = {name: read_record(frame.workspace, name) for name in source.assets}
        known = {name: record for name, record in records.items() if record is not None}
        if not stored or len(known) < len(records):
            continue
        files = {product + suffix: file for suffix, _, file in source.find(frame, known)}
        found |= {name: (stored[name], files[name]) for name in stored if name in files}
    return found


def require_published(frame: Frame, product: str) -> dict[str, tuple[ProductVersion, Path]]:
    """Return what `published_files` has of one product; InputError `upstream-missing` when that is nothing."""
    found = {name: pair for name, pair in published_files(frame).items() if name.removesuffix(RADAR) == product}
    record = read_record(frame.workspace, asset_of(product))
    if not found and (record is None or record.status == "made"):
        raise InputError(
            "upstream-missing",
            f"{asset_of(product)} of this frame, or what it is made from, was never made",
            mend="materialize the frame",
            frame=frame.key,
        )
    return found


def _publish_step(product: str, source: Source) -> Step:
    def make(job: Job) -> Made:
        from sbas_assets.published.zarr_product import write_product

        publish = job.frame.config.publish
        earlier = published_of(read_record(job.workspace, job.step.name))
        written = [
            write_product(
                file,
                product,
                job.frame.settings.store,
                job.frame.key,
                job.version,
                product_provenance(job.frame, record),
                max_memory_gb=float(job.template.raw["mintpy.compute.maxMemory"]),
                scratch=job.folder,
                geometry=job.workspace.root / GEOMETRY,
                beside=bool(suffix),
                mantissa_bits=publish.mantissa_bits,
                earlier=earlier.get(product + suffix),
            )
            for suffix, record, file in source.find(job.frame, job.inputs)
        ]
        stored = [one.stored for one in written]
        size = round(sum(one.n_bytes for one in stored) / 1e6, 3)
        return Made(
            metrics={"store": written[0].url, "size_MB": size, "objects": sum(one.n_objects for one in stored)},
            facts={"published": {one.product: one.as_fact() for one in stored}},
        )

    return Step(
        name=asset_of(product),
        upstream=source.assets,
        options=("mintpy.geocode", *filter(None, (source.option,))),
        code_version="4",
        make=make,
        off=source.off,
        state=_wishes,
        damaged=_damaged,
    )


def _wishes(job: Job) -> Mapping[str, str]:
    """What the frame's file says of publishing, as far as it decides the bytes."""
    publish = job.frame.config.publish
    return {"radar": str(publish.radar), "mantissa_bits": str(publish.mantissa_bits)}


def _damaged(job: Job, record: Record) -> list[str]:
    """What the store no longer holds as it was written, were it only that it is another store."""
    from sbas_assets.published.store import open_store, store_faults
    from sbas_assets.published.verify import stored_problems

    url = job.frame.settings.store
    store, stored = open_store(url), published_of(record).values()
    with store_faults(url):
        found = [problem for one in stored for problem in stored_problems(store, one, quick=True)]
    return found if stored else ["it was never published"]


ZARR_STEPS = tuple(_publish_step(product, source) for product, source in SOURCES.items())
