"""The `columns` of a table: an ordered map of names to types."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lakehouse_cli.config.options import value_type
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, is_misspelt, keys_schema, read_keys
from lakehouse_cli.config.scalars import core_number
from lakehouse_cli.config.type_pattern import NAMED_TYPE, type_pattern
from lakehouse_cli.config.value_types import Flag, Number, Text
from lakehouse_cli.config.yaml_syntax import bracketed
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.formats import FORMATS, FormatOption
from lakehouse_cli.model import Column, ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.model.column_type import TYPE_EXAMPLES
from lakehouse_cli.registry import installed
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.terminal import printable

_EXAMPLES = "give it one: `int64`, `string`, `date32`, …"
_OTHERS = "write it as in `int64`, `timestamp[us]`, `decimal128(10, 2)` or `struct<a: int64, b: string>`"


class Columns:
    """An ordered map of names to types, or to maps with `type`, `nullable`, `description`, `from` and options."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[Column, ...] | Invalid:
        """The columns; those that are wrong are left out after being reported."""
        if not isinstance(node, Mapping):
            items = ", without `- `" if isinstance(node, Sequence) else ""
            hint = f"write `name: type`, one column a line{items}"
            return reader.mismatch(node, what, "a map of column names to types", hint)
        if not node.entries:
            return reader.report(
                node, f"{what} is empty", "name a column, or remove `columns` to take all as they come"
            )
        owner = what.removeprefix("`columns` of ")
        locate = reader.source.location
        columns: list[Column] = []
        for name, (key, value) in _without_pieces(node).items():
            if reader.types:
                value = _with_named_type(reader, value)
            if isinstance(value, Mapping):
                column = read_column(reader, key, value, owner)
                if column is not None:
                    columns.append(column)
            else:
                type_ = _valid_type(value)
                if isinstance(value, Broken):
                    continue
                if type_ is None:
                    _TYPE.read(reader, reader.value(key, value), f"column {quoted(name)} of {owner}")
                else:
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


def read_column(reader: Reader, key: Scalar, value: Mapping, owner: str) -> Column | None:
    """Read a column with more than its type; None after a problem was reported."""
    from lakehouse_cli.config.checks import COLUMN_WORDS, column_checks  # not loaded where columns have a type alone

    keys = known = _keys()
    if (entries := _without_pieces(value)) is not value.entries:
        value = Mapping(entries, value.size, value.start, value.end)
    if not value.entries.keys() <= keys.keys():
        of_table = {name: Key(_OfTable(), "") for name in value.entries if name in _table_options()}
        known = {**keys, **_option_keys(), **of_table}
    what = f"column {quoted(key.text)} of {owner}"
    values, invalid = read_keys(reader, value, known, what, COLUMN_WORDS)
    if "type" not in value.entries and not is_misspelt("type", value.entries, known):
        reader.report(key, f"column {quoted(key.text)} of {owner} has no `type`", "add one: `type: int64`")
    if invalid or "type" not in values:
        return None
    checks = column_checks(reader, key.text, values["type"], values, value.entries, what)
    placed = [name for name in values if name == "from" or name not in keys]
    options = {name: values.pop(name) for name in placed if name != "from"}
    return Column(
        key.text,
        from_=values.pop("from", None),
        **values,
        checks=checks,
        options={name: list(each) if isinstance(each, tuple) else each for name, each in options.items()},
        location=reader.at(key),
        locations={name: reader.place(*value.entries[name]) for name in placed},
    )


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


class _From:
    """The name of a column in a file, or its position."""

    _name = Text("a column's name in the file, or its position from 1", types=("string",))
    _position = Number(whole=True, minimum=1)

    def read(self, reader: Reader, node: Node, what: str) -> str | int | Invalid:
        """The name or the position."""
        number = core_number(node.text) if isinstance(node, Scalar) and node.plain else None
        kind = self._position if number is not None and number % 1 == 0 else self._name
        read: str | int | Invalid = kind.read(reader, node, what)  # type: ignore[assignment]  # a whole number
        return read

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"anyOf": [self._position.schema(), self._name.schema()]}


class _OfTable:
    """An option that holds for the whole file, and cannot stand in a column."""

    def read(self, reader: Reader, node: Node, what: str) -> Invalid:
        """Report it."""
        return reader.report(node, f"{what} holds for the whole file", "set it under the table's `options`")

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"not": {}}


_TYPE = _Type()


@cache
def _keys() -> dict[str, Key]:
    """The keys of a column that is a map."""
    from lakehouse_cli.config.checks import column_keys

    return {**_OWN, **column_keys()}


_OWN = {
    "type": Key(_TYPE, "Its Arrow type."),
    "nullable": Key(Flag(), "Whether it may hold null.", True),
    "description": Key(Text(), "What the column holds."),
    "from": Key(
        _From(),
        "Its name in the file of a source, or its position there, from 1. Default: its own name.",
        examples=("Temp (F)", 3),
    ),
    "optional": Key(Flag(), "Whether a file of a source may lack it; it is null there.", False),
    "sensitive": Key(Flag(), "Whether its values are hidden in messages, documents and the history.", False),
}


@cache
def _option_keys() -> dict[str, Key]:
    """The options of formats and of types of storages that may stand in a column, as keys."""
    found: dict[str, Key] = {}
    # What a value may be differs: the most stands first, and each format is asked again about its own.
    for option in (*(option for name in STORAGE_TYPES for option in STORAGE_TYPES[name].options), *_options()):
        if option.by_column:
            description = f"{option.description} For this column alone, over the table's `options`."
            found.setdefault(option.name, Key(value_type(option), description))
    return found


@cache
def _table_options() -> frozenset[str]:
    """The options of formats that may not."""
    return frozenset(option.name for option in _options()) - _option_keys().keys() - _keys().keys()


def _options() -> Iterator[FormatOption]:
    for name in (*FORMATS, *installed("formats")):
        yield from FORMATS[name].options


def column_schema() -> JsonSchema:
    """JSON Schema of one column."""
    description = "A type, or a map with `type` and more: options of the format for this column alone among them."
    keys = keys_schema({**_keys(), **_option_keys()}, description, ["type"])
    return {"anyOf": [_TYPE.schema(), keys], "description": description}


def column_type_schema() -> JsonSchema:
    """JSON Schema of a column's type."""
    return {
        "type": "string",
        "pattern": f"^(?:{type_pattern()}|{NAMED_TYPE})$",
        "description": "An Arrow type, such as int64, string, timestamp[us, tz=UTC] or decimal128(10, 2), or one of"
        " the named `types`.",
        "examples": list(TYPE_EXAMPLES),
    }


def _valid_type(node: Node) -> ColumnType | None:
    """The type that a node names, if it names one: nearly all do, and what reports the others takes longer."""
    try:
        return parse_column_type(node.text) if isinstance(node, Scalar) else None
    except (ColumnTypeError, RecursionError):
        return None


def _without_pieces(node: Mapping) -> dict[str, tuple[Scalar, Node]]:
    """The entries of a map but those that YAML makes of a type without quotes: of what is behind its commas."""
    if not [value for _, value in node.entries.values() if isinstance(value, Scalar) and value.is_null]:
        return node.entries
    entries: dict[str, tuple[Scalar, Node]] = {}
    unclosed = 0
    for name, (key, value) in node.entries.items():
        if unclosed > 0 and isinstance(value, Scalar) and value.is_null:
            unclosed += _unclosed(name)
            continue
        unclosed = _unclosed(value.text) if isinstance(value, Scalar) and value.plain else 0
        entries[name] = key, value
    return entries if len(entries) < len(node.entries) else node.entries


def _unclosed(text: str) -> int:
    """How many brackets a text opens and does not close."""
    return sum(text.count(each) for each in "[(<") - sum(text.count(each) for each in "])>")


def _with_named_type(reader: Reader, value: Node) -> Node:
    """The keys of a column over those of the named type that it has, if it has one; the checks of both count."""
    kind = value.get("type") if isinstance(value, Mapping) else value
    if not isinstance(kind, Scalar) or kind.text not in reader.types:
        return value
    named = reader.types[kind.text]
    if named is None:  # reported where it is declared
        return Broken(value.start, value.end)
    if not isinstance(value, Mapping):
        return named
    entries = {**named.entries, **value.entries, "type": named.entries["type"]}
    both = [each.get("checks") for each in (named, value)]
    lists = [each for each in both if isinstance(each, Sequence)]
    if len(lists) > 1:
        joined = Sequence([item for each in lists for item in each.items], 0, lists[1].start, lists[1].end)
        entries["checks"] = value.entries["checks"][0], joined
    return value.having(entries)


def _parsed(reader: Reader, node: Scalar, what: str) -> ColumnType | Invalid:
    try:
        return parse_column_type(node.text)
    except ColumnTypeError as error:
        close = did_you_mean(node.text, reader.types)
        message, hint = str(error), close or error.hint or _OTHERS
    except RecursionError:
        message, hint = "this type is nested too deep", "flatten it"
    if node.plain and _unclosed(node.text):
        whole = bracketed(reader.source.line(node.start.line), node.start.column)
        hint = f"inside `{{ }}`, put a type that holds commas or brackets in quotes: '{whole}'"
    return reader.report(node, f"{what}: {cut_end(printable(message), 160)}", hint)
