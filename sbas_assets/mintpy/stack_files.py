"""An interferogram stack as a small file of virtual datasets on its segments.

The small file (`inputs/ifgramStack.h5`) has the list of pairs, their baselines and flags, the attributes and the
provenance; the pixels are in segments (`inputs/ifgramStack/`), of which only those with new pairs are written. Which
segments that are, stack_segments.py decides; how pixels are read, load_images.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from sbas_assets.mintpy.load_images import Stored, fill_stack
from sbas_assets.mintpy.load_plan import STACK_TYPES, Images, Layer, Product
from sbas_assets.mintpy.stack_segments import DIGITS, PATTERN, Arrangement, arrange, intact_segments
from sbas_assets.mintpy.workfolder import ION_STACK, STACK
from sbas_assets.sbas.product_file import Blank, lay_out, product_file
from sbas_assets.step import Job

SEGMENTS = tuple(f"{name.removesuffix('.h5')}/{PATTERN}" for name in (STACK, ION_STACK))
"""Patterns of all segments of a frame."""


@dataclass(frozen=True)
class StackSource:
    """What one stack is made of.

    Parameters
    ----------
    name : str
        `inputs/ifgramStack.h5` or `inputs/ionStack.h5`.
    product : Product
        Attributes, and the kinds of the images.
    images : Images
        Of `unwrapPhase` (rad), `coherence` and `connectComponent`, one per pair.
    baselines : mapping
        First and second date of each pair, in the order of the images, to the perpendicular baseline (m).
    compression : str
        `mintpy.load.compression`; the components are always compressed.
    """

    name: str
    product: Product
    images: Images
    baselines: Mapping[tuple[str, str], float]
    compression: str

    @property
    def pairs(self) -> list[str]:
        """Names of the pairs, layer by layer."""
        return ["_".join(dates) for dates in self.baselines]

    def blanks(self, number: int) -> dict[str, Blank]:
        """Datasets of so many layers, as MintPy has them."""
        chosen = None if self.compression == "default" else self.compression or None
        return {
            name: Blank(
                (number, *self.images.shape), STACK_TYPES[name], "lzf" if name == "connectComponent" else chosen
            )
            for name in self.images.layers
        }

    def origin(self, code_version: str) -> str:
        """What decides the pixels of a pair besides its images."""
        rows, columns = self.images.rows, self.images.columns
        return json.dumps(
            {
                "code": code_version,
                "mintpy": version("mintpy"),
                "kinds": dict(self.product.kinds),
                "window": [int(end) for end in (rows.start, rows.stop, columns.start, columns.stop)],
                "compression": self.compression,
            },
            sort_keys=True,
        )


@dataclass(frozen=True)
class StackFiles:
    """The files of one stack, for `Made`.

    Parameters
    ----------
    outputs : mapping
        Files in the staging folder; those in `sealed` are segments.
    sealed, kept : see Made
    read : int
        Pairs that were read from the stack.
    """

    outputs: Mapping[str, Path]
    sealed: Sequence[str] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    read: int = 0


class _Place(NamedTuple):
    """Where a pair is: name of the segment, its number of layers, and the layer."""

    segment: str
    layers: int
    layer: int


def write_stack(job: Job, source: StackSource, digests: Mapping[str, str]) -> StackFiles:
    """Write an interferogram stack, its new and changed pairs into a segment of their own.

    Parameters
    ----------
    job : Job
        The step at work.
    source : StackSource
        The stack.
    digests : mapping
        Pair to the digest of its images, as they are read.

    Raises
    ------
    InputError
        `raster-truncated`, `file-unreadable`.

    Notes
    -----
    Source: MintPy `ifgramStackDict.write2hdf5`.
    """
    folder = source.name.removesuffix(".h5")
    (job.folder / folder).mkdir(parents=True, exist_ok=True)
    origin = source.origin(job.step.code_version)
    found = arrange(intact_segments(job.workspace.root / folder, origin, job.digests), digests)
    new = _write_segment(job, source, found, origin, digests) if found.written else None
    master = _write_master(job, source, _places(found, new))
    segments = {} if new is None else {f"{folder}/{new.name}": new}
    return StackFiles(
        outputs={**segments, source.name: master},
        sealed=list(segments),
        kept={f"{folder}/{segment.path.name}": segment.sha256 for segment in found.kept},
        read=sum(where is None for where in found.written.values()),
    )


def _places(found: Arrangement, new: Path | None) -> dict[str, _Place]:
    places = {
        pair: _Place(segment.path.name, len(segment.contents), layer)
        for segment, layers in found.kept.items()
        for pair, layer in layers.items()
    }
    if new is not None:
        places |= {pair: _Place(new.name, len(found.written), layer) for layer, pair in enumerate(found.written)}
    return places


def _write_segment(job: Job, source: StackSource, found: Arrangement, origin: str, digests: Mapping[str, str]) -> Path:
    new = job.folder / source.name.removesuffix(".h5") / "new.h5"
    contents = {
        "pair": np.array(list(found.written), np.bytes_),
        "images": np.array([digests[pair] for pair in found.written], np.bytes_),
    }
    with h5py.File(new, "w") as h5, ExitStack() as opened:
        lay_out(h5, {**source.blanks(len(found.written)), **contents})
        h5.attrs["origin"] = origin
        fill_stack(h5, source.images, _layers(source, found, opened))
    sealed = new.with_name(f"{job.digests.of_own(new).sha256[:DIGITS]}.h5")
    new.replace(sealed)
    job.digests.moved(new, sealed)
    return sealed


def _layers(source: StackSource, found: Arrangement, opened: ExitStack) -> dict[str, list[Layer | Stored]]:
    """Where each layer of a new segment comes from: an image of the stack, or another segment."""
    paths = {where[0].path for where in found.written.values() if where is not None}
    files = {path: opened.enter_context(h5py.File(path, "r")) for path in sorted(paths)}
    numbers = {pair: number for number, pair in enumerate(source.pairs)}

    def layer(name: str, pair: str) -> Layer | Stored:
        where = found.written[pair]
        if where is None:
            return source.images.layers[name][numbers[pair]]
        return Stored(files[where[0].path][name], where[1])

    return {name: [layer(name, pair) for pair in found.written] for name in source.images.layers}


def _write_master(job: Job, source: StackSource, places: Mapping[str, _Place]) -> Path:
    file = job.folder / source.name
    number = len(source.baselines)
    datasets = {
        "date": np.array(list(source.baselines), np.bytes_),
        "bperp": np.array(list(source.baselines.values()), np.float32),
        "dropIfgram": np.ones(number, np.bool_),
    }
    runs = list(_runs([places[pair] for pair in source.pairs]))
    with product_file(file, source.product.attributes, datasets, as_text=False) as h5:
        for name, blank in sorted(source.blanks(number).items()):
            _create_virtual(h5, name, blank, runs)
    return file


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
