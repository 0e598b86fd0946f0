"""From an open MintPy file to a lazy xarray dataset with CF metadata and its Zarr encoding.

Belongs here: coordinates, attributes, chunk shapes. Does not belong here: names and units (`variables`), stores
and versions (`zarr_product`). The numbers are MintPy's, untouched: its no-data stays the NaN or 0 that it wrote.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec

from sbas_assets import __version__
from sbas_assets.errors import InputError
from sbas_assets.published.georeference import GRID_MAPPING, Grid, grid_of, radar_coordinates
from sbas_assets.published.mintpy_file import BlockReader, MintPyFile
from sbas_assets.published.variables import TOWARD_SATELLITE, Variable, describe_dataset, primary_variable

# Measured on S3: serves a pixel's series and one date's map about equally well, 1.3 MB compressed.
SERIES_CHUNK = (6, 250, 300)
MAP_CHUNK_BYTES = 4_000_000
BLOCK_BYTES = 128_000_000
NO_FILL: dict[str, Any] = {"_FillValue": None}

# Zarr attribute, MintPy attribute, type.
_ATTRIBUTES: tuple[tuple[str, str, type], ...] = (
    ("reference_date", "REF_DATE", str),
    ("reference_row", "REF_Y", int),
    ("reference_column", "REF_X", int),
    ("reference_latitude", "REF_LAT", float),
    ("reference_longitude", "REF_LON", float),
    ("start_date", "START_DATE", str),
    ("end_date", "END_DATE", str),
    ("wavelength_m", "WAVELENGTH", float),
    ("heading_deg", "HEADING", float),
    ("track", "trackNumber", int),
    ("orbit_direction", "ORBIT_DIRECTION", str),
    ("antenna_side", "ANTENNA_SIDE", int),
    ("center_line_utc_s", "CENTER_LINE_UTC", float),
    ("platform", "PLATFORM", str),
    ("processor", "PROCESSOR", str),
)


def build_dataset(file: MintPyFile, product: str, geometry: MintPyFile | None, max_bytes: int) -> xr.Dataset:
    """Describe a MintPy product as a CF dataset, without reading its arrays.

    Parameters
    ----------
    file : MintPyFile
        The product.
    product : str
        A product of `variables.PRODUCTS`.
    geometry : MintPyFile, optional
        ``latitude`` and ``longitude`` (length, width) for a product in radar coordinates.
    max_bytes : int
        Memory for one block; blocks are whole chunks and never smaller than one.

    Returns
    -------
    xarray.Dataset
        Dims ``(time, y, x)``; dask arrays over the open HDF5 file; encodings set.

    Raises
    ------
    InputError
        ``product-unknown``, or ``product-source-invalid``: the file is not that product, its unit is another,
        or the geometry has another shape.
    """
    _check_primary(file, primary_variable(product))
    grid = grid_of(file.attributes, file.shape, file.path)
    coords = radar_coordinates(file.shape) if grid is None else grid.coordinates()
    if file.dates:
        coords["time"] = time_axis(file)
    data = {}
    for name, reader in file.datasets.items():
        variable = describe_dataset(product, name, file.dims(name), file.unit(name))
        data[variable.name] = _lazy(reader, variable, grid, max_bytes)
    if grid is None:
        coords |= _radar_places(data, geometry, file, max_bytes)
    for coord in coords.values():
        coord.encoding = {**NO_FILL, "chunks": coord.shape, "compressors": _codec(), **coord.encoding}
    return xr.Dataset({name: data[name] for name in sorted(data)}, coords)


def _check_primary(file: MintPyFile, variable: Variable) -> None:
    if variable.dataset not in file.datasets:
        found = ", ".join(file.datasets) or "none"
        raise _invalid(file, f"it has no dataset {variable.dataset}, which {variable.product} needs (has {found})")
    file.dims(variable.dataset)
    unit = file.unit(variable.dataset) or (file.attributes.get("UNIT") if variable.sign else None)
    if variable.sign and unit not in (None, variable.unit):
        raise _invalid(file, f"dataset {variable.dataset} is in {unit}, not in {variable.unit}")


def _invalid(file: MintPyFile, message: str) -> InputError:
    mend = "give the file that MintPy made for this product"
    return InputError("product-source-invalid", message, mend=mend, path=file.path)


def time_axis(file: MintPyFile) -> xr.Variable:
    """Return the dates as a CF time axis: whole days since the first, or minutes where MintPy tells the hour."""
    try:
        moments = [datetime.strptime(text, "%Y%m%dT%H%M" if "T" in text else "%Y%m%d") for text in file.dates]
    except ValueError as error:
        raise _invalid(file, f"a date cannot be read: {error}") from error
    if any(later <= earlier for earlier, later in pairwise(moments)):
        raise _invalid(file, "its dates do not ascend")
    unit = "minutes" if "T" in file.dates[0] else "days"
    encoding = {
        "units": f"{unit} since {moments[0]:%Y-%m-%d}",
        "calendar": "proleptic_gregorian",
        "dtype": "int64",
    }
    attrs = {"standard_name": "time", "axis": "T", "long_name": "acquisition date (UTC)"}
    return xr.Variable("time", np.array(moments, dtype="datetime64[ns]"), attrs, encoding)


def _lazy(reader: BlockReader, variable: Variable, grid: Grid | None, max_bytes: int) -> xr.Variable:
    """Return a dataset as a dask array with its attributes and encoding; nothing is read."""
    chunks = chunk_shape(reader.shape, reader.dtype.itemsize)
    block = block_shape(reader.shape, chunks, reader.dtype.itemsize, max_bytes)
    # name=False: hashing the data only to name the array would read it all.
    meta = np.empty((0,) * reader.ndim, reader.dtype)
    array = da.from_array(reader, chunks=block, name=False, meta=meta)  # type: ignore[no-untyped-call]
    attrs = {"units": variable.unit, "long_name": variable.long_name}
    optional = {"standard_name": variable.standard_name, "sign_convention": variable.sign}
    attrs |= {key: value for key, value in optional.items() if value}
    encoding: dict[str, Any] = {"chunks": chunks, "compressors": _codec()}
    if reader.dtype.kind == "f" and variable.fill is not None:
        encoding |= {"_FillValue": variable.fill, "fill_value": variable.fill}
    if grid is not None and variable.dims[-2:] == ("y", "x"):
        encoding["grid_mapping"] = GRID_MAPPING
    return xr.Variable(variable.dims, array, attrs, encoding)


def _radar_places(
    data: dict[str, xr.Variable], geometry: MintPyFile | None, file: MintPyFile, max_bytes: int
) -> dict[str, xr.Variable]:
    """Return 2-D latitude and longitude: the product's own, taken out of `data`, else the geometry's."""
    if {"latitude", "longitude"} <= data.keys():
        return {name: data.pop(name) for name in ("latitude", "longitude")}
    if geometry is None or not {"latitude", "longitude"} <= geometry.datasets.keys():
        return {}
    if geometry.shape != file.shape:
        raise _invalid(geometry, f"its maps are {geometry.shape}, those of {file.path.name} are {file.shape}")
    return {
        name: _lazy(geometry.datasets[name], describe_dataset("geometry", name, ("y", "x")), None, max_bytes)
        for name in ("latitude", "longitude")
    }


def _codec() -> tuple[BloscCodec, ...]:
    return (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),)


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the Zarr chunk of an array: fixed for a series, as few as fit 4 MB for a map, one for a line."""
    if len(shape) == 3:
        return tuple(min(size, chunk) for size, chunk in zip(shape, SERIES_CHUNK, strict=True))
    if math.prod(shape) * itemsize <= MAP_CHUNK_BYTES or len(shape) < 2:
        return shape
    side = math.isqrt(MAP_CHUNK_BYTES // itemsize)
    return tuple(math.ceil(size / math.ceil(size / side)) for size in shape)


def block_shape(shape: tuple[int, ...], chunks: tuple[int, ...], itemsize: int, max_bytes: int) -> tuple[int, ...]:
    """Return the largest block of whole chunks, grown along x, then y, then time, inside `max_bytes`."""
    budget = min(max_bytes, BLOCK_BYTES)
    block = list(chunks)
    for axis in reversed(range(len(shape))):
        rest = math.prod(block) // block[axis] * itemsize
        count = max(1, budget // (rest * chunks[axis]))
        block[axis] = min(shape[axis], count * chunks[axis])
    return tuple(block)


def root_attributes(
    file: MintPyFile, product: str, frame: str, version: str, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of the Zarr group; nothing in them depends on the clock or the machine.

    Raises
    ------
    TypeError
        The provenance cannot be written as JSON.
    InputError
        ``product-source-invalid``: an attribute of the file is not the number it should be.
    """
    history = f"published by sbas_assets {__version__} from MintPy's {file.path.name}"
    found = {}
    for name, key, kind in _ATTRIBUTES:
        if file.attributes.get(key):
            try:
                found[name] = kind(file.attributes[key])
            except ValueError as error:
                raise _invalid(file, f"attribute {key} is {file.attributes[key]!r}, not a number") from error
    return {
        "Conventions": "CF-1.11",
        "title": f"{product} of frame {frame}",
        "history": str(provenance.get("history", history)),
        "frame": frame,
        "product": product,
        "product_version": version,
        "coordinate_system": "geo" if "Y_FIRST" in file.attributes else "radar",
        "los_sign_convention": TOWARD_SATELLITE,
        **found,
        "provenance": json.dumps(provenance, sort_keys=True),
    }
