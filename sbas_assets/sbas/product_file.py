"""Product files in MintPy's HDF5 layout, written once in their final form.

Datasets and attributes stand in name order, datasets contiguous, without times: two runs write the same bytes, and a
block of rows is one stretch of each layer. What the attributes say is the writer's caller's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

# what MintPy stores and no reproducible file may have
CLOCK_OR_PATH = frozenset({"MODIFICATION_TIME", "OG_FILE_PATH", "FILE_PATH"})
# the file's own name until stamp.py writes the provenance: it need not lay out the file anew
PROVENANCE_ATTRIBUTE = "SBAS_ASSETS_PROVENANCE"


@dataclass(frozen=True)
class Blank:
    """A dataset to be filled block by block."""

    shape: tuple[int, ...]
    dtype: Any = np.float32


@contextmanager
def product_file(
    path: Path, attributes: Mapping[str, Any], datasets: Mapping[str, Blank | NDArray[Any]]
) -> Iterator[h5py.File]:
    """Create a product file, open for filling.

    Parameters
    ----------
    path : Path
        File to write; replaced if it exists.
    attributes : mapping
        MintPy's metadata; values are stored as text, as MintPy stores them.
    datasets : mapping
        Contents, or `Blank` for what is filled later, by dataset name.

    Yields
    ------
    h5py.File
        Blank datasets read as zeros until they are written.
    """
    with h5py.File(path, "w") as h5:
        for name, content in sorted(datasets.items()):
            if isinstance(content, Blank):
                h5.create_dataset(name, content.shape, content.dtype)
            else:
                h5.create_dataset(name, data=content)
        for name, value in sorted({**attributes, PROVENANCE_ATTRIBUTE: path.name}.items()):
            if name not in CLOCK_OR_PATH:
                h5.attrs[name] = str(value)
        yield h5
