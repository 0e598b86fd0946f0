"""A real S3 server: who may read and write it, what it is asked, and no fault takes longer than its deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from sbas_assets.commands.examinations import store as examine_store
from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.deadlines import TIMEOUT, Deadlines
from sbas_assets.published.point import point_series
from sbas_assets.published.reading import list_products, open_frame, open_product
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.published.verify import verify_frame, verify_product
from sbas_assets.published.zarr_product import write_product
from sbas_assets.workspace import Settings
from sbas_assets_tests.published.ceph_server import CephServer
from sbas_assets_tests.published.conftest import FRAME, PROVENANCE, show
from sbas_assets_tests.published.slow_proxy import SlowProxy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

REQUEST_S = 1
BIG = os.urandom(3_000_000)
SERIES = "timeseries_demErr"

READING: dict[str, Callable[[Store], object]] = {
    "read": lambda store: store.read(store.path("big")),
    "read_tagged": lambda store: store.read_tagged(store.path("big")),
    "listing": lambda store: store.listing(store.root),
    "folders": lambda store: store.folders(store.root),
}
WRITING: dict[str, Callable[[Store], object]] = {
    "put": lambda store: store.put(store.path("a"), b"1"),
    "put_if": lambda store: store.put_if(store.path("new"), b"1", None),
    "delete": lambda store: store.delete([store.path("a")]),
}
OPERATIONS = READING | WRITING


@pytest.fixture
def url(bucket: str) -> str:
    return f"s3://{bucket}/some where/ü+%41"


@pytest.fixture
def store(url: str) -> Store:
    made = open_store(url, deadlines=Deadlines(REQUEST_S))
    made.put(made.path("big"), BIG)
    return made


@pytest.fixture
def proxy(ceph: CephServer) -> Iterator[SlowProxy]:
    with SlowProxy(ceph.port) as made:
        yield made


@pytest.fixture
def far(proxy: SlowProxy, store: Store) -> Store:
    return open_store(store.url, {"endpoint_url": proxy.endpoint}, deadlines=Deadlines(REQUEST_S))


def fault_of(operation: Callable[[Store], object], store: Store) -> InputError | OutsideError:
    """The error that an operation ends in; no later than thrice the time that it may take."""
    begun = time.monotonic()
    with pytest.raises((InputError, OutsideError)) as caught, store_faults(store.url):
        operation(store)
    # three silent requests in a row at most, each asked twice, and a busy machine
    assert time.monotonic() - begun < 3 * 2 * REQUEST_S + 15
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.mend
    return caught.value


def test_objects_are_deleted_many_at_a_time(ceph, store):
    paths = [store.path("many", str(number)) for number in range(30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: store.put(path, b""), paths))
    mark = ceph.mark()

    store.delete(paths)

    assert [request.method for request in ceph.since(mark)] == ["POST"]
    assert store.sizes(store.path("many")) == {}


def test_a_product_is_published_verified_and_read(geo, url):
    publish = partial(write_product, geo.timeseries, SERIES, url, FRAME, "a1", PROVENANCE, max_memory_gb=1)
    stored = publish().stored

    assert publish().reused
    assert stored.n_objects == len(open_store(url).sizes(open_store(url).path(stored.folder))) - 1
    assert verify_product(url, stored, geo.timeseries) == []
    assert list_products(url, FRAME) == []
    version = show(url, stored)
    assert verify_frame(url, FRAME, version, {SERIES: ("a1", geo.timeseries)}) == {"item": [], SERIES: []}
    assert verify_frame(url, FRAME) == {"item": [], SERIES: []}
    assert point_series(url, FRAME, 36.48, 25.32).displacement_m.size == 7


def test_credentials_are_those_of_a_profile(ceph, store, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    keys = f"aws_access_key_id = {ceph.access_key}\naws_secret_access_key = {ceph.secret_key}\n"
    (tmp_path / "credentials").write_text(f"[archive]\n{keys}")
    (tmp_path / "config").write_text(f"[profile archive]\nendpoint_url = {ceph.endpoint}\nregion = us-east-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "archive")
    made = open_store(store.url)

    made.put(made.path("a"), b"1")
    assert made.read(made.path("a")) == b"1"

    # a process that goes on for weeks notices that the file has changed
    (tmp_path / "credentials").write_text(f"[archive]\n{keys.replace(ceph.secret_key, 'wrong')}")
    for operation in ("read", "put"):
        assert fault_of(OPERATIONS[operation], open_store(store.url)).code == "store-permission"


def test_explicit_options_are_enough(ceph, store, monkeypatch):
    for name in ceph.environment:
        monkeypatch.delenv(name)
    options = {"key": ceph.access_key, "secret": ceph.secret_key, "endpoint_url": ceph.endpoint}
    inner = {"aws_access_key_id": ceph.access_key, "aws_secret_access_key": ceph.secret_key}
    for given in (options, {"client_kwargs": inner | {"endpoint_url": ceph.endpoint, "region_name": "us-east-1"}}):
        made = open_store(store.url, given)
        made.put(made.path("a"), b"1")
        assert made.read(made.path("a")) == b"1"


def test_a_public_bucket_is_read_without_credentials_and_not_written(ceph, geo, store, monkeypatch):
    written = write_product(geo.velocity, "velocity", store.url, FRAME, "a1", PROVENANCE, max_memory_gb=1)
    show(store.url, written.stored)
    ceph.set_policy(store.root.split("/")[0])
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    made = open_store(store.url, deadlines=Deadlines(REQUEST_S))

    for operation in READING.values():
        operation(made)
    assert open_product(store.url, FRAME, "velocity").velocity.shape == (30, 40)
    assert open_frame(f"{store.url}/{FRAME}").velocity.shape == (30, 40)
    assert verify_frame(store.url, FRAME)["velocity"] == []
    for operation in WRITING.values():
        fault = fault_of(operation, made)
        assert fault.code == "store-permission"
        assert "no AWS credentials were found" in str(fault)
    asked_for = open_store(store.url, {"anon": True})
    assert "credentials were found" not in str(fault_of(WRITING["put"], asked_for))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "store-permission"),
        ({"key": "NOBODY"}, "store-permission"),
        ({"anon": True}, "store-permission"),
        ({"endpoint_url": "http://127.0.0.1:9"}, "store-unreachable"),
    ],
)
def test_who_may_not_or_asks_nobody_is_told(ceph, store, operation, change, code):
    options = {"key": ceph.access_key, "secret": ceph.secret_key} | change
    assert fault_of(OPERATIONS[operation], open_store(store.url, options, deadlines=Deadlines(REQUEST_S))).code == code


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_missing_bucket_is_told_from_a_missing_object(bucket, operation):
    assert fault_of(OPERATIONS[operation], open_store("s3://no-such-bucket/x")).code == "store-bucket-missing"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_hangs_is_given_up(ceph, store, operation):
    ceph.freeze_gateway()
    try:
        assert fault_of(OPERATIONS[operation], store).code == "store-unreachable"
    finally:
        ceph.thaw_gateway()


@pytest.mark.parametrize("attempt", ["publish", "verify", "verify the frame"])
def test_a_product_of_a_server_that_hangs_is_given_up(geo, url, proxy, monkeypatch, attempt):
    monkeypatch.setenv(TIMEOUT, str(REQUEST_S))
    publish = partial(write_product, geo.timeseries, SERIES, url, FRAME, max_memory_gb=1)
    stored = publish("a1", PROVENANCE).stored
    version = show(url, stored)
    options = {"endpoint_url": proxy.endpoint}
    proxy.hang_after(20_000)
    begun = time.monotonic()

    attempts = {
        "publish": partial(publish, "b2", PROVENANCE, storage_options=options),
        "verify": partial(verify_product, url, stored, storage_options=options),
        "verify the frame": partial(verify_frame, url, FRAME, storage_options=options),
    }
    with pytest.raises(OutsideError, match="store-unreachable"):
        attempts[attempt]()

    # three silent requests in a row at most, each asked twice, and a busy machine
    assert time.monotonic() - begun < 3 * 2 * REQUEST_S + 15
    proxy.resume()
    assert open_frame(f"{url}/{FRAME}").attrs["version"] == version
    assert open_product(url, FRAME, SERIES).attrs["product_version"] == "a1"


@pytest.mark.parametrize("operation", ["read", "read_tagged"])
def test_an_object_whose_connection_broke_is_read_again(far, proxy, operation):
    proxy.cut_after(1_000_000)
    found = OPERATIONS[operation](far)
    assert proxy.cuts == 1
    assert found == BIG or found[0] == BIG


def test_an_object_whose_connection_broke_is_written_again(far, proxy):
    proxy.cut_after(1_000_000, upwards=True)
    far.put(far.path("again"), BIG)
    assert proxy.cuts == 1
    assert far.read(far.path("again")) == BIG


@pytest.mark.parametrize("operation", ["read", "read_tagged", "put"])
def test_a_server_that_falls_silent_in_the_middle_of_an_object_is_given_up(far, proxy, operation):
    big = {"put": lambda store: store.put(store.path("again"), BIG)}
    proxy.hang_after(500_000)
    assert fault_of((OPERATIONS | big)[operation], far).code == "store-unreachable"
    proxy.resume()


@pytest.mark.parametrize("upwards", [False, True])
def test_a_connection_that_always_breaks_is_given_up(far, proxy, upwards):
    proxy.cut_after(700_000, upwards=upwards, always=True)
    operation = (lambda store: store.put(store.path("again"), BIG)) if upwards else READING["read"]
    assert fault_of(operation, far).code == "store-unreachable"
    assert proxy.cuts > 1


def test_doctor_tries_the_store_and_does_not_wait_long_for_one_that_hangs(ceph, url, tmp_path: Path):
    settings = Settings.under(tmp_path, store=url)
    assert examine_store(settings).status == "ok"
    assert open_store(url).sizes(open_store(url).root) == {}
    ceph.freeze_gateway()
    try:
        begun = time.monotonic()
        finding = examine_store(settings)
        assert time.monotonic() - begun < 15
    finally:
        ceph.thaw_gateway()
    assert finding.status == "failure"
    assert "[store-unreachable]" in finding.detail
