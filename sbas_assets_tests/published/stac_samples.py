"""Small published products for the tests of STAC metadata: real Zarr groups, GeoTIFFs of a few bytes."""

from __future__ import annotations

import hashlib
import json
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from hypothesis import strategies as st

from sbas_assets.published.manifest import Manifest, StoredObject
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.stac_item import PublishedProduct, make_item

# NaN and infinity are no JSON
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)

FRAME = "T071D_test"
VERSION, BEFORE, AFTER = "a" * 32, "b" * 32, "c" * 32
CREATED = datetime(2026, 11, 22, 12, tzinfo=UTC)
DATES = ("20220101", "20220113", "20220125")
SHAPE = (4, 6)
WGS84 = {"proj:code": "EPSG:4326", "transform": [0.5, 0.0, 25.0, 0.0, -0.25, 37.0]}
UTM = {"proj:code": "EPSG:32635", "transform": [100.0, 0.0, 500_000.0, 0.0, -100.0, 4_000_000.0]}
ACROSS = {"proj:code": "EPSG:4326", "transform": [0.5, 0.0, 178.5, 0.0, -0.25, -16.0]}

PROVENANCE: dict[str, Any] = {
    "frame": FRAME,
    "track": 71,
    "direction": "descending",
    "dates": list(DATES),
    "dates_loaded": [*DATES, "20220206"],
    "dates_without_weather": {"20220206": "2022-02-11T12:00:00Z"},
    "era5_preliminary": ["20220125"],
    "pairs_loaded": ["20220101_20220113", "20220113_20220125", "20220125_20220206", "20220101_20220125"],
    "pairs_used": ["20220101_20220113", "20220113_20220125"],
    "pairs_dropped": {
        "20220101_20220125": "left out by mintpy.network.* of the template",
        "20220101_20220206": "pair-incomplete: filt_fine.unw is missing",
        "20220113_20220206": "pair-incomplete: filt_fine.cor is missing",
    },
    "orbits": {
        "20220101": {"file": "S1A_1.EOF", "kind": "POEORB"},
        "20220113": {"file": "S1A_2.EOF", "kind": "POEORB"},
        "20220125": {"file": "S1A_3.EOF", "kind": "RESORB"},
    },
    "isce_version": "Release: 2.6.5",
    "series": "timeseries_ERA5_ramp_demErr.h5",
    "unwrapping_error_correction": "unwrapPhase_bridging",
    "reference_point": {"row": 1, "column": 2, "latitude": 36.5, "longitude": 25.5},
    "reference_date": "20220113",
    "template": {"mintpy.deramp": "linear"},
    "produced": {"run_id": "r", "at": "2026-11-22T11:00:00Z", "sbas_assets": "0.1.0", "mintpy": "1.6.4"},
}
ATTRIBUTES: dict[str, Any] = {
    "los_sign_convention": "positive toward the satellite, along the line of sight",
    "wavelength_m": 0.05546576,
    "heading_deg": -167.7,
    "track": 71,
    "orbit_direction": "DESCENDING",
    "antenna_side": -1,
    "center_line_utc_s": 50_000.0,
    "polarization": "VV",
    "start_date": DATES[0],
    "end_date": DATES[-1],
}
VARIABLES = {
    "timeseries_demErr": {"displacement": (("time", "y", "x"), "float32", "m"), "bperp": (("time",), "float32", "m")},
    "velocity": {"velocity": (("y", "x"), "float32", "m/year")},
    "maskTempCoh": {"maskTempCoh": (("y", "x"), "bool", "1")},
    "timeseries_demErr_radar": {"displacement": (("time", "y", "x"), "float32", "m")},
}
GEOCODED = ("timeseries_demErr", "velocity", "maskTempCoh")
MAPS = ("velocity", "maskTempCoh")


def write_product(store: Path, product: str, grid: dict[str, Any] | None, frame: str = FRAME) -> PublishedProduct:
    """Write a product into a store: one overview for a geocoded map, and a GeoTIFF beside it."""
    version = hashlib.sha256(f"{product}{grid}".encode()).hexdigest()[:32]
    folder = store / frame / product / version
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _write_zarr(folder / "data.zarr", product, grid)
    if grid and product in MAPS:
        (folder / f"{product}.tif").write_bytes(product.encode())
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(tuple(_stored(path, folder) for path in files))
    data = json.dumps({"objects": [[item.name, item.size, item.sha256] for item in manifest.objects]}).encode()
    (folder / "manifest.json").write_bytes(data)
    n_bytes = sum(item.size for item in manifest.objects)
    stored = ProductVersion(
        product,
        version,
        folder.relative_to(store).as_posix(),
        hashlib.sha256(data).hexdigest(),
        len(data),
        len(files),
        n_bytes,
    )
    return PublishedProduct(stored, manifest, json.loads((folder / "data.zarr" / "zarr.json").read_bytes()))


def _write_zarr(folder: Path, product: str, grid: dict[str, Any] | None) -> None:
    located = {} if grid is None else conventions(grid)
    own = {"provenance": json.dumps({"dates": list(DATES)}), "product": product}
    group = zarr.create_group(folder, zarr_format=3, attributes={**ATTRIBUTES, **located, **own})
    sizes = {"time": len(DATES), "y": SHAPE[0], "x": SHAPE[1]}
    used = {name for dims, _, _ in VARIABLES[product].values() for name in dims}
    for name in sorted(used):
        _create(group, name, (name,), "int64", sizes, long_name=f"the {name}")
    if grid is not None:
        _create(group, "spatial_ref", (), "int64", sizes)
        if product in MAPS:
            half = {name: size // 2 for name, size in sizes.items()}
            _create(group.create_group("maps/0"), product, ("y", "x"), "float32", half)
    for name, (dims, kind, unit) in VARIABLES[product].items():
        _create(group, name, dims, kind, sizes, units=unit, long_name=f"all of {name}")
    zarr.consolidate_metadata(folder, zarr_format=3)


def _create(group: Any, name: str, dims: tuple[str, ...], kind: str, sizes: dict[str, int], **attrs: str) -> None:
    data = np.zeros(tuple(sizes[dim] for dim in dims), kind)
    array = group.create_array(name, shape=data.shape, dtype=kind, dimension_names=dims or None, attributes=attrs)
    array[...] = data


def conventions(grid: dict[str, Any]) -> dict[str, Any]:
    dx, _, x, _, dy, y = grid["transform"]
    return {
        "proj:code": grid["proj:code"],
        "spatial:transform": grid["transform"],
        "spatial:shape": list(SHAPE),
        "spatial:bbox": [x, y + dy * SHAPE[0], x + dx * SHAPE[1], y],
    }


def _stored(path: Path, folder: Path) -> StoredObject:
    data = path.read_bytes()
    return StoredObject(path.relative_to(folder).as_posix(), len(data), hashlib.sha256(data).hexdigest())


def sample_item(products: list[PublishedProduct], **changes: Any) -> dict[str, Any]:
    """The item of these products; any argument of `make_item` may be another."""
    arguments = {
        "frame": FRAME,
        "version": VERSION,
        "products": products,
        "provenance": PROVENANCE,
        "publication": 2,
        "created": CREATED,
        "thumbnail": StoredObject("thumbnail.png", 3, hashlib.sha256(b"PNG").hexdigest()),
        "predecessor": BEFORE,
    }
    return make_item(**(arguments | changes))
