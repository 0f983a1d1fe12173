"""Comparisons in queries of SQLite that give other rows than the types of the columns say, found by tokens.

SQLite keeps dates and times as texts and compares them as such: right where both are of one form alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.storage_types.sqlite_sql import Token, tokens

_FRACTION = {"s": "", "ms": ".000", "us": ".000000", "ns": ".000000000"}
#: What a date or time may look like that is written in another form than a column's.
_MOMENT = re.compile(r"\d{4}-\d\d?-\d\d?([ T].*)?|\d\d?:\d\d.*", re.DOTALL)
#: One whose digits are those of a column's, as far as they go.
_BEGINNING = re.compile(r"(\d{4}-\d\d-\d\d)?( ?\d\d:\d\d(:\d\d(\.\d+)?)?)?")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_EQUAL = ("=", "==", "<>", "!=", "is")
_OPERATORS = (*_FLIPPED, *_EQUAL)
#: Comparisons of a column with the beginning of a moment that are right of texts.
_BY_BEGINNING = ("<", ">=")
#: Beside what is compared, these make something else of it.
_COMPUTING = ("||", "+", "-", "*", "/", "%", "|", "&", "->", "->>", "collate")
_NO_ALIAS = frozenset(
    [
        "on",
        "using",
        "where",
        "join",
        "left",
        "right",
        "full",
        "inner",
        "cross",
        "natural",
        "group",
        "order",
        "limit",
        "union",
        "intersect",
        "except",
        "window",
        "having",
        "indexed",
        "not",
    ]
)
#: How often what the query calls a column is looked up: names of names of columns.
_PASSES = 3
#: Words before a parenthesis that call nothing.
_NO_CALL = frozenset(
    ["", "where", "and", "or", "not", "on", "when", "then", "else", "select", "distinct", "having", "between", "is"]
)
_FIRST_KNOWN = frozenset(["coalesce", "ifnull"])
#: What functions and words give that make a moment, as `_form`.
_MAKERS = {
    "date": "0000-00-00",
    "current_date": "0000-00-00",
    "datetime": "0000-00-00 00:00:00",
    "current_timestamp": "0000-00-00 00:00:00",
    "time": "00:00:00",
    "current_time": "00:00:00",
}


class Comparison(NamedTuple):
    """What is wrong with a comparison.

    Attributes:
        message: What it compares.
        hint: What to write.
        offset: Of the column, 0-based, in the query.
    """

    message: str
    hint: str
    offset: int


class _Side(NamedTuple):
    """What is compared: a text, or a column, the greatest or least of it, or a subquery of one of these.

    Attributes:
        begin: Of the first token, by its number.
        end: After the last.
        kinds: What the column may be; empty for a text.
        text: The text, or its form; of a column how it is written.
        written: As messages show it.
    """

    begin: int
    end: int
    kinds: tuple[ColumnType, ...]
    text: str
    written: str


def wrong_comparisons(
    text: str, inputs: Mapping[str, Mapping[str, ColumnType]], params: Mapping[str, Any]
) -> Iterator[Comparison]:
    """Find the comparisons of a query whose rows would be others than their types say.

    Args:
        text: The query.
        inputs: The columns of each input, by its name in the query.
        params: Values of `$name`.
    """
    seen = tokens(text)
    mentioned = {each.name for each in seen}
    inputs = {name: kinds for name, kinds in inputs.items() if ascii_lower(name) in mentioned}
    sides = _sides(seen, inputs, params)
    for side in sides.values():
        if not side.kinds:
            continue
        for sign, other in _compared(seen, side, sides):
            wrong = _wrong(side, sign, other)
            if wrong is not None:
                yield Comparison(*wrong, seen[side.begin].begin)
    for name, token in _joined(seen, inputs):
        kinds = [columns[name] for columns in inputs.values() if name in columns]
        first, *others = (_Side(0, 0, (kind,), name, name) for kind in kinds)
        wrongs = (_wrong(first, "=", other) for other in others)
        wrong = next((each for each in wrongs if each is not None), None)
        if wrong is not None:
            yield Comparison(*wrong, token.begin)


def _joined(seen: Sequence[Token], inputs: Mapping[str, Mapping[str, ColumnType]]) -> Iterator[tuple[str, Token]]:
    """The names of columns by which inputs are joined, and where."""
    names = sorted({name for kinds in inputs.values() for name in kinds})
    for at, token in enumerate(seen):
        if token.name == "natural":
            yield from ((name, token) for name in names)
        if token.name == "using" and at + 1 < len(seen):
            listed = {each.name for each in seen[at : _closed(seen, at + 1)]}
            yield from ((name, token) for name in names if ascii_lower(name) in listed)


def _sides(
    seen: Sequence[Token], inputs: Mapping[str, Mapping[str, ColumnType]], params: Mapping[str, Any]
) -> dict[int, _Side]:
    """Columns and texts that stand alone, by the number of their first token."""
    columns = {
        ascii_lower(name): {ascii_lower(column): kind for column, kind in kinds.items()}
        for name, kinds in inputs.items()
    }
    names = _Names(seen, columns)
    sides: dict[int, _Side] = {}
    for _ in range(_PASSES):
        alone = {each.begin: each for each in _alone(seen, names, params)}
        widened = [_widened(seen, each) for each in (*alone.values(), *_first_known(seen, alone))]
        sides = {side.begin: side for side in widened if not _is_computed(seen, side.begin, side.end)}
        names.given = _given(seen, sides)
    return sides


class _Names:
    """What the columns of a query may be.

    Args:
        seen: Its tokens.
        columns: The columns of each input.

    Attributes:
        given: What the query itself gives names, by AS or WITH; empty for what it computes.
    """

    def __init__(self, seen: Sequence[Token], columns: Mapping[str, Mapping[str, ColumnType]]) -> None:
        self._columns = columns
        self._tables = _named(seen, columns)
        self.given: Mapping[str, tuple[ColumnType, ...]] = {}

    def kinds(self, name: str, table: str | None = None) -> tuple[ColumnType, ...]:
        """What a column may be, by its name and that before the point."""
        if table is not None and table in self._tables:
            of = self._columns.get(self._tables[table])
            if of is not None:
                return (of[name],) if name in of else ()
        elif table is not None:
            return ()
        if name in self.given:
            return self.given[name]
        return tuple(each[name] for each in self._columns.values() if name in each)


def _alone(seen: Sequence[Token], names: _Names, params: Mapping[str, Any]) -> Iterator[_Side]:
    """Columns and texts of one token, and functions that make a moment."""
    for at, token in enumerate(seen):
        before = seen[at - 1].written.lower() if at else ""
        after = seen[at + 1].written if at + 1 < len(seen) else ""
        if token.name in _MAKERS and before != "." and (after == "(") != token.name.startswith("current"):
            end = _closed(seen, at + 1) if after == "(" else at + 1
            written = token.written + ("(…)" if end > at + 1 else "")
            yield _Side(at, end, (), _MAKERS[token.name], written)
        elif after in (".", "(") or before == "as":
            continue
        elif token.kind in ("text", "param"):
            value = token.value if token.kind == "text" else params.get(token.written[1:])
            value = value.isoformat(" ") if isinstance(value, datetime) else value
            value = value.isoformat() if isinstance(value, date) else value
            if isinstance(value, str):
                yield _Side(at, at + 1, (), value, f"'{value}'")
        elif token.name:
            begin, table = (at - 2, seen[at - 2].name) if before == "." and at > 1 else (at, None)
            if kinds := names.kinds(token.name, table):
                yield _Side(begin, at + 1, kinds, token.value, token.value)


def _is_computed(seen: Sequence[Token], begin: int, end: int) -> bool:
    around = (seen[begin - 1].written.lower() if begin else "", seen[end].written.lower() if end < len(seen) else "")
    return not set(around).isdisjoint(_COMPUTING)


def _widened(seen: Sequence[Token], side: _Side) -> _Side:
    """The same with what keeps its type: parentheses, the greatest and least, a subquery of nothing else."""
    begin, end, wrap = side.begin, side.end, "…"
    while begin and end < len(seen) and not _is_computed(seen, begin, end):
        called, closes = seen[begin - 2].name if begin > 1 else "", seen[end].written == ")"
        if seen[begin - 1].written == "(" and closes and called in ("max", "min"):
            begin, end, wrap = begin - 2, _behind_window(seen, end + 1), f"{called}({wrap})"
        elif seen[begin - 1].written == "(" and closes and called in _NO_CALL:
            begin, end = begin - 1, end + 1
        elif seen[begin - 1].name == "select" and seen[end].name == "from" and _is_value(seen, begin - 2):
            begin, end, wrap = begin - 2, _closed(seen, begin - 2), f"(select {wrap} …)"
        else:
            break
    text = wrap.replace("…", side.text, 1) if side.kinds else side.text
    return side._replace(begin=begin, end=end, text=text)


def _first_known(seen: Sequence[Token], alone: Mapping[int, _Side]) -> Iterator[_Side]:
    """The first of some columns and texts that is known."""
    for at in range(len(seen) - 1):
        if seen[at].name in _FIRST_KNOWN and seen[at + 1].written == "(":
            several = []
            end = at + 1
            while end + 1 in alone and seen[end].written in ("(", ","):
                several.append(alone[end + 1])
                end = several[-1].end
            kinds = tuple(kind for each in several for kind in each.kinds)
            if kinds and end < len(seen) and seen[end].written == ")":
                yield _Side(at, end + 1, kinds, f"{seen[at].written}(…)", "")


def _behind_window(seen: Sequence[Token], at: int) -> int:
    """Behind the FILTER and OVER of an aggregate."""
    for word in ("filter", "over"):
        if at + 1 < len(seen) and seen[at].name == word:
            at = _closed(seen, at + 1)
    return at


def _is_value(seen: Sequence[Token], at: int) -> bool:
    """Whether a parenthesis opens a subquery that is a value."""
    return at > 0 and seen[at].written == "(" and seen[at - 1].name in _NO_CALL


def _given(seen: Sequence[Token], sides: Mapping[int, _Side]) -> dict[str, tuple[ColumnType, ...]]:
    """The types of what the query gives names: where it gives one to columns alone, theirs."""
    ends = {side.end: side.kinds for side in sides.values()}
    found: dict[str, list[tuple[ColumnType, ...]]] = {}
    for at, token in enumerate(seen[:-1]):
        if token.name == "as" and seen[at + 1].written != "(":
            found.setdefault(seen[at + 1].name, []).append(ends.get(at, ()))
        elif token.name == "as" and seen[at - 1].written == ")":  # WITH and a list of names
            opened = max((number for number in range(at) if seen[number].written == "("), default=at)
            names = [each.name for each in seen[opened:at] if each.name]
            for name, end in zip_longest(names, _ends_of_columns(seen, at + 2)):
                found.setdefault(name or "", []).append(ends.get(end or 0, ()))
    return {name: tuple({kind: None for each in kinds for kind in each}) * all(kinds) for name, kinds in found.items()}


def _ends_of_columns(seen: Sequence[Token], at: int) -> Iterator[int]:
    """Behind each of the columns that a SELECT lists."""
    depth = 0
    for number in range(at, len(seen)):
        written = seen[number].written.lower()
        if not depth and written in (",", "from", ")"):
            yield number
            if written != ",":
                return
        depth += {"(": 1, ")": -1}.get(written, 0)


def _closed(seen: Sequence[Token], at: int) -> int:
    """Behind the parenthesis that closes the one at a number."""
    depth = 0
    for number in range(at, len(seen)):
        depth += {"(": 1, ")": -1}.get(seen[number].written, 0)
        if not depth:
            return number + 1
    return len(seen)


def _named(seen: Sequence[Token], columns: Mapping[str, Any]) -> dict[str, str]:
    """Inputs by the names that they have in the query; empty texts by those of subqueries and of what WITH gives."""
    named = {name: name for name in columns}
    for at, token in enumerate(seen):
        end = at + 1
        if token.written == "(" and at + 1 < len(seen) and seen[at + 1].name in ("select", "with"):
            end = _closed(seen, at)
            if at > 1 and seen[at - 1].name == "as":
                named.setdefault(seen[at - 2].name, "")
        rest = [each for each in seen[end : end + 2] if each.name != "as"][:1]
        if rest and rest[0].name and rest[0].name not in _NO_ALIAS and (end > at + 1 or token.name in named):
            named[rest[0].name] = named.get(token.name, "")
    return named


def _compared(seen: Sequence[Token], side: _Side, sides: Mapping[int, _Side]) -> Iterator[tuple[str, _Side]]:
    """What a column is compared with, and how: as if the column stood to the left."""
    words = [each.written.lower() for each in seen[side.end :]]
    skipped = next((n for n, word in enumerate(words) if word != "not"), 0)
    words = words[skipped:]
    at = side.end + skipped
    if words[:1] == ["is"] and words[1:2] == ["not"]:
        at, words = at + 1, ["is", *words[2:]]
    if words and words[0] in _OPERATORS and at + 1 in sides:
        yield words[0], sides[at + 1]
    elif words[:1] == ["between"] and at + 1 in sides:
        yield ">=", sides[at + 1]
        last = sides.get(sides[at + 1].end + 1)
        if last is not None:
            yield "<=", last
    elif words[:2] == ["in", "("] and words[2:3] not in (["select"], ["with"], ["values"]):
        end = at + words.index(")") if ")" in words else len(seen)
        yield from (("=", each) for number, each in sides.items() if at + 1 < number < end)
    before = seen[side.begin - 1].written if side.begin else ""
    if before == "(" and side.begin > 1 and seen[side.begin - 2].name in _FIRST_KNOWN and all(map(_form, side.kinds)):
        end = _closed(seen, side.begin - 1)
        yield from (("=", each) for number, each in sides.items() if side.begin < number < end)
    other = next((each for each in sides.values() if each.end == side.begin - 1 and not each.kinds), None)
    if before in _OPERATORS and other is not None:
        yield _FLIPPED.get(before, before), other


def _wrong(column: _Side, sign: str, other: _Side) -> tuple[str, str] | None:
    found = [_wrong_of(column, kind, sign, other, also) for kind in column.kinds for also in other.kinds or (None,)]
    return next((each for each in found if each is not None), None)


def _wrong_of(
    column: _Side, kind: ColumnType, sign: str, other: _Side, also: ColumnType | None
) -> tuple[str, str] | None:
    """Say what is wrong where a column of one type is compared with one of another, or with a text."""
    form, name = _form(kind), column.text
    if also is not None:
        theirs = _form(also)
        if not form or not theirs or form == theirs:
            return None
        message = f"compares `{name}`, {kind}, with `{other.text}`, {also}: texts of two forms to SQLite"
        for short, long, which in ((form, theirs, name), (theirs, form, other.text)):
            if long.startswith(short):
                return message, f"bring both to one form: `{which} || '{long[len(short) :]}'`"
        return message, "bring both to one form, as with `date(…)`"
    if not form:
        if kind.id == "bool" and other.text not in ("0", "1"):
            return f"compares `{name}`, bool, with {other.written}, a text to SQLite", "write `true` or `false`"
        is_number = kind.is_integer or kind.is_float or kind.id in ("decimal128", "duration")
        if is_number and not _NUMBER.fullmatch(other.text):
            return f"compares `{name}`, {kind}, with {other.written}, a text to SQLite", "write a number"
        return None
    if re.fullmatch(re.sub("0", r"\\d", form.replace(".", r"\.")), other.text) or not _MOMENT.fullmatch(other.text):
        return None
    rest = form[len(other.text) :]
    begins = _BEGINNING.fullmatch(other.text) and re.sub(r"\d", "0", other.text) + rest == form
    if begins and sign in _BY_BEGINNING:
        return None
    message = f"compares `{name}`, {kind}, with {other.written}: texts of two forms to SQLite"
    if not begins:
        return message, f"write a text of the form `{form}`"
    is_literal = other.written.startswith("'")
    return message, f"write '{other.text}{rest}'" if is_literal else f"write `{other.written} || '{rest}'`"


def _form(kind: ColumnType) -> str:
    """What a moment of a type looks like in SQLite, with zeros for digits; empty for what is no text there."""
    kind = kind.item if kind.id == "dictionary" else kind
    match kind.id:
        case "date32":
            return "0000-00-00"
        case "timestamp":
            return f"0000-00-00 00:00:00{_FRACTION[str(kind.unit)]}{'Z' if kind.timezone else ''}"
        case "time32" | "time64":
            return f"00:00:00{_FRACTION[str(kind.unit)]}"
    return ""
