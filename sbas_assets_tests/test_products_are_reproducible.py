"""Same inputs, same bytes: what is right is reused, what is gone or damaged is remade alone and byte for byte."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import h5py
import pytest

from sbas_assets.mintpy.stamp import read_provenance
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, Result, asset_names

OPTIONS = {
    "mintpy.troposphericDelay.method": "height_correlation",
    "mintpy.unwrapError.method": "bridging",
    "mintpy.unwrapError.connCompMinArea": "500",
    "mintpy.deramp": "linear",
    "mintpy.save.hdfEos5": "yes",
}
NEVER_MADE = {"era5", "troposphere"}
UPSTREAM_OF_DERAMP = {
    "geometryRadar",
    "ifgramStack",
    "network",
    "unwrapPhase_corrected",
    "timeseries",
    "geo_geometryRadar",
    "geo_temporalCoherence",
    "geo_avgSpatialCoh",
    "geo_maskTempCoh",
    "zarr_geometry",
    "zarr_temporalCoherence",
    "zarr_avgSpatialCoh",
    "zarr_maskTempCoh",
}
RUN_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(rb"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reproducible") / "stack"
    simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 7, 24), seed=5), folder)
    return folder


@pytest.fixture(scope="module")
def finished(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> FrameAtWork:
    frame = FrameAtWork(tmp_path_factory.mktemp("root"), stack, OPTIONS)
    result = frame.run()
    assert result.success, result.errors
    return frame


def products(frame: FrameAtWork) -> dict[str, bytes]:
    """Every file that an asset made, and every object of the store."""
    root, store = frame.workspace.root, frame.root / "store"
    files = [path for path in root.rglob("*") if path.is_file() and ".sbas" not in path.parts]
    objects = [path for path in store.rglob("*") if path.is_file()]
    return {str(path.relative_to(frame.root)): path.read_bytes() for path in files + objects}


def without_run(content: bytes) -> bytes:
    """Blank out the two things that may differ between equal runs: the run's id, and when it was."""
    return MOMENT.sub(b"TIME", RUN_ID.sub(b"RUN", content))


def assert_only(result: Result, asset: str, how: str) -> None:
    assert result.success, result.errors
    assert result.done(how) == {asset}
    assert result.done("reused") == set(result.outcome) - {asset}


def main_file(frame: FrameAtWork, asset: str) -> Path:
    outputs = json.loads(frame.workspace.record(asset).read_text())["outputs"]
    return frame.workspace.root / next(out["path"] for out in outputs if not out["path"].endswith(".png"))


def assets_with_files(frame: FrameAtWork) -> list[str]:
    records = [json.loads(path.read_text()) for path in sorted((frame.workspace.hidden / "records").glob("*.json"))]
    return [record["asset"] for record in records if record["outputs"]]


def test_a_second_run_recomputes_nothing_and_says_so(finished: FrameAtWork) -> None:
    before = products(finished)
    result = finished.run()
    assert result.success
    assert set(result.outcome.values()) == {"reused"}
    assert result.why["velocity"] == "same inputs and options, files intact"
    assert products(finished) == before


def test_each_deleted_product_is_remade_alone_and_byte_for_byte(finished: FrameAtWork) -> None:
    before = products(finished)
    assets = assets_with_files(finished)
    assert set(assets) == asset_names("not group:published") - NEVER_MADE
    for asset in assets:
        main_file(finished, asset).unlink()
        result = finished.run()
        assert_only(result, asset, "remade")
        assert "No such file" in result.why[asset]
        assert products(finished) == before


def test_one_corrupted_byte_is_found_and_the_product_remade_byte_for_byte(finished: FrameAtWork) -> None:
    before = products(finished)
    for asset in ("ifgramStack", "network", "timeseries", "velocity", "geo_velocity", "hdfeos5", "kmz"):
        path = main_file(finished, asset)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        times = path.stat()
        path.write_bytes(bytes(content))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        result = finished.run()
        assert_only(result, asset, "remade")
        assert "content changed" in result.why[asset]
        assert products(finished) == before


def test_another_ramp_leaves_everything_upstream_of_it_alone(stack: Path, tmp_path: Path) -> None:
    frame = FrameAtWork(tmp_path, stack, OPTIONS)
    assert frame.run().success
    frame.configure({**OPTIONS, "mintpy.deramp": "quadratic"})
    result = frame.run()
    assert result.success
    assert result.done("reused") == UPSTREAM_OF_DERAMP | NEVER_MADE
    assert result.why["timeseries_corrected"] == "mintpy.deramp = quadratic"
    frame.configure({**OPTIONS, "mintpy.deramp": "no"})
    assert frame.run().done("reused") == UPSTREAM_OF_DERAMP | NEVER_MADE
    names = {path.name for path in frame.workspace.root.glob("timeseries*")}
    assert "timeseries_tropHgt_ramp_demErr.h5" not in names
    assert "timeseries_tropHgt_demErr.h5" in names


def test_two_runs_in_two_folders_differ_only_in_run_id_and_time(finished: FrameAtWork, tmp_path: Path) -> None:
    # another place for the stack and a longer path for the root: neither may leave a trace in the products
    elsewhere = tmp_path / "a stack that was copied to some other place"
    shutil.copytree(finished.stack, elsewhere)
    other = FrameAtWork(tmp_path / "another" / "root" / "with" / "a" / "longer" / "path", elsewhere, OPTIONS)
    assert other.run().success
    ours, theirs = products(finished), products(other)
    skip = {"work/T071D_test/smallbaselineApp.cfg"}
    # checksums of the stores' zarr.json, which hold run id and time
    checksums = {name for name in ours if name.endswith(("manifest.json", "item.json"))}
    assert set(ours) == set(theirs)
    for name in set(ours) - skip - checksums:
        assert without_run(ours[name]) == without_run(theirs[name]), name


def test_products_name_what_they_were_made_from(finished: FrameAtWork) -> None:
    told = read_provenance(finished.workspace.root / "velocity.h5")
    assert told["pairs_used"] == json.loads(finished.workspace.record("topsStack").read_text())["facts"]["pairs_loaded"]
    assert told["pairs_dropped"] == {}
    assert set(told["reference_point"]) == {"row", "column", "latitude", "longitude"}
    assert told["reference_date"] in told["dates"]
    assert {orbit["kind"] for orbit in told["orbits"].values()} == {"POEORB"}
    assert told["isce_version"]
    assert told["template"]["mintpy.deramp"] == "linear"
    assert told["produced"]["mintpy"] == "1.6.4"
    assert re.fullmatch(RUN_ID, told["produced"]["run_id"].encode())


def test_the_real_stack_is_never_written_through_a_view(finished: FrameAtWork) -> None:
    with h5py.File(finished.workspace.root / "inputs/unwrapPhase_corrected/ifgramStack.h5") as h5:
        assert h5["unwrapPhase"].is_virtual
        assert h5["unwrapPhase_bridging"].virtual_sources()[0].file_name.startswith("ifgramStack/")
        assert h5["unwrapPhase"].virtual_sources()[0].file_name == "../ifgramStack.h5"
    with h5py.File(finished.workspace.root / "inputs/ifgramStack.h5") as h5:
        assert "REF_Y" not in h5.attrs
        assert "unwrapPhase_bridging" not in h5


def test_a_damaged_zarr_chunk_is_found_and_published_again(finished: FrameAtWork) -> None:
    store = finished.root / "store" / finished.key / "velocity"
    chunk = next(path for path in sorted(store.rglob("c/*")) if path.is_file())
    chunk.write_bytes(b"\x00" + chunk.read_bytes()[1:])
    result = finished.run()
    assert_only(result, "zarr_velocity", "remade")
    assert result.checks["zarr_velocity", "zarr_equals_hdf5"]
