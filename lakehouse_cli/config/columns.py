"""The `columns` of a table: an ordered map of names to types."""

from __future__ import annotations

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Flag, Invalid, JsonSchema, Reader, Text, is_misspelt
from lakehouse_cli.config.type_pattern import type_pattern
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import did_you_mean
from lakehouse_cli.model import Column, ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.column_type import TYPE_EXAMPLES

_FLAG = Flag()
_DESCRIPTION = Text()
_EXAMPLES = "give it one: `int64`, `string`, `date32`, …"
_OTHERS = "write it as in `int64`, `timestamp[us]`, `decimal128(10, 2)` or `struct<a: int64, b: string>`"
_KEYS = ("type", "nullable", "description")
#: Checks of single columns; documented, and refused until they work.
LATER_CHECKS = ("min", "max", "checks")


class Columns:
    """An ordered map of names to types, or to maps with `type`, `nullable` and `description`."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[Column, ...] | Invalid:
        """The columns; those that are wrong are left out after being reported. The types are parts, right or wrong."""
        if not isinstance(node, Mapping):
            hint = "write `name: type`, one column a line, without `- `" if isinstance(node, Sequence) else None
            return reader.mismatch(node, what, "a map of column names to types", hint)
        if not node.entries:
            return reader.report(
                node, f"{what} is empty", "name a column, or remove `columns` to take all as they come"
            )
        owner = what.removeprefix("`columns` of ")
        locate = reader.source.location
        columns: list[Column] = []
        parts = reader.parts
        for name, (key, value) in node.entries.items():
            if isinstance(value, Mapping):
                column = _long(reader, key, value, owner)
                if column is not None:
                    columns.append(column)
                parts.append((name, reader.section(value, "type") or key))
            else:
                type_ = _type(reader, key, value, name, owner)
                if type_ is not None:
                    columns.append(Column(name, type_, location=locate(key.start, key.end)))
                parts.append((name, value))
        if "" in node.entries:
            reader.report(node.entries[""][0], f"a column of {owner} has an empty name", "name it")
        return tuple(columns)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"$ref": "#/$defs/column"},
        }


def _long(reader: Reader, key: Scalar, value: Mapping, owner: str) -> Column | None:
    """A column with more than its type; None after a problem was reported."""
    name = key.text
    own = f"column {quoted(name)} of {owner}"
    entries = value.entries
    nullable: bool | Invalid = True
    description: str | Invalid | None = None
    for each, (each_key, each_value) in entries.items():
        node = reader.value(each_key, each_value)
        if each == "nullable":
            nullable = _FLAG.read(reader, node, f"`nullable` of {own}")
        elif each == "description":
            description = _DESCRIPTION.read(reader, node, f"`description` of {own}")
        elif each in LATER_CHECKS:
            reader.report(each_key, f"check `{each}` of {own} is not supported yet", "remove it for now")
        elif each != "type":
            hint = did_you_mean(each, _KEYS) or "its keys are `type`, `nullable` and `description`"
            reader.report(each_key, f"unknown key {quoted(each)} in {own}", hint)
    if "type" not in entries:
        if not is_misspelt("type", entries, _KEYS):
            reader.report(key, f"{own} has no `type`", "add one: `type: int64`")
        return None
    type_ = _type(reader, *entries["type"], name, owner)
    if type_ is None or isinstance(nullable, Invalid) or isinstance(description, Invalid):
        return None
    return Column(name, type_, nullable, description, location=reader.at(key))


def column_schema() -> JsonSchema:
    """JSON Schema of one column."""
    long: JsonSchema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["type"],
        "properties": {
            "type": {"$ref": "#/$defs/columnType"},
            "nullable": {**_FLAG.schema(), "default": True, "description": "Whether it may hold null."},
            "description": {**_DESCRIPTION.schema(), "description": "What the column holds."},
        },
    }
    return {"anyOf": [{"$ref": "#/$defs/columnType"}, long], "description": "A type, or a map with `type` and more."}


def column_type_schema() -> JsonSchema:
    """JSON Schema of a column's type."""
    return {
        "type": "string",
        "pattern": f"^(?:{type_pattern()})$",
        "description": "An Arrow type, such as int64, string, timestamp[us, tz=UTC] or decimal128(10, 2).",
        "examples": list(TYPE_EXAMPLES),
    }


def _type(reader: Reader, key: Scalar, node: Node, name: str, owner: str) -> ColumnType | None:
    """The type of a column; None after a problem was reported."""
    if isinstance(node, Scalar) and not node.is_null:
        try:
            return parse_column_type(node.text)
        except ColumnTypeError as error:
            message, hint = str(error), error.hint or _OTHERS
        except RecursionError:
            message, hint = "this type is nested too deep", "flatten it"
        if node.plain and any(node.text.count(a) > node.text.count(b) for a, b in ("[]", "()", "<>")):
            hint = "inside `{ }`, put a type that holds commas or brackets in quotes: 'decimal128(10, 2)'"
        reader.report(node, f"column {quoted(name)} of {owner}: {_shortened(message)}", hint)
    elif isinstance(node, Scalar):
        reader.report(reader.value(key, node), f"column {quoted(name)} of {owner} has no type", _EXAMPLES)
    elif not isinstance(node, Broken):
        kind = "a list" if isinstance(node, Sequence) else "a map"
        reader.report(node, f"the type of column {quoted(name)} of {owner} is {kind}", _EXAMPLES)
    return None


def _shortened(message: str) -> str:
    """A message that quotes a type, on one line of bearable length."""
    return quoted(message).strip("`") if not message.isprintable() else message[:160]
