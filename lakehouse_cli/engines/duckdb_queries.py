"""What a query in DuckDB is given beside its tables, params and the time; and what is passed on of its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lakehouse_cli.text.sql import literal, quote

# DECIMAL has no more digits.
_DIGITS = 38

_SETTING = re.compile(r"(, or|[.!] Use) \"?SET \w+( TO |=).*")


def without_settings(message: str) -> str:
    """Return an error of DuckDB without its advice to change a setting, which no query here can do.

    >>> without_settings("Division by zero. Use TRY(...) to return NULL, or SET error_on_division_by_zero=false to …")
    'Division by zero. Use TRY(...) to return NULL'
    """
    return _SETTING.sub("", message)


def bound_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as DuckDB binds them: numbers with a point as decimals, by their text."""
    return {name: _bound(value) for name, value in params.items()}


def _bound(value: Any) -> Any:
    if isinstance(value, float):
        if not value:  # of a decimal, zero has no sign
            return value
        exact = Decimal(repr(value))
        digits, exponent = len(exact.as_tuple().digits), exact.as_tuple().exponent
        if isinstance(exponent, int) and max(digits, digits + exponent, -exponent) <= _DIGITS:
            return exact
        return value
    if isinstance(value, Mapping):
        return {name: _bound(each) for name, each in value.items()}
    return [_bound(each) for each in value] if isinstance(value, (list, tuple)) else value


def clocks(now: datetime, *, temporary: bool = False) -> Iterator[str]:
    """Macros in the place of every function that asks for the time.

    Args:
        now: What they return.
        temporary: Whether they are of a connection alone.
    """
    create = "CREATE TEMP MACRO" if temporary else "CREATE MACRO"
    moment = f"TIMESTAMPTZ {literal(now.astimezone(UTC).isoformat())}"
    local = f"TIMESTAMP {literal(now.astimezone(UTC).replace(tzinfo=None).isoformat())}"
    of = {
        moment: ("now", "transaction_timestamp", "get_current_timestamp", "current_timestamp"),
        local: ("current_localtimestamp", "localtimestamp"),
        f"({local})::DATE": ("current_date", "today"),
        f"({local})::TIME": ("current_localtime", "localtime", "get_current_time", "current_time"),
    }
    for value, names in of.items():
        for name in names:
            yield f"{create} {quote(name)}() AS {value}"
    yield f"{create} age(a) AS system.main.age(({local})::DATE::TIMESTAMP, a), (a, b) AS system.main.age(a, b)"
