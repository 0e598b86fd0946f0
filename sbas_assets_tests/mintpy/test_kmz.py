"""The overlay for Google Earth is MintPy's: same files, place, colours, colour bar and reference point."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from sbas_assets.mintpy.exports import _write_kmz
from sbas_assets.mintpy.session import run_in_folder

SHAPE = (53, 81)
RNG = np.random.default_rng(2)
ATTRIBUTES = {
    "FILE_TYPE": "velocity",
    "UNIT": "m/year",
    "DATA_TYPE": "float32",
    "LENGTH": SHAPE[0],
    "WIDTH": SHAPE[1],
    "Y_FIRST": 38.5,
    "X_FIRST": -116.25,
    "Y_STEP": -0.001,
    "X_STEP": 0.0015,
    "Y_UNIT": "degrees",
    "X_UNIT": "degrees",
    "REF_Y": 30,
    "REF_X": 60,
    "PROJECT_NAME": "test",
}


def write(path: Path, name: str, values: np.ndarray, **attributes: object) -> None:
    with h5py.File(path, "w") as h5:
        h5[name] = values
        h5.attrs.update({key: str(value) for key, value in {**ATTRIBUTES, **attributes}.items()})


def with_products(folder: Path, velocity: np.ndarray, reliable: np.ndarray) -> Path:
    folder.mkdir()
    write(folder / "geo_velocity.h5", "velocity", velocity.astype(np.float32))
    write(folder / "geo_maskTempCoh.h5", "mask", reliable, FILE_TYPE="mask", UNIT="1", DATA_TYPE="bool")
    return folder


def contents(folder: Path, kmz: Path, tmp_path: Path, *, by_mintpy: bool) -> dict[str, bytes]:
    kmz.parent.mkdir(exist_ok=True)

    def call() -> None:
        import mintpy.cli.save_kmz

        if by_mintpy:
            mintpy.cli.save_kmz.main([str(folder / "geo_velocity.h5"), "-o", str(kmz), "--dpi", "100"])
        else:
            _write_kmz(folder, kmz)

    run_in_folder(folder, tmp_path / "log", call)
    with zipfile.ZipFile(kmz) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pixels(png: bytes, shift: float) -> np.ndarray:
    """Colours in the middle of each value's place; MintPy draws them half a value up and to the left."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)
    rows, columns = (
        ((np.arange(1, number) + 0.5 - shift) * side / number).astype(int)
        for number, side in zip(SHAPE, picture.shape, strict=False)
    )
    return picture[np.ix_(rows, columns)]


VELOCITIES = {
    "many values": RNG.normal(0, 0.02, SHAPE),
    "few values": RNG.integers(-3, 4, SHAPE) / 100,
    "one value": np.full(SHAPE, 0.01),
}


@pytest.mark.parametrize("name", VELOCITIES)
def test_the_kmz_is_what_mintpy_makes_of_the_same_files(name: str, tmp_path: Path) -> None:
    velocity = VELOCITIES[name].copy()
    velocity[:, :7] = np.nan
    reliable = RNG.uniform(0, 1, SHAPE) < 0.9
    folder = with_products(tmp_path / "geo", velocity, reliable)
    ours = contents(folder, folder / "ours" / "geo_velocity.kmz", tmp_path, by_mintpy=False)
    theirs = contents(folder, folder / "theirs" / "geo_velocity.kmz", tmp_path, by_mintpy=True)
    assert list(ours) == list(theirs)
    assert ours["geo_velocity.kml"] == theirs["geo_velocity.kml"]
    assert ours["geo_velocity_cbar.png"] == theirs["geo_velocity_cbar.png"]
    mine, expected = (pixels(files["geo_velocity_data.png"], shift) for files, shift in ((ours, 0), (theirs, 0.5)))
    near_point = np.zeros(mine.shape[:2], bool)
    near_point[28:32, 58:62] = True
    assert np.array_equal(mine[..., 3] == 0, expected[..., 3] == 0)
    seen = (expected[..., 3] > 0) & ~near_point
    assert np.abs(mine - expected)[seen].max() <= 5
    assert mine[29, 59].tolist() == [0, 0, 0, 255]


def test_a_frame_without_a_reliable_pixel_still_has_a_kmz(tmp_path: Path) -> None:
    folder = with_products(tmp_path / "geo", VELOCITIES["many values"], np.zeros(SHAPE, bool))
    files = contents(folder, folder / "geo_velocity.kmz", tmp_path, by_mintpy=False)
    picture = np.asarray(Image.open(io.BytesIO(files["geo_velocity_data.png"])).convert("RGBA"))
    assert set(np.unique(picture[..., 3])) == {0, 255}
    assert np.mean(picture[..., 3] > 0) < 0.001
