"""Codecs for a displacement series: how small, how fast, in the two kinds of chunk that it is published in.

Belongs here: compressing and decompressing in memory, on one thread. Does not belong here: stores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numcodecs import Blosc, Zstd, blosc
from numpy.typing import NDArray

from sbas_assets.commands.output import Output
from sbas_assets.published.arrays import map_chunk, series_chunk

SAMPLE = 24  # chunks of each kind
CODECS: dict[str, Any] = {
    "lz4, level 5, bytes shuffled": Blosc("lz4", 5, Blosc.SHUFFLE),
    **{
        f"zstd, level {level}, {words}": Blosc("zstd", level, shuffle)
        for level in (1, 3, 6, 9)
        for words, shuffle in (("bytes shuffled", Blosc.SHUFFLE), ("bits shuffled", Blosc.BITSHUFFLE))
    },
    "zstd, level 3, alone": Zstd(3),
}


@dataclass(frozen=True)
class Codec:
    """One codec on one kind of chunk: how many times smaller, and the speeds on raw bytes."""

    dates: int
    chunk: tuple[int, ...]
    codec: str
    ratio: float
    write_mb_s: float
    read_mb_s: float


def compare_codecs(source: Path) -> list[Codec]:
    """Compress chunks from all over a series with each codec; what comes back has to be the same.

    Parameters
    ----------
    source : Path
        MintPy's file.
    """
    blosc.set_nthreads(1)
    with h5py.File(source) as file:
        data = file["timeseries"]
        kinds = [series_chunk(data.shape, 4)[0], map_chunk(data.shape)]
        samples = [_sample(data, chunk) for chunk in kinds]
        n_dates = data.shape[0]
    return [
        _measure(n_dates, chunk, name, codec, sample)
        for chunk, sample in zip(kinds, samples, strict=True)
        for name, codec in CODECS.items()
    ]


def _sample(data: h5py.Dataset, chunk: tuple[int, ...]) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    starts = [rng.integers(0, size - step + 1, SAMPLE) for size, step in zip(data.shape, chunk, strict=True)]
    return [
        np.ascontiguousarray(data[tuple(slice(start, start + step) for start, step in zip(corner, chunk, strict=True))])
        for corner in zip(*(each.tolist() for each in starts), strict=True)
    ]


def _measure(n_dates: int, chunk: tuple[int, ...], name: str, codec: Any, sample: list[NDArray[np.float32]]) -> Codec:
    packed = [codec.encode(values) for values in sample]
    for values, bytes_ in zip(sample, packed, strict=True):
        if codec.decode(bytes_) != values.tobytes():
            raise RuntimeError(f"{name} changes numbers")
    size = sum(values.nbytes for values in sample)
    ratio = size / sum(map(len, packed))
    write, read = _seconds(codec.encode, sample), _seconds(codec.decode, packed)
    return Codec(n_dates, chunk, name, ratio, size / 1e6 / write, size / 1e6 / read)


def _seconds(work: Callable[[Any], Any], items: Sequence[Any]) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        for item in items:
            work(item)
        times.append(time.perf_counter() - begun)
    return median(times)


def show_codecs(out: Output, codecs: Sequence[Codec]) -> None:
    """Print a table in Markdown, as docs/performance.md has it."""
    if not codecs:
        return
    chunks = list(dict.fromkeys(codec.chunk for codec in codecs))
    heads = [" x ".join(map(str, chunk)) for chunk in chunks]
    out.say("\n| codec | " + " | ".join(f"{head}: smaller, MB/s in, MB/s out" for head in heads) + " |")
    out.say("|---|" + "---:|" * len(heads))
    for name in CODECS:
        cells = [
            f"{codec.ratio:.2f}, {codec.write_mb_s:.0f}, {codec.read_mb_s:.0f}"
            for codec in codecs
            if codec.codec == name
        ]
        out.say(f"| {name} | {' | '.join(cells)} |")
