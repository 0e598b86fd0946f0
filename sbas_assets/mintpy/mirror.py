"""A folder of links to a stack's files, laid out as MintPy's load_data wants it.

The metadata that prep_isce would have taken from ISCE2 are already in it; so nothing is written into the stack, and
files of earlier runs in it are not seen. What is loaded from the mirror, and how, is decided in loading.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sbas_assets.topsstack.metadata import isce_metadata, write_rsc
from sbas_assets.topsstack.tree import TEMPLATE_KEYS, Pair, StackTree

BASELINES = "stack/baselines"
_GEOMETRY = "stack/merged/geom_reference"
_HEADERS = (".xml", ".vrt", ".full.xml", ".full.vrt")
_LOAD_OPTION = {field: f"mintpy.load.{key}" for key, field in TEMPLATE_KEYS.items()}


def mirror(tree: StackTree, folder: Path, pairs: Sequence[str], ion_pairs: Sequence[str]) -> dict[str, str]:
    """Link a stack's files into `folder/stack` and write its metadata beside them.

    Parameters
    ----------
    tree : StackTree
        The stack.
    folder : Path
        MintPy's work folder.
    pairs, ion_pairs : sequence of str
        Names of the pairs to show.

    Returns
    -------
    dict
        `mintpy.load.*` options that find the mirror's files from `folder`.
    """
    options = {_LOAD_OPTION[name]: "auto" for name in _LOAD_OPTION.keys() - {"meta", "baselines"}}
    options |= {"mintpy.load.processor": "isce", "mintpy.load.autoPath": "no", "mintpy.load.updateMode": "no"}
    images = _mirror_pairs(tree.pairs, pairs, folder, "stack/merged/interferograms")
    ion = _mirror_pairs(tree.ion_pairs, ion_pairs, folder, "stack/ion")
    images |= {f"ion_{dataset}": pattern for dataset, pattern in ion.items()}
    options |= {_LOAD_OPTION[dataset]: pattern for dataset, pattern in images.items()}
    for name, image in tree.geometry.items():
        _link_image(image, folder / _GEOMETRY / image.name)
        options[_LOAD_OPTION[name]] = f"./{_GEOMETRY}/{image.name}"
    for file in tree.baselines:
        _link(file, folder / BASELINES / file.stem / file.name)
    for file in tree.references:
        _link(file, folder / "stack/reference" / file.name)
    _write_metadata(folder, tree.references[0].name)
    options[_LOAD_OPTION["meta"]] = "./stack/reference/IW*.xml"
    options[_LOAD_OPTION["baselines"]] = f"./{BASELINES}"
    return options


def _write_metadata(folder: Path, swath: str) -> None:
    """Write the data.rsc that keeps prep_isce from importing ISCE2; it must not be older than the swath's file."""
    product = folder / "stack/reference" / swath
    rsc = product.with_name("data.rsc")
    write_rsc(isce_metadata(product, folder / _GEOMETRY), rsc)
    newest = max(rsc.stat().st_mtime, product.stat().st_mtime + 1)
    os.utime(rsc, (newest, newest))


def _mirror_pairs(found: Sequence[Pair], wanted: Sequence[str], folder: Path, place: str) -> dict[str, str]:
    """Link the images of pairs; return what finds them from `folder`, by dataset."""
    names: dict[str, str] = {}
    for pair in (pair for pair in found if pair.name in wanted):
        for dataset, image in pair.files.items():
            # one name for all pairs, whatever the user's pattern matched
            name = names.setdefault(dataset, image.name)
            _link_image(image, folder / place / pair.name / name)
    return {dataset: f"./{place}/*/{name}" for dataset, name in names.items()}


def _link_image(image: Path, place: Path) -> None:
    _link(image, place)
    for suffix in _HEADERS:
        header = image.with_name(image.name + suffix)
        if header.is_file():
            _link(header, place.with_name(place.name + suffix))


def _link(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to(file)
