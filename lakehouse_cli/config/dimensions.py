"""The `dimensions` of a project, the `partitions` of a table, and what a partition gets of an input."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.value_types import NAME_PATTERN, NAME_RULE, Arguments, Choice, Text, Texts, is_parameter
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.model.dimension import EVERY, Dimension, InputOptions, Within
from lakehouse_cli.model.partition import FILE

_NAME_TYPES = ("string", "boolean")
#: The names of dimensions that a table is computed by.
PARTITIONS = Texts(
    Text("the name of a dimension", NAME_PATTERN, _NAME_TYPES, hint="name one of `dimensions:`, or `file`"),
    single=True,
    unique=True,
    minimum=1,
)
_PERIOD = Text("a period such as `2024-01`")

_INPUT_WORDS = {
    **dict.fromkeys(
        ("lookback", "window", "offset", "lag", "shift"), "write `at: {day: [-2, 0]}`, of the table's dimension"
    ),
    **dict.fromkeys(("column", "time_column", "event_time"), "write `within: {column: ts}`"),
    "optional": "write `missing: skip`",
    **dict.fromkeys(
        ("new", "only_new", "new_only", "since", "incremental", "append", "mode", "merge", "upsert"),
        "remove it, give the table `partitions: [file]` and its source a pattern such as `path: raw/sales_*`: it is"
        " called with each file that is new or changed",
    ),
    **dict.fromkeys(
        ("partition_by", "partitions", "partition"),
        "write `partitions: [day]` in the table itself: it gets the same day of each input",
    ),
}
_DIMENSION_WORDS = {
    "values": "write the values as a list: `region: [eu, us]`",
    "type": "write `every: month` for periods, or a list of values: `[eu, us]`",
    "format": "a format stands in the path of a source: `{month:%Y-%m}`",
    **dict.fromkeys(("tz", "zone", "time_zone"), "write `timezone: Europe/Zurich`"),
    **dict.fromkeys(("from", "since", "begin"), "write `start: 2024-01`"),
    **dict.fromkeys(("to", "until"), "write `end: 2024-12`"),
    **dict.fromkeys(("freq", "frequency", "by", "period"), "write `every: month`"),
}

DIMENSION_KEYS: AnyMapping[str, Key] = {
    "every": Key(
        Choice(
            EVERY,
            hints={
                **{f"{each}s": f"write `{each}`" for each in EVERY},
                **{f"{each}ly": f"write `{each}`" for each in EVERY},
                **dict.fromkeys(("daily", "date"), "write `day`"),
            },
        ),
        "The length of its periods.",
        examples=("month",),
    ),
    "start": Key(
        _PERIOD,
        "The first period; with it, all periods of the calendar count. Default: those that inputs have.",
        examples=("2024-01",),
    ),
    "end": Key(_PERIOD, "The last period. Default: no end.", examples=("2024-12",)),
    "timezone": Key(
        Text("the name of a time zone"),
        "The zone by whose clocks periods begin and end.",
        "UTC",
        examples=("Europe/Zurich",),
    ),
    "open": Key(
        Choice(("wait", "partial")),
        "Whether a period is computed when it has ended, or also before, at each run until it has.",
        "wait",
    ),
}


def read_dimensions(reader: Reader, node: Mapping) -> dict[str, Dimension]:
    """Read the dimensions of a project; of one that is wrong nothing is known, and it has no values."""
    found: dict[str, Dimension] = {}
    for name, (key, value) in node.entries.items():
        if not re.fullmatch(NAME_PATTERN, name):
            reader.report(key, f"{quoted(name)} is not a dimension's name", NAME_RULE)
        elif name == FILE:
            hint = "give yours another name: `partitions: [file]` makes a partition of each file"
            reader.report(key, f"dimension `{FILE}` is lakehouse's own", hint)
        else:
            unknown = Dimension(name=name, values=(), location=reader.at(key))
            found[name] = _dimension(reader, key, value) or unknown
    return found


def _dimension(reader: Reader, key: Scalar, node: Node) -> Dimension | None:
    name, what = key.text, f"dimension {quoted(key.text)}"
    if isinstance(node, Sequence):
        texts = Texts(Text("a text"), unique=True, minimum=1).read(reader, node, what)
        return None if isinstance(texts, Invalid) else Dimension(name=name, values=texts, location=reader.at(key))
    if not isinstance(node, Mapping):
        meant = isinstance(node, Scalar) and node.text in EVERY
        written = f"`{name}: {{every: {node.text}}}`" if meant and isinstance(node, Scalar) else "`{every: month}`"
        hint = f"write {written}, or a list of values such as `[eu, us]`"
        reader.mismatch(reader.value(key, node), what, "a map with `every`, or a list of values", hint)
        return None
    values, invalid = read_keys(reader, node, DIMENSION_KEYS, what, _DIMENSION_WORDS)
    if "every" not in node.entries:
        reader.report(key, f"`every` of {what} is missing", "write `every: month`, or a list of values: `[eu, us]`")
        return None
    zone_hint = _zone_hint(values["timezone"]) if "timezone" in values else None
    if zone_hint is not None:
        where = node.entries["timezone"][1]
        reader.report(where, f"`timezone` of {what}: {quoted(values['timezone'])} is no time zone", zone_hint)
        invalid.add("timezone")
    if "every" in values and not _has_periods(reader, node, values, what):
        invalid.add("start")
    if invalid or len(values) < len(node.entries):
        return None
    return Dimension(name=name, **values, location=reader.at(key))


def _has_periods(reader: Reader, node: Mapping, values: AnyMapping[str, Any], what: str) -> bool:
    """Whether `start` and `end` are periods of the dimension, in their order; what is wrong is reported."""
    from lakehouse_cli.model.period import PeriodError, period_number

    numbers: dict[str, int] = {}
    for each in ("start", "end"):
        if each in values:
            try:
                numbers[each] = period_number(values[each], values["every"])
            except PeriodError as error:
                reader.report(node.entries[each][1], f"`{each}` of {what}: {error}", error.hint)
                return False
    if "start" in numbers and numbers.get("end", numbers["start"]) < numbers["start"]:
        message = f"`end` of {what} is before its `start`, {values['start']}"
        reader.report(node.entries["end"][1], message, "give it a later one, or remove it")
        return False
    return True


def _zone_hint(name: str) -> str | None:
    """What to do in place of a time zone that there is not; None where there is."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        from zoneinfo import available_timezones

        from lakehouse_cli.text.close_names import did_you_mean

        close = did_you_mean(name, available_timezones())
        return close or "name it as the IANA does: `UTC`, `Europe/Zurich`"
    return None


_SPAN = r"([+-]?)(\d{1,6})([smhdw])"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SPANS = r"[+-]?[0-9]{1,6}[smhdw]|0"


#: Neighbours that are farther away are none.
_FARTHEST = 99_999


class _Neighbours(Struct, frozen=True):
    """A map of dimensions to neighbours in the calendar: ``{month: -1}``, ``{month: [-6, 0]}``."""

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, tuple[int, int]] | Invalid:
        """First and last neighbour by dimension."""
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "a map of a dimension to neighbours", "write `{month: -1}`")
        found: dict[str, tuple[int, int]] = {}
        for name, (_, value) in node.entries.items():
            items = value.items if isinstance(value, Sequence) else [value, value]
            numbers = [_whole(each) for each in items]
            whole = [each for each in numbers if each is not None]
            if len(whole) == len(numbers) == 2 and (whole[0] > whole[1] or max(map(abs, whole)) > _FARTHEST):
                how = "has the last neighbour first" if whole[0] > whole[1] else f"reaches over {_FARTHEST} periods"
                hint = (
                    f"write `[{whole[1]}, {whole[0]}]`" if whole[0] > whole[1] else f"write `-{_FARTHEST}` or less far"
                )
                return reader.report(value, f"{quoted(name)} in {what} {how}", hint)
            if len(whole) != 2 or len(numbers) != 2:
                hint = "write `-1` for the period before, or the first and the last: `[-6, 0]`"
                return reader.mismatch(value, f"{quoted(name)} in {what}", "a whole number, or two in order", hint)
            found[name] = whole[0], whole[1]
        return found

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        pair = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
        return {"type": "object", "additionalProperties": {"anyOf": [{"type": "integer"}, pair]}}


def _whole(node: Node) -> int | None:
    if not isinstance(node, Scalar) or not re.fullmatch(r"[+-]?[0-9]{1,18}", node.text):
        return None
    return int(node.text)


class _Around(Struct, frozen=True):
    """Two spans of time, ``[-1d, +1d]``: added to the begin of a period, and to its end."""

    def read(self, reader: Reader, node: Node, what: str) -> tuple[int, int] | Invalid:
        """Seconds."""
        items = node.items if isinstance(node, Sequence) else []
        seconds = [each for each in map(_seconds, items) if each is not None]
        if len(items) != 2 or len(seconds) != 2:
            hint = "write `[-1d, +1d]`: a number and one of s, m, h, d, w, for its begin and for its end"
            return reader.mismatch(node, what, "two spans of time", hint)
        return seconds[0], seconds[1]

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        item = {"type": ["string", "number"], "pattern": f"^(?:{_SPANS})$"}
        return {"type": "array", "items": item, "minItems": 2, "maxItems": 2}


def _seconds(node: Node) -> int | None:
    if isinstance(node, Scalar) and node.text in ("0", "+0", "-0"):
        return 0
    found = re.fullmatch(_SPAN, node.text, re.ASCII) if isinstance(node, Scalar) else None
    return None if found is None else int(f"{found[1]}{found[2]}") * _SECONDS[found[3]]


_WITHIN_KEYS = {
    "column": Key(Text("a column's name"), "The column that holds the time of a row."),
    "around": Key(_Around(), "Added to the begin of the period, and to its end.", examples=(["-1d", "+1d"],)),
}


class _Within(Struct, frozen=True):
    """The map ``{column: ts, around: [-1d, +1d]}``."""

    def read(self, reader: Reader, node: Node, what: str) -> Within | Invalid:
        """What it says."""
        if not isinstance(node, Mapping):
            hint = "write `{column: ts, around: [-1d, +1d]}`"
            return reader.mismatch(node, what, "a map of `column` and `around`", hint)
        found, _ = read_keys(reader, node, _WITHIN_KEYS, what)
        if "column" not in node.entries:
            return reader.report(node, f"`column` of {what} is missing", "name the column that holds the time of a row")
        return INVALID if len(found) < len(node.entries) else Within(**found)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return keys_schema(_WITHIN_KEYS, "The rows of an input by time.", required=("column",))


class Inputs(Struct, frozen=True):
    """The tables that a computation takes: a list, or a map of parameters to tables or to maps with `table`.

    Attributes:
        table: The name of a table.
        expected: What messages call it.
    """

    table: Text
    expected: str

    @property
    def _keys(self) -> dict[str, Key]:
        return {
            "table": Key(self.table, "The table."),
            "at": Key(
                _Neighbours(),
                "Neighbours in the calendar, in the place of the period itself.",
                examples=({"month": -1}, {"month": [-6, 0]}),
            ),
            "within": Key(_Within(), "Its rows by time, where it is not partitioned."),
            "missing": Key(
                Choice(("wait", "skip")),
                "What becomes of a partition for which it has no period: it waits, or gets no rows of it.",
                "wait",
            ),
        }

    def read(self, reader: Reader, node: Node, what: str) -> tuple[str, ...] | dict[str, Any] | Invalid:
        """The tables by number, or by parameter: each a name, or a name with `InputOptions`."""
        if not isinstance(node, Mapping) or not any(isinstance(each, Mapping) for _, each in node.entries.values()):
            return Arguments(self.table, self.expected).read(reader, node, what)
        found: dict[str, Any] = {}
        for name, (key, value) in node.entries.items():
            if not is_parameter(name):
                hint = "parameters are named as in Python: letters, digits and `_`"
                reader.report(key, f"{quoted(name)} in {what} is not a parameter's name", hint)
                continue
            read = self._input(reader, key, value, f"{quoted(name)} in {what}")
            if not isinstance(read, Invalid):
                found[name] = read
        return found if len(found) == len(node.entries) else INVALID

    def _input(self, reader: Reader, key: Scalar, node: Node, what: str) -> str | tuple[str, InputOptions] | Invalid:
        if not isinstance(node, Mapping):
            return self.table.read(reader, reader.value(key, node), what)
        values, invalid = read_keys(reader, node, self._keys, what, _INPUT_WORDS)
        if invalid or len(values) < len(node.entries):
            return INVALID
        table = values.pop("table", key.text)
        if "at" in values and "within" in values:
            hint = "keep one of the two"
            return reader.report(node.entries["within"][0], f"{what} has both `at` and `within`", hint)
        return table, InputOptions(**values)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        names, parameters = Arguments(self.table, self.expected).schema()["anyOf"]
        options = keys_schema(self._keys, "A table, and what a partition gets of it.")
        parameters["additionalProperties"] = {"anyOf": [parameters["additionalProperties"], options]}
        return {"anyOf": [names, parameters]}


def split_inputs(
    inputs: tuple[str, ...] | AnyMapping[str, Any] | None,
) -> tuple[tuple[str, ...] | dict[str, str] | None, dict[str, InputOptions]]:
    """The tables of `Inputs`, and what is said of some of them, by parameter."""
    if inputs is None or isinstance(inputs, tuple):
        return inputs, {}
    tables = {name: each if isinstance(each, str) else each[0] for name, each in inputs.items()}
    options = {name: each[1] for name, each in inputs.items() if isinstance(each, tuple)}
    return tables, {name: each for name, each in options.items() if each != InputOptions()}
