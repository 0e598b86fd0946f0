"""A store holds bytes whatever it is made of; a pointer moves in one step, and only for who saw it as it is."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.published.deadlines import TIMEOUT, Deadlines
from sbas_assets.published.local_objects import only_writer
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.workspace import atomic_write

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]

URL = "s3://bucket/prefix"


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", TIMEOUT):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    urls = {
        "folder": lambda: str(tmp_path / "store"),
        "memory": lambda: f"memory://{tmp_path.name}/store",
        "s3": lambda: f"s3://{request.getfixturevalue('bucket')}/some where/ü+%41",
    }
    yield open_store(urls[request.param](), deadlines=Deadlines(5))
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize("url", ["", " ", "nosuch://bucket/x", "s3://", "memory://", "s3:///", "s3://bucket//x"])
def test_bad_urls_are_refused_with_an_example(url):
    with pytest.raises(InputError, match="store-url-invalid") as caught:
        open_store(url)
    assert "s3://bucket/prefix" in str(caught.value)


def test_a_malformed_address_is_refused_before_anything_is_asked(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "store.example.org")
    with pytest.raises(InputError, match=r"store-url-invalid.*store\.example\.org"):
        open_store(URL)


def test_a_name_that_no_bucket_can_have_is_refused():
    store = open_store("s3://Not_A_Bucket!/x")
    with pytest.raises(InputError, match="store-url-invalid"), store_faults(store.url):
        store.read(store.path("a"))


def test_a_store_below_a_file_is_a_bad_url(tmp_path, geo, publish):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="store-url-invalid"):
        publish(geo.velocity, "velocity", url=str(tmp_path / "file/store"))


def test_s3_objects_are_read_whole_and_listings_fresh():
    store = open_store(URL)
    assert (store.root, store.options["max_concurrency"]) == ("bucket/prefix", 1)
    assert store.options["use_listings_cache"] is False
    assert not store.is_local
    assert store.is_s3


def test_a_request_may_take_as_long_as_the_environment_says(monkeypatch):
    monkeypatch.setenv(TIMEOUT, "7")
    assert open_store(URL).fs.deadlines == Deadlines(7)
    monkeypatch.setenv(TIMEOUT, "")
    assert open_store(URL).deadlines == Deadlines(30)


@pytest.mark.parametrize("text", ["0", "-1", "2.5", "soon", "²"])
def test_a_timeout_that_is_no_number_is_refused(monkeypatch, text):
    monkeypatch.setenv(TIMEOUT, text)
    with pytest.raises(InputError, match="store-timeout-invalid"):
        open_store(URL)


def test_the_users_own_timeouts_are_kept():
    store = open_store(URL, {"config_kwargs": {"read_timeout": 99}})
    assert store.fs.s3.meta.config.read_timeout == 99
    assert store.fs.s3.meta.config.connect_timeout == 10


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_read_from_either_variable(monkeypatch, name):
    monkeypatch.setenv(name, "eu-central-1")
    assert open_store(URL).fs.s3.meta.region_name == "eu-central-1"


def test_who_has_no_credentials_reads_anonymously_and_who_has_signs(monkeypatch):
    assert open_store(URL).fs.anon
    assert not open_store(URL, {"key": "k", "secret": "s"}).fs.anon
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert not open_store(URL).fs.anon


@pytest.mark.parametrize(("name", "value"), [("AWS_PROFILE", "nobody"), ("AWS_ACCESS_KEY_ID", "half")])
def test_credentials_that_are_not_whole_are_told_at_once(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(InputError, match="store-permission"):
        open_store(URL)


def test_a_failed_replacement_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "item.json"
    atomic_write(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_object_is_read_with_the_tag_that_replaces_it(store):
    path = store.path("frame", "item.json")
    assert store.read_tagged(path) is None

    first = store.put_if(path, b"1", None)
    assert store.read_tagged(path) == (b"1", first)
    second = store.put_if(path, b"2", first)

    assert second != first
    assert store.read_tagged(path) == (b"2", second)


def test_who_expects_another_object_writes_nothing(store):
    path = store.path("item.json")
    with pytest.raises(OutsideError, match="store-conflict"):
        store.put_if(path, b"1", "0" * 32)
    first = store.put_if(path, b"1", None)
    store.put_if(path, b"2", first)
    for expected in (None, first):
        with pytest.raises(OutsideError, match="store-conflict") as caught:
            store.put_if(path, b"3", expected)
        assert caught.value.path == path
    assert store.read(path) == b"2"


@pytest.mark.parametrize("store", ["folder", "s3"], indirect=True)
def test_one_of_many_writers_wins(store):
    path, tag = store.path("a", "item.json"), None
    for _ in range(3):
        expected = tag

        def write(number: int, expected: str | None = expected) -> str | None:
            with suppress(OutsideError):
                return store.put_if(path, f"{number} after {expected}".encode(), expected)
            return None

        with ThreadPoolExecutor(16) as pool:
            won = [made for made in pool.map(write, range(16)) if made]
        assert len(won) == 1
        tag = won[0]
        assert store.read_tagged(path)[1] == tag


def test_a_lock_that_is_never_given_back_ends_in_an_error(tmp_path):
    store = open_store(str(tmp_path), deadlines=Deadlines(0.2))
    path = store.path("item.json")
    with only_writer(path, 0), pytest.raises(OutsideError, match="store-unreachable"), store_faults(store.url):
        store.put_if(path, b"", None)


def test_a_listing_tells_sizes_and_times(store):
    before = datetime.now(UTC) - timedelta(seconds=5)
    store.put(store.path("a", "b", "c"), b"123")
    store.put(store.path("a", "d"), b"")

    found = store.listing(store.path("a"))

    assert {name: info.size for name, info in found.items()} == {"b/c": 3, "d": 0}
    assert all(before < info.modified < before + timedelta(seconds=60) for info in found.values())
    assert store.sizes(store.path("a")) == {"b/c": 3, "d": 0}
    assert store.folders(store.root) == ["a"]
    assert found["d"].tag in {None, store.read_tagged(store.path("a", "d"))[1]}
    assert store.listing(store.path("nothing")) == {}


def test_deleting_leaves_no_empty_folders_and_minds_nothing_that_is_not_there(store):
    for name in ("a/b/c", "a/d", "e"):
        store.put(store.path(name), b"1")

    store.delete([store.path("a/b/c"), store.path("a/b/nothing")])
    assert store.folders(store.path("a")) == []
    store.delete([store.path("a/d")])
    store.delete([])

    assert store.sizes(store.root) == {"e": 1}
    assert store.folders(store.root) == []
