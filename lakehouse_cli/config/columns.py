"""The `columns` of a table: an ordered map of names to types."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Flag, Invalid, JsonSchema, Reader, Text
from lakehouse_cli.config.type_pattern import TYPE_PATTERN
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location, did_you_mean
from lakehouse_cli.model import Column, ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.column_type import TYPE_EXAMPLES

_FLAG = Flag()
_DESCRIPTION = Text()
_KEYS = ("type", "nullable", "description")
#: Checks of single columns; documented, and refused until they work.
LATER_CHECKS = ("min", "max", "checks")


@dataclass(frozen=True)
class ColumnsRead:
    """What `columns` of a table holds.

    Attributes:
        columns: Those that could be read, in order.
        names: All that are named, also where their types are wrong.
        types: Where the type of each column stands.
    """

    columns: tuple[Column, ...]
    names: tuple[str, ...]
    types: tuple[Location, ...]


@dataclass(frozen=True)
class Columns:
    """An ordered map of names to types, or to maps with `type`, `nullable` and `description`."""

    def read(self, reader: Reader, node: Node, what: str) -> ColumnsRead | Invalid:
        """The columns; those that are wrong are left out after being reported."""
        if not isinstance(node, Mapping):
            hint = "write `name: type`, one column a line, without `- `" if isinstance(node, Sequence) else None
            return reader.mismatch(node, what, "a map of column names to types", hint)
        if not node.entries:
            return reader.report(
                node, f"{what} is empty", "name a column, or remove `columns` to take all as they come"
            )
        owner = what.removeprefix("`columns` of ")
        columns: list[Column] = []
        types: list[Location] = []
        for name, (key, value) in node.entries.items():
            column = self._column(reader, name, key, value, owner)
            if column is not None:
                columns.append(column[0])
                types.append(column[1])
        return ColumnsRead(tuple(columns), tuple(node.entries), tuple(types))

    def _column(
        self, reader: Reader, name: str, key: Scalar, value: Node, owner: str
    ) -> tuple[Column, Location] | None:
        if not name:
            reader.report(key, f"a column of {owner} has an empty name", "name it")
            return None
        where = reader.source.location(key.start, key.end)
        if isinstance(value, Scalar):
            type_ = _type(reader, key, value, name, owner)
            return None if type_ is None else (Column(name, type_, location=where), reader.place(key, value))
        if isinstance(value, Mapping):
            return self._long(reader, name, key, value, owner, where)
        if not isinstance(value, Broken):
            reader.report(value, f"column {quoted(name)} of {owner} is a list", "give it a type: `name: int64`")
        return None

    @staticmethod
    def _long(
        reader: Reader, name: str, key: Scalar, value: Mapping, owner: str, where: Location
    ) -> tuple[Column, Location] | None:
        """A column with more than its type."""
        own = f"column {quoted(name)} of {owner}"
        entries = value.entries
        nullable: bool | Invalid = True
        description: str | Invalid | None = None
        for each, (each_key, each_value) in entries.items():
            if each == "nullable":
                nullable = _FLAG.read(reader, each_value, f"`nullable` of {own}")
            elif each == "description":
                description = _DESCRIPTION.read(reader, each_value, f"`description` of {own}")
            elif each in LATER_CHECKS:
                reader.report(each_key, f"check `{each}` of {own} is not supported yet", "remove it for now")
            elif each != "type":
                hint = did_you_mean(each, _KEYS) or "its keys are `type`, `nullable` and `description`"
                reader.report(each_key, f"unknown key {quoted(each)} in {own}", hint)
        if "type" not in entries:
            reader.report(key, f"{own} has no `type`", "add one: `type: int64`")
            return None
        type_key, type_node = entries["type"]
        type_ = _type(reader, type_key, type_node, name, owner)
        if type_ is None or isinstance(nullable, Invalid) or isinstance(description, Invalid):
            return None
        return Column(name, type_, nullable, description, where), reader.place(type_key, type_node)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"$ref": "#/$defs/column"},
        }


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
        "pattern": f"^(?:{TYPE_PATTERN})$",
        "description": "An Arrow type, such as int64, string, timestamp[us, tz=UTC] or decimal128(10, 2).",
        "examples": list(TYPE_EXAMPLES),
    }


def _type(reader: Reader, key: Scalar, node: Node, name: str, owner: str) -> ColumnType | None:
    """The type of a column; None after a problem was reported."""
    if isinstance(node, Broken):
        return None
    own = f"column {quoted(name)} of {owner}"
    if not isinstance(node, Scalar):
        kind = "a list" if isinstance(node, Sequence) else "a map"
        reader.report(node, f"the type of {own} is {kind}", "give it a type's name: `int64`")
        return None
    if node.is_null or not node.text.strip():
        place: Node = node if node.text else key
        reader.report(place, f"{own} has no type", "give it one: `int64`, `string`, `date32`, …")
        return None
    try:
        return parse_column_type(node.text)
    except ColumnTypeError as error:
        message, hint = str(error), error.hint
        if node.plain and any(node.text.count(a) > node.text.count(b) for a, b in ("[]", "()", "<>")):
            hint = "inside `{ }`, put a type that holds commas or brackets in quotes: 'decimal128(10, 2)'"
        reader.report(node, f"{message}, in {own}" if len(message) < 120 else f"{own} has no known type", hint)
    except RecursionError:
        reader.report(node, f"the type of {own} is nested too deep", "flatten it")
    return None
