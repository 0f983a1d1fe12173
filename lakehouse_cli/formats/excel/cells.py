"""From the values of cells to a declared type, exactly; what does not fit becomes `UNFIT`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS
from lakehouse_cli.model import ColumnType

#: Stands for a value that the type does not hold.
UNFIT: Any = object()
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)
_DAY = 86_400_000_000
# Beyond these two whole numbers may be the same float.
_WHOLE_FLOATS = 1 << 53


def value_for(column_type: ColumnType) -> Callable[[Any], Any]:
    """Choose the function that makes a value of a type of a cell's, as Arrow's integer for a moment, or `UNFIT`.

    Cells with text, and with numbers for a decimal, go by their text instead.
    """
    kind = column_type.plain
    if kind.is_integer:
        bits = int(kind.id.lstrip("uint"))
        low, high = (0, 2**bits - 1) if kind.id.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return lambda value: _within(_whole(value), low, high)
    if kind.is_float:
        return _float
    if kind.id == "bool":
        return lambda value: value if type(value) is bool else UNFIT
    if kind.id == "date32":
        return _date
    if kind.id in ("timestamp", "time32", "time64", "duration"):
        count = {"timestamp": _since_1970, "duration": _span}.get(kind.id, _time_of_day)
        return lambda value: _in_unit(count(value), kind.unit or "us")
    return lambda _: UNFIT  # text alone becomes text


def _whole(value: Any) -> Any:
    if type(value) is float and value.is_integer() and abs(value) <= _WHOLE_FLOATS:
        return int(value)
    return value if type(value) is int else UNFIT


def _within(value: Any, low: int, high: int) -> Any:
    return value if value is not UNFIT and low <= value <= high else UNFIT


def _float(value: Any) -> Any:
    if type(value) is int:
        return float(value) if abs(value) < 1 << 1000 and int(float(value)) == value else UNFIT
    return value if type(value) is float else UNFIT


def _date(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        days, rest = divmod(value - _EPOCH, dt.timedelta(days=1))
        return UNFIT if rest else days
    return (value - _EPOCH.date()).days if isinstance(value, dt.date) else UNFIT


def _since_1970(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _MICROSECOND
    return (value - _EPOCH.date()).days * _DAY if isinstance(value, dt.date) else UNFIT


def _span(value: Any) -> Any:
    """A duration; a time of day is one too, as Excel has it."""
    return value // _MICROSECOND if isinstance(value, dt.timedelta) else _clock(value)


def _time_of_day(value: Any) -> Any:
    count = _span(value)
    return _within(count, 0, _DAY - 1)


def _clock(value: Any) -> Any:
    if not isinstance(value, dt.time):
        return UNFIT
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 10**6 + value.microsecond


def _in_unit(microseconds: Any, unit: str) -> Any:
    """A count of microseconds as one of a unit, if it is whole and fits 64 bits."""
    if microseconds is UNFIT:
        return UNFIT
    count, lost = divmod(microseconds * UNITS[unit], 10**6)
    return UNFIT if lost else _within(count, -(1 << 63), (1 << 63) - 1)
