"""Values of every kind of column type, at the edges of what it holds: what a storage must give back, or refuse."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Mapping
from typing import Any

_DAY = dt.date(2024, 2, 29)
_MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59)  # wall-clock time; with a time zone it is UTC
_FIRST, _LAST = dt.datetime(1970, 1, 1), dt.datetime(2199, 12, 31, 23, 59, 59)

#: By the text of the type; each with a null, which every type has.
VALUES: Mapping[str, list[Any]] = {
    **{f"int{bits}": [-(2 ** (bits - 1)), 0, None, 2 ** (bits - 1) - 1] for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": [0, None, 2**bits - 1] for bits in (8, 16, 32, 64)},
    "float32": [0.5, None, -1.5, 2.0**100, 1.401298464324817e-45],
    "float64": [0.1, None, -1.7976931348623157e308, 5e-324, 0.30000000000000004],
    "bool": [True, None, False],
    "string": ["", None, "007", " x ", "NULL", 'a,"b"\n\\c', "fünf 表 🦆"],
    "binary": [b"", None, b"\x00\xff\n,"],
    "date32": [_DAY, None, dt.date(1, 1, 1), dt.date(9999, 12, 31)],
    "timestamp[s]": [_MOMENT, None, _FIRST, _LAST],
    "timestamp[ms]": [_MOMENT.replace(microsecond=123_000), None, _LAST],
    "timestamp[us]": [_MOMENT.replace(microsecond=123_456), None, _LAST],
    "timestamp[ns]": [1_709_251_199_123_456_789, None, 0],
    "timestamp[us, tz=UTC]": [_MOMENT.replace(microsecond=1), None, _LAST],
    "timestamp[us, tz=Europe/Berlin]": [_MOMENT.replace(microsecond=1), None, _FIRST],
    "time32[s]": [dt.time(0, 0), None, dt.time(23, 59, 59)],
    "time32[ms]": [dt.time(0, 0), None, dt.time(23, 59, 59, 999_000)],
    "time64[us]": [dt.time(0, 0), None, dt.time(23, 59, 59, 999_999)],
    "time64[ns]": [0, None, 86_399_999_999_999],
    "duration[s]": [dt.timedelta(days=-3, seconds=1), None, dt.timedelta(days=10_000)],
    "duration[us]": [dt.timedelta(microseconds=-1), None, dt.timedelta(days=10_000, microseconds=1)],
    "decimal128(10, 2)": [decimal.Decimal("-99999999.99"), None, decimal.Decimal("0.10")],
    "decimal128(38, 10)": [decimal.Decimal("9999999999999999999999999999.9999999999"), None, decimal.Decimal("0E-10")],
    "dictionary<string>": ["a", None, "b", "a", ""],
    "list<int64>": [[], None, [1, None, 2**63 - 1]],
    "list<string>": [["", None, "x"], None, []],
    "struct<a: int64, b: string>": [{"a": 1, "b": ""}, None, {"a": None, "b": "x"}],
    "map<string, int64>": [[("b", 1), ("", None)], None, [], [("ü", 2**63 - 1)]],
    "map<date32, list<string>>": [[(_DAY, ["x", None]), (dt.date(1, 1, 1), None)], None, []],
}

#: Floats that are not numbers, by the text of their type, beside nulls.
NOT_A_NUMBER: Mapping[str, list[Any]] = {
    "float64": [1.0, math.nan, None],
    "float32": [1.0, math.nan, None],
    "list<float64>": [[1.0, math.nan, None], None, [math.nan]],
    "struct<f: float32>": [{"f": math.nan}, {"f": None}, None],
}
