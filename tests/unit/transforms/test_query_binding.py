"""Queries bound before there are data: quickly where the result is plain, and the same as in a run everywhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, Contract, SqlQuery, Table, parse_column_type
from lakehouse_cli.model.query import QueryReading
from lakehouse_cli.storage_types.duckdb import sql_type
from lakehouse_cli.transforms.queries import binding
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.call import run_query
from tests.cases import each_case

TYPES = {
    "i8": "int8",
    "u8": "uint8",
    "i16": "int16",
    "u16": "uint16",
    "i32": "int32",
    "u32": "uint32",
    "i": "int64",
    "u64": "uint64",
    "f32": "float32",
    "f": "float64",
    "flag": "bool",
    "s": "string",
    "raw": "binary",
    "d": "date32",
    "dec": "decimal128(18, 3)",
    "wide": "decimal128(38, 0)",
    "ts_s": "timestamp[s]",
    "ts_ms": "timestamp[ms]",
    "ts": "timestamp[us]",
    "ts_ns": "timestamp[ns]",
    "zoned": "timestamp[us, tz=Europe/Zurich]",
    "t32": "time32[s]",
    "t64": "time64[us]",
    "t_ns": "time64[ns]",
    "took": "duration[us]",
    "code": "dictionary<string>",
    "l": "list<int64>",
    "st": "struct<a: int64, b: string>",
    "m": "map<string, int64>",
}
EXPRESSIONS = [
    *TYPES,
    *(f"max({name})" for name in TYPES),
    *(f"sum({name})" for name in ("i8", "i", "u64", "f32", "f", "dec", "wide", "flag", "took")),
    *(
        "count(*)",
        "avg(i)",
        "avg(dec)",
        "first(s)",
        "list(i)",
        "mode(d)",
        "i + 1",
        "i // 2",
        "i / 2",
        "dec * 2",
        "dec * dec",
    ),
    *(
        "d + 1",
        "d + interval 1 month",
        "d - d",
        "ts - ts",
        "ts::date",
        "date_trunc('day', d)",
        "now()",
        "zoned::timestamp",
    ),
    *(
        "'x'",
        "1",
        "1.5",
        "null",
        "true",
        "null::json",
        "'a'::varchar::blob",
        "[1, 2]",
        "{'a': 1}",
        "map {'a': 1}",
        "1::bit",
    ),
    *(
        "i::hugeint",
        "u64::uhugeint",
        "'b'::enum('a', 'b')",
        "1::union(a int, b text)",
        "time '10:00+01'",
        "uuid()",
        "st.a",
    ),
    *("$p", "$p + i", "$p::date", "nothing", "i.nothing", "s + 1", "cast('x' as int)", "max(i", "rowid", "i8 || s"),
    *("case when flag then i else f end", "coalesce(i8, u16)", "i in (1, 2)", "row_number() over ()", "unnest(l)"),
]


def columns_of(types: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, parse_column_type(kind)) for name, kind in types.items())


def computed(query: str, columns: Mapping[str, str] | None) -> Table:
    contract = Contract(None if columns is None else columns_of(columns))
    return Table("r", contract=contract, query=SqlQuery(query), params={"p": 7} if "$p" in query else {})


@pytest.mark.slow
@each_case("expression", EXPRESSIONS)
def test_a_closer_look_finds_the_same(analysis: QueryAnalysis, connection: Any, expression: str) -> None:
    used = {"i", "s", *re.findall(r"\w+", expression)}
    inputs = {"t": columns_of({name: kind for name, kind in TYPES.items() if name in used})}
    query = f"with t2 as (from t) select {expression} as x from t2 t"
    for kind in (None, "int64", TYPES.get(expression, "decimal128(18, 3)")):
        table = computed(query, None if kind is None else {"x": kind})
        assert analysis.bind(query, inputs, table) == binding.bind(connection, query, inputs, table)


@pytest.mark.slow
@each_case(
    "query",
    [
        "select 1 as a, 2 as a",
        "select 1 as a, 2 as A",
        "select 1 as a, 2 as a_1",
        "from t join u using (id)",
        "select * from t, u",
        "select t.id, u.id from t, u",
        "from T -- all",
        "select 1 /* one */;",
        "from t union all by name from u",
        "describe t",
        "summarize t",
        "pivot t on id in (1, 2) using count(*)",
        "from (pivot t on id using count(*))",
        "select t from t",
        "select rowid from t",
        "with t as (select 'x' as id) from t",
        "with recursive r as (select 1 as id union all select id + 1 from r where id < 3) from r",
        "from v",
        "from main.t",
        'from "lakehouse columns 0"',
        "select * from t limit 'x'",
        "select * from t order by 9",
        "from t0",
        "select",
    ],
)
@each_case("declared", [None, {"id": "int64"}, {"a": "int32", "a_1": "int32"}, {"ID": "int64"}])
def test_whole_queries_are_bound_the_same(
    analysis: QueryAnalysis, connection: Any, query: str, declared: Mapping[str, str] | None
) -> None:
    inputs = {"t": columns_of({"id": "int64"}), "u": columns_of({"id": "int64", "s": "string"})}
    table = computed(query, declared)
    assert analysis.bind(query, inputs, table) == binding.bind(connection, query, inputs, table)


def test_tables_of_other_queries_are_not_there(analysis: QueryAnalysis) -> None:
    query, columns = "select id from other", columns_of({"id": "int64"})
    table = computed(query, {"id": "int64"})
    assert analysis.bind(query, {"other": columns}, table) == (("id", "int64"),)
    assert isinstance(analysis.bind(query, {"t": columns}, table), list)


TEXTS = ["'x'", "'1'", "'true'", "'2024-01-01'", "'2024-01-01 00:00:00'", "'2024-01-01 00:00:00+00:00'", "'10:00:00'"]
#: By type of DuckDB, values of it among which is one for every type that it can be declared as.
VALUES = {
    "BOOLEAN": ["true"],
    "BIGINT": ["1::bigint"],
    "UTINYINT": ["1::utinyint"],
    "HUGEINT": ["1::hugeint"],
    "UHUGEINT": ["1::uhugeint"],
    "BIGNUM": ["1::bignum"],
    "DOUBLE": ["1.0::double"],
    "DECIMAL(9,2)": ["1.0::decimal(9,2)"],
    "VARCHAR": TEXTS,
    "ENUM": [f"{text}::enum({', '.join(TEXTS)})" for text in TEXTS],
    "JSON": ["'1'::json", "'true'::json"],
    "UUID": ["'00000000-0000-4000-8000-000000000000'::uuid"],
    "BIT": ["'1'::bit"],
    "BLOB": ["'a'::blob"],
    "DATE": ["date '2024-01-01'"],
    "TIMESTAMP": ["timestamp '2024-01-01'"],
    "TIMESTAMP_S": ["timestamp_s '2024-01-01'"],
    "TIMESTAMP_NS": ["timestamp_ns '2024-01-01'"],
    "TIMESTAMP WITH TIME ZONE": ["timestamptz '2024-01-01'"],
    "TIME": ["time '10:00'"],
    "TIME WITH TIME ZONE": ["timetz '10:00:00+00'"],
    "INTERVAL": ["interval 1 day"],
    "INTEGER[]": ["[1]"],
    "INTEGER[][]": ["[[1]]"],
    "VARCHAR[]": [f"[{text}]" for text in TEXTS],
    "INTEGER[1]": ["array_value(1)"],
    "TIMESTAMP WITH TIME ZONE[]": ["[timestamptz '2024-01-01']"],
    "STRUCT(a INTEGER)": ["{'a': 1}"],
    "STRUCT(a DATE)": ["{'a': date '2024-01-01'}"],
    "STRUCT(b VARCHAR, a INTEGER)": ["{'b': 'x', 'a': 1}"],
    "STRUCT(a INTEGER[])": ["{'a': [1]}"],
    "STRUCT(key VARCHAR, value INTEGER)[]": ["[{'key': '1', 'value': 1}]"],
    "STRUCT(a INTERVAL)": ["{'a': interval 1 day}"],
    "MAP(VARCHAR, INTEGER)": ["map {'1': 1}"],
    "MAP(VARCHAR, INTEGER[])": ["map {'1': [1]}"],
    "UNION(a INTEGER)": ["union_value(a := 1)"],
    "VARIANT": ["'x'::variant"],
}
NESTED = [
    "list<date32>",
    "list<string>",
    "list<timestamp[us]>",
    "list<duration[us]>",
    "list<list<int64>>",
    "list<list<date32>>",
    "list<dictionary<string>>",
    "list<struct<key: string, value: int64>>",
    "list<struct<key: string, value: date32>>",
    "struct<a: int64>",
    "struct<a: date32>",
    "struct<a: list<int64>>",
    "struct<a: list<bool>>",
    "map<string, date32>",
    "map<int64, int64>",
    "map<string, list<int64>>",
    "map<string, list<date32>>",
]
#: Of these, only the form of each text says whether it is one of another type.
AS_TEXT = ("UUID", "BIT", "BIGNUM", "UHUGEINT", "JSON", "TIME WITH TIME ZONE")


@pytest.mark.slow
@pytest.mark.parametrize("kind", VALUES)
def test_types_that_no_value_satisfies_are_refused(analysis: QueryAnalysis, kind: str) -> None:
    """And none that some value does; empty ones and nulls, inside of others too, do not count."""

    @cache
    def result(value: str) -> Any:
        """Of the query, which is the same for whatever its column is declared."""
        query = f"select {value} as x"
        table = computed(query, {"x": "int64"})
        return run_query(replace(table, query=SqlQuery(query, reading=QueryReading(tables=()))), [], 1, None)

    def runs(value: str, declared: str) -> bool:
        try:
            enforce(result(value), columns_of({"x": declared}))
        except (ContractError, TransformError):
            return False
        return True

    for declared in sorted({*TYPES.values(), *NESTED}):
        bound = analysis.bind(query := f"select {VALUES[kind][0]} as x", {}, computed(query, {"x": declared}))
        passes = any(runs(value, declared) for value in VALUES[kind])
        assert passes == (not isinstance(bound, list)) or (kind in AS_TEXT and not passes), declared


@pytest.mark.parametrize("declared", ["list<date32>", "list<struct<a: int64>>", "map<string, int64>"])
def test_lists_of_untyped_nulls_may_be_any(analysis: QueryAnalysis, declared: str) -> None:
    assert isinstance(analysis.bind("select [] as x", {}, computed("select [] as x", {"x": declared})), tuple)


#: A value of each plain type.
LITERALS = {
    "int8": "1::TINYINT",
    "uint64": "1::UBIGINT",
    "float32": "1::FLOAT",
    "float64": "1::DOUBLE",
    "bool": "true",
    "string": "'1'",
    "binary": "'1'::BLOB",
    "date32": "DATE '1970-01-01'",
    "decimal128(5, 2)": "1::DECIMAL(5, 2)",
    "timestamp[s]": "'1970-01-01'::TIMESTAMP_S",
    "timestamp[ms]": "'1970-01-01'::TIMESTAMP_MS",
    "timestamp[us]": "TIMESTAMP '1970-01-01'",
    "timestamp[ns]": "'1970-01-01'::TIMESTAMP_NS",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ '1970-01-01 00:00:00+00'",
    "time32[s]": "TIME '00:00'",
    "time64[us]": "TIME '00:00'",
    "time64[ns]": "'00:00'::TIME_NS",
    "duration[us]": "INTERVAL 0 SECOND",
    "dictionary<string>": "'1'::ENUM('1')",
}


@pytest.mark.slow
@each_case("returned", LITERALS)
def test_hints_for_other_types_work(analysis: QueryAnalysis, connection: Any, returned: str) -> None:
    """What a hint says to write is bound, computed, and stored as what is declared."""
    value = LITERALS[returned]
    kinds = {f"x{number}": declared for number, declared in enumerate(LITERALS)}
    table = computed(f"select {', '.join(f'{value} as {name}' for name in kinds)}", kinds)
    problems = binding.bind(connection, str(table.query and table.query.text), {}, table)
    assert isinstance(problems, list)
    ways = {}
    for problem in problems:
        name = problem.message.split("`")[1]
        declared, hint = kinds[name], str(problem.hint)
        assert hint.startswith("declare "), (declared, hint)
        found = re.search("as with `(.+)`$", hint)
        if found is None:
            assert hint.endswith(f"make {declared} of it in the query"), (declared, hint)
            with pytest.raises(duckdb.Error):
                connection.sql(f"select ({value})::{sql_type(parse_column_type(declared))}").to_arrow_table()
            continue
        way = found.group(1)
        ways[name] = f"({value}){way}" if way.startswith("::") else way.replace("…", f"({value})")
    query = f"select {', '.join(f'{way} as {name}' for name, way in ways.items())}"
    followed = computed(query, {name: kinds[name] for name in ways})
    followed = replace(followed, query=SqlQuery(query, reading=analysis.read([query])[0]))
    assert enforce(run_query(followed, [], 1, None), followed.columns).table.num_rows == 1
