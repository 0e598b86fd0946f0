"""A frame's stack loaded by this package and by MintPy's load_data, and what tells the two apart."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.frames import frame_config
from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK, stack_layout
from sbas_assets.mintpy.session import run_in_folder
from sbas_assets.mintpy.template import Template
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE
from sbas_assets.step import Frame, Outcome, Run, Step
from sbas_assets.survey import require_stack
from sbas_assets.topsstack.metadata import isce_metadata, write_rsc
from sbas_assets.topsstack.rasters import read_header
from sbas_assets.topsstack.tree import OPTIONAL, TEMPLATE_KEYS
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings

FILES = ("inputs/ifgramStack.h5", "inputs/ionStack.h5", "inputs/geometryRadar.h5")
KEY = "T071D_test"


@dataclass
class Loader:
    """A frame of its own root folder, without Dagster; `told` holds what its steps said."""

    folder: Path
    stack: Path
    options: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    @property
    def frame(self) -> Frame:
        values = {"track": 71, "direction": "descending", "stack": str(self.stack)}
        config = frame_config({**values, "mintpy": dict(self.options), "attributes": dict(self.attributes)})
        return Frame(KEY, config, config.template(), Settings.under(self.folder / "root"))

    @property
    def root(self) -> Path:
        return self.frame.workspace.root

    def load(self, steps: Sequence[Step] = (IFGRAM_STACK, GEOMETRY_RADAR), run: str = "a-run") -> list[Outcome]:
        self.root.mkdir(parents=True, exist_ok=True)
        told = Run(run, self.told.append)
        require_stack(self.frame, told)
        return [execute(step, self.frame, told) for step in steps]

    def mintpys(self) -> Path:
        """Let load_data work on a copy of the stack, told where each file is; return its work folder."""
        import mintpy.cli.load_data

        copy, work = self.folder / "copy", self.folder / "mintpy"
        shutil.copytree(self.stack, copy, ignore=shutil.ignore_patterns("*.rsc"))
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        work.mkdir()
        layout = stack_layout(self.frame)
        swath = sorted((copy / "reference").glob("IW*.xml"))[0]
        write_rsc(isce_metadata(swath, copy / "merged/geom_reference"), copy / "reference/data.rsc")
        load = {"mintpy.load.processor": "isce"}
        for key, name in TEMPLATE_KEYS.items():
            pattern = getattr(layout, name)
            if pattern is not None and (name not in OPTIONAL or layout.find(name)):
                load[f"mintpy.load.{key}"] = str(copy / pattern)
        template = Template.from_options({**self.options, **self.attributes, **load})
        (work / "smallbaselineApp.cfg").write_text(template.text)
        arguments = ["--template", "smallbaselineApp.cfg"]
        run_in_folder(work, self.folder / "mintpy.log", lambda: mintpy.cli.load_data.main(arguments))
        return work

    def differences(self, theirs: Path) -> list[str]:
        """Datasets, types, values, and attributes that are not MintPy's, in words."""
        found = []
        for name in FILES:
            ours = self.root / name
            if ours.exists() != (theirs / name).exists():
                found.append(f"{name} is on one side only")
            elif ours.exists():
                found += [f"{name} {fault}" for fault in _differences(ours, theirs / name)]
        return found


def _differences(ours: Path, theirs: Path) -> list[str]:
    with h5py.File(ours) as left, h5py.File(theirs) as right:
        found = [f"{name}: on one side only" for name in set(left) ^ set(right)]
        for name in set(left) & set(right):
            a, b = left[name], right[name]
            if (a.shape, a.dtype, compressions(a)) != (b.shape, b.dtype, compressions(b)):
                found.append(f"{name}: {a.dtype}{a.shape} {compressions(a)}, {b.dtype}{b.shape} {compressions(b)}")
            elif not np.array_equal(a[()], b[()], equal_nan=a.dtype.kind == "f"):
                found.append(f"{name}: values differ")
        mine, other = dict(left.attrs), dict(right.attrs)
        for key in mine.keys() | other.keys() - CLOCK_OR_PATH:
            if key in CLOCK_OR_PATH | {PROVENANCE_ATTRIBUTE}:
                continue
            a, b = mine.get(key), other.get(key)
            if type(a) is not type(b) or a != b:
                found.append(f"{key}: {a!r} and {b!r}")
    return found


def compressions(dataset: h5py.Dataset) -> set[str | None]:
    """How a dataset is compressed, or the datasets that a virtual one shows."""
    if not dataset.is_virtual:
        return {dataset.compression}
    folder = Path(dataset.file.filename).parent
    found = set()
    for source in dataset.virtual_sources():
        with h5py.File(folder / source.file_name) as h5:
            found |= compressions(h5[source.dset_name])
    return found


def rewrite(image: Path, scheme: str) -> None:
    """Store an image's bands in another order, and say so in its header."""
    header = read_header(image)
    length, width, bands = header.length, header.width, header.bands
    pixels = np.fromfile(image, header.numpy_dtype)
    as_bands = {
        "BSQ": lambda: pixels.reshape(bands, length, width),
        "BIL": lambda: pixels.reshape(length, bands, width).transpose(1, 0, 2),
        "BIP": lambda: pixels.reshape(length, width, bands).transpose(2, 0, 1),
    }[header.interleave]()
    axes = {"BSQ": (0, 1, 2), "BIL": (1, 0, 2), "BIP": (1, 2, 0)}[scheme]
    np.ascontiguousarray(as_bands.transpose(axes)).tofile(image)
    xml = image.with_name(f"{image.name}.xml")
    text = xml.read_text()
    assert f">{header.interleave}<" in text
    xml.write_text(text.replace(f">{header.interleave}<", f">{scheme}<"))
