"""Each fault that a stack can have is planted in a good one and must be found: code, file, mend and consequence."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.topsstack import problems
from sbas_assets.topsstack.preflight import preflight
from sbas_assets.topsstack.problems import CODES
from sbas_assets_tests.topsstack.planting import (
    BASE,
    COR,
    FIRST,
    GEOM,
    IFG,
    IW1,
    IW2,
    UNW,
    copy,
    cut,
    dangling,
    edit,
    empty_image,
    fill,
    folder_instead,
    grow,
    remove,
    rename,
    second_swath_of_another_date,
    set_property,
    swap_headers,
    write,
)  # fmt: skip
from sbas_assets_tests.topsstack.writer import DATES, write_baseline, write_geometry, write_pair

UNW_XML, COR_XML, CONN = f"{UNW}.xml", f"{COR}.xml", f"{UNW}.conncomp"
HGT, LAT, LON, LOS, SHADOW = (f"{GEOM}/{name}.rdr" for name in ("hgt", "lat", "lon", "los", "shadowMask"))

# fault, what is planted, code, end of the path, severity
FAULTS = [
    ("no reference", remove("reference"), "reference-missing", "reference/IW*.xml", "stop"),
    ("product cut short", cut(IW2), "product-truncated", IW2, "stop"),
    ("empty product", cut(IW1, 0), "product-truncated", IW1, "stop"),
    ("product is an image header", copy(UNW_XML, IW1), "product-of-another-kind", IW1, "stop"),
    ("coregistered product", edit(IW1, "TOPSSwathSLCProduct", "coregSwathSLCProduct"),
     "product-of-another-kind", IW1, "stop"),
    ("product is a folder", folder_instead(IW1), "file-unreadable", IW1, "stop"),
    ("product is a dangling link", dangling(IW2), "file-unreadable", IW2, "stop"),
    ("unparsable attribute", edit(IW1, "799611.1154763321", "near"), "product-attribute-missing", IW1, "stop"),
    ("infinite range", edit(IW1, "799611.1154763321", "inf"), "product-attribute-missing", IW1, "stop"),
    ("orbit of another day", set_property(IW1, "time", "2020-05-11", "2020-05-10"), "orbit-too-short", IW1, "stop"),
    ("swath under another name", set_property(IW1, "swathnumber", "1", "3"), "reference-swath-mismatch", IW1, "stop"),
    ("swaths of two dates", second_swath_of_another_date, "reference-dates-differ", IW2, "stop"),
    ("swaths of two tracks", set_property(IW2, "tracknumber", "71", "64"), "reference-tracks-differ", IW2, "stop"),
    ("no interferograms", remove(IFG), "interferograms-missing", f"{IFG}/*/filt_fine.unw", "stop"),
    ("no phase", remove(UNW), "unw-missing", UNW, "drop"),
    ("no coherence", remove(COR), "cor-missing", COR, "drop"),
    ("no components of one pair", remove(CONN), "conncomp-missing", CONN, "drop"),
    ("no header of the phase", remove(UNW_XML), "header-missing", UNW_XML, "drop"),
    ("no header of the coherence", remove(COR_XML), "header-missing", COR_XML, "drop"),
    ("header cut short", cut(UNW_XML), "header-unreadable", UNW_XML, "drop"),
    ("header without width", edit(UNW_XML, '"width"', '"breadth"'), "header-unreadable", UNW_XML, "drop"),
    ("header is a product", copy(IW1, UNW_XML), "header-unreadable", UNW_XML, "drop"),
    ("headers of two pairs swapped", swap_headers, "header-of-another-pair", UNW_XML, "drop"),
    ("header of another file", edit(UNW_XML, "filt_fine.unw<", "fine.unw<"), "header-of-another-file", UNW_XML, "drop"),
    ("phase cut short", cut(UNW), "raster-truncated", UNW, "drop"),
    ("coherence of 0 bytes", cut(COR, 0), "raster-truncated", COR, "drop"),
    ("phase too long", grow(UNW), "raster-too-long", UNW, "drop"),
    ("components cut short", cut(CONN), "raster-truncated", CONN, "drop"),
    ("big-endian phase", edit(UNW_XML, "<value>l<", "<value>b<"), "raster-big-endian", UNW, "drop"),
    ("complex coherence", fill(COR, 1, 1, "BIP", "c8"), "raster-of-wrong-type", COR, "drop"),
    ("phase is a folder", folder_instead(UNW), "file-unreadable", UNW, "drop"),
    ("phase is a dangling link", dangling(UNW), "file-unreadable", UNW, "drop"),
    ("header is a dangling link", dangling(UNW_XML), "file-unreadable", UNW_XML, "drop"),
    ("pair of another size", lambda s: write_pair(s, FIRST, (12, 9)), "pair-size-differs", UNW, "drop"),
    ("folder that is no pair", rename(FIRST, "20200511-20200523"), "pair-name-malformed", "20200511-20200523", "drop"),
    ("folder with a 13th month", rename(FIRST, "20201311_20201323"),
     "pair-name-malformed", "20201311_20201323", "drop"),
    ("dates back to front", rename(FIRST, "20200523_20200511"), "pair-dates-reversed", "20200523_20200511", "drop"),
    ("phase all zero", fill(UNW, 0, 2, "BIL"), "unw-empty", UNW, "drop"),
    ("phase all NaN", fill(UNW, np.nan, 2, "BIL"), "unw-empty", UNW, "drop"),
    ("coherence all zero", fill(COR, 0, 1, "BIP"), "cor-empty", COR, "drop"),
    ("coherence all NaN", fill(COR, np.nan, 1, "BIP"), "cor-empty", COR, "drop"),
    ("no baselines", remove("baselines"), "baselines-missing", "baselines", "stop"),
    ("no baseline of a date", remove(BASE), "baseline-missing", BASE, "drop"),
    ("empty baseline", cut(BASE, 0), "baseline-empty", BASE, "drop"),
    ("unparsable baseline", write(BASE, b"Bperp (average): n/a\n"), "baseline-unreadable", BASE, "drop"),
    ("baseline without a value", write(BASE, b"swath: IW1\n"), "baseline-unreadable", BASE, "drop"),
    ("baseline is not a number", write(BASE, b"Bperp (average): nan\n"), "baseline-unreadable", BASE, "drop"),
    ("baseline is binary", write(BASE, b"\xff\xfe\x80"), "baseline-unreadable", BASE, "drop"),
    ("baseline is a folder", folder_instead(BASE), "file-unreadable", BASE, "drop"),
    ("baseline of one swath of two", lambda s: write_baseline(s, DATES[0], DATES[1], 1.0, 1),
     "baseline-swaths-differ", BASE, "note"),
    ("two reference dates", lambda s: write_baseline(s, "20200523", "20200604", 3.0),
     "baseline-references-differ", "20200523_20200604.txt", "stop"),
    ("no heights", remove(HGT), "geometry-missing", HGT, "stop"),
    ("no angles", remove(LOS), "geometry-missing", LOS, "stop"),
    ("no shadow mask", remove(SHADOW), "geometry-optional-missing", SHADOW, "note"),
    ("latitude cut short", cut(LAT), "raster-truncated", LAT, "stop"),
    ("no header of the longitude", remove(f"{LON}.xml"), "header-missing", f"{LON}.xml", "stop"),
    ("geometry of another size", lambda s: write_geometry(s, (12, 9)), "geometry-size-differs", HGT, "stop"),
    ("latitude all zero", empty_image("lat.rdr", "f8", 1), "geometry-empty", LAT, "stop"),
    ("angles all zero", empty_image("los.rdr", "f4", 2), "geometry-empty", LOS, "stop"),
    (".rsc of an earlier run", write(f"{UNW}.rsc", b"WIDTH 3\n"), "rsc-ignored", f"{UNW}.rsc", "note"),
    ("data.rsc of an earlier run", write("reference/data.rsc", b"WIDTH 3\n"),
     "rsc-ignored", "reference/data.rsc", "note"),
    ("two versions of ISCE2", edit(UNW_XML, "2.6.5", "2.3.0"), "isce-versions-differ", f"{UNW}", "note"),
]  # fmt: skip


def test_every_code_that_the_package_raises_is_in_the_catalogue():
    sources = "".join(path.read_text() for path in Path(problems.__file__).parent.rglob("*.py"))
    raised = set(re.findall(r'(?:Input|Outside)Error\(\s*f?"([a-z-]+)"', sources))
    raised |= set(re.findall(r'Problem\(\s*"([a-z-]+)"', sources)) | set(re.findall(r'code="([a-z-]+)"', sources))
    assert len(raised) > 30
    assert raised <= CODES.keys()


@pytest.mark.parametrize(("plant", "code", "where", "severity"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_fault_is_found_with_its_code_and_file_and_consequence(stack, plant, code, where, severity):
    plant(stack)
    report = preflight(stack)
    found = [problem for problem in report.problems if problem.code == code and str(problem.path).endswith(where)]
    assert found, [str(problem) for problem in report.problems]
    assert found[0].severity == severity
    assert found[0].cause
    assert found[0].mend
    assert report.ok == (severity != "stop" and len(report.pairs) >= 2)
    assert all(problem.code in CODES for problem in report.problems)


@pytest.mark.parametrize("attribute", [
    "pulserepetitionfrequency", "burststartutc", "burststoputc", "sensingstart", "sensingstop", "startingrange",
    "rangepixelsize", "azimuthtimeinterval", "radarwavelength", "passdirection", "polarization", "tracknumber",
    "orbitnumber", "swathnumber", "numberoflines", "numberofsamples", "ascendingnodetime", "position", "velocity",
    "time",
])  # fmt: skip
def test_missing_key_attribute_is_named(stack, attribute):
    edit(IW1, f'<property name="{attribute}">', '<property name="gone">')(stack)
    problem = next(p for p in preflight(stack).problems if p.code == "product-attribute-missing")
    assert problem.severity == "stop"
    assert attribute in problem.cause
    assert str(problem.path).endswith(IW1)
