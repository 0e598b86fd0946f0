"""Asset checks: what must hold before anything is computed downstream, and what an operator wants to be told.

Each reads the product from disk. A blocking check that fails stops everything downstream in the same run.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import h5py
import numpy as np

from sbas_assets.assets.declare import FRAMES
from sbas_assets.assets.source import report_stack
from sbas_assets.automation.audit import frames_current
from sbas_assets.automation.condition import frame_is_due, goes_with_what_it_is_made_from
from sbas_assets.errors import InputError
from sbas_assets.mintpy.era5 import ERA5
from sbas_assets.mintpy.era5_standing import standing
from sbas_assets.mintpy.network import find_islands, kept_and_dropped
from sbas_assets.mintpy.workfolder import NETWORK_STACK
from sbas_assets.published.steps import ZARR_STEPS, require_published
from sbas_assets.resources import Platform, dagster_failures
from sbas_assets.step import Frame
from sbas_assets.survey import STACK_ASSET, survey

# partitioned checks are what makes a check see the frame of the run; they are stable since Dagster 1.13 (see docs)
warnings.filterwarnings("ignore", message=".*partitions_def.*", category=dg.PreviewWarning)

MAX_SPEED_M_PER_YEAR = 2.0
MIN_MEDIAN_TEMPORAL_COHERENCE = 0.5

# a run that is requested by conditions has those checks only that have one too
_OF_FRAMES: dict[str, Any] = {"partitions_def": FRAMES, "automation_condition": goes_with_what_it_is_made_from()}


@dg.asset_check(asset=STACK_ASSET, blocking=True, partitions_def=FRAMES, automation_condition=frame_is_due())
def preflight(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """All that is wrong with the stack, found before any work: pairs are left out, or the frame stops."""
    with dagster_failures(context):
        frame, run = platform.begin(context)
        report, record = survey(frame, run)
        if record is not None:
            report_stack(context.instance, frame, record)
    columns = [dg.TableColumn(name) for name in ("severity", "code", "path", "cause", "mend")]
    rows = [
        dg.TableRecord({"severity": p.severity, "code": p.code, "path": str(p.path), "cause": p.cause, "mend": p.mend})
        for p in report.problems
    ]
    return dg.AssetCheckResult(
        passed=report.ok,
        metadata={
            "pairs": len(report.pairs),
            "pairs_dropped": len(report.dropped),
            "dates": len(report.dates),
            "problems": dg.MetadataValue.table(rows, schema=dg.TableSchema(columns)),
        },
    )


@dg.asset_check(asset=ERA5.name, blocking=True, **_OF_FRAMES)
def era5_complete(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Every date of the stack has a verified ERA5 file; where ERA5 has none yet, missing_weather decides."""
    with _reading(context, platform) as frame:
        found = standing(frame)
    policy, latest = frame.config.missing_weather, max(found.missing.values(), default="")
    bearable = policy == "partial" and not found.faults and len(found.missing) < len(found.dates)
    late = ", ".join([*sorted(found.missing)[:5], *(["..."] if len(found.missing) > 5 else [])])
    told = {
        "wait": f"the corrected series waits for {late}, {latest}",
        "partial": f"the corrected series is made without {late}, {latest}",
    }[policy]
    return dg.AssetCheckResult(
        passed=not (found.missing or found.faults),
        severity=dg.AssetCheckSeverity.WARN if bearable else dg.AssetCheckSeverity.ERROR,
        metadata={
            "dates": len(found.dates),
            "dates_with_verified_file": len(found.dates) - len(found.missing) - len(found.faults),
            "missing": [f"{date}: {text}" for date, text in sorted(found.missing.items())],
            "faults": found.faults,
            "preliminary": found.preliminary,
            "missing_weather": policy,
        },
        description="materialize era5 again" if found.faults else told if found.missing else None,
    )


@dg.asset_check(asset="network", blocking=True, **_OF_FRAMES)
def network_connected(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """The kept pairs connect all their dates."""
    with _reading(context, platform) as frame:
        kept, dropped = kept_and_dropped(frame.workspace.root / NETWORK_STACK)
    groups = find_islands(kept)
    named = [f"{group[0]} to {group[-1]}: {len(group)} dates" for group in groups]
    return dg.AssetCheckResult(
        passed=len(groups) == 1,
        metadata={"islands": named, "pairs_kept": len(kept), "pairs_dropped": len(dropped)},
        description=None if len(groups) == 1 else "relax mintpy.network.* until the islands are bridged",
    )


@dg.asset_check(asset="network", **_OF_FRAMES)
def reference_coherent(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """The reference point that was chosen once would still be accepted; it is never moved by itself."""
    with _reading(context, platform) as frame:
        with h5py.File(frame.workspace.root / NETWORK_STACK, "r") as h5:
            row, column = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
        value = float(_read(frame, "avgSpatialCoh.h5", "coherence")[row, column])
        least = float(frame.template.raw["mintpy.reference.minCoherence"])
    # a point that the user gave is the user's
    fine = value >= least or not frame.workspace.pin.exists()
    mend = f"set mintpy.reference.yx, or remove {frame.workspace.pin.name} to choose again: every series will shift"
    return dg.AssetCheckResult(
        passed=fine,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"row": row, "column": column, "average_coherence": value, "minimum": least},
        description=None if fine else mend,
    )


@dg.asset_check(asset="timeseries", blocking=True, **_OF_FRAMES)
def reliable_pixels(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """At least mintpy.networkInversion.minNumPixel pixels are reliable."""
    with _reading(context, platform) as frame:
        count = int((_read(frame, "maskTempCoh.h5", "mask") != 0).sum())
    least = int(float(frame.template.raw["mintpy.networkInversion.minNumPixel"]))
    mend = "look for unwrapping errors at the reference point, or lower mintpy.networkInversion.minTempCoh"
    return dg.AssetCheckResult(
        passed=count >= least,
        metadata={"reliable_pixels": count, "minimum": least},
        description=None if count >= least else mend,
    )


@dg.asset_check(asset="timeseries", **_OF_FRAMES)
def temporal_coherence(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Temporal coherence lies between 0 and 1, and half of the inverted pixels are coherent."""
    with _reading(context, platform) as frame:
        coherence = _read(frame, "temporalCoherence.h5", "temporalCoherence")
    inverted = coherence[coherence != 0]
    sane = bool(np.isfinite(coherence).all() and (coherence >= 0).all() and (coherence <= 1 + 1e-6).all())
    median = float(np.median(inverted)) if inverted.size else 0.0
    return dg.AssetCheckResult(
        passed=sane and median >= MIN_MEDIAN_TEMPORAL_COHERENCE,
        severity=dg.AssetCheckSeverity.WARN if sane else dg.AssetCheckSeverity.ERROR,
        metadata={"median": median, "least_median": MIN_MEDIAN_TEMPORAL_COHERENCE, "pixels_inverted": inverted.size},
    )


@dg.asset_check(asset="velocity", **_OF_FRAMES)
def velocity_in_bounds(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """The velocity of every reliable pixel is a number, and none is faster than anything that C-band can follow."""
    with _reading(context, platform) as frame:
        velocity = _read(frame, "velocity.h5", "velocity")[_read(frame, "maskTempCoh.h5", "mask") != 0]
    wild = int((~np.isfinite(velocity) | (np.abs(velocity) > MAX_SPEED_M_PER_YEAR)).sum())
    return dg.AssetCheckResult(
        passed=wild == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"pixels_out_of_bounds": wild, "bound_m_per_year": MAX_SPEED_M_PER_YEAR},
    )


@contextmanager
def _reading(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterator[Frame]:
    """Give the frame of the run; a product that is not there is told as what it is."""
    with dagster_failures(context):
        frame = platform.frame(context.partition_key)
        try:
            yield frame
        except FileNotFoundError as error:
            raise InputError(
                "upstream-missing",
                f"the check reads a product that was never made ({error})",
                mend="materialize the asset, or the whole frame",
                frame=frame.key,
            ) from error


def _read(frame: Frame, name: str, dataset: str) -> np.ndarray[Any, Any]:
    with h5py.File(frame.workspace.root / name, "r") as h5:
        data: np.ndarray[Any, Any] = h5[dataset][:]
    return data


def _zarr_equals_hdf5(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="zarr_equals_hdf5", blocking=True, **_OF_FRAMES)
    def check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
        """Every object of the store is there unchanged, and every number is the HDF5 product's."""
        from sbas_assets.published.verify import verify_product

        with _reading(context, platform) as frame:
            pairs = require_published(frame, asset.removeprefix("zarr_")).values()
            problems = [text for pair in pairs for text in verify_product(frame.settings.store, *pair)]
        sources = [str(source) for _, source in pairs]
        return dg.AssetCheckResult(passed=not problems, metadata={"problems": problems, "sources": sources})

    return check


CHECKS = [
    preflight,
    frames_current,
    era5_complete,
    network_connected,
    reference_coherent,
    reliable_pixels,
    temporal_coherence,
    velocity_in_bounds,
    *(_zarr_equals_hdf5(step.name) for step in ZARR_STEPS),
]
