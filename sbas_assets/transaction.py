"""Making one asset of one frame: reuse what is right, or remake it whole.

`execute` decides whether a step is needed, runs it in a staging folder, and publishes files and record so that a
killed run leaves nothing that looks finished. No Dagster here; no numerics either.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from sbas_assets.digests import Digests
from sbas_assets.errors import InputError, OutsideError
from sbas_assets.mintpy.stamp import stamp
from sbas_assets.provenance import (
    Output,
    Produced,
    Record,
    damaged_outputs,
    read_record,
    write_record,
)
from sbas_assets.step import Frame, How, Job, Made, Outcome, Run, Step, product_provenance
from sbas_assets.threads import thread_count
from sbas_assets.workspace import move_into_place


def execute(step: Step, frame: Frame, run: Run, digests: Digests | None = None) -> Outcome:
    """Bring one asset of a frame up to date. The caller holds the frame's lock.

    Parameters
    ----------
    step, frame, run
        What to bring up to date, of which frame, in which run.
    digests : Digests, optional
        Those of the run, so that a step need not read again what an earlier one has put in place.

    Raises
    ------
    InputError
        `upstream-missing`, `upstream-damaged`, and what the step itself raises.
    """
    began = time.monotonic()
    digests = digests or Digests(frame.workspace.digests)
    try:
        inputs = {name: _upstream(name, step, frame, digests) for name in step.upstream}
        with frame.workspace.staging(step.name) as folder:
            job = Job(frame, run, step, inputs, folder, digests)
            record, how, why = _bring_up_to_date(job)
        _remove_leftovers(job, record)
    finally:
        digests.save()
    return Outcome(record, how, why, time.monotonic() - began)


def _upstream(name: str, step: Step, frame: Frame, digests: Digests) -> Record:
    mend = f"materialize {name} first, or the whole frame"
    record = read_record(frame.workspace, name)
    if record is None:
        raise InputError(
            "upstream-missing", f"{step.name} needs {name}, which was never made", mend=mend, frame=frame.key
        )
    faults = damaged_outputs(digests, frame.workspace, record)
    if faults:
        raise InputError(
            "upstream-damaged",
            f"{step.name} needs {name}, but {'; '.join(faults)}",
            mend=mend,
            frame=frame.key,
        )
    return record


def _bring_up_to_date(job: Job) -> tuple[Record, How, str]:
    old = read_record(job.workspace, job.step.name)
    reason = job.step.off(job.template)
    if reason is not None:
        return _pass_through(job, old, reason)
    why = _why_make(job, old)
    if old is not None and why is None:
        return old, "reused", "same inputs and options, files intact"
    record = _make(job, old)
    # the same version again means that only its files had gone or changed
    again = old is not None and old.data_version == record.data_version
    return record, "remade" if again else "made", why or ""


def _why_make(job: Job, old: Record | None) -> str | None:
    if old is None or old.status == "passed-through":
        return "not made before"
    if old.data_version != job.version_continuing(old.continues):
        return _what_changed(job, old)
    faults = damaged_outputs(job.digests, job.workspace, old) + job.step.damaged(job, old)
    return "; ".join(faults) or None


def _what_changed(job: Job, old: Record) -> str:
    now = job.template.subset(job.step.options)
    changed = [f"{key} = {now[key]}" for key in now if old.options.get(key) != now[key]]
    changed += [f"new {name}" for name, new in job.upstream_versions.items() if old.upstream.get(name) != new]
    if old.code_version != job.step.code_version:
        changed.append(f"code version {job.step.code_version}")
    return ", ".join(changed) or "its inputs changed"


def _pass_through(job: Job, old: Record | None, reason: str) -> tuple[Record, How, str]:
    version = job.version
    if old is not None and old.status == "passed-through" and old.data_version == version:
        return old, "reused", reason
    record = _record(job, version, Produced.now(job.run.run_id)).model_copy(
        update={"status": "passed-through", "reason": reason, "facts": job.facts_to_record(_options_fact(job))}
    )
    _remove_abandoned(job, old, kept=())
    write_record(job.workspace, record)
    return record, "passed-through", reason


def _record(job: Job, version: str, produced: Produced) -> Record:
    return Record(
        asset=job.step.name,
        data_version=version,
        code_version=job.step.code_version,
        options=job.template.subset(job.step.options),
        upstream=job.upstream_versions,
        state=dict(job.step.state(job)),
        produced=produced,
    )


def _make(job: Job, old: Record | None) -> Record:
    before = job.version
    made = job.step.make(job)
    _prove_untouched(job)
    if job.version != before and not job.step.settles:
        raise OutsideError(
            "file-changing",
            f"a file that decides {job.step.name} was changed while it was made",
            mend="wait until whatever writes it has finished, then run again",
            frame=job.frame.key,
        )
    version = job.version_continuing(made.continues)
    first = old.produced if old is not None and old.data_version == version else Produced.now(job.run.run_id)
    facts = job.facts_to_record({**made.facts, **_options_fact(job)})
    # plain numbers and texts, as they will be read back
    metrics, facts = json.loads(json.dumps([dict(made.metrics), facts]))
    record = _record(job, version, first).model_copy(
        update={"metrics": metrics, "facts": facts, "picture": _picture_name(job, made), "continues": made.continues}
    )
    return _publish(job, made, record, old)


def _options_fact(job: Job) -> dict[str, Any]:
    """The options that decided this product; those of its upstream are merged in as the facts travel."""
    return {"template": job.template.subset(job.step.options)}


def _picture_name(job: Job, made: Made) -> str | None:
    return f"pic/{job.step.name}.png" if made.picture else None


def _prove_untouched(job: Job) -> None:
    """An asset never changes a file of another: a step that did is a defect, found at once.

    A file's times may have changed: HDF5 opens the sources of a view as it opens the view, for writing too.
    """
    for name, record in job.inputs.items():
        touched = damaged_outputs(job.digests, job.workspace, record)
        if touched:
            raise RuntimeError(f"{job.step.name} changed files of {name}: {'; '.join(touched)}")


def _publish(job: Job, made: Made, record: Record, old: Record | None) -> Record:
    kept = _still_there(job, made)
    provenance = product_provenance(job.frame, record)
    files = dict(made.outputs)
    if made.picture is not None and record.picture is not None:
        files[record.picture] = job.folder / "picture.png"
        files[record.picture].write_bytes(made.picture)
    _finish(job, files, made.sealed, provenance)
    # after a kill the next attempt finds them, and need not make them again
    outputs = [*kept, *(_put_in_place(job, name, files.pop(name)) for name in sorted(made.sealed))]
    # while the old record still knows them: after a kill nobody else would
    _remove_abandoned(job, old, kept={*files, *made.sealed, *made.kept})
    # from here to the new record nothing vouches for the files, so a kill in between leads to a remake
    job.workspace.record(job.step.name).unlink(missing_ok=True)
    outputs += [_put_in_place(job, name, file) for name, file in sorted(files.items())]
    record = record.model_copy(update={"outputs": tuple(sorted(outputs, key=lambda out: out.path))})
    write_record(job.workspace, record)
    return record


def _put_in_place(job: Job, name: str, file: Path) -> Output:
    target = job.workspace.root / name
    move_into_place(file, target)
    digest = job.digests.moved(file, target)
    return Output(path=name, size=digest.size, sha256=digest.sha256)


def _still_there(job: Job, made: Made) -> list[Output]:
    """Files of the version that stay where they are, read again if anything about them has changed."""
    found = job.digests.try_all(job.workspace.root / name for name in made.kept)
    outputs = []
    for name, sha256 in made.kept.items():
        digest = found[job.workspace.root / name]
        if isinstance(digest, OSError) or digest.sha256 != sha256:
            mend = "leave the files of the work folder alone while a run is at work, and run again"
            raise OutsideError("file-changing", "changed while it was used", mend=mend, path=job.workspace.root / name)
        outputs.append(Output(path=name, size=digest.size, sha256=sha256))
    return outputs


def _finish(job: Job, files: Mapping[str, Path], sealed: Collection[str], provenance: Mapping[str, Any]) -> None:
    """Stamp the finished files; each is flushed and digested beside the stamping of the next."""
    with ThreadPoolExecutor(thread_count()) as pool:
        begun = []
        for name, file in files.items():
            if name not in sealed:
                stamp(file, name, provenance)
            begun += [pool.submit(_digest, job, file), pool.submit(_flush, file)]
        for task in begun:
            task.result()


def _digest(job: Job, file: Path) -> None:
    # a network's file server may set the time as it takes the content: then it is read after the move
    with suppress(OutsideError):
        job.digests.of_own(file)


def _flush(file: Path) -> None:
    """Begin early what `move_into_place` waits for."""
    with file.open("rb") as content:
        os.fsync(content.fileno())


def _remove_abandoned(job: Job, old: Record | None, kept: Collection[str]) -> None:
    """Remove what the asset's last version made and this one does not, but for what has a pattern to be found by."""
    for out in old.outputs if old else ():
        if out.path not in kept and not any(PurePath(out.path).match(pattern) for pattern in job.step.owns):
            (job.workspace.root / out.path).unlink(missing_ok=True)


def _remove_leftovers(job: Job, record: Record) -> None:
    """Remove what the step alone makes and the record does not name: of an older version, or of a killed attempt.

    Last of all: until the new files are in place, those of the old version go together.
    """
    for pattern in job.step.owns:
        for path in job.workspace.root.glob(pattern):
            if not record.has(str(path.relative_to(job.workspace.root))) and not path.is_dir():
                path.unlink()
