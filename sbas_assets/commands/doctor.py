"""`sbas-assets doctor`: what works on this machine, with these settings.

Belongs here: the list of examinations and the verdict. The examinations that need more than a few lines are in
`examinations`. ISCE2 is never imported: it disables every logger of the process.
"""

from __future__ import annotations

from sbas_assets.commands import examinations as examine
from sbas_assets.commands.examinations import BASICS, Finding
from sbas_assets.commands.failures import DONE, MISTAKE
from sbas_assets.commands.output import Output
from sbas_assets.workspace import Settings

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


def doctor(out: Output) -> int:
    """Examine the installation; return 0 if what every frame needs is there."""
    settings = Settings.from_env()
    findings = [
        examine.python(),
        examine.packages(),
        examine.mintpy(),
        examine.isce2(),
        examine.weather_service(),
        examine.gdal(),
        examine.root(settings),
        examine.locks(settings),
        examine.store(settings),
        examine.dagster_home(settings),
        examine.frames(settings),
        examine.machine(),
        examine.threads(),
    ]
    works = not any(finding.status == "failure" and finding.name in BASICS for finding in findings)
    if out.json:
        out.document([vars(finding) for finding in findings])
    else:
        _show(out, findings, works)
    return DONE if works else MISTAKE


def _show(out: Output, findings: list[Finding], works: bool) -> None:
    for finding in findings:
        out.say(f"{finding.status:8} {finding.name:14} {finding.detail}", STYLES[finding.status])
        if finding.mend:
            out.say(f"{'':24}-> {finding.mend}")
    out.say("the basics work" if works else "the basics do not work", "bold green" if works else "bold red")
