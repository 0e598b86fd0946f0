"""Keeping, beside the results of an inversion, what lets later pairs be added without reading the earlier ones.

Whether something can be kept, and of which pixels more than the rest. The file is inversion_state.py's; going on from
it is inversion_update.py's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows
from sbas_assets.sbas.condensation import Cut, Stage, checkpoint, tail_length
from sbas_assets.sbas.inversion import Inverted
from sbas_assets.sbas.inversion_plan import Block, Images, StackPlan
from sbas_assets.sbas.inversion_state import About, Aside, finish, lay_out, write_rows
from sbas_assets.sbas.inversion_types import APART, HIDDEN
from sbas_assets.sbas.network import Network
from sbas_assets.sbas.product_file import product_file

MORE_NUMBERS = 60
"""Numbers (4 bytes) of a pixel that are kept, nearly."""
_MOST_APART = 0.05  # of the pixels whose observations are kept: beyond it reading them all is hardly more
_OF_MEMORY = 1 / 16  # that these observations may take


@dataclass
class Keeping:
    """What is asked for.

    Parameters
    ----------
    file : Path
        To write.
    contents : mapping
        Pair to what identifies its observations.
    made_with : mapping
        What decides the numbers beside the observations and the plan.
    longer : bool
        Whether the last tail was too short.
    refusal : str
        Filled: why nothing was kept.
    """

    file: Path
    contents: Mapping[str, str]
    made_with: Mapping[str, Any] = field(default_factory=dict)
    longer: bool = False
    refusal: str = ""

    def recipe(self, plan: StackPlan) -> dict[str, Any]:
        """What decides the numbers of a pixel, as it will be read back."""
        return dict(json.loads(json.dumps({**plan.recipe, **self.made_with})))

    def observed(self, network: Network, pairs: int) -> str:
        """Digest of the first pairs and of what is in them."""
        names = pair_names(network)[:pairs]
        return hashlib.sha256(json.dumps([[name, self.contents.get(name)] for name in names]).encode()).hexdigest()

    @contextmanager
    def keeper(self, plan: StackPlan) -> Iterator[Keeper | None]:
        """Write a state beside an inversion of all pairs; None if there can be none."""
        self.file.unlink(missing_ok=True)  # of an update that was refused
        self.refusal, tail, cut = _first_cut(plan, longer=self.longer)
        if cut is None:
            yield None
            return
        about = self.about(plan, cut, tail)
        with self.writing(plan, Stage.of(plan.network, None, cut), cut) as keeper:
            yield keeper
            keeper.finish(about)
        if keeper.refusal:
            self.refusal = keeper.refusal
            self.file.unlink()

    @contextmanager
    def writing(self, plan: StackPlan, stage: Stage, cut: Cut) -> Iterator[Keeper]:
        """Lay out the file."""
        datasets = lay_out(len(cut.frontier), plan.shape)
        with product_file(self.file, {"FILE_TYPE": "inversionState"}, datasets) as h5:
            yield Keeper(plan, stage, cut, h5)

    def about(self, plan: StackPlan, cut: Cut, tail: int, updates: int = 0, moved_mm: float = 0.0) -> About:
        """Say what a state is of."""
        dates, observed = plan.network.dates, self.observed(plan.network, cut.pairs)
        return About(self.recipe(plan), list(dates[: cut.at]), dates[cut.at], observed, tail, updates, moved_mm)


@dataclass
class Keeper:
    """Writes a state while blocks are inverted."""

    plan: StackPlan
    stage: Stage
    cut: Cut
    h5: h5py.File
    refusal: str = ""
    hidden: list[Aside] = field(default_factory=list)
    apart: list[Aside] = field(default_factory=list)

    def take(self, rows: Rows, block: Block, result: Inverted) -> None:
        """Take what has to be kept of single pixels of a block of all pairs, and hide the hidden series."""
        assert result.kept is not None
        start = rows.start * self.plan.shape[1]
        self.hide(start, result.kept.kind, result.series)
        apart = np.flatnonzero(result.kept.kind == APART)
        self.set_apart(apart + start, {name: image[:, apart] for name, image in block.images.items()})

    def hide(self, start: int, kind: NDArray[np.uint8], series: NDArray[np.float32]) -> None:
        """Keep the series that are not to be shown, (dates, pixels)."""
        pixels = np.flatnonzero(kind == HIDDEN)
        self.hidden.append(Aside(pixels + start, {"series": series[: self.cut.at, pixels]}))
        series[:, pixels] = 0

    def set_apart(self, pixels: NDArray[np.int64], images: Images) -> None:
        """Keep the observations of some pixels, (pairs, pixels)."""
        if not self.refusal:
            self.apart.append(Aside(pixels, {name: image[: self.cut.pairs] for name, image in images.items()}))
            self._check_amount()

    def _check_amount(self) -> None:
        number = sum(part.pixels.size for part in self.apart)
        size = sum(image.nbytes for part in self.apart for image in part.values.values())
        length, width = self.plan.shape
        if number > _MOST_APART * length * width or size > _OF_MEMORY * self.plan.inps.maxMemory * 2**30:
            self.refusal = "too many pixels have pairs that leave their network in parts"
            self.apart.clear()

    def write(self, rows: Rows, result: Inverted) -> None:
        """Write what is kept of a block."""
        assert result.kept is not None
        write_rows(self.h5, rows, result.kept)

    def finish(self, about: About) -> None:
        """Write the rest, when all blocks are written."""
        if not self.refusal:
            finish(self.h5, about, {"hidden": Aside.joined(self.hidden), "apart": Aside.joined(self.apart)})


def pair_names(network: Network) -> list[str]:
    """Pairs as `YYYYMMDD_YYYYMMDD`."""
    return [f"{network.dates[i]}_{network.dates[j]}" for i, j in zip(network.first, network.second, strict=True)]


def _first_cut(plan: StackPlan, *, longer: bool) -> tuple[str, int, Cut | None]:
    """Why nothing can be kept, length of the tail, checkpoint."""
    redundancy = plan.options.redundancy
    if not 0 < redundancy <= 1:
        return f"mintpy.networkInversion.minRedundancy = {redundancy:g} counts the pairs of all dates", 0, None
    tail = tail_length(plan.network)
    if tail is None:
        return "the series is too short, or its pairs reach too far", 0, None
    tail = tail + tail // 2 if longer else tail
    cut = checkpoint(plan.network, tail)
    return ("" if cut else "the series is too short, or its pairs reach too far"), tail, cut
