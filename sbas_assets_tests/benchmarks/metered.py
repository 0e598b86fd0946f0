"""`sbas-assets` with a meter: what the survey of the stack and each step took, written to a file at the end.

    python -m sbas_assets_tests.benchmarks.metered FILE run KEY --json

Steps run one after the other in this process, so the growth of its counters belongs to the step: seconds, seconds of
processor, and the bytes that went through read and write calls (`rchar`, `wchar` of /proc/self/io: also what came from
the page cache). What is looked at in mapped images goes through no call and is added: only the preflight does that.

MintPy and the other large libraries are imported before the first step, which would otherwise be charged for them: an
update has other first steps than a full rebuild.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets import survey
from sbas_assets.topsstack.checks import images
from sbas_assets.topsstack.rasters import RasterHeader

LIBRARIES = (
    "mintpy.smallbaselineApp",
    "mintpy.load_data",
    "mintpy.ifgram_inversion",
    "sbas_assets.published.zarr_product",
)
SURVEY = "topsStack"
WHOLE = "process"
_mapped: list[int] = []


@dataclass(frozen=True)
class Counters:
    """What a process, or a part of its work, has used."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0

    @classmethod
    def now(cls) -> Counters:
        """Those of this process so far."""
        rows = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        used = os.times()
        return cls(time.monotonic(), used.user + used.system, int(rows["rchar"]) + sum(_mapped), int(rows["wchar"]))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(a - b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


class Meter:
    """The counters of each named part."""

    def __init__(self) -> None:
        self.parts: dict[str, Counters] = {}

    def around[**P, R](self, call: Callable[P, R], name: Callable[P, str]) -> Callable[P, R]:
        """Count a function's calls under a name that its arguments give."""

        @wraps(call)
        def counted(*args: P.args, **kwargs: P.kwargs) -> R:
            before = Counters.now()
            try:
                return call(*args, **kwargs)
            finally:
                named = name(*args, **kwargs)
                self.parts[named] = self.parts.get(named, Counters()) + (Counters.now() - before)

        return counted


def _look_at_mapped(call: Callable[..., NDArray[Any]]) -> Callable[..., NDArray[Any]]:
    """Count what is taken out of a mapped image, all bands of it."""

    class Seen(np.ndarray[Any, Any]):
        bands = 1

        def __getitem__(self, place: Any) -> Any:
            found = np.asarray(super().__getitem__(place))
            _mapped.append(self.bands * found.nbytes)
            return found

    def mapped(raster: Path, header: RasterHeader, band: int = 1) -> NDArray[Any]:
        seen = call(raster, header, band).view(Seen)
        seen.bands = header.bands
        return seen

    return mapped


def main(arguments: list[str]) -> int:
    """Run a command of `sbas-assets`."""
    target, *command = arguments
    began, meter = Counters.now(), Meter()
    images.read_band = _look_at_mapped(images.read_band)
    survey.survey = meter.around(survey.survey, lambda *_: SURVEY)
    for name in LIBRARIES:
        importlib.import_module(name)
    from sbas_assets import resources
    from sbas_assets.cli import main as cli

    resources.execute = meter.around(resources.execute, lambda step, *_: step.name)
    code = cli(command)
    meter.parts[WHOLE] = Counters.now() - began
    Path(target).write_text(json.dumps({name: asdict(part) for name, part in meter.parts.items()}))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
