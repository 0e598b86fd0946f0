"""From an open MintPy file to the arrays and attributes of a CF dataset, as xarray would store it.

Belongs here: which arrays there are, and their attributes. Does not belong here: names and units (`variables`), chunks
(`arrays`), coarser levels (`pyramid`), attributes of the whole (`discovery`), stores and versions (`zarr_product`).
The numbers are MintPy's, untouched unless rounding is asked for: its no-data stays the NaN or 0 that it wrote.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.published.arrays import Array, line, map_chunk, series_chunk
from sbas_assets.published.discovery import root_attributes
from sbas_assets.published.georeference import GRID_MAPPING, grid_of, radar_coordinates
from sbas_assets.published.line_of_sight import ANGLES, COMPONENTS, LineOfSight
from sbas_assets.published.mintpy_file import MintPyFile
from sbas_assets.published.overviews import rule_of
from sbas_assets.published.pyramid import map_copies
from sbas_assets.published.rounding import CONTAINER, Rounded, check_bits, container_attributes, rounding_attributes
from sbas_assets.published.sliceable import Numbers
from sbas_assets.published.variables import ROUNDABLE, Variable, describe_dataset, primary_variable

__all__ = ["build_arrays", "root_attributes", "time_axis"]


def build_arrays(
    file: MintPyFile, product: str, geometry: MintPyFile | None, *, mantissa_bits: int | None = None
) -> dict[str, Array]:
    """Describe a MintPy product as the arrays of a CF dataset, without reading its numbers.

    Parameters
    ----------
    file : MintPyFile
        The product.
    product : str
        A product of `variables.PRODUCTS`.
    geometry : MintPyFile, optional
        ``latitude`` and ``longitude`` (length, width) for a product in radar coordinates.
    mantissa_bits : int, optional
        1 to 22: float32 maps and series of `variables.ROUNDABLE` are rounded to so many bits; None: exact.

    Returns
    -------
    dict of Array
        By path: dims ``(time, y, x)``, coordinates included; copies for maps and coarser levels in groups of their
        own, as `pyramid` says.

    Raises
    ------
    InputError
        ``product-unknown``, or ``product-source-invalid``: the file is not that product, its unit is another,
        or the geometry has another shape.
    ValueError
        `mantissa_bits` is no such number.
    """
    _check_primary(file, primary_variable(product))
    bits = None if mantissa_bits is None or product not in ROUNDABLE else check_bits(mantissa_bits)
    grid = grid_of(file.attributes, file.shape, file.path)
    coords = radar_coordinates(file.shape) if grid is None else grid.coordinates()
    more = {"time": time_axis(file)} if file.dates else {}
    data = _data(file, product, bits)
    places = {} if grid is not None else _radar_places(data, geometry, file)
    located: dict[str, Any] = {"coordinates": " ".join(places)}
    if grid is not None:
        located = {"grid_mapping": GRID_MAPPING, **grid.conventions()}
    for name, array in data.items():
        if array.dims[-2:] == ("y", "x") and any(located.values()):
            data[name] = replace(array, attrs=array.attrs | located)
    if bits is not None:
        more[CONTAINER] = line((), np.array(0, np.int8), container_attributes())
    copies = map_copies(data, grid, more)
    return {name: _with_fill(array) for name, array in (coords | more | places | data | copies).items()}


def _data(file: MintPyFile, product: str, bits: int | None) -> dict[str, Array]:
    """Return the datasets of a file by their published names, and what is derived from them."""
    data = {}
    for dataset, reader in file.datasets.items():
        variable = describe_dataset(product, dataset, file.dims(dataset), file.unit(dataset))
        data[variable.name] = _array(reader, variable, bits)
    if product == "geometry" and all(name in data and data[name].dims == ("y", "x") for name in ANGLES):
        for component in COMPONENTS:
            vector = LineOfSight(file.datasets[ANGLES[0]], file.datasets[ANGLES[1]], component)
            data[f"los_{component}"] = _array(vector, describe_dataset(product, f"los_{component}", ("y", "x")))
    return data


def _with_fill(array: Array) -> Array:
    """Name the fill value among the attributes, in xarray's notation: the bytes of a double in base 64."""
    if array.fill is None:
        return array
    text = base64.standard_b64encode(struct.pack("<d", array.fill)).decode()
    return replace(array, attrs=array.attrs | {"_FillValue": text})


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


def time_axis(file: MintPyFile) -> Array:
    """Return the dates as a CF time axis: whole days since the first, or minutes where MintPy tells the hour."""
    try:
        moments = [datetime.strptime(text, "%Y%m%dT%H%M" if "T" in text else "%Y%m%d") for text in file.dates]
    except ValueError as error:
        raise _invalid(file, f"a date cannot be read: {error}") from error
    if any(later <= earlier for earlier, later in pairwise(moments)):
        raise _invalid(file, "its dates do not ascend")
    unit = "minutes" if "T" in file.dates[0] else "days"
    first = moments[0].replace(hour=0, minute=0)
    numbers = [(moment - first) // timedelta(**{unit: 1}) for moment in moments]
    attrs = {"standard_name": "time", "axis": "T", "long_name": "acquisition date (UTC)"}
    attrs |= {"units": f"{unit} since {first:%Y-%m-%d}", "calendar": "proleptic_gregorian"}
    return line(("time",), np.array(numbers, np.int64), attrs)


def _array(numbers: Numbers, variable: Variable, bits: int | None = None) -> Array:
    """Return numbers with their attributes, chunks and the rule of their coarser levels; nothing is read."""
    attrs: dict[str, Any] = {"units": variable.unit, "long_name": variable.long_name}
    optional = {"standard_name": variable.standard_name, "sign_convention": variable.sign}
    attrs |= {key: value for key, value in optional.items() if value}
    fill = variable.fill if numbers.dtype.kind == "f" else None
    shape, itemsize = numbers.shape, numbers.dtype.itemsize
    if variable.dims[-2:] != ("y", "x"):
        return Array(variable.dims, numbers, attrs, shape, fill)
    if bits is not None and numbers.dtype == np.float32:
        numbers, attrs = Rounded(numbers, bits), attrs | rounding_attributes(bits)
    else:
        bits = None
    told = {"wraps": variable.wraps, "zero_is_data": variable.zero_is_data}
    rule = rule_of(numbers.dtype, **told, mantissa_bits=bits)
    chunks, shards = series_chunk(shape, itemsize) if len(shape) == 3 else (map_chunk(shape), None)
    return Array(variable.dims, numbers, attrs, chunks, fill, shards, rule)


def _radar_places(data: dict[str, Array], geometry: MintPyFile | None, file: MintPyFile) -> dict[str, Array]:
    """Return 2-D latitude and longitude: the product's own, taken out of `data`, else the geometry's."""
    if {"latitude", "longitude"} <= data.keys():
        return {name: data.pop(name) for name in ("latitude", "longitude")}
    if geometry is None or not {"latitude", "longitude"} <= geometry.datasets.keys():
        return {}
    if geometry.shape != file.shape:
        raise _invalid(geometry, f"its maps are {geometry.shape}, those of {file.path.name} are {file.shape}")
    return {
        name: _array(geometry.datasets[name], describe_dataset("geometry", name, ("y", "x")))
        for name in ("latitude", "longitude")
    }
