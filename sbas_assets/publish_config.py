"""What a frame's file says of publishing: how many versions stay, and what is written of each.

Here: the model of the section `publish`. Not here: the file around it (frames), and who acts on it (published).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_NOTHING = {"null", "none", "~"}


class PublishConfig(BaseModel):
    """What a person decides about the published copies of one frame."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_versions: int = Field(
        default=5, ge=1, description="versions of the frame kept in the store besides tagged ones, 1 or more"
    )
    radar: bool = Field(
        default=False, description="also publish the products in radar geometry, beside the geocoded ones"
    )
    # 7 bits are those of bfloat16; 23 are all that float32 has, which is not rounded at all
    mantissa_bits: int | None = Field(
        default=None,
        ge=7,
        le=22,
        description="round published float32 numbers to so many bits of the mantissa, 7 to 22; null keeps them exact. "
        "n bits are a relative error of at most 2^-(n+1): with 10 bits 0.0005",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        """`radar:` with nothing after it means the default, as in the rest of the file."""
        return {key: value for key, value in values.items() if value != ""} if isinstance(values, Mapping) else values

    @field_validator("mantissa_bits", mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        """The file is read as text: what YAML has for nothing arrives as a word."""
        return None if isinstance(value, str) and value.lower() in _NOTHING else value
