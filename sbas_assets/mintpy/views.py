"""Views of an interferogram stack: small HDF5 files whose big datasets are virtual ones on the real stack.

A step that MintPy lets change `ifgramStack.h5` is given a view: its flags, attributes and new datasets land there. A
missing source reads as zeros without a word, so whoever opens a view sees to it first that the stack is intact
(transaction.py does).
"""

from __future__ import annotations

from pathlib import Path

import h5py


def view_of_stack(source: Path, target: Path, *, relative: str) -> None:
    """Write a view.

    Parameters
    ----------
    source : Path
        `ifgramStack.h5` or a view of it; only read. A view's own pair list, flags and attributes are taken over.
    target : Path
        The view.
    relative : str
        Path of the real stack relative to the view's folder, in the staging folder and in the work folder alike.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(source, "r") as stack, h5py.File(target, "w") as view:
        for name, dataset in stack.items():
            if dataset.ndim == 3:
                layout = h5py.VirtualLayout(dataset.shape, dataset.dtype, maxshape=dataset.maxshape)
                layout[...] = h5py.VirtualSource(relative, name, dataset.shape, maxshape=dataset.maxshape)
                view.create_virtual_dataset(name, layout)
            else:
                stack.copy(dataset, view, name=name)
        view.attrs.update(stack.attrs)


def copy_virtual(dataset: h5py.Dataset, target: h5py.Group, name: str) -> None:
    """Copy a virtual dataset, without the time of its creation, which h5py leaves out of other datasets only."""
    properties = dataset.id.get_create_plist()
    properties.set_obj_track_times(False)
    h5py.h5d.create(target.id, name.encode(), dataset.id.get_type(), dataset.id.get_space(), properties)
