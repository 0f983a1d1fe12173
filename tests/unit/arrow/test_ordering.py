"""Rows in order: as DuckDB has them, whatever their type."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from lakehouse_cli.arrow.ordering import are_sorted, order_problem, sort_rows
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import parse_column_type
from lakehouse_cli.testing.every_type import VALUES
from tests.cases import each_case

FLAT = [name for name in VALUES if not parse_column_type(name).is_nested]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def table(name: str) -> pa.Table:
    """Every value twice, in several chunks, with where it stood."""
    values = pa.array(
        VALUES[name], to_arrow(parse_column_type(name).item if "dict" in name else parse_column_type(name))
    )
    values = values.dictionary_encode() if "dict" in name else values
    return pa.table({"x": pa.chunked_array([values, values[::-1]]), "row": range(2 * len(values))})


@each_case("name", FLAT)
def test_order_is_that_of_duckdb(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    data = table(name)
    column = data["x"].cast(data["x"].type.value_type) if "dict" in name else data["x"]
    connection.register("t", pa.table({"x": column, "row": data["row"]}))
    expected = [row for (row,) in connection.sql("SELECT row FROM t ORDER BY x, row").fetchall()]
    assert sort_rows(data, ["x"])["row"].to_pylist() == expected
    assert sort_rows(data, ["x"]).schema == data.schema


def test_equal_rows_stay_as_they_are() -> None:
    data = pa.table({"a": [2, 1, 2, 1], "f": [0.0, -0.0, -0.0, 0.0], "row": range(4)})
    assert sort_rows(data, ["a"])["row"].to_pylist() == [1, 3, 0, 2]
    assert sort_rows(data, ["f"])["row"].to_pylist() == [0, 1, 2, 3]
    assert sort_rows(data, ["f", "a"])["row"].to_pylist() == [1, 3, 0, 2]


def test_order_is_seen_across_stretches() -> None:
    rows = 1 << 16
    assert are_sorted(pa.table({"a": [*range(rows), rows - 1, rows]}), ["a"])
    assert not are_sorted(pa.table({"a": [*range(rows), rows - 2, rows]}), ["a"])
    assert are_sorted(pa.table({"a": pa.array([], pa.int8())}), ["a"])


def test_nested_columns_and_those_behind_them_do_not_count() -> None:
    data = pa.table({"l": [[2], [1]], "s": [{"a": 2}, {"a": 1}], "a": [2, 1]})
    assert sort_rows(data, ["l", "a"]) is data
    assert sort_rows(data, ["s"]) is data
    assert sort_rows(data, ["a", "l"])["a"].to_pylist() == [1, 2]


def test_ordered_rows_are_not_copied() -> None:
    data = pa.table({"a": [1, 1, 2, None]})
    assert sort_rows(data, ["a"]) is data
    assert sort_rows(data[:1], ["a"]).num_rows == 1


def test_nan_and_null_come_last() -> None:
    data = pa.table({"f": [None, float("nan"), 1.0, float("inf"), float("-inf")]})
    assert str(sort_rows(data, ["f"])["f"].to_pylist()) == "[-inf, 1.0, inf, nan, None]"


@pytest.mark.parametrize(
    "empty", [pa.table({"a": pa.array([], pa.string())}), pa.table({"a": pa.chunked_array([], pa.int8())})]
)
def test_a_table_without_rows(empty: pa.Table) -> None:
    assert sort_rows(empty, ["a"]).schema == empty.schema


def test_what_has_no_order_is_named() -> None:
    schema = pa.schema({"station": pa.string(), "days": pa.list_(pa.int64())})
    assert order_problem(schema, ["station"]) is None
    missing = "`order_by` names `statoin`, which is not in the result"
    assert order_problem(schema, ["station", "statoin"]) == (1, missing, "did you mean `station`?")
    nested = "`order_by` names `days`, and list<int64> has no order"
    assert order_problem(schema, ["days"]) == (0, nested, "order by columns that are no lists, structs or maps")
