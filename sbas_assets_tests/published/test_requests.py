"""How many requests a reader costs a real S3 server: the history of a point, and a map at screen resolution."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from obstore.store import S3Store
from zarr.storage import ObjectStore

from sbas_assets.published.cf_dataset import build_arrays
from sbas_assets.published.mintpy_file import open_mintpy
from sbas_assets.published.zarr_writer import count_objects, write_group

from .ceph_server import REGION, CephServer, Request
from .conftest import GEO, write_mintpy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
# A server on the same machine takes some 10 ms; the rest is for who else computes here.
LIMIT_S = 0.1


def a_series(path: Path, dates: int, shape: tuple[int, int]) -> Path:
    days = (np.datetime64("2017-01-05") + np.arange(0, 6 * dates, 6).astype("timedelta64[D]")).astype(str)
    texts = np.array([day.replace("-", "") for day in days], "S8")
    size = {"LENGTH": shape[0], "WIDTH": shape[1], "FILE_TYPE": "timeseries", "UNIT": "m"}
    write_mintpy(path, {"date": texts}, **{**GEO, **size})
    rng = np.random.default_rng(7)
    with h5py.File(path, "a") as file:
        stored = file.create_dataset("timeseries", (dates, *shape), np.float32)
        for date in range(dates):
            stored[date] = rng.normal(0, 0.01, shape)
    return path


@pytest.fixture
def stored(ceph: CephServer, bucket: str, tmp_path: Path):
    """Write a series to the bucket; returns its store and its source."""

    def write(dates: int, shape: tuple[int, int]) -> tuple[ObjectStore, Path]:
        source = a_series(tmp_path / "ts.h5", dates, shape)
        keys = {"access_key_id": ceph.access_key, "secret_access_key": ceph.secret_key}
        place = {"endpoint": ceph.endpoint, "region": REGION, "client_options": {"allow_http": True}}
        target = ObjectStore(S3Store(bucket, prefix="data.zarr", **keys, **place))
        with open_mintpy(source) as file:
            write_group(target, build_arrays(file, "timeseries_demErr", None), {}, 10**9)
        return target, source

    return write


def data_requests(ceph: CephServer, mark: int) -> list[Request]:
    return [request for request in ceph.since(mark) if not request.path.endswith("zarr.json")]


@pytest.mark.parametrize("dates", [60, 300])
def test_the_history_of_a_point_is_two_requests_whatever_the_number_of_dates(ceph, stored, dates):
    target, source = stored(dates, (400, 500))
    with xr.open_zarr(target, chunks=None) as data, h5py.File(source) as file:
        data.displacement[:, 0, 0].to_numpy()  # connects
        seconds = []
        for row, column in ((399, 499), (17, 230), (200, 3)):
            mark, began = ceph.mark(), time.monotonic()
            history = data.displacement[:, row, column].to_numpy()
            seconds.append(time.monotonic() - began)
            requests = data_requests(ceph, mark)
            assert len(requests) <= 2
            assert sum(request.n_bytes for request in requests) < 700_000
            np.testing.assert_array_equal(history, file["timeseries"][:, row, column])
    assert min(seconds) < LIMIT_S


@pytest.mark.parametrize(("shape", "level"), [((1000, 1200), 0), ((1500, 2001), 1)])
def test_a_map_at_screen_resolution_is_four_requests_at_most(ceph, stored, shape, level):
    target, source = stored(2, shape)
    with xr.open_zarr(target, group=f"maps/{level}", chunks=None) as data:
        assert max(data.displacement.shape[1:]) <= 1200
        mark = ceph.mark()
        numbers = data.displacement[1].to_numpy()
        requests = data_requests(ceph, mark)
    assert len(requests) <= 4
    if level == 0:
        with h5py.File(source) as file:
            np.testing.assert_array_equal(numbers, file["timeseries"][1])


def test_every_object_that_is_counted_is_in_the_bucket(ceph, bucket, stored):
    target, _ = stored(3, (600, 700))
    keys = [key for key in ceph.objects(bucket) if not key.endswith("zarr.json")]
    assert sum(count_objects(target).values()) == len(keys)
