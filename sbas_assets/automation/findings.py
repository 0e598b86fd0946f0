"""What is wrong with a frame that nobody is working on: the judgement of the daily audit, frame by frame.

Belongs here: comparing what is published with the stack, with the last run, and with ERA5. Does not belong here: asking
for runs, and telling people (`audit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import dagster as dg

from sbas_assets.automation.fleet import Fleet
from sbas_assets.automation.run_history import cause_of, file_changed, last_ended
from sbas_assets.errors import InputError, SbasError
from sbas_assets.frames import PARTITIONS, FrameCatalogue, FrameConfig
from sbas_assets.mintpy.era5 import ERA5
from sbas_assets.mintpy.era5_standing import news_expected
from sbas_assets.provenance import read_record
from sbas_assets.published.current import read_current
from sbas_assets.published.item_step import STAC_ITEM
from sbas_assets.published.store import Store, open_store, store_faults
from sbas_assets.step import Frame
from sbas_assets.workspace import Settings

READERS = 16
"""Frames whose items are read at the same time."""
LONG_RUN = timedelta(days=1)
VERSION_DIGITS = 32
"""Of a stack's fingerprint, which make its data version."""
REQUESTED = "a run of the frame is requested"
ERA5_EXPECTED, ERA5_MISSING = "era5-expected", "era5-missing"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a frame.

    Parameters
    ----------
    frame : str
        Key of the frame.
    code : str
        What kind of thing.
    reason : str
        What is wrong, in one sentence.
    mend : str
        What is done about it, or has to be.
    repairable : bool
        Whether a run may mend it.
    waits : bool
        Whether time alone mends it.
    """

    frame: str
    code: str
    reason: str
    mend: str
    repairable: bool = False
    waits: bool = False


@dataclass(frozen=True)
class _Published:
    """What the store has of a frame: the version of its stack and what was rolled back, or why that is not known."""

    stack_version: str | None = None
    withheld: tuple[str, ...] = ()
    fault: SbasError | None = None


def find(fleet: Fleet, settings: Settings) -> list[Finding]:
    """Judge all frames of the catalogue.

    Raises
    ------
    InputError, OutsideError
        The store cannot be used at all.
    """
    known = set(fleet.instance.get_dynamic_partitions(PARTITIONS))
    configs = FrameCatalogue(settings.root).items()
    sound = {key: config for key, config in configs if isinstance(config, FrameConfig)}
    published = _read_store(settings, [key for key in sound if key in known])
    broken = [(key, error) for key, error in configs if isinstance(error, InputError)]
    found = [Finding(key, error.code, error.message, error.mend or "") for key, error in broken]
    for key, config in sound.items():
        if key in published:
            found += _of_frame(fleet, Frame(key, config, config.template(), settings), published[key])
        else:
            mend = f"switch the sensor stack_arrivals on, or `sbas-assets run {key}`"
            found.append(Finding(key, "frame-not-known", "Dagster does not know the frame yet", mend))
    return found


def _read_store(settings: Settings, frames: Sequence[str]) -> dict[str, _Published]:
    with store_faults(settings.store):
        store = open_store(settings.store)
    # a store that does not answer is asked once, not for each frame
    first = {frame: _published(store, frame, reraise=True) for frame in frames[:1]}
    with ThreadPoolExecutor(READERS) as pool:
        rest = pool.map(partial(_published, store), frames[1:])
        return first | dict(zip(frames[1:], rest, strict=True))


def _published(store: Store, frame: str, *, reraise: bool = False) -> _Published:
    try:
        with store_faults(store.url):
            current = read_current(store, frame)
    except SbasError as error:
        if reraise and error.code != "product-damaged":
            raise
        return _Published(fault=error)
    if current is None:
        return _Published()
    properties = current.item["properties"]
    version = properties.get("sbas:provenance", {}).get("stack_version", "")
    return _Published(version[:VERSION_DIGITS], tuple(properties["sbas:withheld"]))


def _of_frame(fleet: Fleet, frame: Frame, published: _Published) -> Iterator[Finding]:
    since = fleet.busy.get(frame.key)
    if since is None:
        yield from _of_last_run(fleet, frame)
        weather = list(_of_weather(frame))
        yield from weather
        waits = frame.config.missing_weather == "wait" and any(finding.code == ERA5_MISSING for finding in weather)
        for finding in _of_stack(fleet, frame, published):
            # a run would come as far as the last one
            yield replace(finding, mend=f"waits for {ERA5_MISSING}", repairable=False, waits=True) if waits else finding
    elif fleet.now - since > LONG_RUN:
        reason = f"a run is queued or under way since {since:%Y-%m-%d %H:%M} UTC"
        yield Finding(frame.key, "run-long", reason, "look whether it goes on; if its process is gone, terminate it")


def _of_last_run(fleet: Fleet, frame: Frame) -> Iterator[Finding]:
    last = last_ended(fleet.instance, frame.key)
    if last is None or last.status is dg.DagsterRunStatus.SUCCESS:
        return
    if last.status is dg.DagsterRunStatus.CANCELED:
        mend = "launch `process_frame` for it when it may go on"
        yield Finding(frame.key, "run-stopped", f"run {last.run_id[:8]} was stopped by a person", mend)
        return
    cause = cause_of(fleet.instance, last.run_id)
    changed = file_changed(FrameCatalogue(frame.settings.root), frame.key)
    mended = cause.kind == "input" and changed is not None and changed > last.began
    again = cause.may_pass or mended
    mend = REQUESTED if again else cause.mend or f"look at run {last.run_id}"
    yield Finding(frame.key, cause.code, cause.text, mend, repairable=again, waits=cause.kind == "waiting")


def _of_stack(fleet: Fleet, frame: Frame, published: _Published) -> Iterator[Finding]:
    version = fleet.stack_versions.get(frame.key)
    if version is None:
        mend = f"see `sbas-assets check {frame.config.stack}`; is the sensor stack_arrivals on?"
        yield Finding(frame.key, "stack-not-seen", "its stack was never seen complete", mend)
    elif published.fault is not None:
        fault = published.fault
        yield Finding(frame.key, fault.code, fault.message, REQUESTED, repairable=fault.code == "product-damaged")
    elif published.stack_version is None:
        yield Finding(frame.key, "unpublished", "nothing of it is published", REQUESTED, repairable=True)
    elif published.stack_version != version and not _rolled_back(frame, published, version):
        yield Finding(frame.key, "outdated", "what is published is of another stack", REQUESTED, repairable=True)


def _rolled_back(frame: Frame, published: _Published, version: str) -> bool:
    """Whether the version of the present stack was published, and a person went back behind it."""
    made = read_record(frame.workspace, STAC_ITEM.name)
    of = made.facts.get("stack_version", "")[:VERSION_DIGITS] if made else None
    return made is not None and of == version and made.data_version in published.withheld


def _of_weather(frame: Frame) -> Iterator[Finding]:
    record = read_record(frame.workspace, ERA5.name)
    if record is None or record.status == "passed-through":
        return
    expected = news_expected(frame)
    if expected:
        reason = f"ERA5 should have by now: {', '.join(expected)}"
        yield Finding(frame.key, ERA5_EXPECTED, reason, REQUESTED, repairable=True)
        return
    missing: dict[str, str] = record.facts["dates_without_weather"]
    preliminary: list[str] = record.facts["era5_preliminary"]
    if missing:
        reason = f"ERA5 does not have {', '.join(sorted(missing))}"
        yield Finding(frame.key, ERA5_MISSING, reason, f"nothing to do: {max(missing.values())}", waits=True)
    if preliminary:
        reason = f"preliminary ERA5 data of {len(preliminary)} dates, the first {min(preliminary)}"
        mend = "nothing to do: final data are asked for from the third month on"
        yield Finding(frame.key, "era5-preliminary", reason, mend, waits=True)
