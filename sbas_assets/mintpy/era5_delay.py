"""Delays from ERA5 in line of sight: PyAPS computes a date when the last file does not hold it already.

`inputs/ERA5.h5` is written date by date in its final form, with the numbers and attributes that MintPy's tropo_pyaps3
gives it. Which dates have weather is decided in troposphere.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.held_layers import SERIES, Held, copy_layers
from sbas_assets.mintpy.workfolder import GEOMETRY
from sbas_assets.provenance import Record, damaged_outputs, read_record
from sbas_assets.sbas.product_file import Blank, product_file
from sbas_assets.step import Job

ERA5_DELAY = "inputs/ERA5.h5"
# absolute delays refer to nothing
_REFERENCE = frozenset({"REF_DATE", "REF_X", "REF_Y", "REF_LAT", "REF_LON"})
_LIBRARIES = ("mintpy", "pyaps3", "pygrib", "scipy", "numpy")


def era5_delays(job: Job, gribs: Mapping[str, Path]) -> Held:
    """Write the delays into the staging folder, where `timeseries.h5` and the geometry are.

    Parameters
    ----------
    job : Job
        Of the step troposphere.
    gribs : mapping
        Verified GRIB file by date (`YYYYMMDD`), in the order of the dates.

    Returns
    -------
    Held
        What was taken from the last version.
    """
    held = _held(job, gribs)
    target, series, geometry = job.folder / ERA5_DELAY, job.folder / "timeseries.h5", job.folder / GEOMETRY
    workfolder.run(job, lambda: write_delays(target, series, geometry, gribs, held))
    return held


def made_with() -> dict[str, str]:
    """Versions of the libraries that decide the numbers of a delay."""
    return {name: version(name) for name in _LIBRARIES}


def _held(job: Job, gribs: Mapping[str, Path]) -> Held:
    """What of the last version is the same for certain: of an intact file, same geometry, code, and GRIB by content."""
    held = Held(job.workspace.root / ERA5_DELAY)
    old = read_record(job.workspace, job.step.name)
    if old is None or not old.has(ERA5_DELAY) or not _made_alike(job, old):
        return held
    if damaged_outputs(job.digests, job.workspace, old):
        return held
    then, now = (facts.get("era5_files", {}) for facts in (old.facts, job.facts()))
    digests = {_date(name): digest for name, digest in then.items()}
    with h5py.File(held.file, "r") as h5:
        stored = {date.decode() for date in h5["date"][:]}
    same = {date for date, path in gribs.items() if date in stored and digests.get(date) == now[path.name]}
    return Held(held.file, frozenset(same))


def _date(grib: str) -> str:
    return grib.split("_")[-2]


def _made_alike(job: Job, old: Record) -> bool:
    return (
        old.status == "made"
        and old.code_version == job.step.code_version
        and old.upstream.get("geometryRadar") == job.upstream_versions["geometryRadar"]
        and old.facts.get("delay_made_with") == made_with()
    )


def write_delays(target: Path, series: Path, geometry: Path, gribs: Mapping[str, Path], held: Held) -> None:
    """Write the delay of each date in line of sight.

    Parameters
    ----------
    target : Path
        File to write: float32 (date, row, column) in m, absolute; negative, as it enters a displacement that is
        positive toward the satellite.
    series : Path
        Displacement whose attributes it gets.
    geometry : Path
        Incidence angle (degree), height (m), latitude and longitude (degree) of each pixel.
    gribs : mapping
        GRIB file by date, in the order of the dates.
    held : Held
        Dates that need not be computed.

    Notes
    -----
    Source: MintPy `tropo_pyaps3.calc_delay_timeseries`.
    """
    with h5py.File(geometry, "r") as h5:
        shape = h5["height"].shape
    datasets: dict[str, Any] = {"date": np.array(list(gribs), dtype=np.bytes_), SERIES: Blank((len(gribs), *shape))}
    with product_file(target, _attributes(series, list(gribs)), datasets) as h5:
        layers = {date: number for number, date in enumerate(gribs)}
        copy_layers(held, h5[SERIES], layers)
        _compute(geometry, h5[SERIES], layers, {date: path for date, path in gribs.items() if date not in held.dates})


def _attributes(series: Path, dates: list[str]) -> dict[str, Any]:
    from mintpy.utils import readfile

    found = {key: value for key, value in readfile.read_attribute(str(series)).items() if key not in _REFERENCE}
    # the delays may have fewer dates than the series
    ends = {key: value for key, value in (("START_DATE", dates[0]), ("END_DATE", dates[-1])) if key in found}
    return {**found, **ends, "FILE_TYPE": SERIES, "UNIT": "m"}


def _compute(geometry: Path, images: h5py.Dataset, layers: Mapping[str, int], gribs: Mapping[str, Path]) -> None:
    """One date after the other: threads would wait for Python's lock, which neither PyAPS nor pygrib releases."""
    from mintpy.tropo_pyaps3 import get_delay
    from pyaps3 import era

    if not gribs:
        return
    with h5py.File(geometry, "r") as h5:
        dem, inc, lat, lon = (h5[name][:] for name in ("height", "incidenceAngle", "latitude", "longitude"))
    valid = (inc != 0) & ~np.isnan(inc)
    with mock.patch.object(era, "pygrib", SimpleNamespace(open=_Messages)):
        for date, path in gribs.items():
            # PyAPS changes heights and longitudes in place: the first date as every other would
            images[layers[date]] = get_delay(
                str(path), tropo_model="ERA5", delay_type="comb", dem=dem, inc=inc, lat=lat, lon=lon, mask=valid
            )
            print(f"delay of {date} computed from {path.name}")


class _Messages:
    """A GRIB file as PyAPS asks pygrib for it, read in one pass.

    PyAPS goes to each level anew, for which pygrib walks through the file from its start: most of a date's time.
    """

    def __init__(self, file: str) -> None:
        import pygrib

        with pygrib.open(file) as grib:
            self._messages = list(grib)
        self._at = 0

    def seek(self, number: int) -> None:
        self._at = number

    def read(self, count: int) -> list[Any]:
        found = self._messages[self._at : self._at + count]
        self._at += count
        return found
