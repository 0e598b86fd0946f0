"""What the assets need from outside: the settings, a frame by its key, and the frame's lock.

The one place where a step's outcome becomes Dagster's result, and this package's errors become Dagster's failures.
"""

from __future__ import annotations

import base64
import gc
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from sbas_assets.digests import Digests
from sbas_assets.errors import InputError, OutsideError, SbasError, WaitingError, outside_fault
from sbas_assets.frames import FrameCatalogue
from sbas_assets.step import Frame, Outcome, Run, Step
from sbas_assets.survey import STACK_ASSET, require_stack
from sbas_assets.transaction import execute
from sbas_assets.workspace import SIGN_TAG, FrameLocks, Settings

RUN_TAGS = ("sbas/frame", "sbas/track", SIGN_TAG)
MAX_RETRIES = 3
FIRST_DELAY_S = 10.0


@dataclass(frozen=True)
class _Begun:
    """A frame that is locked: what the run began with, the digests of what it has put in place, and how far it is."""

    frame: Frame
    digests: Digests
    kept: dict[str, Any] = field(default_factory=dict)
    attempted: set[str] = field(default_factory=set)


class Platform(dg.ConfigurableResource):
    """The platform's roots, from the environment unless given."""

    root: str | None = Field(default=None, description="SBAS_ROOT; default from the environment, else ./sbas-data")
    store: str | None = Field(default=None, description="SBAS_STORE; default from the environment, else ROOT/store")
    echo: bool = Field(default=True, description="whether what MintPy prints goes to the step's output in the UI too")

    _locks: FrameLocks = PrivateAttr(default_factory=FrameLocks)
    _begun: dict[str, _Begun] = PrivateAttr(default_factory=dict)
    # how often steps have given way to others
    _waits: Counter[str] = PrivateAttr(default_factory=Counter)

    @property
    def settings(self) -> Settings:
        """Roots of this deployment."""
        from_env = Settings.from_env()
        if self.root is None and self.store is None:
            return from_env
        root = from_env.root if self.root is None else Settings.from_env({"SBAS_ROOT": self.root}).root
        return Settings.under(root, store=self.store)

    def frame(self, key: str) -> Frame:
        """Read a frame's configuration.

        Raises
        ------
        InputError
            When there is no such frame, or its file is wrong.
        """
        config = FrameCatalogue(self.settings.root).get(key)
        return Frame(key=key, config=config, template=config.template(), settings=self.settings)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Let go of the frame at the end of the run, and of what its steps have kept."""
        for begun in self._begun.values():
            for kept in begun.kept.values():
                kept.close()
        self._begun.clear()
        self._waits.clear()
        self._locks.release()

    def materialize(self, context: dg.AssetExecutionContext, step: Step) -> dg.MaterializeResult[Any]:
        """Bring one asset of the run's frame up to date and describe it to Dagster."""
        with dagster_failures(context, self._waits):
            frame, run = self.begin(context)
            begun = self._begun[frame.key]
            begun.attempted.add(step.name)
            if STACK_ASSET in step.upstream:
                require_stack(frame, run)
            run = replace(run, kept=begun.kept, others=lambda: bool(_elsewhere(context, step) - begun.attempted))
            outcome = execute(step, frame, run, begun.digests)
        context.log.info(f"{step.name} {outcome.how} in {outcome.seconds:.1f} s: {outcome.why}")
        return dg.MaterializeResult(
            metadata=describe(frame, outcome),
            data_version=dg.DataVersion(outcome.record.data_version),
        )

    def begin(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> tuple[Frame, Run]:
        """Take the frame for this run: configuration, lock, tags, and its smallbaselineApp.cfg.

        All steps of a run have the configuration that the first one found.
        """
        key, log = context.partition_key, context.log
        run = Run(run_id=context.run.run_id, tell=log.info, warn=log.warning, echo=self.echo)
        if key not in self._begun:
            _leave_what_is_loaded()
            frame = self.frame(key)
            values = (frame.key, str(frame.config.track), str(self._locks.sign_on(frame.workspace, run.run_id)))
            context.instance.add_run_tags(run.run_id, dict(zip(RUN_TAGS, values, strict=True)))
            self._locks.acquire(frame.workspace, run.run_id, log.warning)
            frame.workspace.write_template(frame.template.text)
            # only now that the lock is held: another run may have changed files until then
            self._begun[key] = _Begun(frame, Digests(frame.workspace.digests))
        return self._begun[key].frame, run


@cache
def _leave_what_is_loaded() -> None:
    """Spare what is loaded by now the search for garbage: it stays, and a search costs 0.3 s."""
    gc.freeze()


def _elsewhere(context: dg.AssetExecutionContext, step: Step) -> set[str]:
    """Assets of the run that do not depend on a step."""
    graph = context.job_def.asset_layer.asset_graph
    below, more = set(), {dg.AssetKey(step.name)}
    while more:
        below |= more
        more = {child for key in more for child in graph.get(key).child_keys} - below
    return {key.to_user_string() for key in graph.executable_asset_keys - below}


@contextmanager
def dagster_failures(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, waits: Counter[str] | None = None
) -> Iterator[None]:
    """Turn errors into failures that Dagster does not retry, or does, as their kind demands.

    Parameters
    ----------
    context : AssetExecutionContext or AssetCheckExecutionContext
        Of the step.
    waits : Counter, optional
        How often steps have given way to others: for Dagster that is a retry too.
    """
    waits = Counter() if waits is None else waits
    name = context.op_execution_context.op_handle.name if isinstance(context, dg.AssetExecutionContext) else ""
    try:
        yield
    except WaitingError as error:
        waits[name] += 1
        raise dg.RetryRequested(max_retries=context.retry_number + 1, seconds_to_wait=error.seconds) from error
    except Exception as error:
        known = error if isinstance(error, SbasError) else outside_fault(error)
        if known is None:
            context.log.error(traceback.format_exc())
            metadata: dict[str, Any] = {"code": "internal", "kind": "internal", "error": type(error).__name__}
            raise dg.Failure(description=str(error), metadata=metadata, allow_retries=False) from error
        metadata = {"code": known.code, "kind": "input" if isinstance(known, InputError) else "outside"}
        metadata |= {name: value for name in ("mend", "path") if (value := getattr(known, name))}
        failure = dg.Failure(description=str(known), metadata=metadata, allow_retries=False)
        # a user's mistake is the same at the next try; a fault of the outside world may have gone
        if isinstance(known, OutsideError):
            failure.__cause__ = error
            # a RetryPolicy would start a step again that somebody has just stopped
            delay = FIRST_DELAY_S * 2 ** (context.retry_number - waits[name])
            raise dg.RetryRequested(max_retries=MAX_RETRIES + waits[name], seconds_to_wait=delay) from failure
        raise failure from error


def describe(frame: Frame, outcome: Outcome) -> dict[str, Any]:
    """Metadata of a materialization: what was done, the numbers, the files, the picture."""
    record = outcome.record
    shown: dict[str, Any] = {"outcome": outcome.how, "why": outcome.why, "seconds": round(outcome.seconds, 2)}
    shown |= {key: value for key, value in record.metrics.items() if value is not None}
    files = [out for out in record.outputs if out.path != record.picture]
    if files:
        shown["size_bytes"] = sum(out.size for out in files)
        shown["files"] = _file_table(files)
        shown["dagster/uri"] = str(frame.workspace.root / files[0].path)
    if record.picture:
        png = (frame.workspace.root / record.picture).read_bytes()
        shown["picture"] = dg.MetadataValue.md(f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})")
    shown["first_made_by_run"] = record.produced.run_id
    shown["work_folder"] = dg.MetadataValue.path(str(frame.workspace.root))
    return shown


def _file_table(files: list[Any]) -> dg.TableMetadataValue:
    columns = [dg.TableColumn("file"), dg.TableColumn("bytes", "int"), dg.TableColumn("sha256")]
    rows: list[dg.TableRecord] = []
    for out in files:
        row: Mapping[str, Any] = {"file": out.path, "bytes": out.size, "sha256": out.sha256[:16]}
        rows.append(dg.TableRecord(row))
    return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns))
