"""`sbas-assets demo`: a simulated stack through all assets, and the result against its known truth."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import h5py

from sbas_assets.commands.failures import DONE, Failure, fail
from sbas_assets.commands.frames import register
from sbas_assets.commands.output import Output, readable_size
from sbas_assets.commands.results import AssetResult, RunResult
from sbas_assets.commands.run import report_failure, run_frame, show_checks
from sbas_assets.errors import InputError
from sbas_assets.frames import FrameCatalogue, frame_config
from sbas_assets.simulate import SimulationConfig, Truth, compare_velocity, load_truth, simulate_stack
from sbas_assets.simulate.config import PresetName
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.workspace import Settings


def demo(out: Output, root: Path | None, size: PresetName) -> int:
    """Simulate, add, run, publish, compare; return the exit code."""
    settings = _settings(root)
    config = SimulationConfig.preset(size)
    stack = _stack(out, settings.root / "demo" / f"stack-{size}", config)
    key = _add_frame(settings, config, stack, size)
    result = run_frame(out, settings, key)
    if not result.success:
        return report_failure(out, result)
    _show_products(out, settings, result)
    show_checks(out, result)
    return _judge(out, settings, key, load_truth(stack))


def _settings(root: Path | None) -> Settings:
    """Make `--root` the root of the whole process: the assets read it from the environment."""
    if root is not None:
        os.environ["SBAS_ROOT"] = str(root.expanduser().absolute())
    return Settings.from_env()


def _stack(out: Output, folder: Path, config: SimulationConfig) -> Path:
    """Simulate the stack, unless an earlier demo did and it is whole."""
    if folder.exists() and not (folder / "truth.h5").is_file():
        mend = "move it away, or give another --root"
        raise InputError("demo-folder-taken", "this is not a simulated stack", mend=mend, path=folder)
    if _is_whole(folder, config):
        out.note(f"using the stack simulated before: {folder}")
        return folder
    out.note(f"simulating {len(config.dates)} dates, {len(config.pairs)} pairs: {folder}")
    # a demo that is stopped halfway leaves no stack that looks finished
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        simulate_stack(config, beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


def _is_whole(folder: Path, config: SimulationConfig) -> bool:
    try:
        with h5py.File(folder / "truth.h5") as h5:
            same = h5.attrs["config"] == config.model_dump_json()
    except (OSError, KeyError):
        return False
    report = preflight(folder, pixels=False)
    return bool(same and report.ok and len(report.pairs) == len(config.pairs))


def _add_frame(settings: Settings, config: SimulationConfig, stack: Path, size: PresetName) -> str:
    """Add the demo's frame, over that of an earlier demo but over no other."""
    suffix = "" if size == "small" else f"_{size}"
    key = f"T{config.track:03d}{config.pass_direction[0]}_demo{suffix}"
    # height_correlation: nobody needs weather data or an account for a demo; bridging: a river parts the scene
    options = {"mintpy.troposphericDelay.method": "height_correlation"}
    if config.river:
        options["mintpy.unwrapError.method"] = "bridging"
    values = {"track": config.track, "direction": config.pass_direction.lower(), "stack": stack, "mintpy": options}
    catalogue = FrameCatalogue(settings.root)
    own = key in catalogue.keys() and catalogue.get(key).stack == stack  # noqa: SIM118 - not a mapping
    register(settings, key, frame_config(values, frame=key), overwrite=own)
    return key


def _show_products(out: Output, settings: Settings, result: RunResult) -> None:
    out.say(f"HDF5 in {settings.workspace(result.frame).root}")
    out.say(f"Zarr in {settings.store.rstrip('/')}/{result.frame}")
    rows = [row for made in result.made.values() for row in _product_rows(made)]
    out.table(("asset", "outcome", "product", ">size", ">seconds"), rows)
    out.say(f"{len(result.recomputed)} of {len(result.made)} assets made in {result.seconds:.1f} s")


def _product_rows(made: AssetResult) -> list[tuple[Any, ...]]:
    """One row for each file, and one for a Zarr copy; the time stands at the first."""
    products = [(file["file"], readable_size(file["bytes"])) for file in made.files]
    if "store" in made.metrics:
        product, version, name = made.metrics["store"].split("/")[-3:]
        products.append((f"{product}/{version[:8]}…/{name}", readable_size(made.size)))
    if "item" in made.metrics:
        products.append((f"item.json, version {made.metrics['version'][:8]}…", readable_size(made.size)))
    if not products:
        products = [(made.why, "")]
    first = (made.asset, made.outcome, *products[0], f"{made.seconds:.1f}")
    return [first, *(("", "", *product, "") for product in products[1:])]


def _judge(out: Output, settings: Settings, key: str, truth: Truth) -> int:
    """Compare the velocity in radar geometry with the truth."""
    work = settings.workspace(key).root
    with h5py.File(work / "velocity.h5") as h5, h5py.File(work / "maskTempCoh.h5") as mask:
        reference = int(h5.attrs["REF_Y"]), int(h5.attrs["REF_X"])
        found = compare_velocity(truth, h5["velocity"][:], reference, mask["mask"][:] != 0)
    rows = [
        ("RMSE", f"{found['rmse_mm_per_year']:.2f}", f"at most {found['threshold_mm_per_year']:.2f}"),
        ("bias", f"{found['bias_mm_per_year']:.2f}", "of the reference pixel, removed"),
        ("largest error", f"{found['max_error_mm_per_year']:.2f}", ""),
    ]
    out.table(("velocity against the truth", ">mm/year", ""), rows)
    pixels = f"{found['n_pixels']} pixels, {100 * found['coverage']:.0f} % of those with a truth"
    if not found["passes"]:
        message = f"the velocity misses the truth: RMSE {found['rmse_mm_per_year']:.2f} mm/year over {pixels}"
        return fail(out, "demo", Failure("truth-missed", message, "internal", frame=key, details=str(found)))
    out.say(f"the truth is met: {pixels}", "bold green")
    _show_next(out, settings, key, truth)
    return DONE


def _show_next(out: Output, settings: Settings, key: str, truth: Truth) -> None:
    row, column = (int(i) for i in divmod(abs(truth.velocity * truth.valid).argmax(), truth.velocity.shape[1]))
    roots = {"SBAS_ROOT": str(settings.root), "DAGSTER_HOME": str(settings.dagster_home)}
    if os.environ.get("SBAS_STORE"):
        roots["SBAS_STORE"] = settings.store
    environment = " ".join(f"{name}={shlex.quote(value)}" for name, value in roots.items())
    out.say("\nthe series where the ground moves most:")
    out.say(f"  {environment} sbas-assets point {key} {truth.lat[row, column]:.5f} {truth.lon[row, column]:.5f}")
    out.say("everything of the frame, in Python:")
    out.say(f'  sbas_assets.open_frame("{settings.store.rstrip("/")}/{key}")')
    out.say("the runs and products in the browser:")
    out.say(f"  {environment} dagster dev -m sbas_assets.definitions")
