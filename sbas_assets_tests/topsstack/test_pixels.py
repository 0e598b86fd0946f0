"""Windows of images equal what MintPy reads; files that end early are named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mintpy.utils import readfile

from sbas_assets.errors import InputError
from sbas_assets.topsstack import pixels
from sbas_assets.topsstack.pixels import read_window
from sbas_assets.topsstack.rasters import RasterHeader, read_header
from sbas_assets_tests.topsstack.writer import write_raster

SHAPE = (9, 7)
ROWS, COLUMNS = slice(2, 8), slice(1, 6)


def image(folder: Path, scheme: str, bands: int, dtype: str = "f4") -> Path:
    path = folder / f"{scheme}{bands}.bin"
    values = np.random.default_rng(1).integers(0, 200, (bands, *SHAPE)).astype(dtype)
    write_raster(path, list(values), scheme)
    return path


@pytest.mark.parametrize("scheme", ["BIL", "BIP", "BSQ"])
@pytest.mark.parametrize("bands", [1, 2, 3])
def test_a_window_of_any_band_equals_mintpys(tmp_path: Path, scheme: str, bands: int) -> None:
    path = image(tmp_path, scheme, bands)
    header = read_header(path)
    box = (COLUMNS.start, ROWS.start, COLUMNS.stop, ROWS.stop)
    for band in range(1, bands + 1):
        theirs = readfile.read_binary(
            str(path), SHAPE, box, num_band=bands, interleave=scheme, band=band, data_type="float32"
        )
        ours = read_window(path, header, band, ROWS, COLUMNS)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["u1", "f8"])
def test_the_type_is_that_of_the_file(tmp_path: Path, dtype: str) -> None:
    path = image(tmp_path, "BIL", 2, dtype)
    whole = np.fromfile(path, dtype).reshape(SHAPE[0], 2, SHAPE[1])[:, 1]
    window = read_window(path, read_header(path), 2, slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    assert window.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(window, whole)


def test_an_image_that_ends_early_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = image(tmp_path, "BIL", 2)
    header = read_header(path)
    os.truncate(path, path.stat().st_size - 1)
    read_window(path, header, 2, slice(0, SHAPE[0] - 1), COLUMNS)
    with pytest.raises(InputError) as caught:
        read_window(path, header, 2, slice(0, SHAPE[0]), COLUMNS)
    assert (caught.value.code, caught.value.path) == ("raster-truncated", str(path))
    assert f"{header.size_bytes - 1} bytes" in caught.value.message


def test_an_image_that_is_whole_again_after_it_ended_early_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = image(tmp_path, "BSQ", 2)
    header = read_header(path)
    os.truncate(path, 10)

    def grow(raster: Path, _: RasterHeader) -> None:
        os.truncate(raster, header.size_bytes)

    monkeypatch.setattr(pixels, "check_size", grow)
    with pytest.raises(InputError) as caught:
        read_window(path, header, 1, ROWS, COLUMNS)
    assert (caught.value.code, caught.value.path) == ("raster-truncated", str(path))


def test_an_image_that_has_gone_is_named(tmp_path: Path) -> None:
    path = image(tmp_path, "BIL", 1)
    header = read_header(path)
    path.unlink()
    with pytest.raises(InputError) as caught:
        read_window(path, header, 1, ROWS, COLUMNS)
    assert (caught.value.code, caught.value.path) == ("file-unreadable", str(path))
