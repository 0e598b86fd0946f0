"""Which pairs are kept, to which point they refer, and whether their phases close.

MintPy's modify_network on a view of the stack; what its later steps look up in the stack, stack_overview.py finds,
from where network_state.py has left off. Which point it is, reference.py decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sbas_assets.mintpy import workfolder
from sbas_assets.mintpy.loading import date_baselines
from sbas_assets.mintpy.network_state import NetworkState, recipe, with_point
from sbas_assets.mintpy.reference import pinned_state, reference_point
from sbas_assets.mintpy.views import view_of_stack
from sbas_assets.mintpy.workfolder import GEOMETRY, NETWORK_STACK, NETWORK_STATE, STACK
from sbas_assets.pictures.drawings import network_picture
from sbas_assets.sbas.overview_sums import turning_point
from sbas_assets.sbas.product_file import product_file
from sbas_assets.sbas.stack_overview import Coverage, Overview, cover, overview
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
# options that drop pairs (`mintpy.cli.modify_network.cmd_line_parse`); without any MintPy keeps all
_CHOOSING = (
    "tempBaseMax",
    "perpBaseMax",
    "connNumMax",
    "startDate",
    "endDate",
    "excludeDate",
    "excludeDate12",
    "excludeIfgIndex",
    "referenceFile",
    "coherenceBased",
    "areaRatioBased",
)


def make_network(job: Job) -> Made:
    """Mark the dropped pairs, set the reference point, and give the overview of the stack."""
    workfolder.link_inputs(job, instead={STACK: "ifgramStack.h5"})
    workfolder.link_user_files(job)
    view_of_stack(job.workspace.root / STACK, job.folder / STACK, relative="../ifgramStack.h5")
    workfolder.write_template(job)
    state = NetworkState.of(job)
    if _something_to_choose(job):
        workfolder.run(job, lambda: _choose_pairs(job, state))
    looked = _look(job, state)
    state.write(job.folder / NETWORK_STATE)
    return _made(job, looked, state)


def _something_to_choose(job: Job) -> bool:
    """Whether the template may drop pairs, or MintPy's modify_network has a water mask to write."""
    with h5py.File(job.folder / GEOMETRY, "r") as h5:
        return "waterMask" in h5 or any(job.template.value(f"mintpy.network.{name}") for name in _CHOOSING)


def _choose_pairs(job: Job, state: NetworkState) -> None:
    with state.means.remembered():
        workfolder.app(job.folder).run_network_modification("modify_network")


@dataclass(frozen=True)
class _Looked:
    """What the overview of the stack has found, of the kept pairs, and how many of them it had to look at."""

    kept: list[str]
    dropped: list[str]
    coverage: Coverage
    found: Overview
    point: tuple[int, int]
    pairs_read: int


def _look(job: Job, state: NetworkState) -> _Looked:
    """Look at the pairs that the network keeps, those of which enough is known left out."""
    stack, memory = job.folder / STACK, float(job.template.raw["mintpy.compute.maxMemory"])
    kept, dropped = kept_and_dropped(stack)
    keep = turning_point(_split(kept))
    images = recipe(job, stack)
    early = state.early("coverage", images, kept, keep)
    coverage = cover(stack, memory, early, keep=keep)
    state.take("coverage", images, kept, coverage.early)
    _write_coverage(job, coverage)
    point = reference_point(job, coverage)
    _set_reference_point(job, *point)
    referred = with_point(images, stack)
    known = state.early("overview", referred, kept, keep)
    found = overview(stack, coverage.coherence, _water_mask(job), memory, known, keep=keep)
    state.take("overview", referred, kept, found.early)
    _write_overview(job, found)
    read = len(kept) - min(each.pairs if each else 0 for each in (early, known))
    return _Looked(kept, dropped, coverage, found, point, max(read, state.means.read))


def _write_coverage(job: Job, coverage: Coverage) -> None:
    """Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.generate_ifgram_aux_file`."""
    _write(job, "maskConnComp.h5", coverage.common, _metadata(job) | {"FILE_TYPE": "mask"})
    _write(job, "avgSpatialCoh.h5", coverage.coherence, _metadata(job, "coherence") | {"FILE_TYPE": "coherence"})


def _set_reference_point(job: Job, row: int, column: int) -> None:
    """Source: `mintpy.reference_point.reference_file`."""
    from mintpy.reference_point import reference_point_attribute

    attributes = reference_point_attribute(_metadata(job), y=row, x=column)
    with h5py.File(job.folder / STACK, "r+") as h5:
        h5.attrs.update(attributes)


def _water_mask(job: Job) -> NDArray[Any] | None:
    from mintpy.utils import readfile

    path = job.folder / "waterMask.h5"
    return np.asarray(readfile.read(str(path))[0]) if path.is_file() else None


def _write_overview(job: Job, found: Overview) -> None:
    """Source: `mintpy.smallbaselineApp.TimeSeriesAnalysis.run_quick_overview`."""
    metadata = _metadata(job, "unwrapPhase")
    _write(job, "avgPhaseVelocity.h5", found.velocity, metadata | {"FILE_TYPE": "velocity", "UNIT": "m/year"})
    if found.closures is not None:
        with h5py.File(job.folder / STACK, "r") as h5:
            dates = sorted(date.decode() for date in h5["date"][:].ravel())
        metadata |= {"START_DATE": dates[0], "END_DATE": dates[-1]}
        _write(job, "numTriNonzeroIntAmbiguity.h5", found.closures, metadata | {"FILE_TYPE": "mask", "UNIT": "1"})


def _metadata(job: Job, dataset: str | None = None) -> dict[str, str]:
    """Attributes of the stack, with the unit of one of its datasets."""
    from mintpy.utils import readfile

    return dict(readfile.read_attribute(str(job.folder / STACK), datasetName=dataset))


def _write(job: Job, name: str, image: NDArray[Any], metadata: Mapping[str, str]) -> None:
    with product_file(job.folder / name, metadata, {metadata["FILE_TYPE"]: image}):
        pass


def find_islands(pairs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of dates that pairs connect; a single one if the network is whole."""
    return islands([Pair(pair[:8], pair[9:]) for pair in pairs])


def kept_and_dropped(stack: Path) -> tuple[list[str], list[str]]:
    """Names of the pairs that the network keeps, and of those that it drops."""
    with h5py.File(stack, "r") as h5:
        pairs = ["_".join(date.decode() for date in row) for row in h5["date"][:]]
        keep = h5["dropIfgram"][:]
    return [p for p, k in zip(pairs, keep, strict=True) if k], [p for p, k in zip(pairs, keep, strict=True) if not k]


def _made(job: Job, looked: _Looked, state: NetworkState) -> Made:
    kept, dropped, coherence, (row, column) = looked.kept, looked.dropped, looked.coverage.coherence, looked.point
    outputs = {NETWORK_STACK: job.folder / STACK}
    outputs |= {name: job.folder / name for name in (*_SIDE_FILES, NETWORK_STATE) if (job.folder / name).is_file()}
    reasons = dict.fromkeys(dropped, "left out by mintpy.network.* of the template")
    return Made(
        outputs=outputs,
        metrics={
            "pairs_kept": len(kept),
            "pairs_dropped": len(dropped),
            "pairs_read": looked.pairs_read,
            **({"not_updated": state.reason} if state.reason else {}),
            "islands": len(find_islands(kept)),
            "reference_row": row,
            "reference_column": column,
            "reference_average_coherence": round(float(coherence[row, column]), 4),
            "average_coherence_median": round(float(np.nanmedian(coherence[coherence > 0])), 4),
            "triplets_with_integer_ambiguity_mean": _mean_closures(looked.found.closures),
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


def _mean_closures(counts: NDArray[np.float32] | None) -> float | None:
    """Mean number of triplets per pixel whose phase closes to a non-zero multiple of 2 pi; None without triplets."""
    if counts is None:
        return None
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
    code_version="3",
    make=make_network,
    state=pinned_state,
    settles=True,
)
