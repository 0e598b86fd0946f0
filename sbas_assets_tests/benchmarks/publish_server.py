"""The tests' S3 server, near and far away.

Belongs here: where a benchmark's stores are. Does not belong here: what is in them.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from sbas_assets.published.store import Store, open_store
from sbas_assets_tests.published.ceph_server import REGION, CephServer
from sbas_assets_tests.published.slow_proxy import SlowProxy

BUCKET = "benchmark"
# a server's own needs, and an object store that is never nearly full
ROOM = 3 << 30


@dataclass(frozen=True)
class Server:
    """A fresh server with one bucket.

    Parameters
    ----------
    ceph : CephServer
        The server.
    near, far : Store
        The bucket, reached directly, and with the added round trip.
    """

    ceph: CephServer
    near: Store
    far: Store


@contextmanager
def fresh_server(n_bytes: int, round_trip_s: float) -> Iterator[Server]:
    """Start a server for so many bytes, and a proxy in a process of its own, which takes no time from the reader."""
    with CephServer(size=n_bytes + ROOM) as ceph:
        ceph.make_bucket(BUCKET)
        ours, theirs = multiprocessing.Pipe()
        spawned = multiprocessing.get_context("spawn").Process(
            target=_delay, args=(ceph.port, round_trip_s / 2, theirs), daemon=True
        )
        spawned.start()
        try:
            yield Server(ceph, _store(ceph, ceph.endpoint), _store(ceph, ours.recv()))
        finally:
            ours.send("end")
            spawned.join()


def _delay(port: int, delay_s: float, connection: Connection) -> None:
    with SlowProxy(port, delay_s) as proxy:
        connection.send(proxy.endpoint)
        connection.recv()


def _store(ceph: CephServer, endpoint: str) -> Store:
    address = {"endpoint_url": endpoint, "region_name": REGION}
    return open_store(f"s3://{BUCKET}", {"key": ceph.access_key, "secret": ceph.secret_key, "client_kwargs": address})
