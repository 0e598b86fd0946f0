"""`Template` against MintPy's own reading of the same text."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template import Template, known_options

OPTIONS = {
    "mintpy.load.unwFile": "/data/a b/merged (1)/inter*/[12]*+x/filt_fine.unw\\.x",
    "mintpy.load.demFile": "/data/geom=1/hgt.rdr",
    "mintpy.reference.yx": "9, 8",
    "mintpy.deramp": "linear",
    "mintpy.topographicResidual": "no",
    "mintpy.timeFunc.exp": "20110311,60;20170908,120",
    "mintpy.plot.maxMemory": "32",
    "ORBIT_DIRECTION": "ASCENDING",
}


def read_by_mintpy(text: str, folder: Path) -> dict[str, str]:
    from mintpy.utils import readfile

    path = folder / "smallbaselineApp.cfg"
    path.write_text(text, encoding="utf-8")
    return dict(readfile.read_template(str(path)))


def resolved_by_mintpy(text: str, folder: Path) -> dict[str, str | bool | None]:
    from mintpy.utils import utils1

    return dict(utils1.check_template_auto_value(read_by_mintpy(text, folder)))


def test_mintpy_reads_back_its_defaults_and_the_options(tmp_path: Path) -> None:
    defaults = dict.fromkeys(known_options(), "auto")
    assert read_by_mintpy(Template.from_options(OPTIONS).text, tmp_path) == defaults | OPTIONS


def test_without_options_the_text_is_mintpys_own_template() -> None:
    import mintpy

    default = Path(mintpy.__file__).parent / "defaults" / "smallbaselineApp.cfg"
    assert Template.from_options({}).text.rstrip() == default.read_text(encoding="utf-8").rstrip()


def test_the_comments_of_mintpys_template_stay() -> None:
    text = Template.from_options({"mintpy.deramp": "linear"}).text
    assert "mintpy.deramp          = linear  #[no / linear / quadratic], auto for no" in text


@pytest.mark.parametrize(
    "options",
    [
        {},
        OPTIONS,
        {"mintpy.compute.numWorker": "auto", "mintpy.network.minCoherence": "0.5"},
        {"mintpy.geocode": "no", "mintpy.save.kmz": "no"},
        {"mintpy.compute.cluster": "none", "mintpy.unwrapError.waterMaskFile": "no"},
    ],
)
def test_resolved_values_are_those_of_mintpy(options: Mapping[str, str], tmp_path: Path) -> None:
    template = Template.from_options(options)
    assert template.resolved == resolved_by_mintpy(template.text, tmp_path)


@pytest.mark.parametrize("weather_dir", [None, "", "/weather"])
def test_the_weather_folder_comes_from_the_environment_as_in_mintpy(
    weather_dir: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WEATHER_DIR", raising=False)
    if weather_dir is not None:
        monkeypatch.setenv("WEATHER_DIR", weather_dir)
    template = Template.from_options({})
    assert template.resolved == resolved_by_mintpy(template.text, tmp_path)


@pytest.mark.parametrize("product", ["mintpy.save.kmz", "mintpy.save.hdfEos5"])
def test_a_product_that_needs_geocoding_switches_it_on(product: str) -> None:
    options = {"mintpy.geocode": "no", "mintpy.save.kmz": "no", "mintpy.save.hdfEos5": "no"}
    assert not Template.from_options(options).yes("mintpy.geocode")
    template = Template.from_options(options | {product: "yes"})
    assert template.yes("mintpy.geocode")
    assert template.raw["mintpy.geocode"] == "yes"


def test_a_local_dask_cluster_is_overridden_and_recorded(tmp_path: Path) -> None:
    template = Template.from_options({"mintpy.compute.cluster": "local"})
    assert template.value("mintpy.compute.cluster") is None
    assert template.overridden == {"mintpy.compute.cluster": "local"}
    assert read_by_mintpy(template.text, tmp_path)["mintpy.compute.cluster"] == "auto"


def test_a_subset_takes_keys_and_beginnings_of_keys() -> None:
    template = Template.from_options({"mintpy.deramp": "linear"})
    assert template.subset(["mintpy.deramp"]) == {"mintpy.deramp": "linear"}
    both = {"mintpy.deramp": "linear", "mintpy.deramp.maskFile": "maskTempCoh.h5"}
    assert template.subset(["mintpy.deramp*"]) == both
    assert list(template.subset(["mintpy.save.", "mintpy.deramp."])) == [
        "mintpy.deramp.maskFile",
        "mintpy.save.hdfEos5",
        "mintpy.save.hdfEos5.subset",
        "mintpy.save.hdfEos5.update",
        "mintpy.save.kmz",
    ]


@pytest.mark.parametrize("slip", ["mintpy.dermap", "mintpy.dermap.", "mintpy.network", ""])
def test_a_subset_that_fits_nothing_is_a_slip_of_the_caller(slip: str) -> None:
    with pytest.raises(KeyError):
        Template.from_options({}).subset([slip])


def test_an_attribute_that_is_not_given_is_left_out_of_a_subset() -> None:
    assert Template.from_options({}).subset(["ORBIT_DIRECTION"]) == {}
    assert Template.from_options(OPTIONS).subset(["ORBIT_DIRECTION"]) == {"ORBIT_DIRECTION": "ASCENDING"}


def test_another_spelling_of_the_same_value_gives_the_same_data_version() -> None:
    plain = {
        "mintpy.reference.yx": "9,8",
        "mintpy.deramp": "linear_range",
        "mintpy.plot": "no",
        "mintpy.geocode": "yes",
    }
    loose = {"mintpy.reference.yx": "[9, 8]", "mintpy.deramp": "Linear-Range", "mintpy.plot": "Off"}
    assert Template.from_options(plain).raw == Template.from_options(loose).raw


def test_values_and_switches_are_looked_up_by_key() -> None:
    template = Template.from_options({"mintpy.deramp": "linear"})
    assert template.value("mintpy.deramp") == "linear"
    assert not template.yes("mintpy.deramp")
    assert template.yes("mintpy.geocode")
    assert template.value("mintpy.load.processor") == "isce"
    with pytest.raises(KeyError):
        template.value("mintpy.dermap")


def test_a_template_is_refused_when_an_option_is_wrong() -> None:
    with pytest.raises(InputError, match="template-option-unknown"):
        Template.from_options({"mintpy.dermap": "linear"})


def test_reading_options_imports_neither_matplotlib_nor_dagster() -> None:
    code = (
        "import sys, sbas_assets.mintpy.template as t; t.Template.from_options({}).resolved;"
        "sys.exit(bool({'matplotlib', 'dagster', 'mintpy.utils'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
