"""The frames that this installation processes: one YAML file each.

Here: the model of a frame's configuration, and the catalogue of files under `frames/`. Not here: what MintPy's options
mean (mintpy.template), where a frame's results lie (workspace), Dagster's partitions definition (assets.declare).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, Literal

import yaml
from filelock import FileLock
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sbas_assets.errors import InputError
from sbas_assets.mintpy import template
from sbas_assets.mintpy.template import Template
from sbas_assets.publish_config import PublishConfig
from sbas_assets.workspace import atomic_write

PARTITIONS = "frame"
"""Name of Dagster's partitions, which have the keys of the frames."""
FRAME_KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
_SUFFIX = ".yaml"
_HAND_WRITTEN = {"hand_written": True}


def validate_key(key: str) -> str:
    """Return a frame's key, or raise InputError `frame-key-invalid`."""
    if FRAME_KEY.fullmatch(key):
        return key
    raise InputError(
        "frame-key-invalid",
        f"{key!r} can not be a frame's key",
        mend="use 1 to 64 letters, digits, _ and -, beginning with a letter or digit, e.g. T071D_santorini",
    )


def _as_template_text(value: Any) -> Any:
    """Write a YAML value as MintPy's template has it; what is none of those is left for pydantic to refuse."""
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y%m%dT%H%M")
        case date():
            return value.strftime("%Y%m%d")
        case int() | float():
            return str(value)
        case list() | tuple():
            return ", ".join(str(_as_template_text(item)) for item in value)
    return value


TemplateText = Annotated[str, BeforeValidator(_as_template_text)]


class FrameConfig(BaseModel):
    """Everything a person decides about one frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track: int = Field(ge=1, le=175, description="Sentinel-1 relative orbit, 1 to 175")
    direction: Literal["ascending", "descending"] = Field(description="flight direction: ascending or descending")
    stack: Path = Field(description="folder that ISCE2 topsStack wrote, an absolute path")
    mintpy: dict[str, TemplateText] = Field(
        default_factory=dict, description="MintPy options that differ from MintPy's defaults (smallbaselineApp.cfg)"
    )
    attributes: dict[str, TemplateText] = Field(
        default_factory=dict, description="metadata that the stack lacks, written into MintPy's files"
    )
    missing_weather: Literal["wait", "partial"] = Field(
        default="wait",
        description="dates that ERA5 does not have yet: wait (no corrected series until it has) or partial "
        "(the series is corrected without them)",
    )
    publish: PublishConfig = Field(
        default_factory=PublishConfig, description="what is published of the frame, and for how long"
    )

    @field_validator("stack")
    @classmethod
    def _absolute(cls, value: Path, info: ValidationInfo) -> Path:
        value = value.expanduser()
        if info.context == _HAND_WRITTEN and not value.is_absolute():
            # Dagster's daemon and a shell stand in different folders.
            raise ValueError("a relative path has no meaning in a file: write it from /")
        return Path(os.path.abspath(value))  # noqa: PTH100 - resolve() would replace the links a person chose

    @field_validator("mintpy")
    @classmethod
    def _known_options(cls, value: dict[str, str]) -> dict[str, str]:
        template.validate(value)
        return value

    @field_validator("attributes")
    @classmethod
    def _known_attributes(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = [key for key in value if not template.is_attribute(key)]
        if wrong:
            raise ValueError(f"not an attribute of MintPy: {', '.join(wrong)} (they are written like ORBIT_DIRECTION)")
        template.validate(value)
        return value

    def template(self) -> Template:
        """Return the frame's complete MintPy template."""
        return Template.from_options({**self.mintpy, **self.attributes})


def frame_config(
    values: Mapping[str, Any], *, frame: str | None = None, path: Path | None = None, hand_written: bool = False
) -> FrameConfig:
    """Make a configuration from values, with a readable InputError instead of pydantic's.

    Parameters
    ----------
    values : mapping
        Fields of FrameConfig.
    frame, path : optional
        For the message.
    hand_written : bool
        The values come from a file: a relative stack folder is refused.
    """
    try:
        return FrameConfig.model_validate(dict(values), context=_HAND_WRITTEN if hand_written else None)
    except ValidationError as error:
        listing = "; ".join(_told(entry["loc"], entry["type"], entry["msg"]) for entry in error.errors())
        raise _invalid(listing, "correct the fields named", path, frame) from None
    except InputError as error:
        raise InputError(error.code, error.message, mend=error.mend, path=path, frame=frame) from None


def _told(place: Sequence[int | str], kind: str, message: str) -> str:
    """Tell one of pydantic's errors to somebody who does not know pydantic."""
    field = ".".join(map(str, place))
    if kind == "extra_forbidden":
        known = {name: f"publish.{name}" for name in PublishConfig.model_fields}
        known |= {name: name for name in FrameConfig.model_fields}
        near = get_close_matches(str(place[-1]), known, 1)
        return f"{field}: there is no such field" + (f", did you mean {known[near[0]]}?" if near else "")
    if kind == "model_type":
        return f"{field}: write its fields below it, one a line and indented, such as keep_versions: 5"
    return f"{field or 'file'}: {message.removeprefix('Value error, ')}"


def _invalid(message: str, mend: str, path: Path | None, frame: str | None) -> InputError:
    return InputError("frame-config-invalid", message, mend=mend, path=path, frame=frame)


class _Loader(yaml.BaseLoader):
    """YAML with every scalar as it is written.

    YAML 1.1 reads the pair 20180101_20180113 as the number 2018010120180113 and the indices 1:5 as 65.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in names[:place]:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep=deep)


class FrameCatalogue:
    """The frames of one installation, `<root>/frames/<key>.yaml`.

    Parameters
    ----------
    root : Path
        `$SBAS_ROOT`.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(root) / "frames"

    def path(self, key: str) -> Path:
        """Return the file of a frame, whether it exists or not."""
        return self.folder / f"{validate_key(key)}{_SUFFIX}"

    def keys(self) -> list[str]:
        """Return the keys of all frames, sorted; files that are no frames are told by `items`."""
        return sorted(path.stem for path in self._files() if _is_frame_file(path))

    def add(self, key: str, config: FrameConfig, *, overwrite: bool = False) -> Path:
        """Write a frame's file and return its path; InputError `frame-exists` unless it may be overwritten."""
        path = self.path(key)
        self.folder.mkdir(parents=True, exist_ok=True)
        # Two people adding the same key: one of them must hear of it.
        with FileLock(self.folder / ".lock"):
            if path.exists() and not overwrite:
                mend = "choose another key, or remove the frame first"
                raise InputError("frame-exists", "there is such a frame already", mend=mend, path=path, frame=key)
            atomic_write(path, _as_yaml(config))
        return path

    def get(self, key: str) -> FrameConfig:
        """Read a frame; InputError `frame-unknown`, `frame-config-invalid` or one of the template's codes."""
        path = self.path(key)
        try:
            values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - makes strings only
        except FileNotFoundError:
            raise self._unknown(key) from None
        except yaml.YAMLError as error:
            raise _invalid(_yaml_problem(error), "correct the YAML", path, key) from None
        except (OSError, UnicodeDecodeError) as error:
            raise _invalid(f"the file can not be read ({error})", "make it a UTF-8 text file", path, key) from None
        if not isinstance(values, dict):
            raise _invalid("the file is not a mapping of fields", "write track, direction, stack", path, key)
        # "attributes:" with nothing after it means none.
        given = {name: value for name, value in values.items() if value != ""}
        return frame_config(given, frame=key, path=path, hand_written=True)

    def items(self) -> list[tuple[str, FrameConfig | InputError]]:
        """Return every frame with its configuration, or with what is wrong with it.

        A file in the folder that is no frame is listed under its name, with InputError `frame-file-unexpected`.
        """
        return [self._item(path) for path in self._files()]

    def remove(self, key: str) -> None:
        """Delete a frame's file; its results stay. InputError `frame-unknown`."""
        try:
            self.path(key).unlink()
        except FileNotFoundError:
            raise self._unknown(key) from None

    def _item(self, path: Path) -> tuple[str, FrameConfig | InputError]:
        if not _is_frame_file(path):
            mend = "name it <key>.yaml, with letters, digits, _ and - in the key, or move it away"
            return path.name, InputError("frame-file-unexpected", "this is not a frame's file", mend=mend, path=path)
        try:
            return path.stem, self.get(path.stem)
        except InputError as error:
            return path.stem, error

    def _files(self) -> Iterator[Path]:
        """List the folder without hidden files: locks, files being written, an editor's swap files."""
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return (path for path in found if not path.name.startswith("."))

    def _unknown(self, key: str) -> InputError:
        near = get_close_matches(key, self.keys(), 1, cutoff=0.4)
        mend = f"did you mean {near[0]}?" if near else "see `sbas-assets frames list`"
        return InputError("frame-unknown", f"there is no frame {key}", mend=mend, path=self.path(key))


def _is_frame_file(path: Path) -> bool:
    return path.suffix == _SUFFIX and FRAME_KEY.fullmatch(path.stem) is not None and not path.is_dir()


def _yaml_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return str(error)


def _as_yaml(config: BaseModel) -> str:
    """Write a configuration as a person would: each field under one line that says what it is."""
    values = config.model_dump(mode="json")
    blocks = []
    for name, field in type(config).model_fields.items():
        if isinstance(section := getattr(config, name), BaseModel):
            block = f"{name}:\n{indent(_as_yaml(section), '  ')}"
        else:
            block = yaml.safe_dump({name: values[name]}, sort_keys=False, allow_unicode=True, width=1000)
        blocks.append(f"# {field.description}\n{block}")
    return "\n".join(blocks)


def parse_set(values: Sequence[str]) -> dict[str, str]:
    """Read `--set KEY=VALUE` options; the last of several for a key wins.

    Parameters
    ----------
    values : sequence of str
        Each `KEY=VALUE` or `KEY = VALUE`; the value may hold further `=`.

    Raises
    ------
    InputError
        `set-option-malformed`.
    """
    return dict(map(_parse_setting, values))


def _parse_setting(text: str) -> tuple[str, str]:
    key, delimiter, value = (part.strip() for part in text.partition("="))
    if not (delimiter and value and re.fullmatch(r"[A-Za-z][\w.]*", key)):
        mend = "write --set KEY=VALUE, e.g. --set mintpy.deramp=linear; auto gives MintPy's default back"
        raise InputError("set-option-malformed", f"{text!r} is not KEY=VALUE", mend=mend)
    return key, value
