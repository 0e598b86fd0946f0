"""An interferogram stack and the options of its inversion: what is read of it, block by block, and how it is inverted.

What becomes of the results is stack_inversion.py's and inversion_update.py's.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import InputError
from sbas_assets.sbas.blocks import Rows, chunk_rows, read_layers, row_blocks
from sbas_assets.sbas.condensation import Stage
from sbas_assets.sbas.inversion import Inverted, Options, invert
from sbas_assets.sbas.inversion_files import Outputs, inversion_files
from sbas_assets.sbas.inversion_types import Kept
from sbas_assets.sbas.network import Network
from sbas_assets.threads import Share

# typical of Sentinel-1 IW, for stacks that do not say how many looks are independent
_LOOKS_PER_RESOLUTION_CELL = 1.94
Images = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Block:
    """What is read of some rows: images by dataset, (pairs, pixels), and which pixels are wanted."""

    images: Images
    wanted: NDArray[np.bool_]


@dataclass(frozen=True)
class StackPlan:
    """What is read, how it is inverted, and where it goes."""

    inps: Namespace
    network: Network
    options: Options
    layers: NDArray[np.intp]
    reference: NDArray[np.float32]
    metadata: dict[str, Any]
    baselines: NDArray[np.float32]

    @classmethod
    def of(cls, inps: Namespace) -> StackPlan:
        """Read everything but the images."""
        stack = opened(inps)
        network = network_of(stack)
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
        """Rows and columns."""
        return int(self.metadata["LENGTH"]), int(self.metadata["WIDTH"])

    @property
    def needed(self) -> list[str]:
        """Datasets of the stack that are read."""
        coherence = ["coherence"] if self.options.weight != "no" or self.options.mask == "coherence" else []
        components = ["connectComponent"] if self.options.mask == "connectComponent" else []
        return [self.inps.obsDatasetName, *coherence, *components]

    @property
    def scale(self) -> float:
        """Displacement toward the satellite (m) of one radian."""
        return -1 * float(self.metadata["WAVELENGTH"]) / (4.0 * np.pi)

    @property
    def point(self) -> tuple[int, int] | None:
        """Row and column of the reference point, if it is counted as perfect."""
        return None if self.inps.skip_ref else (int(self.metadata["REF_Y"]), int(self.metadata["REF_X"]))

    @property
    def recipe(self) -> dict[str, Any]:
        """What decides the numbers of a pixel beside its observations."""
        keys = ("LENGTH", "WIDTH", "WAVELENGTH", "REF_Y", "REF_X")
        attributes = {key: str(self.metadata.get(key)) for key in keys}
        masks = {"water mask": str(self.inps.waterMaskFile)}
        return {**asdict(self.options), **attributes, **masks, "dataset": self.inps.obsDatasetName}

    def blocks(self, stack: h5py.File, begin: int = 0, more: int = 0) -> list[Rows]:
        """Blocks of rows of all pairs from one on, with so many more numbers (4 bytes) of each pixel."""
        length, width = self.shape
        layers = (self.layers.size - begin) * len(self.needed) + len(self.network.dates) + 3 + more
        multiple = chunk_rows(stack[self.inps.obsDatasetName])
        return row_blocks(length, 4 * layers * width, self.inps.maxMemory, multiple=multiple)

    def read(self, stack: h5py.File, rows: Rows, begin: int = 0) -> Block:
        """Read the pairs from one on."""
        images = {name: read_layers(stack[name], self.layers[begin:], rows) for name in self.needed}
        return Block(images, self._wanted(rows))

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

    def invert(self, block: Block, share: Share, stage: Stage | None = None, before: Kept | None = None) -> Inverted:
        """Invert a block, of the whole network or of a stage that goes on from what was kept."""
        mask = self.options.mask
        begin = self.layers.size - len(block.images[self.inps.obsDatasetName])
        return invert(
            stage.network if stage else self.network,
            self.options,
            block.images[self.inps.obsDatasetName],
            self.reference[begin:],
            share,
            coherence=block.images.get("coherence"),
            mask=block.images[mask] if mask else None,
            wanted=block.wanted,
            scale=self.scale,
            stage=stage,
            before=before,
        )

    def outputs(self) -> AbstractContextManager[Outputs]:
        """Lay out the three files."""
        return inversion_files(self.inps, self.metadata, self.network.dates, self.baselines, self.layers.size)


def opened(inps: Namespace) -> Any:
    """MintPy's object of the stack."""
    from mintpy.objects import ifgramStack

    stack = ifgramStack(str(inps.ifgramStackFile))
    stack.open(print_msg=False)
    return stack


def network_of(stack: Any) -> Network:
    """The network of the pairs that are kept."""
    return Network.of([tuple(pair.split("_")) for pair in stack.get_date12_list(dropIfgram=True)])


def _looks(metadata: Mapping[str, str]) -> int:
    """Independent looks, at least one (`ifgram_inversion.calc_weight_sqrt`)."""
    if "NCORRLOOKS" in metadata:
        looks = float(metadata["NCORRLOOKS"])
    else:
        looks = int(metadata["ALOOKS"]) * int(metadata["RLOOKS"]) / _LOOKS_PER_RESOLUTION_CELL
    return max(int(np.rint(looks)), 1)
