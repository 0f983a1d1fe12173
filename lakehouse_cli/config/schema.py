"""The JSON Schema of the project file, made of the same declarations that the loader reads by."""

from __future__ import annotations

from lakehouse_cli.config.columns import column_schema, column_type_schema
from lakehouse_cli.config.keys import (
    DESCRIPTION,
    ENVIRONMENT_KEYS,
    EXECUTION_KEYS,
    MODULE,
    NAME_PATTERN,
    PATTERNS,
    PROJECT_KEYS,
    PROJECT_NAME,
    STORAGE_KEYS,
    TABLE_KEYS,
)
from lakehouse_cli.config.options import options_schema
from lakehouse_cli.config.reading import JsonSchema, keys_schema
from lakehouse_cli.config.storages import DEFAULT_ROOT
from lakehouse_cli.model import DEFAULT_ENVIRONMENT
from lakehouse_cli.storage_types import STORAGE_TYPES

_EXTENSIONS: JsonSchema = {"^x-": {"description": "A place for anchors; not read otherwise."}}


def json_schema() -> JsonSchema:
    """JSON Schema (draft 2020-12) of ``lakehouse.yaml``; of an included file under ``$defs/included``.

    It accepts what the loader accepts and rejects what it rejects, but for what a schema cannot say: names that must
    be declared elsewhere, two tables on one path, duplicate keys, files that include each other.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:lakehouse-cli:lakehouse.yaml",
        "title": "lakehouse.yaml",
        "description": "A lakehouse project: tables, their columns, and where they live.",
        "type": "object",
        "required": ["name"],
        "anyOf": [{"required": ["tables"]}, {"required": ["include"]}],
        "additionalProperties": False,
        "patternProperties": _EXTENSIONS,
        "properties": _project(),
        "$defs": {
            "included": _included(),
            "tables": _tables(),
            "table": _table(),
            "defaults": keys_schema(TABLE_KEYS, "Any table key, for all tables that do not set it."),
            "column": column_schema(),
            "columnType": column_type_schema(),
            "options": options_schema(fillable=False),
            "storage": _storage(),
            "environment": _environment(),
            "storageOptions": options_schema(fillable=True),
        },
    }


def _project() -> JsonSchema:
    ref = {
        "storages": _storages(),
        "environments": {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME_PATTERN}$", "not": {"const": DEFAULT_ENVIRONMENT}},
            "additionalProperties": {"$ref": "#/$defs/environment"},
            "examples": [{"prod": {"storages": {"default": {"root": "${LAKE}/prod"}}}}],
        },
        "defaults": {"$ref": "#/$defs/defaults"},
        "execution": _execution(),
        "include": {**PATTERNS.schema(), "examples": [["tables/*.yaml"]]},
        "tables": {"$ref": "#/$defs/tables"},
        "name": PROJECT_NAME.schema(),
        "module": {**MODULE.schema(), "examples": ["transforms"]},
        "description": DESCRIPTION.type.schema() if DESCRIPTION.type else {},
    }
    return {key: {"description": text, **ref[key]} for key, text in PROJECT_KEYS.items() if key in ref}


def _included() -> JsonSchema:
    project = _project()
    return {
        "title": "An included file",
        "type": "object",
        "additionalProperties": False,
        "patternProperties": _EXTENSIONS,
        "properties": {key: project[key] for key in ("tables", "include")},
    }


def _tables() -> JsonSchema:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "additionalProperties": {"$ref": "#/$defs/table"},
    }


def _table() -> JsonSchema:
    schema = keys_schema(TABLE_KEYS, "A table.")
    transform = [key for key, declared in TABLE_KEYS.items() if declared.computed]
    schema["if"] = {"required": ["kind"], "properties": {"kind": {"const": "source"}}}
    schema["then"] = {"not": {"anyOf": [{"required": [key]} for key in transform]}}
    return schema


def _storage() -> JsonSchema:
    schema = keys_schema(STORAGE_KEYS, "A place where tables live.", filled_in=("root", "format"))
    options = schema["properties"].pop("options")
    schema["properties"]["options"] = {key: value for key, value in options.items() if key != "$ref"}
    # The options of a class of one's own, or of a package's, are not known here.
    schema["if"] = {"properties": {"type": {"enum": list(STORAGE_TYPES)}}}
    schema["then"] = {"properties": {"options": {"$ref": "#/$defs/storageOptions"}}}
    schema["else"] = {"properties": {"options": {"type": "object"}}}
    return schema


def _storages() -> JsonSchema:
    built_in = {"properties": {"type": {"enum": list(STORAGE_TYPES)}}}
    other: JsonSchema = {"$ref": "#/$defs/storage", "if": built_in, "then": {"required": ["root"]}}
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "properties": {"default": {"$ref": "#/$defs/storage"}},
        "additionalProperties": other,
        "examples": [{"default": {"root": DEFAULT_ROOT, "format": "csv"}}],
    }


def _environment() -> JsonSchema:
    ref: dict[str, JsonSchema] = {
        "description": DESCRIPTION.type.schema() if DESCRIPTION.type else {},
        "storages": {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
            "additionalProperties": {"$ref": "#/$defs/storage"},
        },
        "execution": _execution(),
    }
    properties = {key: {**ref[key], "description": text} for key, text in ENVIRONMENT_KEYS.items()}
    return {
        "type": "object",
        "description": "A named set of overrides.",
        "additionalProperties": False,
        "properties": properties,
    }


def _execution() -> JsonSchema:
    schema = keys_schema(EXECUTION_KEYS, PROJECT_KEYS["execution"], filled_in=("executor", "workers", "memory"))
    schema["properties"]["options"]["maxProperties"] = 0
    return schema
