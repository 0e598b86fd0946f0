"""Solid Earth tides are MintPy's own, and an update computes no more dates than it must."""

from __future__ import annotations

import datetime
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pysolid
import pytest

from sbas_assets.mintpy import corrections, solid_earth_tides
from sbas_assets.sbas.product_file import CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE
from sbas_assets.simulate import SimulationConfig, regular_dates, simulate_stack
from sbas_assets_tests.frames_at_work import FrameAtWork, Result
from sbas_assets_tests.mintpy.stack_deliveries import Delivery

DATES = regular_dates("20200511", 6, 24)
OPTIONS = {
    "mintpy.reference.yx": "9, 8",
    "mintpy.solidEarthTides": "yes",
    "mintpy.troposphericDelay.method": "no",
    "mintpy.deramp": "no",
}
TIDES, CORRECTED = "inputs/SET.h5", "timeseries_SET.h5"
UP_TO_THEM = '+key:"timeseries_corrected"'
ONLY_WHERE_AND_WHEN = {*CLOCK_OR_PATH, PROVENANCE_ATTRIBUTE}


class Growing:
    """A frame whose stack has the first dates of a larger one, and the dates whose tides were computed last."""

    def __init__(self, folder: Path, whole: Path) -> None:
        self.delivery = Delivery.begin(whole, folder / "stack")
        self.frame = FrameAtWork(folder / "root", self.delivery.stack, OPTIONS)
        self.computed: list[str] = []

    def up_to(self, dates: int) -> Result:
        self.delivery.bring(self.delivery.among(DATES[:dates]))
        self.computed.clear()
        result = self.frame.run(UP_TO_THEM)
        assert result.success, result.errors
        return result

    def content(self, name: str) -> dict[str, Any]:
        return content(self.frame.workspace.root / name)


def content(path: Path) -> dict[str, Any]:
    with h5py.File(path) as h5:
        attributes = {f"@{key}": value for key, value in h5.attrs.items() if key not in ONLY_WHERE_AND_WHEN}
        return {**attributes, **{name: (item.dtype, item[()].tobytes()) for name, item in h5.items()}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stack") / "whole"
    simulate_stack(SimulationConfig(length=48, width=52, dates=DATES, seed=5), folder)
    return folder


@pytest.fixture
def growing(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> Growing:
    """With all dates but the last."""
    growing = Growing(tmp_path, whole)
    compute = pysolid.calc_solid_earth_tides_grid

    def noting(moment: datetime.datetime, *args: Any, **options: Any) -> Any:
        growing.computed.append(f"{moment:%Y%m%d}")
        return compute(moment, *args, **options)

    monkeypatch.setattr(pysolid, "calc_solid_earth_tides_grid", noting)
    growing.up_to(len(DATES) - 1)
    assert growing.computed == list(DATES[:-1])
    return growing


def test_an_update_computes_the_new_date_and_gives_what_all_dates_would(growing: Growing) -> None:
    result = growing.up_to(len(DATES))
    assert growing.computed == [DATES[-1]]
    told = result.metadata["timeseries_corrected"]
    assert (told["tides_computed"], told["tides_reused"]) == (1, len(DATES) - 1)
    updated = {name: growing.content(name) for name in (TIDES, CORRECTED)}
    for name in (TIDES, CORRECTED):
        (growing.frame.workspace.root / name).unlink()
    growing.up_to(len(DATES))
    assert growing.computed == list(DATES)
    assert {name: growing.content(name) for name in (TIDES, CORRECTED)} == updated


def test_numbers_and_attributes_are_those_of_mintpys_own_program(growing: Growing, tmp_path: Path) -> None:
    from mintpy.cli.solid_earth_tides import main

    growing.up_to(len(DATES))
    ours, theirs = growing.frame.workspace.root, tmp_path / "mintpy"
    (theirs / "inputs").mkdir(parents=True)
    for name in ("timeseries.h5", "inputs/geometryRadar.h5"):
        shutil.copy(ours / name, theirs / name)
    before = Path.cwd()
    os.chdir(theirs)
    try:
        main(["timeseries.h5", "-g", "inputs/geometryRadar.h5", "-o", CORRECTED])
    finally:
        os.chdir(before)
    for name in (TIDES, CORRECTED):
        assert content(ours / name) == content(theirs / name)


def test_a_date_that_goes_is_left_out_and_none_is_computed(growing: Growing) -> None:
    growing.delivery.withdraw(set(growing.delivery.pairs) - set(growing.delivery.among(DATES[:-2])))
    growing.up_to(0)
    assert growing.computed == []
    with h5py.File(growing.frame.workspace.root / TIDES) as h5:
        assert [date.decode() for date in h5["date"][:]] == list(DATES[:-2])
        assert len(h5["timeseries"]) == len(h5["sensingMid"]) == len(DATES) - 2
        assert all(np.nanmax(np.abs(layer)) > 0 for layer in h5["timeseries"])


@pytest.mark.parametrize("change", ["libraries", "time of day", "damaged"])
def test_all_dates_are_computed_where_the_last_ones_are_not_the_same(
    growing: Growing, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if change == "libraries":
        for module in (solid_earth_tides, corrections):
            monkeypatch.setattr(module, "made_with", lambda: {"pysolid": "another"})
    elif change == "time of day":
        times = solid_earth_tides._times
        monkeypatch.setattr(
            solid_earth_tides, "_times", lambda series: {date: f"{date}T000000" for date in times(series)}
        )
    else:
        with h5py.File(growing.frame.workspace.root / TIDES, "r+") as h5:
            h5["timeseries"][0, 3, 4] = 7
    growing.up_to(len(DATES))
    assert growing.computed == list(DATES)
