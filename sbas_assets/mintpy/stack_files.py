"""An interferogram stack as a small file of virtual datasets on its segments.

The small file (`inputs/ifgramStack.h5`) has the list of pairs, their baselines and flags, the attributes and the
provenance; the pixels are in segments (`inputs/ifgramStack/`), of which only those with new pairs are written. Which
segments that are, stack_segments.py decides; how pixels are read, load_images.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.mintpy.load_images import fill_stack
from sbas_assets.mintpy.load_plan import STACK_TYPES, Images, Layer, Product
from sbas_assets.mintpy.segment_files import Content, Find, Segments, StackFiles, Stored, write_segments
from sbas_assets.mintpy.stack_segments import PATTERN
from sbas_assets.mintpy.workfolder import ION_STACK, STACK
from sbas_assets.sbas.product_file import Blank, product_file
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

    def fill(h5: h5py.File, pairs: Sequence[str], find: Find) -> None:
        fill_stack(h5, source.images, _layers(source, pairs, find))

    origin = source.origin(job.step.code_version)
    segments = write_segments(job, Content(source.name, origin, digests, source.blanks, fill))
    return segments.files(_write_master(job, source, segments))


def _layers(source: StackSource, pairs: Sequence[str], find: Find) -> dict[str, list[Layer | Stored]]:
    """Where each layer of a new segment comes from: an image of the stack, or another segment."""
    numbers = {pair: number for number, pair in enumerate(source.pairs)}
    return {
        name: [find(name, pair) or source.images.layers[name][numbers[pair]] for pair in pairs]
        for name in source.images.layers
    }


def _write_master(job: Job, source: StackSource, segments: Segments) -> Path:
    file = job.folder / source.name
    number = len(source.baselines)
    datasets = {
        "date": np.array(list(source.baselines), np.bytes_),
        "bperp": np.array(list(source.baselines.values()), np.float32),
        "dropIfgram": np.ones(number, np.bool_),
    }
    with product_file(file, source.product.attributes, datasets, as_text=False) as h5:
        segments.show(h5, source.pairs, source.blanks(number))
    return file
