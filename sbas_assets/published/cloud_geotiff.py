"""A map of a MintPy product as a Cloud-Optimized GeoTIFF, for programs that do not read Zarr v3 yet, QGIS among them.

Belongs here: writing the file, and comparing its numbers with MintPy's. Does not belong here: where it is published
(`zarr_product`), what the map means (`variables`) and where it lies (`georeference`).

Tiles are compressed by DEFLATE, which every GDAL reads; Zstandard would save 2 %.
"""

from __future__ import annotations

import errno
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.shutil import copy
from rasterio.transform import Affine

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.georeference import Grid, grid_of
from sbas_assets.published.mintpy_file import BlockReader, MintPyFile
from sbas_assets.published.variables import MAP, Variable, describe_dataset, primary_variable
from sbas_assets.threads import thread_count

# Products of one map each, which people put under their own data.
COG_PRODUCTS = ("velocity", "temporalCoherence", "maskTempCoh")

TILE = 512
# GDAL would keep a twentieth of the machine's memory.
_CACHE = {"GDAL_CACHEMAX": 64_000_000}
_GDAL_ERRORS = (RasterioIOError, CPLE_BaseError)


def write_cog(file: MintPyFile, product: str, target: Path, attributes: Mapping[str, Any]) -> Path | None:
    """Write the map of a product as a Cloud-Optimized GeoTIFF; the same input gives the same bytes.

    Parameters
    ----------
    file : MintPyFile
        The product, open.
    product : str
        A product of one map, such as those of `COG_PRODUCTS`; its primary variable is written.
    target : Path
        The file, which appears whole or not at all. A temporary folder beside it holds up to three times the map.
    attributes : mapping
        Of the Zarr group (`cf_dataset.root_attributes`); texts and numbers become tags of the same name, but not the
        provenance, which would be in the way of a reader that fetches the beginning of the file.

    Returns
    -------
    Path or None
        `target`, or None where the product is in radar coordinates, which a GeoTIFF has no words for.

    Raises
    ------
    InputError
        ``product-unknown``, or ``product-source-invalid``: the file has no such map, or not of real numbers or a mask.
    OutsideError
        ``disk-full``.
    OSError
        It cannot be written for another reason, such as no permission.
    ValueError
        The product is a series.
    """
    reader, variable = _primary(file, product)
    grid = grid_of(file.attributes, file.shape, file.path)
    if grid is None:
        return None
    with (
        rasterio.Env(**_CACHE),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch,
    ):
        tiled, made = Path(scratch, "tiled.tif"), Path(scratch, "cog.tif")
        try:
            _write_tiled(tiled, reader, variable, grid, _tags(attributes))
            copy(tiled, made, driver="COG", **_options(reader))
        except _GDAL_ERRORS as error:
            # GDAL does not hand on the system's error number
            if disk_usage(scratch).free < reader.dtype.itemsize * math.prod(reader.shape):
                # the disk of the work folder: the store has no part in it
                mend = "free some space, then run again"
                raise OutsideError("disk-full", "there is no room for a GeoTIFF", mend=mend, path=target) from error
            raise OSError(errno.EIO, f"GDAL cannot write it: {error}", str(target)) from error
        made.replace(target)
    return target


def cog_problems(cog: Path | bytes, file: MintPyFile, product: str) -> list[str]:
    """Return in words where a Cloud-Optimized GeoTIFF is not what `write_cog` makes of MintPy's file; empty when it is.

    Parameters
    ----------
    cog : Path or bytes
        The file, or its content.
    file : MintPyFile
        What it was made from, in map coordinates; NaN equals NaN.
    product : str
        The product.
    """
    reader, variable = _primary(file, product)
    grid = grid_of(file.attributes, file.shape, file.path)
    if grid is None:
        raise ValueError(f"{file.path} is in radar coordinates")
    try:
        with rasterio.Env(**_CACHE), _opened(cog) as dataset:
            expected = _profile(reader, grid)
            # rasterio calls a map of the width of one tile not tiled; the layout for the cloud always is
            del expected["tiled"]
            found = {name: dataset.profile.get(name) for name in expected}
            problems = [
                f"its {name} is {found[name]}, not {value}"
                for name, value in expected.items()
                if not _same(found[name], value)
            ]
            if dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") != "COG":
                problems.append("it is not laid out for the cloud")
            if dataset.shape == reader.shape:
                problems += _differences(dataset, reader, variable)
    except _GDAL_ERRORS as error:
        return [f"it cannot be read: {error}"]
    return problems


def _primary(file: MintPyFile, product: str) -> tuple[BlockReader, Variable]:
    """Return the map of a product, and what is known of it."""
    variable = primary_variable(product)
    if variable.dims != MAP:
        raise ValueError(f"{product} is no map")
    reader = file.datasets.get(variable.dataset)
    if reader is None:
        raise _invalid(file, f"it has no dataset {variable.dataset}")
    if file.dims(variable.dataset) != MAP or reader.dtype not in {np.dtype(kind) for kind in ("f4", "f8", "?")}:
        found = f"{reader.dtype} of shape {reader.shape}"
        raise _invalid(file, f"dataset {variable.dataset} is {found}, not a map of real numbers or a mask")
    return reader, describe_dataset(product, variable.dataset, MAP)


def _invalid(file: MintPyFile, message: str) -> InputError:
    mend = "give the file that MintPy made for this product"
    return InputError("product-source-invalid", message, mend=mend, path=file.path)


def _profile(reader: BlockReader, grid: Grid) -> dict[str, Any]:
    """Return what rasterio calls the profile of the map; a mask has no number to spare for no data."""
    mask = reader.dtype.kind == "b"
    return {
        "count": 1,
        "height": grid.length,
        "width": grid.width,
        "dtype": "uint8" if mask else str(reader.dtype),
        "nodata": None if mask else math.nan,
        "crs": CRS.from_user_input(grid.crs),
        "transform": Affine(grid.x_step, 0.0, grid.x_first, 0.0, grid.y_step, grid.y_first),
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
    }


def _options(reader: BlockReader) -> dict[str, Any]:
    """Return how GDAL shall compress the map, and make its smaller copies."""
    mask = reader.dtype.kind == "b"
    return {
        "blocksize": TILE,
        "compress": "deflate",
        # a mask is smaller without
        "predictor": "no" if mask else "yes",
        "overview_resampling": "mode" if mask else "average",
        "bigtiff": "if_safer",
        "num_threads": thread_count(),
    }


def _same(found: Any, expected: Any) -> bool:
    both_nan = all(isinstance(value, float) and math.isnan(value) for value in (found, expected))
    return both_nan or bool(found == expected)


def _tags(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return what a group says about itself in texts and numbers; its place is in the file's own words."""
    told = {name: value for name, value in attributes.items() if isinstance(value, (str, int, float))}
    left_out = {"provenance", "Conventions"}
    # to GDAL the name of a tag ends at a colon
    return {name: str(value) for name, value in told.items() if name not in left_out and ":" not in name}


def _write_tiled(path: Path, reader: BlockReader, variable: Variable, grid: Grid, tags: Mapping[str, str]) -> None:
    """Write the map tile by tile, since a tile of the final file cannot be written on its own."""
    with rasterio.open(path, "w", driver="GTiff", bigtiff="if_safer", **_profile(reader, grid)) as dataset:
        dataset.update_tags(**tags)
        dataset.set_band_description(1, variable.long_name)
        dataset.set_band_unit(1, variable.unit)
        if variable.sign:
            dataset.update_tags(1, sign_convention=variable.sign)
        for _, window in dataset.block_windows(1):
            dataset.write(_numbers(reader, window.toslices()), 1, window=window)


def _numbers(reader: BlockReader, window: tuple[slice, ...]) -> NDArray[Any]:
    values = reader[window]
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def _differences(dataset: DatasetReader, reader: BlockReader, variable: Variable) -> Iterator[str]:
    """Yield how many numbers of the full map are others."""
    wrong = 0
    for _, window in dataset.block_windows(1):
        left, right = dataset.read(1, window=window), _numbers(reader, window.toslices())
        wrong += int(np.count_nonzero((left != right) & ~(np.isnan(left) & np.isnan(right))))
    if wrong:
        yield f"differs in {wrong} of {math.prod(reader.shape)} values from dataset {variable.dataset}"


@contextmanager
def _opened(cog: Path | bytes) -> Iterator[DatasetReader]:
    with ExitStack() as stack:
        name = cog if isinstance(cog, Path) else stack.enter_context(MemoryFile(cog)).name
        yield stack.enter_context(rasterio.open(name))
