"""Comparisons in queries of SQLite that give other rows than the types of the columns say, found by tokens.

SQLite keeps dates and times as texts and compares them as such: right where both are of one form alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
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
    """What is compared: a text, or a column.

    Attributes:
        begin: Of the first token, by its number.
        end: After the last.
        kinds: What the column may be; empty for a text.
        text: The text, or its form; of a column its name.
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
    named = _named(seen, columns)
    given = {seen[at + 1].name for at in range(len(seen) - 1) if seen[at].name == "as"}
    found: dict[int, _Side] = {}
    for at, token in enumerate(seen):
        before = seen[at - 1].written if at else ""
        after = seen[at + 1].written if at + 1 < len(seen) else ""
        begin, end, kinds, value, written = at, at + 1, [], None, ""
        if token.name in _MAKERS and before != "." and (after == "(") != token.name.startswith("current"):
            end = _closed(seen, at + 1) if after == "(" else end
            after = seen[end].written if end < len(seen) else ""
            value, written = _MAKERS[token.name], token.written + ("(…)" if end > at + 1 else "")
        elif after in (".", "("):
            continue
        elif token.kind == "text":
            value = token.value
        elif token.kind == "param" and token.written[0] == "$":
            param = params.get(token.written[1:])
            param = param.isoformat(" ") if isinstance(param, datetime) else param
            value = param.isoformat() if isinstance(param, date) else param
        elif token.name and before == ".":
            begin = at - 2
            table = named.get(seen[begin].name) if at > 1 else None
            kinds = [columns[table][token.name]] if table is not None and token.name in columns[table] else []
        elif token.name and token.name not in given:
            kinds = [each[token.name] for each in columns.values() if token.name in each]
        around = (seen[begin - 1].written.lower() if begin else "", after.lower())
        if (kinds or isinstance(value, str)) and not set(around) & set(_COMPUTING):
            text = value if isinstance(value, str) else token.value
            found[begin] = _Side(begin, end, tuple(kinds), text, written or (text if kinds else f"'{text}'"))
    return found


def _closed(seen: Sequence[Token], at: int) -> int:
    """Behind the parenthesis that closes the one at a number."""
    depth = 0
    for number in range(at, len(seen)):
        depth += {"(": 1, ")": -1}.get(seen[number].written, 0)
        if not depth:
            return number + 1
    return len(seen)


def _named(seen: Sequence[Token], columns: Mapping[str, Any]) -> dict[str, str]:
    """Inputs by the names that they have in the query."""
    named = {name: name for name in columns}
    for at, token in enumerate(seen):
        rest = [each for each in seen[at + 1 : at + 3] if each.name != "as"][:1]
        if token.name in columns and rest and rest[0].name and rest[0].name not in _NO_ALIAS:
            named[rest[0].name] = token.name
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
