"""Every check seen failing, and every mistake told as what it is, through Dagster."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import dagster as dg
import h5py
import numpy as np
import pytest

from sbas_assets.assets import velocity as velocity_module
from sbas_assets.definitions import EVERYTHING, build_definitions
from sbas_assets.mintpy.velocity import VELOCITY, make_velocity
from sbas_assets.simulate import regular_dates, simulate_stack
from sbas_assets.step import Job, Made
from sbas_assets_tests.assets.parts_at_work import (
    CONFIG,
    DATES,
    FROM_DERAMP,
    OPTIONS,
    check,
    configured,
    execute,
    failures,
    planted,
    put,
    told,
)
from sbas_assets_tests.frames_at_work import FrameAtWork

# every pair from one of the first three dates to one of the last three
BRIDGES = [f"{first}_{second}" for first, second in CONFIG.pairs if first in DATES[:3] and second in DATES[3:]]
NOT_FROM_NETWORK = {"ifgramStack", "geometryRadar", "geo_geometryRadar", "zarr_geometry", "era5"}


# --- checks that stop a run ---


@pytest.mark.parametrize("by_hand", [True, False], ids=["excluded pairs", "longest time between dates"])
def test_a_network_cut_in_two_stops_everything_downstream_of_it(stack: Path, tmp_path: Path, by_hand: bool) -> None:
    if by_hand:
        options = {"mintpy.network.excludeDate12": ",".join(BRIDGES)}
    else:
        dates = (*DATES[:3], *regular_dates("20210103", 3, 24))
        stack = tmp_path / "with a gap"
        simulate_stack(CONFIG.model_copy(update={"dates": dates}), stack)
        options = {"mintpy.network.tempBaseMax": "60"}
    frame = FrameAtWork(tmp_path / "root", stack, {**OPTIONS, **options})
    done = execute(frame, EVERYTHING)
    assert not done.success
    made = {event.asset_key.to_user_string() for event in done.get_asset_materialization_events() if event.asset_key}
    assert made == NOT_FROM_NETWORK | {"network"}
    found = {item.check_name: item for item in done.get_asset_check_evaluations()}["network_connected"]
    assert (found.passed, found.blocking) == (False, True)
    islands = found.metadata["islands"].value
    assert [text.split(":")[1] for text in islands] == [" 3 dates", " 3 dates"]  # type: ignore[union-attr]
    assert f"{DATES[0]} to {DATES[2]}" in str(islands)
    assert "mintpy.network" in str(found.description)


def test_a_pinned_reference_point_that_has_become_incoherent_is_told_and_stays(finished: FrameAtWork) -> None:
    assert check(finished, "network", "reference_coherent").passed
    pin = json.loads(finished.workspace.pin.read_text())

    def change(data: np.ndarray) -> None:
        data[pin["row"], pin["column"]] = 0.5

    with planted(finished, "avgSpatialCoh.h5", "coherence", change):
        found = check(finished, "network", "reference_coherent")
        assert (found.passed, found.blocking, found.severity) == (False, False, dg.AssetCheckSeverity.WARN)
        assert found.metadata["average_coherence"].value == 0.5
        assert "mintpy.reference.yx" in str(found.description)


def test_too_few_reliable_pixels_stop_everything_downstream_of_the_series(finished: FrameAtWork) -> None:
    with configured(finished, networkInversion_minNumPixel="100000"):
        result = finished.run()
    assert not result.success
    assert result.outcome["timeseries"] == "reused"
    assert result.checks["timeseries", "reliable_pixels"] is False
    assert not set(result.outcome) & (FROM_DERAMP | {"geo_temporalCoherence", "zarr_temporalCoherence"})
    assert set(finished.run().outcome.values()) == {"reused"}


def test_no_pixel_above_the_least_temporal_coherence_is_told_by_the_check_and_not_by_a_crash(
    finished: FrameAtWork,
) -> None:
    with configured(finished, networkInversion_minTempCoh="0.99999"):
        result = finished.run("timeseries")
        assert result.outcome["timeseries"] == "made"
        # the reference point itself is always coherent
        assert result.metadata["timeseries"]["pixels_reliable"] == 1
        assert result.checks["timeseries", "reliable_pixels"] is False
        mend = str(check(finished, "timeseries", "reliable_pixels").description)
        assert "mintpy.networkInversion.minTempCoh" in mend


@pytest.mark.parametrize("fault", ["geometry", "baselines"])
def test_a_stack_that_cannot_be_processed_stops_before_anything_is_made(fresh: FrameAtWork, fault: str) -> None:
    if fault == "geometry":
        image = fresh.stack / "merged/geom_reference/hgt.rdr"
        image.write_bytes(image.read_bytes()[:1000])
    else:
        shutil.rmtree(fresh.stack / "baselines")
    code = {"geometry": "raster-truncated", "baselines": "baselines-missing"}[fault]
    policy = dg.RetryPolicy(max_retries=2, delay=0)
    done = execute(fresh, EVERYTHING, policy)
    assert not done.success
    assert not done.get_asset_materialization_events()
    evaluation = done.get_asset_check_evaluations()[0]
    assert (evaluation.check_name, evaluation.passed, evaluation.blocking) == ("preflight", False, True)
    rows = [row.data for row in evaluation.metadata["problems"].records]  # type: ignore[attr-defined]
    assert code in {row["code"] for row in rows if row["severity"] == "stop"}

    # without the check in the same run the asset itself refuses, once
    alone = execute(fresh, dg.AssetSelection.assets("ifgramStack"), policy)
    failure = failures(alone)["ifgramStack"]
    assert (failure["code"], failure["kind"]) == (code, "input")
    assert failure["mend"]
    assert str(failure["path"]).startswith(str(fresh.stack))
    for run in (done, alone):
        kinds = [event.event_type_value for event in run.all_events]
        assert kinds.count("STEP_FAILURE") == 1
        assert "STEP_UP_FOR_RETRY" not in kinds
        assert "STEP_RESTARTED" not in kinds
    assert not list((fresh.workspace.root).rglob("*.h5"))


# --- mistakes ---


def test_a_frame_that_is_not_in_the_catalogue_is_unknown(fresh: FrameAtWork) -> None:
    path = fresh.root / "frames" / f"{fresh.key}.yaml"
    path.rename(path.with_name("T071D_tset.yaml"))
    for select in ("ifgramStack", "velocity"):
        failure = told(fresh, select)
        assert (failure["code"], failure["kind"]) == ("frame-unknown", "input")
        assert "T071D_tset" in str(failure["mend"])
    assert set(failures(execute(fresh, EVERYTHING))) == {"topsStack_preflight"}


def test_a_broken_yaml_names_the_line(fresh: FrameAtWork) -> None:
    path = fresh.root / "frames" / f"{fresh.key}.yaml"
    path.write_text("track: 71\ndirection: descending\nstack: [unclosed\n")
    failure = failures(execute(fresh, EVERYTHING))["topsStack_preflight"]
    assert (failure["code"], failure["path"]) == ("frame-config-invalid", str(path))
    assert "line " in str(failure["message"])


def test_an_option_that_mintpy_does_not_know_is_named_with_the_nearest(fresh: FrameAtWork) -> None:
    path = fresh.root / "frames" / f"{fresh.key}.yaml"
    path.write_text(path.read_text().replace("mintpy.deramp:", "mintpy.derramp:"))
    failure = failures(execute(fresh, EVERYTHING))["topsStack_preflight"]
    assert failure["code"] == "template-option-unknown"
    assert "mintpy.deramp" in str(failure["mend"])


def test_an_asset_whose_upstream_was_never_made_says_so(fresh: FrameAtWork) -> None:
    failure = told(fresh, "velocity")
    assert (failure["code"], failure["kind"]) == ("upstream-missing", "input")
    assert "velocity needs timeseries, which was never made" in str(failure["message"])
    assert "materialize timeseries first" in str(failure["mend"])


@pytest.mark.parametrize("damage", ["one byte", "gone"])
def test_an_asset_whose_upstream_is_damaged_says_so(finished: FrameAtWork, damage: str) -> None:
    path = finished.workspace.root / "timeseries.h5"
    before = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(before[:5000] + b"x" + before[5001:])
    failure = told(finished, "velocity")
    assert failure["code"] == "upstream-damaged"
    assert "velocity needs timeseries, but timeseries.h5" in str(failure["message"])
    assert finished.run().done("remade") == {"timeseries"}
    assert path.read_bytes() == before


def test_a_step_that_changes_a_file_of_its_upstream_is_found(
    finished: FrameAtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (finished.workspace.root / "velocity.h5").read_bytes()

    def meddle(job: Job) -> Made:
        with h5py.File(job.workspace.root / "timeseries_ramp_demErr.h5", "r+") as h5:
            h5.attrs["REF_DATE"] = DATES[1]
        return make_velocity(job)

    meddling = dataclasses.replace(VELOCITY, make=meddle, code_version="meddling")
    monkeypatch.setattr(velocity_module, "VELOCITY", meddling)
    failure = told(finished, "velocity")
    assert (failure["code"], failure["kind"]) == ("internal", "internal")
    assert "velocity changed files of timeseries_demErr: timeseries_ramp_demErr.h5" in str(failure["message"])
    assert (finished.workspace.root / "velocity.h5").read_bytes() == before
    monkeypatch.undo()
    result = finished.run()
    assert result.done("remade") == {"timeseries_demErr"}
    assert result.done("made") == set()


# --- checks that are seen failing on a planted fault ---


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.5, -2.5])
def test_velocity_in_bounds_fails_on_what_no_ground_does(finished: FrameAtWork, value: float) -> None:
    with h5py.File(finished.workspace.root / "maskTempCoh.h5") as h5:
        reliable = h5["mask"][:] != 0
    row, column = np.argwhere(reliable)[0]
    inside, outside = np.zeros_like(reliable), ~reliable
    inside[row, column] = True
    with planted(finished, "velocity.h5", "velocity", put(value, inside)):
        found = check(finished, "velocity", "velocity_in_bounds")
        assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert found.metadata["pixels_out_of_bounds"].value == 1
    with planted(finished, "velocity.h5", "velocity", put(value, outside)):
        assert check(finished, "velocity", "velocity_in_bounds").passed


@pytest.mark.parametrize(
    ("value", "severity"), [(0.3, "WARN"), (0.0, "WARN"), (1.5, "ERROR"), (-0.5, "ERROR"), (np.nan, "ERROR")]
)
def test_temporal_coherence_warns_of_a_low_field_and_fails_on_an_impossible_one(
    finished: FrameAtWork, value: float, severity: str
) -> None:
    with planted(finished, "temporalCoherence.h5", "temporalCoherence", put(value, slice(None))):
        found = check(finished, "timeseries", "temporal_coherence")
    assert (found.passed, found.severity.value) == (False, severity)
    assert check(finished, "timeseries", "temporal_coherence").passed


def test_zarr_equals_hdf5_fails_on_one_different_number(finished: FrameAtWork) -> None:
    def change(data: np.ndarray) -> None:
        row, column = np.argwhere(np.isfinite(data))[0]
        data[row, column] += np.float32(1e-6)

    with planted(finished, "geo/geo_velocity.h5", "velocity", change):
        found = check(finished, "zarr_velocity", "zarr_equals_hdf5")
        assert not found.passed
        assert "velocity differs in 1 of " in str(found.metadata["problems"].value)
    assert check(finished, "zarr_velocity", "zarr_equals_hdf5").passed


def test_a_check_of_a_product_that_was_never_made_says_so(fresh: FrameAtWork) -> None:
    names = {
        "era5": "era5_complete",
        "network": "network_connected",
        "timeseries": "temporal_coherence",
        "velocity": "velocity_in_bounds",
        "zarr_velocity": "zarr_equals_hdf5",
    }
    for asset, name in names.items():
        found = failures(execute(fresh, dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), name))))
        assert [failure["code"] for failure in found.values()] == ["upstream-missing"]


def test_every_check_is_seen_failing_here_or_in_the_tests_of_weather_and_audit() -> None:
    seen = {
        "preflight",
        "era5_complete",
        "frames_current",
        "network_connected",
        "reference_coherent",
        "reliable_pixels",
        "temporal_coherence",
        "velocity_in_bounds",
        "zarr_equals_hdf5",
    }
    assert {key.name for key in build_definitions().resolve_asset_graph().asset_check_keys} == seen
