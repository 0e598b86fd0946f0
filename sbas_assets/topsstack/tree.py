"""Which files of a topsStack folder a time series is made from.

Belongs here: the names and patterns of topsStack's output and finding the files, pair by pair. Whether the
files are any good is preflight's business; nothing is opened here.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sbas_assets.topsstack.baselines import PAIR_NAME, baseline_files

PAIR_IN_FILE = re.compile(r"(?<!\d)(\d{8}_\d{8})(?!\d)")
DATASETS = ("unw", "cor", "conncomp", "wrapped", "magnitude")
ION_DATASETS = ("ion_unw", "ion_cor", "ion_conncomp")
GEOMETRY = (
    "height",
    "latitude",
    "longitude",
    "incidence_angle",
    "azimuth_angle",
    "shadow_mask",
    "water_mask",
    "bperp",
)
OPTIONAL = {*DATASETS, *ION_DATASETS, *GEOMETRY} - {"unw", "cor", "height", "latitude", "longitude"}
"""Fields that a template may turn off."""
TEMPLATE_KEYS = {
    "metaFile": "meta",
    "baselineDir": "baselines",
    "unwFile": "unw",
    "corFile": "cor",
    "connCompFile": "conncomp",
    "intFile": "wrapped",
    "magFile": "magnitude",
    "ionUnwFile": "ion_unw",
    "ionCorFile": "ion_cor",
    "ionConnCompFile": "ion_conncomp",
    "demFile": "height",
    "lookupYFile": "latitude",
    "lookupXFile": "longitude",
    "incAngleFile": "incidence_angle",
    "azAngleFile": "azimuth_angle",
    "shadowMaskFile": "shadow_mask",
    "waterMaskFile": "water_mask",
    "bperpFile": "bperp",
}
"""MintPy's `mintpy.load.*` keys and the field of `StackLayout` that each sets."""


@dataclass(frozen=True)
class StackLayout:
    """Where the files of a stack are: glob patterns, relative to the stack's folder or absolute.

    The defaults are topsStack's. A field set to None is not looked for. Files of the pairs need the pair
    (`YYYYMMDD_YYYYMMDD`) as the name of a folder, or in the file's name.

    Parameters
    ----------
    stack : Path
        The topsStack work folder.
    meta : str
        Swath products of the reference acquisition.
    baselines : str
        Folder of the perpendicular baselines.
    unw, cor, conncomp, wrapped, magnitude : str or None
        Images of each pair: unwrapped phase, coherence, connected components, wrapped phase, magnitude.
    ion_unw, ion_cor, ion_conncomp : str or None
        Ionospheric phase of each pair, its coherence and connected components.
    height, latitude, longitude, incidence_angle, azimuth_angle, shadow_mask, water_mask, bperp : str or None
        Geometry images. Incidence and azimuth angle are the two bands of `los.rdr`.
    """

    stack: Path
    meta: str = "reference/IW*.xml"
    baselines: str = "baselines"
    unw: str = "merged/interferograms/*/filt_fine.unw"
    cor: str = "merged/interferograms/*/filt_fine.cor"
    conncomp: str | None = "merged/interferograms/*/filt_fine.unw.conncomp"
    wrapped: str | None = None
    magnitude: str | None = None
    ion_unw: str | None = "ion/*/ion_cal/filt.ion"
    ion_cor: str | None = "ion/*/ion_cal/raw_no_projection.cor"
    ion_conncomp: str | None = None
    height: str = "merged/geom_reference/hgt.rdr"
    latitude: str = "merged/geom_reference/lat.rdr"
    longitude: str = "merged/geom_reference/lon.rdr"
    incidence_angle: str | None = "merged/geom_reference/los.rdr"
    azimuth_angle: str | None = "merged/geom_reference/los.rdr"
    shadow_mask: str | None = "merged/geom_reference/shadowMask.rdr"
    water_mask: str | None = "merged/geom_reference/waterMask.rdr"
    bperp: str | None = None

    @classmethod
    def from_template(
        cls, stack: str | Path, template: Mapping[str, str], base: str | Path | None = None
    ) -> StackLayout:
        """Take the patterns from MintPy template keys.

        Parameters
        ----------
        stack : path
            The topsStack work folder.
        template : mapping
            `mintpy.load.*` keys; `auto` and absent mean topsStack's default, `none` and `no` mean no such
            file.
        base : path, optional
            Folder that relative values start from: MintPy's work folder, by custom `STACK/mintpy` (default).
        """
        stack = Path(stack)
        start = stack / "mintpy" if base is None else Path(base)
        chosen: dict[str, Any] = {}
        for key, name in TEMPLATE_KEYS.items():
            value = str(template.get(f"mintpy.load.{key}", "auto")).strip()
            if value.lower() in {"none", "no", "false"}:
                chosen |= {name: None} if name in OPTIONAL else {}
            elif value and value.lower() != "auto":
                chosen[name] = os.path.normpath(start / Path(value).expanduser())
        return cls(stack, **chosen)

    def pattern(self, name: str) -> str | None:
        """Return the absolute pattern of a field, or None."""
        value = getattr(self, name)
        return None if value is None else str(Path(glob.escape(str(self.stack.absolute())), value))

    def find(self, name: str) -> list[Path]:
        """Return what matches a field's pattern, in order of name; dangling links too, so that they are seen."""
        pattern = self.pattern(name)
        return [] if pattern is None else _glob(pattern)

    def expected(self, name: str, pair: str | None = None) -> Path:
        """Return where a missing file was expected, for messages."""
        value = str(getattr(self, name))
        return self.stack.absolute() / (value.replace("*", pair, 1) if pair else value)


@dataclass(frozen=True)
class Pair:
    """An interferogram.

    Parameters
    ----------
    date1, date2 : str
        Acquisition dates, `YYYYMMDD`.
    files : dict
        Dataset ("unw", "cor", "conncomp", "wrapped", "magnitude") to the image.
    """

    date1: str
    date2: str
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`YYYYMMDD_YYYYMMDD`."""
        return f"{self.date1}_{self.date2}"

    @property
    def dates(self) -> tuple[str, str]:
        """Both dates, in the order of the name."""
        return self.date1, self.date2


@dataclass(frozen=True)
class StackTree:
    """What was found of a stack.

    Parameters
    ----------
    layout : StackLayout
        Where it was looked for.
    references : tuple of Path
        Swath products, in order of name; MintPy uses the first.
    baselines : tuple of Path
        Baseline files.
    pairs, ion_pairs : tuple of Pair
        In order of name, whatever their state.
    misnamed : tuple of Path
        Folders that hold an interferogram but are not named after a pair.
    repeated : dict
        Pair and dataset to all files that match, where more than one does.
    geometry : dict
        Geometry dataset to its image, for those that exist.
    safe_files : Path or None
        `SAFE_files.txt`.
    """

    layout: StackLayout
    references: tuple[Path, ...]
    baselines: tuple[Path, ...]
    pairs: tuple[Pair, ...]
    ion_pairs: tuple[Pair, ...]
    misnamed: tuple[Path, ...]
    repeated: dict[tuple[str, str], tuple[Path, ...]]
    geometry: dict[str, Path]
    safe_files: Path | None


def scan(layout: StackLayout) -> StackTree:
    """List the files of a stack without opening any.

    Parameters
    ----------
    layout : StackLayout
        Where to look.

    Returns
    -------
    StackTree
    """
    found, misnamed = _collect(layout, DATASETS)
    ion, _ = _collect(layout, ION_DATASETS)
    for folder in _pair_folders(layout):
        found.setdefault(folder.name, {})
    safe_files = layout.stack.absolute() / "SAFE_files.txt"
    return StackTree(
        layout=layout,
        references=tuple(layout.find("meta")),
        baselines=tuple(baseline_files(layout.stack.absolute() / layout.baselines)),
        pairs=_pairs(found),
        ion_pairs=_pairs(ion),
        misnamed=misnamed,
        repeated={(p, d): tuple(v) for p, group in found.items() for d, v in group.items() if len(v) > 1},
        geometry=_geometry(layout),
        safe_files=safe_files if safe_files.is_file() else None,
    )


def _glob(pattern: str) -> list[Path]:
    """List what matches, in order of name; dangling links too. Path.glob knows no absolute patterns."""
    return [Path(path) for path in sorted(glob.glob(pattern))]  # noqa: PTH207


Found = dict[str, dict[str, list[Path]]]


def _collect(layout: StackLayout, datasets: Iterable[str]) -> tuple[Found, tuple[Path, ...]]:
    found: Found = {}
    misnamed = set()
    for dataset in datasets:
        for path in layout.find(dataset):
            name = pair_name(path)
            if name is None:
                misnamed.add(path.parent)
            else:
                found.setdefault(name, {}).setdefault(dataset.removeprefix("ion_"), []).append(path)
    return found, tuple(sorted(misnamed))


def _pair_folders(layout: StackLayout) -> list[Path]:
    """Return folders named after a pair where interferograms are expected: they may lack every file."""
    parent = Path(layout.pattern("unw") or "").parent
    folders = _glob(str(parent)) if glob.has_magic(parent.name) else []
    return [path for path in folders if path.is_dir() and PAIR_NAME.fullmatch(path.name)]


def _pairs(found: Found) -> tuple[Pair, ...]:
    pairs = []
    for name, group in sorted(found.items()):
        date1, date2 = name.split("_")
        pairs.append(Pair(date1, date2, {dataset: paths[0] for dataset, paths in group.items()}))
    return tuple(pairs)


def pair_name(path: Path) -> str | None:
    """Return the pair that an image belongs to: from its file name, else from the nearest folder named so."""
    in_file = PAIR_IN_FILE.search(path.name)
    if in_file:
        return in_file[1]
    return next((name for name in reversed(path.parts[:-1]) if PAIR_NAME.fullmatch(name)), None)


def _geometry(layout: StackLayout) -> dict[str, Path]:
    """Find the geometry; the full-resolution images only if there is no multilooked one, as MintPy does."""
    found = {name: layout.find(name) for name in GEOMETRY}
    if not any(found.values()):
        full = {name: layout.pattern(name) for name in GEOMETRY}
        found = {name: _glob(f"{pattern}.full") for name, pattern in full.items() if pattern}
    return {name: paths[0] for name, paths in found.items() if paths}
