"""Which interferograms of a stack are in which segment, and which have to be written.

A segment is a file that holds the pixels of some pairs, the digests of the images they were read from, and all else
that decides them. It is never changed. Its name is its own SHA-256: so it tells by itself whether it is whole, and one
that no record knows, because a run was killed, is as good as any other. What segments and the file above them look
like inside is stack_files.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h5py

from sbas_assets.digests import Digests

DIGITS = 32
"""Of the SHA-256, in a segment's name."""
PATTERN = f"{'[0-9a-f]' * DIGITS}.h5"
CROWD = 8
"""As many segments of one size, within a factor of as much, are made one. So there are few files, and a pair is copied
no more often than the logarithm of the number of pairs."""


@dataclass(frozen=True)
class Segment:
    """What an intact segment holds.

    Parameters
    ----------
    path : Path
        The file.
    sha256 : str
        Of the file.
    contents : tuple of (str, str)
        Pair (`YYYYMMDD_YYYYMMDD`) and digest of its images, layer by layer.
    """

    path: Path
    sha256: str
    contents: tuple[tuple[str, str], ...]

    def layers(self, wanted: Mapping[str, str]) -> dict[str, int]:
        """Return the layer of each pair that it holds with the wanted content."""
        return {pair: layer for layer, (pair, digest) in enumerate(self.contents) if wanted.get(pair) == digest}


@dataclass(frozen=True)
class Arrangement:
    """Where the pairs of a stack are to be.

    Parameters
    ----------
    kept : mapping
        Segments that stay, each with the layers of the pairs that are taken from it.
    written : mapping
        Pairs of a new segment in the order of their layers; each with the segment and layer that it is copied from,
        or None if it has to be read from the stack.
    """

    kept: Mapping[Segment, Mapping[str, int]]
    written: Mapping[str, tuple[Segment, int] | None]


def intact_segments(folder: Path, origin: str, digests: Digests) -> list[Segment]:
    """Find the segments of a folder that are whole and were made in the same way.

    Parameters
    ----------
    folder : Path
        It need not exist.
    origin : str
        What decides the pixels besides the images.
    digests : Digests
        They save reading files that have not changed.
    """
    found = []
    for path, digest in digests.try_all(folder.glob(PATTERN)).items():
        if not isinstance(digest, OSError) and digest.sha256.startswith(path.stem):
            found += _opened(path, digest.sha256, origin)
    return found


def _opened(path: Path, sha256: str, origin: str) -> list[Segment]:
    # a whole file that is no segment
    with suppress(OSError, KeyError), h5py.File(path, "r") as h5:
        if h5.attrs["origin"] == origin:
            pairs, images = ([text.decode() for text in h5[name][:]] for name in ("pair", "images"))
            return [Segment(path, sha256, tuple(zip(pairs, images, strict=True)))]
    return []


def arrange(segments: Sequence[Segment], wanted: Mapping[str, str]) -> Arrangement:
    """Decide which segments stay and what a new one holds.

    Pairs of a segment of which less than half is wanted, and of segments that have become too many, move to the new
    one. The same pairs and segments give the same arrangement, and what it leads to is left as it is.

    Parameters
    ----------
    segments : sequence of Segment
        Intact ones.
    wanted : mapping
        Pair to the digest of its images.
    """
    kept: dict[Segment, dict[str, int]] = {}
    rest = dict(wanted)
    # a segment that was made of others comes before them: it has more pairs, or no others
    for segment in sorted(segments, key=lambda one: (-len(one.layers(wanted)), len(one.contents), one.sha256)):
        layers = segment.layers(rest)
        if layers:
            kept[segment] = layers
            rest = {pair: digest for pair, digest in rest.items() if pair not in layers}
    moving: dict[str, tuple[Segment, int] | None] = dict.fromkeys(rest)
    leaving = [segment for segment, layers in kept.items() if 2 * len(layers) < len(segment.contents)]
    while leaving := leaving or _crowd(kept, len(moving)):
        for segment in leaving:
            moving |= {pair: (segment, layer) for pair, layer in kept.pop(segment).items()}
        leaving = []
    return Arrangement(kept, dict(sorted(moving.items())))


def _crowd(kept: Mapping[Segment, Mapping[str, int]], new: int) -> list[Segment]:
    """Return the segments of a size of which there are too many, with a new one of so many pairs."""
    sizes: dict[int, list[Segment | None]] = {_size(new): [None]} if new else {}
    for segment, layers in kept.items():
        sizes.setdefault(_size(len(layers)), []).append(segment)
    for _, crowd in sorted(sizes.items()):
        if len(crowd) >= CROWD:
            return [segment for segment in crowd if segment is not None]
    return []


def _size(pairs: int) -> int:
    size = 0
    while pairs >= CROWD:
        pairs //= CROWD
        size += 1
    return size
