"""The section `publish` of a frame's file: read from text, with its mistakes told by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sbas_assets.errors import InputError
from sbas_assets.frames import FrameCatalogue, FrameConfig, frame_config
from sbas_assets.publish_config import PublishConfig

KEY = "T071D_santorini"
VALUES: dict[str, Any] = {"track": 71, "direction": "descending", "stack": "/data/stack"}


@pytest.fixture
def catalogue(tmp_path: Path) -> FrameCatalogue:
    return FrameCatalogue(tmp_path)


def write(catalogue: FrameCatalogue, text: str) -> Path:
    catalogue.folder.mkdir()
    path = catalogue.path(KEY)
    path.write_text(f"track: 71\ndirection: descending\nstack: /data/stack\n{text}", encoding="utf-8")
    return path


def test_what_is_published_does_not_change() -> None:
    with pytest.raises(ValidationError):
        FrameConfig(**VALUES).publish.radar = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"keep_versions": 3}, "keep_versions: there is no such field, did you mean publish.keep_versions?"),
        ({"publish": {"radr": True}}, "publish.radr: there is no such field, did you mean publish.radar?"),
        ({"publish": {"stack": "/x"}}, "publish.stack: there is no such field, did you mean stack?"),
        ({"publish": {"zebra": 1}}, "publish.zebra: there is no such field"),
        ({"publish": {"keep_versions": 0}}, "publish.keep_versions: Input should be greater than or equal to 1"),
        ({"publish": {"mantissa_bits": 6}}, "publish.mantissa_bits: Input should be greater than or equal to 7"),
        ({"publish": {"mantissa_bits": 23}}, "publish.mantissa_bits: Input should be less than or equal to 22"),
        ({"publish": ["radar"]}, "publish: write its fields below it"),
        ({"publish": "yes"}, "publish: write its fields below it"),
    ],
)
def test_a_wrong_field_of_publishing_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match="frame-config-invalid") as caught:
        frame_config({**VALUES, **values}, frame=KEY)
    assert told in caught.value.message
    assert "PublishConfig" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", PublishConfig()),
        ("publish:\n", PublishConfig()),
        ("publish: {}\n", PublishConfig()),
        ("publish:\n  keep_versions:\n  radar:\n  mantissa_bits:\n", PublishConfig()),
        ("publish:\n  keep_versions: 1\n", PublishConfig(keep_versions=1)),
        ("publish: {radar: yes, mantissa_bits: 7}\n", PublishConfig(radar=True, mantissa_bits=7)),
        ("publish:\n  radar: True\n  mantissa_bits: 22\n", PublishConfig(radar=True, mantissa_bits=22)),
        ("publish:\n  radar: off\n  mantissa_bits: null\n", PublishConfig()),
        ("publish:\n  radar: 'false'\n  mantissa_bits: None\n", PublishConfig()),
        ("publish:\n  mantissa_bits: ~\n", PublishConfig()),
    ],
)
def test_the_words_of_a_file_become_numbers_and_truths_of_publishing(
    catalogue: FrameCatalogue, text: str, expected: PublishConfig
) -> None:
    write(catalogue, text)
    assert catalogue.get(KEY) == FrameConfig(**VALUES, publish=expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("  keep_versions: 2.5\n", "publish.keep_versions: Input should be a valid integer"),
        ("  keep_versions: yes\n", "publish.keep_versions: Input should be a valid integer"),
        ("  keep_versions: null\n", "publish.keep_versions: Input should be a valid integer"),
        ("  keep_versions: [3]\n", "publish.keep_versions: Input should be a valid integer"),
        ("  radar: maybe\n", "publish.radar: Input should be a valid boolean"),
        ("  mantissa_bits: all\n", "publish.mantissa_bits: Input should be a valid integer"),
        ("  - radar\n", "publish: write its fields below it"),
        ("  radar: yes\n  radar: no\n", "line 6: radar is given twice"),
    ],
)
def test_a_wrong_word_in_a_files_publishing_is_told_with_its_field(
    catalogue: FrameCatalogue, text: str, told: str
) -> None:
    path = write(catalogue, f"publish:\n{text}")
    with pytest.raises(InputError) as caught:
        catalogue.get(KEY)
    error = caught.value
    assert (error.code, error.path) == ("frame-config-invalid", str(path))
    assert told in error.message
