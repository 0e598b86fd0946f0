"""Ramps, root mean squares and reference dates of a series: MintPy's numbers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbas_assets.errors import InputError
from sbas_assets.sbas.deramp import RAMPS, Fit, no_squares, root_mean_square, sample_step
from sbas_assets.sbas.series_ramp import deramp_series, series_rms
from sbas_assets.sbas.series_reference import refer_series
from sbas_assets.threads import THREADS, pixel_threads
from sbas_assets_tests.sbas.series_files import MASK, SERIES, assert_same, write_series

MINTPY = 2e-7  # m: what MintPy's single precision loses of ramps of some centimetres


def images_of(length: int, width: int, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with ramps and noise, with pixels of zero and NaN, and a mask."""
    rng = np.random.default_rng(seed)
    y, x = np.linspace(-1, 1, length)[:, None], np.linspace(-1, 1, width)
    terms = np.stack(np.broadcast_arrays(y * y, x * x, x * y, y, x, np.ones((length, width))))
    images = np.einsum("ik,kyx->iyx", rng.normal(0, 0.02, (number, 6)), terms)
    images += 0.005 * rng.normal(size=images.shape)
    images[rng.random(images.shape) < 0.1] = 0
    images[rng.random(images.shape) < 0.1] = np.nan
    return images.astype("f4"), rng.random((length, width)) < 0.6


def deramped(
    images: np.ndarray, mask: np.ndarray, kind: str, point: tuple[int, int] | None, rows: int = 10**6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deramp images some rows at a time: images, root mean squares, which have no clear ramp."""
    out, squares = images.copy(), no_squares(len(images))
    fit = Fit.of(images.shape, sample_step(np.full(len(images), mask.sum())))
    cuts = [slice(start, start + rows) for start in range(0, images.shape[1], rows)]
    with pixel_threads() as share:
        for cut in cuts:
            fit.add(np.ascontiguousarray(out[:, cut]), mask[cut], cut.start, share)
        ramps = fit.ramps(kind, point)
        for cut in cuts:
            part = np.ascontiguousarray(out[:, cut])
            ramps.take_off(part, mask[cut], cut.start, share, squares)
            out[:, cut] = part
    return out, root_mean_square(squares), ramps.unclear


def by_mintpy(image: np.ndarray, mask: np.ndarray, kind: str, point: tuple[int, int] | None) -> np.ndarray:
    from mintpy.objects.ramp import deramp as mintpy_deramp

    metadata = {} if point is None else {"REF_Y": str(point[0]), "REF_X": str(point[1])}
    return mintpy_deramp(image.copy(), mask, ramp_type=kind, metadata=metadata)[0]


def test_every_ramp_of_mintpy_is_known() -> None:
    from mintpy.objects.ramp import RAMP_LIST

    assert set(RAMPS) == set(RAMP_LIST)


@pytest.mark.parametrize("point", [None, (0, 0), (17, 30)])
@pytest.mark.parametrize("kind", RAMPS)
def test_every_ramp_is_mintpys(kind: str, point: tuple[int, int] | None) -> None:
    images, mask = images_of(40, 55, 3, seed=1)
    found, rms, unclear = deramped(images, mask, kind, point)
    assert not unclear.any()
    for number, image in enumerate(images):
        expected = by_mintpy(image, mask, kind, point)
        np.testing.assert_allclose(found[number], expected, rtol=0, atol=MINTPY)
        assert rms[number] == pytest.approx(np.sqrt(np.nanmean(np.square(expected[mask]))), rel=1e-5)


@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(6, 60),
    width=st.integers(6, 60),
    kind=st.sampled_from(sorted(RAMPS)),
    reference=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_image_is_deramped_as_by_mintpy(seed: int, length: int, width: int, kind: str, reference: bool) -> None:
    images, mask = images_of(length, width, 1, seed)
    point = (seed % length, seed % width) if reference else None
    found, _, unclear = deramped(images, mask, kind, point)
    if not unclear[0]:
        np.testing.assert_allclose(found[0], by_mintpy(images[0], mask, kind, point), rtol=0, atol=5 * MINTPY)


@pytest.mark.parametrize("kind", RAMPS)
def test_neither_blocks_nor_threads_change_a_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, mask = images_of(50, 41, 7, seed=2)
    monkeypatch.setenv(THREADS, "1")
    whole = deramped(images, mask, kind, (20, 20))
    monkeypatch.setenv(THREADS, "3")
    for rows in (1, 13, 49):
        for one, other in zip(deramped(images, mask, kind, (20, 20), rows), whole, strict=True):
            np.testing.assert_array_equal(one, other)


def test_images_without_a_pixel_to_fit_stay_as_they_are_as_with_mintpy() -> None:
    images, mask = images_of(20, 20, 2, seed=3)
    images[1][mask] = np.nan
    found, rms, unclear = deramped(images, mask, "quadratic", (5, 5))
    np.testing.assert_array_equal(found[1], images[1])
    np.testing.assert_array_equal(found[1], by_mintpy(images[1], mask, "quadratic", (5, 5)))
    assert not unclear.any()
    assert np.isnan(rms).tolist() == [False, True]


@pytest.mark.parametrize(
    ("kind", "fitted"), [("linear", np.s_[4, :]), ("quadratic_range", np.s_[:, 3:5]), ("quadratic", np.s_[2:4, 2:5])]
)
def test_pixels_that_do_not_determine_a_ramp_are_recognised(kind: str, fitted: tuple[slice, slice]) -> None:
    images, _ = images_of(20, 20, 1, seed=4)
    mask = np.zeros((20, 20), bool)
    mask[fitted] = True
    found, _, unclear = deramped(np.nan_to_num(images, nan=0.1), mask, kind, None)
    assert unclear.all()
    np.testing.assert_array_equal(found, np.nan_to_num(images, nan=0.1))


# --- files ---


def program(folder: Path, kind: str, mask: str = MASK) -> Path:
    """Deramp with `remove_ramp.py`."""
    from mintpy.cli.remove_ramp import main

    target = folder / "theirs.h5"
    main([str(folder / SERIES), "-s", kind, "-m", mask, "-o", str(target)])
    return target


def rms_of_mintpy(series: Path, mask: Path | None, folder: Path) -> np.ndarray:
    from mintpy.objects import timeseries

    timeseries(str(series)).timeseries_rms(str(mask) if mask else None, str(folder / "rms.txt"))
    return np.loadtxt(folder / "rms.txt", dtype=str)[:, 1].astype("f8")


@pytest.mark.parametrize("chunks", [None, (3, 8, 7)])
@pytest.mark.parametrize("kind", RAMPS)
def test_a_deramped_series_is_mintpys_file(kind: str, chunks: tuple[int, int, int] | None, tmp_path: Path) -> None:
    write_series(tmp_path, 40, 50, chunks=chunks)
    mask = str(tmp_path / MASK)
    theirs = program(tmp_path, kind, mask)
    extra = {"mintpy.deramp": kind, "mintpy.deramp.maskFile": mask}
    target = tmp_path / "ours.h5"
    done = deramp_series(tmp_path / SERIES, target, kind, mask=tmp_path / MASK, memory=1e-4, extra=extra)
    assert_same(target, theirs, {"timeseries": MINTPY})
    np.testing.assert_allclose(done.rms, rms_of_mintpy(theirs, tmp_path / MASK, tmp_path), rtol=1e-5)
    assert done.by_mintpy == []


def test_without_a_mask_file_the_whole_image_is_fitted(tmp_path: Path) -> None:
    write_series(tmp_path, 30, 30)
    theirs = program(tmp_path, "linear", "no")
    for mask in (None, tmp_path / "nowhere.h5"):
        done = deramp_series(tmp_path / SERIES, tmp_path / "ours.h5", "linear", mask=mask, memory=4)
        with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(theirs) as expected:
            np.testing.assert_allclose(ours["timeseries"][:], expected["timeseries"][:], rtol=0, atol=MINTPY)
        np.testing.assert_allclose(done.rms, rms_of_mintpy(theirs, None, tmp_path), rtol=1e-5)


def test_dates_whose_pixels_determine_no_ramp_are_given_to_mintpy(tmp_path: Path) -> None:
    write_series(tmp_path, 30, 30)
    with h5py.File(tmp_path / SERIES, "r+") as h5, h5py.File(tmp_path / MASK) as mask:
        images = h5["timeseries"]
        kept = np.zeros((30, 30), bool)
        kept[12, 10:20] = True
        images[5] = np.where(kept | ~mask["mask"][:], images[5], np.nan)
        date = h5["date"][5].decode()
    theirs = program(tmp_path, "linear", str(tmp_path / MASK))
    done = deramp_series(tmp_path / SERIES, tmp_path / "ours.h5", "linear", mask=tmp_path / MASK, memory=4)
    assert done.by_mintpy == [date]
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(theirs) as expected:
        np.testing.assert_array_equal(ours["timeseries"][5], expected["timeseries"][5])
    np.testing.assert_allclose(done.rms, rms_of_mintpy(theirs, tmp_path / MASK, tmp_path), rtol=1e-5)


def test_of_a_large_image_the_same_pixels_are_fitted_as_by_mintpy(tmp_path: Path) -> None:
    write_series(tmp_path, 1300, 1400, ["20200101", "20200113", "20200125", "20200206"])
    (tmp_path / MASK).unlink()
    with h5py.File(tmp_path / SERIES, "r+") as h5:
        # so few pixels that all count
        h5["timeseries"][1, 300:] = 0
        assert sample_step(np.count_nonzero(h5["timeseries"][2])) == 2
    theirs = program(tmp_path, "quadratic", "no")
    deramp_series(tmp_path / SERIES, tmp_path / "ours.h5", "quadratic", mask=None, memory=0.01)
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(theirs) as expected:
        np.testing.assert_allclose(ours["timeseries"][:], expected["timeseries"][:], rtol=0, atol=MINTPY)


def test_memory_and_threads_do_not_change_a_byte_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 60, 50)
    written = set()
    for memory, threads in [(4, "1"), (1e-4, "3"), (3e-4, "2")]:
        monkeypatch.setenv(THREADS, threads)
        deramp_series(tmp_path / SERIES, tmp_path / "ours.h5", "quadratic", mask=tmp_path / MASK, memory=memory)
        written.add((tmp_path / "ours.h5").read_bytes())
    assert len(written) == 1


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "small", 10, 10)
    write_series(tmp_path, 20, 20)
    with pytest.raises(InputError, match="10 x 10 pixels, the series 20 x 20") as raised:
        series_rms(tmp_path / SERIES, mask=tmp_path / "small" / MASK, memory=4)
    assert raised.value.code == "template-file-unusable"


def test_the_root_mean_square_of_a_series_as_it_is_equals_mintpys(tmp_path: Path) -> None:
    write_series(tmp_path, 30, 30)
    found = series_rms(tmp_path / SERIES, mask=tmp_path / MASK, memory=1e-4)
    np.testing.assert_allclose(found.rms, rms_of_mintpy(tmp_path / SERIES, tmp_path / MASK, tmp_path), rtol=1e-5)


@pytest.mark.parametrize("number", [0, 7])
@pytest.mark.parametrize("place", ["in the file itself", "in another file"])
def test_a_series_refers_to_a_date_as_with_mintpy(place: str, number: int, tmp_path: Path) -> None:
    from mintpy.reference_date import change_timeseries_ref_date

    write_series(tmp_path, 30, 30, chunks=(2, 7, 8))
    with h5py.File(tmp_path / SERIES) as h5:
        date = h5["date"][number].decode()
    ours, theirs = tmp_path / "ours.h5", tmp_path / "theirs.h5"
    change_timeseries_ref_date(str(tmp_path / SERIES), date, str(theirs))
    if place == "in another file":
        refer_series(tmp_path / SERIES, date, memory=1e-4, target=ours)
    else:
        shutil.copy(tmp_path / SERIES, ours)
        refer_series(ours, date, memory=1e-4)
    assert_same(ours, theirs, {})


def test_a_series_that_refers_to_the_date_already_is_not_touched(tmp_path: Path) -> None:
    write_series(tmp_path, 10, 10)
    with h5py.File(tmp_path / SERIES) as h5:
        date = h5.attrs["REF_DATE"]
    os.utime(tmp_path / SERIES, (1, 1))
    refer_series(tmp_path / SERIES, date, memory=4)
    assert (tmp_path / SERIES).stat().st_mtime == 1
