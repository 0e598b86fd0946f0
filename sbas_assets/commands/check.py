"""`sbas-assets check`: everything that is wrong with a topsStack folder."""

from __future__ import annotations

import re
from pathlib import Path

from rich.text import Text

from sbas_assets.commands.failures import DONE, MISTAKE
from sbas_assets.commands.output import Output
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.problems import StackReport

MEANING = {
    "stop": ("red", "the stack cannot be processed"),
    "drop": ("yellow", "processing goes on without these pairs or dates"),
    "note": ("cyan", "processing goes on"),
}


def check(out: Output, stack: Path) -> int:
    """Check a stack and return the exit code: 0 only if it can be processed."""
    report = preflight(stack.expanduser().absolute())
    if out.json:
        out.document(report.to_dict())
    else:
        _show(out, report)
    return DONE if report.ok else MISTAKE


def _show(out: Output, report: StackReport) -> None:
    for severity, (style, meaning) in MEANING.items():
        problems = [problem for problem in report.problems if problem.severity == severity]
        if problems:
            out.say(f"{severity}: {meaning} ({len(problems)})", f"bold {style}")
        for problem in problems:
            out.results.print(Text("  ").append(problem.code, style).append(f"  {problem.path}"), soft_wrap=True)
            out.say(f"    cause: {problem.cause}")
            out.say(f"    mend:  {problem.mend}")
    out.say(_summary(report), "bold green" if report.ok else "bold red")


def _summary(report: StackReport) -> str:
    rows, columns = report.shape or (0, 0)
    tracks = ", ".join(map(str, report.tracks)) or "unknown"
    facts = (
        f"{len(report.pairs)} pairs ({len(report.dropped)} left out)",
        f"{len(report.dates)} dates",
        f"{rows} x {columns} pixels",
        f"track {tracks}",
        str(report.orbit_direction or "direction unknown").lower(),
        _isce(report.isce_version),
    )
    verdict = "can be processed" if report.ok else "cannot be processed"
    return f"{report.stack} {verdict}: {', '.join(facts)}"


def _isce(version: str | None) -> str:
    """Return the release alone: the headers say `Release: 2.6.5, svn-, 20260630. Current: svn-.`."""
    found = re.search(r"\d+(\.\d+)+", version or "")
    return f"ISCE {found.group()}" if found else f"ISCE {version or 'version unknown'}"
