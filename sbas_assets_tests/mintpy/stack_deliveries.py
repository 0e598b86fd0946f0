"""A stack that is delivered pair by pair, and what a frame has loaded of it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from sbas_assets.mintpy.loading import IFGRAM_STACK
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE
from sbas_assets.simulate import regular_dates
from sbas_assets.step import Outcome
from sbas_assets_tests.mintpy.loading_at_work import Loader

DATES = regular_dates("20200511", 9, 24)
SIZE = (40, 48)
STACK = "inputs/ifgramStack.h5"
PAIRS = "merged/interferograms"
_opened: list[list[Path]] = []
_hooked: list[bool] = []


@dataclass(frozen=True)
class Delivery:
    """A stack folder to which pairs of a whole one come one after the other."""

    whole: Path
    stack: Path

    @classmethod
    def begin(cls, whole: Path, stack: Path) -> Delivery:
        shutil.copytree(whole, stack, ignore=lambda folder, names: names if folder.endswith(PAIRS) else [])
        return cls(whole, stack)

    @property
    def pairs(self) -> list[str]:
        return sorted(path.name for path in (self.stack / PAIRS).iterdir())

    def among(self, dates: Iterable[str]) -> list[str]:
        """Pairs of the whole stack between these dates."""
        known = set(dates)
        return sorted(path.name for path in (self.whole / PAIRS).iterdir() if set(path.name.split("_")) <= known)

    def bring(self, pairs: Iterable[str]) -> None:
        for pair in set(pairs) - set(self.pairs):
            shutil.copytree(self.whole / PAIRS / pair, self.stack / PAIRS / pair)

    def withdraw(self, pairs: Iterable[str]) -> None:
        for pair in pairs:
            shutil.rmtree(self.stack / PAIRS / pair)

    def replace(self, pair: str, by: float = 1.0) -> None:
        """Give a pair other phases, under the same name and in the same size."""
        image = self.stack / PAIRS / pair / "filt_fine.unw"
        (np.fromfile(image, "<f4") + np.float32(by)).tofile(image)


def load(loader: Loader) -> Outcome:
    (outcome,) = loader.load([IFGRAM_STACK])
    assert outcome.how in {"made", "remade"}
    return outcome


def segments(loader: Loader, name: str = STACK) -> list[Path]:
    return sorted((loader.root / name.removesuffix(".h5")).glob("*"))


def recorded(loader: Loader) -> set[str]:
    """Files of the record, without the picture."""
    record = json.loads(loader.frame.workspace.record("ifgramStack").read_text())
    return {out["path"] for out in record["outputs"] if not out["path"].startswith("pic/")}


def on_disk(loader: Loader) -> set[str]:
    return {str(path.relative_to(loader.root)) for path in (loader.root / "inputs").rglob("*") if path.is_file()}


def held(segment: Path) -> list[str]:
    with h5py.File(segment) as h5:
        return [pair.decode() for pair in h5["pair"][:]]


def contents(file: Path) -> dict[str, object]:
    """Datasets with type and bytes, attributes with type; not what tells of the version."""
    found: dict[str, object] = {}
    with h5py.File(file) as h5:
        for name, dataset in h5.items():
            found[name] = (dataset.shape, dataset.dtype, dataset.maxshape, dataset.fillvalue, dataset[()].tobytes())
            assert not dataset.attrs
        for name, value in h5.attrs.items():
            if name not in CLOCK_OR_PATH | {PROVENANCE_ATTRIBUTE}:
                found[f"@{name}"] = (type(value), value)
    return found


def at_once(loader: Loader, folder: Path) -> Loader:
    """Another frame with the same stack and options, which has loaded it all in one go."""
    other = Loader(folder, loader.stack, loader.options, loader.attributes)
    load(other)
    assert len(segments(other)) == 1
    return other


def require_as_at_once(loader: Loader, folder: Path, names: Sequence[str] = (STACK,)) -> None:
    other = at_once(loader, folder)
    for name in names:
        ours, theirs = contents(loader.root / name), contents(other.root / name)
        assert [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)] == []
    assert recorded(loader) == on_disk(loader)


@contextmanager
def opened_images() -> Iterator[list[Path]]:
    """Every time that an image of an interferogram is opened, by whoever it is."""
    if not _hooked:
        sys.addaudithook(_note)
        _hooked.append(True)
    _opened.append([])
    try:
        yield _opened[-1]
    finally:
        _opened.pop()


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened and isinstance(arguments[0], str | Path):
        path = Path(arguments[0])
        if path.suffix in {".unw", ".cor", ".conncomp", ".ion"}:
            _opened[-1].append(path)
