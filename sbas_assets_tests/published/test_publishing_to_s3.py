"""A frame published to a real S3 server: equal numbers, resumed where it stopped, with no request too many."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published import zarr_writer
from sbas_assets.published.current import Current, read_current
from sbas_assets.published.frame_version import NewVersion, publish
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.reading import open_frame, open_product
from sbas_assets.published.store import open_store
from sbas_assets.published.verify import verify_frame, verify_product
from sbas_assets.published.zarr_product import Written, write_product

from .ceph_server import CephServer
from .conftest import DATES, FRAME, GEO, PROVENANCE, displacement, show, write_mintpy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
PRODUCT = "timeseries_demErr"
TIMEOUT_S = 1
# a publication that kill -9 ends when it has sent some blocks
KILLED = """
import os, signal, sys
from pathlib import Path
from sbas_assets.published import zarr_writer
from sbas_assets_tests.published.test_publishing_to_s3 import write
copy, done = zarr_writer._copy, []
def killing(*task):
    if len(done) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    copy(*task)
    done.append(True)
zarr_writer._copy = killing
write(Path(sys.argv[1]), sys.argv[2], "b2")
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A series of several blocks, each written by itself."""
    shape = (500, 600)
    datasets = {"date": np.array(DATES, dtype="S8"), "timeseries": displacement(shape)}
    size = {"LENGTH": shape[0], "WIDTH": shape[1]}
    return write_mintpy(tmp_path / "geo_timeseries.h5", datasets, FILE_TYPE="timeseries", UNIT="m", **{**GEO, **size})


@pytest.fixture
def url(bucket: str) -> str:
    return f"s3://{bucket}/store"


def write(source: Path, url: str, version: str) -> Written:
    return write_product(source, PRODUCT, url, FRAME, version, PROVENANCE, max_memory_gb=0.002)


def asked(ceph: CephServer, mark: int) -> dict[str, Counter[str]]:
    """How often each object was asked for since the mark, by the request's method; listings are LIST."""
    found: dict[str, Counter[str]] = {}
    for request in ceph.since(mark):
        method = "LIST" if "list-type=2" in request.query else request.method
        found.setdefault(method, Counter())[request.path.split("/store/")[-1]] += 1
    return found


def version_objects(ceph: CephServer, url: str, version: str) -> set[str]:
    bucket, prefix = url.removeprefix("s3://").split("/", 1)
    names = ceph.objects(bucket, f"{prefix}/{FRAME}/{PRODUCT}/{version}/")
    return {name.removeprefix(f"{prefix}/") for name in names}


def test_what_is_read_from_the_bucket_equals_the_file(ceph: CephServer, url: str, large: Path) -> None:
    stored = write(large, url, "a1").stored
    show(url, stored)
    assert verify_product(url, stored, large) == []
    assert verify_frame(url, FRAME, sources={PRODUCT: ("a1", large)}) == {"item": [], PRODUCT: []}
    assert open_product(url, FRAME, PRODUCT).displacement.shape == (len(DATES), 500, 600)


def test_every_object_is_sent_once_and_the_manifest_last(ceph: CephServer, url: str, large: Path) -> None:
    mark = ceph.mark()
    stored = write(large, url, "a1").stored
    sent = [request.path.split("/store/")[-1] for request in ceph.since(mark) if request.method == "PUT"]
    objects = version_objects(ceph, url, "a1")
    assert sorted(sent) == sorted(objects)
    assert len(sent) == stored.n_objects + 1
    assert sent[-1] == f"{stored.folder}/manifest.json"
    # the root's metadata after all that it names
    assert sent[-2] == f"{stored.folder}/data.zarr/zarr.json"


def test_a_complete_version_costs_one_reading_and_one_listing(ceph: CephServer, url: str, large: Path) -> None:
    first = write(large, url, "a1")
    mark = ceph.mark()
    again = write(large, url, "a1")
    assert (again.reused, again.stored) == (True, first.stored)
    found = asked(ceph, mark)
    assert found.keys() == {"GET", "LIST"}
    assert found["GET"] == {f"{first.stored.folder}/manifest.json": 1}
    assert found["LIST"].total() == 1


def test_a_publication_moves_one_object_and_one_that_changes_nothing_writes_nothing(
    ceph: CephServer, url: str, large: Path
) -> None:
    stored = write(large, url, "a1").stored
    mark = ceph.mark()
    version = show(url, stored)
    own, item = f"{FRAME}/versions/{version}/item.json", f"{FRAME}/item.json"
    sent = [request.path.split("/store/")[-1] for request in ceph.since(mark) if request.method == "PUT"]
    assert sent == [own, item, "collection.json"]
    mark = ceph.mark()
    assert show(url, stored) == version
    assert asked(ceph, mark).keys() == {"GET", "LIST"}


def test_a_reader_of_a_frame_asks_for_the_item_the_metadata_and_the_axes(
    ceph: CephServer, url: str, large: Path
) -> None:
    stored = write(large, url, "a1").stored
    show(url, stored)
    mark = ceph.mark()
    open_frame(f"{url}/{FRAME}")
    found = asked(ceph, mark)
    group = f"{stored.folder}/data.zarr"
    axes = {f"{group}/{axis}/c/0" for axis in ("time", "y", "x")}
    assert found.keys() == {"GET"}
    assert found["GET"].keys() == {f"{FRAME}/item.json", f"{group}/zarr.json"} | axes
    assert found["GET"][f"{FRAME}/item.json"] == found["GET"][f"{group}/zarr.json"] == 1


def assert_only_what_is_missing_is_sent(ceph: CephServer, url: str, large: Path) -> None:
    """Take up version b2 of which something is there, and count."""
    mark = ceph.mark()
    there = version_objects(ceph, url, "b2")
    assert f"{FRAME}/{PRODUCT}/b2/data.zarr/displacement/c/0/0/0" in there
    assert not {name for name in there if name.endswith(".json")}
    done = write(large, url, "b2")
    assert not done.reused
    objects = version_objects(ceph, url, "b2")
    found = asked(ceph, mark)
    assert found["PUT"] == dict.fromkeys(objects - there, 1)
    assert found.keys() == {"GET", "LIST", "PUT"}
    # what is there, before and after
    version = [request for request in ceph.since(mark) if f"{PRODUCT}%2Fb2%2F&delimiter=&" in request.query]
    assert len(version) == 2
    assert verify_product(url, done.stored, large) == []
    show(url, done.stored)
    assert open_product(url, FRAME, PRODUCT).attrs["product_version"] == "b2"


def test_a_hanging_server_ends_the_publication_and_the_next_one_sends_what_is_missing(
    ceph: CephServer, url: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(large, url, "a1").stored
    show(url, first)
    monkeypatch.setenv("SBAS_STORE_TIMEOUT", str(TIMEOUT_S))
    copy, copied = zarr_writer._copy, []

    def freezing(*task: object) -> None:
        """The server hangs when the axes, the series by point and the first map are there."""
        copied.append(True)
        if len(copied) == 11:
            ceph.freeze_gateway()
        copy(*task)

    monkeypatch.setattr(zarr_writer, "_copy", freezing)
    began = time.monotonic()
    try:
        with pytest.raises(OutsideError) as caught:
            write(large, url, "b2")
    finally:
        took = time.monotonic() - began
        ceph.thaw_gateway()
    assert caught.value.code == "store-unreachable"
    assert took < 20 * TIMEOUT_S
    monkeypatch.delenv("SBAS_STORE_TIMEOUT")
    monkeypatch.setattr(zarr_writer, "_copy", copy)
    assert verify_frame(url, FRAME, sources={PRODUCT: ("a1", large)}) == {"item": [], PRODUCT: []}
    assert open_product(url, FRAME, PRODUCT).attrs["product_version"] == "a1"
    assert_only_what_is_missing_is_sent(ceph, url, large)


def test_after_kill_9_the_next_publication_sends_what_is_missing(ceph: CephServer, url: str, large: Path) -> None:
    show(url, write(large, url, "a1").stored)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(large), url], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert open_product(url, FRAME, PRODUCT).attrs["product_version"] == "a1"
    assert_only_what_is_missing_is_sent(ceph, url, large)


@pytest.mark.parametrize("damage", ["lost", "changed", "planted"])
def test_of_a_damaged_version_only_what_is_wrong_is_sent_again(
    ceph: CephServer, bucket: str, url: str, large: Path, damage: str
) -> None:
    first = write(large, url, "a1").stored
    s3, chunk = ceph.client(), f"{first.folder}/data.zarr/maps/0/displacement/c/3/0/0"
    key, late = f"store/{chunk}", f"store/{first.folder}/data.zarr/velocity/c/9"
    if damage == "lost":
        s3.delete_object(Bucket=bucket, Key=key)
    elif damage == "changed":
        content = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        content[100] ^= 1
        s3.put_object(Bucket=bucket, Key=key, Body=bytes(content))
    else:
        s3.put_object(Bucket=bucket, Key=late, Body=b"late")
    assert len(verify_product(url, first)) == 1
    mark = ceph.mark()
    again = write(large, url, "a1")
    found = asked(ceph, mark)
    expected = [f"{first.folder}/manifest.json", *([] if damage == "planted" else [chunk])]
    assert found["PUT"] == dict.fromkeys(expected, 1)
    # one request removes the manifest, which is true no longer, and what is not of this version
    assert found.keys() == {"GET", "LIST", "PUT", "POST"}
    assert found["POST"].total() == 1
    assert not again.reused
    assert again.stored == first
    assert verify_product(url, first, large) == []


def test_of_two_publications_at_once_one_wins_and_the_other_is_told(url: str, large: Path) -> None:
    store = open_store(url)
    one, other = (write(large, url, version).stored for version in ("a1", "b2"))
    shown = show(url, one)
    before = read_current(store, FRAME)
    newer = show(url, other)

    def publish_again(version: str, product: ProductVersion, seen: Current | None) -> bool:
        return publish(store, NewVersion(FRAME, version, (product,), PROVENANCE), seen, datetime.now(UTC))

    for seen in (before, None):
        with pytest.raises(InputError, match=f"publish-conflict.*moved this frame to version {newer}") as caught:
            publish_again("c" * 32, one, seen)
        assert caught.value.frame == FRAME
        assert open_frame(f"{url}/{FRAME}").attrs["version"] == newer
    # who was too late, but wanted the same, has what he wanted
    assert publish_again(newer, other, before)
    assert publish_again(shown, one, read_current(store, FRAME))
    assert open_frame(f"{url}/{FRAME}").attrs["version"] == shown
