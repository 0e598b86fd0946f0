"""What is taken off the displacement series before its DEM error: tides, ionosphere, troposphere, ramp.

MintPy's correct_SET, correct_ionosphere, correct_troposphere and deramp in its order, each writing the next
`timeseries_*.h5`; a correction that the template turns off leaves no file.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sbas_assets.errors import InputError
from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.held_layers import Held
from sbas_assets.mintpy.loading import require_ion_pairs, stack_layout
from sbas_assets.mintpy.solid_earth_tides import TIDES, correct_tides, made_with
from sbas_assets.mintpy.template import Template
from sbas_assets.mintpy.troposphere import DELAY_FILE
from sbas_assets.mintpy.views import view_of_stack
from sbas_assets.mintpy.weather import method
from sbas_assets.mintpy.workfolder import ION_STACK
from sbas_assets.pictures.drawings import series_picture
from sbas_assets.sbas.series_dates import keep_dates
from sbas_assets.sbas.series_ramp import deramp_series
from sbas_assets.step import Job, Made, Step

_SIDE_FILES = (TIDES, "ion.h5", "temporalCoherenceIon.h5", "numInvIon.h5")


def make_corrected(job: Job) -> Made:
    """Apply the corrections that the template asks for, one after the other."""
    ionosphere = bool(job.template.value("mintpy.ionosphericDelay.method"))
    if ionosphere:
        require_ion_pairs(job)
        _require_ion_dates(job)
    workfolder.link_inputs(job, instead={ION_STACK: "ionStack.h5"})
    if ionosphere:
        view_of_stack(job.workspace.root / ION_STACK, job.folder / ION_STACK, relative="../ionStack.h5")
    workfolder.link_user_files(job)
    point = job.facts()["reference_point"]
    pixel = f"{point['row']},{point['column']}"
    workfolder.write_template(job, {"mintpy.reference.yx": pixel, "mintpy.reference.lalo": "auto"})
    files, unclear, tides = workfolder.run(job, lambda: _correct(job))
    if unclear:
        job.run.tell(f"deramped by MintPy's own routine, for too few pixels: {', '.join(unclear)}")
    return _made(job, files, tides)


def _require_ion_dates(job: Job) -> None:
    """MintPy would leave dates that no ionospheric pair reaches as they are, among corrected ones."""
    facts = job.facts()
    covered = {date for pair in facts["ion_pairs_loaded"] for date in pair.split("_")}
    lacking = [date for date in facts["dates"] if date not in covered]
    if lacking:
        raise InputError(
            "ion-dates-missing",
            f"no ionospheric interferogram reaches {len(lacking)} of {len(facts['dates'])} dates "
            f"({', '.join(lacking[:8])}{', ...' if len(lacking) > 8 else ''})",
            mend="run topsStack's ionosphere steps for them, or leave the dates out with mintpy.network.excludeDate",
            path=stack_layout(job.frame).stack,
            frame=job.frame.key,
        )


def _correct(job: Job) -> tuple[list[str], list[str], Held | None]:
    """Run MintPy's steps, but deramp here, and compute tides of new dates only.

    Returns the series files in the order they were made, the uncorrected one first, the dates that MintPy deramped, and
    the tides that were there.
    """
    import mintpy.cli.diff

    workflow = workfolder.app(job.folder)
    names = workflow.get_timeseries_filename(workflow.template, str(job.folder))
    tides, step = None, names["correct_SET"]
    if step["input"] != step["output"]:
        tides = correct_tides(job, Path(step["input"]), Path(step["output"]))
    workflow.run_ionospheric_delay_correction("correct_ionosphere")
    chosen = method(job.template)
    if chosen in DELAY_FILE:
        step = names["correct_troposphere"]
        series = _with_delay(job, Path(step["input"]), job.folder / DELAY_FILE[chosen])
        mintpy.cli.diff.main([str(series), DELAY_FILE[chosen], "-o", step["output"]])
    else:
        workflow.run_tropospheric_delay_correction("correct_troposphere")
    unclear = []
    if names["deramp"]["input"] != names["deramp"]["output"]:
        unclear = _deramp(job, Path(names["deramp"]["input"]), Path(names["deramp"]["output"]))
    steps = ("correct_SET", "correct_ionosphere", "correct_troposphere", "deramp")
    made = [Path(names[step]["output"]).name for step in steps]
    return list(dict.fromkeys(["timeseries.h5", *made])), unclear, tides


def _with_delay(job: Job, series: Path, delay: Path) -> Path:
    """Restrict the series to the dates that have a delay.

    MintPy's `diff.py --force` would leave the others uncorrected among corrected ones.
    """
    dates = dates_of(delay)
    if dates == dates_of(series):
        return series
    restricted = job.folder / f"dates_with_delay_{series.name}"
    keep_dates(series, restricted, dates, memory=_memory(job))
    return restricted


def _memory(job: Job) -> float:
    return float(job.template.raw["mintpy.compute.maxMemory"])


def _deramp(job: Job, series: Path, target: Path) -> list[str]:
    """Source: `TimeSeriesAnalysis.run_phase_deramping`, `mintpy.cli.remove_ramp`."""
    kind, mask = (job.template.raw[key] for key in ("mintpy.deramp", "mintpy.deramp.maskFile"))
    done = deramp_series(
        series,
        target,
        kind,
        mask=job.folder / mask,
        memory=_memory(job),
        extra={"mintpy.deramp": kind, "mintpy.deramp.maskFile": mask},
    )
    return done.by_mintpy


def _made(job: Job, files: list[str], tides: Held | None) -> Made:
    outputs = {name: job.folder / name for name in files[1:]}
    outputs |= {name: job.folder / name for name in _SIDE_FILES if (job.folder / name).is_file()}
    all_dates, all_before = spread_mm(job.folder / files[0], job.folder / "maskTempCoh.h5")
    dates, after = spread_mm(job.folder / files[-1], job.folder / "maskTempCoh.h5")
    before = [value for date, value in zip(all_dates, all_before, strict=True) if date in dates]
    ion = job.folder / "ion.h5"
    lost = sorted(set(dates) - set(dates_of(ion))) if ion.is_file() else []
    return Made(
        outputs=outputs,
        metrics={
            "corrections": ", ".join(name.removeprefix("timeseries_").removesuffix(".h5") for name in files[1:]),
            "dates": len(dates),
            "spatial_std_before_mean_mm": round(float(np.mean(before)), 3),
            "spatial_std_after_mean_mm": round(float(np.mean(after)), 3),
            **(
                {"tides_computed": len(all_dates) - len(tides.dates), "tides_reused": len(tides.dates)} if tides else {}
            ),
        },
        facts={
            "series": files[-1],
            "dates": dates,
            "dates_without_correction": lost,
            **({"tides_made_with": made_with()} if tides else {}),
        },
        picture=series_picture(dates, after, title="Spread after the corrections", label="std in space (mm)"),
    )


def dates_of(series: Path) -> list[str]:
    """Dates of a series."""
    with h5py.File(series, "r") as h5:
        return [date.decode() for date in h5["date"][:]]


def spread_mm(series: Path, mask: Path) -> tuple[list[str], list[float]]:
    """Dates of a series and, per date, the standard deviation over its reliable pixels in mm."""
    with h5py.File(mask, "r") as h5:
        reliable = h5["mask"][:] != 0
    with h5py.File(series, "r") as h5:
        dates = [date.decode() for date in h5["date"][:]]
        if not reliable.any():
            return dates, [0.0] * len(dates)
        return dates, [1e3 * float(np.nanstd(h5["timeseries"][i][reliable])) for i in range(len(dates))]


def _off(template: Template) -> str | None:
    options = (
        "mintpy.solidEarthTides",
        "mintpy.ionosphericDelay.method",
        "mintpy.troposphericDelay.method",
        "mintpy.deramp",
    )
    return None if any(template.value(option) for option in options) else " = no, ".join(options) + " = no"


TIMESERIES_CORRECTED = Step(
    name="timeseries_corrected",
    upstream=("ifgramStack", "geometryRadar", "network", "timeseries", "troposphere"),
    options=(
        "mintpy.solidEarthTides",
        "mintpy.ionosphericDelay.",
        "mintpy.troposphericDelay.method",
        "mintpy.troposphericDelay.weatherModel",
        "mintpy.troposphericDelay.polyOrder",
        "mintpy.troposphericDelay.looks",
        "mintpy.troposphericDelay.minCorrelation",
        "mintpy.deramp",
        "mintpy.deramp.",
    ),
    code_version="3",
    make=make_corrected,
    off=_off,
    state=workfolder.user_file_digests,
)
