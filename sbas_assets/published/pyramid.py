"""Copies of a product for who looks at maps: chunked by map, at full and at halved resolutions, and the groups' words.

A series has ``maps/0`` (full resolution), ``maps/1`` (half) and so on beside itself. Other maps have it already; their
coarser levels are ``overviews/1``, ``overviews/2`` and so on. Levels end when both sides are at most 512. A product in
radar coordinates has ``maps/0`` alone, since nobody lays it over a map.

Belongs here: which levels there are, where, and the Zarr convention ``multiscales``. Does not belong here: how pixels
are averaged (`overviews`), coordinates (`georeference`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sbas_assets.published.arrays import Array, map_chunk
from sbas_assets.published.georeference import Grid, radar_coordinates
from sbas_assets.published.overviews import Level

MAPS = "maps"
OVERVIEWS = "overviews"
SMALLEST = 512
CONVENTION = {
    "name": "multiscales",
    "uuid": "d35379db-88df-4056-af3a-620245f8e347",
    "schema_url": "https://raw.githubusercontent.com/zarr-conventions/multiscales/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-conventions/multiscales/blob/v1/README.md",
    "description": "Multiscale layout of zarr datasets",
}


def grids(full: Grid) -> list[Grid]:
    """Return the grid of each level, from full resolution on."""
    levels = [full]
    while max(levels[-1].length, levels[-1].width) > SMALLEST:
        levels.append(levels[-1].halved())
    return levels


def map_copies(data: Mapping[str, Array], grid: Grid | None, more: Mapping[str, Array]) -> dict[str, Array]:
    """Return the map-major copies of a product, with the coordinates of each group.

    Parameters
    ----------
    data : mapping of Array
        The product's arrays at full resolution, by name; those without a `rule` have no copies.
    grid : Grid, optional
        None for radar coordinates.
    more : mapping of Array
        What a group of maps needs beside ``y``, ``x`` and the grid mapping: ``time``, if there is one.
    """
    series = {name: array for name, array in data.items() if array.rule and len(array.dims) == 3}
    maps = {name: array for name, array in data.items() if array.rule and len(array.dims) == 2}
    shape = next((array.data.shape[-2:] for array in series.values()), (0, 0))
    copies: dict[str, Array] = {}
    if series:
        copies |= _named(f"{MAPS}/0", grid.coordinates() if grid else radar_coordinates((shape[0], shape[1])))
        copies |= _named(f"{MAPS}/0", more)
        copies |= _named(f"{MAPS}/0", {name: _by_map(array, grid) for name, array in series.items()})
    for number, level in enumerate(grids(grid) if grid else []):
        if number and series:
            copies |= _named(f"{MAPS}/{number}", level.coordinates() | dict(more))
            copies |= dict(_coarser(copies, series, f"{MAPS}/{number}", f"{MAPS}/{number - 1}/", level))
        if number and maps:
            copies |= _named(f"{OVERVIEWS}/{number}", level.coordinates() | without_time(more))
            above = f"{OVERVIEWS}/{number - 1}/" if number > 1 else ""
            copies |= dict(_coarser({**data, **copies}, maps, f"{OVERVIEWS}/{number}", above, level))
    return copies


def without_time(more: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays but for the time axis, which maps do not have."""
    return {name: array for name, array in more.items() if "time" not in array.dims}


def _named(group: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{group}/{name}": array for name, array in arrays.items()}


def _by_map(array: Array, grid: Grid | None) -> Array:
    attrs = dict(array.attrs)
    if grid is None:
        attrs.pop("coordinates", None)  # latitude and longitude are not in this group
    return replace(array, attrs=attrs, chunks=map_chunk(array.data.shape), shards=None)


def _coarser(
    known: Mapping[str, Array], names: Mapping[str, Array], group: str, above: str, grid: Grid
) -> Iterator[tuple[str, Array]]:
    """Yield the arrays of one level, made of those of the level above."""
    for name in names:
        finer = known[above + name]
        assert finer.rule is not None
        data = Level(finer.data, finer.rule)
        attrs = finer.attrs | grid.conventions()
        chunks = map_chunk(data.shape)
        yield f"{group}/{name}", replace(finer, data=data, attrs=attrs, chunks=chunks, above=above + name)


def group_attributes(arrays: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Return what each group says of its place and its levels, by path; the root's path is empty.

    The multiscales convention is told by groups that hold levels: of a series by the group ``maps`` and the root, of
    maps by the root. A group of levels has no shape and transform of its own. Products in radar coordinates have no
    place, and say nothing.
    """
    places = {path.rpartition("/")[0]: _place(array) for path, array in arrays.items() if array.rule}
    whole = next((_place(array) for array in arrays.values() if array.rule), {})
    several = {key: value for key, value in whole.items() if key not in {"spatial:shape", "spatial:transform"}}
    found = {"": whole} | {path.split("/")[0]: several for path in places if path} | places
    levels = {"": _map_layout(arrays) + _series_layout(arrays, f"{MAPS}/"), MAPS: _series_layout(arrays, "")}
    for path, layout in levels.items():
        if layout and whole:
            conventions = [CONVENTION, *whole["zarr_conventions"]]
            found[path] = found[path] | {"zarr_conventions": conventions, "multiscales": {"layout": layout}}
    return found


def _place(array: Array) -> dict[str, Any]:
    """Return where an array lies; nothing in radar coordinates."""
    return {key: value for key, value in array.attrs.items() if ":" in key or key == "zarr_conventions"}


def _series_layout(arrays: Mapping[str, Array], prefix: str) -> list[dict[str, Any]]:
    """Return the levels of a series, each a group."""
    layout = []
    for number in range(len(arrays)):
        group = f"{MAPS}/{number}/"
        level = next((array for path, array in arrays.items() if path.startswith(group) and array.rule), None)
        if level is None:
            break
        layout.append(_entry(f"{prefix}{number}", f"{prefix}{number - 1}" if number else None, level))
    return layout


def _map_layout(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return the levels of the maps of a group, each an array; nothing of maps that have one level only."""
    coarse = {path: array for path, array in arrays.items() if path.startswith(f"{OVERVIEWS}/") and array.above}
    full = {array.above: arrays[array.above] for array in coarse.values() if array.above and "/" not in array.above}
    first = [_entry(path, None, array) for path, array in full.items()]
    return first + [_entry(path, array.above, array) for path, array in coarse.items()]


def _entry(asset: str, above: str | None, array: Array) -> dict[str, Any]:
    """Return one level of the convention; corners stay where they are, so that nothing is translated."""
    # one number for each dimension, also for time, which stays: GDAL takes no level that has fewer
    step, still = (2.0 if above else 1.0), len(array.dims) - 2
    scale = {"scale": [1.0] * still + [step, step], "translation": [0.0] * len(array.dims)}
    entry: dict[str, Any] = {"asset": asset, "transform": scale}
    if above and array.rule:
        entry |= {"derived_from": above, "resampling_method": array.rule.method}
    return entry | {key: array.attrs[key] for key in ("spatial:shape", "spatial:transform") if key in array.attrs}
