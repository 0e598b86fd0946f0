"""Segments as files: one with the new pairs is written and sealed, and virtual datasets show the pairs of all.

The small file above them, the master, lies beside the folder of its segments and has its name. Which pairs are in which
segment, stack_segments.py decides; what a pair's images are, the step that makes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.mintpy.stack_segments import DIGITS, Arrangement, Segment, arrange, intact_segments
from sbas_assets.sbas.product_file import Blank, lay_out, require_room
from sbas_assets.step import Job


@dataclass(frozen=True)
class Stored:
    """One layer of a dataset that was written before: it is copied."""

    dataset: h5py.Dataset
    number: int


Find = Callable[[str, str], Stored | None]
"""Where a dataset has a pair already; None if it is new."""


class _Place(NamedTuple):
    """Where a pair is: name of the segment, its number of layers, and the layer."""

    segment: str
    layers: int
    layer: int


@dataclass(frozen=True)
class StackFiles:
    """The files of one stack, for `Made`.

    Parameters
    ----------
    outputs : mapping
        Files in the staging folder; those in `sealed` are segments.
    sealed, kept : see Made
    read : int
        Pairs that are in no earlier segment.
    """

    outputs: Mapping[str, Path]
    sealed: Sequence[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    read: int = 0


@dataclass(frozen=True)
class Segments:
    """Where all pairs of a stack are, now that the new ones are written.

    Parameters
    ----------
    folder : str
        Of the segments, relative to the work folder.
    found : Arrangement
        What stays, and what is in the new segment.
    new : Path, optional
        The new segment, in the staging folder.
    """

    folder: str
    found: Arrangement
    new: Path | None

    def files(self, master: Path) -> StackFiles:
        """All files of the stack, its master in the staging folder among them."""
        segments = {} if self.new is None else {f"{self.folder}/{self.new.name}": self.new}
        return StackFiles(
            outputs={**segments, f"{self.folder}.h5": master},
            sealed=list(segments),
            kept={f"{self.folder}/{segment.path.name}": segment.sha256 for segment in self.found.kept},
            read=sum(where is None for where in self.found.written.values()),
        )

    def show(self, master: h5py.File, pairs: Sequence[str], blanks: Mapping[str, Blank]) -> None:
        """Create the virtual datasets of the master, so many layers as pairs."""
        places = self._places()
        runs = list(_runs([places[pair] for pair in pairs]))
        for name, blank in sorted(blanks.items()):
            _create_virtual(master, name, blank, runs)

    def used(self) -> Iterator[tuple[Path, list[int]]]:
        """Give each segment, and the layers that are taken from it."""
        for segment, layers in self.found.kept.items():
            yield segment.path, sorted(layers.values())
        if self.new is not None:
            yield self.new, list(range(len(self.found.written)))

    def _places(self) -> dict[str, _Place]:
        places = {
            pair: _Place(segment.path.name, len(segment.contents), layer)
            for segment, layers in self.found.kept.items()
            for pair, layer in layers.items()
        }
        if self.new is not None:
            written = self.found.written
            places |= {pair: _Place(self.new.name, len(written), layer) for layer, pair in enumerate(written)}
        return places


@dataclass(frozen=True)
class Content:
    """What the segments of a stack are to hold.

    Parameters
    ----------
    name : str
        The master, relative to the work folder.
    origin : str
        What decides the pixels of a pair besides its content.
    digests : mapping
        Pair to what identifies its content.
    blanks : callable
        Datasets of a segment of so many pairs.
    fill : callable
        Fills them for these pairs, in this order; always in the same order of writing, so that the same bytes come out.
    """

    name: str
    origin: str
    digests: Mapping[str, str]
    blanks: Callable[[int], Mapping[str, Blank]]
    fill: Callable[[h5py.File, Sequence[str], Find], None]


def write_segments(job: Job, content: Content) -> Segments:
    """Write the pairs of a stack that no segment has into one of their own.

    Parameters
    ----------
    job : Job
        The step at work.
    content : Content
        Of the stack.
    """
    folder = content.name.removesuffix(".h5")
    (job.folder / folder).mkdir(parents=True, exist_ok=True)
    found = arrange(intact_segments(job.workspace.root / folder, content.origin, job.digests), content.digests)
    if not found.written:
        return Segments(folder, found, None)
    pairs, new = list(found.written), job.folder / folder / "new.h5"
    listed = {
        "pair": np.array(pairs, np.bytes_),
        "images": np.array([content.digests[pair] for pair in pairs], np.bytes_),
    }
    datasets: dict[str, Blank | NDArray[Any]] = {**content.blanks(len(pairs)), **listed}
    require_room(new, datasets)
    with h5py.File(new, "w") as h5, ExitStack() as opened:
        lay_out(h5, datasets)
        h5.attrs["origin"] = content.origin
        content.fill(h5, pairs, _finder(found.written, opened))
    sealed = new.with_name(f"{job.digests.of_own(new).sha256[:DIGITS]}.h5")
    new.replace(sealed)
    job.digests.moved(new, sealed)
    return Segments(folder, found, sealed)


def _finder(written: Mapping[str, tuple[Segment, int] | None], opened: ExitStack) -> Find:
    paths = {where[0].path for where in written.values() if where is not None}
    files = {path: opened.enter_context(h5py.File(path, "r")) for path in sorted(paths)}

    def find(name: str, pair: str) -> Stored | None:
        where = written[pair]
        return None if where is None else Stored(files[where[0].path][name], where[1])

    return find


def _runs(places: Sequence[_Place]) -> Iterator[tuple[range, _Place]]:
    """Divide the layers of a stack into runs that lie behind each other in one segment; each with its first place."""
    for _, group in groupby(enumerate(places), lambda one: (one[1].segment, one[1].layer - one[0])):
        numbers, there = zip(*group, strict=True)
        yield range(numbers[0], numbers[-1] + 1), there[0]


def _create_virtual(h5: h5py.File, name: str, blank: Blank, runs: Sequence[tuple[range, _Place]]) -> None:
    """Create a virtual dataset on segments; h5py's own call would store the time of its creation."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    folder, image = Path(h5.filename).stem, blank.shape[1:]
    for layers, place in runs:
        there = h5py.h5s.create_simple((place.layers, *image))
        there.select_hyperslab((place.layer, 0, 0), (len(layers), *image))
        here = h5py.h5s.create_simple(blank.shape)
        here.select_hyperslab((layers.start, 0, 0), (len(layers), *image))
        # relative to the file: a work folder may be moved
        properties.set_virtual(here, f"{folder}/{place.segment}".encode(), name.encode(), there)
    kind = h5py.h5t.py_create(np.dtype(blank.dtype), logical=True)
    h5py.h5d.create(h5.id, name.encode(), kind, h5py.h5s.create_simple(blank.shape), properties)
