"""`sbas_assets.open_frame`: lazy to import, lazy to read, with dates and CRS, and what it asks an S3 server for."""

from __future__ import annotations

import subprocess
import sys

import dask
import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr

import sbas_assets
from sbas_assets.errors import InputError
from sbas_assets.published.current import write_tag
from sbas_assets.published.store import open_store

from .ceph_server import CephServer, Request
from .conftest import DATES, FRAME
from .published_frame import CORNER, EPSG, PublishedFrame

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

SERIES = "displacement/c/"


def bodies(requests: list[Request]) -> list[Request]:
    """What was asked of numbers, not of their description."""
    return [request for request in requests if request.path.rpartition("/")[2] not in {"zarr.json", "item.json"}]


def test_the_package_is_imported_without_xarray() -> None:
    code = (
        "import sys, sbas_assets; heavy = {'xarray', 'zarr', 'dask', 'numpy', 's3fs'} & sys.modules.keys(); "
        "assert 'open_frame' in dir(sbas_assets); assert not heavy, heavy; "
        "assert 'toward the satellite' in sbas_assets.open_frame.__doc__; assert 'xarray' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'close_frame'"):
        _ = sbas_assets.close_frame


def test_a_frame_has_numbers_dates_places_crs_units_and_sign(frame: PublishedFrame) -> None:
    data = sbas_assets.open_frame(frame.url)
    assert data.displacement.dims == ("time", "y", "x")
    assert all(dask.is_dask_collection(data[name].data) for name in data.data_vars)
    assert data.rio.crs.to_epsg() == data.velocity.rio.crs.to_epsg() == EPSG
    assert data.rio.transform().almost_equals(CORNER, precision=1e-12)
    assert [str(day)[:10].replace("-", "") for day in data.time.to_numpy()] == DATES
    assert (data.displacement.units, data.velocity.units) == ("m", "m/year")
    assert "toward the satellite" in data.displacement.sign_convention
    np.testing.assert_array_equal(data.displacement, frame.numbers("timeseries_demErr", "timeseries"))
    np.testing.assert_array_equal(data.velocityStd, frame.numbers("velocity", "velocityStd"))
    np.testing.assert_array_equal(data.maskTempCoh, frame.numbers("maskTempCoh", "mask"))


def test_a_frame_is_named_by_key_url_item_version_and_tag(
    frame: PublishedFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, _ = frame.url.rpartition("/")
    monkeypatch.setenv("SBAS_STORE", store)
    version = sbas_assets.open_frame(FRAME).attrs["version"]
    write_tag(open_store(store), FRAME, "paper", version)
    for named in ((frame.url,), (f"{frame.url}/item.json",), (FRAME, version[:6]), (frame.url, "paper")):
        assert sbas_assets.open_frame(*named).attrs["version"] == version
    with pytest.raises(InputError, match="version-unknown"):
        sbas_assets.open_frame(frame.url, "no such tag")
    with pytest.raises(InputError, match=f"product-not-published.*the store has the frames {FRAME}"):
        sbas_assets.open_frame(f"{store}/T071D_other")
    with pytest.raises(InputError, match="frame-url-invalid"):
        sbas_assets.open_frame(f"{store}/{FRAME}/velocity/data.zarr")


def test_opening_reads_the_item_the_descriptions_and_the_axes(frame_on_s3: PublishedFrame, ceph: CephServer) -> None:
    mark = ceph.mark()
    sbas_assets.open_frame(frame_on_s3.url)
    requests = ceph.since(mark)
    assert {request.status for request in requests} == {200}
    assert {request.path.split("data.zarr/")[-1] for request in bodies(requests)} == {"time/c/0", "x/c/0", "y/c/0"}
    # the item; of each product its description and two axes; the dates more than once
    assert len(requests) <= 1 + 3 * len(frame_on_s3.sources) + 3


def test_the_history_of_a_pixel_is_two_requests_and_no_whole_shard(
    frame_on_s3: PublishedFrame, ceph: CephServer
) -> None:
    data = sbas_assets.open_frame(frame_on_s3.url)
    bucket, _, prefix = frame_on_s3.url.removeprefix("s3://").partition("/")
    (shard,) = [size for name, size in ceph.objects(bucket, prefix).items() if f"data.zarr/{SERIES}" in name]
    mark = ceph.mark()
    series = data.displacement.isel(y=40, x=300).to_numpy()
    index, chunk = ceph.since(mark)
    np.testing.assert_array_equal(series, frame_on_s3.numbers("timeseries_demErr", "timeseries")[:, 40, 300])
    assert all(SERIES in request.path and request.status == 206 for request in (index, chunk))
    # six chunks are one shard
    assert index.n_bytes < 200
    assert chunk.n_bytes < shard / 5


def test_a_map_is_read_without_the_series(frame_on_s3: PublishedFrame, ceph: CephServer) -> None:
    data = sbas_assets.open_frame(frame_on_s3.url)
    mark = ceph.mark()
    np.testing.assert_array_equal(data.velocity, frame_on_s3.numbers("velocity", "velocity"))
    parts = {request.path.split("data.zarr/")[-1] for request in ceph.since(mark)}
    assert parts == {"velocity/c/0/0", "velocity/c/0/1"}


def test_without_dask_a_whole_series_is_one_request_for_each_shard(
    frame_on_s3: PublishedFrame, ceph: CephServer
) -> None:
    numbers = frame_on_s3.numbers("timeseries_demErr", "timeseries")
    asked = {}
    for name, chunks in (("a chunk", {}), ("a shard", None)):
        data = xr.open_zarr(frame_on_s3.find("timeseries_demErr"), chunks=chunks)
        mark = ceph.mark()
        np.testing.assert_array_equal(data.displacement, numbers)
        asked[name] = len([request for request in ceph.since(mark) if SERIES in request.path])
    # six chunks in one shard, whose index is read with it
    assert asked["a shard"] <= 2
    assert asked["a chunk"] == 12
