"""What each kind of check needs: how it is read, judged by the type of a column, and the same as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from typing import Any, ClassVar

from msgspec import Struct

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.value_types import Flag, Number, Text, Texts
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.model import ColumnType

#: A count, or a share in percent, without a sign.
THRESHOLD = r"(?:0|[1-9]\d{0,17})(?:\.\d{1,15})?%|(?:0|[1-9]\d{0,17})"
_CHANGE = r"[-+]?(?:0|[1-9]\d{0,17})(?:\.\d{1,15})?%"
_AGE = r"[1-9][0-9]{0,5}[smhdw]"
_SCALARS = ["string", "number", "boolean"]

#: What a kind needs, by name; `columns` among it.
Arguments = dict[str, Any]
ReadArguments = Callable[[Reader, Node, str, "ColumnType | None"], "Arguments | Invalid"]


class Threshold:
    """A count or a share, kept as it is written."""

    def __init__(
        self, pattern: str = THRESHOLD, expected: str = "a count such as `10`, or a share such as `1%`"
    ) -> None:
        self._pattern = pattern
        self._expected = expected

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The text."""
        if not isinstance(node, Scalar) or re.fullmatch(self._pattern, node.text) is None:
            hint = None
            if isinstance(node, Scalar) and re.fullmatch(r"0?\.\d+", node.text):
                from decimal import Decimal

                hint = f"write a share in percent: `{(Decimal(node.text) * 100).normalize():f}%`"
            return reader.mismatch(node, what, self._expected, hint or f"write {self._expected}")
        return node.text.removeprefix("+")

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        number: JsonSchema = {"type": "integer", "minimum": 0}
        text: JsonSchema = {"type": "string", "pattern": f"^(?:{self._pattern})$"}
        return {"anyOf": [number, text]} if self._pattern == THRESHOLD else text


class Argument(Struct, frozen=True):
    """What one kind needs.

    Attributes:
        description: What the kind means, for editors.
        read: Reads it.
        schema: JSON Schema of what is accepted.
    """

    description: str
    read: ReadArguments
    schema: Callable[[], JsonSchema]


def _value(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> str | Invalid:
    """The text of a value that a column of a type may have."""
    assert kind is not None  # noqa: S101  # of kinds that stand in columns
    if not isinstance(node, Scalar) or node.is_null:
        hint = "null is judged by `nullable: false` or `nulls: fail`" if isinstance(node, Scalar) else None
        return reader.mismatch(node, what, f"a value of {kind}", hint)
    from lakehouse_cli.model.exact_value import UnfitValueError, exact_value  # not needed where there are no bounds

    try:
        exact_value(node.text, kind)
    except UnfitValueError as error:
        return reader.report(node, f"{what}: {error}", error.hint)
    return node.text


def _bound(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    text = _value(reader, node, what, kind)
    if isinstance(text, Invalid):
        return INVALID
    if text.lower() == ".nan":
        return reader.report(node, f"{what} is NaN, which is no bound", "NaN never keeps a bound; name a number")
    return {"bound": text}


def _members(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    if not isinstance(node, Sequence):
        return reader.mismatch(node, what, "a list of values", "write `[a, b]`")
    if not node.items:
        return reader.report(node, f"{what} is an empty list", "name a value, or remove it")
    found = [_value(reader, item, f"item {index} of {what}", kind) for index, item in enumerate(node.items, 1)]
    texts = [each for each in found if not isinstance(each, Invalid)]
    return {"values": texts} if len(texts) == len(found) else INVALID


def _pattern(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    text = Text("a regular expression").read(reader, node, what)
    if isinstance(text, Invalid):
        return INVALID
    from lakehouse_cli.text.patterns import pattern_problem  # as above

    if (wrong := pattern_problem(text)) is not None:
        return reader.report(node, f"{what}: {quoted(text)} {wrong[0]}", wrong[1])
    return {"pattern": text}


_LENGTH = Number(whole=True, minimum=0)
_LENGTH_KEYS = {
    "min": Key(_LENGTH, "The fewest code points."),
    "max": Key(_LENGTH, "The most code points."),
}


def _length(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    if not isinstance(node, Mapping):
        number = _LENGTH.read(reader, node, what)
        return INVALID if isinstance(number, Invalid) else {"min": number, "max": number}
    found, _ = read_keys(reader, node, _LENGTH_KEYS, what)
    if found.keys() != node.entries.keys():
        return INVALID
    if not found or found.get("min", 0) > found.get("max", found.get("min", 0)):
        message = (
            f"{what} is empty"
            if not found
            else f"{what}: no text has at least {found['min']} and at most {found['max']}"
        )
        return reader.report(node, message, "write `length: {min: 1, max: 3}`")
    return found


def _flag(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    flag = Flag().read(reader, node, what)
    return {} if flag is True else INVALID


_NAMES = Texts(Text("a column's name"), single=True, unique=True, minimum=1)


def _unique(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    if kind is not None:
        return _flag(reader, node, what, kind)
    names = _NAMES.read(reader, node, what)
    return INVALID if isinstance(names, Invalid) else {"columns": names}


_NULLS_KEYS = {"max": Key(Threshold(), "The most nulls, or the largest share of the rows.")}


def _nulls(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    return _map(reader, node, what, _NULLS_KEYS, "{max: 5%}", ("max",))


def _map(
    reader: Reader, node: Node, what: str, keys: AnyMapping[str, Key], example: str, required: tuple[str, ...] = ()
) -> Arguments | Invalid:
    if not isinstance(node, Mapping):
        return reader.mismatch(node, what, f"a map such as `{example}`", f"write `{example}`")
    found, _ = read_keys(reader, node, keys, what)
    if found.keys() != node.entries.keys():
        return INVALID
    lacking = [name for name in required if name not in found] if required else [] if found else [next(iter(keys))]
    if lacking:
        return reader.report(node, f"{what} has no `{lacking[0]}`", f"write `{example}`")
    return found


_COUNT = Number(whole=True, minimum=0)


class _Change:
    """The least and the greatest change of a count."""

    _keys: ClassVar = {
        name: Key(Threshold(_CHANGE, "a share such as `-10%`"), f"The {what} change, in percent of the last count.")
        for name, what in (("min", "least"), ("max", "greatest"))
    }

    def read(self, reader: Reader, node: Node, what: str) -> Arguments | Invalid:
        """Both, as far as they are given."""
        return _map(reader, node, what, self._keys, "{min: -10%}")

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {**keys_schema(self._keys, "Against the last published count."), "minProperties": 1}


_ROW_COUNT_KEYS = {
    "min": Key(_COUNT, "The fewest rows."),
    "max": Key(_COUNT, "The most rows."),
    "change": Key(_Change(), "Against the last published count; passes the first time."),
    "equals": Key(Text("a table's name"), "The table that has as many rows."),
}


def _row_count(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    return _map(reader, node, what, _ROW_COUNT_KEYS, "{min: 1, max: 100000}")


_REFERENCE = Text(
    "`table.column`", r"[A-Za-z_][A-Za-z0-9_]*\..+", hint="write the table and its column: `stations.station`"
)
_FOREIGN_KEYS = {
    "columns": Key(_NAMES, "The columns of this table."),
    "references": Key(
        Texts(_REFERENCE, single=True, unique=True, minimum=1), "Where their values must be: `table.column`, for each."
    ),
}


def _foreign_key(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    found = _map(
        reader, node, what, _FOREIGN_KEYS, "{columns: station, references: stations.station}", (*_FOREIGN_KEYS,)
    )
    if isinstance(found, Invalid):
        return INVALID
    tables = {each.partition(".")[0] for each in found["references"]}
    names = [each.partition(".")[2] for each in found["references"]]
    if len(tables) > 1 or len(names) != len(found["columns"]):
        hint = "write one of one table for each: `{columns: [a, b], references: [other.a, other.b]}`"
        return reader.report(node, f"{what} has {len(found['columns'])} columns, and references {len(names)}", hint)
    return {"columns": found["columns"], "table": tables.pop(), "references": names}


class _Within:
    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The age as it is written."""
        if not isinstance(node, Scalar) or re.fullmatch(_AGE, node.text) is None:
            hint = "write a whole number and one of s, m, h, d, w: `36h`"
            return reader.mismatch(node, what, "an age such as `2d`", hint)
        return node.text

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"type": "string", "pattern": f"^(?:{_AGE})$"}


_FRESHNESS_KEYS = {
    "column": Key(Text("a column's name"), "The column with the time of a row, a date or timestamp."),
    "within": Key(_Within(), "How old its newest value may be."),
}


def _freshness(reader: Reader, node: Node, what: str, kind: ColumnType | None) -> Arguments | Invalid:
    del kind
    found = _map(reader, node, what, _FRESHNESS_KEYS, "{column: day, within: 2d}", (*_FRESHNESS_KEYS,))
    if isinstance(found, Invalid):
        return INVALID
    return {"columns": (found["column"],), "within": found["within"]}


def _text(kind: Text, name: str) -> ReadArguments:
    def read(reader: Reader, node: Node, what: str, type_: ColumnType | None) -> Arguments | Invalid:
        del type_
        text = kind.read(reader, node, what)
        return INVALID if isinstance(text, Invalid) else {name: text}

    return read


_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_FUNCTION = Text(
    "a function's name, or `module:name`", rf"(?:{_DOTTED}:)?[A-Za-z_]\w*", hint="write `checks:plausible`"
)
_EXPRESSION, _SQL = Text("a condition in SQL"), Text("a query of `this`")

_BOUND_SCHEMA: JsonSchema = {"type": ["number", "string"]}
_TRUE: JsonSchema = {"type": "boolean"}


def _length_schema() -> JsonSchema:
    return {"anyOf": [_LENGTH.schema(), {**keys_schema(_LENGTH_KEYS, "In code points."), "minProperties": 1}]}


def _map_schema(keys: AnyMapping[str, Key], required: tuple[str, ...] = ()) -> Callable[[], JsonSchema]:
    return lambda: {**keys_schema(keys, "", required), "minProperties": 1}


#: By kind.
ARGUMENTS: AnyMapping[str, Argument] = {
    "min": Argument("The least value that is good.", _bound, lambda: _BOUND_SCHEMA),
    "max": Argument("The greatest value that is good.", _bound, lambda: _BOUND_SCHEMA),
    "above": Argument("Good values are greater than this.", _bound, lambda: _BOUND_SCHEMA),
    "below": Argument("Good values are less than this.", _bound, lambda: _BOUND_SCHEMA),
    "in": Argument(
        "The values that are good.", _members, lambda: {"type": "array", "minItems": 1, "items": {"type": _SCALARS}}
    ),
    "not_in": Argument(
        "The values that are not.", _members, lambda: {"type": "array", "minItems": 1, "items": {"type": _SCALARS}}
    ),
    "matches": Argument("A regular expression (RE2) that whole values match.", _pattern, Text().schema),
    "length": Argument("How many code points values have.", _length, _length_schema),
    "not_blank": Argument("Whether values hold something but white space.", _flag, lambda: _TRUE),
    "unique": Argument(
        "No two rows have the same value, in these columns together.",
        _unique,
        lambda: {"anyOf": [_TRUE, _NAMES.schema()]},
    ),
    "nulls": Argument("How many values may be null.", _nulls, _map_schema(_NULLS_KEYS, ("max",))),
    "row_count": Argument("How many rows there are.", _row_count, _map_schema(_ROW_COUNT_KEYS)),
    "foreign_key": Argument(
        "Values that are in a column of another table.", _foreign_key, _map_schema(_FOREIGN_KEYS, (*_FOREIGN_KEYS,))
    ),
    "freshness": Argument(
        "How old the newest row may be.", _freshness, _map_schema(_FRESHNESS_KEYS, (*_FRESHNESS_KEYS,))
    ),
    "expression": Argument("A condition in SQL that good rows fulfil.", _text(_EXPRESSION, "text"), _EXPRESSION.schema),
    "sql": Argument("A query of `this` that returns the rows that are not good.", _text(_SQL, "text"), _SQL.schema),
    "function": Argument(
        "A function of Python's, which takes the table: True or a mask of good rows, or the rows that are not.",
        _text(_FUNCTION, "function"),
        _FUNCTION.schema,
    ),
}
