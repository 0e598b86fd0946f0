"""invert_stack writes the files that MintPy's ifgram_inversion.py writes, whatever the template asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from mintpy.cli.ifgram_inversion import cmd_line_parse
from mintpy.ifgram_inversion import run_ifgram_inversion

from sbas_assets.errors import InputError
from sbas_assets.sbas.product_file import product_file
from sbas_assets.sbas.stack_inversion import Counts, invert_stack, not_covered
from sbas_assets_tests.benchmarks.simulated_stack import Recipe, write_stack

SIZE = Recipe(length=23, width=31, dates=11, missing=0.15)
FILES = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
KEY = "mintpy.networkInversion"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a stack of which two pairs are dropped, components, and masks."""
    folder = tmp_path_factory.mktemp("inversion")
    stack = write_stack(SIZE, folder / "inputs" / "ifgramStack.h5")
    rng = np.random.default_rng(4)
    with h5py.File(stack, "r+") as h5:
        h5["dropIfgram"][[3, 8]] = False
        h5["connectComponent"] = rng.integers(0, 3, h5["unwrapPhase"].shape).astype(np.int16)
        h5["unwrapPhase_bridging"] = h5["unwrapPhase"][:] + np.float32(2 * np.pi) * (h5["connectComponent"][:] == 2)
        h5["coherence"][:, 5, 5] = np.nan
        h5["unwrapPhase"][:, 7, 7] = np.nan
    for name, dataset in (("waterMask.h5", "waterMask"), ("avgSpatialCoh.h5", "coherence")):
        values = (rng.random((SIZE.length, SIZE.width)) > 0.1).astype(np.float32)
        attributes = {"FILE_TYPE": dataset, "LENGTH": SIZE.length, "WIDTH": SIZE.width}
        with product_file(folder / name, attributes, {dataset: values}):
            pass
    return folder


def both(work: Path, folder: Path, options: Mapping[str, str]) -> tuple[Path, Path, Counts]:
    """Folders with the products of MintPy and of this package, of the same options."""
    made = []
    for who in ("mintpy", "ours"):
        mine = folder / who
        shutil.copytree(work, mine)
        made.append(mine)
    with at(made[0]):
        run_ifgram_inversion(parsed(options))
    with at(made[1]):
        counts = invert_stack(parsed(options))
    return made[0], made[1], counts


class at:  # noqa: N801 - reads as a preposition
    """In a folder, as MintPy runs."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._before = folder, Path.cwd()

    def __enter__(self) -> None:
        os.chdir(self._folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self._before)


def parsed(options: Mapping[str, str]) -> Namespace:
    template = Path("smallbaselineApp.cfg")
    template.write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
    return cmd_line_parse(["inputs/ifgramStack.h5", "-t", template.name])


CASES: dict[str, dict[str, str]] = {
    "defaults": {},
    "water mask": {f"{KEY}.waterMaskFile": "waterMask.h5"},
    "no weights": {f"{KEY}.weightFunc": "no"},
    "Fisher information": {f"{KEY}.weightFunc": "fim"},
    "coherence as weight and mask": {
        f"{KEY}.weightFunc": "coh", f"{KEY}.maskDataset": "coherence", f"{KEY}.maskThreshold": "0.45",
    },
    "components as mask, phase of least norm": {
        f"{KEY}.maskDataset": "connectComponent", f"{KEY}.minNormVelocity": "no",
    },
    "redundancy of two": {f"{KEY}.minRedundancy": "2"},
    "bridged phase": {"mintpy.unwrapError.method": "bridging"},
    "a mask that the stack does not have": {f"{KEY}.maskDataset": "offsetSNR"},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_equal_mintpys(name: str, work: Path, tmp_path: Path) -> None:
    options = CASES[name]
    theirs, ours, counts = both(work, tmp_path, options)
    for file in FILES:
        with h5py.File(theirs / file) as right, h5py.File(ours / file) as left:
            assert set(left) == set(right)
            for dataset in right:
                one, other = left[dataset], right[dataset]
                assert (one.shape, one.dtype) == (other.shape, other.dtype)
                if one.dtype.kind == "f":
                    bound = {"temporalCoherence": 1e-5, "timeseries": 1e-6}.get(dataset, 0)
                    np.testing.assert_allclose(one[:], other[:], rtol=0, atol=bound)
                else:
                    assert np.array_equal(one[:], other[:])
            mine = {key: left.attrs[key] for key in left.attrs if key != "SBAS_ASSETS_PROVENANCE"}
            given = {key: right.attrs[key] for key in right.attrs if key not in {"SBAS_ASSETS_PROVENANCE", "FILE_PATH"}}
            assert mine == given
    with h5py.File(ours / "numInvIfgram.h5") as h5:
        # the reference point has a number too, and is not inverted
        assert counts.solved + counts.disconnected + counts.by_mintpy == np.count_nonzero(h5["mask"][:]) - 1


@pytest.mark.parametrize("memory", [1e-4, 5e-4, 4.0])
def test_products_are_the_same_bytes_whatever_memory_and_threads(
    memory: float, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(folder: Path, memory: float, threads: int) -> Sequence[bytes]:
        shutil.copytree(work, folder)
        monkeypatch.setenv("SBAS_THREADS", str(threads))
        with at(folder):
            inps = parsed({})
            inps.maxMemory = memory
            blocks = []
            invert_stack(inps, blocks.append)
        assert (len(blocks) > 1) == (memory < 1)
        return [(folder / file).read_bytes() for file in FILES]

    assert made(tmp_path / "one", 4.0, 1) == made(tmp_path / "other", memory, 3)


def test_what_the_kernel_does_not_cover_is_said(work: Path) -> None:
    with at(work):
        assert not_covered(parsed({})) is None
        offsets = parsed({})
        offsets.obsDatasetName = "rangeOffset"
        assert not_covered(offsets) == "rangeOffset is no unwrapped phase"
        assert "offsetSNR" in str(not_covered(parsed({f"{KEY}.maskDataset": "offsetSNR"})))
        covariance = parsed({})
        covariance.calcCov = True
        assert "covariance" in str(not_covered(covariance))


def test_pairs_of_one_reference_date_with_least_phase_are_left_to_mintpy(tmp_path: Path) -> None:
    stack = write_stack(SIZE, tmp_path / "inputs" / "ifgramStack.h5")
    with h5py.File(stack, "r+") as h5:
        days = np.unique(h5["date"][:])
        chosen = [k for k, (one, other) in enumerate(h5["date"][:]) if one == days[4]]
        keep = np.zeros(len(h5["date"]), np.bool_)
        keep[chosen] = True
        h5["dropIfgram"][:] = keep
        for k in chosen:
            h5["date"][k] = (days[4], h5["date"][k][1])
    with at(tmp_path):
        # the dates before are not part of this network, so the reference is its first date
        assert not_covered(parsed({f"{KEY}.minNormVelocity": "no"})) is None
    with h5py.File(stack, "r+") as h5:
        h5["date"][chosen[0]] = (days[4], days[0])
    with at(tmp_path):
        assert "one reference date" in str(not_covered(parsed({f"{KEY}.minNormVelocity": "no"})))
        assert not_covered(parsed({})) is None


def test_a_water_mask_of_another_size_is_refused(work: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(work, folder)
    attributes = {"FILE_TYPE": "waterMask", "LENGTH": 5, "WIDTH": 6}
    with product_file(folder / "small.h5", attributes, {"waterMask": np.ones((5, 6), np.float32)}):
        pass
    with at(folder), pytest.raises(InputError, match=r"\(5, 6\) rows and columns") as raised:
        invert_stack(parsed({f"{KEY}.waterMaskFile": "small.h5"}))
    assert raised.value.code == "template-file-unusable"


def test_the_compiled_kernels_are_found_by_the_next_process(work: Path, tmp_path: Path) -> None:
    program = (
        "import time, numpy as np\n"
        "from sbas_assets.sbas.inversion import Options, invert\n"
        "from sbas_assets.sbas.network import Network\n"
        "from sbas_assets.sbas import inversion_kernel\n"
        "phase = np.ones((1, 64), np.float32)\n"
        "def share(kernel, pixels): kernel(0, pixels)\n"
        "invert(Network.of([('20200101', '20200113')]), Options(weight='no'), phase, np.zeros(1), share)\n"
        "print(sum(inversion_kernel.invert_pixels.stats.cache_hits.values()))\n"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def hits() -> int:
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert (hits(), hits()) == (0, 1)
