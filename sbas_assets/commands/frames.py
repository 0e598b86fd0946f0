"""`sbas-assets frames`: adding to, listing and removing from the catalogue, in step with Dagster's partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sbas_assets.commands.failures import DONE
from sbas_assets.commands.home import dagster_instance
from sbas_assets.commands.output import Output
from sbas_assets.errors import InputError
from sbas_assets.frames import PARTITIONS, FrameCatalogue, FrameConfig, frame_config, parse_set, validate_key
from sbas_assets.mintpy.template import ImportedTemplate, is_attribute, read_cfg, resolve_paths, validate
from sbas_assets.provenance import read_record
from sbas_assets.workspace import Settings

if TYPE_CHECKING:
    from sbas_assets.topsstack.problems import StackReport


def add(out: Output, key: str, stack: Path, template: Path | None, settings: Sequence[str]) -> int:
    """Add a frame: its track and direction are the stack's, its options the template's and the command line's."""
    roots = Settings.from_env()
    validate_key(key)
    imported = read_cfg(template) if template is not None else ImportedTemplate({}, {}, {})
    options, attributes = _merged(imported, parse_set(settings), template)
    report = _look_at(stack, options, key)
    values = {
        "track": report.tracks[0],
        "direction": str(report.orbit_direction).lower(),
        "stack": report.stack,
        "mintpy": options,
        "attributes": attributes,
    }
    path = register(roots, key, frame_config(values, frame=key, path=template))
    out.say(f"added frame {key}: track {values['track']}, {values['direction']}, options: {len(options)}, in {path}")
    out.say(f"next: sbas-assets run {key}")
    if imported.ignored:
        out.note(f"note: not MintPy's, left out of the template: {', '.join(imported.ignored)}")
    _note_problems(out, report)
    return DONE


def register(settings: Settings, key: str, config: FrameConfig, *, overwrite: bool = False) -> Path:
    """Write a frame's file and add its partition; returns the file."""
    # the instance first: a home that cannot be used is found out before anything is written
    with dagster_instance(settings) as instance:
        path = FrameCatalogue(settings.root).add(key, config, overwrite=overwrite)
        instance.add_dynamic_partitions(PARTITIONS, [key])
    return path


def _merged(
    imported: ImportedTemplate, given: dict[str, str], template: Path | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Options and attributes of a template with those of the command line over them, checked."""
    given = resolve_paths(given, Path.cwd())
    merged = {**imported.options, **imported.attributes, **given}
    try:
        validate(merged)
    except InputError as error:
        raise InputError(error.code, error.message, mend=error.mend, path=error.path or template) from None
    attributes = {name: value for name, value in merged.items() if is_attribute(name)}
    return {name: value for name, value in merged.items() if name not in attributes}, attributes


def _look_at(stack: Path, options: dict[str, str], key: str) -> StackReport:
    """Check the stack without its pixels; only one that does not tell its track is refused."""
    from sbas_assets.topsstack.preflight import preflight
    from sbas_assets.topsstack.tree import StackLayout

    report = preflight(StackLayout.from_template(stack.expanduser().absolute(), options), pixels=False)
    if not report.tracks or report.orbit_direction is None:
        first = next(report.of("stop"))
        raise InputError(first.code, first.cause, mend=first.mend, path=first.path, frame=key)
    return report


def _note_problems(out: Output, report: StackReport) -> None:
    kept = f"{len(report.pairs)} pairs of {len(report.dates)} dates"
    stops = list(report.of("stop"))
    out.note(f"note: the stack has {kept}, {len(report.dropped)} pairs are left out, {len(stops)} problems stop it")
    for problem in stops[:3]:
        out.note(f"  [{problem.code}] {problem.path}: {problem.cause}")
    if report.problems:
        out.note(f"  all of them: sbas-assets check {report.stack}")


def remove(out: Output, key: str) -> int:
    """Take a frame out of the catalogue; what was made of it stays."""
    settings = Settings.from_env()
    with dagster_instance(settings) as instance:
        FrameCatalogue(settings.root).remove(key)
        instance.delete_dynamic_partition(PARTITIONS, key)
    out.say(f"removed frame {key}; what was made of it stays:")
    out.say(f"  work folder: {settings.workspace(key).root}")
    out.say(f"  published:   {settings.store.rstrip('/')}/{key}")
    out.say(f"  run history: {settings.dagster_home}")
    return DONE


def list_frames(out: Output) -> int:
    """List all frames, with the errors of those whose file is wrong."""
    settings = Settings.from_env()
    found = [_entry(settings, key, config) for key, config in FrameCatalogue(settings.root).items()]
    if out.json:
        out.document(found)
        return DONE
    columns = ("frame", ">track", "direction", ">options", "velocity made", "version", "stack")
    out.table(columns, [_row(entry) for entry in found if "error" not in entry])
    if not found:
        out.say(f"there are no frames in {settings.frames}; add one with `sbas-assets frames add`")
    for entry in found:
        if "error" in entry:
            out.say(f"broken: {entry['error']['text']}", "red")
    return DONE


def _entry(settings: Settings, key: str, config: FrameConfig | InputError) -> dict[str, Any]:
    if isinstance(config, InputError):
        shown = {name: getattr(config, name) for name in ("code", "message", "mend", "path")}
        return {"key": key, "error": {**shown, "text": str(config)}}
    velocity = read_record(settings.workspace(key), "velocity")
    made = None if velocity is None else {"at": velocity.produced.at, "data_version": velocity.data_version}
    fields = config.model_dump(mode="json")
    return {"key": key, **fields, "velocity": made}


def _row(entry: dict[str, Any]) -> tuple[Any, ...]:
    made = entry["velocity"] or {"at": "never", "data_version": ""}
    version = made["data_version"][:8]
    return entry["key"], entry["track"], entry["direction"], len(entry["mintpy"]), made["at"], version, entry["stack"]
