"""Dimensions and variables of published products, for STAC's datacube extension.

Belongs here: what the arrays of a Zarr group are as a cube. A level of a map is no variable of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pystac.utils import datetime_to_str

from sbas_assets.published.stac_product import MapGrid, PublishedProduct

Cube = tuple[dict[str, Any], dict[str, Any]]


def moment(date: str, seconds: float = 0) -> datetime:
    """Return a date of MintPy's, ``YYYYMMDD`` or ``YYYYMMDDTHHMM``, in UTC.

    Parameters
    ----------
    date : str
        The date.
    seconds : float
        Of the day; for a date that does not tell the hour itself.

    Raises
    ------
    ValueError
        It is no date.
    """
    if "T" in date:
        return datetime.strptime(date, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    day = datetime.strptime(date, "%Y%m%d").replace(tzinfo=UTC)
    return datetime.fromtimestamp(day.timestamp() + seconds, UTC)


def cubes(products: Sequence[PublishedProduct], grid: MapGrid | None) -> tuple[Cube, dict[str, Cube]]:
    """Return the cube of a frame, and the cubes of products that do not fit into it.

    Parameters
    ----------
    products : sequence of PublishedProduct
        In the order in which they join the cube.
    grid : MapGrid or None
        That of the frame's cube; None for radar geometry.

    Returns
    -------
    cube : tuple of dict
        Dimensions and variables, each by name.
    others : dict of tuple of dict
        By product: on another grid, or with a variable or a dimension of the same name and other content.
    """
    dimensions: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    others: dict[str, Cube] = {}
    for product in products:
        own = _dimensions(product), _variables(product)
        clash = any(dimensions.get(name, entry) != entry for name, entry in own[0].items())
        if product.grid != grid or clash or variables.keys() & own[1].keys():
            others[product.name] = own
        else:
            dimensions |= own[0]
            variables |= own[1]
    return (dimensions, variables), others


def _dimensions(product: PublishedProduct) -> dict[str, Any]:
    sizes: dict[str, int] = {}
    for array in product.arrays.values():
        sizes |= dict(zip(array.get("dimension_names") or (), array["shape"], strict=True))
    found = {}
    for name in sorted(sizes, key=("time", "y", "x").index if sizes.keys() <= {"time", "y", "x"} else str):
        if name == "time":
            found[name] = _time(product, sizes[name])
        elif name in {"x", "y"} and product.grid is not None:
            found[name] = _map_axis(product.grid, name)
        else:
            # pixels in radar geometry: a line or a column, nowhere in a CRS
            text = _attributes(product, name).get("long_name", "index")
            found[name] = {"type": "index", "description": text, "extent": [0, sizes[name] - 1], "step": 1}
    return found


def _time(product: PublishedProduct, size: int) -> dict[str, Any]:
    dates = [str(date) for date in product.provenance.get("dates", ())]
    text = _attributes(product, "time").get("long_name", "acquisition date")
    if len(dates) == size:
        values = [datetime_to_str(moment(date)) for date in dates]
        return {"type": "temporal", "description": text, "extent": [values[0], values[-1]], "values": values}
    ends = [product.attributes.get(name) for name in ("start_date", "end_date")]
    extent = [None if end is None else datetime_to_str(moment(end)) for end in ends]
    return {"type": "temporal", "description": text, "extent": extent}


def _map_axis(grid: MapGrid, axis: str) -> dict[str, Any]:
    least, greatest, step = grid.centers(axis)
    authority, _, number = (grid.code or "").partition(":")
    system: int | str = int(number) if authority == "EPSG" else grid.crs.to_wkt()
    return {"type": "spatial", "axis": axis, "extent": [least, greatest], "step": step, "reference_system": system}


def _variables(product: PublishedProduct) -> dict[str, Any]:
    arrays = product.arrays
    named = {name for array in arrays.values() for name in array["attributes"].get("coordinates", "").split()}
    dimensions = {name for array in arrays.values() for name in array.get("dimension_names") or ()}
    found = {}
    for name, array in arrays.items():
        dims = list(array.get("dimension_names") or ())
        # neither coordinates nor the scalar that holds the CRS
        if not dims or name in dimensions | (named if product.name.removesuffix("_radar") != "geometry" else set()):
            continue
        kind = "data" if {"y", "x"} <= set(dims) else "auxiliary"
        texts = {"description": "long_name", "unit": "units"}
        attributes = array["attributes"]
        entry = {key: attributes[attribute] for key, attribute in texts.items() if attribute in attributes}
        found[name] = {"dimensions": dims, "type": kind, **entry, "sbas:product": product.name}
    return found


def _attributes(product: PublishedProduct, array: str) -> Mapping[str, Any]:
    node = product.arrays.get(array)
    return {} if node is None else node["attributes"]
