"""Bridged phases in segments: bridging looks at each pair alone, so an update bridges new and changed pairs only.

A segment has the phases, and which pixels bridging moved, so that the picture of all pairs needs none of their phases.
How pairs are bridged, stack_unwrapping.py knows; what segments are, stack_segments.py.
"""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.mintpy.pair_contents import loaded_identities
from sbas_assets.mintpy.segment_files import Content, Find, Segments, write_segments
from sbas_assets.mintpy.stack_segments import PATTERN
from sbas_assets.mintpy.workfolder import CORRECTED_STACK
from sbas_assets.sbas.product_file import Blank
from sbas_assets.sbas.stack_unwrapping import Corrected, Source, Target, bridge_stack
from sbas_assets.step import Job

BRIDGED = "unwrapPhase_bridging"
SEGMENTS = (f"{CORRECTED_STACK.removesuffix('.h5')}/{PATTERN}",)
"""Pattern of all segments of a frame."""
_CHANGED, _MOVED, _SEEN = "changed", "moved", "seen"


@dataclass(frozen=True)
class Bridged:
    """Bridged phases of all pairs.

    Parameters
    ----------
    segments : Segments
        Where they are.
    done : Corrected
        What bridging did to all of them.
    """

    segments: Segments
    done: Corrected


def bridge_pairs(job: Job, options: Namespace, source: Source) -> Bridged:
    """Bridge the pairs that no segment has.

    Parameters
    ----------
    job : Job
        Of the step unwrapPhase_corrected.
    options : Namespace
        `bridgePtsRadius`, `ramp` and `connCompMinArea`, as MintPy reads them.
    source : Source
        The images.

    Raises
    ------
    InputError
        `conncomp-too-small`.
    """
    memory = float(job.template.raw["mintpy.compute.maxMemory"])
    bridge = partial(bridge_stack, radius=options.bridgePtsRadius, ramp=options.ramp, memory=memory)
    content = Content(
        name=CORRECTED_STACK,
        origin=_origin(job, options, source),
        digests=_digests(job, source),
        blanks=lambda number: _blanks(number, source.phase.shape[1:]),
        fill=lambda h5, pairs, find: _fill(h5, pairs, find, source, bridge),
    )
    segments = write_segments(job, content)
    return Bridged(segments, _all_done(segments, source.phase.shape[1:]))


def phases(shape: tuple[int, ...]) -> dict[str, Blank]:
    """The dataset of the corrected phases, (pairs, rows, columns)."""
    return {BRIDGED: Blank(shape, np.float32)}


def _origin(job: Job, options: Namespace, source: Source) -> str:
    """What decides a bridged phase besides the pair: of the network only the reference point, not the other pairs."""
    water = None if source.water is None else hashlib.sha256((source.water != 0).tobytes()).hexdigest()
    return json.dumps(
        {
            "code": job.step.code_version,
            "mintpy": version("mintpy"),
            "point": source.point,
            "least": source.least,
            "radius": options.bridgePtsRadius,
            "ramp": options.ramp,
            "water": water,
        },
        sort_keys=True,
    )


def _digests(job: Job, source: Source) -> dict[str, str]:
    """Identify the content of each pair: its images, and whether it is bridged or left as it is."""
    known = loaded_identities(job)
    # then they are identified by the version of the whole stack
    whole = job.inputs["ifgramStack"].data_version
    texts = {
        pair: f"{known.get(pair, whole)} {bool(kept)}" for pair, kept in zip(source.pairs, source.kept, strict=True)
    }
    return {pair: hashlib.sha256(text.encode()).hexdigest() for pair, text in texts.items()}


def _blanks(number: int, image: tuple[int, ...]) -> dict[str, Blank]:
    length, width = image
    return {
        **phases((number, length, width)),
        _CHANGED: Blank((number, length, -(-width // 8)), np.uint8),
        _MOVED: Blank((length, width), np.int32, "lzf"),
        _SEEN: Blank((number,), np.int64),
    }


def _fill(h5: h5py.File, pairs: Sequence[str], find: Find, source: Source, bridge: Callable[..., Corrected]) -> None:
    numbers = {pair: number for number, pair in enumerate(source.pairs)}
    layers = {pair: layer for layer, pair in enumerate(pairs)}
    new = sorted((pair for pair in pairs if find(BRIDGED, pair) is None), key=numbers.__getitem__)
    for name in (BRIDGED, _CHANGED, _SEEN):
        for pair, layer in layers.items():
            stored = find(name, pair)
            if stored is not None:
                h5[name][layer] = stored.dataset[stored.number]
    copied = [layer for pair, layer in layers.items() if pair not in new]
    moved = _count(h5[_CHANGED], copied, source.phase.shape[1:])
    if new:
        target = Target(h5[BRIDGED], np.array([layers[pair] for pair in new]), h5[_CHANGED])
        source = replace(source, wanted=np.array([numbers[pair] for pair in new]))
        done = bridge(source, target)
        moved += done.moved
        for layer, seen in zip(target.layers, done.seen, strict=True):
            h5[_SEEN][layer] = seen
    h5[_MOVED][...] = moved


def _count(changed: h5py.Dataset, layers: Iterable[int], image: tuple[int, ...]) -> NDArray[np.int32]:
    """In how many of some layers each pixel moved."""
    total = np.zeros(image, np.int32)
    for layer in layers:
        total += np.unpackbits(changed[layer], axis=-1, count=image[1])
    return total


def _all_done(segments: Segments, image: tuple[int, ...]) -> Corrected:
    """Add up what the segments say of the pairs that are taken from them."""
    moved, seen = np.zeros(image, np.int32), []
    for path, layers in segments.used():
        with h5py.File(path, "r") as h5:
            whole = len(layers) == len(h5[_SEEN])
            moved += h5[_MOVED][:] if whole else _count(h5[_CHANGED], layers, image)
            seen.append(h5[_SEEN][:][layers])
    return Corrected(moved, np.concatenate(seen))
