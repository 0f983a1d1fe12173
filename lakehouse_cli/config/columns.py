"""The `columns` of a table: an ordered map of names to types."""

from __future__ import annotations

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, is_misspelt, keys_schema, read_keys
from lakehouse_cli.config.type_pattern import type_pattern
from lakehouse_cli.config.value_types import Flag, Text
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.model import Column, ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.column_type import TYPE_EXAMPLES
from lakehouse_cli.text.shortening import cut_end
from lakehouse_cli.text.terminal import printable

_EXAMPLES = "give it one: `int64`, `string`, `date32`, …"
_OTHERS = "write it as in `int64`, `timestamp[us]`, `decimal128(10, 2)` or `struct<a: int64, b: string>`"


class Columns:
    """An ordered map of names to types, or to maps with `type`, `nullable` and `description`."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[Column, ...] | Invalid:
        """The columns; those that are wrong are left out after being reported."""
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
        for name, (key, value) in node.entries.items():
            if isinstance(value, Mapping):
                column = _long(reader, key, value, owner)
                if column is not None:
                    columns.append(column)
            else:
                type_ = _TYPE.read(reader, reader.value(key, value), f"column {quoted(name)} of {owner}")
                if not isinstance(type_, Invalid):
                    columns.append(Column(name, type_, location=locate(key.start, key.end)))
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
    values, invalid = read_keys(reader, value, _KEYS, f"column {quoted(key.text)} of {owner}")
    if "type" not in value.entries and not is_misspelt("type", value.entries, _KEYS):
        reader.report(key, f"column {quoted(key.text)} of {owner} has no `type`", "add one: `type: int64`")
    return None if invalid or "type" not in values else Column(key.text, **values, location=reader.at(key))


class _Type:
    """The type of a column."""

    def read(self, reader: Reader, node: Node, what: str) -> ColumnType | Invalid:
        """The type."""
        what = what.removeprefix("`type` of ")
        if isinstance(node, Scalar) and not node.is_null:
            return _parsed(reader, node, what)
        if isinstance(node, Scalar):
            return reader.report(node, f"{what} has no type", _EXAMPLES)
        if not isinstance(node, Broken):
            kind = "a list" if isinstance(node, Sequence) else "a map"
            reader.report(node, f"the type of {what} is {kind}", _EXAMPLES)
        return INVALID

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"$ref": "#/$defs/columnType"}


_TYPE = _Type()
_KEYS = {
    "type": Key(_TYPE, "Its Arrow type."),
    "nullable": Key(Flag(), "Whether it may hold null.", True),
    "description": Key(Text(), "What the column holds."),
    # Checks of single columns; documented, and refused until they work.
    **{name: Key(None, "A check.") for name in ("min", "max", "checks")},
}


def column_schema() -> JsonSchema:
    """JSON Schema of one column."""
    description = "A type, or a map with `type` and more."
    return {"anyOf": [_TYPE.schema(), keys_schema(_KEYS, description, ["type"])], "description": description}


def column_type_schema() -> JsonSchema:
    """JSON Schema of a column's type."""
    return {
        "type": "string",
        "pattern": f"^(?:{type_pattern()})$",
        "description": "An Arrow type, such as int64, string, timestamp[us, tz=UTC] or decimal128(10, 2).",
        "examples": list(TYPE_EXAMPLES),
    }


def _parsed(reader: Reader, node: Scalar, what: str) -> ColumnType | Invalid:
    try:
        return parse_column_type(node.text)
    except ColumnTypeError as error:
        message, hint = str(error), error.hint or _OTHERS
    except RecursionError:
        message, hint = "this type is nested too deep", "flatten it"
    if node.plain and any(node.text.count(a) > node.text.count(b) for a, b in ("[]", "()", "<>")):
        hint = "inside `{ }`, put a type that holds commas or brackets in quotes: 'decimal128(10, 2)'"
    return reader.report(node, f"{what}: {cut_end(printable(message), 160)}", hint)
