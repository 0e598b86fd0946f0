"""The levels of a product as stored: which there are, where they lie, and what the groups say of them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
import zarr
from zarr.storage import LocalStore

from sbas_assets.published import zarr_writer
from sbas_assets.published.overviews import Rule
from sbas_assets.published.pyramid import group_attributes
from sbas_assets.published.zarr_writer import count_objects

from .conftest import DATES, Sources
from .groups import maps, series, write

ODD = (701, 1203)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return series(tmp_path_factory.mktemp("source") / "ts.h5", ODD, dates=3)


@pytest.fixture(scope="module")
def group(source, tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("store") / "data.zarr", source, "timeseries_demErr")


def test_a_series_has_its_maps_at_full_and_at_halved_resolutions(group, source):
    with h5py.File(source) as file:
        numbers = file["timeseries"][:]
    for level in range(3):
        with xr.open_zarr(group, group=f"maps/{level}") as data:
            np.testing.assert_array_equal(data.displacement.to_numpy(), numbers)
            assert data.displacement.encoding["chunks"][0] == 1
            assert data.displacement.encoding["shards"] is None
        numbers = Rule().halve(numbers)
    assert sorted(zarr.open_group(group / "maps", mode="r").group_keys()) == ["0", "1", "2"]


def test_levels_end_when_both_sides_are_at_most_512(tmp_path):
    small = write(tmp_path / "small", series(tmp_path / "s.h5", (512, 500), dates=1), "timeseries_demErr")
    assert sorted(zarr.open_group(small / "maps", mode="r").group_keys()) == ["0"]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_level_has_its_own_place_also_when_sizes_are_odd(group, level):
    step = 2**level
    with xr.open_zarr(group, group=f"maps/{level}", decode_coords="all") as data:
        assert data.rio.crs.to_epsg() == 4326
        transform = data.displacement.rio.transform()
        assert transform.almost_equals((0.002 * step, 0, 25.3, 0, -0.001 * step, 36.5), precision=1e-12)
        assert transform.almost_equals(data.displacement.rio.transform(recalc=True), precision=1e-9)
        assert float(data.x[0]) == pytest.approx(25.3 + 0.001 * step, abs=1e-12)
        assert float(data.y[0]) == pytest.approx(36.5 - 0.0005 * step, abs=1e-12)
        assert data.displacement.attrs["spatial:shape"] == list(data.displacement.shape[1:])
        assert [str(day)[:10].replace("-", "") for day in data.time.to_numpy()] == DATES[:3]


def test_a_motionless_field_keeps_its_place_on_every_level(tmp_path):
    """A plane that tells where a pixel is: the mean of a pixel's parts is the plane at its center."""
    path = maps(tmp_path / "v.h5", (600, 1030), ("velocity",))
    with h5py.File(path, "a") as file:
        x, y = 25.3 + 0.002 * (np.arange(1030) + 0.5), 36.5 - 0.001 * (np.arange(600) + 0.5)
        file["velocity"][:] = (y[:, None] + x).astype(np.float32)
    folder = write(tmp_path / "store", path, "velocity")
    for level in (1, 2):
        with xr.open_zarr(folder, group=f"overviews/{level}") as data:
            inside = data.isel(x=slice(0, -1), y=slice(0, -1))
            plane = (inside.y + inside.x).to_numpy()
            np.testing.assert_allclose(inside.velocity.to_numpy(), plane, atol=1e-5)


def test_groups_name_their_levels_in_the_multiscales_convention(group):
    root = zarr.open_group(group, mode="r")
    for node, prefix in ((root, "maps/"), (root["maps"], "")):
        assert [item["name"] for item in node.attrs["zarr_conventions"]] == ["multiscales", "spatial:", "proj:"]
        layout = node.attrs["multiscales"]["layout"]
        assert [item["asset"] for item in layout] == [f"{prefix}{level}" for level in range(3)]
        assert [item.get("derived_from") for item in layout] == [None, f"{prefix}0", f"{prefix}1"]
        assert [item["transform"]["scale"] for item in layout] == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]
        assert [item["spatial:shape"] for item in layout] == [[701, 1203], [351, 602], [176, 301]]
        assert layout[2]["spatial:transform"] == [0.008, 0, 25.3, 0, -0.004, 36.5]
        assert layout[2]["resampling_method"] == "average"
        assert node.attrs["spatial:bbox"] == pytest.approx([25.3, 36.5 - 0.701, 25.3 + 2.406, 36.5])
        for item in layout:
            level = node[item["asset"]]
            assert level.attrs["spatial:transform"] == item["spatial:transform"]
            assert level.attrs["spatial:shape"] == item["spatial:shape"]
            assert level.attrs["proj:code"] == "EPSG:4326"


def test_maps_have_their_levels_beside_them_each_named_as_an_array(tmp_path):
    folder = write(tmp_path / "v", maps(tmp_path / "v.h5", (600, 700), ("velocity", "annualPhase")), "velocity")
    root = zarr.open_group(folder, mode="r")
    layout = root.attrs["multiscales"]["layout"]
    assert [(item["asset"], item.get("derived_from"), item.get("resampling_method")) for item in layout] == [
        ("annualPhase", None, None),
        ("velocity", None, None),
        ("overviews/1/annualPhase", "annualPhase", "nearest"),
        ("overviews/1/velocity", "velocity", "average"),
    ]
    assert all(list(root[item["asset"]].shape) == item["spatial:shape"] for item in layout)
    np.testing.assert_array_equal(root["overviews/1/velocity"][:], Rule().halve(root["velocity"][:]))


def test_levels_of_a_mask_are_masks(tmp_path):
    folder = write(tmp_path / "m", maps(tmp_path / "m.h5", (600, 700), ("mask",), bool), "maskTempCoh")
    root = zarr.open_group(folder, mode="r")
    assert root["overviews/1/maskTempCoh"].dtype == bool
    np.testing.assert_array_equal(root["overviews/1/maskTempCoh"][:], Rule("mode").halve(root["maskTempCoh"][:]))


def test_small_maps_claim_no_levels(geo: Sources, tmp_path):
    root = zarr.open_group(write(tmp_path / "v", geo.velocity, "velocity"), mode="r")
    assert "multiscales" not in root.attrs
    assert list(root.group_keys()) == []


def test_a_series_in_radar_geometry_has_maps_at_full_resolution_only(radar: Sources, tmp_path):
    root = zarr.open_group(write(tmp_path / "r", radar.timeseries, "timeseries_demErr"), mode="r")
    assert list(root["maps"].group_keys()) == ["0"]
    assert sorted(root["maps/0"].array_keys()) == ["displacement", "time", "x", "y"]
    for node in (root, root["maps"], root["maps/0"], root["maps/0/displacement"]):
        assert not [key for key in node.attrs if ":" in key or key in {"zarr_conventions", "multiscales"}]


def test_every_object_is_counted_shards_as_one(group):
    found = count_objects(LocalStore(group, read_only=True))
    files = {path.relative_to(group) for path in group.rglob("*") if path.is_file() and path.name != "zarr.json"}
    assert sum(found.values()) == len(files)
    for name, expected in found.items():
        assert sum(path.is_relative_to(Path(name) / "c") for path in files) == expected, name
    assert (found["maps/0/displacement"], found["maps/1/displacement"]) == (12, 3)
    assert found["displacement"] < 12


def test_the_roots_metadata_cover_every_group_and_each_level_opens_by_its_group(group):
    covered = json.loads((group / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert {"displacement", "maps", "maps/0", "maps/2/displacement", "maps/1/spatial_ref"} <= covered.keys()
    with xr.open_zarr(group, group="maps/1", consolidated=True) as data:
        assert data.displacement.shape == (3, 351, 602)
    assert set(xr.open_groups(group, engine="zarr")) >= {"/", "/maps", "/maps/0", "/maps/1", "/maps/2"}


def test_chunks_without_any_value_are_written_whatever_another_thread_tells_zarr(geo: Sources, tmp_path, monkeypatch):
    def meanwhile(arrays):
        zarr.config.set({"array.write_empty_chunks": False})
        return group_attributes(arrays)

    monkeypatch.setattr(zarr_writer, "group_attributes", meanwhile)
    folder = write(tmp_path / "t", geo.timeseries, "timeseries_demErr")
    assert (folder / "spatial_ref" / "c").is_file()


def test_coordinates_are_in_one_chunk_each(group):
    counts = count_objects(LocalStore(group, read_only=True))
    assert {counts[name] for name in counts if not name.endswith("displacement")} == {1}


@pytest.mark.parametrize("max_bytes", [1, 3_000_000])
def test_memory_and_threads_change_no_byte(group, source, tmp_path, monkeypatch, max_bytes):
    monkeypatch.setenv("SBAS_THREADS", "1" if max_bytes == 1 else "3")
    again = write(tmp_path / "again", source, "timeseries_demErr", max_bytes=max_bytes)
    names = [path.relative_to(group) for path in sorted(group.rglob("*")) if path.is_file()]
    assert names == [path.relative_to(again) for path in sorted(again.rglob("*")) if path.is_file()]
    assert all((group / name).read_bytes() == (again / name).read_bytes() for name in names)
