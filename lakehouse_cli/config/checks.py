"""The checks of columns and tables: nodes → `Check`, each argument judged by the type of its column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.config.check_arguments import ARGUMENTS, Threshold
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, near_key, read_keys
from lakehouse_cli.config.value_types import Choice, Text
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.model import ColumnType
from lakehouse_cli.model.check import COLUMN_KINDS, TABLE_KINDS, Check
from lakehouse_cli.model.column_type import whole_type
from lakehouse_cli.model.query import TextPlace
from lakehouse_cli.text.name_lists import any_of

_IN_TABLE = "put it under the table's `checks`: "
#: What to write in place of the words that other tools have.
WORDS: AnyMapping[str, str] = {
    **dict.fromkeys(("accepted_values", "values", "isin", "enum", "one_of", "allowed"), "write `in: [a, b]`"),
    **dict.fromkeys(("not_accepted_values", "notin", "not_in_list"), "write `not_in: [a, b]`"),
    **dict.fromkeys(
        ("relationships", "references", "foreign_keys", "ref"),
        f"{_IN_TABLE}`- foreign_key: {{columns: station, references: stations.station}}`",
    ),
    **dict.fromkeys(("pattern", "regex", "str_matches", "like", "match"), 'write `matches: "[A-Z]{3}"`, a full match'),
    **dict.fromkeys(
        ("tests", "data_tests", "audits", "expectations"), "write `unique: true`, `in: […]`, `checks: […]`"
    ),
    **dict.fromkeys(("not_null", "required", "mandatory"), "write `nullable: false`"),
    **dict.fromkeys(("ge", "minimum", "gte", "greater_than_or_equal_to", "min_value"), "write `min: 0`"),
    **dict.fromkeys(("le", "maximum", "lte", "less_than_or_equal_to", "max_value"), "write `max: 100`"),
    **dict.fromkeys(("gt", "greater_than", "exclusive_min"), "write `above: 0`"),
    **dict.fromkeys(("lt", "less_than", "exclusive_max"), "write `below: 100`"),
    **dict.fromkeys(("between", "range", "accepted_range", "in_range"), "write `min: 0, max: 100`"),
    **dict.fromkeys(("min_length", "max_length", "str_length", "len"), "write `length: {min: 1, max: 3}`"),
    **dict.fromkeys(("not_empty", "not_empty_string", "non_empty"), "write `not_blank: true`"),
    **dict.fromkeys(("null_rate", "not_null_proportion", "max_nulls"), "write `nulls: {max: 5%}`"),
    **dict.fromkeys(("expression_is_true", "assert", "condition"), 'write `expression: "high >= low"`'),
    **dict.fromkeys(("unique_combination_of_columns", "unique_together"), "write `- {unique: [station, day]}`"),
    **dict.fromkeys(("equal_rowcount", "rows", "count"), "write `row_count: {min: 1}`"),
    **dict.fromkeys(("recency", "max_age"), "write `freshness: {column: day, within: 2d}`"),
    **dict.fromkeys(
        ("primary_key", "unique_key", "merge_key"),
        "write `key: [id]` in the table itself: the columns that identify a row",
    ),
    **dict.fromkeys(
        ("partition", "partition_by", "partitioned_by", "partition_key"),
        "write `partitions: [day]` in the table itself; a column of a dimension's name has its value",
    ),
    **dict.fromkeys(("sensitivity", "pii", "secret"), "write `sensitive: true`"),
}
#: The same of a column, of which several checks may be said at once.
COLUMN_WORDS = {
    **WORDS,
    **dict.fromkeys(
        ("severity", "where", "warn_above", "error_above", "warn_if", "error_if", "mostly"),
        "write it in the check that it is of, as in `checks: [{max: 100, error_above: 5%}]`",
    ),
}
_LIKE_THRESHOLDS = {
    **dict.fromkeys(("warn_if", "warn", "warn_over"), "write `warn_above: 10`, or a share, `warn_above: 1%`"),
    **dict.fromkeys(("error_if", "fail_above", "mostly", "max_violations"), "write `error_above: 1%`"),
    **dict.fromkeys(("filter", "row_condition", "when"), "write `where: \"station <> 'XXX'\"`"),
    **dict.fromkeys(("ignore_nulls", "ignore_na", "nullable"), "write `nulls: pass` or `nulls: fail`"),
    **dict.fromkeys(("level", "warning"), "write `severity: warn`"),
}
_SEVERITIES = ("error", "warn", "info")
_NULLS = ("pass", "fail", "equal")
_MODIFIERS: AnyMapping[str, Key] = {
    "name": Key(Text("a name", r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}"), "What reports call it."),
    "severity": Key(
        Choice(_SEVERITIES, hints={"warning": "write `warn`", "fatal": "write `error`", "critical": "write `error`"}),
        "What a violation is: `error` keeps the table from being published, `warn` and `info` are reported.",
        "error",
    ),
    "where": Key(Text("a condition in SQL"), "The rows that are judged; null is not judged.", examples=("tmpf > 0",)),
    "nulls": Key(
        Choice(_NULLS),
        "What becomes of null: `pass` is not judged, `fail` is a violation; `equal`, in `unique`, to other nulls.",
        "pass",
    ),
    "warn_above": Key(Threshold(), "So many violations, or such a share of the judged rows, are no warning yet."),
    "error_above": Key(Threshold(), "So many violations, or such a share of the judged rows, are no error yet."),
}
# Kinds that measure a table or column, and have their limits themselves.
_MEASURES = ("row_count", "freshness", "nulls")
#: Of the rows themselves, so that null is for them to judge.
_BY_THEMSELVES = ("sql", "function", "row_count", "nulls", "freshness")


def fits(kind: str, column: ColumnType) -> bool:
    """Whether a kind can be of columns of a type."""
    of = column.plain
    return not COLUMN_KINDS[kind] or of.id.startswith(COLUMN_KINDS[kind])


def column_keys() -> dict[str, Key]:
    """The kinds that may stand in a column, and `checks`, as keys; their values are read once its type is known."""
    kinds = {name: Key(_Later(name), ARGUMENTS[name].description) for name in COLUMN_KINDS}
    return {**kinds, "checks": Key(_Items(tuple(COLUMN_KINDS)), "Checks with a name, a severity or thresholds.")}


class _Later:
    """A value that is read later; what there is of it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def read(self, reader: Reader, node: Node, what: str) -> Node | Invalid:
        """The node itself."""
        del reader, what
        return INVALID if isinstance(node, Broken) else node

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return ARGUMENTS[self._kind].schema()


class _Items:
    """A list of checks: of columns, which is read once their type is known, or of tables."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._kinds = kinds

    def read(self, reader: Reader, node: Node, what: str) -> Sequence | Invalid:
        """The node itself."""
        if isinstance(node, Sequence):
            return node
        hint = "write `- ` before each: `- {max: 100, severity: warn}`" if isinstance(node, Mapping) else None
        return reader.mismatch(node, what, "a list of checks", hint)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        modifiers = keys_schema(_MODIFIERS, "")["properties"]
        each = []
        for kind in self._kinds:
            own = {**ARGUMENTS[kind].schema(), "description": ARGUMENTS[kind].description}
            properties = {**modifiers, kind: own}
            each.append({"type": "object", "additionalProperties": False, "required": [kind], "properties": properties})
        return {"type": "array", "items": {"anyOf": each}}


class TableChecks(_Items):
    """The checks of a table."""

    def __init__(self) -> None:
        super().__init__(TABLE_KINDS)

    def read(self, reader: Reader, node: Node, what: str) -> tuple[Check, ...] | Invalid:  # type: ignore[override]
        """The checks; those that are wrong are left out after being reported."""
        found = super().read(reader, node, what)
        if isinstance(found, Invalid):
            return found
        owner = what.removeprefix("`checks` of ")
        return tuple(_items(reader, found, owner, TABLE_KINDS, lambda *_: None))


def column_checks(
    reader: Reader,
    column: str,
    kind: ColumnType,
    values: dict[str, Any],
    places: AnyMapping[str, tuple[Scalar, Node]],
    owner: str,
) -> tuple[Check, ...]:
    """The checks of a column; those that are wrong are left out after being reported.

    Args:
        reader: Of its file.
        column: Its name.
        kind: Its type.
        values: Its keys, from which those of checks are taken out.
        places: Of all of its keys.
        owner: What messages call the column.
    """
    found: list[Check] = []
    for name in [each for each in values if each in COLUMN_KINDS]:
        key, node = places[name]
        values.pop(name)
        arguments = _arguments(reader, node, name, f"`{name}` of {owner}", kind)
        if arguments is not None:
            found.append(Check(kind=name, columns=(column,), arguments=arguments, location=reader.at(key)))
    listed = values.pop("checks", None)
    if listed is not None:
        items = _items(reader, listed, owner, tuple(COLUMN_KINDS), lambda *_: kind)
        found += [replace(each, columns=(column,)) for each in items]
    return tuple(replace(each, name=each.name or f"{column}_{each.kind}") for each in found)


def _items(
    reader: Reader, listed: Sequence, owner: str, kinds: tuple[str, ...], type_of: Callable[[str], ColumnType | None]
) -> Iterator[Check]:
    """The checks of a list."""
    for number, item in enumerate(listed.items, 1):
        what = f"check {number} of {owner}"
        if not isinstance(item, Mapping):
            word = item.text if isinstance(item, Scalar) else ""
            hint = WORDS.get(word, f"write `{{{word if word in kinds else kinds[0]}: …}}`")
            reader.mismatch(item, what, "a map with its kind", hint)
            continue
        named = [name for name in item.entries if name in kinds and not _is_modifier(name, item)]
        if len(named) != 1:
            _report_kinds(reader, item, what, kinds, named)
            continue
        [kind] = named
        check = _item(reader, item, kind, f"check `{kind}` of {owner}", type_of(kind))
        if check is not None:
            yield check


def _is_modifier(name: str, item: Mapping) -> bool:
    """Whether `nulls` says what becomes of null, and is no check of its own."""
    return name == "nulls" and not isinstance(item.entries[name][1], Mapping)


def _report_kinds(reader: Reader, item: Mapping, what: str, kinds: tuple[str, ...], named: list[str]) -> None:
    if named:
        second = item.entries[named[1]][0]
        reader.report(second, f"{what} is both `{named[0]}` and `{named[1]}`", "make two checks of it")
        return
    unknown = [name for name in item.entries if name not in _MODIFIERS]
    if not unknown:
        reader.report(item, f"{what} has no kind", f"its kinds are {any_of([f'`{each}`' for each in kinds])}")
        return
    key = item.entries[unknown[0]][0]
    name = unknown[0]
    if name in COLUMN_KINDS:
        hint = f"put it in the column, under `columns`: `{{type: …, {name}: …}}`"
    elif name in TABLE_KINDS:
        hint = f"{_IN_TABLE}`- {{{name}: …}}`"
    else:
        hint = WORDS.get(name) or near_key(name, item.entries, kinds) or ""
        hint = hint or f"its kinds are {any_of([f'`{each}`' for each in kinds])}"
    reader.report(key, f"unknown kind {quoted(name)} in {what}", hint)


def _item(reader: Reader, item: Mapping, kind: str, what: str, type_: ColumnType | None) -> Check | None:
    """One check with its modifiers; None after a problem was reported."""
    key, node = item.entries[kind]
    modifiers = item.having({name: each for name, each in item.entries.items() if name != kind})
    values, invalid = read_keys(reader, modifiers, _MODIFIERS, what, {**WORDS, **_LIKE_THRESHOLDS})
    unknown = any(name not in _MODIFIERS for name in modifiers.entries)
    arguments = _arguments(reader, reader.value(key, node), kind, what, type_)
    if arguments is None or invalid or unknown or _contradicts(reader, item, kind, values, what):
        return None
    columns = tuple(arguments.pop("columns", ()))
    name = values.pop("name", kind if type_ is None else "")
    texts = {"text": node} if kind in ("expression", "sql") else {}
    texts |= {"where": item.entries["where"][1]} if "where" in values else {}
    places = {part: TextPlace(*reader.text_place(each)) for part, each in texts.items()}
    location = reader.at(key)
    return Check(kind=kind, name=name, columns=columns, arguments=arguments, location=location, places=places, **values)


def _contradicts(reader: Reader, item: Mapping, kind: str, values: AnyMapping[str, Any], what: str) -> bool:
    """Whether modifiers contradict each other or their kind, which is reported."""
    severity = values.get("severity", "error")
    for name, others, hint in (
        ("error_above", ("warn", "info"), f"remove `severity: {severity}`, or write `warn_above`"),
        ("warn_above", ("info",), "remove one of the two"),
    ):
        if name in values and severity in others:
            reader.report(item.entries[name][0], f"{what} has `{name}` beside `severity: {severity}`", hint)
            return True
    for name in ("error_above", "warn_above"):
        if name in values and kind in _MEASURES:
            reader.report(item.entries[name][0], f"{what} has its limits itself, and no `{name}`", "remove it")
            return True
    if "nulls" in values and (kind in _BY_THEMSELVES or (values["nulls"] == "equal" and kind != "unique")):
        hint = "write `pass` or `fail`" if kind not in _BY_THEMSELVES else "remove it"
        reader.report(item.entries["nulls"][0], f"{what} has no `nulls: {values['nulls']}`", hint)
        return True
    return False


def _arguments(reader: Reader, node: Node, kind: str, what: str, type_: ColumnType | None) -> dict[str, Any] | None:
    """What a kind needs; None after a problem was reported, and where it is switched off."""
    if type_ is not None and not fits(kind, type_):
        named = [whole_type(each) for each in _shown_types(kind)]
        reader.report(node, f"{what} is for columns of {any_of(named)}, not {type_}", "remove it, or change the type")
        return None
    found = ARGUMENTS[kind].read(reader, node, what, type_)
    return None if isinstance(found, Invalid) else found


def _shown_types(kind: str) -> list[str]:
    names = {"int": "int64", "float": "float64", "uint": "", "time32": "", "time64": ""}
    shown = [names.get(each, each) for each in COLUMN_KINDS[kind]]
    return [each for each in shown if each]
