"""The result of a query, as it would be published: exactly what DuckDB has, or refused with the reason."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, Contract, SqlQuery, Table, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.contract import ExtraColumns
from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.transforms import SharedTable
from lakehouse_cli.transforms.queries import connection, results
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.call import run_query

HUGE = 2**127 - 1
NAN = float("nan")
DATA = pa.table(
    {
        "i": pa.array([1, 2, None], pa.int64()),
        "f": pa.array([1.5, NAN, -0.0], pa.float64()),
        "d": pa.array([0, 31, 59], pa.date32()),
        "s": pa.array(["a", "b", None], pa.string()),
    }
)


_OPENED = ExitStack()


@cache
def analysis() -> QueryAnalysis:
    """One for all tests: opening it takes longer than most of their queries."""
    return _OPENED.enter_context(QueryAnalysis())


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    analysis.cache_clear()
    _OPENED.close()


def table(query: str, columns: Mapping[str, str] | None = None, **keys: Any) -> Table:
    reading = analysis().read([query])[0]
    assert reading.problem is None
    declared = None
    if columns is not None:
        declared = tuple(Column(name, parse_column_type(kind)) for name, kind in columns.items())
    contract = Contract(declared, keys.pop("key", ()), keys.pop("extra_columns", "error"))
    return Table("r", contract=contract, query=SqlQuery(query, reading=reading), **keys)


def result(table: Table, now: dt.datetime | None = None, **tables: pa.Table) -> pa.Table:
    given = tables or {"t": DATA}
    data = run_query(table, [(Input(name, name), SharedTable(each)) for name, each in given.items()], 1, now)
    return enforce(data, table.columns, key=table.key, extra_columns=table.extra_columns).table


def of(query: str, columns: Mapping[str, str] | None = None, **tables: pa.Table) -> pa.Table:
    return result(table(query, columns), **tables)


def only(query: str, declared: str | None = None) -> tuple[str, Any]:
    """Type and value of a result of one row and one column, `x`."""
    found = of(query, None if declared is None else {"x": declared})
    [[value]] = [column.to_pylist() for column in found.columns]
    return str(found.schema.field("x").type), value


def bound(made: Table) -> tuple[tuple[str, str], ...] | list[QueryProblem]:
    kinds = {"i": "int64", "f": "float64", "d": "date32", "s": "string"}
    query = made.query
    assert query is not None
    columns = [Column(name, parse_column_type(kind)) for name, kind in kinds.items()]
    return analysis().bind(query.bare, {"t": columns}, made)


UNDECLARED = [
    ("(select sum(i) from t)", "int64", 3),
    ("(select sum(i::decimal(10, 2)) from t)", "decimal128(38, 2)", Decimal("3.00")),
    ("(select avg(i) from t)", "double", 1.5),
    ("(select count(*) from t)", "int64", 3),
    ("1.50::decimal(5, 2) * 2.5::decimal(5, 1)", "decimal128(10, 3)", Decimal("3.750")),
    (f"'{'9' * 38}'::decimal(38, 0)", "decimal128(38, 0)", Decimal("9" * 38)),
    ("date '2024-01-31' + interval 1 month", "timestamp[us]", dt.datetime(2024, 2, 29)),
    ("date '2024-01-31' + 1", "date32[day]", dt.date(2024, 2, 1)),
    ("date '2024-01-31' - date '2024-01-01'", "int64", 30),
    ("interval '36:00:01'", "duration[us]", dt.timedelta(hours=36, seconds=1)),
    ("interval 3 day", "duration[us]", dt.timedelta(days=3)),
    ("'b'::enum('b', 'a')", "dictionary<values=string, indices=int32, ordered=0>", "b"),
    ("'6ccd780c-baba-1026-9564-5b8c656024db'::uuid", "string", "6ccd780c-baba-1026-9564-5b8c656024db"),
    ("""'{"a":  1}'::json""", "string", '{"a":  1}'),
    ("'101'::bit", "string", "101"),
    ("'10:00:00+02'::timetz", "string", "10:00:00+02"),
    (f"{2**128 - 1}::uhugeint", "string", str(2**128 - 1)),
    (f"{'9' * 60}::bignum", "string", "9" * 60),
    ("null", "string", None),
    ("[null]", "list<item: string>", [None]),
    ("array_value(1, 2)", "list<item: int32>", [1, 2]),
    ("map {'a': 1}", "map<string, int32>", [("a", 1)]),
    ("{'a': 1, 'b': 'x'}", "struct<a: int32, b: string>", {"a": 1, "b": "x"}),
    ("'1e400'::double", "double", float("inf")),
    ("'\\xAA'::blob", "binary", b"\xaa"),
    ("true", "bool", True),
    ("255::utinyint", "uint8", 255),
    ("18446744073709551615::ubigint", "uint64", 2**64 - 1),
    ("'2024-01-01 00:00:01'::timestamp_s", "timestamp[s]", dt.datetime(2024, 1, 1, 0, 0, 1)),
    ("'x' collate nocase", "string", "x"),
]


def test_undeclared_results_have_the_type_of_their_values() -> None:
    columns = ", ".join(f"{value} as x{number}" for number, (value, *_) in enumerate(UNDECLARED))
    found = of(f"select {columns}")
    kinds = [str(kind) for kind in found.schema.types]
    for (value, kind, expected), returned, column in zip(UNDECLARED, kinds, found.columns, strict=True):
        assert (returned, column.to_pylist()) == (kind, [expected]), value


DECLARED = [
    ("(select sum(i) from t)", "int64", 3),
    ("(select sum(i) from t)", "int8", 3),
    ("(select sum(i) from t)", "float64", 3.0),
    ("(select sum(i) + 9223372036854775807 from t)", "decimal128(38, 0)", Decimal(2**63 + 2)),
    ("[(select sum(i) from t)]", "list<int64>", [3]),
    ("{'a': (select sum(i) from t)}", "struct<a: int64>", {"a": 3}),
    ("date '2024-01-31' + interval 1 month", "date32", dt.date(2024, 2, 29)),
    ("1.5::decimal(38, 10) * 2", "decimal128(5, 1)", Decimal("3.0")),
    ("'a'::enum('a', 'b')", "string", "a"),
    ("1::uhugeint", "int64", 1),
    ("1::bignum", "int64", 1),
    ("null", "list<int64>", None),
    ("null", "duration[us]", None),
    ("time '12:00'", "time32[s]", dt.time(12)),
    (
        "timestamptz '2024-01-01 12:00+02'",
        "timestamp[ms, tz=Asia/Tokyo]",
        dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC),
    ),
]


def test_declared_types_are_met_exactly() -> None:
    columns = ", ".join(f"{value} as x{number}" for number, (value, *_) in enumerate(DECLARED))
    declared = {f"x{number}": kind for number, (_, kind, _) in enumerate(DECLARED)}
    found = of(f"select {columns}", declared)
    for (value, kind, expected), column in zip(DECLARED, found.columns, strict=True):
        assert column.to_pylist() == [expected], (value, kind)


@pytest.mark.parametrize(
    ("value", "declared", "why"),
    [
        (
            "(select sum(i) + 9223372036854775807 from t)",
            None,
            "too large; cast it to DECIMAL(38, 0) in the query, or",
        ),
        ("(select sum(i) + 9223372036854775807 from t)", "int64", "outside int64"),
        (f"{HUGE}::hugeint", None, "too large; cast it to VARCHAR in the query, and declare string"),
        (f"{HUGE}::hugeint", "decimal128(38, 0)", "too large; cast it to VARCHAR in the query, and declare string"),
        (f"{-HUGE}::hugeint", "int64", "too large; cast it to VARCHAR in the query, and declare string"),
        (f"[{HUGE}::hugeint]", None, "too large for its own type"),
        ("(select sum(i) + 0.5 from t)", "int64", "not whole"),
        (
            "interval 1 month",
            None,
            "intervals with months in 1 row; cast it to VARCHAR in the query, and declare string",
        ),
        ("interval '1 month 1 day'", "duration[us]", "intervals with months"),
        ("[interval 1 day]", None, "INTERVAL inside of INTERVAL[]; cast it to VARCHAR in the query"),
        ("union_value(a := 1)", None, "UNION(a INTEGER); cast it to VARCHAR in the query"),
        ("['101'::bit]", None, "BIT inside of BIT[]"),
        ("[1::uhugeint]", None, "UHUGEINT inside of UHUGEINT[]"),
        ("[1::bignum]", None, "BIGNUM inside of BIGNUM[]"),
        ("['10:00:00+02'::timetz]", None, "TIME WITH TIME ZONE inside of"),
        ("1::variant", None, "VARIANT; cast it to VARCHAR in the query"),
        ("map {1.5::double: 1}", None, "which no column type holds"),
        ("'infinity'::date", None, "infinite, or outside the range of DuckDB's dates"),
        ("'-infinity'::timestamp", None, "infinite, or outside the range of DuckDB's timestamps"),
        ("'infinity'::timestamptz", None, "infinite, or outside the range of DuckDB's timestamps"),
        ("['infinity'::date]", None, "infinite, or outside the range of DuckDB's dates"),
        ("time '24:00:00'", None, "no time of a day"),
        ("date '2024-01-01' + interval 1 hour", "date32", "not at midnight"),
        ("1.25", "decimal128(3, 1)", "not exact in decimal128(3, 1)"),
        ("1", "string", "declared string and holds integers"),
    ],
)
def test_what_is_not_exact_is_refused_with_the_reason(value: str, declared: str | None, why: str) -> None:
    with pytest.raises(ContractError) as caught:
        only(f"select {value} as x", declared)
    [violation] = caught.value.violations
    assert "`x`" in violation.message
    assert why in violation.message


def test_values_are_refused_in_every_way() -> None:
    with pytest.raises(ContractError) as caught:
        only(f"select unnest([1, {HUGE}, 300])::hugeint as x", "int8")
    found = [(each.message, [example.row for example in each.examples]) for each in caught.value.violations]
    hint = "cast it to VARCHAR in the query, and declare string"
    assert found == [
        (f"`x` is declared int8 and holds 1 value that is too large; {hint}", [3]),
        ("`x` is declared int8 and holds 1 value that is outside int8 (-128 to 127)", [2]),
    ]


def test_refused_values_are_shown_with_their_rows() -> None:
    with pytest.raises(ContractError) as caught:
        of("select unnest([interval 1 day, interval 2 month, interval 3 month]) as x")
    [violation] = caught.value.violations
    assert violation.count == 2
    assert [example.value for example in violation.examples] == ["'2 months'", "'3 months'"]


@pytest.mark.parametrize(
    "query",
    [
        "select 1 as a, 2 as a",
        "select i, i from t",
        "select 1, 1",
        "select * from t, t as u",
        'select 1 as a, 2 as "A"',
        "select i as station, s as station from t",
    ],
)
def test_names_that_are_one_are_refused(query: str) -> None:
    """DuckDB's own result has both, and what reads it by name has one of them."""
    made = table(query)
    [problem] = bound(made)
    assert isinstance(problem, QueryProblem)
    assert "the query returns" in problem.message
    assert problem.hint == "give one another name with AS"
    with pytest.raises(TransformError, match="the query returns"):
        result(made)


def test_columns_without_names_have_those_of_duckdb() -> None:
    assert of("select 1, count(*), i + 1 from t group by all").column_names == ["1", "count_star()", "(i + 1)"]
    assert of('select 1 as "é", 2 as "É"').to_pylist() == [{"é": 1, "É": 2}]
    assert of('select 1 as " ", 2 as "a.b", 3 as "q""q"').column_names == [" ", "a.b", 'q"q']


@pytest.mark.parametrize(
    ("columns", "extra", "names"),
    [
        ({"s": "string"}, "drop", ["s"]),
        ({"s": "string"}, "keep", ["s", "i"]),
        ({"s": "string", "i": "int64"}, "error", ["s", "i"]),
        ({"i": "int32", "s": "string"}, "error", ["i", "s"]),
    ],
)
def test_columns_come_in_the_order_of_the_contract(
    columns: dict[str, str], extra: ExtraColumns, names: list[str]
) -> None:
    made = table("select i, s from t", columns, extra_columns=extra)
    assert not any(isinstance(each, QueryProblem) for each in bound(made))
    assert result(made).column_names == names


@pytest.mark.parametrize(
    ("query", "columns", "message", "hint"),
    [
        (
            "select i, s from t",
            {"i": "int64"},
            "column `s` is not declared",
            "declare it, or set `extra_columns: drop`",
        ),
        ("select i from t", {"i": "int64", "s": "string"}, "column `s` is not in the result", None),
        ("select i from t", {"i": "string"}, "`i` is declared string, and the query returns int64", "declare int64"),
        (
            "select [i] as i from t",
            {"i": "int64"},
            "`i` is declared int64, and the query returns list<int64>",
            "declare",
        ),
        ("select nix from t", None, 'Referenced column "nix" not found in FROM clause', "candidate bindings: "),
        ("select nix(i) from t", None, "Scalar Function with name nix does not exist", None),
        ("from query_table('u')", None, "Table with name u does not exist", "list it under `inputs:`"),
        ("select i + s from t", None, "No function matches", None),
    ],
)
def test_what_cannot_fit_is_known_before_there_are_data(
    query: str, columns: dict[str, str] | None, message: str, hint: str | None
) -> None:
    problems = bound(table(query, columns))
    assert isinstance(problems[0], QueryProblem)
    assert message in problems[0].message
    assert hint is None or hint in str(problems[0].hint)


def test_an_error_while_it_runs_has_its_reason() -> None:
    with pytest.raises(TransformError) as caught:
        of("select s::integer as x from t")
    assert caught.value.message.startswith("the query of `r` failed: Could not convert string 'a' to INT32")
    assert caught.value.hint


PARAMS: list[tuple[Any, str, Any]] = [
    (1, "INTEGER", 1),
    (-(2**63), "BIGINT", -(2**63)),
    (2**127, "UHUGEINT", str(2**127)),
    (0.1, "DECIMAL(1,1)", Decimal("0.1")),
    (1e22, "DECIMAL(23,0)", Decimal(10**22)),
    (12345678901234567890.0, "DECIMAL(20,0)", Decimal(12345678901234567000)),
    (1e-7, "DECIMAL(8,7)", Decimal("1e-7")),
    (1e300, "DOUBLE", 1e300),
    (float("-inf"), "DOUBLE", float("-inf")),
    (True, "BOOLEAN", True),
    (None, '"NULL"', None),
    ("it's $x; --", "VARCHAR", "it's $x; --"),
    ([0.5, None], "DECIMAL(1,1)[]", [Decimal("0.5"), None]),
    ({"a": [1, 2]}, "STRUCT(a INTEGER[])", {"a": [1, 2]}),
]


def test_params_are_bound_as_they_are_written() -> None:
    params = {f"p{number}": param for number, (param, *_) in enumerate(PARAMS)}
    found = of_params(params)
    for (param, kind, expected), name in zip(PARAMS, params, strict=True):
        assert (found[name], found[f"kind_{name}"]) == (expected, kind), param


def of_params(params: dict[str, Any]) -> dict[str, Any]:
    columns = ", ".join(f"${name} as {name}, typeof(${name}) as kind_{name}" for name in params)
    [row] = result(table(f"select {columns}", params=params)).to_pylist()
    return dict(row)


def test_an_integer_that_duckdb_has_no_type_for_is_refused() -> None:
    with pytest.raises(TransformError, match="too large"):
        result(table("select $p as p", params={"p": 10**40}))


CLOCKS = {
    "now()": dt.datetime(2020, 1, 2, 3, 4, 5, 6, dt.UTC),
    "current_timestamp": dt.datetime(2020, 1, 2, 3, 4, 5, 6, dt.UTC),
    "transaction_timestamp()": dt.datetime(2020, 1, 2, 3, 4, 5, 6, dt.UTC),
    "get_current_timestamp()": dt.datetime(2020, 1, 2, 3, 4, 5, 6, dt.UTC),
    "localtimestamp": dt.datetime(2020, 1, 2, 3, 4, 5, 6),
    "current_localtimestamp()": dt.datetime(2020, 1, 2, 3, 4, 5, 6),
    "current_date": dt.date(2020, 1, 2),
    "today()": dt.date(2020, 1, 2),
    "current_time": dt.time(3, 4, 5, 6),
    "get_current_time()": dt.time(3, 4, 5, 6),
    "localtime": dt.time(3, 4, 5, 6),
    "age(date '2019-01-01')::varchar": "1 year 1 day",
    "age(date '2019-01-03', date '2019-01-01')::varchar": "2 days",
    "strftime(now(), '%H')": "03",
    "now()::date + 1": dt.date(2020, 1, 3),
}


def test_the_time_is_that_of_the_run() -> None:
    now = dt.datetime(2020, 1, 2, 4, 4, 5, 6, dt.timezone(dt.timedelta(hours=1)))
    columns = ", ".join(f"{clock} as x{number}" for number, clock in enumerate(CLOCKS))
    [row] = result(table(f"select {columns}"), now).to_pylist()
    assert dict(zip(CLOCKS, row.values(), strict=True)) == CLOCKS


OUTSIDE = [
    "select * from read_csv('secret.csv')",
    "select * from read_text('secret.csv')",
    "select * from read_blob('secret.csv')",
    "select * from read_parquet('secret.csv')",
    "select * from read_json('secret.csv')",
    "select * from glob('*')",
    "select * from sniff_csv('secret.csv')",
    "select * from 'secret.csv'",
    "select * from python_variable",
    "select getenv('HOME')",
    "select * from read_csv('https://example.org/a.csv')",
    "select * from query('copy (select 1) to ''out.csv''')",
    "select * from query('attach ''other.db''')",
    "select * from query('set threads = 3')",
    "select * from enable_logging(storage = 'file', storage_path = 'log')",
    "select * from enable_profiling(save_location = 'profile.json')",
    "select * from sqlite_scan('a.db', 't')",
    "select * from duckdb_secrets()",
]


@pytest.mark.parametrize("query", OUTSIDE)
def test_nothing_outside_is_reached(query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    monkeypatch.setattr(results, "python_variable", pa.table({"a": ["secret"]}), raising=False)
    with pytest.raises(TransformError) as caught:
        of(query)
    assert "secret\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["secret.csv"]


def test_queries_know_nothing_of_each_other() -> None:
    assert of("select count(*) as n from duckdb_views() where not internal", u=DATA)["n"].to_pylist() == [1]
    with pytest.raises(TransformError, match="Table with name u does not exist"):
        of("select * from query_table('u')")


def test_tables_are_read_as_often_as_they_are_named() -> None:
    data = pa.table({"i": pa.chunked_array([[1, 2], [], [3]] * 50, pa.int64())})
    assert of("select count(*) as n from t join t as u using (i)", t=data)["n"].to_pylist() == [3 * 50 * 50]
    twice = "with c as (select i from t where i > 1) select (select count(*) from c) + (select sum(i) from c) as n"
    assert of(twice, t=data)["n"].to_pylist() == [100 + 250]
    assert of("from t order by i", t=data)["i"].to_pylist() == sorted([1, 2, 3] * 50)


def test_empty_tables_keep_their_types() -> None:
    empty = of("from t", t=DATA.slice(0, 0))
    assert (empty.schema, empty.num_rows) == (DATA.schema, 0)
    assert of("select sum(i) as n, max(s) as s from t", t=DATA.slice(0, 0)).to_pylist() == [{"n": None, "s": None}]


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(TransformError, match="`t` has no columns"):
        of("select 1 as a from t", t=pa.table({}))


def test_names_that_differ_in_case_are_refused_as_input() -> None:
    with pytest.raises(TransformError, match="has columns `a` and `A`, which are one to DuckDB"):
        of("select a from t", t=pa.table({"a": [1], "A": [2]}))


@pytest.mark.parametrize(
    "array",
    [
        pa.array([0, 2**31 - 1], pa.date32()),
        pa.array([0, -(2**63)], pa.timestamp("us")),
        pa.array([0, 2**62], pa.timestamp("s")),
        pa.array([0, 1001], pa.timestamp("ns", "UTC")),
        pa.array([0, 1001], pa.duration("ns")),
    ],
    ids=lambda array: str(array.type),
)
def test_input_that_duckdb_would_change_is_refused(array: pa.Array) -> None:
    """Even where it is not returned: it would be compared as another value."""
    with pytest.raises(TransformError) as caught:
        of("select count(*) as n from t where moment is null", t=pa.table({"moment": array}))
    assert "DuckDB cannot hold what `t` has in row 2: `moment` holds 1 value" in caught.value.message
    assert caught.value.hint


def test_nan_is_greatest_and_equals_itself() -> None:
    data = pa.table({"f": [1.0, NAN, float("inf"), -0.0, 0.0, None]})
    assert of("select count(*) as n from t where f > 1e300", t=data)["n"].to_pylist() == [2]
    assert of("select count(*) as n from t where f = 'nan'", t=data)["n"].to_pylist() == [1]
    assert of("select count(*) as n from t where f = 0", t=data)["n"].to_pylist() == [2]


@pytest.mark.parametrize(
    "name", ["main", "temp", "sqlite_master", "pg_tables", "now", "select", "a.b", 'q"q', "T" * 300]
)
def test_a_table_may_have_any_name(name: str) -> None:
    quoted = name.replace('"', '""')
    data = SharedTable(pa.table({"a": [1]}))
    assert run_query(table(f'select * from "{quoted}"'), [(Input(name, name), data)])["a"].to_pylist() == [1]


ROWS = pa.table({"f": [0.0, NAN, -0.0, 1.5, None, -0.0, float("-inf")], "i": [7, 6, 5, 4, 3, 2, 1]})


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ({"query": "select f, i from t"}, [1, 2, 5, 7, 4, 6, 3]),
        ({"query": "select f, i from t", "order_by": ("f",)}, [1, 2, 5, 7, 4, 6, 3]),
        ({"query": "select f, i from t", "key": ("i",)}, [1, 2, 3, 4, 5, 6, 7]),
        ({"query": "select f, i from t order by i desc", "key": ("i",)}, [7, 6, 5, 4, 3, 2, 1]),
        ({"query": "select f, i from t order by i desc", "order_by": ("i",)}, [1, 2, 3, 4, 5, 6, 7]),
        ({"query": "select f, i from t", "reproducible": False}, [7, 6, 5, 4, 3, 2, 1]),
        ({"query": "select f, i from t", "reproducible": False, "order_by": ("i",)}, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_rows_are_ordered(keys: dict[str, Any], order: list[int]) -> None:
    assert result(table(**keys), t=ROWS)["i"].to_pylist() == order


@pytest.mark.parametrize("value", ["f", "[f]", "{'a': f}", "map {1: f}"])
def test_zeros_of_both_signs_are_in_the_same_order_each_time(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of one sign first: in no order is a row where another, equal to DuckDB, could be."""
    monkeypatch.setattr(connection, "default_workers", lambda: 4)
    zeros = pa.table({"f": np.where(np.random.default_rng(1).random(20_000) < 0.5, 0.0, -0.0)})
    texts = list(map(str, result(table(f"select {value} as x from t"), t=zeros)["x"].to_pylist()))
    assert sum(one != other for one, other in itertools.pairwise(texts)) == 1
