"""ifgramStack.h5, ionStack.h5 and geometryRadar.h5 are what MintPy's load_data makes, whoever reads the pixels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from sbas_assets.errors import InputError, OutsideError
from sbas_assets.mintpy import load_images
from sbas_assets.mintpy.loading import GEOMETRY_RADAR, IFGRAM_STACK
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets.step import Run, Step
from sbas_assets.transaction import execute
from sbas_assets_tests.frames_at_work import SHARED
from sbas_assets_tests.mintpy.ion_files import copy_of, put_ionosphere
from sbas_assets_tests.mintpy.loading_at_work import Loader, rewrite

DATES = regular_dates("20200511", 5, 24)
SIZE = (72, 80)
FIRST = f"merged/interferograms/{DATES[0]}_{DATES[1]}"
BY_MINTPY = "loaded by MintPy's own code"

TEMPLATES: dict[str, dict[str, str]] = {
    "defaults": {},
    "rows and columns": {"mintpy.subset.yx": "10:60,5:75"},
    "latitude and longitude": {"mintpy.subset.lalo": "AREA"},
    "all compressed by lzf": {"mintpy.load.compression": "lzf"},
    "all compressed by gzip": {"mintpy.load.compression": "gzip", "mintpy.subset.yx": "1:72,0:79"},
    "not compressed": {"mintpy.load.compression": "no"},
    "no components, no masks": {
        "mintpy.load.connCompFile": "none",
        "mintpy.load.shadowMaskFile": "none",
        "mintpy.load.waterMaskFile": "none",
    },
}
LEFT_TO_MINTPY: dict[str, dict[str, str]] = {
    "mintpy.multilook is asked for": {"mintpy.multilook.ystep": "2", "mintpy.multilook.xstep": "3"},
    "there is no incidence angle": {"mintpy.load.incAngleFile": "none", "mintpy.load.azAngleFile": "none"},
    "magnitude is asked for": {"mintpy.load.magFile": "STACK/merged/interferograms/*/filt_fine.unw"},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loading") / "stack"
    config = SimulationConfig(length=SIZE[0], width=SIZE[1], dates=DATES, connections=2, water_mask=True, seed=5)
    simulate_stack(config, folder)
    return folder


@pytest.fixture
def own(stack: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return copy_of(stack, tmp_path / "stack")


def filled(options: Mapping[str, str], stack: Path) -> dict[str, str]:
    latitude = np.fromfile(stack / "merged/geom_reference/lat.rdr").reshape(SIZE)
    longitude = np.fromfile(stack / "merged/geom_reference/lon.rdr").reshape(SIZE)
    (south, north), (west, east) = (np.quantile(place, (0.3, 0.7)) for place in (latitude, longitude))
    area = f"{south:.5f}:{north:.5f},{west:.5f}:{east:.5f}"
    return {key: value.replace("AREA", area).replace("STACK", str(stack)) for key, value in options.items()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_dataset_and_attribute_is_mintpys(name: str, stack: Path, tmp_path: Path) -> None:
    loader = Loader(tmp_path, stack, filled(TEMPLATES[name], stack))
    outcomes = loader.load()
    assert loader.told == []
    assert ["loaded_by" in outcome.record.metrics for outcome in outcomes] == [False, False]
    assert loader.differences(loader.mintpys()) == []


@pytest.mark.parametrize("reason", LEFT_TO_MINTPY)
def test_what_is_not_read_here_is_left_to_mintpy_which_is_said(reason: str, own: Path, tmp_path: Path) -> None:
    if "incidence" in reason:
        for file in (own / "merged/geom_reference").glob("los.rdr*"):
            file.unlink()
    loader = Loader(tmp_path, own, filled(LEFT_TO_MINTPY[reason], own))
    outcomes = loader.load()
    assert f"{BY_MINTPY}: {reason}" in loader.told
    assert "MintPy" in [outcome.record.metrics.get("loaded_by") for outcome in outcomes]
    assert loader.differences(loader.mintpys()) == []


@pytest.mark.parametrize("scheme", ["BSQ", "BIP"])
def test_bands_may_stand_in_any_order(scheme: str, own: Path, tmp_path: Path) -> None:
    for image in [*own.rglob("filt_fine.unw"), own / "merged/geom_reference/los.rdr"]:
        rewrite(image, scheme)
    loader = Loader(tmp_path, own, {"mintpy.subset.yx": "3:70,4:50"})
    loader.load()
    assert loader.told == []
    assert loader.differences(loader.mintpys()) == []


def test_the_frames_own_attributes_are_written_as_mintpy_writes_them(stack: Path, tmp_path: Path) -> None:
    loader = Loader(tmp_path, stack, attributes={"PROJECT_NAME": "AlosDT73", "ORBIT_DIRECTION": "ASCENDING"})
    loader.load()
    assert loader.differences(loader.mintpys()) == []


def test_the_ionosphere_is_loaded_too(own: Path, tmp_path: Path) -> None:
    put_ionosphere(own, DATES, SIZE)
    loader = Loader(tmp_path, own)
    loader.load()
    assert loader.told == []
    assert loader.differences(loader.mintpys()) == []
    assert (loader.root / "inputs/ionStack.h5").exists()


def test_an_ionosphere_of_another_resolution_is_left_to_mintpy(own: Path, tmp_path: Path) -> None:
    put_ionosphere(own, DATES, (SIZE[0] // 2, SIZE[1] // 2))
    loader = Loader(tmp_path, own)
    loader.load()
    assert loader.told == [f"{BY_MINTPY}: the ionosphere has another resolution"]
    assert loader.differences(loader.mintpys()) == []


def test_heights_that_are_missing_become_nan_and_water_without_data_is_water(own: Path, tmp_path: Path) -> None:
    height = np.memmap(own / "merged/geom_reference/hgt.rdr", "f8", mode="r+", shape=SIZE)
    height[5:9, 7] = -32768
    height.flush()
    loader = Loader(tmp_path, own)
    loader.load([GEOMETRY_RADAR])
    with h5py.File(loader.root / "inputs/geometryRadar.h5") as h5:
        assert np.isnan(h5["height"][()]).sum() == 4
    loader.load([IFGRAM_STACK])
    assert loader.differences(loader.mintpys()) == []


@pytest.mark.parametrize(
    "golden", ["topsstack_golden/10_stack_desc_S1A_VV_2swath", "mexico_city_T005A"], ids=["golden", "Mexico City"]
)
def test_a_stack_of_isce2s_own_is_loaded_as_by_mintpy(golden: str, tmp_path: Path) -> None:
    loader = Loader(tmp_path, SHARED / golden)
    loader.load()
    assert loader.told == []
    theirs = loader.mintpys()
    assert loader.differences(theirs) == []


def test_small_windows_give_the_same_bytes(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = []
    for window in (load_images._WINDOW_BYTES, 5 * SIZE[1] * 8):
        monkeypatch.setattr(load_images, "_WINDOW_BYTES", window)
        loader = Loader(tmp_path / str(window), stack)
        loader.load()
        names = ("inputs/ifgramStack.h5", "inputs/geometryRadar.h5")
        contents.append([digest for name in names for digest in _digests(loader, name)])
    assert contents[0] == contents[1]


def _digests(loader: Loader, name: str) -> list[str]:
    records = [path.read_text() for path in sorted((loader.root / ".sbas/records").glob("*.json"))]
    assert any(name in record for record in records)
    segments = sorted((loader.root / name.removesuffix(".h5")).glob("*.h5"))
    if segments:
        return [path.name for path in segments]
    with h5py.File(loader.root / name) as h5:
        return [f"{key} {h5[key].id.get_offset()} {hash(h5[key][()].tobytes())}" for key in h5]


def test_layers_are_contiguous_and_components_lie_in_chunks_of_rows(stack: Path, tmp_path: Path) -> None:
    loader = Loader(tmp_path, stack)
    loader.load([IFGRAM_STACK])
    (segment,) = (loader.root / "inputs/ifgramStack").iterdir()
    with h5py.File(segment) as h5:
        assert h5["unwrapPhase"].chunks is None
        assert h5["coherence"].chunks is None
        assert h5["connectComponent"].chunks == (1, *SIZE)


def test_an_image_that_shrinks_after_the_check_is_named(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = own / FIRST / "filt_fine.unw"
    original = load_images.fill_stack

    def shrink_first(*arguments: object) -> None:
        os.truncate(image, image.stat().st_size // 2)
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("sbas_assets.mintpy.stack_files.fill_stack", shrink_first)
    with pytest.raises(InputError) as caught:
        Loader(tmp_path, own).load([IFGRAM_STACK])
    assert caught.value.code == "raster-truncated"
    assert caught.value.path == str(image)


def test_an_image_that_is_written_to_while_it_is_loaded_is_named(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = own / FIRST / "filt_fine.cor"
    original = load_images.read_window

    def touch_first(*arguments: object) -> np.ndarray:
        image.write_bytes(image.read_bytes())
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(load_images, "read_window", touch_first)
    with pytest.raises(OutsideError) as caught:
        Loader(tmp_path, own).load([IFGRAM_STACK])
    assert caught.value.code == "file-changing"
    assert caught.value.path == str(image)
    assert not (tmp_path / "root/work/T071D_test/inputs").exists()


@pytest.mark.parametrize(
    ("step", "name", "told"),
    [
        (IFGRAM_STACK, f"{FIRST}/filt_fine.unw", f"{DATES[0]}_{DATES[1]}"),
        (GEOMETRY_RADAR, "merged/geom_reference/hgt.rdr", "height"),
    ],
)
def test_what_has_changed_since_the_check_is_not_loaded(
    own: Path, tmp_path: Path, step: Step, name: str, told: str
) -> None:
    loader, run = Loader(tmp_path, own), Run("a-run", lambda _: None)
    loader.load([])
    pixels = bytearray((own / name).read_bytes())
    pixels[len(pixels) // 2] ^= 1
    (own / name).write_bytes(pixels)
    with pytest.raises(OutsideError, match=f"{told} has changed since the stack was checked") as caught:
        execute(step, loader.frame, run)
    assert caught.value.code == "file-changing"
    assert not (loader.root / "inputs").exists()
    assert [outcome.how for outcome in loader.load([step], "another-run")] == ["made"]
