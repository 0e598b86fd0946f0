"""Inverting an interferogram stack from file to files, block by block.

Reads `ifgramStack.h5` or a view of it, writes MintPy's `timeseries.h5`, `temporalCoherence.h5` and
`numInvIfgram.h5`. How a block is inverted is inversion.py's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.sbas import inversion_types as types
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks, stream
from sbas_assets.sbas.inversion import Inverted, Options, invert
from sbas_assets.sbas.inversion_files import Outputs, inversion_files
from sbas_assets.sbas.network import Network
from sbas_assets.threads import Share, pixel_threads

# typical of Sentinel-1 IW, for stacks that do not say how many looks are independent
_LOOKS_PER_RESOLUTION_CELL = 1.94


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
    if not inps.minNormVelocity and _network(_opened(inps)).fixed:
        return "all pairs have one reference date, which is not the first, and the phase is to have least norm"
    return None


def invert_stack(inps: Namespace, progress: Callable[[Rows], None] = lambda _: None) -> Counts:
    """Invert all pixels of a stack.

    Parameters
    ----------
    inps : Namespace
        What `mintpy.cli.ifgram_inversion.cmd_line_parse` returns: the stack, the options, the files to write,
        `maxMemory` (GB).
    progress : callable
        Told of each block that is computed.

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
    plan = _Plan.of(inps)
    counts = Counts()
    with h5py.File(inps.ifgramStackFile, "r") as stack, plan.outputs() as outputs, pixel_threads() as share:

        def compute(rows: Rows, block: _Block) -> Inverted:
            nonlocal counts
            result = plan.invert(block, share)
            counts = counts.with_block(result.status)
            progress(rows)
            return result

        stream(plan.blocks(stack), lambda rows: plan.read(stack, rows), compute, outputs.write)
        if not inps.skip_ref:
            outputs.mark_reference(int(plan.metadata["REF_Y"]), int(plan.metadata["REF_X"]), plan.layers.size)
    return counts


@dataclass(frozen=True)
class _Block:
    phase: NDArray[np.float32]
    coherence: NDArray[np.float32] | None
    mask: NDArray[Any] | None
    wanted: NDArray[np.bool_]


@dataclass(frozen=True)
class _Plan:
    """What is read, how it is inverted, and where it goes."""

    inps: Namespace
    network: Network
    options: Options
    layers: NDArray[np.intp]
    reference: NDArray[np.float32]
    metadata: dict[str, Any]
    baselines: NDArray[np.float32]

    @classmethod
    def of(cls, inps: Namespace) -> _Plan:
        """Read everything but the images."""
        stack = _opened(inps)
        network = _network(stack)
        reference = stack.get_reference_phase(inps.obsDatasetName, skip_reference=inps.skip_ref, dropIfgram=True)
        return cls(
            inps=inps,
            network=network,
            options=Options(
                weight=inps.weightFunc,
                looks=_looks(stack.metadata),
                mask=inps.maskDataset if inps.maskDataset in stack.datasetNames else None,
                threshold=inps.maskThreshold,
                redundancy=inps.minRedundancy,
                velocity=bool(inps.minNormVelocity),
            ),
            layers=np.flatnonzero(stack.dropIfgram),
            reference=np.asarray(reference, np.float32).ravel(),
            metadata=dict(stack.metadata),
            baselines=stack.get_perp_baseline_timeseries(dropIfgram=True),
        )

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.metadata["LENGTH"]), int(self.metadata["WIDTH"])

    @property
    def _needed(self) -> list[str]:
        """Datasets of the stack that are read."""
        coherence = ["coherence"] if self.options.weight != "no" or self.options.mask == "coherence" else []
        components = ["connectComponent"] if self.options.mask == "connectComponent" else []
        return [self.inps.obsDatasetName, *coherence, *components]

    def blocks(self, stack: h5py.File) -> list[Rows]:
        length, width = self.shape
        layers = self.layers.size * len(self._needed) + len(self.network.dates) + 3
        multiple = chunk_rows(stack[self.inps.obsDatasetName])
        return row_blocks(length, 4 * layers * width, self.inps.maxMemory, multiple=multiple)

    def read(self, stack: h5py.File, rows: Rows) -> _Block:
        images = {name: read_layers(stack[name], self.layers, rows) for name in self._needed}
        mask = self.options.mask
        return _Block(
            phase=images[self.inps.obsDatasetName],
            coherence=images.get("coherence"),
            mask=images[mask] if mask else None,
            wanted=self._wanted(rows),
        )

    def _wanted(self, rows: Rows) -> NDArray[np.bool_]:
        """Pixels on land, and with some coherence in some pair."""
        from mintpy.utils import readfile

        _, width = self.shape
        box = (0, rows.start, width, rows.stop)
        wanted = np.ones(len(rows) * width, np.bool_)
        for file, dataset in self._masks():
            wanted &= readfile.read(file, datasetName=dataset, box=box)[0].ravel() != 0
        return wanted

    def _masks(self) -> Iterator[tuple[str, str | None]]:
        from mintpy.utils import readfile

        water = self.inps.waterMaskFile
        if water:
            names = readfile.get_dataset_list(water)
            if self._size_of(water) != self.shape:
                raise InputError(
                    "template-file-unusable",
                    f"mintpy.networkInversion.waterMaskFile has {self._size_of(water)} rows and columns, the "
                    f"interferograms have {self.shape}",
                    mend="give a mask on the grid of the interferograms",
                    path=water,
                )
            yield water, next(name for name in names if name in {"waterMask", "mask"})
        quality = Path(self.inps.ifgramStackFile).parents[1] / "avgSpatialCoh.h5"
        if quality.is_file() and self._size_of(str(quality)) == self.shape:
            yield str(quality), None

    @staticmethod
    def _size_of(file: str) -> tuple[int, int]:
        from mintpy.utils import readfile

        attributes = readfile.read_attribute(file)
        return int(attributes["LENGTH"]), int(attributes["WIDTH"])

    def invert(self, block: _Block, share: Share) -> Inverted:
        return invert(
            self.network,
            self.options,
            block.phase,
            self.reference,
            share,
            coherence=block.coherence,
            mask=block.mask,
            wanted=block.wanted,
            scale=-1 * float(self.metadata["WAVELENGTH"]) / (4.0 * np.pi),
        )

    def outputs(self) -> AbstractContextManager[Outputs]:
        """Lay out the three files."""
        return inversion_files(self.inps, self.metadata, self.network.dates, self.baselines, self.layers.size)


def _opened(inps: Namespace) -> Any:
    from mintpy.objects import ifgramStack

    stack = ifgramStack(str(inps.ifgramStackFile))
    stack.open(print_msg=False)
    return stack


def _network(stack: Any) -> Network:
    return Network.of([tuple(pair.split("_")) for pair in stack.get_date12_list(dropIfgram=True)])


def _looks(metadata: Mapping[str, str]) -> int:
    """Independent looks, at least one (`ifgram_inversion.calc_weight_sqrt`)."""
    if "NCORRLOOKS" in metadata:
        looks = float(metadata["NCORRLOOKS"])
    else:
        looks = int(metadata["ALOOKS"]) * int(metadata["RLOOKS"]) / _LOOKS_PER_RESOLUTION_CELL
    return max(int(np.rint(looks)), 1)
