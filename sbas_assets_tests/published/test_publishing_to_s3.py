"""A product published to a real S3 server: equal numbers, and an end within bounded time when the server hangs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.errors import OutsideError
from sbas_assets.published import zarr_writer
from sbas_assets.published.reading import open_product
from sbas_assets.published.verify import verify_product
from sbas_assets.published.zarr_product import write_product

from .ceph_server import CephServer
from .conftest import DATES, GEO, PROVENANCE, displacement, write_mintpy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
FRAME, PRODUCT = "T109D_test", "timeseries_demErr"
TIMEOUT_S = 1


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A series of eight chunks, each written by itself."""
    shape = (500, 600)
    datasets = {"date": np.array(DATES, dtype="S8"), "timeseries": displacement(shape)}
    size = {"LENGTH": shape[0], "WIDTH": shape[1]}
    return write_mintpy(tmp_path / "geo_timeseries.h5", datasets, FILE_TYPE="timeseries", UNIT="m", **{**GEO, **size})


def publish(source: Path, bucket: str, version: str) -> None:
    write_product(source, PRODUCT, f"s3://{bucket}/store", FRAME, version, PROVENANCE, max_memory_gb=0.002)


def test_what_is_read_from_the_bucket_equals_the_file(ceph: CephServer, bucket: str, large: Path) -> None:
    publish(large, bucket, "a1")
    assert verify_product(f"s3://{bucket}/store", FRAME, PRODUCT, large) == []
    assert open_product(f"s3://{bucket}/store", FRAME, PRODUCT).displacement.shape == (len(DATES), 500, 600)


def test_a_hanging_server_ends_the_publication_and_leaves_the_version_before(
    ceph: CephServer, bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(large, bucket, "a1")
    monkeypatch.setenv("SBAS_STORE_TIMEOUT", str(TIMEOUT_S))
    copy, frozen = zarr_writer._copy, []

    def freezing(*task: object) -> None:
        """The server hangs from the first block on."""
        if not frozen:
            frozen.append(True)
            ceph.freeze_gateway()
        copy(*task)

    monkeypatch.setattr(zarr_writer, "_copy", freezing)
    began = time.monotonic()
    try:
        with pytest.raises(OutsideError) as caught:
            publish(large, bucket, "b2")
    finally:
        took = time.monotonic() - began
        ceph.thaw_gateway()
    assert caught.value.code == "store-unreachable"
    assert took < 20 * TIMEOUT_S
    monkeypatch.delenv("SBAS_STORE_TIMEOUT")
    monkeypatch.setattr(zarr_writer, "_copy", copy)
    assert verify_product(f"s3://{bucket}/store", FRAME, PRODUCT, large) == []
    publish(large, bucket, "b2")
    assert verify_product(f"s3://{bucket}/store", FRAME, PRODUCT, large) == []
