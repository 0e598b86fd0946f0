"""A frame of an installation whose stack comes date by date, and what must hold of it afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import h5py
import numpy as np
from numpy.typing import NDArray

import sbas_assets
from sbas_assets.published.current import read_version
from sbas_assets.published.history import read_history
from sbas_assets.published.store import open_store
from sbas_assets.workspace import Settings, Workspace
from sbas_assets_tests.automation.deliveries import Delivery
from sbas_assets_tests.installation import Installation

SERIES = ("timeseries_demErr.h5", "geo/geo_timeseries_demErr.h5")
NEAR_MM = 1e-4
ALL = 1000
"""Versions that are kept: every one."""


@dataclass(frozen=True)
class Update:
    """What one delivery took.

    Parameters
    ----------
    dates : int
        Dates of the stack with it.
    published_s : float
        From the last file of the delivery to the version that readers see.
    run_s : float
        The run itself, in its process.
    """

    dates: int
    published_s: float
    run_s: float


@dataclass
class Stream:
    """A frame, the folder that its stack comes to, and what was delivered up to now."""

    made: Installation
    delivery: Delivery
    frame: str
    brought: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, made: Installation, delivery: Delivery, frame: str, brought: Sequence[str] = ()) -> Stream:
        """Add the frame; its stack has what all pairs share, or these dates already."""
        if not brought:
            delivery.shared()
        made.add(frame, delivery.stack, publish={"keep_versions": ALL})
        return cls(made, delivery, frame, list(brought))

    @property
    def workspace(self) -> Workspace:
        return Settings.under(self.made.root).workspace(self.frame)

    def bring(self, *dates: str) -> None:
        self.delivery.dates(*dates)
        self.brought.extend(dates)

    def update(self, *dates: str) -> Update:
        """Deliver dates, and wait until they are published and the run has ended."""
        self.bring(*dates)
        before, began = self.published(), time.monotonic()
        self.made.wait(lambda: self.published() > before)
        published_s = time.monotonic() - began
        self.made.wait(lambda: not self.made.under_way(self.frame))
        return Update(len(self.brought), published_s, self.made.seconds(self.frame))

    def published(self) -> int:
        """Number of the publication that readers see; 0 before the first."""
        return publication(self.made.root, self.frame)

    def dates_reported(self) -> list[str]:
        """Every date that the stack's events call new, in the order of the events."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey("topsStack"), asset_partitions=[self.frame])
        records = self.made.instance.fetch_materializations(wanted, limit=ALL, ascending=True).records
        events = [record.asset_materialization for record in records]
        names = [event.metadata["dates_added_names"].value for event in events if event]
        return [date for listed in names for date in str(listed).split(", ")]

    def versions(self) -> list[tuple[int, str]]:
        """Number and last date of each published version, in the order of their making."""
        store = open_store(str(self.made.root / "store"))
        found = []
        for kept in sorted(read_history(store, self.frame), key=lambda kept: kept.created):
            item = read_version(store, self.frame, kept.version)
            assert item is not None
            found.append((kept.publication, item["properties"]["end_datetime"][:10].replace("-", "")))
        return found

    def leftovers(self) -> list[str]:
        """What no run may leave: files in staging, half-written ones, a lock that is held."""
        staging = self.workspace.hidden / "staging"
        found = [str(path) for path in (staging.iterdir() if staging.exists() else ())]
        found += [str(path) for path in self.workspace.root.rglob(".*.[0-9]*")]
        return found + (["lock"] if self.made.locked(self.frame) else [])


def publication(root: Path, frame: str) -> int:
    item = root / "store" / frame / "item.json"
    return int(json.loads(item.read_text())["properties"]["sbas:publication"]) if item.exists() else 0


def series_off_mm(root: Path, frame: str, other: str) -> float:
    """Largest difference of the final series of two frames, in their HDF5 files and in their Zarr; NaN must agree."""
    off = [_off(*(_hdf5(root / "work" / key / name) for key in (frame, other))) for name in SERIES]
    published = [sbas_assets.open_frame(str(root / "store" / key)).displacement.to_numpy() for key in (frame, other)]
    return 1e3 * max([*off, _off(*published)])


def _hdf5(file: Path) -> NDArray[np.float32]:
    with h5py.File(file) as h5:
        return np.asarray(h5["timeseries"][:])


def _off(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    assert one.shape == other.shape
    assert np.array_equal(np.isnan(one), np.isnan(other))
    assert np.nanmax(np.abs(one)) > 1e-3, "there is motion"
    return float(np.nanmax(np.abs(one.astype("f8") - other)))


def same_reference_point(root: Path, frame: str, others: Iterable[str]) -> None:
    """Give frames the reference point that one has chosen when it had fewer dates."""
    settings = Settings.under(root)
    for other in others:
        pin = settings.workspace(other).pin
        pin.parent.mkdir(parents=True, exist_ok=True)
        pin.write_bytes(settings.workspace(frame).pin.read_bytes())
