"""Network and bridged phases of a frame whose stack grows: made step by step, compared with those made at once."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK
from sbas_assets.mintpy.network import NETWORK
from sbas_assets.mintpy.unwrapping import UNWRAP_PHASE_CORRECTED
from sbas_assets.mintpy.workfolder import CORRECTED_STACK, NETWORK_STACK, NETWORK_STATE
from sbas_assets.provenance import Record, read_record
from sbas_assets.sbas import blocks, stack_overview, stack_unwrapping
from sbas_assets.step import Outcome, Run, Step
from sbas_assets.transaction import execute
from sbas_assets_tests.mintpy.loading_at_work import Loader
from sbas_assets_tests.test_products_are_reproducible import without_run

RUN = Run("a-run", lambda _: None)
UP_TO_NETWORK = (IFGRAM_STACK, GEOMETRY_RADAR, NETWORK)
STEPS = (*UP_TO_NETWORK, UNWRAP_PHASE_CORRECTED)
BRIDGING = {
    "mintpy.reference.yx": "15, 16",
    "mintpy.unwrapError.method": "bridging",
    "mintpy.unwrapError.connCompMinArea": "100",
}
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink")


def made(loader: Loader, steps: Sequence[Step] = STEPS) -> Outcome:
    """The last of the steps, which made something."""
    outcome = loader.load(steps)[-1]
    assert outcome.how in {"made", "remade"}
    return outcome


def at_once(loader: Loader, folder: Path, steps: Sequence[Step] = STEPS) -> Loader:
    """Another frame with the same stack and options, without a history."""
    other = Loader(folder, loader.stack, loader.options, loader.attributes)
    made(other, steps)
    return other


def recorded(loader: Loader, step: Step) -> Record:
    record = read_record(loader.frame.workspace, step.name)
    assert record is not None
    return record


def products(loader: Loader, step: Step = NETWORK) -> dict[str, bytes]:
    """Files of a step, without what tells of the run."""
    return {out.path: without_run((loader.root / out.path).read_bytes()) for out in recorded(loader, step).outputs}


def update(loader: Loader) -> Outcome:
    """The network, and what it is made from."""
    return made(loader, UP_TO_NETWORK)


def require_network_as_at_once(loader: Loader, folder: Path) -> None:
    """Version and all files, to the byte."""
    other = at_once(loader, folder, UP_TO_NETWORK)
    assert recorded(loader, NETWORK).data_version == recorded(other, NETWORK).data_version
    ours, theirs = products(loader), products(other)
    assert [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)] == []
    assert {NETWORK_STACK, NETWORK_STATE, "avgSpatialCoh.h5", "numTriNonzeroIntAmbiguity.h5"} <= set(ours)


def as_one_file(loader: Loader, folder: Path) -> Path:
    """The network's stack as MintPy knows it, in a work folder for MintPy."""
    plain = folder / "inputs/ifgramStack.h5"
    plain.parent.mkdir()
    with h5py.File(loader.root / NETWORK_STACK) as view, h5py.File(plain, "w") as h5:
        for name in view:
            h5[name] = view[name][()]
        h5.attrs.update(view.attrs)
    return plain


def bridged(loader: Loader) -> dict[str, Any]:
    """All that the corrected stack shows, whatever its segments are, and what the record says of the whole."""
    with h5py.File(loader.root / CORRECTED_STACK) as h5:
        found: dict[str, Any] = {name: dataset[()].tobytes() for name, dataset in h5.items()}
        assert all(np.any(image) for image in h5["unwrapPhase_bridging"][()])
    record = recorded(loader, UNWRAP_PHASE_CORRECTED)
    told = {key: value for key, value in record.metrics.items() if key != "pairs_corrected"}
    return {
        **found,
        "metrics": told,
        "version": record.data_version,
        "pic": (loader.root / str(record.picture)).read_bytes(),
    }


@contextmanager
def images_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """Pairs of which an overview or a correction reads pixels, by dataset."""
    found: dict[str, set[str]] = {}

    def read_layers(dataset: h5py.Dataset, layers: np.ndarray, rows: blocks.Rows) -> np.ndarray:
        pairs = ["_".join(date.decode() for date in row) for row in dataset.file["date"][:]]
        found.setdefault(dataset.name[1:], set()).update(pairs[layer] for layer in layers)
        return blocks.read_layers(dataset, layers, rows)

    with monkeypatch.context() as patched:
        for module in (stack_overview, stack_unwrapping):
            patched.setattr(module, "read_layers", read_layers)
        yield found


def bytes_read() -> int:
    """By this process so far, from the disk or the page cache."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def killed_at(loader: Loader, step: Step, moment: int) -> bool:
    """Execute a step in a process that kills itself, -9, before its n-th change; whether it came to that."""
    child = os.fork()
    if child == 0:
        _die_before(moment, str(loader.root))
        try:
            execute(step, loader.frame, RUN)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _die_before(moment: int, root: str) -> None:
    seen: Counter[str] = Counter()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in {"w", "x", "a"}
        if (writes or event in _CHANGES) and str(arguments[0]).startswith(root):
            seen["changes"] += 1
            if seen["changes"] == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(note)
