"""Importing the templates that people have."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template import Template, read_cfg, resolve_paths, validate

# The options of a widely read blog (mengyuchi.gitlab.io, July 2025), with comments like its own.
BLOG = """# vim: set filetype=cfg:
##------------------------ smallbaselineApp.cfg ------------------------##
mintpy.compute.maxMemory = 24 #分配的运算内存[float > 0.0], auto for 4, max memory to allocate in GB
mintpy.load.processor = isce #指定你的干涉处理平台[isce, aria, hyp3], auto for isce
mintpy.load.updateMode = no #是否每次都是忽略已有的结果
mintpy.load.metaFile = ../reference/IW*.xml #指定IW对应的xml数据, i.e.: ./reference/IW1.xml
mintpy.load.baselineDir = ../baselines #基线文件夹
mintpy.load.unwFile = ../merged/interferograms/*/filt_fine.unw #所有的解缠后相位文件unw
mintpy.load.demFile = ../merged/geom_reference/hgt.rdr #[path of DEM file]
mintpy.unwrapError.method = bridging #选择解缠误差改正方法[bridging / no], auto for no
mintpy.troposphericDelay.method = auto #这里不进行大气校正, auto for pyaps
mintpy.reference.date = auto #指定参考日期,no为第一个日期
mintpy.plot.maxMemory = 32 #分配给绘图的内存[float], auto for 4
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mintpy").mkdir()
    return tmp_path / "mintpy"


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "my.cfg"
    path.write_text(text, encoding=encoding)
    return path


def failure(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_cfg(path)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_a_template_with_chinese_comments_is_imported_in_any_encoding(folder: Path, encoding: str) -> None:
    found = read_cfg(write(folder, BLOG, encoding))
    stack = folder.parent.resolve()
    assert found.options == {
        "mintpy.compute.maxMemory": "24",
        "mintpy.load.processor": "isce",
        "mintpy.load.updateMode": "no",
        "mintpy.load.metaFile": f"{stack}/reference/IW*.xml",
        "mintpy.load.baselineDir": f"{stack}/baselines",
        "mintpy.load.unwFile": f"{stack}/merged/interferograms/*/filt_fine.unw",
        "mintpy.load.demFile": f"{stack}/merged/geom_reference/hgt.rdr",
        "mintpy.unwrapError.method": "bridging",
        "mintpy.plot.maxMemory": "32",
    }
    assert found.attributes == {}
    assert found.ignored == {}
    validate(found.options)


def test_what_is_read_is_what_mintpy_reads(folder: Path) -> None:
    from mintpy.utils import readfile

    path = write(folder, BLOG.replace("../", "/"))
    by_mintpy = readfile.read_template(str(path))
    assert read_cfg(path).options == {key: value for key, value in by_mintpy.items() if value != "auto"}


def test_importing_a_complete_template_gives_its_options_back(folder: Path) -> None:
    options = {"mintpy.deramp": "linear", "mintpy.load.unwFile": "/a/*/[b]+(c).unw", "PLATFORM": "Sen"}
    found = read_cfg(write(folder, Template.from_options(options).text))
    assert found.options | found.attributes == options


def test_line_ends_of_other_systems_are_read(folder: Path) -> None:
    path = folder / "my.cfg"
    path.write_bytes(b"mintpy.deramp = linear\r\nmintpy.plot = no\rmintpy.geocode = yes\n")
    assert read_cfg(path).options == {"mintpy.deramp": "linear", "mintpy.plot": "no", "mintpy.geocode": "yes"}


def test_empty_values_are_dropped_and_the_last_of_several_wins(folder: Path) -> None:
    text = "mintpy.deramp = linear\nmintpy.plot =\nmintpy.deramp = quadratic # no, this\n% mintpy.geocode = no\n"
    assert read_cfg(write(folder, text)).options == {"mintpy.deramp": "quadratic"}


def test_entries_are_sorted_into_options_attributes_and_the_rest(folder: Path) -> None:
    text = "topsStack.workflow = slc\nssaraopt.relativeOrbit = 71\nORBIT_DIRECTION = ascending\nbeam_mode = IW\n"
    found = read_cfg(write(folder, text + "mintpy.load.incFile = /x\nSUBSET_XMIN = 4\n"))
    assert found.options == {"mintpy.load.incFile": "/x"}
    assert found.attributes == {"ORBIT_DIRECTION": "ascending", "beam_mode": "IW"}
    assert found.ignored == {"topsStack.workflow": "slc", "ssaraopt.relativeOrbit": "71", "SUBSET_XMIN": "4"}


def test_the_old_processor_entry_counts_as_in_mintpy(folder: Path) -> None:
    found = read_cfg(write(folder, "processor = gamma\n"))
    assert found.ignored == {"processor": "gamma"}
    with pytest.raises(InputError, match="processor-unsupported"):
        validate(found.options)


@pytest.mark.parametrize("key", ["pysar.deramp", "Mintpy.deramp", "mintpy.dermap"])
def test_a_key_that_was_meant_for_mintpy_is_not_ignored(folder: Path, key: str) -> None:
    found = read_cfg(write(folder, f"{key} = linear\n"))
    assert found.options == {key: "linear"}
    assert found.ignored == {}


def test_home_and_environment_are_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("STACK", "/stacks/a")
    found = read_cfg(write(folder, "mintpy.load.demFile = ~/hgt.rdr\nmintpy.load.unwFile = ${STACK}/*.unw\n"))
    assert found.options == {"mintpy.load.demFile": "/home/anna/hgt.rdr", "mintpy.load.unwFile": "/stacks/a/*.unw"}


@pytest.mark.parametrize(
    ("key", "value", "resolved"),
    [
        ("mintpy.load.unwFile", "merged/*/filt.unw", "{folder}/merged/*/filt.unw"),
        ("mintpy.load.unwFile", "../merged/*/../x.unw", "{parent}/merged/*/../x.unw"),
        ("mintpy.load.baselineDir", "..", "{parent}"),
        ("mintpy.load.baselineDir", ".", "{folder}"),
        ("mintpy.load.waterMaskFile", "no", "no"),
        ("mintpy.load.demFile", "/data/hgt.rdr", "/data/hgt.rdr"),
        ("mintpy.troposphericDelay.gacosDir", "./GACOS", "{folder}/GACOS"),
        ("mintpy.network.maskFile", "./mask.h5", "{folder}/mask.h5"),
        ("mintpy.network.maskFile", "mask.h5", "mask.h5"),
        ("mintpy.network.maskFile", "inputs/mask.h5", "inputs/mask.h5"),
        ("mintpy.network.maskFile", "drawn.h5", "{folder}/drawn.h5"),
        ("mintpy.network.maskFile", "maskTempCoh.h5", "maskTempCoh.h5"),
        ("mintpy.topographicResidual.excludeDate", "../bad.txt", "{parent}/bad.txt"),
        ("mintpy.deramp", "linear", "linear"),
        ("mintpy.unknown", "../x", "../x"),
    ],
)
def test_relative_paths_mean_the_folder_of_the_template(folder: Path, key: str, value: str, resolved: str) -> None:
    for name in ("drawn.h5", "maskTempCoh.h5"):
        (folder / name).touch()
    real = folder.resolve()
    expected = resolved.format(folder=real, parent=real.parent)
    assert resolve_paths({key: value}, folder) == {key: expected}


def test_a_linked_folder_is_seen_from_where_it_really_is(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(folder)
    write(folder, "mintpy.load.demFile = ../hgt.rdr\n")
    found = read_cfg(tmp_path / "elsewhere" / "link" / "my.cfg")
    assert found.options == {"mintpy.load.demFile": str(folder.resolve().parent / "hgt.rdr")}


def test_a_template_that_is_not_there_is_missing(folder: Path) -> None:
    error = failure(folder / "none.cfg")
    assert error.code == "template-missing"
    assert error.path == str(folder / "none.cfg")


def test_a_folder_is_no_template(folder: Path) -> None:
    assert failure(folder).code == "template-unreadable"


@pytest.mark.parametrize(
    "content", [b"\x89HDF\r\n\x1a\n\0\0", codecs.BOM_UTF16 + "mintpy.plot = no".encode("utf-16-le")]
)
def test_a_binary_file_is_no_template(folder: Path, content: bytes) -> None:
    path = folder / "my.cfg"
    path.write_bytes(content)
    assert failure(path).code == "template-unreadable"


def test_a_value_in_another_encoding_is_refused_with_its_line(folder: Path) -> None:
    error = failure(write(folder, "mintpy.plot = no\nmintpy.load.demFile = /数据/hgt.rdr\n", "gbk"))
    assert error.code == "template-unreadable"
    assert "line 2" in error.message


@pytest.mark.parametrize("line", ["mintpy.deramp linear", "mintpy.deramp: linear", "mintpy.deramp # = linear"])
def test_an_option_without_an_equals_sign_is_not_passed_over(folder: Path, line: str) -> None:
    error = failure(write(folder, f"mintpy.plot = no\n{line}\n"))
    assert error.code == "template-line-malformed"
    assert "line 2" in error.message
