"""JSON Schema in the form that most editors and SchemaStore take: draft 07, in the strict mode of Ajv."""

from __future__ import annotations

from typing import Any

from lakehouse_cli.config.reading import JsonSchema

DRAFT = "http://json-schema.org/draft-07/schema#"
# What says something of values of one type alone.
_OF_TYPE = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "object": (
        *("properties", "required", "additionalProperties", "propertyNames", "patternProperties"),
        *("minProperties", "maxProperties"),
    ),
}
# Keywords whose members are names, and each member's value a schema.
_NAMED = ("properties", "patternProperties", "$defs")
# Keywords whose value is data.
_DATA = ("enum", "const", "default", "examples")


def strict_draft_7(schema: Any) -> Any:
    """Make the same of a schema without what draft 07 ignores, or Ajv calls ambiguous.

    What stands beside a reference is kept by putting the reference below ``allOf``; of several types, each is a schema
    of its own; what is required is a property; and what says something of objects alone says that it is of objects.
    """
    if isinstance(schema, list):
        return [strict_draft_7(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made: JsonSchema = {}
    for key, value in schema.items():
        if key in _NAMED:
            made[key] = {name: strict_draft_7(each) for name, each in value.items()}
        else:
            made[key] = value if key in _DATA else strict_draft_7(value)
    if "propertyNames" in made:  # among which the YAML language server counts the key of a merge
        made["propertyNames"] = {"anyOf": [{"const": "<<"}, made["propertyNames"]]}
    if "$ref" in made and len(made) > 1:
        _add_all(made, {"$ref": made.pop("$ref")})
    if isinstance(made.get("type"), list):
        _split_types(made)
    elif "type" not in made and any(key in made for key in _OF_TYPE["object"]):
        made["type"] = "object"
    if made.get("type") == "object" and (missing := set(made.get("required", ())) - set(made.get("properties", ()))):
        made["properties"] = {**made.get("properties", {}), **dict.fromkeys(sorted(missing), True)}
    return made


def _split_types(schema: JsonSchema) -> None:
    """Make a schema of each type, with what is said of that type."""
    members = []
    for kind in schema.pop("type"):
        own = _OF_TYPE.get("number" if kind == "integer" else kind, ())
        members.append({"type": kind, **{key: schema[key] for key in own if key in schema}})
    for key in {key for keys in _OF_TYPE.values() for key in keys}:
        schema.pop(key, None)
    if "anyOf" in schema:
        _add_all(schema, {"anyOf": members})
    else:
        schema["anyOf"] = members


def _add_all(schema: JsonSchema, other: JsonSchema) -> None:
    schema["allOf"] = [*schema.get("allOf", ()), other]
