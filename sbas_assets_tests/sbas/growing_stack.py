"""A stack that grows date by date, inverted whole and by updates."""

from __future__ import annotations

import io
import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from mintpy.cli.ifgram_inversion import cmd_line_parse
from numpy.typing import NDArray

from sbas_assets.sbas.inversion_keeping import Keeping
from sbas_assets.sbas.inversion_update import Refused, Updated, update_stack
from sbas_assets.sbas.stack_inversion import invert_stack
from sbas_assets_tests.benchmarks.simulated_stack import Recipe, write_stack

FILES = {"timeseries.h5": "timeseries", "temporalCoherence.h5": "temporalCoherence", "numInvIfgram.h5": "mask"}
Results = dict[str, NDArray[Any]]


@dataclass
class GrowingStack:
    """Versions of a stack in a folder; `contents` says what identifies each pair, `options` are MintPy's."""

    folder: Path
    recipe: Recipe
    options: list[str] = field(default_factory=lambda: ["-w", "var"])
    contents: dict[str, str] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        self.stack = write_stack(self.recipe, self.folder / "inputs" / "ifgramStack.h5", self.seed)
        with h5py.File(self.stack) as h5:
            self.pairs = ["_".join(day.decode() for day in pair) for pair in h5["date"][:]]
        self.days = sorted({day for pair in self.pairs for day in pair.split("_")})
        self.contents |= dict.fromkeys(self.pairs, "as simulated")

    def spoil(self, change: Callable[[h5py.File], None]) -> None:
        with h5py.File(self.stack, "r+") as h5:
            change(h5)

    def show(self, dates: int, without: Callable[[str], bool] = lambda _: False) -> None:
        """Let the network have the first dates only, and not some of the pairs."""
        shown = set(self.days[:dates])
        keep = [set(pair.split("_")) <= shown and not without(pair) for pair in self.pairs]
        self.spoil(lambda h5: h5["dropIfgram"].write_direct(np.array(keep)))

    def arguments(self, version: str) -> Namespace:
        folder = self.folder / version
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with redirect_stdout(io.StringIO()):
            inps: Namespace = cmd_line_parse([str(self.stack), *self.options])
        inps.tsFile, inps.invQualityFile, inps.numInvFile = (str(folder / name) for name in FILES)
        return inps

    def keeping(self, version: str, **more: Any) -> Keeping:
        return Keeping(self.folder / version / "state.h5", self.contents, **more)

    def whole(self, version: str, *, keep: bool = True, longer: bool = False) -> str:
        """Invert all pairs; return why nothing was kept."""
        inps, keeping = self.arguments(version), self.keeping(version, longer=longer)
        invert_stack(inps, keeping=keeping if keep else None)
        return keeping.refusal

    def update(self, old: str, new: str, made_with: Mapping[str, Any] | None = None) -> Updated:
        last, inps = self.folder / old, self.arguments(new)
        keeping = self.keeping(new, made_with=made_with or {})
        return update_stack(inps, last / "state.h5", last / "timeseries.h5", keeping)

    def refused(self, old: str, **more: Any) -> str:
        try:
            self.update(old, "refused", **more)
        except Refused as refused:
            return str(refused)
        raise AssertionError("it was an update")

    def results(self, version: str) -> Results:
        found = {}
        for name, dataset in FILES.items():
            with h5py.File(self.folder / version / name) as h5:
                found[dataset] = h5[dataset][:]
        return found

    def kinds(self, version: str) -> NDArray[np.uint8]:
        with h5py.File(self.folder / version / "state.h5") as h5:
            return np.asarray(h5["kind"][:])

    def assert_as_whole(self, version: str) -> None:
        """The bar: 1e-4 mm, 1e-6 of temporal coherence, the same counts."""
        self.whole("whole", keep=False)
        ours, theirs = self.results(version), self.results("whole")
        assert 1e3 * np.abs(ours["timeseries"] - theirs["timeseries"]).max() <= 1e-4
        assert np.abs(ours["temporalCoherence"] - theirs["temporalCoherence"]).max() <= 1e-6
        np.testing.assert_array_equal(ours["mask"], theirs["mask"])
