"""Mean coherence of each pair for MintPy's choice of the network, computed once for each.

MintPy's modify_network averages the coherence of all pairs each time. A pair's mean depends on the pair, the mask and
the area alone; so what is known of old pairs is given back, and MintPy's own function averages the others. The share of
an image that is coherent (`mintpy.network.areaRatioBased`) depends on a threshold from all pairs and is computed anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import h5py
import numpy as np
from numpy.typing import NDArray

_COHERENCE = "coherence"
_SOME_PAIRS = "some_pairs.h5"


@dataclass
class PairMeans:
    """Means of pairs, in single precision, as they are known and as MintPy has asked for them.

    Parameters
    ----------
    identities : mapping
        Pair to what identifies its images; nothing is known of others.
    recipe : str
        What else decides the means: mask and area.
    values : dict
        Pair to its identity and its mean.
    read : int
        Of how many pairs the coherence was read.
    """

    identities: Mapping[str, str]
    recipe: str = ""
    values: dict[str, tuple[str, float]] = field(default_factory=dict)
    read: int = 0

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Let MintPy's stacks average the pairs only that are not known."""
        from mintpy.objects import ifgramStack

        original = ifgramStack.spatial_average

        def spatial_average(stack: Any, datasetName: str = _COHERENCE, **how: Any) -> tuple[Any, list[str]]:  # noqa: N803
            special = how.get("useMedian") or how.get("reverseMask") or how.get("threshold") is not None
            if datasetName != _COHERENCE or special:
                self.read = len(stack.date12List)
                whole: tuple[Any, list[str]] = original(stack, datasetName=datasetName, **how)
                return whole
            return self._means(stack, original, how), stack.date12List

        with mock.patch.object(ifgramStack, "spatial_average", spatial_average):
            yield

    def _means(self, stack: Any, average: Callable[..., Any], how: Mapping[str, Any]) -> NDArray[np.float32]:
        recipe = f"{_digest(how.get('maskFile'))} {how.get('box')}"
        if recipe != self.recipe:
            self.recipe, self.values = recipe, {}
        pairs = list(stack.date12List)
        old = {pair: mean for pair, (identity, mean) in self.values.items() if self.identities.get(pair) == identity}
        new = [pair for pair in pairs if pair not in old]
        self.read = max(self.read, len(new))
        if new:
            _show_some(Path(stack.file), [pairs.index(pair) for pair in new])
            some = SimpleNamespace(file=_SOME_PAIRS, date12List=new)
            old |= dict(zip(new, map(float, average(some, datasetName=_COHERENCE, **how)[0]), strict=True))
        self.values = {pair: (self.identities[pair], old[pair]) for pair in pairs if pair in self.identities}
        return np.array([old[pair] for pair in pairs], np.float32)


def _digest(mask: str | None) -> str:
    """Digest of a mask's pixels: its file says how it was made, too."""
    from mintpy.objects import singleDataset

    if not mask or not Path(mask).is_file():
        return ""
    return hashlib.sha256(np.ascontiguousarray(singleDataset(mask).read() != 0).tobytes()).hexdigest()


def _show_some(stack: Path, layers: Sequence[int]) -> None:
    """Write a stack of some pairs, in the current folder, that shows their coherence."""
    with h5py.File(stack, "r") as h5, h5py.File(_SOME_PAIRS, "w") as some:
        shape = h5[_COHERENCE].shape
        source = h5py.VirtualSource(str(stack.resolve()), _COHERENCE, shape, h5[_COHERENCE].dtype)
        layout = h5py.VirtualLayout((len(layers), *shape[1:]), h5[_COHERENCE].dtype)
        for number, layer in enumerate(layers):
            layout[number] = source[layer]
        some.create_virtual_dataset(_COHERENCE, layout)
