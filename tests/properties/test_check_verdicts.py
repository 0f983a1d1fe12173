"""One meaning of each kind of check: Arrow, DuckDB, polars and PostgreSQL give the same verdict on the same values.

The SQL beside each check is that of the table in `docs/checks.md`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.checks import judge as judging
from lakehouse_cli.checks import piece
from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.errors import ContractError
from lakehouse_cli.model import Column, Contract, Table, parse_column_type
from lakehouse_cli.model.check import Check, CheckRecord
from tests.servers.postgresql import PostgreSQL
from tests.unit.drawn_values import choices

ROWS = 24
NUMBERS = itertools.count(1)
NAN = math.nan
DAY = dt.date(2024, 2, 29)
COLUMNS = {
    "f": ("float64", [0.0, -0.0, 1.5, -60.0, 140.0, NAN, math.inf, 0.1, 1e300]),
    "g": ("float64", [0.0, -0.0, 1.5, NAN, -math.inf]),
    "i": ("int64", [0, 1, -1, 2**53 + 1, 2**53, 2**63 - 1, -(2**63)]),
    "d": ("decimal128(10, 2)", [Decimal("0.00"), Decimal("1.00"), Decimal("1.01"), Decimal("-99999999.99")]),
    "s": (
        "string",
        ["", " ", "\x1c", "\u2003\t", " \x1f\n", "SFO", "sfo", "SFO\n", "SFOX", "é", "e\u0301", "🤦🏼", "NaN"],
    ),
    "t": ("date32", [DAY, DAY + dt.timedelta(days=1), dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
}
SPACE = r"\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PG_SPACE = SPACE.replace(r"\x85\xa0", r"\u0085\u00a0").replace(r"\v", r"\u000b")


def _re2() -> str:
    found = "\\t\\n\\v\\f\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
    return found + "\\x{202f}\\x{205f}\\x{3000}"


class Case(NamedTuple):
    """A check, and the condition that says the same: true is good, null is not judged."""

    check: Check
    duckdb: str
    polars: pl.Expr
    postgresql: str | None = None


def check(kind: str, *columns: str, nulls: str = "pass", **arguments: Any) -> Check:
    # Each has a name of its own, as in a table.
    return Check(kind=kind, name=f"{kind}_{next(NUMBERS)}", columns=columns, arguments=arguments, nulls=nulls)


f, i, d, s, t, g = (pl.col(name) for name in "fidstg")
not_nan = f.is_not_nan()
PG_NAN = "f <> 'NaN'::float8"
CASES = [
    Case(check("min", "f", bound="-60"), "f >= -60 AND NOT isnan(f)", (f >= -60) & not_nan, f"f >= -60 AND {PG_NAN}"),
    Case(check("max", "f", bound="0.1"), "f <= 0.1::DOUBLE AND NOT isnan(f)", (f <= 0.1) & not_nan, "f <= 0.1::float8"),
    Case(check("above", "f", bound="0"), "f > 0 AND NOT isnan(f)", (f > 0) & not_nan, f"f > 0 AND {PG_NAN}"),
    Case(check("below", "f", bound="-0.0"), "f < 0 AND NOT isnan(f)", (f < 0) & not_nan, "f < 0"),
    Case(check("min", "i", bound=str(2**53 + 1)), f"i >= {2**53 + 1}", i >= 2**53 + 1, f"i >= {2**53 + 1}"),
    Case(check("max", "d", bound="1.00"), "d <= 1.00", d <= Decimal("1.00"), "d <= 1.00"),
    Case(
        check("below", "t", bound="2024-03-01"),
        "t < DATE '2024-03-01'",
        t < dt.date(2024, 3, 1),
        "t < DATE '2024-03-01'",
    ),
    Case(
        check("in", "f", values=["0", ".nan"]), "f = 0 OR isnan(f)", (f == 0) | f.is_nan(), "f = 0 OR f = 'NaN'::float8"
    ),
    Case(
        check("not_in", "i", values=["1", str(2**53)]),
        f"i NOT IN (1, {2**53})",
        ~i.is_in([1, 2**53]),
        f"i NOT IN (1, {2**53})",
    ),
    Case(
        check("in", "s", values=["SFO", "NaN", ""]),
        "s IN ('SFO', 'NaN', '')",
        s.is_in(["SFO", "NaN", ""]),
        "s IN ('SFO', 'NaN', '')",
    ),
    Case(
        check("matches", "s", pattern="[A-Z]{3}|é"),
        "regexp_full_match(s, '[A-Z]{3}|é')",
        s.str.contains(r"\A(?:[A-Z]{3}|é)\z"),
        r"""s COLLATE "C" ~ '\A(?:[A-Z]{3}|é)\Z'""",
    ),
    Case(
        check("length", "s", min=1, max=3),
        "length(s) BETWEEN 1 AND 3",
        s.str.len_chars().is_between(1, 3),
        "char_length(s) BETWEEN 1 AND 3",
    ),
    Case(
        check("not_blank", "s"),
        f"NOT regexp_full_match(s, '[{_re2()}]*')",
        ~s.str.contains(rf"\A[{_re2()}]*\z"),
        rf"NOT s ~ '\A[{_PG_SPACE}]*\Z'",
    ),
    Case(check("expression", text="f >= g"), "f >= g", f >= g, "f >= g"),
    Case(
        check("max", "f", nulls="fail", bound="1"),
        "coalesce(f <= 1 AND NOT isnan(f), false)",
        ((f <= 1) & not_nan).fill_null(False),
    ),
    *(
        Case(
            check("unique", name),
            f"CASE WHEN {name} IS NOT NULL THEN count(*) OVER (PARTITION BY {sql}) = 1 END",
            pl.when(pl.col(name).is_not_null()).then(~pl.col(name).is_duplicated()),
            f"CASE WHEN {name} IS NOT NULL THEN count(*) OVER (PARTITION BY {sql}) = 1 END",
        )
        for name, sql in (("f", "f + 0.0"), ("i", "i"), ("d", "d"), ("s", "s"), ("t", "t"))
    ),
    Case(
        check("foreign_key", "f", table="other", references=["x"]),
        "f IN (0, 'NaN'::DOUBLE)",
        (f == 0) | f.is_nan(),
        "f IN (0, 'NaN'::float8)",
    ),
]


class _Others:
    """The other table: 0.0, NaN and null."""

    def content(self, name: str) -> str:
        return name

    def columns(self, name: str, columns: Any) -> Any:
        del name, columns
        yield [pa.chunked_array([pa.array([-0.0, NAN, None])])]

    def rows(self, name: str) -> int:
        del name
        return 3


def drawn() -> st.SearchStrategy[pa.Table]:
    kinds = {name: pa.decimal128(10, 2) if "decimal" in kind else None for name, (kind, _) in COLUMNS.items()}
    columns = [choices(values, ROWS) for _, values in COLUMNS.values()]
    types = {"f": pa.float64(), "g": pa.float64(), "i": pa.int64(), "s": pa.string(), "t": pa.date32(), "d": kinds["d"]}
    return st.tuples(*columns).map(
        lambda found: pa.table({name: pa.array(each, types[name]) for name, each in zip(COLUMNS, found, strict=True)})
    )


def judged(data: pa.Table, pieces: int) -> list[CheckRecord]:
    columns = tuple(Column(name, parse_column_type(kind)) for name, (kind, _) in COLUMNS.items())
    checks = tuple(case.check for case in CASES)
    table = Table(name="t", contract=Contract(columns, checks=checks))
    setting = Setting(Path(), dt.datetime.now(dt.UTC), _Others())
    size = max(data.num_rows // pieces, 1)
    with closing(Judge(table, checks, setting)) as judge:
        for start in range(0, max(data.num_rows, 1), size):
            judge.piece(data.slice(start, size))
        try:
            return list(judge.finish())
        except ContractError as error:
            return list(error.checks)


def agree(records: list[CheckRecord], verdicts: list[list[bool | None]], cases: list[Case]) -> None:
    """Compare counts and first rows with the verdicts of another engine, row by row."""
    found = {id(case): record.result for case, record in zip(CASES, records, strict=True)}
    for case, verdict in zip(cases, verdicts, strict=True):
        result = found[id(case)]
        bad = [row + 1 for row, good in enumerate(verdict) if good is False]
        nulls = sum(good is None for good in verdict)
        shown = [example.row for example in result.examples]
        counts = (result.count, result.rows, result.not_judged, result.errored, shown)
        assert counts == (len(bad), len(verdict) - nulls, nulls, 0, bad[:5]), case.check


@pytest.fixture(autouse=True)
def several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (judging, piece):
        monkeypatch.setattr(module, "AT_ONCE", 3)
    monkeypatch.setattr(judging, "default_workers", lambda: 2)


LIMITS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(data=drawn(), pieces=st.sampled_from([1, 3, ROWS]))
@LIMITS
def test_duckdb_and_polars(data: pa.Table, pieces: int) -> None:
    records = judged(data, pieces)
    with duckdb.connect() as connection:
        connection.register("data", data.append_column("n", pa.array(range(data.num_rows))))
        selected = ", ".join(f"({case.duckdb}) AS c{number}" for number, case in enumerate(CASES))
        rows = connection.sql(f"SELECT {selected} FROM data ORDER BY n").to_arrow_table()
    agree(records, [column.to_pylist() for column in rows.columns], CASES)
    frame = pl.DataFrame(data).select(case.polars.alias(f"c{number}") for number, case in enumerate(CASES))
    agree(records, [column.to_list() for column in frame.get_columns()], CASES)


@pytest.fixture(scope="module")
def database(postgresql_server: PostgreSQL) -> str:
    return postgresql_server.new_database()


def literal(value: Any, kind: str) -> str:
    if value is None:
        return f"NULL::{kind}"
    text = str(value).replace("'", "''")
    return f"'{text}'::{kind}"


@given(data=drawn(), pieces=st.sampled_from([1, 3]))
@settings(LIMITS, max_examples=5)
def test_postgresql(data: pa.Table, pieces: int, postgresql_server: PostgreSQL, database: str) -> None:
    kinds = {"f": "float8", "g": "float8", "i": "bigint", "d": "numeric", "s": "text", "t": "date"}
    cases = [case for case in CASES if case.postgresql is not None]
    rows = [
        f"({number}, {', '.join(literal(row[name], kind) for name, kind in kinds.items())})"
        for number, row in enumerate(data.to_pylist())
    ]
    selected = ", ".join(f"coalesce(({case.postgresql})::text, '')" for case in cases)
    query = f"SELECT {selected} FROM (VALUES {', '.join(rows)}) AS v(n, {', '.join(kinds)}) ORDER BY n"
    found = postgresql_server.run(query, database)
    spoken = {"true": True, "false": False, "": None}
    agree(judged(data, pieces), [[spoken[value] for value in column] for column in zip(*found, strict=True)], cases)


def test_without_rows_everything_passes() -> None:
    types = {"f": pa.float64(), "g": pa.float64(), "i": pa.int64(), "d": pa.decimal128(10, 2), "s": pa.string()}
    empty = pa.schema([*types.items(), ("t", pa.date32())]).empty_table()
    assert {record.result.status for record in judged(empty, 1)} == {"passed"}
