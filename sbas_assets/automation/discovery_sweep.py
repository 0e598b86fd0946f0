"""The looks of one tick: which frames it is the turn of, and what is made of what they show.

Belongs here: the order of looking, the time it may take, what is reported and what is waited for. Does not belong here:
how a stack is read (discovery_reading.py), and what goes on beside the ticks (discovery_tasks.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import dagster as dg

from sbas_assets.assets.source import listed, reported_version, stack_event
from sbas_assets.automation.discovery_cursor import FAILED, Pace, Seen
from sbas_assets.automation.discovery_reading import Judgement, NotNowError, judge, keep, look, unless_busy
from sbas_assets.automation.discovery_tasks import StillAtWorkError, Tasks
from sbas_assets.errors import SbasError
from sbas_assets.frames import FrameConfig
from sbas_assets.step import Frame
from sbas_assets.survey import stack_metrics
from sbas_assets.topsstack.contents import recall, unfinished
from sbas_assets.topsstack.problems import Problem, StackReport
from sbas_assets.workspace import Settings

SHARE = 0.25
"""Of a tick's budget: what one frame may take of it before the work goes on beside the ticks."""
READERS = 4
"""Stacks that are read beside the ticks at once."""
SILENT_S = 300.0
"""After so long a folder that does not answer counts as a fault."""
WAITS, STOPPED = "waits", "stopped"
_IN_WORDS = {WAITS: "not whole", STOPPED: "cannot be processed", FAILED: "cannot be looked at"}
NAMED = 10
"""Frames, or pairs, in a line of the log."""

monotonic, clock = time.monotonic, time.time
_tasks = Tasks()
# of this process: a tick that fails leaves no cursor, and the next one is to begin with other frames
_last_tried: dict[str, float] = {}


@dataclass
class Sweep:
    """The looks of one tick.

    Parameters
    ----------
    context : SensorEvaluationContext
        Of the tick.
    settings : Settings
        Roots.
    pace : Pace
        How long it may take.
    frames : dict
        What was seen of each frame up to now.
    """

    context: dg.SensorEvaluationContext
    settings: Settings
    pace: Pace
    frames: dict[str, Seen]
    events: dict[str, dg.AssetMaterialization] = field(default_factory=dict)
    looked: int = 0
    total: int = 0
    answered: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def look_at(self, configs: Mapping[str, FrameConfig], partitions: set[str]) -> None:
        """Look at frames for as long as the budget lasts, those first that were not looked at for longest."""
        ends = monotonic() + self.pace.budget_s
        self.total = len(configs)
        for key in sorted(configs, key=lambda key: (self._last_look(key), key)):
            if self.looked and monotonic() >= ends:
                break
            self.looked += 1
            _last_tried[self._place(key)] = clock()
            frame = Frame(key, configs[key], configs[key].template(), self.settings)
            # an event of a partition that Dagster does not know yet would be lost in the UI
            self._visit(frame, known=key in partitions)

    def _place(self, key: str) -> str:
        return str(self.settings.workspace(key).root)

    def _last_look(self, key: str) -> float:
        times = self.frames.get(key, Seen()).looked, _last_tried.get(self._place(key), 0)
        # a time to come is of a clock that was set back
        return max((moment for moment in times if moment <= clock()), default=0)

    def _visit(self, frame: Frame, *, known: bool) -> None:
        now = int(clock())
        seen = self.frames.get(frame.key, Seen())
        try:
            snapshot = self._look(frame)
            self.answered += 1
            still = snapshot == seen.snapshot
            if seen.snapshot and not still:
                self.context.log.info(f"{frame.key}: files have changed; judged when they come to rest")
            seen = seen.at(now, snapshot)
            if known and still and seen.due(now, self.pace):
                seen = self._judge(frame, seen)
        except (NotNowError, StillAtWorkError) as reason:
            self.context.log.info(f"{frame.key}: {reason}; looked at again")
            seen = seen._replace(looked=now)
        except Exception as error:  # one frame must not stop the others
            expected = isinstance(error, (SbasError, OSError))
            self.failed[frame.key] = cause = str(error) if expected else f"{type(error).__name__}: {error}"
            self.context.log.warning(f"{frame.key}: its stack can not be looked at: {cause}", exc_info=not expected)
            seen = seen._replace(looked=now, standing=FAILED)
        self.frames[frame.key] = seen

    def _look(self, frame: Frame) -> str:
        patience = self.pace.budget_s * SHARE
        try:
            return str(_tasks.outcome("look", frame.workspace.root, partial(look, frame), patience))
        except StillAtWorkError as error:
            if error.seconds < SILENT_S:
                raise
            raise TimeoutError(f"{frame.config.stack} has not answered for {error.seconds:.0f} s") from None

    def _judge(self, frame: Frame, seen: Seen) -> Seen:
        place = frame.workspace.root
        if not _tasks.knows("judge", place):
            if _tasks.under_way("judge") >= READERS:
                raise NotNowError("has changed, but other stacks are being read")
            with unless_busy(frame.workspace):
                pass
        work = partial(judge, frame, seen.snapshot)
        judgement: Judgement = _tasks.outcome("judge", place, work, self.pace.budget_s * SHARE)
        if judgement.snapshot != seen.snapshot:
            raise NotNowError("has changed since it was read")
        return self._conclude(frame, judgement, seen)._replace(judged=seen.snapshot)

    def _conclude(self, frame: Frame, judgement: Judgement, seen: Seen) -> Seen:
        """Report a version that Dagster does not know, unless pairs that were whole, or are new, are waited for."""
        report, contents = judgement.report, judgement.contents
        if contents is None:
            stops = list(report.of("stop"))
            more = f" (and {len(stops) - 1} more)" if len(stops) > 1 else ""
            self.context.log.warning(
                f"{frame.key}: its stack cannot be processed, nothing is reported: {stops[0]}{more}"
            )
            return seen._replace(held=False, standing=f"{STOPPED}: {stops[0].code}")
        known = reported_version(self.context.instance, frame.key)
        lacking = _lacking(frame, report, known)
        new = contents.version != known
        held = new and bool(lacking) and seen.looked - seen.since < self.pace.patience_s
        if not held:
            keep(frame, contents)
        if new and not held:
            self.events[frame.key] = stack_event(frame, contents.version, stack_metrics(report), known)
            self.context.log.info(f"{frame.key}: its stack has version {contents.version} now, was {known}")
        if not lacking:
            return seen._replace(held=False, standing=contents.version[:8])
        self._tell_lacking(frame, lacking, seen, held=held)
        return seen._replace(held=held, standing=f"{WAITS}: {next(iter(lacking.values())).code}")

    def _tell_lacking(self, frame: Frame, lacking: Mapping[str, Problem], seen: Seen, *, held: bool) -> None:
        left = self.pace.patience_s - (seen.looked - seen.since)
        then = f"; reported without in {left / 3600:.1f} h if nothing changes" if held else ""
        names, first = listed(list(lacking), NAMED), next(iter(lacking.values()))
        self.context.log.warning(f"{frame.key}: not whole: {names}{then}. {first}")

    def fail_if_nothing_was_seen(self) -> None:
        """Raise when no stack answers: a tick that failed is seen in the UI, a line of its log is not."""
        others = {key: seen for key, seen in self.frames.items() if key not in self.failed}
        if self.failed and not self.answered and not any(seen.answers for seen in others.values()):
            key, cause = next(iter(self.failed.items()))
            raise dg.Failure(f"none of {len(self.failed)} stacks could be looked at; the first, {key}: {cause}")

    def summary(self) -> str:
        """Say in one line what the tick has done, and how things stand."""
        if not self.total:
            return f"there are no frames in {self.settings.frames}"
        parts = [f"looked at {self.looked} of {self.total} frames"]
        parts.append(f"reported {listed(list(self.events), NAMED)}" if self.events else "nothing new to report")
        for standing, words in (
            (WAITS, "not whole"),
            (STOPPED, "cannot be processed"),
            (FAILED, "cannot be looked at"),
        ):
            if found := [key for key, seen in self.frames.items() if seen.standing.startswith(standing)]:
                parts.append(f"{words}: {listed(found, NAMED)}")
        return "; ".join(parts)


def _lacking(frame: Frame, report: StackReport, known: str | None) -> dict[str, Problem]:
    """Return what is not whole, and either was or is new, each with what is wrong with it."""
    before = recall(frame.workspace.stack_contents, known) if known else None
    accepted = before.unfinished if before else ()
    return {name: problem for name, problem in unfinished(report).items() if name not in accepted}
