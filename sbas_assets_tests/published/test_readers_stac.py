"""A store walked by pystac alone: from the collection to the item, to assets that open, in a folder and on S3."""

from __future__ import annotations

from typing import Any

import fsspec
import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.version import ItemVersionExtension

from .conftest import DATES, FRAME
from .published_frame import EPSG, SIGN, SIZE, PublishedFrame

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]


class AnyStore(pystac.stac_io.DefaultStacIO):
    """pystac reads files and the web; what else there is, is read by fsspec."""

    def read_text(self, source: Any, *_: Any, **__: Any) -> str:
        with fsspec.open(source if isinstance(source, str) else source.get_absolute_href()) as file:
            return file.read().decode()


@pytest.fixture
def item(frame: PublishedFrame) -> pystac.Item:
    """The frame's item, found from the collection."""
    reader = AnyStore() if frame.url.startswith("s3://") else None
    collection = pystac.Collection.from_file(f"{frame.url.rpartition('/')[0]}/collection.json", stac_io=reader)
    return next(collection.get_items())


def test_the_collection_leads_to_the_item(frame: PublishedFrame, item: pystac.Item) -> None:
    assert item.get_self_href() == f"{frame.url}/item.json"
    assert item.properties["sbas:frame"] == FRAME
    start, end = (
        f"{moment:%Y%m%d}" for moment in (item.common_metadata.start_datetime, item.common_metadata.end_datetime)
    )
    assert (start, end) == (DATES[0], DATES[-1])
    assert item.bbox == pytest.approx([25.3, 36.41, 26.7, 36.5])
    place = ProjectionExtension.ext(item)
    assert (place.code, place.shape) == (f"EPSG:{EPSG}", list(SIZE))
    assert item.properties["sbas:los_sign_convention"] == SIGN


def test_the_item_tells_dimensions_and_units(item: pystac.Item) -> None:
    cube = DatacubeExtension.ext(item)
    series = cube.variables["displacement"]
    assert (series.dimensions, series.unit) == (["time", "y", "x"], "m")
    assert cube.variables["velocity"].unit == "m/year"
    assert [day[:10].replace("-", "") for day in cube.dimensions["time"].values] == DATES


def test_what_the_item_names_opens_and_has_the_size_it_tells(frame: PublishedFrame, item: pystac.Item) -> None:
    hrefs = {name: asset.get_absolute_href() for name, asset in item.assets.items()}
    with xr.open_zarr(hrefs["timeseries_demErr"]) as data:
        np.testing.assert_array_equal(data.displacement, frame.numbers("timeseries_demErr", "timeseries"))
    with rasterio.open(hrefs["velocity-cog"].replace("s3://", "/vsis3/")) as data:
        np.testing.assert_array_equal(data.read(1), frame.numbers("velocity", "velocity"))
    for name, asset in item.assets.items():
        if asset.media_type == pystac.MediaType.JSON or name.endswith("-cog"):
            with fsspec.open(hrefs[name]) as file:
                assert len(file.read()) == FileExtension.ext(asset).size


def test_the_item_leads_to_the_place_where_its_version_is_kept(item: pystac.Item) -> None:
    link = item.get_single_link("canonical")
    kept = pystac.Item.from_file(link.get_absolute_href(), stac_io=AnyStore())
    assert ItemVersionExtension.ext(kept).version == ItemVersionExtension.ext(item).version
    href = {asset.get_absolute_href() for asset in (kept.assets["velocity"], item.assets["velocity"])}
    assert len(href) == 1
