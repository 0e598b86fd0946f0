"""Validation of STAC objects against the schemas of STAC and of its extensions, without a network."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pyproj.datadir
import pystac
from pystac.extensions.insar import SCHEMA_URI as INSAR
from pystac.validation import JsonSchemaSTACValidator, validate_dict

SCHEMAS = Path(__file__).with_name("stac_schemas")


@functools.cache
def offline_validator() -> JsonSchemaSTACValidator:
    validator = JsonSchemaSTACValidator()
    for path in SCHEMAS.glob("*.json"):
        schema = json.loads(path.read_bytes())
        validator.schema_cache[schema["$id"].rstrip("#")] = schema
    projjson = json.loads(Path(pyproj.datadir.get_data_dir(), "projjson.schema.json").read_bytes())
    validator.schema_cache["https://proj.org/schemas/v0.4/projjson.schema.json"] = projjson
    return validator


def validate(entity: dict[str, Any]) -> list[str]:
    """Validate an item or a collection; return what it was validated against, or raise STACValidationError."""
    extensions = [uri for uri in entity["stac_extensions"] if uri != INSAR]
    found = validate_dict(entity, extensions=extensions, validator=offline_validator())
    assert len(found) == 1 + len(extensions)
    if INSAR in entity["stac_extensions"]:
        check_insar(entity)
    return found


def check_insar(entity: dict[str, Any]) -> None:
    """Check the fields of the InSAR extension, whose schema no package has."""
    from pystac.extensions import insar

    known = {value for name, value in vars(insar).items() if name.endswith("_PROP")}
    fields = {name for name in entity["properties"] if name.startswith("insar:")}
    if not fields or not fields <= known:
        raise pystac.STACValidationError(f"fields of the InSAR extension: {sorted(fields)}")
