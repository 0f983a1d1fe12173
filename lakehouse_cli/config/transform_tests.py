"""The `tests` of a table: each as it is written; its rows stay nodes, which a column's type gives a meaning later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.scalars import core_number
from lakehouse_cli.config.uses import FILE_RULES, file_problem
from lakehouse_cli.config.value_types import CheckedText, Flag, FreeMap, Number, Text, Texts
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location

_ROWS_HINT = "write `- {column: value, …}` for each row, or `{csv: path}`"


class Rows(Struct, frozen=True):
    """The rows of a table, written in a test or in a file of its own.

    Attributes:
        location: Where they stand.
        rows: Each a map of columns to values; empty where they are in a file.
        csv: The file, relative to the project's folder; None where they are written in the test.
    """

    location: Location
    rows: tuple[Mapping, ...] = ()
    csv: str | None = None


class Expectation(Struct, frozen=True):
    """What a test expects of one result.

    Attributes:
        location: Where it stands.
        rows: The rows; None where something else is expected.
        count: How many rows.
        error: What the message of the error must match.
    """

    location: Location
    rows: Rows | None = None
    count: int | None = None
    error: str | None = None


class Tolerance(Struct, frozen=True):
    """By how much a number may differ from the expected one: the larger of both.

    Attributes:
        rel: Times the expected value.
        abs: As it is.
    """

    rel: Fraction = Fraction(0)
    abs: Fraction = Fraction(0)


EXACT = Tolerance()


class TransformTest(Struct, frozen=True):
    """A test of one transform.

    Attributes:
        name: Unique in its table.
        location: Where it begins.
        reader: Of the file it stands in, for the places of its values.
        given: The rows of inputs, by table.
        params: Over those of the table.
        partition: The partition that is computed: a value by dimension; None where none is named.
        now: What clocks show; None for the time it is.
        expect: What is expected, by result: the empty name for that of the table that has the test.
        strict: Whether the given rows must keep the contracts of their tables.
        ordered: Whether the rows must come in the expected order.
        tolerance: Of numbers.
        ignore: Columns that are not compared.
        places: Where parts of it stand, by dotted path: `given.a`, `params.top`, `ignore`.
    """

    name: str
    location: Location
    reader: Reader
    given: AnyMapping[str, Rows]
    params: AnyMapping[str, Any]
    partition: AnyMapping[str, str] | None
    now: datetime | None
    expect: AnyMapping[str, Expectation]
    strict: bool
    ordered: bool
    tolerance: Tolerance
    ignore: tuple[str, ...]
    places: AnyMapping[str, Location]


class _Given:
    """Rows by table."""

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, Rows] | Invalid:
        if not isinstance(node, Mapping):
            return reader.mismatch(
                node, what, "a map of tables to rows", "name each input that has rows, and give them"
            )
        found: dict[str, Rows] = {}
        for name, (key, value) in node.entries.items():
            rows = _rows(reader, reader.value(key, value), f"{quoted(name)} in {what}")
            if isinstance(rows, Invalid):
                return INVALID
            found[name] = rows
        return found

    def schema(self) -> JsonSchema:
        return {"type": "object", "additionalProperties": _ROWS_SCHEMA}


_ROW_SCHEMA: JsonSchema = {"type": "object"}
_CSV = CheckedText("the path of a file", check=file_problem, rules=FILE_RULES)
_CSV_SCHEMA: JsonSchema = {
    "type": "object",
    "properties": {"csv": _CSV.schema()},
    "required": ["csv"],
    "additionalProperties": False,
}
_ROWS_SCHEMA: JsonSchema = {"anyOf": [{"type": "array", "items": _ROW_SCHEMA}, _CSV_SCHEMA]}


def _rows(reader: Reader, node: Node, what: str) -> Rows | Invalid:
    """A list of rows, or a file of them."""
    if isinstance(node, Sequence):
        rows: list[Mapping] = []
        for number, item in enumerate(node.items, 1):
            if not isinstance(item, Mapping):
                return reader.mismatch(item, f"row {number} of {what}", "a map of columns to values", _ROWS_HINT)
            rows.append(item)
        return Rows(reader.at(node), tuple(rows))
    if not isinstance(node, Mapping):
        return reader.mismatch(node, what, "a list of rows", _ROWS_HINT)
    values, invalid = read_keys(reader, node, {"csv": Key(_CSV, "")}, what)
    if invalid or "csv" not in values:
        return INVALID if node.entries else reader.report(node, f"{what} is an empty map", _ROWS_HINT)
    return Rows(reader.place(*node.entries["csv"]), csv=values["csv"])


class _Expect:
    """Rows, their number or an error; or such by result."""

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, Expectation] | Invalid:
        if isinstance(node, Mapping) and node.entries and not _is_single(node):
            found: dict[str, Expectation] = {}
            for name, (key, value) in node.entries.items():
                each = _expectation(reader, reader.value(key, value), f"{quoted(name)} in {what}")
                if isinstance(each, Invalid):
                    return INVALID
                found[name] = each
            return found
        single = _expectation(reader, node, what)
        return INVALID if isinstance(single, Invalid) else {"": single}

    def schema(self) -> JsonSchema:
        return {"anyOf": [_EXPECTATION_SCHEMA, {"type": "object", "additionalProperties": _EXPECTATION_SCHEMA}]}


_ERROR = Text("a regular expression", types=("string",))
_COUNT = Number(whole=True, minimum=0)
_EXPECTED = {"csv": Key(_CSV, ""), "error": Key(_ERROR, ""), "rows": Key(_COUNT, "")}
_EXPECTATION_SCHEMA: JsonSchema = {
    "anyOf": [
        _ROWS_SCHEMA,
        {
            "type": "object",
            "properties": {"error": _ERROR.schema(), "rows": _COUNT.schema()},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        },
    ]
}


def _is_single(node: Mapping) -> bool:
    """Whether a map says what is expected of one result, and not of several by their names."""
    return not any(isinstance(value, Sequence | Mapping) for _, value in node.entries.values())


def _expectation(reader: Reader, node: Node, what: str) -> Expectation | Invalid:
    if not isinstance(node, Mapping):
        rows = _rows(reader, node, what)
        return INVALID if isinstance(rows, Invalid) else Expectation(rows.location, rows)
    values, invalid = read_keys(reader, node, _EXPECTED, what)
    if invalid:
        return INVALID
    if len(values) != 1:
        message = f"{what} is {'an empty map' if not values else 'several things at once'}"
        return reader.report(node, message, "expect rows, `{csv: path}`, `{rows: 3}` or `{error: regex}`")
    (name,) = values
    place = reader.place(*node.entries[name])
    if name == "csv":
        return Expectation(place, Rows(place, csv=values["csv"]))
    if name == "rows":
        return Expectation(place, count=values["rows"])
    try:
        re.compile(values["error"])
    except re.error as error:
        return reader.report(
            node.entries[name][1], f"{what}: {quoted(values['error'])}: {error}", "correct the pattern"
        )
    return Expectation(place, error=values["error"])


class _Now:
    """A moment, in UTC where no zone is given."""

    def read(self, reader: Reader, node: Node, what: str) -> datetime | Invalid:
        hint = "write it as in `2024-01-31T12:00Z`"
        if not isinstance(node, Scalar) or node.is_null:
            return reader.mismatch(node, what, "a moment", hint)
        try:
            found = datetime.fromisoformat(node.text)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            return reader.mismatch(node, what, "a moment", hint)

    def schema(self) -> JsonSchema:
        return {"type": "string"}


class _Part:
    """A number from 0, exactly as it is written."""

    _number = Number(minimum=0)

    def read(self, reader: Reader, node: Node, what: str) -> Fraction | Invalid:
        if isinstance(self._number.read(reader, node, what), Invalid) or not isinstance(node, Scalar):
            return INVALID
        text = node.text
        is_plain = core_number(text) is not None and not text.startswith(("0x", "0o"))
        return Fraction(Decimal(text)) if is_plain else Fraction(int(text, 0))

    def schema(self) -> JsonSchema:
        return self._number.schema()


_PARTS = {
    "rel": Key(_Part(), "Times the expected value."),
    "abs": Key(_Part(), "As it is."),
}


class _Tolerance:
    """The parts of a tolerance."""

    def read(self, reader: Reader, node: Node, what: str) -> Tolerance | Invalid:
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "a map with `rel` and `abs`", "such as `{rel: 1e-9}`")
        values, invalid = read_keys(reader, node, _PARTS, what)
        return INVALID if invalid else Tolerance(**values)

    def schema(self) -> JsonSchema:
        return keys_schema(_PARTS, "By how much numbers may differ: the larger of both.")


_KEYS: AnyMapping[str, Key] = {
    "name": Key(Text(), "What it is about; unique in the table."),
    "given": Key(
        _Given(), "The rows of inputs, by table, or `{csv: path}`. Columns left out are null, tables empty.", {}
    ),
    "params": Key(FreeMap(parameters=True), "Over the `params` of the table.", {}),
    "partition": Key(
        FreeMap(item=Text("the value of a dimension")),
        "Of a table with partitions, the one that is computed: a value by dimension.",
        examples=({"day": "2024-01-03"},),
    ),
    "now": Key(_Now(), "The time that clocks show, in UTC.", examples=("2024-01-31T12:00Z",)),
    "expect": Key(
        _Expect(),
        "The rows of the result, `{csv: path}`, `{rows: 3}`, or `{error: regex}`; of a function with several results,"
        " by `output`. Only the columns named are compared.",
    ),
    "strict": Key(Flag(), "Whether the given rows must keep the contracts of their tables.", False),
    "ordered": Key(Flag(), "Whether rows must come in this order.", False),
    "tolerance": Key(_Tolerance(), "By how much numbers may differ. Default: not at all."),
    "ignore": Key(Texts(Text("a column's name"), single=True, unique=True), "Columns that are not compared.", []),
}


class Tests:
    """The tests of a table."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[TransformTest, ...] | Invalid:
        """The tests of a table."""
        owner = what.removeprefix("`tests` of ")
        if owner == "`defaults`":
            return reader.report(
                node, "`tests` stand in a table, not in `defaults`", "move them to the table they test"
            )
        if not isinstance(node, Sequence):
            return reader.mismatch(node, what, "a list of tests", "write `- name: …` for each, its keys below it")
        found: dict[str, TransformTest] = {}
        broken = False
        for number, item in enumerate(node.items, 1):
            test = _test(reader, item, f"test {number} of {owner}", owner)
            if test is None:
                broken = True
            elif test.name in found:
                reader.problems.report(
                    f"{owner} has two tests called {quoted(test.name)}, the first at {found[test.name].location}",
                    "rename or remove one of the two",
                    test.location,
                )
                broken = True
            else:
                found[test.name] = test
        return INVALID if broken else tuple(found.values())

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        test = keys_schema(_KEYS, "A test of the transform.", ("name", "expect"))
        return {"type": "array", "items": test}


def _test(reader: Reader, node: Node, what: str, owner: str) -> TransformTest | None:
    if not isinstance(node, Mapping):
        reader.mismatch(node, what, "a map with `name`, `given` and `expect`", "write `name: …`, and its keys below it")
        return None
    name = node.get("name")
    if isinstance(name, Scalar) and name.text:
        what = f"test {quoted(name.text)} of {owner}"
    values, invalid = read_keys(reader, node, _KEYS, what)
    for key in ("name", "expect"):
        if key not in node.entries:
            reader.report(node, f"{what} has no `{key}`", f"add one: `{key}: …`")
            invalid.add(key)
    if invalid or any(key not in _KEYS for key in node.entries):
        return None
    return TransformTest(
        name=values["name"],
        location=reader.place(*node.entries["name"]),
        reader=reader,
        given=values.get("given", {}),
        params=values.get("params", {}),
        partition=values.get("partition"),
        now=values.get("now"),
        expect=values["expect"],
        strict=values.get("strict", False),
        ordered=values.get("ordered", False),
        tolerance=values.get("tolerance", EXACT),
        ignore=values.get("ignore", ()),
        places=dict(_places(reader, node)),
    )


def _places(reader: Reader, node: Mapping) -> Iterator[tuple[str, Location]]:
    for name, (key, value) in node.entries.items():
        yield name, reader.place(key, value)
        if name in ("given", "params", "partition", "expect") and isinstance(value, Mapping):
            yield from ((f"{name}.{part}", reader.at(of)) for part, (of, _) in value.entries.items())
