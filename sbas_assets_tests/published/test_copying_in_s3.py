"""What a new version of a product has in common with an earlier one is copied by the S3 server, and is as if sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sbas_assets.published.manifest import StoredObject, read_manifest
from sbas_assets.published.object_writer import ObjectWriter
from sbas_assets.published.product_version import ProductVersion
from sbas_assets.published.store import Store, open_store
from sbas_assets.published.verify import verify_product
from sbas_assets.published.zarr_product import write_product

from .conftest import DATES, FRAME, GEO, PROVENANCE, displacement, write_mintpy

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
PRODUCT = "timeseries_demErr"
SHAPE = (500, 600)


def series(file: Path, *, last: float = 0.0) -> Path:
    """A series whose last date is moved by so many metres."""
    data = displacement(SHAPE)
    data[-1] += np.float32(last)
    datasets = {"date": np.array(DATES, dtype="S8"), "timeseries": data}
    size = {"LENGTH": SHAPE[0], "WIDTH": SHAPE[1]}
    return write_mintpy(file, datasets, FILE_TYPE="timeseries", UNIT="m", **{**GEO, **size})


class Traffic:
    """Names of the objects that were sent, and of those that were copied or could not be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[str] = []
        self.copied: list[str] = []
        self.refused: list[str] = []
        put, copy = ObjectWriter.put, ObjectWriter.copy

        def sending(writer: ObjectWriter, key: str, data: bytes) -> None:
            self.sent.append(_name(key))
            put(writer, key, data)

        def copying(writer: ObjectWriter, source: str, key: str) -> bool:
            done = copy(writer, source, key)
            (self.copied if done else self.refused).append(_name(key))
            return done

        monkeypatch.setattr(ObjectWriter, "put", sending)
        monkeypatch.setattr(ObjectWriter, "copy", copying)


def _name(key: str) -> str:
    return key.split("/", 4)[-1]


@pytest.fixture
def url(bucket: str) -> str:
    return f"s3://{bucket}/store"


@pytest.fixture
def first(url: str, tmp_path: Path) -> ProductVersion:
    return write(series(tmp_path / "first.h5"), url, "a1")


@pytest.fixture
def later(tmp_path: Path) -> Path:
    return series(tmp_path / "later.h5", last=0.25)


@pytest.fixture
def traffic(first: ProductVersion, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """From here on."""
    return Traffic(monkeypatch)


def write(source: Path, url: str, version: str, earlier: ProductVersion | None = None) -> ProductVersion:
    done = write_product(
        source, PRODUCT, url, FRAME, version, PROVENANCE, max_memory_gb=0.002, earlier=earlier, scratch=source.parent
    )
    return done.stored


def contents(store: Store, stored: ProductVersion) -> dict[str, StoredObject]:
    """Objects of a version, without those that name it."""
    manifest = read_manifest(store, store.path(stored.folder))
    assert manifest is not None
    return {item.name: item for item in manifest.objects if not item.name.endswith("zarr.json")}


def maps(of: range) -> set[str]:
    return {f"data.zarr/maps/{level}/displacement/c/{date}/0/0" for date in of for level in (0, 1)}


def test_maps_that_are_the_same_are_copied_and_all_else_is_sent(
    url: str, first: ProductVersion, later: Path, traffic: Traffic
) -> None:
    second = write(later, url, "b2", first)
    same = maps(range(len(DATES) - 1))
    # the first date is zero everywhere, which takes fewer bytes than a copy is worth
    assert same - maps(range(1)) <= set(traffic.copied) <= same
    assert maps(range(len(DATES) - 1, len(DATES))) <= set(traffic.sent)
    assert not set(traffic.copied) & set(traffic.sent)
    assert verify_product(url, second, later) == []


def test_a_version_with_copies_is_the_same_as_one_that_was_sent(
    url: str, first: ProductVersion, later: Path, traffic: Traffic
) -> None:
    store = open_store(url)
    copied, sent = (contents(store, write(later, url, *how)) for how in (("b2", first), ("c3",)))
    assert traffic.copied
    # name, size, checksum and tag
    assert copied == sent


def test_what_was_copied_stays_when_the_earlier_version_goes(
    url: str, first: ProductVersion, later: Path, traffic: Traffic
) -> None:
    second, store = write(later, url, "b2", first), open_store(url)
    assert traffic.copied
    folder = store.path(first.folder)
    store.delete([f"{folder}/{name}" for name in store.listing(folder)])
    assert verify_product(url, second, later) == []


def test_a_damaged_object_of_the_earlier_version_is_not_copied(
    url: str, first: ProductVersion, later: Path, traffic: Traffic
) -> None:
    store, (damaged, *_) = open_store(url), sorted(maps(range(1, 2)))
    path = f"{store.path(first.folder)}/{damaged}"
    store.put(path, bytes(len(store.read(path) or b"")))
    traffic.sent.clear()
    second = write(later, url, "b2", first)
    assert damaged in traffic.sent
    assert traffic.copied
    assert verify_product(url, second, later) == []


def test_an_earlier_version_that_has_gone_is_not_missed(
    url: str, first: ProductVersion, later: Path, traffic: Traffic
) -> None:
    store = open_store(url)
    store.delete([f"{store.path(first.folder)}/{name}" for name in store.listing(store.path(first.folder))])
    second = write(later, url, "b2", first)
    assert (traffic.copied, traffic.refused) == ([], [])
    assert verify_product(url, second, later) == []


def test_after_a_copy_that_failed_everything_is_sent(
    url: str, first: ProductVersion, later: Path, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a server that cannot copy, or an earlier version that goes meanwhile."""
    holds = Store.holds

    def going(self: Store, path: str, data: bytes, there: object) -> bool:
        found = holds(self, path, data, there)
        if found and "/a1/" in path:
            self.delete([path])
        return found

    monkeypatch.setattr(Store, "holds", going)
    second = write(later, url, "b2", first)
    assert traffic.copied == []
    # blocks that were under way at once may have asked too
    assert 1 <= len(traffic.refused) <= 4
    assert maps(range(1, len(DATES))) <= set(traffic.sent)
    assert verify_product(url, second, later) == []


def test_in_a_folder_nothing_is_copied(tmp_path: Path, later: Path) -> None:
    store = str(tmp_path / "store")
    first = write(series(tmp_path / "first.h5"), store, "a1")
    second = write(later, store, "b2", first)
    links = {path.stat().st_nlink for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert links == {1}
    assert verify_product(store, second, later) == []
