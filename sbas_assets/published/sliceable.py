"""Numbers that are not in memory yet: what arrays are made of, and what is derived from them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Numbers(Protocol):
    """What can be sliced into arrays, as an HDF5 dataset can; nothing is read before."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers, in native byte order."""

    def __getitem__(self, key: Any, /) -> NDArray[Any]: ...
