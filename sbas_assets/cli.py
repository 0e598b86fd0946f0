"""The command line, `sbas-assets`: its words, and nothing of what they do (see `sbas_assets.commands`).

The words are a contract: scripts depend on them. Each command imports what it needs when it is called, because
Dagster and MintPy take seconds to import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sbas_assets import __version__
from sbas_assets.commands.failures import BROKEN_PIPE, DONE, INTERRUPTED, MISTAKE, Failure, execute, fail

if TYPE_CHECKING:
    from sbas_assets.commands.output import Output

app = typer.Typer(
    name="sbas-assets",
    help="Sentinel-1 SBAS-InSAR frames: from ISCE2 topsStack folders to MintPy time series and Zarr products.",
    epilog="Settings: SBAS_ROOT (default ./sbas-data), SBAS_STORE, DAGSTER_HOME, SBAS_THREADS.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
frames = typer.Typer(help="The frames that this installation processes.")
app.add_typer(frames, name="frames")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The frame's key, e.g. T071D_santorini.", show_default=False)]


class Size(StrEnum):
    """How much the demo simulates."""

    small = "small"
    medium = "medium"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sbas-assets {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    _wanted: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> int:
    return _help(context)


@frames.callback(invoke_without_command=True)
def _frames(context: typer.Context) -> int:
    return _help(context)


def _help(context: typer.Context) -> int:
    """Tell somebody who gave no command which there are."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    return MISTAKE


@app.command()
def demo(
    root: Annotated[Path | None, typer.Option(help="Instead of SBAS_ROOT.", metavar="DIR")] = None,
    size: Annotated[Size, typer.Option(help="How much to simulate.")] = Size.small,
) -> int:
    """Simulate a stack, process and publish it, and compare the velocity with the known truth."""

    def body(out: Output) -> int:
        from sbas_assets.commands.demo import demo

        return demo(out, root, size.value)

    return execute("demo", body)


@app.command()
def check(
    stack: Annotated[Path, typer.Argument(metavar="STACK", help="A topsStack folder.", show_default=False)],
    json: Json = False,
) -> int:
    """Look for everything that is wrong with a stack; exit 0 only if it can be processed."""

    def body(out: Output) -> int:
        from sbas_assets.commands.check import check

        return check(out, stack)

    return execute("check", body, as_json=json)


@frames.command("add")
def frames_add(
    key: Key,
    stack: Annotated[Path, typer.Option(help="The topsStack folder.", metavar="DIR", show_default=False)],
    template: Annotated[
        Path | None, typer.Option(help="A smallbaselineApp.cfg or a template like it.", metavar="FILE")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A MintPy option, over the template's; may be repeated.", metavar="KEY=VALUE"),
    ] = None,
) -> int:
    """Add a frame to the catalogue."""

    def body(out: Output) -> int:
        from sbas_assets.commands.frames import add

        return add(out, key, stack, template, settings or [])

    return execute("frames-add", body)


@frames.command("list")
def frames_list(json: Json = False) -> int:
    """List the frames, and what is wrong with those that cannot be read."""

    def body(out: Output) -> int:
        from sbas_assets.commands.frames import list_frames

        return list_frames(out)

    return execute("frames-list", body, as_json=json)


@frames.command("remove")
def frames_remove(key: Key) -> int:
    """Take a frame out of the catalogue; its products and its history stay."""

    def body(out: Output) -> int:
        from sbas_assets.commands.frames import remove

        return remove(out, key)

    return execute("frames-remove", body)


@app.command()
def run(
    key: Key,
    select: Annotated[
        str | None,
        typer.Option(help="Assets: velocity, +velocity, 'geo_*', group:geo; several with commas.", metavar="ASSETS"),
    ] = None,
    json: Json = False,
) -> int:
    """Bring a frame up to date in this process; the run shows up in Dagster's UI."""

    def body(out: Output) -> int:
        from sbas_assets.commands.run import run

        return run(out, key, select)

    return execute("run", body, as_json=json)


# a negative longitude is not an option
@app.command(context_settings={"ignore_unknown_options": True})
def point(
    key: Key,
    lat: Annotated[float, typer.Argument(metavar="LAT", help="Latitude (degrees).", show_default=False)],
    lon: Annotated[float, typer.Argument(metavar="LON", help="Longitude (degrees).", show_default=False)],
    plot: Annotated[Path | None, typer.Option(help="Plot it: .png, .pdf or .svg.", metavar="FILE")] = None,
) -> int:
    """Print the displacement series at a place, from the published products."""

    def body(out: Output) -> int:
        from sbas_assets.commands.point import point

        return point(out, key, lat, lon, plot)

    return execute("point", body)


@app.command()
def publish(key: Key, json: Json = False) -> int:
    """Publish what was made of a frame, also a version that was rolled back."""

    def body(out: Output) -> int:
        from sbas_assets.commands.publishing import publish

        return publish(out, key)

    return execute("publish", body, as_json=json)


@app.command()
def versions(
    key: Key,
    tag: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Name a version; one with a tag is never removed.", metavar="VERSION TAG"),
    ] = None,
    untag: Annotated[str | None, typer.Option(help="Take a tag away.", metavar="TAG")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove what is too old, and what killed runs left.")] = False,
    json: Json = False,
) -> int:
    """List the published versions of a frame."""

    def body(out: Output) -> int:
        from sbas_assets.commands.publishing import versions

        return versions(out, key, tag, untag, prune=prune)

    return execute("versions", body, as_json=json)


@app.command()
def verify(
    key: Key,
    version: Annotated[str | None, typer.Option(help="Instead of the current one.", metavar="VERSION")] = None,
    json: Json = False,
) -> int:
    """Read all that is published of a frame and compare it; exit 0 only if everything is right."""

    def body(out: Output) -> int:
        from sbas_assets.commands.publishing import verify

        return verify(out, key, version)

    return execute("verify", body, as_json=json)


@app.command()
def rollback(
    key: Key,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="As `versions` lists it, or a tag.", show_default=False)
    ],
) -> int:
    """Let readers see an earlier version of a frame."""

    def body(out: Output) -> int:
        from sbas_assets.commands.publishing import rollback

        return rollback(out, key, version)

    return execute("rollback", body)


@app.command()
def doctor(json: Json = False) -> int:
    """Tell what works here and what does not; exit 0 if the basics do."""

    def body(out: Output) -> int:
        from sbas_assets.commands.doctor import doctor

        return doctor(out)

    return execute("doctor", body, as_json=json)


# typer carries a copy of click of its own since 0.2x; this finds the base of all wrong usage in either
USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__base__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process when None.

    Returns
    -------
    int
        Exit code: 0 done, 1 a mistake of the user, 2 a fault of the outside world or of this package.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given, prog_name="sbas-assets", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except USAGE_ERROR as error:
        return _wrong_usage(error, given)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # the interpreter would complain about what is still in the buffer
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    return code if isinstance(code, int) else DONE


def _wrong_usage(error: Any, given: Sequence[str]) -> int:
    command = error.ctx.command_path if error.ctx is not None else "sbas-assets"
    failure = Failure("usage", error.format_message(), "input", mend=f"see `{command} --help`")
    return execute("usage", lambda out: fail(out, "usage", failure), as_json="--json" in given)
