"""From an open MintPy file to the arrays and attributes of a CF dataset, as xarray would store it.

Belongs here: coordinates, attributes. Does not belong here: names and units (`variables`), chunks (`arrays`), stores
and versions (`zarr_product`). The numbers are MintPy's, untouched: its no-data stays the NaN or 0 that it wrote.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from sbas_assets import __version__
from sbas_assets.errors import InputError
from sbas_assets.published.arrays import Array, chunk_shape, line
from sbas_assets.published.georeference import GRID_MAPPING, grid_of, radar_coordinates
from sbas_assets.published.mintpy_file import BlockReader, MintPyFile
from sbas_assets.published.variables import TOWARD_SATELLITE, Variable, describe_dataset, primary_variable

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


def build_arrays(file: MintPyFile, product: str, geometry: MintPyFile | None) -> dict[str, Array]:
    """Describe a MintPy product as the arrays of a CF dataset, without reading its numbers.

    Parameters
    ----------
    file : MintPyFile
        The product.
    product : str
        A product of `variables.PRODUCTS`.
    geometry : MintPyFile, optional
        ``latitude`` and ``longitude`` (length, width) for a product in radar coordinates.

    Returns
    -------
    dict of Array
        By name: dims ``(time, y, x)``, coordinates included.

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
        data[variable.name] = _array(reader, variable)
    places = {} if grid is not None else _radar_places(data, geometry, file)
    located: dict[str, Any] = {"coordinates": " ".join(places)}
    if grid is not None:
        located = {"grid_mapping": GRID_MAPPING, **grid.conventions()}
    for name, array in data.items():
        if array.dims[-2:] == ("y", "x") and any(located.values()):
            data[name] = replace(array, attrs=array.attrs | located)
    return {name: _with_fill(array) for name, array in (coords | places | data).items()}


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


def _array(reader: BlockReader, variable: Variable) -> Array:
    """Return a dataset with its attributes; nothing is read."""
    attrs = {"units": variable.unit, "long_name": variable.long_name}
    optional = {"standard_name": variable.standard_name, "sign_convention": variable.sign}
    attrs |= {key: value for key, value in optional.items() if value}
    fill = variable.fill if reader.dtype.kind == "f" else None
    return Array(variable.dims, reader, attrs, chunk_shape(reader.shape, reader.dtype.itemsize), fill)


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
    grid = grid_of(file.attributes, file.shape, file.path)
    return {
        **(grid.conventions() if grid is not None else {}),
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
