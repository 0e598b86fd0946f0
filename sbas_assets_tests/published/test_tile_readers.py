"""A published product opened by rio-tiler and by titiler's reader: values, CRS, bounds, on every level."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from .groups import maps, series, write

rio_tiler = pytest.importorskip("rio_tiler.io.xarray", reason="rio-tiler is not installed")
titiler = pytest.importorskip("titiler.xarray.io", reason="titiler.xarray is not installed")
BOUNDS = (25.3, 35.98, 25.36, 36.5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return series(tmp_path_factory.mktemp("source") / "ts.h5", (520, 30), dates=2)


@pytest.fixture(scope="module")
def group(source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write(tmp_path_factory.mktemp("store") / "data.zarr", source, "timeseries_demErr"))


@pytest.mark.parametrize("level", [None, "maps/0", "maps/1"])
def test_rio_tiler_finds_crs_and_bounds_and_reads_a_point(group: str, source: Path, level: str | None) -> None:
    with xr.open_zarr(group, group=level, decode_coords="all") as data:
        array = data.displacement.isel(time=1)
        with rio_tiler.XarrayReader(array) as reader, h5py.File(source) as file:
            assert reader.crs.to_epsg() == 4326
            np.testing.assert_allclose(reader.bounds, BOUNDS, atol=1e-9)
            found = reader.point(25.335, 36.2005).data[0]
            expected = array.to_numpy()[299 if level != "maps/1" else 149, 17 if level != "maps/1" else 8]
            assert found == expected
            assert level == "maps/1" or found == file["timeseries"][1, 299, 17]


@pytest.mark.parametrize(("level", "shape"), [(None, (2, 520, 30)), ("maps/0", (2, 520, 30)), ("maps/1", (2, 260, 15))])
def test_titilers_reader_opens_every_level(group: str, level: str | None, shape: tuple[int, ...]) -> None:
    with titiler.Reader(group, variable="displacement", group=level) as reader:
        assert reader.crs.to_epsg() == 4326
        assert reader.input.shape == shape
        np.testing.assert_allclose(reader.bounds, BOUNDS, atol=1e-9)


def test_titilers_reader_opens_a_map_and_its_level(tmp_path: Path) -> None:
    folder = str(write(tmp_path / "v", maps(tmp_path / "v.h5", (520, 30), ("velocity",)), "velocity"))
    for level, shape in ((None, (520, 30)), ("overviews/1", (260, 15))):
        with titiler.Reader(folder, variable="velocity", group=level) as reader:
            assert reader.input.shape == shape
            assert reader.crs.to_epsg() == 4326
