"""A published frame as map tiles: rio-tiler's readers of datasets and of GeoTIFFs, and titiler's of Zarr."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from rio_tiler.io import Reader as GeotiffReader
from rio_tiler.io import XarrayReader
from titiler.xarray.io import Reader as ZarrReader

from .conftest import DATES
from .published_frame import EPSG, SIGN, SIZE, PublishedFrame

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

# The center of row 40, column 300.
ROW, COLUMN, PLACE = 40, 300, (25.3 + 0.002 * 300.5, 36.5 - 0.001 * 40.5)
BOUNDS = (25.3, 36.41, 26.7, 36.5)
# titiler would ask Amazon for the region of the bucket
OPTIONS = {"infer_region": False}


def check_tile(reader: Any, numbers: np.ndarray) -> None:
    """A tile has this map's numbers, and nothing beside it."""
    image = reader.tile(*reader.tms.tile(*PLACE, 8), tilesize=256)
    inside = ~np.ma.getmaskarray(image.array)
    assert image.data.shape == (1, 256, 256)
    assert inside.any()
    assert not inside.all()
    assert set(np.unique(image.data[inside])) <= set(np.unique(numbers))


def test_rio_tiler_reads_a_series_that_xarray_opened(frame: PublishedFrame) -> None:
    data = xr.open_zarr(frame.find("timeseries_demErr"), decode_coords="all").displacement
    numbers = frame.numbers("timeseries_demErr", "timeseries")
    with XarrayReader(data) as reader:
        assert reader.crs.to_epsg() == EPSG
        assert reader.bounds == pytest.approx(BOUNDS)
        assert [name[1][:10].replace("-", "") for name in reader.info().band_descriptions] == DATES
        np.testing.assert_array_equal(reader.point(*PLACE).data, numbers[:, ROW, COLUMN])
    with XarrayReader(data.sel(time="2020-02-22")) as reader:
        check_tile(reader, numbers[3])


def test_rio_tiler_reads_a_geotiff(frame: PublishedFrame) -> None:
    numbers = frame.numbers("velocity", "velocity")
    with GeotiffReader(frame.find("velocity-cog")) as reader:
        info = reader.info()
        assert reader.crs.to_epsg() == EPSG
        assert reader.bounds == pytest.approx(BOUNDS)
        assert (info.overviews, info.nodata_type) == ([2], "Nodata")
        assert dict(info.band_metadata)["b1"]["sign_convention"] == SIGN
        assert reader.point(*PLACE).data == numbers[ROW, COLUMN]
        np.testing.assert_array_equal(reader.read().data[0], numbers)
        check_tile(reader, reader.preview(max_size=SIZE[1] // 2).data)


@pytest.mark.parametrize("group", [None, "maps/0"])
def test_titiler_reads_one_date_of_a_series(frame: PublishedFrame, group: str | None) -> None:
    numbers = frame.numbers("timeseries_demErr", "timeseries")
    named = {"variable": "displacement", "sel": ["time=2020-02-22"], "group": group, "opener_options": OPTIONS}
    with ZarrReader(frame.find("timeseries_demErr"), **named) as reader:
        assert reader.crs.to_epsg() == EPSG
        assert reader.bounds == pytest.approx(BOUNDS)
        assert (reader.input.units, reader.input.sign_convention) == ("m", SIGN)
        assert reader.point(*PLACE).data == numbers[3, ROW, COLUMN]
        check_tile(reader, numbers[3])


def test_titiler_reads_a_map_and_its_coarser_level(frame: PublishedFrame) -> None:
    numbers = frame.numbers("velocity", "velocity")
    with ZarrReader(frame.find("velocity"), variable="velocity", opener_options=OPTIONS) as reader:
        assert reader.point(*PLACE).data == numbers[ROW, COLUMN]
        check_tile(reader, numbers)
    coarser = {"variable": "velocityStd", "group": "overviews/1", "opener_options": OPTIONS}
    with ZarrReader(frame.find("velocity"), **coarser) as reader:
        assert reader.crs.to_epsg() == EPSG
        assert reader.bounds == pytest.approx(BOUNDS)
        assert (reader.input.sizes["y"], reader.input.sizes["x"]) == (SIZE[0] // 2, SIZE[1] // 2)
        check_tile(reader, reader.input.to_numpy())


def test_a_mask_becomes_tiles_from_its_geotiff_alone(frame: PublishedFrame) -> None:
    numbers = frame.numbers("maskTempCoh", "mask")
    with GeotiffReader(frame.find("maskTempCoh-cog")) as reader:
        assert reader.point(*PLACE).data == numbers[ROW, COLUMN]
        check_tile(reader, numbers)
    with ZarrReader(frame.find("maskTempCoh"), variable="maskTempCoh", opener_options=OPTIONS) as reader:
        assert reader.point(*PLACE).data == numbers[ROW, COLUMN]
        # rioxarray 0.23 does not warp truth values
        with pytest.raises(KeyError, match="bool"):
            check_tile(reader, numbers)
