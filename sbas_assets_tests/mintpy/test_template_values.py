"""What is taken as the value of an option, and how a mistake is told."""

from __future__ import annotations

import re

import pytest

from sbas_assets.errors import InputError
from sbas_assets.mintpy.template import Template, known_options, validate
from sbas_assets.mintpy.template_rules import rule_for


def mistake(options: dict[str, str]) -> InputError:
    with pytest.raises(InputError) as caught:
        validate(options)
    return caught.value


def test_every_option_of_the_installed_mintpy_is_known() -> None:
    known = known_options()
    assert len(known) > 100
    assert known["mintpy.networkInversion.weightFunc"].hint == "var / fim / coh / no"
    assert known["mintpy.networkInversion.weightFunc"].auto == "var"
    assert known["mintpy.load.unwFile"].auto is None


@pytest.mark.parametrize("key", known_options())
def test_the_automatic_value_of_every_option_is_allowed(key: str) -> None:
    option = known_options()[key]
    validate({key: "auto"})
    if option.auto and "$" not in option.auto:
        validate({key: option.auto})


@pytest.mark.parametrize("key", [key for key, option in known_options().items() if option.rule.kind != "path"])
def test_every_example_in_a_hint_of_mintpy_is_allowed(key: str) -> None:
    option = known_options()[key]
    described = r"(int|float).*|[\d.]+-([\d.]+|inf)|num%|list_of_float|y0:y1,x0:x1|S:N,W:E|file ?name|txtFile|.*\.\.\."
    tokens = [token.strip() for token in option.hint.split("/" if "/" in option.hint else ",")]
    for token in tokens:
        assert re.fullmatch(described, token) or token == "auto" or option.rule.read(token) is not None, token


def test_no_option_of_the_installed_mintpy_goes_unchecked() -> None:
    assert [key for key, option in known_options().items() if option.rule.kind == "text"] == []


GOOD = [
    ("mintpy.compute.maxMemory", "24"),
    ("mintpy.compute.numWorker", "80%"),
    ("mintpy.compute.numWorker", "all"),
    ("mintpy.subset.yx", "100:500, 200:800"),
    ("mintpy.subset.lalo", "[33.1:33.4, -118.0:-117.5]"),
    ("mintpy.multilook.ystep", "1"),
    ("mintpy.network.tempBaseMax", "48.5"),
    ("mintpy.network.connNumMax", "3"),
    ("mintpy.network.excludeDate", "[20180101]"),
    ("mintpy.network.excludeIfgIndex", "1:5,25"),
    ("mintpy.network.maskFile", "/data/mask AOI.h5"),
    ("mintpy.reference.lalo", "-0.8, -91.1"),
    ("mintpy.reference.date", "20180101"),
    ("mintpy.unwrapError.ramp", "no"),
    ("mintpy.unwrapError.connCompMinArea", "1e3"),
    ("mintpy.topographicResidual.stepDate", "20080529,20190704T1733"),
    ("mintpy.topographicResidual.excludeDate", "my_dates.txt"),
    ("mintpy.timeFunc.periodic", "0.5"),
    ("mintpy.timeFunc.stepDate", "20120928T1733"),
    ("mintpy.timeFunc.log", "20110311,60,120"),
    ("mintpy.geocode.SNWE", "-1.2,0.5,-92,-91"),
    ("mintpy.geocode.laloStep", "0.001"),
    ("mintpy.geocode.fillValue", "-9999.0"),
    ("mintpy.geocode.interpMethod", "linear"),
    ("mintpy.deramp", "quadratic_range"),
    ("mintpy.troposphericDelay.polyOrder", "2"),
]


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_a_good_value_is_kept_or_tidied(key: str, value: str) -> None:
    kept = Template.from_options({key: value}).options[key]
    assert kept in {value, value.strip("[]")}


BAD = [
    ("mintpy.compute.maxMemory", "0"),
    ("mintpy.compute.maxMemory", "4GB"),
    ("mintpy.compute.maxMemory", "1e999"),
    ("mintpy.compute.numWorker", "100%"),
    ("mintpy.compute.numWorker", "0"),
    ("mintpy.load.unwFile", "yes"),
    ("mintpy.load.updateMode", "maybe"),
    ("mintpy.subset.yx", "500:100,200:800"),
    ("mintpy.subset.yx", "1,2,3,4"),
    ("mintpy.subset.yx", "-5:100,200:800"),
    ("mintpy.subset.lalo", "33.4:33.1,-118:-117"),
    ("mintpy.subset.lalo", "33.1:95,-118:-117"),
    ("mintpy.multilook.ystep", "0"),
    ("mintpy.multilook.ystep", "2.0"),
    ("mintpy.network.connNumMax", "2.5"),
    ("mintpy.network.minCoherence", "1.5"),
    ("mintpy.network.minCoherence", "nan"),
    ("mintpy.network.startDate", "20181332"),
    ("mintpy.network.startDate", "2018-01-01"),
    ("mintpy.network.excludeDate", "20180101 20180113"),
    ("mintpy.network.excludeDate", "dates.txt"),
    ("mintpy.network.excludeDate12", "20180101"),
    ("mintpy.network.excludeDate12", "20180113_20180101"),
    ("mintpy.network.excludeIfgIndex", "one"),
    ("mintpy.network.maskFile", "yes"),
    ("mintpy.reference.yx", "257;151"),
    ("mintpy.reference.yx", "257"),
    ("mintpy.reference.yx", "-1,4"),
    ("mintpy.reference.lalo", "130.8,31.8"),
    ("mintpy.reference.date", "20180230"),
    ("mintpy.unwrapError.numSample", "1"),
    ("mintpy.networkInversion.weightFunc", "variance"),
    ("mintpy.troposphericDelay.polyOrder", "4"),
    ("mintpy.topographicResidual.polyOrder", "0"),
    ("mintpy.timeFunc.polynomial", "-1"),
    ("mintpy.timeFunc.periodic", "0"),
    ("mintpy.timeFunc.stepDate", "2012"),
    ("mintpy.timeFunc.exp", "20110311"),
    ("mintpy.timeFunc.exp", "20110311,60.5"),
    ("mintpy.geocode.SNWE", "0.5,-1.2,-92,-91"),
    ("mintpy.geocode.laloStep", "0"),
    ("mintpy.geocode.laloStep", "1,2,3"),
    ("mintpy.geocode.fillValue", "banana"),
    ("mintpy.geocode.interpMethod", "cubic"),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_a_bad_value_is_refused_and_the_allowed_ones_are_told(key: str, value: str) -> None:
    error = mistake({key: value})
    assert error.code == "template-value-invalid"
    assert f"{key} = {value!r} is not" in error.message
    assert error.mend


@pytest.mark.parametrize("value", ["", "  ", "a#b", "a\nb", "a\x00b"])
def test_a_value_that_a_template_can_not_hold_is_refused(value: str) -> None:
    assert mistake({"mintpy.load.demFile": value}).code == "template-value-invalid"
    assert mistake({"ORBIT_DIRECTION": value}).code == "template-value-invalid"


def test_a_path_with_a_variable_that_is_not_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STACKS", raising=False)
    assert "$STACKS, which is not set" in mistake({"mintpy.load.demFile": "$STACKS/hgt.rdr"}).message
    monkeypatch.setenv("STACKS", "/stacks")
    template = Template.from_options({"mintpy.load.demFile": "$STACKS/hgt.rdr"})
    assert template.options == {"mintpy.load.demFile": "/stacks/hgt.rdr"}


@pytest.mark.parametrize(
    ("key", "value", "spelled"),
    [
        ("mintpy.plot", "True", "yes"),
        ("mintpy.plot", "y", "yes"),
        ("mintpy.plot", "OFF", "no"),
        ("mintpy.deramp", "None", "no"),
        ("mintpy.geocode.SNWE", "no", "none"),
        ("mintpy.deramp", "Quadratic", "quadratic"),
        ("mintpy.troposphericDelay.method", "Height-Correlation", "height_correlation"),
        ("mintpy.networkInversion.maskDataset", "connectcomponent", "connectComponent"),
        ("mintpy.network.excludeDate", "20180101, 20180113", "20180101,20180113"),
        ("mintpy.network.excludeDate12", "20180101-20180113", "20180101_20180113"),
        ("mintpy.timeFunc.exp", "20110311, 60 / 20170908, 120", "20110311,60;20170908,120"),
    ],
)
def test_loose_spelling_is_put_right(key: str, value: str, spelled: str) -> None:
    assert Template.from_options({key: value}).options == {key: spelled}


@pytest.mark.parametrize("value", ["auto", "Auto", "def", "default"])
def test_auto_is_the_same_as_nothing(value: str) -> None:
    assert Template.from_options({"mintpy.deramp": value}).options == {}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("mintpy.load.incFile", "mintpy.load.incAngleFile"),
        ("mintpy.load.azFile", "mintpy.load.azAngleFile"),
        ("mintpy.load.subset.lalo", "mintpy.subset.lalo"),
        ("mintpy.load.subset.yx", "mintpy.subset.yx"),
        ("mintpy.velocity.startDate", "mintpy.timeFunc.startDate"),
        ("mintpy.topographicResidual.stepFuncDate", "mintpy.topographicResidual.stepDate"),
        ("mintpy.residualRms.ramp", "mintpy.residualRMS.deramp"),
        ("mintpy.networkInversion.numWorker", "mintpy.compute.numWorker"),
        ("pysar.load.unwFile", "mintpy.load.unwFile"),
        ("pysar.velocity.endDate", "mintpy.timeFunc.endDate"),
        ("mintpy.troposphericDelay.wetherModel", "mintpy.troposphericDelay.weatherModel"),
        ("networkInversion.weightFunc", "mintpy.networkInversion.weightFunc"),
        ("Mintpy.deramp", "mintpy.deramp"),
    ],
)
def test_an_unknown_key_names_the_one_that_was_meant(wrong: str, meant: str) -> None:
    error = mistake({wrong: "auto"})
    assert error.code == "template-option-unknown"
    assert wrong in error.message
    assert error.mend == f"did you mean {meant}?"


@pytest.mark.parametrize("key", ["mintpy.networkInversion.residualNorm", "pysar.networkInversion.residualNorm"])
def test_a_key_that_mintpy_has_dropped_is_to_be_removed(key: str) -> None:
    assert "remove the line" in (mistake({key: "L2"}).mend or "")


def test_a_key_like_no_other_is_to_be_removed() -> None:
    assert mistake({"topsStack.workflow": "slc"}).mend == "remove the line"


def test_a_slip_in_a_word_names_the_word_that_was_meant() -> None:
    assert mistake({"mintpy.deramp": "quadartic"}).mend == "did you mean quadratic?"


def test_all_mistakes_are_told_at_once() -> None:
    error = mistake({"mintpy.load.incFile": "x", "mintpy.deramp": "cubic", "mintpy.geocode": "yes"})
    assert error.code == "template-invalid"
    assert "2 options are wrong" in error.message
    assert "mintpy.load.incAngleFile" in error.message
    assert "cubic" in error.message


def test_several_mistakes_of_one_sort_keep_their_code() -> None:
    assert mistake({"mintpy.deramp": "cubic", "mintpy.geocode": "maybe"}).code == "template-value-invalid"


def test_the_error_names_the_file_and_the_frame() -> None:
    with pytest.raises(InputError) as caught:
        validate({"mintpy.dermap": "no"}, path="/data/my.cfg", frame="T071D")
    assert caught.value.path == "/data/my.cfg"
    assert caught.value.frame == "T071D"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"mintpy.load.processor": "gamma"}, "processor-unsupported"),
        ({"mintpy.load.processor": "isce3"}, "template-value-invalid"),
        ({"mintpy.compute.cluster": "slurm"}, "cluster-unsupported"),
        ({"mintpy.troposphericDelay.weatherModel": "MERRA"}, "weather-model-unsupported"),
        ({"mintpy.troposphericDelay.weatherModel": "narr"}, "weather-model-unsupported"),
    ],
)
def test_what_can_not_work_here_is_refused_with_a_mend(options: dict[str, str], code: str) -> None:
    error = mistake(options)
    assert error.code == code
    assert error.mend


def test_a_weather_model_that_is_not_used_does_no_harm() -> None:
    validate({"mintpy.troposphericDelay.weatherModel": "NARR", "mintpy.troposphericDelay.method": "no"})


@pytest.mark.parametrize("group", ["mintpy.network", "mintpy.timeFunc"])
def test_a_period_that_ends_before_it_starts_is_refused(group: str) -> None:
    error = mistake({f"{group}.startDate": "20190101", f"{group}.endDate": "20180101"})
    assert error.code == "template-value-invalid"
    validate({f"{group}.startDate": "20180101", f"{group}.endDate": "no"})


@pytest.mark.parametrize("hint", ["", "1,2,a / b c", "see the manual"])
def test_a_hint_of_a_future_mintpy_that_says_nothing_allows_everything(hint: str) -> None:
    rule = rule_for("mintpy.new.option", hint, None)
    assert rule.kind == "text"
    assert rule.read("anything at all") == "anything at all"
