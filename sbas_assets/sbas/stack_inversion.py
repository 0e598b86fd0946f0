"""Inverting an interferogram stack from file to files, block by block.

Reads `ifgramStack.h5` or a view of it, writes MintPy's `timeseries.h5`, `temporalCoherence.h5` and
`numInvIfgram.h5`. How a block is read and inverted is inversion_plan.py's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.sbas import inversion_types as types
from sbas_assets.sbas.blocks import Rows, stream
from sbas_assets.sbas.inversion import Inverted
from sbas_assets.sbas.inversion_keeping import MORE_NUMBERS, Keeping
from sbas_assets.sbas.inversion_plan import Block, StackPlan, network_of, opened
from sbas_assets.threads import pixel_threads


@dataclass(frozen=True)
class Counts:
    """How many pixels were inverted, and how.

    Parameters
    ----------
    solved : int
        Pixels whose pairs connect all dates.
    disconnected : int
        Pixels whose valid pairs fall into parts; these are shifted to the least norm.
    too_few : int
        Pixels left out for `minRedundancy`.
    by_mintpy : int
        Pixels given to MintPy's own routine, for weights that differ too much.
    """

    solved: int = 0
    disconnected: int = 0
    too_few: int = 0
    by_mintpy: int = 0

    def with_block(self, status: NDArray[np.int8]) -> Counts:
        """Add the pixels of a block."""
        number = np.bincount(status, minlength=5)
        return Counts(
            self.solved + int(number[types.SOLVED]),
            self.disconnected + int(number[types.DISCONNECTED]),
            self.too_few + int(number[types.TOO_FEW]),
            self.by_mintpy + int(number[types.ILL_CONDITIONED]),
        )


def not_covered(inps: Namespace) -> str | None:
    """Say why MintPy's own inversion must be used, or None.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.ifgram_inversion.cmd_line_parse` returns.
    """
    if not inps.obsDatasetName.startswith("unwrapPhase"):
        return f"{inps.obsDatasetName} is no unwrapped phase"
    if inps.maskDataset and inps.maskDataset not in {"coherence", "connectComponent"}:
        return f"mintpy.networkInversion.maskDataset = {inps.maskDataset}"
    if inps.calcCov:
        return "the covariance of the series is asked for"
    if not inps.minNormVelocity and network_of(opened(inps)).fixed:
        return "all pairs have one reference date, which is not the first, and the phase is to have least norm"
    return None


def invert_stack(
    inps: Namespace, progress: Callable[[Rows], None] = lambda _: None, keeping: Keeping | None = None
) -> Counts:
    """Invert all pixels of a stack.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.ifgram_inversion.cmd_line_parse` returns: the stack, the options, the files to write,
        `maxMemory` (GB).
    progress : callable
        Told of each block that is computed.
    keeping : Keeping, optional
        Where to keep what an update goes on from.

    Returns
    -------
    Counts
        Of the pixels.

    Raises
    ------
    InputError
        `template-file-unusable`: a water mask of another size.

    Notes
    -----
    Source: MintPy `ifgram_inversion.run_ifgram_inversion`.
    """
    plan = StackPlan.of(inps)
    counts = Counts()
    with ExitStack() as files:
        stack = files.enter_context(h5py.File(inps.ifgramStackFile, "r"))
        outputs = files.enter_context(plan.outputs())
        share = files.enter_context(pixel_threads())
        keeper = files.enter_context(keeping.keeper(plan)) if keeping else None
        stage = keeper.stage if keeper else None

        def compute(rows: Rows, block: Block) -> Inverted:
            nonlocal counts
            result = plan.invert(block, share, stage)
            counts = counts.with_block(result.status)
            if keeper:
                keeper.take(rows, block, result)
            progress(rows)
            return result

        def write(rows: Rows, result: Inverted) -> None:
            outputs.write(rows, result)
            if keeper:
                keeper.write(rows, result)

        blocks = plan.blocks(stack, more=MORE_NUMBERS if keeping else 0)
        stream(blocks, lambda rows: plan.read(stack, rows), compute, write)
        if plan.point:
            outputs.mark_reference(*plan.point, plan.layers.size)
    return counts
