"""The frames' configuration and their catalogue."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from sbas_assets.assets.declare import FRAMES
from sbas_assets.errors import InputError
from sbas_assets.frames import PARTITIONS, FrameCatalogue, FrameConfig, frame_config, parse_set, validate_key
from sbas_assets.publish_config import PublishConfig

KEY = "T071D_santorini"
VALUES: dict[str, Any] = {"track": 71, "direction": "descending", "stack": "/data/stack"}


@pytest.fixture
def catalogue(tmp_path: Path) -> FrameCatalogue:
    return FrameCatalogue(tmp_path)


def write(catalogue: FrameCatalogue, text: str, name: str = f"{KEY}.yaml") -> Path:
    catalogue.folder.mkdir(exist_ok=True)
    path = catalogue.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def failure(catalogue: FrameCatalogue, key: str = KEY) -> InputError:
    with pytest.raises(InputError) as caught:
        catalogue.get(key)
    return caught.value


def config(**more: Any) -> FrameConfig:
    return FrameConfig(**VALUES, **more)


def test_every_asset_shares_the_partitions_named_frame() -> None:
    assert FRAMES.name == PARTITIONS == "frame"


@pytest.mark.parametrize("key", ["T", "T071D_santorini", "7", "a-b_c", "a" * 64])
def test_a_good_key_is_returned(key: str) -> None:
    assert validate_key(key) == key


@pytest.mark.parametrize("key", ["", "_a", "-a", "a" * 65, "a b", "a/b", "../a", "a.b", "é", "a\n", "20180101|x"])
def test_a_key_that_is_no_file_name_is_refused(key: str, catalogue: FrameCatalogue) -> None:
    for refuse in (validate_key, catalogue.path, catalogue.get, catalogue.remove):
        with pytest.raises(InputError, match="frame-key-invalid"):
            refuse(key)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "yes"),
        (False, "no"),
        (0.5, "0.5"),
        (24, "24"),
        ([9, 8], "9, 8"),
        (["20180101", 20180113], "20180101, 20180113"),
        (date(2018, 1, 1), "20180101"),
        (datetime(2018, 1, 1, 17, 33), "20180101T1733"),
        ("linear", "linear"),
    ],
)
def test_yaml_values_are_written_as_mintpy_writes_them(value: object, written: str) -> None:
    found = frame_config({**VALUES, "attributes": {"NOTE": value}})
    assert found.attributes == {"NOTE": written}


def test_the_template_of_a_frame_has_its_options_and_attributes() -> None:
    found = config(mintpy={"mintpy.plot": False}, attributes={"PLATFORM": "Sen"}).template()
    assert found.value("mintpy.plot") is False
    assert found.options == {"mintpy.plot": "no", "PLATFORM": "Sen"}


def test_a_stack_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/anna")
    assert FrameConfig(**{**VALUES, "stack": "a/../b"}).stack == tmp_path / "b"
    assert FrameConfig(**{**VALUES, "stack": "~/stack"}).stack == Path("/home/anna/stack")


def test_every_field_is_described() -> None:
    for model in (FrameConfig, PublishConfig):
        assert all(field.description for field in model.model_fields.values())


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(ValidationError):
        config().track = 72  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"track": 0}, "track: "),
        ({"track": 176}, "track: "),
        ({"track": "seventy"}, "track: "),
        ({"direction": "up"}, "direction: "),
        ({"mintpy": ["mintpy.plot"]}, "mintpy: "),
        ({"mintpy": {"mintpy.plot": {"a": 1}}}, "mintpy.mintpy.plot: "),
        ({"stak": "/x"}, "stak: there is no such field, did you mean stack?"),
        ({"zebra": 1}, "zebra: there is no such field"),
        ({"attributes": {"mintpy.plot": "no"}}, "attributes: not an attribute of MintPy: mintpy.plot"),
    ],
)
def test_a_wrong_field_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match="frame-config-invalid") as caught:
        frame_config({**VALUES, **values}, frame=KEY)
    assert told in caught.value.message
    assert "pydantic" not in str(caught.value)
    assert caught.value.frame == KEY


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        frame_config({"track": 400})
    assert all(f"{field}: " in caught.value.message for field in ("track", "direction", "stack"))


def test_a_wrong_option_keeps_the_code_of_the_template() -> None:
    with pytest.raises(InputError, match="template-option-unknown"):
        config(mintpy={"mintpy.load.incFile": "/x"})
    with pytest.raises(InputError, match="template-option-unknown") as caught:
        frame_config({**VALUES, "mintpy": {"mintpy.load.incFile": "/x"}}, frame=KEY)
    assert caught.value.frame == KEY
    assert caught.value.mend == "did you mean mintpy.load.incAngleFile?"


def test_an_added_frame_is_read_back(catalogue: FrameCatalogue) -> None:
    added = config(
        mintpy={
            "mintpy.network.excludeDate12": "20180101_20180113",
            "mintpy.network.excludeIfgIndex": "1:5",
            "mintpy.plot": "no",
            "mintpy.load.unwFile": "/数据/* [1]: {a}, 'b'.unw",
        },
        attributes={"PLATFORM": "Sen"},
        publish={"keep_versions": 3, "radar": True, "mantissa_bits": 10},
    )
    assert catalogue.add(KEY, added) == catalogue.path(KEY)
    assert catalogue.get(KEY) == added
    assert catalogue.keys() == [KEY]
    assert catalogue.items() == [(KEY, added)]


def test_a_frames_file_explains_its_fields_and_is_plain_yaml(catalogue: FrameCatalogue) -> None:
    text = catalogue.add(KEY, config(mintpy={"mintpy.plot": "no"})).read_text(encoding="utf-8")
    assert all(f"# {field.description}\n{name}:" in text for name, field in FrameConfig.model_fields.items())
    assert all(f"  # {field.description}\n  {name}:" in text for name, field in PublishConfig.model_fields.items())
    given = {**VALUES, "mintpy": {"mintpy.plot": "no"}}
    publish = {"keep_versions": 5, "radar": False, "mantissa_bits": None}
    assert yaml.safe_load(text) == {**given, "attributes": {}, "missing_weather": "wait", "publish": publish}


def test_values_that_yaml_would_misread_are_taken_as_written(catalogue: FrameCatalogue) -> None:
    text = (
        "track: 71\ndirection: descending\nstack: /data/stack\nattributes:\nmintpy:\n"
        "  mintpy.network.excludeDate12: 20180101_20180113\n  mintpy.network.excludeIfgIndex: 1:5\n"
        "  mintpy.plot: off\n  mintpy.reference.yx: [9, 8]\n"
    )
    write(catalogue, text)
    assert catalogue.get(KEY).mintpy == {
        "mintpy.network.excludeDate12": "20180101_20180113",
        "mintpy.network.excludeIfgIndex": "1:5",
        "mintpy.plot": "off",
        "mintpy.reference.yx": "9, 8",
    }
    assert catalogue.get(KEY).template().value("mintpy.plot") is False


def test_a_frame_is_not_overwritten_unless_that_is_asked_for(catalogue: FrameCatalogue) -> None:
    catalogue.add(KEY, config())
    with pytest.raises(InputError, match="frame-exists"):
        catalogue.add(KEY, config(mintpy={"mintpy.plot": "no"}))
    assert catalogue.get(KEY) == config()
    catalogue.add(KEY, config(mintpy={"mintpy.plot": "no"}), overwrite=True)
    assert catalogue.get(KEY).mintpy == {"mintpy.plot": "no"}


def test_of_many_who_add_the_same_frame_one_succeeds(catalogue: FrameCatalogue) -> None:
    def add(track: int) -> bool:
        try:
            catalogue.add(KEY, FrameConfig(**{**VALUES, "track": track}))
        except InputError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(add, range(1, 17)))
    assert added.count(True) == 1
    assert catalogue.get(KEY).track == added.index(True) + 1


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    catalogue: FrameCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue.add(KEY, config())

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        catalogue.add(KEY, config(mintpy={"mintpy.plot": "no"}), overwrite=True)
    assert catalogue.get(KEY) == config()
    assert [path.name for path in catalogue.folder.iterdir() if path.name != ".lock"] == [f"{KEY}.yaml"]


def test_an_unknown_frame_names_the_nearest(catalogue: FrameCatalogue) -> None:
    assert failure(catalogue).code == "frame-unknown"
    catalogue.add(KEY, config())
    error = failure(catalogue, "T071D_santorin")
    assert error.code == "frame-unknown"
    assert error.mend == f"did you mean {KEY}?"


def test_a_removed_frame_is_gone(catalogue: FrameCatalogue) -> None:
    catalogue.add(KEY, config())
    catalogue.remove(KEY)
    assert catalogue.keys() == []
    with pytest.raises(InputError, match="frame-unknown"):
        catalogue.remove(KEY)


def test_a_catalogue_without_a_folder_is_empty(catalogue: FrameCatalogue) -> None:
    assert catalogue.keys() == []
    assert catalogue.items() == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("track: 71\nmintpy: [1\nstack: 2", "line 3: "),
        ("track: 71\ntrack: 72\n", "line 2: track is given twice"),
        ("track: 71\n\tstack: x\n", "line 2: "),
        ("- 1\n", "not a mapping"),
        ("", "not a mapping"),
        ("just words", "not a mapping"),
        ("track: !!python/object:os.system 71\n", "direction: "),
        ("{[a]: b}\n", "unhashable"),
        ("track: 71\ndirection: descending\nstack: ../stack\n", "stack: a relative path has no meaning"),
        ("track:\ndirection: descending\nstack: /x\n", "track: Field required"),
    ],
)
def test_a_broken_file_is_told_with_its_place(catalogue: FrameCatalogue, text: str, told: str) -> None:
    path = write(catalogue, text)
    error = failure(catalogue)
    assert error.code == "frame-config-invalid"
    assert error.path == str(path)
    assert error.frame == KEY
    assert told in error.message


def test_a_file_that_is_not_text_is_told(catalogue: FrameCatalogue) -> None:
    write(catalogue, "").write_bytes(b"\xff\xfe\x00track")
    assert failure(catalogue).code == "frame-config-invalid"


def test_a_broken_frame_does_not_hide_the_others(catalogue: FrameCatalogue) -> None:
    catalogue.add("B", config())
    write(catalogue, "track: [", "A.yaml")
    write(catalogue, "", "C.yml")
    write(catalogue, "", "bad key.yaml")
    write(catalogue, "", ".D.yaml.swp")
    (catalogue.folder / "E.yaml").mkdir()
    found = dict(catalogue.items())
    assert catalogue.keys() == ["A", "B"]
    assert found["B"] == config()
    codes = {key: item.code for key, item in found.items() if isinstance(item, InputError)}
    unexpected = dict.fromkeys(["C.yml", "E.yaml", "bad key.yaml"], "frame-file-unexpected")
    assert codes == {"A": "frame-config-invalid"} | unexpected


def test_settings_of_the_command_line_are_read() -> None:
    values = ["mintpy.deramp=linear", " mintpy.plot = no ", "NOTE=a=b", "mintpy.deramp=quadratic"]
    assert parse_set(values) == {"mintpy.deramp": "quadratic", "mintpy.plot": "no", "NOTE": "a=b"}
    assert parse_set([]) == {}


@pytest.mark.parametrize("value", ["", "mintpy.deramp", "=linear", "mintpy.deramp=", "mintpy.de ramp=linear", "1=2"])
def test_a_setting_that_is_not_key_and_value_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="set-option-malformed"):
        parse_set([value])
