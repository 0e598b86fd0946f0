"""When a frame is processed without anybody asking: Dagster's declarative automation, in this package's own terms.

A frame is due, as a whole, if one of four things is true and nothing forbids it:

- *its stack is new*: the stack's data version is not the one from which the assets that read it were made. A fact,
  not an event: a change that arrives while a run is being requested, or while one is under way, is still there at the
  next look. Each version is asked for once, so a frame that fails is not asked for again and again. The same version
  reported anew is no change.
- *its code is new*: an asset was made by another code version, or never, and the stack is there. Looked at when the
  code versions of this location have changed; each frame is asked for once.
- *an outside fault may have gone*: the last run failed by a fault of the outside world, or its process was killed;
  after 15 minutes, an hour and four hours, three times in all. What still fails then is the daily audit's. A killed run
  Dagster starts again by itself, within a minute; where it has missed that, the frame is asked for three minutes later.
- *a mistake was mended*: the last run failed by the user's mistake and the frame's file has been changed since it
  began. Without that, and with the stack as it was, a mistake is never run again.

Forbidden is it while the frame has a run queued or under way, and while the preflight refuses the present stack.

The condition stands on what reads the stack: the preflight check and the assets right below `topsStack`. All see the
same facts, so they agree. Everything else goes with what it is made from, and a check with its asset: one run makes a
frame, with all its checks, in one process. What is up to date is reused there, so asking for more than is stale costs
little.

Belongs here: the terms, and the sensor that evaluates them. Not here: facts (`fleet`, `run_history`); the daily look at
what this misses (`audit`); noticing that a stack has changed (`discovery`).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import dagster as dg

from sbas_assets.automation.fleet import Fleet
from sbas_assets.automation.run_history import Ended, cause_of, file_changed
from sbas_assets.automation.settings import sensor_interval
from sbas_assets.frames import FrameCatalogue
from sbas_assets.workspace import Settings

# terms of one's own are evaluated in the code location, which Dagster calls beta (see docs)
warnings.filterwarnings("ignore", message=".*use_user_code_server.*", category=dg.BetaWarning)

RETRY_AFTER = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
"""How long after the first, second and third failure in a row a frame is tried again."""
MISSED_AFTER = timedelta(minutes=3)
"""The same after one run that was killed: Dagster's daemon misses a failure if it looks between its event and the new
state of the run, some tenths of a second on a busy machine."""
REQUESTED_BY = "sbas/requested_by"
SENSOR = "keep_frames_current"

# all entities are evaluated against one view of the asset graph in each tick: they share what is looked up
_fleets: WeakKeyDictionary[Any, Fleet] = WeakKeyDictionary()


def _fleet(context: dg.AutomationContext[Any]) -> Fleet:
    view = context.asset_graph_view
    if view not in _fleets:
        now = context.evaluation_time
        aware = now if now.tzinfo else now.replace(tzinfo=UTC)
        _fleets[view] = Fleet(view.instance, context.asset_graph, aware)
    return _fleets[view]


class _Term(dg.AutomationCondition[Any]):
    """A fact about frames with a name that the UI shows."""

    label: str

    def get_label(self) -> str:
        """Name of the term in the UI."""
        return self.label

    @property
    def name(self) -> str:
        """Name of the term in Dagster's records."""
        return type(self).__name__

    def _true_for(
        self, context: dg.AutomationContext[Any], frames: set[str], cursor: str | None = None
    ) -> dg.AutomationResult[Any]:
        # frames that are no partitions any more have a history too
        known = frames & set(context.candidate_subset.expensively_compute_partition_keys())
        subset = context.candidate_subset.compute_intersection_with_partition_keys(known)
        return dg.AutomationResult(context, subset, cursor=cursor)


class _Fact(_Term):
    """A fact that holds or does not, without memory."""

    @property
    def requires_cursor(self) -> bool:
        """Whether the term remembers anything."""
        return False

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        """Return the frames for which it holds."""
        return self._true_for(context, self.frames(_fleet(context)))

    @abstractmethod
    def frames(self, fleet: Fleet) -> set[str]:
        """Frames for which it holds."""


class _Reason(_Term):
    """A reason to process a frame, each of which is asked for once.

    A reason has a token, such as the version of the stack. It is true for a frame from the moment at which the token is
    new until a run was requested; only what was wanted *then* counts as asked for, whatever has become of it since.
    """

    def evaluate(self, context: dg.AutomationContext[Any]) -> dg.AutomationResult[Any]:
        """Return the frames that have a reason for which no run was requested yet."""
        before = json.loads(context.cursor) if context.cursor else {"asked": {}, "wanted": {}, "mark": None}
        requested = context.get_previous_requested_subset(context.key)
        just = set() if requested is None else set(requested.expensively_compute_partition_keys())
        asked = {**before["asked"], **{frame: token for frame, token in before["wanted"].items() if frame in just}}
        waiting = {frame: token for frame, token in before["wanted"].items() if frame not in just}
        fleet, mark = _fleet(context), self.mark(context)
        found = self.tokens(fleet, waiting, mark if mark != before["mark"] else None)
        wanted = {frame: token for frame, token in found.items() if asked.get(frame) != token}
        # what is no reason any more may be one again
        kept = {frame: token for frame, token in asked.items() if found.get(frame) == token}
        return self._true_for(context, set(wanted), json.dumps({"asked": kept, "wanted": wanted, "mark": mark}))

    def mark(self, context: dg.AutomationContext[Any]) -> str:  # noqa: ARG002
        """Return what is common to all frames."""
        return ""

    @abstractmethod
    def tokens(self, fleet: Fleet, waiting: Mapping[str, str], new_mark: str | None) -> Mapping[str, str]:
        """Return the reasons there are now, by frame.

        Parameters
        ----------
        fleet : Fleet
            Facts.
        waiting : mapping
            Those of the last look for which no run was requested.
        new_mark : str or None
            What is common to all frames, if it has changed since the last look.
        """


class NewStack(_Reason):
    """The stack is not the one that the frame was made from; see the module."""

    label = "its stack is new"

    def tokens(self, fleet: Fleet, waiting: Mapping[str, str], new_mark: str | None) -> Mapping[str, str]:  # noqa: ARG002
        """Return the version of each new stack."""
        return fleet.new_stacks


class NewCode(_Reason):
    """An asset was never made, or by another code version; see the module."""

    label = "its code is new, or an asset was never made"

    def mark(self, context: dg.AutomationContext[Any]) -> str:
        """Return the digest of all code versions."""
        graph = context.asset_graph
        versions = sorted(
            (key.to_user_string(), graph.get(key).code_version) for key in graph.materializable_asset_keys
        )
        return hashlib.sha256(json.dumps(versions).encode()).hexdigest()[:16]

    def tokens(self, fleet: Fleet, waiting: Mapping[str, str], new_mark: str | None) -> Mapping[str, str]:
        """Return the digest for each frame that is not of it; they are looked up when it changes."""
        if new_mark is None:
            return waiting
        return {**waiting, **dict.fromkeys(fleet.of_other_code(), new_mark)}


class OutsideFault(_Reason):
    """The last runs failed by a fault that may have gone, and it is time to try again; see the module."""

    label = "an outside fault may have gone"

    def tokens(self, fleet: Fleet, waiting: Mapping[str, str], new_mark: str | None) -> Mapping[str, str]:  # noqa: ARG002
        """Return the run that failed last, of each frame that is to be tried again."""
        return {frame: runs[0].run_id for frame, runs in fleet.ended.items() if _due_again(fleet, runs)}


class MendedMistake(_Reason):
    """The last run failed by a mistake, and the frame's file has been changed since; see the module."""

    label = "a mistake was mended"

    def tokens(self, fleet: Fleet, waiting: Mapping[str, str], new_mark: str | None) -> Mapping[str, str]:  # noqa: ARG002
        """Return the moment of the change, of each frame that failed by a mistake before it."""
        catalogue = FrameCatalogue(Settings.from_env().root)
        failed = {frame: runs[0] for frame, runs in fleet.ended.items() if _failed(fleet, runs[0], "input")}
        changed = {frame: file_changed(catalogue, frame) for frame in failed}
        return {frame: f"{at:%Y%m%dT%H%M%S.%f}" for frame, at in changed.items() if at and at > failed[frame].began}


class StackRefused(_Fact):
    """The preflight has refused the stack in its present version."""

    label = "the preflight refuses its stack"

    def frames(self, fleet: Fleet) -> set[str]:
        """Frames with a stack that was refused."""
        return fleet.refused


class FrameBusy(_Fact):
    """A run of the frame is queued or under way, or a backfill will start one."""

    label = "a run of the frame is queued or under way"

    def frames(self, fleet: Fleet) -> set[str]:
        """Frames that are being worked on."""
        return set(fleet.busy)


def _failed(fleet: Fleet, run: Ended, kind: str) -> bool:
    return run.status is dg.DagsterRunStatus.FAILURE and cause_of(fleet.instance, run.run_id).kind == kind


def _due_again(fleet: Fleet, runs: list[Ended]) -> bool:
    """Whether the last run failed by a fault that may have gone, and long enough ago for as many failures in a row."""
    passed = next((n for n, run in enumerate(runs) if not _may_pass(fleet, run)), len(runs))
    if not 0 < passed <= len(RETRY_AFTER):
        return False
    missed = passed == 1 and cause_of(fleet.instance, runs[0].run_id).kind == "lost"
    return fleet.now - runs[0].ended >= (MISSED_AFTER if missed else RETRY_AFTER[passed - 1])


def _may_pass(fleet: Fleet, run: Ended) -> bool:
    return run.status is dg.DagsterRunStatus.FAILURE and cause_of(fleet.instance, run.run_id).may_pass


def frame_is_due() -> dg.AutomationCondition[Any]:
    """Return the condition of what reads the stack."""
    anew = (NewStack() | NewCode() | OutsideFault()).with_label("a reason to process it")
    accepted = (~StackRefused()).with_label("its stack is not refused")
    due = (anew & accepted) | MendedMistake()
    return due & (~FrameBusy()).with_label("no run of the frame is queued or under way")


def goes_with_what_it_is_made_from() -> dg.AutomationCondition[Any]:
    """Return the condition of everything else."""
    return dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.will_be_requested().with_label("is requested now")
    ).with_label("what it is made from is requested")


SENSORS = [
    dg.AutomationConditionSensorDefinition(
        SENSOR,
        target=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
        description="Requests one run of each frame whose stack or code is new, or whose last run met a passing fault.",
        run_tags={REQUESTED_BY: SENSOR},
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=sensor_interval(),
        # a run for each frame: in a backfill, frames would wait for each other to be told as done
        emit_backfills=False,
        use_user_code_server=True,
    )
]
