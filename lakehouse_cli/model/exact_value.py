"""Bounds and members of checks: the text of a value → exactly that value of a column's type, or why it has none.

Numbers are Python's; dates, times and durations are whole numbers in the unit of their type.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from lakehouse_cli.model.column_type import ColumnType

_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
_TIME = re.compile(_CLOCK)
_MOMENT = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[Tt ]{_CLOCK}\s*(Z|z|[-+]\d\d(?::?\d\d)?)?)?")
_SPAN = re.compile(r"([-+]?\d+)\s*(ns|us|ms|s|m|h|d|w)")
_IN_NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_IN_NS |= {"d": 86400 * 10**9, "w": 7 * 86400 * 10**9}
_EPOCH = date(1970, 1, 1).toordinal()


class UnfitValueError(ValueError):
    """A text that is no value of a type; `hint` says what to write."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def exact_value(text: str, kind: ColumnType) -> Any:
    """The value that a text is in a column's type.

    Args:
        text: As it is written.
        kind: A number, text, truth value, date, time, timestamp or duration; of a dictionary, that of its values.

    Returns:
        `int` for whole numbers, and for dates (days since 1970), timestamps, times and durations (in the type's unit);
        `float`, `decimal.Decimal`, `str` or `bool`.

    Raises:
        UnfitValueError: The type does not have exactly this value.
    """
    kind = kind.plain
    if kind.id == "string":
        return text
    if kind.id == "bool":
        if text.lower() not in ("true", "false"):
            raise UnfitValueError(f"`{text}` is not `true` or `false`", "write `true` or `false`")
        return text.lower() == "true"
    if kind.is_float:
        return _float(text, kind)
    if kind.is_integer:
        return _integer(text, kind)
    if kind.id == "decimal128":
        return _decimal(text, kind)
    if kind.id == "duration":
        found = _SPAN.fullmatch(text)
        if found is None:
            raise UnfitValueError(f"`{text}` is no duration", "write a whole number and a unit: `90s`, `500ms`, `2d`")
        return _whole(int(found[1]) * _IN_NS[found[2]], kind, text)
    if kind.id.startswith("time") and kind.id != "timestamp":
        return _time(text, kind)
    return _moment(text, kind)


def _number(text: str) -> Any:
    from decimal import Decimal

    if not _NUMBER.fullmatch(text):
        raise UnfitValueError(f"`{text}` is no number", "write digits, such as `100` or `-0.5`")
    return Decimal(text)


def _integer(text: str, kind: ColumnType) -> int:
    number = _number(text)
    if number != number.to_integral_value():
        raise UnfitValueError(f"`{text}` is no whole number, and the column is {kind}", "round it, as is meant")
    bits = int(kind.id.rpartition("int")[2])
    low, high = (0, 2**bits - 1) if kind.id.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise UnfitValueError(f"`{text}` is outside of {kind}, from {low} to {high}", "the column never has it")
    return int(number)


def _float(text: str, kind: ColumnType) -> float:
    special = _SPECIAL.get(text.lower())
    if special is not None:
        return float(special)
    from math import isinf
    from struct import pack, unpack

    number = _number(text)
    value = float(number)
    if kind.id == "float32" and not isinf(value):
        try:
            value = unpack("f", pack("f", value))[0]
        except OverflowError:
            value = float("inf")
    if isinf(value):
        raise UnfitValueError(f"`{text}` is outside of {kind}", "the column never has it")
    # Beyond 2^53, written with a point or an exponent as a float is (1e300), it is that float.
    if number == number.to_integral_value() and value != number and not _is_spelling(text, number, value, kind):
        hint = f"the nearest it has is {int(value)}"
        raise UnfitValueError(f"{kind} does not have the whole number `{text}`", hint)
    return value


def _is_spelling(text: str, number: Any, value: float, kind: ColumnType) -> bool:
    """Whether a text that is no integer has the fewest digits that tell a float from all others, as Python has them."""
    from decimal import Decimal
    from struct import pack

    if text.lstrip("+-").isdigit():
        return False
    if Decimal(repr(value)) == number or kind.id == "float64":
        return bool(Decimal(repr(value)) == number)
    shorter = (f"{value:.{digits}g}" for digits in range(1, 10))
    return bool(next(Decimal(each) == number for each in shorter if pack("f", float(each)) == pack("f", value)))


def _decimal(text: str, kind: ColumnType) -> Any:
    number = _number(text)
    precision, scale = kind.precision or 0, kind.scale or 0
    _, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).rstrip("0") if number else ""
    zeros = len(digits) - len(significant)
    last = int(exponent) + zeros
    if number and (-last > scale or len(significant) + last > precision - scale):
        raise UnfitValueError(f"{kind} does not have the value `{text}`", f"write no more than {scale} decimals")
    return number


def _time(text: str, kind: ColumnType) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise UnfitValueError(f"`{text}` is no time", "write it as in `14:30` or `14:30:00`")
    return _whole(_nanoseconds(found.groups(), text), kind, text)


def _nanoseconds(clock: Any, text: str) -> int:
    hours, minutes, seconds, fraction = clock
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        raise UnfitValueError(f"`{text}` is no time of a day", "write it as in `14:30:00`")
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return whole * 10**9 + int((fraction or "0").ljust(9, "0"))


def _moment(text: str, kind: ColumnType) -> int:
    found = _MOMENT.fullmatch(text)
    example = {"date32": "2024-01-31"}.get(kind.id, "2024-01-31 14:30:00")
    example += "Z" if kind.timezone else ""
    if found is None:
        raise UnfitValueError(f"`{text}` is no {'date' if kind.id == 'date32' else 'timestamp'}", f"write `{example}`")
    try:
        days = date.fromisoformat(found[1]).toordinal() - _EPOCH
    except ValueError:
        raise UnfitValueError(f"`{text}` is no day of the calendar", "correct it") from None
    if kind.id == "date32":
        if found[2] is not None:
            raise UnfitValueError(f"`{text}` has a time, and the column is date32", f"write `{found[1]}`")
        return days
    zone = found[6]
    if (zone is None) != (kind.timezone is None):
        what = "has no zone, and the column has" if zone is None else "has a zone, and the column has none"
        raise UnfitValueError(f"`{text}` {what}", f"write it as in `{example}`")
    moment = days * 86400 * 10**9 + (_nanoseconds(found.groups()[1:5], text) if found[2] is not None else 0)
    if zone is not None and zone not in "Zz":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        shift = (int(digits[:2]) * 60 + int(digits[2:])) * 60 * 10**9
        moment += shift if zone[0] == "-" else -shift
    return _whole(moment, kind, text)


def _whole(nanoseconds: int, kind: ColumnType, text: str) -> int:
    ticks, rest = divmod(nanoseconds, 10**9 // _TICKS[kind.unit or "s"])
    if rest or not -(2**63) < ticks < 2**63:
        raise UnfitValueError(f"{kind} does not have the value `{text}`", f"it counts in {kind.unit}")
    return ticks
