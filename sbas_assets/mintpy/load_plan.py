"""What MintPy's load_data would make of a stack: which datasets, attributes and part of the images.

MintPy's own functions say it, on a mirror of the stack that shows a single pair; so every attribute is MintPy's. What
this package does not read itself is named in words, for loading.py to leave it to MintPy. No pixels are read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sbas_assets.errors import OutsideError
from sbas_assets.mintpy.workfolder import TEMPLATE
from sbas_assets.topsstack.rasters import RasterHeader, read_header
from sbas_assets.topsstack.tree import Pair

STACK_DATASETS = {"unwrapPhase": "unw", "coherence": "cor", "connectComponent": "conncomp"}
"""Datasets of a stack that are read here, and what the images are called in a pair's `files`."""
STACK_TYPES: Mapping[str, np.dtype[Any]] = {
    "unwrapPhase": np.dtype(np.float32),
    "coherence": np.dtype(np.float32),
    "connectComponent": np.dtype(np.int16),
}
"""Types that MintPy stores them in (`ifgramStackDict.write2hdf5`)."""
GEOMETRY_DATASETS = {
    "height": "height",
    "latitude": "latitude",
    "longitude": "longitude",
    "incidenceAngle": "incidence_angle",
    "azimuthAngle": "azimuth_angle",
    "shadowMask": "shadow_mask",
    "waterMask": "water_mask",
}
"""Datasets of the geometry that are read here, and what the images are called in a stack's `geometry`."""
_TWO_BANDS = frozenset({"unw", "cor", "ion"})


@dataclass(frozen=True)
class Product:
    """A file that load_data would write.

    Parameters
    ----------
    attributes : mapping
        Of the file, as MintPy stores them.
    kinds : mapping
        MintPy's FILE_TYPE of the image that each dataset comes from, without dots, in lower case.
    distance : ndarray (width,), optional
        Slant range distance of each column of the whole image (m); geometry only.
    """

    attributes: Mapping[str, Any]
    kinds: Mapping[str, str]
    distance: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Wanted:
    """What the template asks load_data for.

    Parameters
    ----------
    stack, ion_stack, geometry : Product or None
        Files, those that there are images for.
    box : tuple of int, optional
        First column, first row, last column, last row (exclusive) of the part of the images that is loaded.
    looks : tuple of int
        Rows and columns that `mintpy.multilook` puts into one.
    compression : str
        `mintpy.load.compression`; "default" leaves it to the kind of file, empty means none.
    """

    stack: Product | None
    ion_stack: Product | None
    geometry: Product | None
    box: tuple[int, int, int, int] | None
    looks: tuple[int, int]
    compression: str


@dataclass(frozen=True)
class Layer:
    """One band of an image file."""

    path: Path
    header: RasterHeader
    band: int


@dataclass(frozen=True)
class Images:
    """Where a product's pixels come from.

    Parameters
    ----------
    layers : mapping
        Dataset to its images: one per pair, or one alone.
    rows, columns : slice
        The part of the images that is loaded.
    """

    layers: Mapping[str, tuple[Layer, ...]]
    rows: slice
    columns: slice

    @property
    def full_shape(self) -> tuple[int, int]:
        """Rows and columns of the images."""
        return next(layer.header.shape for layers in self.layers.values() for layer in layers)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def ask_mintpy(*, geometry_only: bool) -> Wanted:
    """Let MintPy read the template and the metadata of the mirror in the current folder.

    Source: MintPy `load_data.load_data`, without what it writes; `ifgramStackDict.write2hdf5` and
    `geometryDict.write2hdf5` for the attributes.
    """
    from mintpy import load_data
    from mintpy.cli.load_data import cmd_line_parse

    options = load_data.read_inps2dict(cmd_line_parse(["--template", TEMPLATE, *["--geom"] * geometry_only]))
    load_data.prepare_metadata(options)
    extra = load_data.get_extra_metadata(options)
    options = load_data.read_subset_box(options)
    names = {
        **load_data.GEOM_DSET_NAME2TEMPLATE_KEY,
        **load_data.IFG_DSET_NAME2TEMPLATE_KEY,
        **load_data.OFF_DSET_NAME2TEMPLATE_KEY,
    }
    in_degrees, geometry = load_data.read_inps_dict2geometry_dict_object(options, names)
    find_stack, box = load_data.read_inps_dict2ifgram_stack_dict_object, options["box"]
    return Wanted(
        stack=_stack(find_stack(options, load_data.IFG_DSET_NAME2TEMPLATE_KEY), extra, box),
        ion_stack=_stack(find_stack(options, load_data.ION_DSET_NAME2TEMPLATE_KEY), extra, box),
        # what is geocoded already goes into a file of another name
        geometry=None if in_degrees is not None else _geometry(geometry, extra, box),
        box=box,
        looks=(options["ystep"], options["xstep"]),
        compression=options["compression"] or "",
    )


def _stack(stack: Any, extra: Mapping[str, Any], box: tuple[int, ...] | None) -> Product | None:
    if stack is None:
        return None
    files = next(iter(stack.pairsDict.values())).datasetDict
    return Product(_attributes(stack, extra, box), _kinds(files))


def _geometry(geometry: Any, extra: Mapping[str, Any], box: tuple[int, ...] | None) -> Product | None:
    from mintpy.utils import utils0

    # without an interferogram's metadata MintPy computes no distances
    if geometry is None or geometry.extraMetadata is None or "Y_FIRST" in geometry.extraMetadata:
        return None
    distance = utils0.range_distance(geometry.extraMetadata, dimension=1, print_msg=False)
    return Product(_attributes(geometry, extra, box), _kinds(geometry.datasetDict), distance)


def _attributes(source: Any, extra: Mapping[str, Any], box: tuple[int, ...] | None) -> dict[str, Any]:
    from mintpy.utils import attribute

    attributes = {**source.get_metadata(), **extra}
    return {**attribute.update_attribute4subset(attributes, box), "FILE_TYPE": source.name}


def _kinds(files: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each image; empty for what is none of ISCE2's, or not one file."""
    from mintpy.utils import readfile

    kinds = {}
    for name, file in files.items():
        found = readfile.read_attribute(file) if isinstance(file, str) else {}
        ours = found.get("PROCESSOR") == "isce"
        kinds[name] = found["FILE_TYPE"].lower().replace(".", "") if ours else ""
    return kinds


def stack_images(wanted: Wanted, product: Product, pairs: Sequence[Pair]) -> Images | str:
    """Find the images of a stack, or say why MintPy has to read them.

    Parameters
    ----------
    wanted : Wanted
        What the template asks for.
    product : Product
        `stack` or `ion_stack` of it.
    pairs : sequence of Pair
        In the order of the layers.
    """
    unknown = product.kinds.keys() - STACK_DATASETS.keys()
    if unknown:
        return f"{', '.join(sorted(unknown))} is asked for"
    files = {name: [pair.files.get(STACK_DATASETS[name]) for pair in pairs] for name in product.kinds}
    found = _images(wanted, product, files)
    if isinstance(found, str):
        return found
    for name, layers in found.layers.items():
        odd = [layer for layer in layers if not np.can_cast(layer.header.numpy_dtype, STACK_TYPES[name], "safe")]
        if odd:
            return f"{odd[0].path} holds {odd[0].header.numpy_dtype.name}"
    return found


def geometry_images(wanted: Wanted, product: Product, geometry: Mapping[str, Path]) -> Images | str:
    """Find the images of the geometry, or say why MintPy has to read them; `geometry` as in `StackTree`."""
    if "incidenceAngle" not in product.kinds:
        return "there is no incidence angle"
    unknown = product.kinds.keys() - GEOMETRY_DATASETS.keys()
    if unknown:
        return f"{', '.join(sorted(unknown))} is asked for"
    found = _images(wanted, product, {name: [geometry.get(GEOMETRY_DATASETS[name])] for name in product.kinds})
    if isinstance(found, str):
        return found
    for name, (layer,) in found.layers.items():
        if layer.path.name.startswith("waterBody") or layer.path.name.endswith(".wbd"):
            return f"{layer.path} is a water body, not a mask"
        if layer.header.numpy_dtype.kind not in ("f" if name == "height" else "fiu"):
            return f"{layer.path} holds {layer.header.numpy_dtype.name}"
    return found


def _images(wanted: Wanted, product: Product, files: Mapping[str, Sequence[Path | None]]) -> Images | str:
    if wanted.looks != (1, 1):
        return "mintpy.multilook is asked for"
    layers: dict[str, tuple[Layer, ...]] = {}
    for name, paths in files.items():
        found = []
        for path in paths:
            if path is None:
                raise OutsideError("file-changing", f"an image of {name} has gone since the stack was checked")
            header = read_header(path)
            band = _band(name, product.kinds[name], header)
            if band is None:
                return f"{path} is no image of one band, of phase, coherence or angles"
            found.append(Layer(path, header, band))
        layers[name] = tuple(found)
    shapes = {layer.header.shape for found in layers.values() for layer in found}
    if len(shapes) != 1:
        return "the images differ in size"
    return _windowed(wanted, layers, *shapes.pop())


def _windowed(wanted: Wanted, layers: Mapping[str, tuple[Layer, ...]], length: int, width: int) -> Images | str:
    left, top, right, bottom = wanted.box or (0, 0, width, length)
    if not (0 <= left < right <= width and 0 <= top < bottom <= length):
        return "mintpy.subset reaches beyond the images"
    return Images(layers, slice(top, bottom), slice(left, right))


def _band(dataset: str, kind: str, header: RasterHeader) -> int | None:
    """Return the band that MintPy takes, None if that is not known here (`readfile.read_binary_file`)."""
    if not kind:
        return None
    if header.bands == 1:
        return 1
    if kind in _TWO_BANDS:
        return 2
    if kind.startswith("los"):
        return {"incidenceAngle": 1, "azimuthAngle": 2}.get(dataset)
    return None
