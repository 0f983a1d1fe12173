"""Rows in which conditions raise: those that raise alone, whatever else is beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import product
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakehouse_cli.checks.conditions import Condition, ConditionError, Conditions
from tests.cases import each_case

LARGE = 2**63 - 1
ROWS = [
    *product((None, 0, 3, LARGE, -LARGE - 1), (None, 0, -1, 2), ("7", "x"), (2.5,), (Decimal("1.50"),)),
    *product((3,), (2,), (None, "", "300"), (None, 0.0, -0.0, math.nan, math.inf, 1e300), (None, Decimal(0))),
]
TABLE = pa.table(
    list(map(list, zip(*ROWS, strict=True))),
    schema=pa.schema(
        [
            ("a", pa.int64()),
            ("b", pa.int32()),
            ("s", pa.string()),
            ("f", pa.float64()),
            ("d", pa.decimal128(9, 2)),
        ]
    ),
)
CONDITIONS = [
    "a + 1 > 0",
    "a * b > b - a",
    "-a < 0",
    "(a * 2 + 1) // b > 3 and s = '7'",
    "nullif(b, 0) + a // b > 1",
    "nullif(b, 0) * 2 > a % b",
    "a // b > 1 or b = 0",
    "b <> 0 and a % b > 1",
    "false and a // b > 1",
    "null or a // b > 1",
    "a // b + null > 1",
    "(a // b + null > 1) is null and a + 1 > 0",
    "a % b > 1 or a % b < 1",
    "a % b in (1, 2) or nullif(a % b, 1) > 5",
    "case a % b when 1 then true else s::int > 5 end",
    "case when b <> 0 then a // b end > 1",
    "coalesce(b, a // b) > 1",
    "(a // b > 1) is null",
    "not (a % b between 1 and a + 1)",
    "a between a + 1 and a - 1",
    "a in (a * 2, 7)",
    "10 // f > 1 and f % 2 > 0",
    "10.5 // b > 1 or d // b > 1 or a // d > 1",
    "d % b > 1 or f // d > 1",
    "s::int > 5",
    "s::tinyint > 5 and a::int > 1",
    "try_cast(s as int) + a > 5",
    "s::int::tinyint + b > 5",
    "f::int > 1 or f::decimal(5, 2) > d",
    "d::decimal(3, 2) > 1 and a::decimal(5, 0) > 1",
    "s::date > '2024-01-01'",
    "s::boolean",
    "[a]::int[] = [1]",
    "abs(a) > 1 and strptime(s, '%d') is not null",
    "b::utinyint - 1 > 0",
    "round(a::decimal(5, 2)) > 1 and length(s::int::varchar) > 0",
    "abs(a) > 1 and abs(b::utinyint) > greatest(a + 1, s::int)",
    "s::int in (1, 7) or s::int not in (b, 3)",
    "case when b > 0 then a // b > s::int when a > 0 then s::int > 5 else s::tinyint > 1 end",
    "case when s::int > 5 then a + 1 > 0 when b <> 0 then a % b > 1 end",
    "case when b = 0 then true else 10 // b + a > 1 end",
    "2 < coalesce(case when b > 0 then s::int end, a // b, a + 1)",
    "(case when f > 1 then d end)::decimal(2, 1) > 1 or list_contains([s::int], 7)",
    "d::decimal(38, 0) * a::decimal(19, 0) * a::decimal(19, 0) > 1",
    "a::decimal(38, 10) + 1 > 0 and (a::decimal(38, 10) * a) > 1",
    "list_transform([s], lambda x: x::int) = [7]",
    "strptime(s, '%d') > now() or concat(s::int, 'x') = '7x'",
]


@pytest.fixture(scope="module")
def conditions() -> Iterator[Conditions]:
    with closing(Conditions(None)) as opened:
        yield opened


def verdicts(conditions: Conditions, condition: Condition, table: pa.Table) -> list[object]:
    masks, errored = conditions.judge([condition], table)
    found = masks[condition.text].to_pylist()
    raised = errored[condition.text].to_pylist() if errored else [False] * len(found)
    return ["raised" if each else one for one, each in zip(found, raised, strict=True)]


@pytest.fixture(scope="module")
def alone(conditions: Conditions) -> Any:
    """A connection that has the rows numbered, of which a query may take one."""
    numbered = TABLE.append_column("n", pa.array(range(len(ROWS))))
    conditions.connection.register("numbered", numbered)
    conditions.connection.execute("CREATE TEMP TABLE alone AS FROM numbered")
    conditions.connection.unregister("numbered")
    return conditions.connection


@pytest.mark.slow
@each_case("text", CONDITIONS)
def test_rows_are_judged_as_if_alone(conditions: Conditions, alone: Any, text: str) -> None:
    together = verdicts(conditions, conditions.parse(text, TABLE.column_names), TABLE)
    # Rows that are equal in the columns of a condition are judged once.
    named = TABLE.select([name for name in TABLE.column_names if re.search(rf"\b{name}\b", text)])
    judged: dict[str, object] = {}
    rows = [repr(row) for row in zip(*named.to_pydict().values(), strict=True)]
    alone.execute(f"PREPARE one AS SELECT ({text})::BOOLEAN FROM alone WHERE n = $1")
    for at, row in enumerate(rows):
        if row not in judged:
            try:
                [judged[row]] = alone.execute(f"EXECUTE one({at})").fetchall()[0]
            except duckdb.Error:
                judged[row] = "raised"
    expected = [judged[row] for row in rows]
    assert together == expected
    expects_none = ("coalesce", "false", "a // b + null")
    assert ("raised" in expected) != text.startswith(expects_none), text


@pytest.mark.parametrize(
    "text",
    [
        "a + 1 > b",
        "b // (a - a) > 1",
        "s::int > b",
        "case when b >= 0 then abs(s::int) end > 1",
        "strptime(s, '%d') > now()",
    ],
)
def test_raising_rows_are_not_judged_one_by_one(
    conditions: Conditions, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []  # by what goes row by row where one raises
    judge = Conditions._judge_trying

    def judge_trying(self: Conditions, condition: Condition, data: pa.Table) -> Any:
        tried.append(len(data))
        return judge(self, condition, data)

    monkeypatch.setattr(Conditions, "_judge_trying", judge_trying)
    rows = 3000
    table = pa.table({"a": pa.array([LARGE] * rows), "b": pa.array(range(rows)), "s": pa.array(["x"] * rows)})
    assert verdicts(conditions, conditions.parse(text, table.column_names), table) == ["raised"] * rows
    assert tried == [0]


def test_what_raises_is_said(conditions: Conditions) -> None:
    condition = conditions.parse("a + 1 > 0", TABLE.column_names)
    said = conditions.why(condition, TABLE.filter(pa.compute.equal(TABLE["a"], LARGE)).slice(0, 1))
    assert said == f"Overflow in addition of INT64 ({LARGE} + 1)"
    with pytest.raises(ConditionError, match="calls `error`"):
        conditions.parse("error(s) or a > 1", TABLE.column_names)
