"""`sbas-assets publish`, `versions`, `verify` and `rollback`: what readers of the store see of a frame."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sbas_assets.commands.failures import DONE, FAULT
from sbas_assets.commands.output import Output, readable_size
from sbas_assets.commands.run import run
from sbas_assets.errors import InputError
from sbas_assets.frames import FrameCatalogue, validate_key
from sbas_assets.published.current import find_version, read_tags, resolve, write_tag
from sbas_assets.published.frame_version import release, roll_back
from sbas_assets.published.history import KeptVersion, read_history
from sbas_assets.published.retention import Collected, collect
from sbas_assets.published.stac_reading import read_item
from sbas_assets.published.steps import published_files
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.published.verify import verify_frame
from sbas_assets.step import Frame
from sbas_assets.workspace import Settings

# digits of a version that are shown; `rollback` takes them
SHOWN = 12


def publish(out: Output, key: str) -> int:
    """Bring the frame's published assets up to date, and let readers see what was rolled back."""
    settings = Settings.from_env()
    FrameCatalogue(settings.root).get(key)
    store = open_store(settings.store)
    with store_faults(store.url):
        released = release(store, key)
    for version in released:
        out.note(f"no longer held back: {version[:SHOWN]}")
    return run(out, key, "group:published")


def versions(out: Output, key: str, tag: tuple[str, str] | None, untag: str | None, *, prune: bool) -> int:
    """List the versions of a frame that the store holds; tag one, or remove what is too old, before that."""
    settings = Settings.from_env()
    store = open_store(settings.store)
    with store_faults(store.url):
        if tag is not None:
            version, name = tag
            write_tag(store, validate_key(key), name, find_version(store, key, version))
        if untag is not None:
            _untag(store, key, untag)
        removed = _prune(store, settings, key) if prune else None
        history = read_history(store, validate_key(key))
    if removed is not None:
        size = readable_size(removed.n_bytes)
        out.note(f"removed {len(removed.versions)} versions, {removed.n_objects} objects, {size}")
    if out.json:
        out.document([entry.to_dict() for entry in history])
    elif not history:
        out.say(f"nothing of {key} is published in {store.url}")
    else:
        columns = ("version", ">publication", "published first", "readers see it", "tags", ">size", "products")
        out.table(columns, [_row(entry) for entry in history])
    return DONE


def verify(out: Output, key: str, version: str | None) -> int:
    """Read everything of a published version, and compare it with what was written and with the HDF5 files."""
    settings = Settings.from_env()
    files = published_files(_frame(settings, key)) if FrameCatalogue(settings.root).path(key).is_file() else {}
    sources = {name: (stored.version, path) for name, (stored, path) in files.items()}
    found = verify_frame(settings.store, validate_key(key), version, sources)
    if out.json:
        out.document(found)
    else:
        compared = _compared(settings.store, key, version, sources) if found.keys() - {"item"} else set()
        rows = [(name, "; ".join(texts) or _fine(name, compared)) for name, texts in found.items()]
        out.table(("checked", "found"), rows)
    return FAULT if any(found.values()) else DONE


def rollback(out: Output, key: str, version: str) -> int:
    """Let readers see an earlier version, and hold back the one that they see now."""
    store = open_store(Settings.from_env().store)
    with store_faults(store.url):
        now = roll_back(store, validate_key(key), version)
    out.say(f"readers of {key} see version {now[:SHOWN]}")
    out.say(f"runs leave it so until there is a new version; `sbas-assets publish {key}` takes it back")
    return DONE


def _frame(settings: Settings, key: str) -> Frame:
    config = FrameCatalogue(settings.root).get(key)
    return Frame(key=key, config=config, template=config.template(), settings=settings)


def _untag(store: Store, key: str, tag: str) -> None:
    tags = read_tags(store, validate_key(key))
    if tag not in tags:
        there = f"it has {', '.join(sorted(tags))}" if tags else "it has none"
        raise InputError("tag-unknown", f"the frame has no tag {tag!r}; {there}", mend="name one of them", frame=key)
    write_tag(store, key, tag, None)


def _prune(store: Store, settings: Settings, key: str) -> Collected:
    frame = _frame(settings, key)
    needed = [stored for stored, _ in published_files(frame).values()]
    return collect(store, key, frame.config.publish.keep_versions, datetime.now(UTC), needed)


def _row(entry: KeptVersion) -> tuple[Any, ...]:
    state = "now" if entry.current else "held back" if entry.withheld else ""
    created = entry.created.strftime("%Y-%m-%d %H:%M:%S")
    tags, size = ", ".join(entry.tags), readable_size(entry.n_bytes)
    return entry.version[:SHOWN], entry.publication, created, state, tags, size, len(entry.products)


def _compared(store_url: str, key: str, version: str | None, sources: Mapping[str, tuple[str, Path]]) -> set[str]:
    """Return the products of which the file at hand is the one that the published version was made from."""
    store = open_store(store_url)
    with store_faults(store.url):
        item = resolve(store, key, version)
    products = read_item(item).products if item is not None else ()
    made = {name: data_version for name, (data_version, _) in sources.items()}
    return {product.product for product in products if made.get(product.product) == product.version}


def _fine(name: str, compared: set[str]) -> str:
    if name == "item":
        return "complete"
    return "whole, and equal to its HDF5 file" if name in compared else "whole"
