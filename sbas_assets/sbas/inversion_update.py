"""Adding pairs to an inverted stack: the dates behind a checkpoint are solved anew, those before it stay.

The equations of the dates behind the checkpoint are complete: those of their own pairs, which are read again, and what
an earlier inversion kept of the others. So their solution is that of all pairs. That of the dates before hardly
changes, and how little is known for each update: their equations are a weighted Laplacian, whose solution changes
nowhere more than at its border, the frontier. Where that moves too far, or what was kept is of something else, the
update is refused, and all pairs are to be inverted.
"""

from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas.blocks import Rows, stream
from sbas_assets.sbas.condensation import Cut, Stage, checkpoint
from sbas_assets.sbas.inversion import Inverted
from sbas_assets.sbas.inversion_files import Outputs
from sbas_assets.sbas.inversion_keeping import MORE_NUMBERS, Keeper, Keeping
from sbas_assets.sbas.inversion_plan import Block, StackPlan
from sbas_assets.sbas.inversion_state import About, Aside, read_about, read_aside, read_rows
from sbas_assets.sbas.inversion_types import APART, HIDDEN, SOLVED, UNKNOWN, Kept
from sbas_assets.sbas.network import Network
from sbas_assets.sbas.stack_inversion import Counts
from sbas_assets.threads import Share, pixel_threads

MOVED_MM = 2e-5
"""How far an update may move the series at the checkpoint (mm)."""
MOVED_IN_ALL_MM = 8e-5
"""How far all updates since the last inversion of all pairs may (mm)."""
_MOST_UNKNOWN = 16  # pixels that are read whole


class Refused(Exception):  # noqa: N818 - it is not an error
    """Why an update is no update."""

    def __init__(self, reason: str, *, short: bool = False) -> None:
        super().__init__(reason)
        self.short = short


@dataclass(frozen=True)
class Updated:
    """What an update did.

    Parameters
    ----------
    counts : Counts
        Of the pixels.
    pairs, pairs_read : int
        Of the network; of these, read.
    moved_mm, moved_in_all_mm : float
        Bound of the change of the earlier series that this update, and all since the last inversion of all pairs, left
        out.
    updates : int
        Since that.
    """

    counts: Counts
    pairs: int
    pairs_read: int
    moved_mm: float
    moved_in_all_mm: float
    updates: int


def update_stack(inps: Namespace, state: Path, series: Path, keeping: Keeping) -> Updated:
    """Write the files of an inversion from those of an earlier one and the later pairs.

    Parameters
    ----------
    inps : Namespace
        As for `stack_inversion.invert_stack`.
    state, series : Path
        What the earlier inversion kept, and its displacement.
    keeping : Keeping
        Where to keep the same for the next update.

    Raises
    ------
    Refused
        All pairs have to be inverted. What was written is worth nothing.
    """
    plan, about = StackPlan.of(inps), read_about(state)
    begin, end, about = _cuts(plan, about, keeping)
    stage = Stage.of(plan.network, begin, end)
    with ExitStack() as files:
        stack, kept, old = (files.enter_context(h5py.File(name, "r")) for name in (inps.ifgramStackFile, state, series))
        share = files.enter_context(pixel_threads())
        outputs = files.enter_context(plan.outputs())
        keeper = files.enter_context(keeping.writing(plan, stage, end))
        aside = {name: read_aside(kept, name) for name in ("hidden", "apart")}
        update = _Update(plan, stage, begin, aside, share, keeper)

        def read(rows: Rows) -> _Read:
            early = old["timeseries"][: begin.at, rows.slice, :].reshape(begin.at, -1)
            return _Read(plan.read(stack, rows, begin.pairs), read_rows(kept, rows), early)

        def write(rows: Rows, result: Inverted) -> None:
            outputs.write(rows, result)
            keeper.write(rows, result)

        stream(plan.blocks(stack, begin.pairs, 2 * MORE_NUMBERS + begin.at), read, update.compute, write)
        update.read_whole(stack, outputs)
        if plan.point:
            outputs.mark_reference(*plan.point, plan.layers.size)
        moved_mm = 1e3 * abs(plan.scale) * update.moved
        in_all = about.moved_mm + moved_mm
        if moved_mm > MOVED_MM or in_all > MOVED_IN_ALL_MM:
            raise Refused(f"the series before {about.checkpoint} moves by up to {moved_mm:.1g} mm", short=True)
        keeper.finish(keeping.about(plan, end, about.tail, about.updates + 1, in_all))
    if keeper.refusal:
        raise Refused(keeper.refusal)
    pairs = plan.layers.size
    return Updated(update.counts, pairs, pairs - begin.pairs, moved_mm, in_all, about.updates + 1)


def _cuts(plan: StackPlan, about: About | None, keeping: Keeping) -> tuple[Cut, Cut, About]:
    """The last checkpoint and the next, if what was kept is of this stack."""
    if about is None:
        raise Refused("what was kept is of another version of this package")
    recipe = keeping.recipe(plan)
    other = sorted(key for key in recipe.keys() | about.recipe.keys() if recipe.get(key) != about.recipe.get(key))
    if other:
        raise Refused(f"other {', '.join(other)}")
    dates = plan.network.dates
    at = len(about.dates)
    if list(dates[:at]) != about.dates or about.checkpoint not in dates[at : at + 1]:
        different = sorted({date for date in dates if date < about.checkpoint} ^ set(about.dates)) or [about.checkpoint]
        raise Refused(f"dates up to {about.checkpoint} came or went ({', '.join(different)})")
    begin = Cut.of(plan.network, at)
    end = _next(plan.network, at, about.tail)
    if begin is None or end is None:
        raise Refused("pairs reach too far")
    if keeping.observed(plan.network, begin.pairs) != about.observed:
        raise Refused(f"pairs of dates before {about.checkpoint} came, went or changed")
    return begin, end, about


def _next(network: Network, at: int, tail: int) -> Cut | None:
    """The next checkpoint; never before the last."""
    return checkpoint(network, tail) if len(network.dates) - tail > at else Cut.of(network, at)


@dataclass(frozen=True)
class _Read:
    """What is read of a block: the later pairs, what was kept, and the earlier series."""

    block: Block
    kept: Kept
    series: NDArray[np.float32]


@dataclass
class _Update:
    """Goes through the blocks."""

    plan: StackPlan
    stage: Stage
    begin: Cut
    aside: dict[str, Aside]
    share: Share
    keeper: Keeper
    counts: Counts = field(default_factory=Counts)
    moved: float = 0.0
    unknown: list[int] = field(default_factory=list)

    def compute(self, rows: Rows, seen: _Read) -> Inverted:
        """Invert a block."""
        start = rows.start * self.plan.shape[1]
        stop = start + seen.block.wanted.size
        result = self.plan.invert(seen.block, self.share, self.stage, seen.kept)
        assert result.kept is not None
        assert result.moved is not None
        kind, status = result.kept.kind, result.status
        self.moved = max(self.moved, float(result.moved[(status == SOLVED) | (kind == HIDDEN)].max(initial=0.0)))
        hidden = self.aside["hidden"].between(start, stop)
        seen.series[:, hidden.pixels] = hidden.values["series"]
        series = np.concatenate([seen.series, result.series[1:]])
        self.keeper.hide(start, kind, series)
        series[:, status != SOLVED] = 0
        whole = replace(result, series=series)
        self._again(start, self.aside["apart"].between(start, stop), seen.block, whole)
        self.unknown += [start + int(pixel) for pixel in np.flatnonzero(status == UNKNOWN)]
        if len(self.unknown) > _MOST_UNKNOWN:
            raise Refused("too many pixels have lost pairs that hold their network together")
        self.counts = self.counts.with_block(status)
        return whole

    def _again(self, start: int, apart: Aside, block: Block, whole: Inverted) -> None:
        """Invert the pixels whose observations were kept, with all pairs."""
        assert whole.kept is not None
        some = apart.where(whole.kept.kind[apart.pixels] == APART)
        images = {
            name: np.concatenate([some.values[name], image[:, some.pixels]]) for name, image in block.images.items()
        }
        self.keeper.set_apart(start + some.pixels, images)
        if some.pixels.size:
            result = self.plan.invert(Block(images, block.wanted[some.pixels]), self.share)
            whole.series[:, some.pixels], whole.quality[some.pixels] = result.series, result.quality
            whole.count[some.pixels], whole.status[some.pixels] = result.count, result.status

    def read_whole(self, stack: h5py.File, outputs: Outputs) -> None:
        """Invert the pixels of which what was kept does not tell enough, from all their pairs."""
        width = self.plan.shape[1]
        for row, column in (divmod(pixel, width) for pixel in self.unknown):
            block = self.plan.read(stack, Rows(row, row + 1))
            one = Block({name: image[:, [column]] for name, image in block.images.items()}, block.wanted[[column]])
            result = self.plan.invert(one, self.share)
            outputs.series[:, row, column] = result.series[:, 0]
            outputs.quality[row, column] = result.quality[0]
            outputs.count[row, column] = result.count[0]
            self.keeper.set_apart(np.array([row * width + column]), one.images)
