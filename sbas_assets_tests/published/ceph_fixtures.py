"""Fixtures with a real S3 server; a test module asks for them by

    pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

so that all modules of a test process share one server.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from sbas_assets_tests.published.ceph_server import CephServer

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "ceph-authtool", "monmaptool")
OF_THE_USER = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE")


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


@pytest.fixture(scope="session")
def ceph() -> Iterator[CephServer]:
    if missing_programs():
        pytest.skip("radosgw is not installed (apt-get install radosgw ceph-mon ceph-osd ceph-common)")
    with CephServer() as server:
        yield server


def enter(ceph: CephServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make an environment in which an S3 client finds the server and nothing of the user's."""
    for name in OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(ceph.folder / "none"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name, value in ceph.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(ceph: CephServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh bucket, in the environment of `enter`."""
    enter(ceph, monkeypatch)
    return ceph.make_bucket()
