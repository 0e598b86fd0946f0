"""A fault in the middle of a publication: one message with a code, in bounded time, nothing lost, and it goes on later.

Real faults of a real server where it can have them. That each single request ends in bounded time, whatever happens to
it, is tested with the store.
"""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import botocore.auth
import pytest

from sbas_assets.errors import InputError, OutsideError, SbasError
from sbas_assets.published.deadlines import TIMEOUT
from sbas_assets.published.history import read_history
from sbas_assets.published.reading import open_frame
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.published.verify import verify_frame
from sbas_assets.published.zarr_product import write_product

from .ceph_server import CephServer
from .conftest import FRAME, PROVENANCE, Sources, show
from .slow_proxy import SlowProxy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
REQUEST_S = 2
# a server that refuses is asked for some seconds, one that is silent twice; generous for a busy machine
BOUND_S = 40
MIDDLE = 40
"""Objects that are there when a fault begins, of about 75."""
WHOLE = {name: [] for name in ("item", "temporalCoherence", "timeseries_demErr", "velocity")}


def publish(url: str, geo: Sources, version: str) -> None:
    files = {"velocity": geo.velocity, "temporalCoherence": geo.coherence, "timeseries_demErr": geo.timeseries}
    stored = [
        write_product(file, product, url, FRAME, version, PROVENANCE, max_memory_gb=1).stored
        for product, file in files.items()
    ]
    with store_faults(url):
        show(url, *stored)


def before_put(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[], object]) -> None:
    """Let something happen before an object is sent, once."""
    real, calls = Store.put, []

    def put(self: Store, path: str, data: bytes, *, flushed: bool = True) -> None:
        calls.append(path)
        if len(calls) == number:
            action()
        real(self, path, data, flushed=flushed)

    monkeypatch.setattr(Store, "put", put)


def fault_of(attempt: Callable[[], object]) -> SbasError:
    begun = time.monotonic()
    with pytest.raises((InputError, OutsideError)) as caught:
        attempt()
    assert time.monotonic() - begun < BOUND_S
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.mend
    return caught.value


class Server:
    """The real server, and what can happen to it; `mend` takes it back."""

    def __init__(self, ceph: CephServer, proxy: SlowProxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ceph, self.proxy, self.bucket, self.patch = ceph, proxy, bucket, monkeypatch
        self.mends: list[Callable[[], object]] = []

    def mend(self) -> None:
        while self.mends:
            self.mends.pop()()

    def refuses(self) -> None:
        self.mends.append(self.ceph.start_gateway)
        self.ceph.stop_gateway()

    def hangs(self) -> None:
        self.mends.append(self.proxy.resume)
        self.proxy.hang()

    def cuts(self) -> None:
        # two bytes into whatever is sent, again and again
        self.mends.append(self.proxy._left.clear)
        self.proxy.cut_after(2, upwards=True, always=True)

    def forgets_the_key(self) -> None:
        key = ["--uid=tests", "--key-type=s3", f"--access-key={self.ceph.access_key}"]
        self.mends.append(lambda: self.ceph.administer("key", "create", *key, f"--secret-key={self.ceph.secret_key}"))
        self.ceph.administer("key", "rm", *key)

    def forbids_writing(self) -> None:
        client = self.ceph.client()
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{self.bucket}/*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
        self.mends.append(lambda: client.delete_bucket_policy(Bucket=self.bucket))
        client.put_bucket_policy(Bucket=self.bucket, Policy=policy)

    def is_full(self) -> None:
        scope = ["--quota-scope=bucket", f"--bucket={self.bucket}"]
        self.mends.append(lambda: self.ceph.administer("quota", "disable", *scope))
        self.ceph.administer("quota", "set", *scope, "--max-objects=1")
        self.ceph.administer("quota", "enable", *scope)

    def has_another_clock(self) -> None:
        right = botocore.auth.get_current_datetime
        self.mends.append(lambda: self.patch.setattr(botocore.auth, "get_current_datetime", right))
        off = timedelta(minutes=20)
        self.patch.setattr(botocore.auth, "get_current_datetime", lambda *words: right(*words) - off)


@pytest.fixture
def server(ceph: CephServer, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv(TIMEOUT, str(REQUEST_S))
    with SlowProxy(ceph.port) as proxy:
        made = Server(ceph, proxy, bucket, monkeypatch)
        yield made
        made.mend()


FAULTS = [
    (Server.refuses, "store-unreachable"),
    (Server.hangs, "store-unreachable"),
    (Server.cuts, "store-unreachable"),
    (Server.forgets_the_key, "store-permission"),
    (Server.forbids_writing, "store-permission"),
    (Server.is_full, "store-full"),
    (Server.has_another_clock, "store-clock-skewed"),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_a_fault_in_the_middle_loses_nothing_and_the_next_attempt_goes_on(geo, server, monkeypatch, fault, code):
    url, ceph = f"s3://{server.bucket}/store", server.ceph
    publish(url, geo, "a1")
    before = ceph.objects(server.bucket)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.proxy.endpoint)
        before_put(patch, MIDDLE, lambda: fault(server))
        assert fault_of(lambda: publish(url, geo, "b2")).code == code
    server.mend()

    assert verify_frame(url, FRAME) == WHOLE
    assert open_frame(f"{url}/{FRAME}").velocity.shape == (30, 40)
    there = ceph.objects(server.bucket)
    assert before.items() <= there.items()
    assert len(there) - len(before) >= MIDDLE - 2
    mark = ceph.mark()
    publish(url, geo, "b2")
    sent = {request.path.partition(f"{server.bucket}/")[2] for request in ceph.since(mark) if request.method == "PUT"}
    # the pointer, the version before, which now names its successor, and the collection
    assert {name.rsplit("/", 1)[-1] for name in sent & there.keys()} <= {"item.json", "collection.json"}
    assert verify_frame(url, FRAME) == WHOLE


def test_a_connection_that_breaks_once_and_again_does_not_stop_a_publication(geo, server, monkeypatch):
    url = f"s3://{server.bucket}/store"
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.proxy.endpoint)
        server.proxy.cut_after(30_000, upwards=True, always=True)
        publish(url, geo, "a1")
    assert server.proxy.cuts > 1
    assert verify_frame(url, FRAME) == WHOLE


def test_a_publication_sees_that_a_write_whose_answer_was_lost_was_done(geo, server, monkeypatch):
    url, real, cut = f"s3://{server.bucket}/store", Store.put_if, []

    def put_if(self: Store, path: str, data: bytes, expected: str | None) -> str:
        cut.append((path.rsplit("/", 1)[-1], expected is None))
        server.proxy.cut_after(1)
        return real(self, path, data, expected)

    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.proxy.endpoint)
        patch.setattr(Store, "put_if", put_if)
        publish(url, geo, "a1")
        publish(url, geo, "b2")
    assert cut == [("item.json", True), ("collection.json", True), ("item.json", False)]
    assert server.proxy.cuts == 3
    assert verify_frame(url, FRAME) == WHOLE
    assert [kept.publication for kept in read_history(open_store(url), FRAME)] == [2, 1]


def test_a_bucket_that_vanishes_is_told_and_published_into_again(geo, server, monkeypatch):
    url, client = f"s3://{server.bucket}/store", server.ceph.client()

    def vanish() -> None:
        # other threads go on writing
        while True:
            for name in server.ceph.objects(server.bucket):
                client.delete_object(Bucket=server.bucket, Key=name)
            with suppress(client.exceptions.ClientError):
                client.delete_bucket(Bucket=server.bucket)
                return

    with monkeypatch.context() as patch:
        before_put(patch, MIDDLE, vanish)
        assert fault_of(lambda: publish(url, geo, "a1")).code == "store-bucket-missing"
    assert fault_of(lambda: publish(url, geo, "a1")).code == "store-bucket-missing"
    server.ceph.make_bucket(server.bucket)
    publish(url, geo, "a1")
    assert verify_frame(url, FRAME) == WHOLE


@pytest.mark.parametrize("wrong", [{"AWS_SECRET_ACCESS_KEY": "wrong"}, {"AWS_ACCESS_KEY_ID": "NOBODY"}, None])
def test_wrong_or_missing_credentials_write_nothing(geo, server, monkeypatch, wrong):
    url = f"s3://{server.bucket}/store"
    for name in () if wrong else ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name, value in (wrong or {}).items():
        monkeypatch.setenv(name, value)
    fault = fault_of(lambda: publish(url, geo, "a1"))
    assert fault.code == "store-permission"
    assert ("no AWS credentials were found" in str(fault)) == (wrong is None)
    assert server.ceph.objects(server.bucket) == {}


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The system refuses to write larger files, as it does when a disk is full or a quota used up."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_loses_nothing_and_the_next_attempt_goes_on(geo, tmp_path, monkeypatch):
    url, real, calls, alone = str(tmp_path / "store"), Store.put, [], threading.Lock()
    publish(url, geo, "a1")

    def put(self: Store, path: str, data: bytes, *, flushed: bool = True) -> None:
        calls.append(path)
        # the limit is the whole process's
        with alone, files_of_at_most(1 if len(calls) >= MIDDLE else 1 << 30):
            real(self, path, data, flushed=flushed)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", put)
        fault = fault_of(lambda: publish(url, geo, "b2"))
    assert fault.code == "store-full"
    assert verify_frame(url, FRAME) == WHOLE
    there = {path: path.stat().st_mtime_ns for path in Path(url).rglob("b2/**/*") if path.is_file()}
    assert len(there) >= MIDDLE - 2
    publish(url, geo, "b2")
    assert {path: path.stat().st_mtime_ns for path in there} == there
    assert verify_frame(url, FRAME) == WHOLE
    assert not list(open_store(url).fs.glob(f"{url}/**/.*.[0-9]*"))
