"""The whole reader on trees that ISCE2 wrote, and MintPy's own prep_isce on our metadata."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sbas_assets.topsstack.baselines import baseline_timeseries
from sbas_assets.topsstack.metadata import isce_metadata, pair_metadata, write_rsc
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.product import read_product
from sbas_assets_tests.topsstack.golden import GOLDEN, MEXICO, STACK, needs_golden, needs_mexico

IGNORED = {"FILE_PATH", "file_name", "OG_FILE_PATH"}


def read_rsc(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


def writable_copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for folder in [target, *(path for path in target.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    return target


@pytest.fixture
def case(tmp_path: Path) -> Path:
    for name in ("reference", "baselines", "merged"):
        writable_copy(STACK / name, tmp_path / "case" / name)
    return tmp_path / "case"


@needs_golden
def test_stack_of_isce2_passes_with_every_pair():
    report = preflight(STACK)
    assert report.problems == ()
    assert len(report.pairs) == 5
    assert report.shape == (331, 113)
    assert report.reference_date == "20200511"
    assert report.tracks == (71,)
    assert "2.6.5" in (report.isce_version or "")


@needs_mexico
def test_mexico_city_passes_with_every_pair_and_without_components():
    report = preflight(MEXICO)
    assert report.ok
    assert report.dropped == {}
    assert [problem.code for problem in report.problems] == ["conncomp-missing"]
    assert len(report.pairs) == 30
    assert len(report.dates) == 13
    assert report.orbit_direction == "ASCENDING"


@needs_golden
def test_empty_coherence_that_isce2_left_is_found(case):
    sample = GOLDEN / "failure_samples" / "empty_filt_fine_cor"
    pair = case / "merged/interferograms/20200511_20200523"
    shutil.copyfile(sample / "filt_fine.cor", pair / "filt_fine.cor")
    problem = preflight(case).dropped["20200511_20200523"]
    assert problem.code == "raster-truncated"
    assert problem.path == pair / "filt_fine.cor"
    assert "0 bytes" in problem.cause


@needs_golden
def test_empty_baseline_that_isce2_left_is_found(case):
    sample = GOLDEN / "failure_samples" / "empty_baseline" / "20200511_20200628"
    writable_copy(sample, case / "baselines" / sample.name)
    shutil.copytree(case / "merged/interferograms/20200511_20200604", case / "merged/interferograms/20200604_20200628")
    problem = next(p for p in preflight(case).problems if p.code == "baseline-empty")
    assert problem.path.name == "20200511_20200628.txt"
    assert "average_baseline" in problem.mend


@needs_golden
@pytest.mark.parametrize("folder", ["coreg_secondarys/20200523"])
def test_coregistered_product_is_told_from_an_unpacked_one(case, folder):
    shutil.copyfile(STACK / folder / "IW1.xml", case / "reference/IW1.xml")
    assert [p.code for p in preflight(case).of("stop")] == ["product-of-another-kind"]


@needs_golden
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/secondarys/*/IW*.xml")), ids=lambda path: path.parent.name)
def test_secondary_products_are_read(path):
    assert read_product(path).bursts[0].sensing_start.strftime("%Y%m%d") == path.parent.name


@needs_golden
def test_prep_isce_takes_our_metadata_instead_of_isce2(case, monkeypatch):
    from mintpy.cli import prep_isce

    meta = isce_metadata(case / "reference/IW1.xml", case / "merged/geom_reference")
    write_rsc(meta, case / "reference/data.rsc")
    monkeypatch.chdir(case)
    prep_isce.main([
        "-f", "./merged/interferograms/*/filt_*.unw", "-m", "./reference/IW1.xml", "-b", "./baselines/",
        "-g", "./merged/geom_reference/",
    ])  # fmt: skip
    written = {path.relative_to(case) for path in case.rglob("*.rsc")}
    assert len(written) == 1 + 6 + 5
    for path in written:
        found = read_rsc(case / path)
        assert {key: found[key] for key in meta if key not in {"WIDTH", "LENGTH"}}.items() <= meta.items(), path
        wanted_file = STACK / "expected_rsc" / path
        if wanted_file.is_file():
            wanted = read_rsc(wanted_file)
            assert {k: v for k, v in found.items() if k not in IGNORED} == {
                k: v for k, v in wanted.items() if k not in IGNORED
            }


@needs_golden
def test_our_metadata_of_a_pair_are_those_that_prep_isce_writes(case, monkeypatch):
    from mintpy import prep_isce
    from mintpy.utils import isce_utils, readfile

    baselines = baseline_timeseries(case / "baselines")
    series = isce_utils.read_baseline_timeseries(str(case / "baselines"))
    meta = isce_metadata(case / "reference/IW1.xml", case / "merged/geom_reference")
    for unw in sorted(case.glob("merged/interferograms/*/filt_fine.unw")):
        name = unw.parent.name
        header = readfile.read_attribute(str(unw), metafile_ext=".xml")
        wanted = prep_isce.add_ifgram_metadata({**meta, **header}, name.split("_"), series)
        assert pair_metadata(meta, header, name, baselines) == wanted
