"""What identifies the content of a stack: the data version of the source asset.

Belongs here: which contents count and how they are put together. The same pixels, headers, baselines and
orbit give the same fingerprint wherever the stack lies, whenever its files were copied and in whatever
order they are listed. ISCE2's headers and products name absolute paths, so they count by what they say, not
by their bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sbas_assets.digests import Digests
from sbas_assets.topsstack.baselines import main_reference, read_swath_baselines
from sbas_assets.topsstack.geometry import full_resolution_header
from sbas_assets.topsstack.problems import StackReport
from sbas_assets.topsstack.product import read_product
from sbas_assets.topsstack.rasters import read_header, read_header_file
from sbas_assets.topsstack.tree import Pair, StackTree, scan
from sbas_assets.topsstack.xmlfiles import unreadable

DigestsByPath = Mapping[Path, str]


@dataclass(frozen=True)
class Fingerprint:
    """Digests (SHA-256, hexadecimal) of a stack's content.

    Parameters
    ----------
    version : str
        Of everything below.
    pairs, ion_pairs : dict
        Pair name to the digest of its images and their headers.
    geometry : dict
        Geometry dataset to the digest of its image, header and full-resolution size.
    reference : str
        Of the values of all reference swath products.
    baselines : dict
        Date to the digest of its baselines; the reference date is among the keys.
    """

    version: str
    pairs: dict[str, str]
    ion_pairs: dict[str, str]
    geometry: dict[str, str]
    reference: str
    baselines: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def fingerprint(stack: StackReport | StackTree, cache: Path | Digests | None = None) -> Fingerprint:
    """Identify the content of the pairs of a stack and of all that they share.

    Parameters
    ----------
    stack : StackReport or StackTree
        A report counts the pairs that are kept; a tree counts all.
    cache : Path or Digests, optional
        JSON file that saves reading unchanged images again, or what was read from it already and the caller keeps; it
        never decides what the fingerprint is.

    Returns
    -------
    Fingerprint

    Raises
    ------
    InputError
        If something that a good stack has cannot be read.
    OutsideError
        `file-changing`.
    """
    tree = scan(stack.layout)
    images = [path for pair in (*stack.pairs, *stack.ion_pairs) for path in pair.files.values()]
    digests = _digests([*images, *stack.geometry.values()], cache)
    parts: dict[str, Any] = {
        "pairs": {pair.name: _pair(pair, digests) for pair in stack.pairs},
        "ion_pairs": {pair.name: _pair(pair, digests) for pair in stack.ion_pairs},
        "geometry": {name: _geometry(path, digests) for name, path in sorted(stack.geometry.items())},
        "reference": _hash([_product(path) for path in tree.references]),
        "baselines": _baselines(tree.baselines, stack.pairs),
    }
    return Fingerprint(version=_hash(parts), **parts)


def _digests(paths: Sequence[Path], cache: Path | Digests | None) -> DigestsByPath:
    known = cache if isinstance(cache, Digests) else Digests(cache)
    try:
        return known.of_all(paths)
    except OSError as error:
        raise unreadable(Path(error.filename), error) from error
    finally:
        if known is not cache:
            known.save()


def _hash(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _image(path: Path, digests: DigestsByPath) -> list[object]:
    return [read_header(path).layout, digests[path]]


def _pair(pair: Pair, digests: DigestsByPath) -> str:
    return _hash({dataset: _image(path, digests) for dataset, path in pair.files.items()})


def _geometry(path: Path, digests: DigestsByPath) -> str:
    """Hash an image, and the full-resolution size that MintPy derives the looks from."""
    full = full_resolution_header(path)
    return _hash([_image(path, digests), None if full is None else read_header_file(full).shape])


def _product(path: Path) -> dict[str, Any]:
    return {**asdict(read_product(path)), "path": path.name}


def _baselines(files: Sequence[Path], pairs: Sequence[Pair]) -> dict[str, str]:
    if not files:
        return {}
    reference = main_reference(files)
    dates = {date for pair in pairs for date in pair.dates}
    found = {path.stem[9:]: path for path in files if path.stem.startswith(reference)}
    values = {date: _hash(read_swath_baselines(path)) for date, path in found.items() if date in dates}
    return {reference: _hash([0.0]), **values}
