"""A frame brought up to its network without Dagster, and the choice of its reference point found slowly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError
from sbas_assets.frames import frame_config
from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK
from sbas_assets.mintpy.network import NETWORK
from sbas_assets.provenance import Record
from sbas_assets.simulate import SimulationConfig, regular_dates
from sbas_assets.step import Frame, Outcome, Run
from sbas_assets.survey import require_stack
from sbas_assets.transaction import execute
from sbas_assets.workspace import Settings

DATES = regular_dates("20200511", 7, 24)
# seven dates, and the first five of them
WHOLE = SimulationConfig(length=72, width=80, dates=DATES, seed=5)
EARLIER = WHOLE.model_copy(update={"dates": DATES[:5]})
Pixel = tuple[int, int]


class Place:
    """A frame without Dagster: its first three steps, on a copy of a stack that a test may spoil."""

    def __init__(self, folder: Path, stack: Path) -> None:
        self.folder, self.stack = folder, folder / "stack"
        self.settings = Settings.under(folder / "root")
        self.workspace = self.settings.workspace("T071D_test")
        self.replace_stack(stack)

    def replace_stack(self, stack: Path) -> None:
        shutil.rmtree(self.stack, ignore_errors=True)
        shutil.copytree(stack, self.stack)

    def network(self, **options: str) -> Outcome:
        mintpy = {f"mintpy.{name.replace('_', '.')}": value for name, value in options.items()}
        config = frame_config({"track": 71, "direction": "descending", "stack": self.stack, "mintpy": mintpy})
        frame = Frame("T071D_test", config, config.template(), self.settings)
        run = Run("a-run", lambda _: None)
        require_stack(frame, run)
        return [execute(step, frame, run) for step in (IFGRAM_STACK, GEOMETRY_RADAR, NETWORK)][-1]

    def refused(self, **options: str) -> InputError:
        with pytest.raises(InputError) as caught:
            self.network(**options)
        assert caught.value.frame == "T071D_test"
        assert caught.value.mend
        return caught.value

    @property
    def pin(self) -> dict[str, object]:
        return dict(json.loads(self.workspace.pin.read_text()))

    def read(self, name: str, dataset: str) -> np.ndarray:
        with h5py.File(self.workspace.root / name) as h5:
            return np.asarray(h5[dataset][()])

    def spoil(self, pair: str, pixel: Pixel, file: str = "filt_fine.unw", value: float = 0) -> None:
        """Change one pixel of a pair's unwrapped phase (magnitude and phase, line by line) or of its components."""
        path = self.stack / "merged/interferograms" / pair / file
        kind, bands = ("<f4", 2) if file.endswith(".unw") else ("u1", 1)
        data = np.fromfile(path, kind).reshape(WHOLE.length, bands, WHOLE.width)
        data[pixel[0], -1, pixel[1]] = value
        path.write_bytes(data.tobytes())


def pixel_of(record: Record) -> Pixel:
    point = record.facts["reference_point"]
    return point["row"], point["column"]


def best_pixel(place: Place) -> Pixel:
    """The same choice, found slowly: flood the regions, then look at every pixel."""
    coherence = place.read("avgSpatialCoh.h5", "coherence")
    phase = place.read("inputs/ifgramStack.h5", "unwrapPhase")
    components = place.read("inputs/ifgramStack.h5", "connectComponent")
    good = {
        (int(y), int(x))
        for y, x in np.ndindex(coherence.shape)
        if all(phase[:, y, x] != 0) and all(components[:, y, x] > 0)
    }
    largest: set[Pixel] = set()
    left = set(good)
    for start in sorted(good):
        region, border = set(), [start] if start in left else []
        while border:
            y, x = border.pop()
            if (y, x) in left:
                left.remove((y, x))
                region.add((y, x))
                border += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        largest = region if len(region) > len(largest) else largest
    return min(largest, key=lambda pixel: (-coherence[pixel], pixel))


def write_image(path: Path, dataset: str, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as h5:
        h5[dataset] = image
        h5.attrs.update({"FILE_TYPE": dataset, "LENGTH": str(image.shape[0]), "WIDTH": str(image.shape[1])})
