"""The Zarr copies as steps: which file of the work folder each is made from, and whether it still stands.

Zarr is imported when something is published or looked at: who only lists the assets need not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.provenance import Record, read_record, travelling_facts
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
    """

    geo: str
    radar: str
    file: str | None
    more: tuple[str, ...] = ()

    @property
    def assets(self) -> tuple[str, ...]:
        """All assets above, each once, the later ones nearer to the product."""
        return tuple(dict.fromkeys(("geometryRadar", *self.more, self.radar, self.geo)))

    def find(self, frame: Frame, records: Mapping[str, Record]) -> tuple[Record, Path]:
        """Record and HDF5 file: the geocoded product, else the one in radar geometry."""
        root = frame.workspace.root
        geocoded = records[self.geo]
        if geocoded.status == "made":
            return geocoded, root / next(out.path for out in geocoded.outputs if out.path != geocoded.picture)
        file = self.file or str(travelling_facts(records, {})["series"])
        maker = next((records[name] for name in reversed(self.assets) if records[name].has(file)), records[self.radar])
        return maker, root / file


SOURCES = {
    "timeseries_demErr": Source(
        "geo_timeseries_demErr", "timeseries_demErr", None, ("timeseries", "timeseries_corrected")
    ),
    "velocity": Source("geo_velocity", "velocity", "velocity.h5"),
    "temporalCoherence": Source("geo_temporalCoherence", "timeseries", "temporalCoherence.h5"),
    "maskTempCoh": Source("geo_maskTempCoh", "timeseries", "maskTempCoh.h5"),
    "avgSpatialCoh": Source("geo_avgSpatialCoh", "network", "avgSpatialCoh.h5"),
    "geometry": Source("geo_geometryRadar", "geometryRadar", GEOMETRY),
}


def source_file(frame: Frame, product: str) -> Path:
    """The HDF5 file that a frame's published product is a copy of.

    Raises
    ------
    InputError
        `upstream-missing`, when it was never made.
    """
    source = SOURCES[product]
    records = {name: read_record(frame.workspace, name) for name in source.assets}
    missing = [name for name, record in records.items() if record is None]
    if missing:
        raise InputError(
            "upstream-missing",
            f"{', '.join(missing)} of this frame were never made",
            mend="materialize the frame",
            frame=frame.key,
        )
    return source.find(frame, {name: record for name, record in records.items() if record is not None})[1]


def _publish_step(product: str, source: Source) -> Step:
    def make(job: Job) -> Made:
        from sbas_assets.published.zarr_product import write_product

        record, file = source.find(job.frame, job.inputs)
        published = write_product(
            file,
            product,
            job.frame.settings.store,
            job.frame.key,
            job.version,
            product_provenance(job.frame, record),
            max_memory_gb=float(job.template.raw["mintpy.compute.maxMemory"]),
            geometry=job.workspace.root / GEOMETRY,
        )
        size = round(published.n_bytes / 1e6, 3)
        return Made(metrics={"store": published.url, "size_MB": size, "objects": published.n_objects})

    def damaged(job: Job, record: Record) -> list[str]:
        return _faults(job.frame, product, record.data_version)

    return Step(
        name=f"zarr_{product}",
        upstream=source.assets,
        options=("mintpy.geocode",),
        code_version="2",
        make=make,
        damaged=damaged,
    )


def _faults(frame: Frame, product: str, version: str) -> list[str]:
    """What is wrong with the published version, were it only that it is another one."""
    from sbas_assets.published.pointer import read_pointer
    from sbas_assets.published.store import open_store, store_faults
    from sbas_assets.published.verify import verify_product

    url = frame.settings.store
    store = open_store(url)
    with store_faults(url):
        try:
            pointer = read_pointer(store, frame.key, product)
        except OutsideError as error:
            return [str(error)]
    if pointer is not None and pointer.version != version:
        return [f"the published version is {pointer.version}"]
    return verify_product(url, frame.key, product)


PUBLISH_STEPS = tuple(_publish_step(product, source) for product, source in SOURCES.items())
