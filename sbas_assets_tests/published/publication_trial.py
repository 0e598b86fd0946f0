"""A frame that is published again and again, whatever happens to the publications, and what must hold then."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from sbas_assets.published.current import list_versions, read_current, read_tags, read_version, write_tag
from sbas_assets.published.frame_version import THUMBNAIL
from sbas_assets.published.history import read_history
from sbas_assets.published.manifest import read_manifest
from sbas_assets.published.reading import open_frame
from sbas_assets.published.retention import collect
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.store import Store, open_store
from sbas_assets.published.verify import stored_problems, verify_frame

from .frame_to_publish import KEEP, KEY, PRODUCTS, make_frame, plant
from .publisher import PHASES, End, Publisher
from .watcher import Look

TAG = "paper"


class Trial:
    """Publishes version 1, and tags it."""

    def __init__(self, folder: Path, url: str, seed: int) -> None:
        print(f"seed {seed}")
        self.random = random.Random(seed)
        self.url, self.store = url, open_store(url)
        self.frame = make_frame(folder, url)
        self.number, self.killed = 0, Counter[str]()
        self.publisher = Publisher(folder, url)

    def __enter__(self) -> Self:
        self.next_version()
        self.seconds = self.publish().seconds
        current = read_current(self.store, KEY)
        assert current is not None
        write_tag(self.store, KEY, TAG, read_item(current.item).version)
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.end()

    def next_version(self) -> None:
        self.number += 1
        plant(self.frame, self.number)

    def publish(self) -> End:
        self.publisher.start()
        end = self.publisher.finish()
        assert end.status == 0, (end, self.publisher.log.read_text())
        return end

    def begin(self, phase: str | None) -> None:
        """Begin a publication, and wait until it is somewhere in a phase, or for any moment of it."""
        # half of those that were cut off are gone on with, the others abandoned
        if self.shown() == self.number or self.random.random() < 0.5:
            self.next_version()
        self.publisher.start()
        if phase is None:
            time.sleep(self.random.uniform(0, self.seconds))
        elif self.publisher.until(phase, 1 if phase in PHASES[4:] else self.random.randint(1, 7)):
            time.sleep(self.random.uniform(0, 0.01))

    def kill_one(self, phase: str | None) -> None:
        """Kill a publication, unless it was quicker."""
        self.begin(phase)
        end = self.publisher.kill()
        assert end.status in {0, -9}, (end, self.publisher.log.read_text())
        if end.status:
            self.killed[end.phase] += 1

    def shown(self) -> int:
        """The number of the version that readers see."""
        return int(open_frame(f"{self.url}/{KEY}").velocity[0, 0])

    def products_are_whole(self) -> None:
        """What is current has all its objects; that they are right is for the readers to see."""
        current = read_current(self.store, KEY)
        assert current is not None
        products = read_item(current.item).products
        assert tuple(stored.product for stored in products) == PRODUCTS
        assert [stored_problems(self.store, stored, quick=True) for stored in products] == [[] for _ in PRODUCTS]

    def ends_well(self) -> None:
        """One run completes what was begun, and what nobody needs goes."""
        self.publish()
        assert self.shown() == self.number
        assert verify_frame(self.url, KEY) == {name: [] for name in ("item", *PRODUCTS)}
        collect(self.store, KEY, KEEP, datetime.now(UTC) + timedelta(days=2))
        assert verify_frame(self.url, KEY) == {name: [] for name in ("item", *PRODUCTS)}
        history_is_linked(self.store)
        assert set(self.store.sizes(self.store.root)) == named(self.store)


def history_is_linked(store: Store) -> None:
    """Back from the current version each names the one before, and that one it, as far as versions stay."""
    history = read_history(store, KEY)
    assert [kept.current for kept in history] == [True] + [False] * (len(history) - 1)
    assert len(history) == min(history[0].publication, KEEP + 1)
    left = {kept.version: read_item(read_version(store, KEY, kept.version) or {}) for kept in history}
    newer = left.pop(history[0].version)
    assert newer.successor is None
    while newer.predecessor in left:
        older = left.pop(newer.predecessor)
        assert older.successor == newer.version
        assert older.publication < newer.publication
        newer = older
    # the tagged one, and such as were given up between their item and the move, which nobody follows
    tagged = read_tags(store, KEY)[TAG]
    assert [one.version for one in left.values() if one.version != tagged and one.successor] == []


def named(store: Store) -> set[str]:
    """Everything that what remains names, relative to the store; a folder has the locks of two files besides."""
    found = {"collection.json", f"{KEY}/item.json", *(f"{KEY}/tags/{tag}" for tag in read_tags(store, KEY))}
    if store.is_local:
        found |= {".collection.json.lock", f"{KEY}/.item.json.lock"}
    for version in list_versions(store, KEY):
        found |= {f"{KEY}/versions/{version}/{name}" for name in ("item.json", THUMBNAIL)}
        for product in read_item(read_version(store, KEY, version) or {}).products:
            manifest = read_manifest(store, store.path(product.folder))
            assert manifest is not None
            found |= {
                f"{product.folder}/manifest.json",
                *(f"{product.folder}/{item.name}" for item in manifest.objects),
            }
    return found


def saw_whole_versions(looks: list[Look], down: Sequence[tuple[float, float]] = ()) -> set[int]:
    """The versions that a reader saw; nothing torn, mixed or gone back, and errors only when the server was down."""
    assert [look for look in looks if look.wrong] == []
    outside = [look for look in looks if look.error and not any(a < look.ended and look.began < b for a, b in down)]
    assert outside == []
    numbers = [look.number for look in looks if look.number is not None]
    assert numbers == sorted(numbers)
    return set(numbers)
