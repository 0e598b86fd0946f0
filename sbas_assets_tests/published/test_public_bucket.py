"""A public bucket read without credentials, by a process of its own, and what it is told of a private one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ceph_server import CephServer
from .conftest import FRAME
from .published_frame import PublishedFrame

pytest_plugins = [f"sbas_assets_tests.published.{name}" for name in ("ceph_fixtures", "frame_fixtures")]

# Row 40, column 300.
PIXEL, LAT, LON = (40, 300), "36.4595", "25.901"
POINT = (
    sys.executable,
    "-c",
    "import sys; from sbas_assets.cli import main; sys.exit(main())",
    "point",
    FRAME,
    LAT,
    LON,
)
READERS = {
    "our own": "import sbas_assets; print(float(sbas_assets.open_frame('{s3}').velocity[40, 300]))",
    "our own, by the web": "import sbas_assets; print(float(sbas_assets.open_frame('{web}').velocity[40, 300]))",
    "xarray": "import xarray as xr; "
    "data = xr.open_zarr('{s3}/velocity/a1/data.zarr', storage_options={{'anon': True}}); "
    "print(float(data.velocity[40, 300]))",
    "xarray, by the web": "import xarray as xr; data = xr.open_zarr('{web}/velocity/a1/data.zarr'); "
    "print(float(data.velocity[40, 300]))",
    "GDAL": "import rasterio; data = rasterio.open('{vsi}/velocity/a1/velocity.tif'); print(data.read(1)[40, 300])",
    "GDAL, by the web": "import rasterio; data = rasterio.open('/vsicurl/{web}/velocity/a1/velocity.tif'); "
    "print(data.read(1)[40, 300])",
    "GDAL, Zarr by the web": """import rasterio
data = rasterio.open('ZARR:"/vsicurl/{web}/velocity/a1/data.zarr":/velocity')
print(data.read(1)[40, 300])""",
}


@pytest.fixture
def stranger(ceph: CephServer, tmp_path: Path) -> dict[str, str]:
    """An environment that knows the server's address, and no credentials."""
    known = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    told = {"AWS_ENDPOINT_URL": ceph.endpoint, "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}
    gdal = {
        "S3_ENDPOINT": f"127.0.0.1:{ceph.port}",
        "HTTPS": "NO",
        "VIRTUAL_HOSTING": "FALSE",
        "NO_SIGN_REQUEST": "YES",
    }
    return {**known, **told, **{f"AWS_{name}": value for name, value in gdal.items()}, "HOME": str(tmp_path)}


@pytest.fixture
def public(ceph: CephServer, frame_on_s3: PublishedFrame) -> Iterator[PublishedFrame]:
    bucket = frame_on_s3.url.split("/")[2]
    ceph.set_policy(bucket)
    yield frame_on_s3
    ceph.set_policy(bucket, public_read=False)


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def addressed(code: str, frame: PublishedFrame, ceph: CephServer) -> str:
    path = frame.url.removeprefix("s3://")
    return code.format(s3=frame.url, web=f"{ceph.endpoint}/{path}", vsi=f"/vsis3/{path}")


@pytest.mark.parametrize("reader", READERS)
def test_nobodys_credentials_are_needed(
    reader: str, public: PublishedFrame, ceph: CephServer, stranger: dict[str, str]
) -> None:
    done = run(stranger, sys.executable, "-c", addressed(READERS[reader], public, ceph))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(public.numbers("velocity", "velocity")[PIXEL], rel=1e-6)
    assert "Unclosed" not in done.stderr


def test_on_the_web_a_version_is_found_by_its_whole_name(
    public: PublishedFrame, ceph: CephServer, stranger: dict[str, str]
) -> None:
    version = public.item()["properties"]["version"]
    opened = f"import sbas_assets; print(sbas_assets.open_frame('{{web}}', '{version}').attrs['version'])"
    done = run(stranger, sys.executable, "-c", addressed(opened, public, ceph))
    assert done.stdout.strip() == version, done.stderr


def test_the_series_at_a_place_is_told_to_everybody(public: PublishedFrame, stranger: dict[str, str]) -> None:
    done = run(stranger | {"SBAS_STORE": public.url.rpartition("/")[0]}, *POINT)
    assert done.returncode == 0, done.stderr
    last = public.numbers("timeseries_demErr", "timeseries")[-1, *PIXEL] * 1000
    assert f" 2020-03-29 {last:.2f}" in re.sub(" +", " ", done.stdout)


def test_of_a_private_bucket_it_is_told_that_credentials_lack(
    frame_on_s3: PublishedFrame, ceph: CephServer, stranger: dict[str, str]
) -> None:
    store = {"SBAS_STORE": frame_on_s3.url.rpartition("/")[0]}
    opened = addressed(READERS["our own"], frame_on_s3, ceph)
    for done in (run(stranger | store, *POINT), run(stranger, sys.executable, "-c", opened)):
        assert done.returncode != 0
        assert "store-permission" in done.stderr
        assert "no AWS credentials were found" in " ".join(done.stderr.split())


def test_of_a_private_web_address_access_is_told_to_be_refused(
    frame_on_s3: PublishedFrame, ceph: CephServer, stranger: dict[str, str]
) -> None:
    done = run(stranger, sys.executable, "-c", addressed(READERS["our own, by the web"], frame_on_s3, ceph))
    assert done.returncode != 0
    assert "store-permission" in done.stderr
