"""What a query's columns come from, exactly; that none is missed is in `tests/properties/test_column_lineage.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_cli.model import Column, parse_column_type
from lakehouse_cli.model.column_lineage import BY, ColumnRef, IndirectRef, QueryLineage
from lakehouse_cli.testing.every_type import VALUES
from lakehouse_cli.transforms.queries.column_lineage import LineageAnalysis
from lakehouse_cli.transforms.queries.inputs import unheld
from lakehouse_cli.transforms.queries.results import empty_table
from tests.cases import each_case

INPUTS = {
    "orders": [("id", "int64"), ("customer", "int64"), ("day", "date32"), ("total", "decimal128(10, 2)")],
    "customers": [("id", "int64"), ("name", "string"), ("since", "date32")],
    "Odd.name": [("a b", "int64"), ("c.d", "string"), ("s", "struct<f: int64, g: string>"), ("l", "list<int64>")],
}
TYPED = {table: [Column(name, parse_column_type(kind)) for name, kind in columns] for table, columns in INPUTS.items()}


@pytest.fixture(scope="module")
def analysis() -> Iterator[LineageAnalysis]:
    with LineageAnalysis() as found:
        yield found


def traced(analysis: LineageAnalysis, query: str, count: int, **params: Any) -> QueryLineage:
    return analysis.trace(query, TYPED, params, [f"c{place}" for place in range(count)])


def shown(lineage: QueryLineage) -> list[str]:
    """Each column's sources and what else decides it; then what decides all."""
    assert lineage.unknown is None
    lines = [" ".join([*_refs(each.sources or ()), *_refs(each.indirect)]) for each in lineage.columns]
    return [*lines, *([f"rows {' '.join(_refs(lineage.indirect))}"] if lineage.indirect else [])]


def _refs(refs: tuple[ColumnRef | IndirectRef, ...]) -> list[str]:
    return [f"{getattr(each, 'by', '')}{'@' if hasattr(each, 'by') else ''}{each.table}.{each.column}" for each in refs]


@each_case(
    ("query", "expected"),
    [
        (
            "select day, sum(total) as s from orders where customer > 1 group by day",
            ["orders.day", "orders.total", "rows filter@orders.customer group@orders.day"],
        ),
        ("select * exclude (since) from customers", ["customers.id", "customers.name"]),
        ("select columns('id|name') from customers", ["customers.id", "customers.name"]),
        ("select count(*) as n, 1 as one from orders", ["", ""]),
        (
            "select name, total from orders join customers on customer = customers.id",
            ["customers.name", "orders.total", "rows join@orders.customer join@customers.id"],
        ),
        (
            "select total, sum(total) over (partition by customer order by day) as s from orders",
            ["orders.total", "orders.total window@orders.customer window@orders.day"],
        ),
        (
            "select id from orders qualify row_number() over (partition by customer order by day) = 1",
            ["orders.id", "rows window@orders.customer window@orders.day"],
        ),
        ("select id as orders, id + customer as id from orders", ["orders.id", "orders.id orders.customer"]),
        (
            "with orders as (select id as a from customers) select a from orders",  # shadows the table
            ["customers.id"],
        ),
        (
            "select max(total) filter (where customer = 1) as a, list(id order by day) as b from orders",
            ["orders.total filter@orders.customer", "orders.id order@orders.day"],
        ),
        (
            "select count(*) as a, max(id) as b from orders where day > '2024-01-01'",
            ["", "orders.id", "rows filter@orders.day"],
        ),
        (
            "select name from customers where id in (select customer from orders where total > 5)",
            ["customers.name", "rows filter@orders.customer filter@orders.total filter@customers.id"],
        ),
        (
            "select name, exists (from orders where customer = c.id) as bought from customers as c",
            ["customers.name", "orders.customer customers.id filter@orders.customer"],
        ),
        (
            "select name, (select max(total) from orders) as most from customers",
            ["customers.name", "orders.total"],
        ),
        (
            # What a subquery is given is no grouping, and decides no rows by being given.
            "select c.id, n from customers as c, lateral (select total + c.id as n from orders where day > c.since)",
            ["customers.id", "orders.total customers.id", "rows filter@orders.day filter@customers.since"],
        ),
        (
            "select id from orders union all by name select name, id from customers",
            ["orders.id customers.id", "customers.name"],
        ),
        (
            "select id from orders except select id from customers",
            ["orders.id", "rows join@orders.id join@customers.id group@orders.id"],
        ),
        (
            "with recursive r as (select id from customers where name = 'x' union all"
            " select o.id from r join orders as o on o.customer = r.id) from r",
            [
                "orders.id customers.id",
                "rows filter@customers.name join@orders.id join@orders.customer join@customers.id",
            ],
        ),
        ("select id from orders order by total limit 3", ["orders.id", "rows order@orders.total"]),
        (
            "select distinct customer, day from orders",
            ["orders.customer", "orders.day", "rows group@orders.customer group@orders.day"],
        ),
        ('select "A B", "Odd.name"."c.d", s.f from "odd.name"', ["Odd.name.a b", "Odd.name.c.d", "Odd.name.s"]),
        ('select unnest(l) as e, s.g from "Odd.name"', ["Odd.name.l", "Odd.name.s", "rows join@Odd.name.l"]),
        ('select list_transform(l, lambda x: x + "a b") as m from "Odd.name"', ["Odd.name.a b Odd.name.l"]),
        ("select case when day > '2024-01-01' then total end as v from orders", ["orders.day orders.total"]),
        (
            "from (pivot orders on customer in (1) using sum(total) group by day)",
            ["orders.day", "orders.total filter@orders.customer", "rows group@orders.day"],
        ),
    ],
)  # fmt: skip
def test_lineage(analysis: LineageAnalysis, query: str, expected: list[str]) -> None:
    count = len([each for each in expected if not each.startswith("rows ")])
    assert shown(traced(analysis, query, count)) == expected


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("select id + $n as v from orders where total > $least::double", {"n": 1, "least": 1.5}),
        ("select id + $n.a.b as v from orders where total = any ($several)", {"n": {"a": {"b": 1}}, "several": [1, 2]}),
        ("select id as v from orders where total > -$n and $$ $n $$ <> $of$ $n $of$ -- $n", {"n": 1}),
        ("select id as v from orders where total > 1 limit $n", {"n": 1}),
        ("select id as v from orders where total > 1 and day > date '2024-01-01' - interval ($n) day", {"n": 1}),
    ],
)
def test_params_are_no_columns(analysis: LineageAnalysis, query: str, params: dict[str, Any]) -> None:
    first, rows = shown(traced(analysis, query, 1, **params))
    assert first == "orders.id"
    assert rows.startswith("rows filter@orders")
    assert "filter@orders.total" in rows


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("pivot orders on customer using sum(total)", "DuckDB has no plan of it"),
        ("select * from duckdb_tables()", "a function whose inputs are not known: duckdb_tables()"),
        ("with recursive r using key (id) as (select id, day from orders union from r) from r", "DuckDB has no plan"),
        ("from json_execute_serialized_sql(json_serialize_sql('from orders'))", "json_execute_serialized_sql()"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said(analysis: LineageAnalysis, query: str, why: str) -> None:
    found = traced(analysis, query, 1)
    assert found.unknown is not None
    assert why in found.unknown
    assert found.columns == ()


def test_a_result_of_other_columns_is_not_known(analysis: LineageAnalysis) -> None:
    assert traced(analysis, "from customers", 2).unknown == "the plan of DuckDB has other columns than its result"


def test_a_query_nested_too_deeply_is_not_known(analysis: LineageAnalysis) -> None:
    query = "select id from orders"
    for _ in range(490):
        query = f"select id from ({query}) where id > 0"
    assert traced(analysis, query, 1).unknown == "it is nested too deeply"
    assert shown(traced(analysis, "select id from orders", 1)) == ["orders.id"]


def test_names_of_duckdbs_own_subqueries_are_no_exception(analysis: LineageAnalysis) -> None:
    query = (
        "with __duckdb_delim_1 as (select customer, day from orders),"
        " __duckdb_delim_dedup_1 as (select customer, day from __duckdb_delim_1 group by all)"
        " select o.id from __duckdb_delim_dedup_1 as d join orders as o on o.customer is not distinct from d.customer"
    )
    rows = shown(traced(analysis, query, 1))[-1]
    assert rows == "rows join@orders.customer group@orders.customer group@orders.day"


def test_every_type_is_traced(analysis: LineageAnalysis) -> None:
    columns = [Column(f"c{place}", parse_column_type(text)) for place, text in enumerate(VALUES)]
    columns = [each for each in columns if unheld(empty_table([each]).schema) is None]
    names = [column.name for column in columns]
    found = analysis.trace("from every", {"every": columns}, {}, names)
    assert found.unknown is None
    assert [each.sources for each in found.columns] == [(ColumnRef("every", name),) for name in names]
    assert len(names) > len(VALUES) / 2


def test_words_for_how_columns_decide() -> None:
    assert BY == ("filter", "join", "group", "order", "window")
