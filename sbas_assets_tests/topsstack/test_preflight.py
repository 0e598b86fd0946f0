"""What the preflight concludes: drops, islands, sizes, the report."""

from __future__ import annotations

import os
import shutil
from datetime import datetime

import numpy as np
import pytest

from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.tree import StackLayout
from sbas_assets_tests.topsstack.planting import (
    BASE,
    COR,
    FIRST,
    GEOM,
    IFG,
    IW1,
    IW2,
    SECOND,
    THIRD,
    UNW,
    cut,
    dangling,
    edit,
    fill,
    remove,
)  # fmt: skip
from sbas_assets_tests.topsstack.writer import (
    DATES,
    PAIRS,
    SHAPE,
    product_xml,
    write_baseline,
    write_pair,
    write_raster,
)


def test_good_stack_has_no_problem(stack):
    report = preflight(stack)
    assert report.problems == ()
    assert report.ok
    assert report.error() is None
    assert tuple(pair.name for pair in report.pairs) == PAIRS
    assert report.dates == DATES
    assert report.islands == (DATES,)
    assert (report.reference_date, report.shape, report.tracks) == (DATES[0], SHAPE, (71,))
    assert report.orbit_direction == "DESCENDING"


def test_many_faults_are_found_at_once(stack):
    write_pair(stack, "20200523_20200616", seed=9)
    write_pair(stack, "20200604_20200616", seed=10)
    cut(COR, 0)(stack)
    edit(IW2, '<property name="startingrange">', '<property name="gone">')(stack)
    cut(f"{GEOM}/lat.rdr")(stack)
    cut(BASE, 0)(stack)
    fill(f"{IFG}/{THIRD}/filt_fine.unw", 0, 2, "BIL")(stack)
    report = preflight(stack)
    assert {problem.code for problem in report.problems} >= {
        "raster-truncated", "product-attribute-missing", "baseline-empty", "baseline-missing", "header-of-another-pair",
        "unw-empty",
    }  # fmt: skip
    assert sum(problem.code == "raster-truncated" for problem in report.problems) == 2
    assert not report.ok


def test_dropped_pair_leaves_the_rest_to_go_on(stack):
    cut(COR, 0)(stack)
    report = preflight(stack)
    assert report.ok
    assert list(report.dropped) == [FIRST]
    assert report.dropped[FIRST].code == "raster-truncated"
    assert [pair.name for pair in report.pairs] == [SECOND, THIRD]
    assert report.islands == (DATES,)


def test_date_without_baseline_takes_its_pairs_and_is_noted(stack):
    write_pair(stack, "20200604_20200616", seed=9)
    report = preflight(stack)
    assert report.ok
    assert report.dropped["20200604_20200616"].date == "20200616"
    lost = next(problem for problem in report.problems if problem.code == "date-lost")
    assert (lost.severity, lost.date) == ("note", "20200616")


def test_network_torn_apart_by_drops_stops_and_names_islands_and_drops(stack):
    for date, value in (("20200616", 5.0), ("20200628", 6.0), ("20200710", 7.0)):
        write_baseline(stack, DATES[0], date, value)
    for name in ("20200604_20200616", "20200616_20200628", "20200616_20200710"):
        write_pair(stack, name)
    cut(f"{IFG}/20200604_20200616/filt_fine.unw")(stack)
    report = preflight(stack)
    problem = next(problem for problem in report.problems if problem.code == "network-disconnected")
    assert problem.severity == "stop"
    assert report.islands == (DATES, ("20200616", "20200628", "20200710"))
    assert "20200616 20200628 20200710" in problem.cause
    assert "20200604_20200616 (raster-truncated)" in problem.cause


def test_fewer_than_two_pairs_stop(stack):
    remove(f"{IFG}/{FIRST}")(stack)
    cut(f"{IFG}/{SECOND}/filt_fine.unw")(stack)
    report = preflight(stack)
    assert "too-few-pairs" in {problem.code for problem in report.of("stop")}


def test_components_missing_for_all_pairs_are_only_noted(stack):
    for name in PAIRS:
        remove(f"{IFG}/{name}/filt_fine.unw.conncomp")(stack)
    report = preflight(stack)
    assert report.ok
    assert [(p.code, p.severity) for p in report.problems] == [("conncomp-missing", "note")]
    assert len(report.pairs) == 3


def test_half_made_pair_folder_without_any_file_is_seen(stack):
    (stack / IFG / "20200511_20200616").mkdir()
    (stack / IFG / "notes").mkdir()
    report = preflight(stack)
    assert list(report.dropped) == ["20200511_20200616"]
    assert {p.code for p in report.problems} >= {"unw-missing", "cor-missing", "conncomp-missing"}


def test_reference_product_of_another_date_than_the_baselines_stops(stack):
    for swath, path in ((1, IW1), (2, IW2)):
        (stack / path).write_text(product_xml(swath, datetime(2020, 5, 23, 13, 51, 23)))
    assert [p.code for p in preflight(stack).of("stop")] == ["reference-date-mismatch"]


def test_burst_sensed_just_after_midnight_belongs_to_the_day_before(stack):
    for swath, path in ((1, IW1), (2, IW2)):
        (stack / path).write_text(product_xml(swath, datetime(2020, 5, 12, 0, 0, 3 * swath)))
    assert preflight(stack).ok


def test_pattern_that_matches_two_files_of_a_pair_drops_it(stack):
    for suffix in ("", ".xml"):
        shutil.copy(stack / f"{UNW}{suffix}", stack / f"{IFG}/{FIRST}/filt_fine_snaphu.unw{suffix}")
    report = preflight(StackLayout(stack, unw=f"{IFG}/*/filt_*.unw"))
    assert report.dropped[FIRST].code == "pair-repeated"


def test_metadata_of_a_swath_other_than_the_lowest_are_refused(stack):
    report = preflight(StackLayout(stack, meta=IW2))
    assert [problem.code for problem in report.problems] == ["reference-not-lowest-swath"]
    assert preflight(StackLayout(stack, meta=IW1)).problems == ()


def test_dangling_baseline_is_found(stack):
    dangling(BASE)(stack)
    assert preflight(stack).dropped[FIRST].code == "file-unreadable"


def test_sizes_on_a_tie_are_decided_by_the_geometry(stack):
    remove(f"{IFG}/{THIRD}")(stack)
    write_pair(stack, SECOND, (12, 9))
    report = preflight(stack)
    assert report.shape == SHAPE
    assert list(report.dropped) == [SECOND]


def test_defect_of_the_ionosphere_does_not_touch_the_interferograms(stack):
    for name in PAIRS:
        folder = stack / "ion" / name / "ion_cal"
        write_raster(folder / "filt.ion", [np.ones(SHAPE, "f4")])
        write_raster(folder / "raw_no_projection.cor", [np.ones(SHAPE, "f4")])
    cut(f"ion/{FIRST}/ion_cal/filt.ion")(stack)
    report = preflight(stack)
    assert report.ok
    assert len(report.pairs) == 3
    assert [pair.name for pair in report.ion_pairs] == [SECOND, THIRD]
    assert list(report.ion_dropped) == [FIRST]


def test_pixels_are_not_read_when_not_wanted(stack):
    fill(UNW, 0, 2, "BIL")(stack)
    assert preflight(stack, pixels=False).ok
    assert preflight(stack, pixels=False).dropped == {}


def test_missing_folder_and_file_as_folder_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert [p.code for p in preflight(tmp_path / "none").problems] == ["stack-missing"]
    assert [p.code for p in preflight(tmp_path / "file").problems] == ["stack-not-a-folder"]


def test_empty_folder_reports_everything_that_it_lacks(tmp_path):
    codes = {problem.code for problem in preflight(tmp_path).problems}
    assert codes >= {"reference-missing", "interferograms-missing", "geometry-missing", "baselines-missing"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_read_permission_is_found(stack):
    (stack / UNW).chmod(0)
    assert preflight(stack).dropped[FIRST].code == "file-unreadable"


def test_report_says_it_in_json_and_as_one_error(stack):
    cut(f"{GEOM}/lat.rdr")(stack)
    remove(f"{GEOM}/hgt.rdr")(stack)
    report = preflight(stack)
    error = report.error("T071D_test")
    assert error is not None
    assert error.frame == "T071D_test"
    assert "hgt.rdr" in str(error)
    assert "lat.rdr" in str(error)
    content = report.to_dict()
    assert content["ok"] is False
    assert {problem["code"] for problem in content["problems"]} == {"raster-truncated", "geometry-missing"}
