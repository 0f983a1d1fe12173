"""Bounds and members of every type are exactly the values that are written."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.errors import ContractError
from lakehouse_cli.model import Column, Contract, Table, parse_column_type
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.exact_value import UnfitValueError, exact_value
from tests.cases import each_case

UTC = dt.UTC
LAST = dt.datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)
FIRST = dt.datetime(2024, 1, 1, tzinfo=UTC)
BIG = Decimal("1234567890123456789012345678.0000000001")
#: A type, a bound as it is written, the value that it is, and the next smaller one.
CASES: list[tuple[str, str, Any, Any, pa.DataType]] = [
    ("timestamp[us, tz=UTC]", "2024-01-01T01:00+01:00", FIRST, LAST, pa.timestamp("us", "UTC")),
    ("timestamp[s, tz=Europe/Zurich]", "2024-01-01 00:00Z", FIRST, LAST, pa.timestamp("s", "Europe/Zurich")),
    ("timestamp[ns]", "2024-01-01 00:00:00.000000001", 1704067200 * 10**9 + 1, 1704067200 * 10**9, pa.timestamp("ns")),
    ("time32[s]", "12:00", dt.time(12), dt.time(11, 59, 59), pa.time32("s")),
    ("time64[ns]", "12:00:00.000000001", 43_200 * 10**9 + 1, 43_200 * 10**9, pa.time64("ns")),
    ("duration[ms]", "90s", dt.timedelta(seconds=90), dt.timedelta(seconds=89), pa.duration("ms")),
    ("uint64", str(2**64 - 1), 2**64 - 1, 2**64 - 2, pa.uint64()),
    ("int64", str(-(2**63) + 1), -(2**63) + 1, -(2**63), pa.int64()),
    ("float32", "0.1", 0.1, 0.0999999, pa.float32()),
    ("float64", "1e300", 1e300, 9.999999999999999e299, pa.float64()),
    ("float64", "-1.7976931348623155E+308", -1.7976931348623155e308, -1.7976931348623157e308, pa.float64()),
    ("float32", "1e30", 1e30, 0.9999999e30, pa.float32()),
    ("float32", "3.4028234663852886e+38", 3.4028234663852886e38, 3.40282e38, pa.float32()),
    ("decimal128(38, 10)", str(BIG), BIG, BIG - Decimal("1e-10"), pa.decimal128(38, 10)),
    ("date32", "0001-01-02", dt.date(1, 1, 2), dt.date(1, 1, 1), pa.date32()),
    ("dictionary<int64>", "3", 3, 2, pa.dictionary(pa.int32(), pa.int64())),
]


@each_case(("kind", "bound", "value", "smaller", "type_"), CASES)
def test_bound_is_exact(kind: str, bound: str, value: Any, smaller: Any, type_: pa.DataType) -> None:
    checks = tuple(
        Check(kind=each, name=each, columns=("c",), arguments={"bound": bound, "values": [bound]})
        for each in ("min", "above", "max", "below", "in", "not_in", "unique")
    )
    table = Table(name="t", contract=Contract((Column("c", parse_column_type(kind)),), checks=checks))
    with closing(Judge(table, checks, Setting(Path(), FIRST, None))) as judge:  # type: ignore[arg-type]
        judge.piece(pa.table({"c": pa.array([value, smaller, None], type_)}))
        with pytest.raises(ContractError) as raised:
            judge.finish()
    found = {each.result.name: [example.row for example in each.result.examples] for each in raised.value.checks}
    assert found == {"min": [2], "above": [1, 2], "max": [], "below": [1], "in": [2], "not_in": [1], "unique": []}


@each_case(
    ("kind", "text"),
    [
        ("int8", "128"),
        ("int64", "1.5"),
        ("uint8", "-1"),
        ("float32", "1e39"),
        ("float64", str(2**53 + 1)),
        ("float64", f"{2**53 + 1}.0"),
        ("float64", "9.007199254740993e15"),
        ("float64", str(10**23)),
        ("float32", "123456789e3"),
        ("decimal128(4, 2)", "100"),
        ("decimal128(4, 2)", "0.001"),
        ("date32", "2023-02-29"),
        ("date32", "2024-01-01 10:00"),
        ("timestamp[s]", "2024-01-01 00:00:00.5"),
        ("timestamp[s]", "2024-01-01Z"),
        ("timestamp[s, tz=UTC]", "2024-01-01"),
        ("time32[s]", "24:00"),
        ("duration[s]", "1ms"),
        ("bool", "1"),
    ],
)
def test_value_that_a_type_lacks_is_refused(kind: str, text: str) -> None:
    with pytest.raises(UnfitValueError) as raised:
        exact_value(text, parse_column_type(kind))
    assert raised.value.hint
