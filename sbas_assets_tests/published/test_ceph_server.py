"""The S3 server of the tests is a real one: rights, conditions, faults; its count of requests is exact."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from sbas_assets_tests.published.ceph_server import CephServer
from sbas_assets_tests.published.slow_proxy import SlowProxy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

MEGABYTE = bytes(range(256)) * 4096


@pytest.fixture
def put(ceph: CephServer, bucket: str) -> Callable[..., None]:
    def run(**objects: bytes) -> None:
        for key, body in objects.items():
            ceph.client().put_object(Bucket=bucket, Key=key, Body=body)

    return run


def s3_file_system():
    s3fs = pytest.importorskip("s3fs")
    return s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)


def obstore_of(ceph: CephServer, bucket: str):
    s3_store = pytest.importorskip("obstore.store").S3Store
    return s3_store(
        bucket, endpoint=ceph.endpoint, client_options={"allow_http": True}, virtual_hosted_style_request=False
    )


def refused(action: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        action()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def traces(folder: Path | str) -> list[str]:
    """Programs with the folder in their command line."""
    found = subprocess.run(["/bin/ps", "-ewwo", "stat,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(folder) in line and not line.startswith("Z")]


def test_a_wrong_secret_is_refused(ceph, bucket):
    client = ceph.client(secret_key="wrong")
    assert refused(lambda: client.list_objects_v2(Bucket=bucket)) == (403, "SignatureDoesNotMatch")


def test_anonymous_reads_need_a_policy(ceph, bucket, put):
    put(key=b"x")
    anonymous = ceph.client(signed=False)
    assert refused(lambda: anonymous.get_object(Bucket=bucket, Key="key")) == (403, "AccessDenied")
    ceph.set_policy(bucket)
    assert urllib.request.urlopen(f"{ceph.endpoint}/{bucket}/key", timeout=10).read() == b"x"
    assert refused(lambda: anonymous.put_object(Bucket=bucket, Key="key", Body=b"y")) == (403, "AccessDenied")
    assert refused(lambda: anonymous.get_object(Bucket=bucket, Key="no")) == (404, "NoSuchKey")
    ceph.set_policy(bucket, public_read=False)
    assert refused(lambda: anonymous.get_object(Bucket=bucket, Key="key")) == (403, "AccessDenied")


def test_s3fs_writes_reads_and_lists(ceph, bucket):
    files = s3_file_system()
    files.pipe_file(f"{bucket}/a/b é", MEGABYTE)
    assert files.cat_file(f"{bucket}/a/b é") == MEGABYTE
    assert files.cat_file(f"{bucket}/a/b é", start=1000, end=1010) == MEGABYTE[1000:1010]
    assert files.find(bucket) == [f"{bucket}/a/b é"]
    assert ceph.objects(bucket) == {"a/b é": len(MEGABYTE)}
    assert ceph.objects(bucket, "b") == {}


def test_obstore_writes_reads_and_lists(ceph, bucket):
    store = obstore_of(ceph, bucket)
    store.put("a/b", MEGABYTE)
    assert store.get("a/b").bytes() == MEGABYTE
    assert store.get_range("a/b", start=1000, end=1010) == MEGABYTE[1000:1010]
    assert [entry["path"] for batch in store.list() for entry in batch] == ["a/b"]
    assert ceph.objects(bucket, "a/") == {"a/b": len(MEGABYTE)}


def test_only_the_first_conditional_create_succeeds(ceph, bucket):
    store = obstore_of(ceph, bucket)
    exists = pytest.importorskip("obstore.exceptions").AlreadyExistsError
    store.put("pointer", b"1", mode="create")
    with pytest.raises(exists):
        store.put("pointer", b"2", mode="create")
    assert store.get("pointer").bytes() == b"1"


def test_requests_are_counted_exactly(ceph, bucket, put):
    put(**{"a": b"1", "b b": b"22", "c": MEGABYTE})
    client = ceph.client()
    mark = ceph.mark()
    for key in ("a", "b b", "c"):
        client.get_object(Bucket=bucket, Key=key)["Body"].read()
    client.get_object(Bucket=bucket, Key="c", Range="bytes=5-14")["Body"].read()
    client.head_object(Bucket=bucket, Key="a")
    assert refused(lambda: client.get_object(Bucket=bucket, Key="no")) == (404, "NoSuchKey")
    requests = ceph.since(mark)
    assert [(one.method, one.path.removeprefix(f"/{bucket}/"), one.status, one.span) for one in requests] == [
        ("GET", "a", 200, ""),
        ("GET", "b b", 200, ""),
        ("GET", "c", 200, ""),
        ("GET", "c", 206, "bytes=5-14"),
        ("HEAD", "a", 200, ""),
        ("GET", "no", 404, ""),
    ]
    assert [one.n_bytes for one in requests][:5] == [1, 2, len(MEGABYTE), 10, 0]
    assert ceph.since(ceph.mark()) == []
    assert ceph.since(0)[-6:] == requests


def test_requests_side_by_side_are_counted_exactly(ceph, bucket, put):
    put(key=b"x")
    client = ceph.client()
    with ThreadPoolExecutor(8) as pool:
        for count in (1, 7, 40, 100):
            mark = ceph.mark()
            list(pool.map(lambda _: client.get_object(Bucket=bucket, Key="key")["Body"].read(), range(count)))
            assert [one.method for one in ceph.since(mark)] == ["GET"] * count


def test_objects_outlive_a_killed_gateway(ceph, bucket, put):
    put(key=MEGABYTE)
    mark = ceph.mark()
    ceph.stop_gateway()
    try:
        with pytest.raises(EndpointConnectionError):
            ceph.client().get_object(Bucket=bucket, Key="key")
        assert ceph.since(mark) == []
    finally:
        ceph.start_gateway()
    assert ceph.client().get_object(Bucket=bucket, Key="key")["Body"].read() == MEGABYTE
    assert [one.method for one in ceph.since(mark)] == ["GET"]
    # by default the new gateway would wait 30 s for the dead one before it changes what both may have cached
    begin = time.monotonic()
    ceph.make_bucket()
    assert time.monotonic() - begin < 10


def test_a_frozen_gateway_does_not_answer_and_serves_again_when_thawed(ceph, bucket, put):
    put(key=b"x")
    ceph.freeze_gateway()
    try:
        begin = time.monotonic()
        with pytest.raises(ReadTimeoutError):
            ceph.client(timeout_s=0.5).get_object(Bucket=bucket, Key="key")
        assert 0.4 < time.monotonic() - begin < 5
    finally:
        ceph.thaw_gateway()
    assert ceph.client().get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


def test_the_proxy_delays_requests_and_answers(ceph, bucket, put):
    put(key=MEGABYTE)
    with SlowProxy(ceph.port) as proxy:
        client = ceph.client(endpoint=proxy.endpoint)
        times = []
        for delay_s in (0, 0.15):
            proxy.delay_s = delay_s
            begin = time.monotonic()
            assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == MEGABYTE
            times.append(time.monotonic() - begin)
        # two requests on one connection; the signature holds the proxy's address
        assert times[1] > 0.29
        assert times[1] < times[0] + 1
        assert proxy.connections == 1
        assert 200 < proxy.bytes_up < 10_000
        assert 2 * len(MEGABYTE) < proxy.bytes_down < 2 * len(MEGABYTE) + 10_000


@pytest.mark.parametrize("upwards", [False, True])
def test_the_proxy_cuts_a_body_once(ceph, bucket, put, upwards):
    put(key=MEGABYTE)
    with SlowProxy(ceph.port) as proxy:
        client = ceph.client(endpoint=proxy.endpoint)

        def act() -> bytes:
            if upwards:
                client.put_object(Bucket=bucket, Key="new", Body=MEGABYTE)
            return client.get_object(Bucket=bucket, Key="key")["Body"].read()

        proxy.cut_after(len(MEGABYTE) // 2, upwards=upwards)
        # botocore has a class of its own for each place where a connection can break
        with pytest.raises(Exception, match=r"(?i)connection|reset|broken|aborted|closed"):
            act()
        assert proxy.cuts == 1
        assert ceph.objects(bucket) == {"key": len(MEGABYTE)}
        assert act() == MEGABYTE
        assert proxy.cuts == 1


def test_a_hanging_proxy_forwards_nothing_until_it_resumes(ceph, bucket, put):
    put(key=b"x")
    with SlowProxy(ceph.port) as proxy:
        proxy.hang()
        mark = ceph.mark()
        with pytest.raises(ReadTimeoutError):
            ceph.client(endpoint=proxy.endpoint, timeout_s=0.5).get_object(Bucket=bucket, Key="key")
        assert ceph.since(mark) == []
        proxy.resume()
        assert ceph.client(endpoint=proxy.endpoint).get_object(Bucket=bucket, Key="key")["Body"].read() == b"x"


def test_nothing_is_left_of_a_stopped_server(ceph):
    with CephServer() as other:
        assert other.port != ceph.port
        assert len(traces(other.folder)) == 4
    assert traces(other.folder) == []
    assert not other.folder.exists()
    connection = http.client.HTTPConnection("127.0.0.1", other.port, timeout=5)
    with pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/")


def test_nothing_is_left_of_a_start_that_failed(ceph, monkeypatch):
    other = CephServer()

    def fail() -> None:
        assert len(traces(other.folder)) == 3
        raise KeyboardInterrupt

    monkeypatch.setattr(other, "start_gateway", fail)
    with pytest.raises(KeyboardInterrupt):
        other.__enter__()
    assert traces(other.folder) == []
    assert not other.folder.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, 0])
def test_nothing_is_left_when_the_test_process_ends(ceph, how):
    # a shell that started the tests in the background has them, and their children, ignore some signals
    code = f"""
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from {CephServer.__module__} import CephServer
server = CephServer().__enter__()
server.freeze_gateway()
print(server.folder, flush=True)
time.sleep({60 if how else 0})
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().decode().strip())
        if how:
            os.kill(process.pid, how)
        process.wait(30)
    deadline = time.monotonic() + 10
    while (traces(folder) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert traces(folder) == []
    assert not folder.exists()
