"""Publishers and servers are killed, -9, while readers read: they see a whole version or another, never a part.

Readers poll in processes of their own. Whatever moment a kill hits, the same is asked afterwards: what is current is
whole, the next run goes on, and in the end the store holds what its items name and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import pytest

from sbas_assets.published import frame_version, retention
from sbas_assets.published.current import list_versions
from sbas_assets.published.deadlines import TIMEOUT
from sbas_assets.published.store import open_store

from .ceph_server import CephServer
from .frame_to_publish import KEEP, KEY, make_frame, plant, publish_frame
from .publication_trial import TAG, Trial, saw_whole_versions
from .publisher import PHASES
from .watcher import Watcher

pytestmark = pytest.mark.long

pytest_plugins = ["sbas_assets_tests.published.ceph_fixtures"]
SEED = 20261122
REQUEST_S = 5
# a server that refuses is asked for 6 s; generous for a busy machine
BOUND_S = 60
LOOKS = 10
"""At least so many times has each reader read everything."""


@pytest.fixture
def bucket_trial(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setenv(TIMEOUT, str(REQUEST_S))
    with Trial(tmp_path, f"s3://{bucket}/store", SEED) as trial:
        yield trial


@pytest.fixture
def folder_trial(tmp_path: Path) -> Iterator[Trial]:
    with Trial(tmp_path, str(tmp_path / "store"), SEED) as trial:
        yield trial


def whole_looks(watcher: Watcher) -> int:
    return sum(look.number is not None for look in watcher.looks())


def kill_publishers(trial: Trial, folder: Path, moments: list[str | None]) -> None:
    """Kill one at each moment, a phase or any, while readers read."""
    trial.random.shuffle(moments)
    with Watcher(folder, trial.url) as newest, Watcher(folder, trial.url, TAG) as staying:
        for moment in cycle(moments):
            trial.kill_one(moment)
            trial.products_are_whole()
            if trial.killed.total() == len(moments):
                break
        print(dict(trial.killed), trial.number, "versions")
        trial.ends_well()
        newest.look_again()
    print([whole_looks(watcher) for watcher in (newest, staying)], "looks")
    assert len(trial.killed) > 2
    assert saw_whole_versions(staying.looks()) == {1}
    assert {1, trial.number} < saw_whole_versions(newest.looks())
    assert min(whole_looks(watcher) for watcher in (newest, staying)) > LOOKS


def test_readers_see_whole_versions_while_publishers_are_killed(bucket_trial: Trial, tmp_path: Path) -> None:
    # most phases are so short that hardly any moment would hit them
    kill_publishers(bucket_trial, tmp_path, [None] * 10 + list(PHASES))


def test_readers_of_a_folder_see_whole_versions_while_publishers_are_killed(
    folder_trial: Trial, tmp_path: Path
) -> None:
    kill_publishers(folder_trial, tmp_path, [None] * 3 + list(PHASES[1::2]))


def test_readers_see_whole_versions_while_the_server_is_killed(
    ceph: CephServer, bucket_trial: Trial, tmp_path: Path
) -> None:
    """Three times it is started again at once, twice only when the publication and a reader have given up."""
    trial, down, codes = bucket_trial, [], []
    with Watcher(tmp_path, trial.url) as newest, Watcher(tmp_path, trial.url, TAG) as staying:
        for phase in ("manifest", None, "chunks", "pointer", "metadata"):
            trial.begin(phase)
            began = time.time()
            ceph.stop_gateway()
            lasting = phase in {"chunks", "metadata"}
            end = trial.publisher.finish(BOUND_S) if lasting else None
            if lasting:
                newest.look_again(meet_error=True)
            ceph.start_gateway()
            down.append((began, time.time()))
            end = end or trial.publisher.finish(BOUND_S)
            assert end.status == 0 or end.told["code"] == "store-unreachable", end
            assert end.status or not lasting
            codes.append(end.told.get("code"))
            trial.products_are_whole()
            newest.look_again()
        trial.ends_well()
        newest.look_again()
    print(codes, [whole_looks(watcher) for watcher in (newest, staying)], "looks")
    assert saw_whole_versions(staying.looks(), down) == {1}
    assert {1, trial.number} < saw_whole_versions(newest.looks(), down)
    print({look.error for look in newest.looks() if look.error})


def test_an_attempt_after_a_kill_sends_only_what_is_missing(ceph: CephServer, bucket: str, bucket_trial: Trial) -> None:
    trial = bucket_trial
    trial.next_version()
    trial.publisher.start()
    assert trial.publisher.until("chunks", 30)
    assert trial.publisher.kill().phase in {"chunks", "metadata"}
    there, mark = ceph.objects(bucket), ceph.mark()
    trial.publish()
    sent = {request.path.partition(f"{bucket}/")[2] for request in ceph.since(mark) if request.method == "PUT"}
    # the pointer, the version before, which now names its successor, and the collection
    assert {name.rsplit("/", 1)[-1] for name in sent & there.keys()} <= {"item.json", "collection.json"}
    assert len(sent - there.keys()) < len(there)
    trial.ends_well()


def test_a_version_that_is_gone_on_with_after_a_kill_costs_no_other_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = make_frame(tmp_path, str(tmp_path / "store"))
    monkeypatch.setattr(retention, "READERS", timedelta(0))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for number in range(KEEP + 1):
        plant(frame, number)
        with monkeypatch.context() as patch:
            patch.setattr(frame_version, "_move", killed)
            with pytest.raises(KeyboardInterrupt):
                publish_frame(frame)
        publish_frame(frame)
        assert len(list_versions(open_store(frame.settings.store), KEY)) == min(number + 1, KEEP)
