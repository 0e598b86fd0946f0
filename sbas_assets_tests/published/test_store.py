"""Faults of stores become errors with a code, and a local pointer moves in one step."""

from __future__ import annotations

import errno

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.reading import open_product
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.workspace import atomic_write

URL = "s3://bucket/prefix"


def no_such_bucket() -> FileNotFoundError:
    error = FileNotFoundError("The specified bucket does not exist")
    error.__cause__ = ClientError({"Error": {"Code": "NoSuchBucket"}}, "PutObject")
    return error


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (PermissionError("Access Denied"), InputError, "store-permission"),
        (PermissionError(), InputError, "store-permission"),
        (NoCredentialsError(), InputError, "store-permission"),
        (OSError(errno.EROFS, "Read-only file system"), InputError, "store-permission"),
        (no_such_bucket(), InputError, "store-bucket-missing"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), OutsideError, "store-unreachable"),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1"), OutsideError, "store-unreachable"),
        (TimeoutError(), OutsideError, "store-unreachable"),
        (ConnectionResetError(), OutsideError, "store-unreachable"),
        (OSError(errno.EBUSY, "SlowDown"), OutsideError, "store-unreachable"),
        (OSError(errno.ENOSPC, "No space left on device"), OutsideError, "store-full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), OutsideError, "store-full"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), InputError, "store-url-invalid"),
    ],
)
def test_faults_of_a_store_become_errors_with_a_code(fault, kind, code):
    with pytest.raises(kind) as caught, store_faults(URL):
        raise fault
    assert caught.value.code == code
    assert URL in str(caught.value)
    assert caught.value.mend
    assert caught.value.__cause__ is fault


def test_a_fault_inside_another_exception_is_seen():
    fault = RuntimeError("while writing")
    fault.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutsideError, match="store-full"), store_faults(URL):
        raise fault


@pytest.mark.parametrize("defect", [KeyError("x"), FileNotFoundError("x"), ValueError("x"), OSError("x")])
def test_defects_are_not_called_faults(defect):
    with pytest.raises(type(defect)) as caught, store_faults(URL):
        raise defect
    assert caught.value is defect


@pytest.mark.parametrize("url", ["", " ", "nosuch://bucket/x", "s3://", "memory://", "s3:///"])
def test_bad_urls_are_refused_with_an_example(url):
    with pytest.raises(InputError, match="store-url-invalid") as caught:
        open_store(url)
    assert "s3://bucket/prefix" in str(caught.value)


def test_an_endpoint_that_refuses_is_unreachable():
    options = {
        "endpoint_url": "http://127.0.0.1:9",
        "key": "k",
        "secret": "s",
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1},
    }
    with pytest.raises(OutsideError, match="store-unreachable"):
        open_product(URL, "T1", "velocity", storage_options=options)


def test_a_store_below_a_file_is_a_bad_url(tmp_path, geo, publish):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="store-url-invalid"):
        publish(geo.velocity, "velocity", url=str(tmp_path / "file/store"))


def test_a_failed_replacement_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "latest.json"
    atomic_write(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_s3_objects_are_read_whole_and_listings_fresh():
    store: Store = open_store(URL)
    assert (store.root, store.options["max_concurrency"]) == ("bucket/prefix", 1)
    assert store.options["use_listings_cache"] is False
    assert not store.is_local
