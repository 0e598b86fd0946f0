"""Layouts of a displacement series in an object store: how fast each is written and read, and in how many requests.

    python -m sbas_assets_tests.benchmarks.publish [--quick] [--dates N ...] [--only NAME ...] [--json]

A series of 1000 x 1200 pixels is written to a real S3 server, the tests' Ceph gateway, which holds it in memory on the
same machine, in each layout through the same store, and read by xarray through s3fs as `published.reading` reads it
(the HDF5 file by h5py). Read are one pixel and 256 x 256 pixels at all dates, one date's whole map, and that map for a
screen of half its size, which layouts without levels read whole. Then the same through a proxy that adds 25 ms to each
round trip. Every array that was read is compared with MintPy's file.

Requests are counted in the server's log; those of opening are told on their own. Every repetition opens anew. Of
requests and seconds the median counts, of as many repetitions as fit the time: three to nine of reading, one to three
of writing. Each layout has a server of its own, so that none meets what another left.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.commands.output import Output
from sbas_assets.published.store import Store
from sbas_assets_tests.benchmarks.machine import machine, opened, show_machine
from sbas_assets_tests.benchmarks.publish_codecs import Codec, compare_codecs, show_codecs
from sbas_assets_tests.benchmarks.publish_layouts import MAP, SCREEN, SERIES, Layout, layouts
from sbas_assets_tests.benchmarks.publish_series import swath, write_series
from sbas_assets_tests.benchmarks.publish_server import BUCKET, Server, fresh_server

SHAPE, DATES = (1000, 1200), (60, 300)
QUICK_SHAPE, QUICK_DATES = (640, 800), (20,)
WINDOW = 256
ROUND_TRIP_S = 0.025
READINGS = {"point": SERIES, "window": SERIES, "map": MAP, "screen": SCREEN}

Key = tuple[slice | int, ...]


@dataclass(frozen=True)
class Effort:
    """How often each reading is repeated: `most` times, or as often as the patience allows, and at least `least`."""

    most: int
    least: int
    patience_s: float


FULL, QUICK = Effort(9, 3, 6.0), Effort(2, 2, 0.0)


@dataclass(frozen=True)
class Read:
    """One kind of reading: median requests and milliseconds, of opening and of reading after it."""

    open_requests: float
    open_ms: float
    requests: float
    ms: float
    repetitions: int


@dataclass(frozen=True)
class Result:
    """One layout of one series; readings by their name, near and far."""

    dates: int
    layout: str
    objects: int
    stored_mb: float
    write_mb_s: float
    near: dict[str, Read]
    far: dict[str, Read]


class Truth:
    """The numbers that every layout has to give back."""

    def __init__(self, source: Path) -> None:
        self.source = source
        with h5py.File(source) as file:
            self.shape: tuple[int, int, int] = file["timeseries"].shape
        self.n_bytes = 4 * self.shape[0] * self.shape[1] * self.shape[2]

    def keys(self, reading: str) -> Iterator[Key]:
        """Yield what is read, the same for all layouts: places inside the swath, or dates."""
        rng = np.random.default_rng(7)
        n_dates, length, width = self.shape
        size = {"point": 1, "window": WINDOW}.get(reading)
        inside = np.argwhere(swath((length, width))[: length - WINDOW, : width - WINDOW])
        while True:
            row, column = inside[rng.integers(len(inside))].tolist()
            day = int(rng.integers(n_dates))
            yield (day,) if size is None else (slice(None), slice(row, row + size), slice(column, column + size))

    def check(self, key: Key, values: NDArray[np.float32]) -> None:
        """Raise RuntimeError unless the values are MintPy's, or of a smaller map their means."""
        with h5py.File(self.source) as file:
            expected = file["timeseries"][key]
        if values.shape == expected.shape:
            right = np.array_equal(values, expected, equal_nan=True)
        else:
            right = np.allclose(values, halved(expected), rtol=1e-4, atol=1e-7, equal_nan=True)
        if not right:
            raise RuntimeError(f"{key} is not what MintPy's file says")


def halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of 2 x 2 pixels, of those that have a number; both sides are even."""
    blocks = values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2)
    known = np.isfinite(blocks).sum(axis=(1, 3))
    means: NDArray[np.float32] = np.nansum(blocks, axis=(1, 3)) / np.where(known, known, np.nan).astype(np.float32)
    return means


@dataclass(frozen=True)
class Trial:
    """One layout of one series on a fresh server."""

    server: Server
    layout: Layout
    truth: Truth
    effort: Effort

    def measure(self) -> Result:
        """Write the layout, and read it near and far."""
        root, seconds = self._write_some_times()
        near, far = (self._read_all(replace(store, root=root)) for store in (self.server.near, self.server.far))
        objects = self.server.ceph.objects(BUCKET)
        stored, speed = sum(objects.values()) / 1e6, self.truth.n_bytes / 1e6 / seconds
        return Result(self.truth.shape[0], self.layout.name, len(objects), stored, speed, near, far)

    def _write_some_times(self) -> tuple[str, float]:
        """Return where the last attempt is, and the median seconds; the others are removed."""
        near, ceph = self.server.near, self.server.ceph
        times: list[float] = []
        while True:
            near.delete([f"{BUCKET}/{name}" for name in ceph.objects(BUCKET)])
            # a folder of its own, because what is there with the same bytes is not written again
            root = f"{BUCKET}/{len(times)}"
            begun = time.perf_counter()
            self.layout.write(replace(near, root=root), self.truth.source)
            times.append(time.perf_counter() - begun)
            if sum(times) > 3 * self.effort.patience_s or len(times) == self.effort.least:
                return root, median(times)

    def _read_all(self, store: Store) -> dict[str, Read]:
        """Read in every way; a layout without levels gives the whole map to a screen."""
        reads = {name: self._read(store, name) for name in READINGS if name != SCREEN}
        return reads | {SCREEN: self._read(store, SCREEN) if self.layout.has_levels else reads[MAP]}

    def _read(self, store: Store, reading: str) -> Read:
        """Open and read until the patience or the repetitions are at their end."""
        ceph, rows = self.server.ceph, []
        begun = time.perf_counter()
        for key in self.truth.keys(reading):
            marks = [ceph.mark()]
            times = [time.perf_counter()]
            with self.layout.open(store, READINGS[reading]) as array:
                times.append(time.perf_counter())
                marks.append(ceph.mark())
                times.append(time.perf_counter())
                values = np.asarray(array[key])
                times.append(time.perf_counter())
            requests = len(ceph.since(marks[1]))
            before = len(ceph.since(marks[0])) - requests
            self.truth.check(key, values)
            rows.append((before, 1e3 * (times[1] - times[0]), requests, 1e3 * (times[3] - times[2])))
            late = time.perf_counter() - begun > self.effort.patience_s and len(rows) >= self.effort.least
            if late or len(rows) == self.effort.most:
                break
        open_requests, open_ms, requests_, ms = (median(column) for column in zip(*rows, strict=True))
        return Read(open_requests, open_ms, requests_, ms, len(rows))


def measure_series(
    out: Output, folder: Path, n_dates: int, shape: tuple[int, int], *, only: Sequence[str], effort: Effort
) -> tuple[list[Result], list[Codec]]:
    """Measure the layouts of one series, each on a server of its own, and the codecs."""
    truth = Truth(write_series(folder / "geo_timeseries_demErr.h5", n_dates, shape))
    results = []
    for layout in layouts(n_dates):
        if only and not any(word in layout.name for word in only):
            continue
        out.note(f"{n_dates} dates: {layout.name}")
        # a layout may keep the series twice, and its levels
        with fresh_server(3 * truth.n_bytes, ROUND_TRIP_S) as server:
            results.append(Trial(server, layout, truth, effort).measure())
    return results, [] if only else compare_codecs(truth.source)


def benchmark(out: Output, shape: tuple[int, int], dates: Sequence[int], only: Sequence[str], effort: Effort) -> None:
    """Measure every series, and show."""
    document: dict[str, Any] = {"machine": machine(), "shape": shape, "layouts": [], "codecs": []}
    if not out.json:
        show_machine(out)
    with tempfile.TemporaryDirectory(prefix="publish-") as folder:
        # kernels are compiled and modules imported before anything counts
        measure_series(out, Path(folder), 8, QUICK_SHAPE, only=("ours",), effort=QUICK)
        for n_dates in dates:
            results, codecs = measure_series(out, Path(folder), n_dates, shape, only=only, effort=effort)
            document["layouts"] += [asdict(result) for result in results]
            document["codecs"] += [asdict(codec) for codec in codecs]
            if not out.json:
                show(out, n_dates, shape, results)
                show_codecs(out, codecs)
    if out.json:
        out.document(document)


def show(out: Output, n_dates: int, shape: tuple[int, int], results: Sequence[Result]) -> None:
    """Print one series' tables in Markdown, as docs/performance.md has them."""
    size = 4e-6 * n_dates * shape[0] * shape[1]
    out.say(f"\n{n_dates} dates, {shape[0]} x {shape[1]} pixels, {size:.0f} MB; requests, ms near, ms far\n")
    out.say("| layout | objects | MB | written MB/s | point | window | map | on a screen |")
    out.say("|---|---:|---:|---:|---:|---:|---:|---:|")
    for result in results:
        cells = [result.layout, f"{result.objects}", f"{result.stored_mb:.0f}", f"{result.write_mb_s:.0f}"]
        for reading, near in result.near.items():
            cells.append(f"{near.requests:.0f}, {near.ms:.0f}, {result.far[reading].ms:.0f}")
        out.say(f"| {' | '.join(cells)} |")
    out.say("\nopening before it: requests, ms near, ms far\n")
    for result in results:
        told = [
            f"{reading} {near.open_requests:.0f}, {near.open_ms:.0f}, {result.far[reading].open_ms:.0f}"
            for reading, near in result.near.items()
        ]
        out.say(f"{result.layout}: {'; '.join(told)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark in a temporary folder."""
    parser = argparse.ArgumentParser(prog="publish", description="Layouts of a displacement series in an object store.")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="a small series of 20 dates")
    parser.add_argument("--dates", type=int, nargs="+", metavar="N", help="numbers of dates")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="layouts whose name has one of these")
    given = parser.parse_args(arguments)
    shape, dates = (QUICK_SHAPE, QUICK_DATES) if given.quick else (SHAPE, DATES)
    effort = QUICK if given.quick else FULL
    benchmark(opened(as_json=given.json), shape, given.dates or dates, given.only, effort)


if __name__ == "__main__":
    main()
