"""The JSON Schema of the project file, made of the same declarations that the loader reads by."""

from __future__ import annotations

from lakehouse_cli.config.cluster_options import options_of_any_executor, options_of_executors
from lakehouse_cli.config.columns import column_schema, column_type_schema
from lakehouse_cli.config.dimensions import DIMENSION_KEYS
from lakehouse_cli.config.keys import (
    ENVIRONMENT_KEYS,
    EXECUTION_KEYS,
    INCLUDED_KEYS,
    PROJECT_KEYS,
    SPARK_KEYS,
    SPARK_OWN,
    SPARK_REMOTE,
    STORAGE_KEYS,
    TABLE_KEYS,
)
from lakehouse_cli.config.options import options_schema
from lakehouse_cli.config.reading import JsonSchema, keys_schema
from lakehouse_cli.config.strict_schema import DRAFT, strict_draft_7
from lakehouse_cli.config.value_types import NAME_PATTERN, TEXT_TYPES
from lakehouse_cli.model import DEFAULT_ENVIRONMENT
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.storage_types import STORAGE_TYPES

_EXTENSIONS: JsonSchema = {"^x-": {"description": "A place for anchors; not read otherwise."}}


def json_schema() -> JsonSchema:
    """JSON Schema (draft 07) of ``lakehouse.yaml``; of an included file under ``$defs/included``.

    It accepts what the loader accepts and rejects what it rejects, but for what a schema cannot say: names that must
    be declared elsewhere, two tables on one path, duplicate keys, files that include each other.
    """
    project = keys_schema(PROJECT_KEYS, "A lakehouse project: tables, their columns, and where they live.")
    built_in = {"properties": {"type": {"enum": list(STORAGE_TYPES)}}}
    storage: JsonSchema = {"$ref": "#/$defs/storage"}
    environments = _named({"$ref": "#/$defs/environment"})
    environments["propertyNames"]["not"] = {"const": DEFAULT_ENVIRONMENT}
    execution = keys_schema(EXECUTION_KEYS, "Where and how.", filled_in=("executor", "workers", "memory"))
    # Over those of an executor that is named at the top.
    over_execution = {**execution, "properties": {**execution["properties"], "options": options_of_any_executor()}}
    schema = {
        "$schema": DRAFT,
        "$id": "urn:lakehouse-cli:lakehouse.yaml",
        "title": "lakehouse.yaml",
        **project,
        "required": ["name"],
        "anyOf": [{"required": [key]} for key in ("tables", "include", "assets")],
        "patternProperties": _EXTENSIONS,
        "$defs": {
            "included": {
                "title": "An included file",
                "type": "object",
                "additionalProperties": False,
                "patternProperties": _EXTENSIONS,
                "properties": {key: project["properties"][key] for key in INCLUDED_KEYS},
            },
            "tables": _named({"$ref": "#/$defs/table"}),
            "table": _table(),
            "defaults": keys_schema(
                {name: key for name, key in TABLE_KEYS.items() if name != "tests"},
                "Any table key, for all tables that do not set it.",
            ),
            "column": column_schema(),
            "columnType": column_type_schema(),
            "types": _named({"$ref": "#/$defs/column"}),
            "dimensions": _dimensions(),
            "options": options_schema(fillable=False),
            "storages": {
                **_named({**storage, "if": built_in, "then": {"required": ["root"]}}),
                "properties": {"default": storage},
            },
            "storage": _storage(),
            "overrides": _named(storage),
            "environments": environments,
            "environment": keys_schema(ENVIRONMENT_KEYS, "A named set of overrides."),
            "execution": {**execution, **options_of_executors()},
            "executionOverride": over_execution,
            "spark": _spark(),
            "storageOptions": options_schema(fillable=True),
        },
    }
    return strict_draft_7(schema)  # type: ignore[no-any-return]


def _named(values: JsonSchema) -> JsonSchema:
    """A map of names to values."""
    return {"type": "object", "propertyNames": {"pattern": f"^{NAME_PATTERN}$"}, "additionalProperties": values}


def _dimensions() -> JsonSchema:
    values = {"type": "array", "items": {"type": TEXT_TYPES, "minLength": 1}, "minItems": 1, "uniqueItems": True}
    periods = keys_schema(DIMENSION_KEYS, "Periods of time.", required=("every",))
    schema = _named({"anyOf": [values, periods]})
    schema["propertyNames"]["not"] = {"const": FILE}
    return schema


def _table() -> JsonSchema:
    schema = keys_schema(TABLE_KEYS, "A table.")
    transform = [key for key, declared in TABLE_KEYS.items() if declared.computed]
    schema["if"] = {"required": ["kind"], "properties": {"kind": {"const": "source"}}}
    schema["then"] = {"not": {"anyOf": [{"required": [key]} for key in transform]}}
    return schema


def _spark() -> JsonSchema:
    schema = keys_schema(SPARK_KEYS, "The session of transforms on Spark.", filled_in=("remote", "master"))
    schema["properties"]["remote"]["anyOf"][0]["pattern"] = SPARK_REMOTE
    schema["properties"]["config"]["propertyNames"] = {"not": {"enum": list(SPARK_OWN)}}
    return {**schema, "not": {"required": ["remote", "master"]}}


def _storage() -> JsonSchema:
    schema = keys_schema(STORAGE_KEYS, "A place where tables live.", filled_in=("root", "format", "shared"))
    options = schema["properties"].pop("options")
    schema["properties"]["options"] = {key: value for key, value in options.items() if key != "$ref"}
    # The options of a class of one's own, or of a package's, are not known here.
    schema["if"] = {"properties": {"type": {"enum": list(STORAGE_TYPES)}}}
    schema["then"] = {"properties": {"options": {"$ref": "#/$defs/storageOptions"}}}
    schema["else"] = {"properties": {"options": {"type": "object"}}}
    return schema
