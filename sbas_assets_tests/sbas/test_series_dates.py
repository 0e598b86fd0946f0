"""A series of fewer dates holds the numbers of those dates, referred to a date that it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.sbas.series_dates import keep_dates
from sbas_assets_tests.sbas.series_files import SERIES, contents, write_series

MEGABYTE = 1 / 1024  # of mintpy.compute.maxMemory (GB)
DATES = ("20200101", "20200113", "20200125", "20200206", "20200218")


def kept(folder: Path, dates: Sequence[str], memory: float = 1) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    keep_dates(folder / SERIES, folder / "kept.h5", dates, memory=memory)
    return contents(folder / "kept.h5")


@pytest.mark.parametrize("left_out", [1, 4])
def test_what_is_kept_is_as_it_was(left_out: int, tmp_path: Path) -> None:
    write_series(tmp_path, 40, 30, DATES)
    dates = [date for date in DATES if date != DATES[left_out]]
    all_of_it, attributes = contents(tmp_path / SERIES)
    found, written = kept(tmp_path, dates)
    assert set(found) == {"date", "bperp", "timeseries"}
    for name, values in found.items():
        assert values.dtype == all_of_it[name].dtype
        np.testing.assert_array_equal(values, np.delete(all_of_it[name], left_out, axis=0))
    assert written == {**attributes, "START_DATE": dates[0], "END_DATE": dates[-1]}


def test_without_its_reference_date_a_series_refers_to_its_first_one(tmp_path: Path) -> None:
    write_series(tmp_path, 40, 30, DATES)
    series = contents(tmp_path / SERIES)[0]["timeseries"]
    found, written = kept(tmp_path, DATES[2:])
    assert (written["REF_DATE"], written["START_DATE"], written["END_DATE"]) == (DATES[2], DATES[2], DATES[-1])
    np.testing.assert_array_equal(found["timeseries"], series[2:] - series[2])


@pytest.mark.parametrize("chunks", [None, (1, 7, 60)])
def test_blocks_make_no_difference(chunks: tuple[int, int, int] | None, tmp_path: Path) -> None:
    write_series(tmp_path, 500, 60, DATES, chunks=chunks)
    whole, _ = kept(tmp_path, DATES[1::2])
    blocks, _ = kept(tmp_path, DATES[1::2], memory=MEGABYTE / 8)
    for name, values in whole.items():
        np.testing.assert_array_equal(blocks[name], values)
