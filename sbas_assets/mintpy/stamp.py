"""Writing provenance into finished product files, and nothing into them that differs between equal runs.

MintPy stores absolute paths and the time of writing among the attributes. Here a product of MintPy's is copied once
into its final form: datasets and attributes in name order, paths relative to the work folder, no clock, one attribute
with the provenance. Files that `product_file` laid out have this form and get the attributes only. What the
provenance says is decided by the caller.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from sbas_assets.mintpy.views import copy_virtual
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE

_HDF5 = frozenset({".h5", ".he5"})
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a ZIP entry can hold


def stamp(file: Path, name: str, provenance: Mapping[str, Any]) -> None:
    """Bring a finished file into its final, reproducible form, in place.

    Parameters
    ----------
    file : Path
        HDF5, HDF-EOS5 or KMZ file; any other kind is left as it is.
    name : str
        Its path relative to the work folder.
    provenance : mapping
        What to write into the file (HDF5 kinds).
    """
    kind = file.suffix.lower()
    if kind in _HDF5:
        _stamp_hdf5(file, name, provenance)
    elif kind == ".kmz":
        _freeze_zip(file)


def read_provenance(file: Path) -> dict[str, Any]:
    """Return the provenance that a product file carries, empty if it carries none."""
    with h5py.File(file, "r") as h5:
        text = h5.attrs.get(PROVENANCE_ATTRIBUTE)
    return dict(json.loads(text)) if text else {}


def _stamp_hdf5(file: Path, name: str, provenance: Mapping[str, Any]) -> None:
    if _is_laid_out(file):
        with h5py.File(file, "r+") as h5:
            _sign(h5, name, provenance)
        return
    beside = file.with_name(file.name + ".stamped")
    with h5py.File(file, "r") as source, h5py.File(beside, "w") as target:
        _copy_group(source, target, provenance)
        _sign(target, name, provenance)
    beside.replace(file)


def _is_laid_out(file: Path) -> bool:
    """Whether `product_file` made it, and MintPy has not written paths or times into it since."""
    with h5py.File(file, "r") as h5:
        return h5.attrs.get(PROVENANCE_ATTRIBUTE) == file.name and not CLOCK_OR_PATH & set(h5.attrs)


def _sign(h5: h5py.File, name: str, provenance: Mapping[str, Any]) -> None:
    h5.attrs["FILE_PATH"] = name
    h5.attrs[PROVENANCE_ATTRIBUTE] = json.dumps(provenance, sort_keys=True)


def _copy_group(source: h5py.Group, target: h5py.Group, provenance: Mapping[str, Any]) -> None:
    for key in sorted(source):
        item = source[key]
        if isinstance(item, h5py.Group):
            _copy_group(item, target.create_group(key), provenance)
        else:
            if item.is_virtual:
                copy_virtual(item, target, key)
            else:
                source.copy(item, target, name=key, without_attrs=True)
            _copy_attributes(item, target[key], provenance)
    _copy_attributes(source, target, provenance)


def _copy_attributes(source: h5py.HLObject, target: h5py.HLObject, provenance: Mapping[str, Any]) -> None:
    for key in sorted(source.attrs):
        if key == "history":
            # HDF-EOS5: day of writing, which is the day this version was first made
            target.attrs[key] = provenance["produced"]["at"][:10]
        elif key not in CLOCK_OR_PATH | {PROVENANCE_ATTRIBUTE}:
            target.attrs[key] = source.attrs[key]


def _freeze_zip(file: Path) -> None:
    beside = file.with_name(file.name + ".stamped")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in sorted(source.namelist()):
            target.writestr(zipfile.ZipInfo(entry, _EPOCH), source.read(entry), zipfile.ZIP_DEFLATED)
    beside.replace(file)
