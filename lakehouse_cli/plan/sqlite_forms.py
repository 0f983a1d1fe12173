"""What the values of queries in SQLite are, and which of them SQLite compares as something else.

SQLite keeps dates and times as texts and durations as integers, and compares them as such: right where both are of one
form or unit alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lakehouse_cli.model import ColumnType

DATE, TIME = "0000-00-00", "00:00:00"
#: Functions and words that make moments, and their forms.
MAKERS = {"date": DATE, "datetime": f"{DATE} {TIME}", "time": TIME}
MAKERS |= {"current_date": DATE, "current_timestamp": f"{DATE} {TIME}", "current_time": TIME}
#: What a date or time may look like that is written in another form than a column's.
MOMENT = re.compile(r"\d{4}-\d\d?-\d\d?([ T].*)?|\d\d?:\d\d.*", re.DOTALL)
#: A form that others may begin with.
FORM = re.compile(r"0000-00-00( 00:00(:00(\.0+)?)?Z?)?|00:00(:00(\.0+)?)?Z?")
_FRACTION = {"s": "", "ms": ".000", "us": ".000000", "ns": ".000000000"}
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
#: Comparisons of a moment with one of a form that its own begins with, which are right of texts.
_BY_BEGINNING = ("<", ">=")
#: What is compared with what: messages begin with the first.
_OF_NUMBERS = ("duration", "bool", "decimal", "number")
_RANKS = ("moment", "blob", *_OF_NUMBERS, "text", "unknown")


class Value(NamedTuple):
    """What an expression may be.

    Attributes:
        kind: ``moment``, ``duration``, ``number``, ``bool``, ``decimal``, ``text``, ``blob``, or ``unknown``.
        name: How messages call it.
        type: As it is declared.
        form: Of a moment, with zeros for digits; the unit of a duration; what stands there of a literal.
        is_literal: Whether it is such a text.
        is_column: Whether SQLite knows its type, and makes it of what it is compared with.
    """

    kind: str
    name: str
    type: str = ""
    form: str = ""
    is_literal: bool = False
    is_column: bool = False

    @property
    def written(self) -> str:
        """As messages show it."""
        if self.is_literal:
            return f"'{self.form}'"
        return f"`{self.name}`, {self.type}" if self.type else f"`{self.name}`"

    def within(self, pattern: str) -> Value:
        """The same as an expression around it gives it."""
        return self if self.is_literal else self._replace(name=pattern.replace("…", self.name, 1), is_column=False)


#: All that an expression may be; nothing for null.
Values = tuple[Value, ...]


def of_column(name: str, kind: ColumnType) -> Value:
    """What a column of a declared type is."""
    plain = kind.plain
    unit = str(plain.unit)
    match plain.id:
        case "date32":
            return Value("moment", name, str(kind), DATE, is_column=True)
        case "timestamp":
            form = f"{DATE} {TIME}{_FRACTION[unit]}{'Z' if plain.timezone else ''}"
            return Value("moment", name, str(kind), form, is_column=True)
        case "time32" | "time64":
            return Value("moment", name, str(kind), f"{TIME}{_FRACTION[unit]}", is_column=True)
        case "duration":
            return Value("duration", name, str(kind), unit, is_column=True)
    kinds = {"bool": "bool", "decimal128": "decimal", "string": "text", "binary": "blob"}
    of = "number" if plain.is_integer or plain.is_float else kinds.get(plain.id, "unknown")
    return Value(of, name, str(kind), is_column=True)


def _zeros(value: Value) -> str:
    """The form of a moment, or of a text that stands there."""
    return re.sub(r"\d", "0", value.form)


def times_a_number(duration: Value, times: str) -> Value:
    """A duration times a number, which makes it one of a finer unit where it is such as 1000."""
    units = [*_FRACTION]
    for finer, unit in enumerate(units[units.index(duration.form) + 1 :], 1):
        if times == str(1000**finer):
            return Value("duration", f"{duration.name} * {times}", f"duration[{unit}]", unit)
    return duration.within("… * …")


def part(values: Values, numbers: Sequence[str]) -> str:
    """The form of what `substr` takes of a moment; empty where that is not known."""
    if len(values) != 1 or values[0].kind != "moment" or not all(each.isdecimal() for each in numbers):
        return ""
    begin, *length = map(int, numbers)
    rest = values[0].form[max(begin - 1, 0) :]
    return rest[: length[0]] if length else rest


def joined(parts: Sequence[Values]) -> Values:
    """What texts one behind the other are: a moment where one of them is and they have the form of one."""
    known = [each[0] for each in parts if len(each) == 1 and (each[0].kind == "moment" or each[0].is_literal)]
    form = "".join(map(_zeros, known))
    if len(known) == len(parts) and any(each.kind == "moment" for each in known) and FORM.fullmatch(form):
        return (Value("moment", "… || …", form=form),)
    return (Value("text", "… || …"),)


def wrong(one: Value, sign: str, other: Value, verb: str) -> tuple[str, str] | None:
    """Say what is wrong where a value is compared with another or becomes one column with it, and what to write."""
    if _RANKS.index(other.kind) < _RANKS.index(one.kind):
        one, sign, other = other, _FLIPPED.get(sign, sign), one
    comma, word = "," if one.type else "", "as" if verb == "stores" else "with"
    message = f"{verb} {one.written}{comma} {word} {other.written}"
    if one.kind == "moment":
        if not other.is_literal and other.kind != "moment":
            if one.is_column and other.kind == "number" and other.form:
                return None  # which becomes a text there, as the beginning of a moment
            if other.kind in ("blob", *_OF_NUMBERS):
                return f"{message}, which is no text", f"write a text of the form `{one.form}`"
            made = next(name for name in ("datetime", "date", "time") if one.form.startswith(MAKERS[name]))
            rest = one.form[len(MAKERS[made]) :]
            written = f"{made}({other.name})" + (f" || '{rest}'" if rest else "")
            return f"{message}, which may have another form as a text", f"write `{written}`"
        return _wrong_forms(message, one, sign, other)
    if one.kind == other.kind == "duration" and one.form != other.form:
        return f"{message}: numbers of two units to SQLite", _one_unit(one, other, verb)
    if one.kind == "blob" and other.kind not in ("blob", "unknown"):
        return f"{message}: bytes are never a text or a number to SQLite", "write `x'…'` or `cast(… as blob)`"
    if one.kind in _OF_NUMBERS and other.kind == "text":
        return _wrong_number(message, one, other)
    return None


def _one_unit(one: Value, other: Value, verb: str) -> str:
    """What to write where durations are of two units; the second is that of the result where it is stored."""
    if verb == "stores":
        return f"declare `{other.name}` as {one.type}"
    coarse, fine = sorted((one, other), key=lambda each: len(_FRACTION[each.form]))
    times = 1000 ** (len(_FRACTION[fine.form]) // 3 - len(_FRACTION[coarse.form]) // 3)
    return f"bring both to one unit: `{coarse.name} * {times}`"


def _wrong_forms(message: str, one: Value, sign: str, other: Value) -> tuple[str, str] | None:
    form = _zeros(other)
    if one.form == form or (other.is_literal and not MOMENT.fullmatch(other.form)):
        return None
    begins, is_begun = FORM.fullmatch(form) and one.form.startswith(form), form.startswith(one.form)
    if (begins and sign in _BY_BEGINNING) or (is_begun and _FLIPPED.get(sign, sign) in _BY_BEGINNING):
        return None
    message += ": texts of two forms to SQLite"
    if other.is_literal:
        return (
            message,
            f"write '{other.form}{one.form[len(form) :]}'" if begins else f"write a text of the form `{one.form}`",
        )
    if not begins and not is_begun:
        return message, "bring both to one form, as with `datetime(…)` or `date(…)`"
    short, rest = (other, one.form[len(form) :]) if begins else (one, form[len(one.form) :])
    return message, f"bring both to one form: `{short.name} || '{rest}'`"


def _wrong_number(message: str, one: Value, other: Value) -> tuple[str, str] | None:
    if one.kind == "decimal" and not one.is_column:
        digits = re.findall(r"\d+", one.type)[-1]
        hint = f"write `cast({one.name} as real)` to compare a number, `printf('%.{digits}f', {one.name})` a text"
        return f"{message}, a text: to SQLite it is one too, or less than any", hint
    if not other.is_literal:
        if one.is_column or (one.form and other.is_column):
            return None
        return f"{message}, a text, which is more than any number to SQLite", f"write `cast({other.name} as integer)`"
    message += ", a text to SQLite"
    if one.kind == "bool":
        return None if one.is_column and other.form in ("0", "1") else (message, "write `true` or `false`")
    if _NUMBER.fullmatch(other.form) and one.is_column:
        return None
    return message, "write a number"
