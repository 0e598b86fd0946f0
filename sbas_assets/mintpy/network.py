"""Which pairs are kept, to which point they refer, and whether their phases close.

MintPy's modify_network, reference_point and quick_overview on a view of the stack; which point it is, reference.py
decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial, partialmethod
from pathlib import Path
from unittest import mock

import h5py
import numpy as np

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.loading import date_baselines
from sbas_assets.mintpy.reference import pinned_state, quality, reference_point
from sbas_assets.mintpy.views import view_of_stack
from sbas_assets.mintpy.workfolder import GEOMETRY, NETWORK_STACK, STACK
from sbas_assets.pictures.drawings import network_picture
from sbas_assets.step import Job, Made, Step
from sbas_assets.topsstack.checks.network import islands
from sbas_assets.topsstack.tree import Pair

_SIDE_FILES = (
    "maskConnComp.h5",
    "avgSpatialCoh.h5",
    "avgPhaseVelocity.h5",
    "numTriNonzeroIntAmbiguity.h5",
    "waterMask.h5",
    "coherenceSpatialAvg.txt",
    "coherenceAreaRatio.txt",
)


def make_network(job: Job) -> Made:
    """Mark the dropped pairs, set the reference point, and give the overview of the stack."""
    workfolder.link_inputs(job, instead={STACK: "ifgramStack.h5"})
    workfolder.link_user_files(job)
    view_of_stack(job.workspace.root / STACK, job.folder / STACK, relative="../ifgramStack.h5")
    workfolder.write_template(job)
    workfolder.run(job, lambda: _select_pairs(job))
    row, column = reference_point(job)
    workfolder.write_template(job, {"mintpy.reference.yx": f"{row},{column}", "mintpy.reference.lalo": "auto"})
    workfolder.run(job, lambda: _set_reference_point(job))
    return _made(job, row, column)


def _select_pairs(job: Job) -> None:
    workflow = workfolder.app(job.folder)
    with _bounded_memory(job):
        workflow.run_network_modification("modify_network")
        workflow.generate_ifgram_aux_file()


def _set_reference_point(job: Job) -> None:
    workflow = workfolder.app(job.folder)
    # MintPy's histogram of the closures fails when every triplet closes ("bins must be positive"); the UI has ours
    picture = "mintpy.utils.plot.plot_num_triplet_with_nonzero_integer_ambiguity"
    with _bounded_memory(job), mock.patch(picture):
        workflow.run_reference_point("reference_point")
        workflow.run_quick_overview("quick_overview")


@contextmanager
def _bounded_memory(job: Job) -> Iterator[None]:
    """Hand mintpy.compute.maxMemory to two functions that MintPy calls with their default of 4 GB."""
    from mintpy import unwrap_error_phase_closure as closure
    from mintpy.objects import ifgramStack

    limit = float(job.template.raw["mintpy.compute.maxMemory"])
    count = closure.calc_num_triplet_with_nonzero_integer_ambiguity
    average = partialmethod(ifgramStack.temporal_average, max_memory=limit)
    with (
        mock.patch.object(closure, count.__name__, partial(count, max_memory=limit)),
        mock.patch.object(ifgramStack, "temporal_average", average),
    ):
        yield


def find_islands(pairs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of dates that pairs connect; a single one if the network is whole."""
    return islands([Pair(pair[:8], pair[9:]) for pair in pairs])


def kept_and_dropped(stack: Path) -> tuple[list[str], list[str]]:
    """Names of the pairs that the network keeps, and of those that it drops."""
    with h5py.File(stack, "r") as h5:
        pairs = ["_".join(date.decode() for date in row) for row in h5["date"][:]]
        keep = h5["dropIfgram"][:]
    return [p for p, k in zip(pairs, keep, strict=True) if k], [p for p, k in zip(pairs, keep, strict=True) if not k]


def _made(job: Job, row: int, column: int) -> Made:
    kept, dropped = kept_and_dropped(job.folder / STACK)
    coherence = quality(job)[0]
    closures = job.folder / "numTriNonzeroIntAmbiguity.h5"
    outputs = {NETWORK_STACK: job.folder / STACK}
    outputs |= {name: job.folder / name for name in _SIDE_FILES if (job.folder / name).is_file()}
    reasons = dict.fromkeys(dropped, "left out by mintpy.network.* of the template")
    return Made(
        outputs=outputs,
        metrics={
            "pairs_kept": len(kept),
            "pairs_dropped": len(dropped),
            "islands": len(find_islands(kept)),
            "reference_row": row,
            "reference_column": column,
            "reference_average_coherence": round(float(coherence[row, column]), 4),
            "average_coherence_median": round(float(np.nanmedian(coherence[coherence > 0])), 4),
            "triplets_with_integer_ambiguity_mean": _mean_closures(closures),
        },
        facts={
            "pairs_used": kept,
            "pairs_dropped": reasons,
            "reference_point": _point_fact(job, row, column),
        },
        picture=network_picture(_split(kept), date_baselines(job.folder / STACK), _split(dropped)),
    )


def _split(pairs: Sequence[str]) -> list[tuple[str, str]]:
    return [(pair[:8], pair[9:]) for pair in pairs]


def _mean_closures(path: Path) -> float | None:
    """Mean number of triplets per pixel whose phase closes to a non-zero multiple of 2 pi; None without triplets."""
    if not path.is_file():
        return None
    with h5py.File(path, "r") as h5:
        counts = h5["mask"][:]
    return round(float(np.nanmean(counts)), 4) if np.isfinite(counts).any() else 0.0


def _point_fact(job: Job, row: int, column: int) -> dict[str, float]:
    with h5py.File(job.folder / GEOMETRY, "r") as geometry:
        lat, lon = float(geometry["latitude"][row, column]), float(geometry["longitude"][row, column])
    return {"row": row, "column": column, "latitude": round(lat, 6), "longitude": round(lon, 6)}


NETWORK = Step(
    name="network",
    upstream=("ifgramStack", "geometryRadar"),
    options=(
        "mintpy.network.",
        "mintpy.reference.yx",
        "mintpy.reference.lalo",
        "mintpy.reference.maskFile",
        "mintpy.reference.coherenceFile",
        "mintpy.reference.minCoherence",
    ),
    make=make_network,
    state=pinned_state,
    settles=True,
)
