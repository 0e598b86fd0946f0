"""A killed run leaves nothing that looks finished; two runs of one frame at once do no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sbas_assets.published.history import read_history
from sbas_assets.published.steps import SOURCES
from sbas_assets.published.store import open_store
from sbas_assets.published.verify import verify_frame
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.test_products_are_reproducible import without_run

pytestmark = pytest.mark.long

KEY = "T071D_killed"
REPOSITORY = Path(__file__).resolve().parents[1]
OPTIONS = [
    "mintpy.troposphericDelay.method=height_correlation",
    "mintpy.unwrapError.method=bridging",
    "mintpy.unwrapError.connCompMinArea=500",
    "mintpy.deramp=linear",
    "mintpy.save.hdfEos5=yes",
]
# in the order in which a run works through them; era5 and troposphere have nothing to do here
VICTIMS = [
    "geometryRadar",
    "ifgramStack",
    "geo_geometryRadar",
    "network",
    "zarr_geometry",
    "geo_avgSpatialCoh",
    "unwrapPhase_corrected",
    "zarr_avgSpatialCoh",
    "timeseries",
    "geo_temporalCoherence",
    "geo_maskTempCoh",
    "zarr_temporalCoherence",
    "timeseries_corrected",
    "zarr_maskTempCoh",
    "timeseries_demErr",
    "geo_demErr",
    "geo_timeseries_demErr",
    "velocity",
    "zarr_demErr",
    "hdfeos5",
    "zarr_timeseries_demErr",
    "geo_velocity",
    "kmz",
    "zarr_velocity",
    "stac_item",
]


def environment(root: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in {"DAGSTER_HOME", "SBAS_STORE"}}
    return {**kept, "SBAS_ROOT": str(root)}


def command(root: Path, *words: str) -> subprocess.Popen[str]:
    """Start `sbas-assets` in a session of its own."""
    program = str(Path(sys.executable).with_name("sbas-assets"))
    return subprocess.Popen(
        [program, *words],
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, out + err
    return dict(json.loads(out))


def add_frame(root: Path, stack: Path) -> None:
    settings = [word for option in OPTIONS for word in ("--set", option)]
    process = command(root, "frames", "add", KEY, "--stack", str(stack), *settings)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err


def contents(root: Path) -> dict[str, bytes]:
    """Products and all objects of the store; of checksums, of bytes that name run and time, that they are there."""
    work = root / "work" / KEY
    found = {
        str(path.relative_to(root)): without_run(path.read_bytes())
        for path in work.rglob("*")
        if path.is_file() and ".sbas" not in path.parts
    }
    for path in sorted(path for path in (root / "store").rglob("*") if path.is_file()):
        checksums = path.name in {"manifest.json", "item.json"}
        found[str(path.relative_to(root))] = b"" if checksums else without_run(path.read_bytes())
    return found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "stack"
    simulate_stack(SimulationConfig(length=72, width=80, dates=regular_dates("20200511", 7, 24), seed=5), folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    add_frame(root, stack)
    finish(command(root, "run", KEY, "--json"))
    return contents(root)


def test_a_run_killed_during_each_asset_ends_as_an_undisturbed_one(
    stack: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    add_frame(tmp_path, stack)
    words = [sys.executable, "-m", "sbas_assets_tests.kill_runs", str(tmp_path), KEY, *VICTIMS]
    killer = subprocess.run(
        words, env=environment(tmp_path), capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert killer.returncode == 0, killer.stdout + killer.stderr
    assert killer.stdout.splitlines() == [f"{asset} killed unrecorded" for asset in VICTIMS]
    done = finish(command(tmp_path, "run", KEY, "--json"))
    assert done["success"]
    # nothing of the killed publications is left, and nothing was published twice
    assert contents(tmp_path) == undisturbed
    assert verify_frame(str(tmp_path / "store"), KEY) == {"item": [], **{name: [] for name in SOURCES}}
    (version,) = read_history(open_store(str(tmp_path / "store")), KEY)
    assert (version.current, version.publication) == (True, 1)
    assert not list((tmp_path / "work" / KEY / ".sbas" / "staging").iterdir())


def test_two_runs_of_one_frame_at_once_both_end_well_and_compute_everything_once(
    stack: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    add_frame(tmp_path, stack)
    runs = [command(tmp_path, "run", KEY, "--json") for _ in range(2)]
    first, second = (finish(run) for run in runs)
    outcomes = [{row["asset"]: row["outcome"] for row in done["assets"]} for done in (first, second)]  # type: ignore[attr-defined]
    for asset in VICTIMS:
        assert sorted(outcome[asset] for outcome in outcomes) == ["made", "reused"]
    assert contents(tmp_path) == undisturbed


def test_the_second_run_says_whom_it_waits_for(stack: Path, tmp_path: Path) -> None:
    from sbas_assets.workspace import FrameLocks, Settings

    add_frame(tmp_path, stack)
    locks = FrameLocks()
    locks.acquire(Settings.under(tmp_path).workspace(KEY), "the-first-run", print)
    process = command(tmp_path, "run", KEY)
    time.sleep(12)
    assert process.poll() is None
    locks.release()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert f"being processed by run the-first-run (process {os.getpid()} on " in err
