"""Old versions go, and what killed publications left; never what an item names, nor what a reader may have open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sbas_assets.published.current import list_versions, read_current, write_tag
from sbas_assets.published.frame_version import publish, roll_back
from sbas_assets.published.retention import Collected, collect
from sbas_assets.published.store import Store, open_store
from sbas_assets.published.verify import verify_frame

from .ceph_server import CephServer
from .conftest import FRAME, Sources
from .test_frame_versions import V1, V2, V3, new, written

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
V4 = "4" * 32


def later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


@pytest.fixture(params=["folder", "bucket"])
def url(request: pytest.FixtureRequest, tmp_path) -> str:
    if request.param == "folder":
        return str(tmp_path / "store")
    ceph: CephServer = request.getfixturevalue("ceph")
    assert ceph
    return f"s3://{request.getfixturevalue('bucket')}/store"


@pytest.fixture
def store(url: str, geo: Sources) -> Store:
    """Four versions."""
    found = open_store(url)
    for version in (V1, V2, V3, V4):
        publish(found, new(url, geo, version), read_current(found, FRAME), datetime.now(UTC))
    return found


def names(store: Store) -> set[str]:
    """What there is of the frame, by folder; a folder store has the lock of the item besides."""
    found = {"/".join(name.split("/")[:2]) for name in store.sizes(store.path(FRAME))}
    return found - {".item.json.lock"}


def of(*versions: str) -> set[str]:
    return (
        {"item.json"}
        | {f"{folder}/{v}" for v in versions for folder in ("versions",)}
        | {f"velocity/{version[:2]}" for version in versions}
    )


def test_the_newest_versions_stay_and_the_rest_go_whole(store, url):
    removed = collect(store, FRAME, 2, later(hours=2))
    assert removed.versions == (V1, V2)
    assert removed.n_objects > 4
    assert names(store) == of(V3, V4)
    assert verify_frame(url, FRAME) == {"item": [], "velocity": []}
    assert verify_frame(url, FRAME, V3) == {"item": [], "velocity": []}


def test_nothing_goes_within_a_readers_hour(store):
    assert collect(store, FRAME, 1, later(minutes=70)) == Collected((), 0, 0)
    assert names(store) == of(V1, V2, V3, V4)
    assert collect(store, FRAME, 1, later(minutes=80)).versions == (V1, V2, V3)


def test_tagged_versions_and_the_one_that_readers_see_stay(store):
    write_tag(store, FRAME, "paper", V1)
    roll_back(store, FRAME, V2)
    assert collect(store, FRAME, 1, later(hours=2)).versions == (V3,)
    assert names(store) == of(V1, V2, V4) | {"tags/paper"}


def test_products_that_a_staying_version_shares_stay(store, url, geo):
    publish(store, replace(new(url, geo, V1), version="5" * 32), read_current(store, FRAME), datetime.now(UTC))
    assert collect(store, FRAME, 1, later(hours=2)).versions == (V1, V2, V3, V4)
    assert names(store) == {"item.json", f"versions/{'5' * 32}", "velocity/11"}
    assert verify_frame(url, FRAME) == {"item": [], "velocity": []}


def test_what_no_item_names_goes_after_a_day(store, url, geo):
    written(url, geo, "dead")
    store.put(store.path(FRAME, "velocity", "beef", "data.zarr/velocity/c/0/0"), b"cut off")
    assert collect(store, FRAME, 9, later(hours=23)) == Collected((), 0, 0)
    assert collect(store, FRAME, 9, later(hours=25)).n_objects > 1
    assert names(store) == of(V1, V2, V3, V4)


def test_what_is_about_to_be_published_stays(store, url, geo):
    pending = written(url, geo, "feed")
    collect(store, FRAME, 9, later(hours=25), needed=[pending])
    assert "velocity/feed" in names(store)


@pytest.mark.parametrize("url", ["folder"], indirect=True)
def test_what_a_writer_left_that_was_killed_before_it_renamed_goes_after_a_day(store, url):
    places = (FRAME, f"{FRAME}/versions/{V4}", f"{FRAME}/velocity/44/data.zarr", f"{FRAME}/tags", ".")
    left = [Path(url, place, ".item.json.4711") for place in places]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"ha")
    collect(store, FRAME, 9, later(hours=23))
    assert all(path.exists() for path in left)
    collect(store, FRAME, 9, later(hours=25))
    assert not any(path.exists() for path in left)
    assert names(store) == of(V1, V2, V3, V4)


def test_a_removal_that_was_cut_off_is_finished_later(store, monkeypatch):
    real, calls = Store.delete, []

    def cut(self: Store, paths: list[str]) -> None:
        calls.append(paths)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, paths)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "delete", cut)
        with pytest.raises(KeyboardInterrupt):
            collect(store, FRAME, 1, later(hours=2))
    assert list_versions(store, FRAME) == [V4]
    assert names(store) > of(V4)
    collect(store, FRAME, 1, later(hours=25))
    assert names(store) == of(V4)


def test_a_version_published_meanwhile_keeps_its_products(store, url, geo, monkeypatch):
    """Somebody goes back to products that were about to go."""
    real, done = Store.delete, []

    def meanwhile(self: Store, paths: list[str]) -> None:
        real(self, paths)
        if not done:
            done.append(True)
            again = replace(new(url, geo, V1), version="6" * 32)
            publish(store, again, read_current(store, FRAME), datetime.now(UTC))

    monkeypatch.setattr(Store, "delete", meanwhile)
    collect(store, FRAME, 1, later(hours=2))
    assert verify_frame(url, FRAME) == {"item": [], "velocity": []}


def test_a_frame_without_a_version_is_left_alone(url, geo):
    store = open_store(url)
    written(url, geo, "a1")
    assert collect(store, FRAME, 1, later(days=9)) == Collected((), 0, 0)
    assert names(store) == {"velocity/a1"}
