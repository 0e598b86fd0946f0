"""Headers and file names are ISCE2's own, letter for letter where nothing but numbers differ."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from sbas_assets.simulate import SimulationConfig, Truth, regular_dates, simulate_stack
from sbas_assets.simulate.geometry import make_geometry
from sbas_assets.simulate.layout import Burst, Layout, Swath
from sbas_assets.simulate.rasters import write_geometry, write_interferogram
from sbas_assets.simulate.scene import make_scene
from sbas_assets.simulate.signals import Interferogram

LENGTH, WIDTH = 331, 113
RASTERS = ("hgt", "lat", "lon", "los", "incLocal", "shadowMask")
PAIR_FILES = ("filt_fine.unw", "filt_fine.cor", "filt_fine.unw.conncomp")


@pytest.fixture(scope="module")
def like_golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rasters of the size and tiling of the stack that ISCE2 made."""
    config = SimulationConfig(length=LENGTH, width=WIDTH, azimuth_looks=10, range_looks=50)
    first = Swath(1, 0, 3600, (Burst(1, 0, 1497), Burst(2, 1342, 1497)))
    second = Swath(2, 2098, 3600, (Burst(1, 457, 1509), Burst(2, 1801, 1509)))
    layout = Layout(3310, 5698, (first, second))
    scene = make_scene(config)
    folder = tmp_path_factory.mktemp("golden")
    valid = np.ones((LENGTH, WIDTH), dtype=bool)
    geometry = make_geometry(config, layout, scene.height)
    write_geometry(config, layout, scene, geometry, valid=valid, folder=folder)
    zeros = np.zeros((LENGTH, WIDTH), dtype=np.float32)
    pair = Interferogram(zeros, zeros, zeros, zeros.astype(np.uint8))
    write_interferogram(pair, folder / "20200511_20200523", conncomp=True)
    return folder


@pytest.mark.parametrize("suffix", ["rdr.xml", "rdr.vrt", "rdr.full.xml", "rdr.full.vrt"])
@pytest.mark.parametrize("name", RASTERS)
def test_geometry_headers_are_those_of_isce2(golden: Path, like_golden: Path, name: str, suffix: str) -> None:
    expected = golden / "merged" / "geom_reference" / f"{name}.{suffix}"
    assert (like_golden / expected.name).read_text() == expected.read_text()


@pytest.mark.parametrize("suffix", ["", ".xml", ".vrt"])
@pytest.mark.parametrize("name", PAIR_FILES)
def test_interferogram_files_are_those_of_isce2(golden: Path, like_golden: Path, name: str, suffix: str) -> None:
    pair = "20200511_20200523"
    expected = golden / "merged" / "interferograms" / pair / f"{name}{suffix}"
    written = like_golden / pair / expected.name
    if suffix:
        assert written.read_text() == expected.read_text()
    else:
        assert written.stat().st_size == expected.stat().st_size


@pytest.mark.parametrize("name", RASTERS)
def test_geometry_rasters_have_isce2s_pixel_types(golden: Path, like_golden: Path, name: str) -> None:
    expected = golden / "merged" / "geom_reference" / f"{name}.rdr"
    assert (like_golden / expected.name).stat().st_size == expected.stat().st_size


def shape_of(element: ET.Element) -> list[object]:
    """Structure of a product without its values; the number of state vectors is free."""
    children = [c for c in element if not re.fullmatch(r"statevector([2-9]|\d\d)", c.get("name", ""))]
    text = None if element.tag == "value" else (element.text or "").strip()
    return [element.tag, element.get("name"), text, [shape_of(child) for child in children]]


@pytest.mark.parametrize("part", ["reference", "secondarys/20200523"])
@pytest.mark.parametrize("swath", ["IW1.xml", "IW2.xml"])
def test_products_have_the_structure_and_words_of_isce2(
    golden: Path, tiny_stack: tuple[Path, Truth], part: str, swath: str
) -> None:
    written = ET.parse(tiny_stack[0] / part / swath).getroot()
    assert shape_of(written) == shape_of(ET.parse(golden / part / swath).getroot())


def test_products_are_written_in_alphabetical_order(tmp_path: Path) -> None:
    config = SimulationConfig(length=40, width=40, dates=regular_dates("20200511", 3), bursts_per_swath=11)
    simulate_stack(config, tmp_path)
    text = (tmp_path / "reference" / "IW1.xml").read_text()
    bursts = re.findall(r'<component name="(burst\d+)">', text)
    assert bursts[:4] == ["burst1", "burst10", "burst11", "burst2"]
    assert "['burst1', 'burst2', " in text


def test_baseline_files_have_a_block_for_each_swath(golden: Path, tiny_stack: tuple[Path, Truth]) -> None:
    def words(folder: Path) -> list[str]:
        text = (folder / "baselines/20200511_20200523/20200511_20200523.txt").read_text()
        return [re.sub(r"-?\d+\.\d+", "#", line) for line in text.splitlines()]

    assert words(tiny_stack[0]) == words(golden)


def test_an_absent_connected_component_is_not_written(tmp_path: Path) -> None:
    config = SimulationConfig(length=40, width=40, dates=regular_dates("20200511", 3), conncomp=False)
    simulate_stack(config, tmp_path)
    assert not list(tmp_path.rglob("*.conncomp*"))
    assert not list(tmp_path.rglob("waterMask*"))


@pytest.mark.parametrize("n_swaths", [1, 3])
def test_a_stack_may_have_one_or_three_subswaths(n_swaths: int, tmp_path: Path) -> None:
    config = SimulationConfig(length=48, width=48, dates=regular_dates("20200511", 3), n_swaths=n_swaths)
    truth = simulate_stack(config, tmp_path)
    assert sorted(path.name for path in (tmp_path / "reference").iterdir()) == [
        f"IW{i + 1}.xml" for i in range(n_swaths)
    ]
    assert truth.valid.mean() > 0.5
    lat = np.fromfile(tmp_path / "merged" / "geom_reference" / "lat.rdr").reshape(48, 48)
    assert np.all(lat != 0) == (n_swaths == 1)
    assert np.any(np.all(lat != 0, axis=1)), "MintPy takes the corners from a row without gaps"
