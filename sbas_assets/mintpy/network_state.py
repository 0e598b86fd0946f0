"""What the step network keeps of the early pairs of a stack, so that an update reads new pairs only.

The numbers are those of overview_sums.py and pair_coherence.py. They are believed only if the file is the one that the
last version recorded and was made of the same pairs in the same way; else all pairs are read, and the reason is told.
The file follows from the stack and the options: updates and computing all at once leave the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sbas_assets.mintpy.pair_coherence import PairMeans
from sbas_assets.mintpy.pair_contents import loaded_identities
from sbas_assets.mintpy.workfolder import NETWORK_STATE
from sbas_assets.provenance import damaged_outputs, read_record
from sbas_assets.sbas.overview_sums import CoverageSums, Early, OverviewSums
from sbas_assets.sbas.product_file import product_file
from sbas_assets.step import Job

STATE_VERSION = 1
_ABOUT = "about"
_KINDS: Mapping[str, type[CoverageSums | OverviewSums]] = {"coverage": CoverageSums, "overview": OverviewSums}


@dataclass
class NetworkState:
    """What is known at the beginning of the step, and what is kept at its end.

    Parameters
    ----------
    file : Path
        Of the last version.
    identities : mapping
        Pair to what identifies its images; empty if that cannot be said of each alone.
    means : PairMeans
        Mean coherence of pairs.
    about : mapping
        What the file says of itself; empty if it is not to be believed.
    reason : str
        Why all pairs are looked at; empty if they are not.
    """

    file: Path
    identities: Mapping[str, str]
    means: PairMeans
    about: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    _kept: dict[str, tuple[dict[str, Any], Early[Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> NetworkState:
        """Look at what the frame's last version has kept."""
        file, identities = job.workspace.root / NETWORK_STATE, loaded_identities(job)
        about, reason = _last(job, file) if identities else ({}, "what old pairs consist of is not known of each alone")
        known = about.get("means", {"recipe": "", "values": {}})
        values = {pair: (identity, mean) for pair, (identity, mean) in known["values"].items()}
        return cls(file, identities, PairMeans(identities, known["recipe"], values), about, reason)

    def early(self, kind: str, recipe: Mapping[str, Any], pairs: Sequence[str], most: int) -> Early[Any] | None:
        """Return the sums of the first pairs; None if they have to be made anew, for a reason that is noted.

        Parameters
        ----------
        kind : str
            "coverage" or "overview".
        recipe : mapping
            What decides the sums besides the pairs.
        pairs : sequence of str
            The kept pairs, in the order of the stack.
        most : int
            Of so many pairs at most: those of which they will be kept.
        """
        said = self.about.get(kind)
        if said is None:
            self.reason = self.reason or "the last version kept nothing to go on from"
            return None
        misfit = self._misfit(said, recipe, pairs, most)
        if misfit:
            self.reason = misfit
            return None
        with h5py.File(self.file, "r") as h5:
            sums = _KINDS[kind](*(h5[f"{kind}_{name}"][:] for name in _KINDS[kind]._fields))
        return Early(said["pairs"], sums)

    def _misfit(self, said: Mapping[str, Any], recipe: Mapping[str, Any], pairs: Sequence[str], most: int) -> str:
        differing = [name for name, value in recipe.items() if said["recipe"].get(name) != value]
        if differing:
            return f"other {differing[0]}"
        if said["pairs"] > most or said["observed"] != self._observed(pairs[: said["pairs"]]):
            return "pairs before the last dates came, went or changed"
        return ""

    def _observed(self, pairs: Sequence[str]) -> str:
        return hashlib.sha256(json.dumps([[pair, self.identities[pair]] for pair in pairs]).encode()).hexdigest()

    def take(self, kind: str, recipe: Mapping[str, Any], pairs: Sequence[str], early: Early[Any]) -> None:
        """Take sums for the next version to go on from."""
        if self.identities and early.pairs:
            observed = self._observed(pairs[: early.pairs])
            self._kept[kind] = ({"recipe": dict(recipe), "pairs": early.pairs, "observed": observed}, early)

    def write(self, file: Path) -> bool:
        """Write what is kept; return whether there is anything."""
        means = {"recipe": self.means.recipe, "values": self.means.values}
        if not (self._kept or self.means.values):
            return False
        about = {"state": STATE_VERSION, "means": means, **{kind: said for kind, (said, _) in self._kept.items()}}
        datasets = {
            f"{kind}_{name}": image
            for kind, (_, early) in self._kept.items()
            for name, image in early.sums._asdict().items()
        }
        text = np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8)
        file.parent.mkdir(parents=True, exist_ok=True)
        with product_file(file, {"FILE_TYPE": "networkState"}, {**datasets, _ABOUT: text}):
            return True


def recipe(job: Job, stack: Path) -> dict[str, Any]:
    """What decides the sums besides the pairs and the reference point, as it will be read back."""
    with h5py.File(stack, "r") as h5:
        images = {name: list(dataset.shape[1:]) for name, dataset in h5.items() if dataset.ndim == 3}
    return {"code version": job.step.code_version, "mintpy": version("mintpy"), "images": images}


def with_point(recipe: Mapping[str, Any], stack: Path) -> dict[str, Any]:
    """Return a recipe with what decides velocities and closures, too."""
    with h5py.File(stack, "r") as h5:
        point, wavelength = [int(h5.attrs[name]) for name in ("REF_Y", "REF_X")], float(h5.attrs["WAVELENGTH"])
    return {**recipe, "reference point": point, "wavelength": wavelength}


def _last(job: Job, file: Path) -> tuple[dict[str, Any], str]:
    """What the last version says of what it kept, and why it is not to be believed, if it is not."""
    old = read_record(job.workspace, job.step.name)
    if old is None or old.status != "made":
        return {}, "there is no earlier version"
    if not old.has(NETWORK_STATE):
        return {}, "the last version kept nothing to go on from"
    itself = tuple(out for out in old.outputs if out.path == NETWORK_STATE)
    faults = damaged_outputs(job.digests, job.workspace, old.model_copy(update={"outputs": itself}))
    if faults:
        return {}, f"what the last version kept is damaged ({faults[0]})"
    with h5py.File(file, "r") as h5:
        about = dict(json.loads(h5[_ABOUT][:].tobytes()))
    return (about, "") if about["state"] == STATE_VERSION else ({}, "another version of this package made it")
