"""A frame for readers: published once per module to a folder, and to a real S3 server. A test module asks for it by

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sbas_assets_tests.published.ceph_fixtures import enter
from sbas_assets_tests.published.ceph_server import CephServer
from sbas_assets_tests.published.published_frame import PublishedFrame, publish_frame, write_sources


def tell_gdal_and_obstore(ceph: CephServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither reads all of what other S3 clients read of a server that is not Amazon's."""
    told = {"S3_ENDPOINT": f"127.0.0.1:{ceph.port}", "HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE", "ALLOW_HTTP": "true"}
    for name, value in told.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("GDAL_HTTP_PROXY", "")


@pytest.fixture(scope="module")
def frame_in_folder(tmp_path_factory: pytest.TempPathFactory) -> PublishedFrame:
    folder = tmp_path_factory.mktemp("frame")
    return publish_frame(str(folder / "store"), write_sources(folder), folder)


@pytest.fixture(scope="module")
def frame_on_s3(ceph: CephServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishedFrame]:
    """A frame in a bucket of its own, and an environment in which every client finds the server."""
    folder = tmp_path_factory.mktemp("frame")
    with pytest.MonkeyPatch.context() as monkeypatch:
        enter(ceph, monkeypatch)
        tell_gdal_and_obstore(ceph, monkeypatch)
        yield publish_frame(f"s3://{ceph.make_bucket()}/store", write_sources(folder), folder)


@pytest.fixture(params=["folder", "s3"], scope="module")
def frame(request: pytest.FixtureRequest) -> PublishedFrame:
    """A frame that all tests of a module read."""
    return request.getfixturevalue({"folder": "frame_in_folder", "s3": "frame_on_s3"}[request.param])
