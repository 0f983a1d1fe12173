"""What an engine reads of a Parquet file by itself is what Arrow reads; it does not where that could differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.formats.native import native_parquet
from lakehouse_cli.model import Column, ColumnType, Contract, SqlQuery, Table, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms import StreamedTable
from lakehouse_cli.transforms.frames import frame_type
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.calling import run_query
from tests.properties.test_csv_round_trip import build, column_types, plain, values_of
from tests.properties.test_database_round_trip import common

LAW = settings(
    max_examples=80,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
KINDS = (
    *("bool", "int8", "int64", "uint64", "float32", "float64", "string", "binary", "date32"),
    *("timestamp[us]", "timestamp[us, tz=UTC]", "decimal128(12, 3)"),
)


with QueryAnalysis() as analysis:
    QUERY = SqlQuery("select * from t", reading=analysis.read("select * from t"))


def unread() -> Iterator[pa.Table]:
    raise AssertionError("Arrow read it")


def by_engines(data: pa.Table, columns: tuple[Column, ...]) -> list[pa.Table]:
    """The rows of a file as DuckDB and polars read them; none where Arrow must read it."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "t.parquet"))
        pq.write_table(data, path, compression="zstd", row_group_size=2, version="2.6")
        file = native_parquet(path, columns, lambda: None, is_judged=True)
        if file is None:
            return []
        assert file.rows == data.num_rows
        table = StreamedTable(unread, InputRecord("", 0, 0), file)
        result = Table("result", contract=Contract(columns), query=QUERY)
        found = [run_query(result, [(Input("t", "t"), table)])]
        lazy = frame_type("polars.LazyFrame")
        found.append(lazy.to_arrow(table.frame(lazy), columns))
        return [enforce(each, columns).table for each in found]


def table_of(values: list[object], kind: ColumnType) -> pa.Table:
    schema = pa.schema([("i", pa.int64()), ("a column", to_arrow(kind))])
    return pa.Table.from_arrays([pa.array(range(len(values)), pa.int64()), build(values, kind)], schema=schema)


@LAW
@given(data=st.data())
def test_engines_read_what_arrow_reads(data: st.DataObject) -> None:
    kind = data.draw(column_types)
    given_table = table_of(data.draw(st.lists(values_of(kind), max_size=5)), kind)
    columns = (Column("i", ColumnType("int64")), Column("a column", kind))
    for back in by_engines(given_table, columns):
        assert back.schema == given_table.schema
        after = back["a column"].combine_chunks() if back.num_rows else given_table["a column"].combine_chunks()
        assert plain(after, kind) == plain(given_table["a column"].combine_chunks(), kind)


@pytest.mark.parametrize("text", KINDS)
def test_engines_read_common_values(text: str) -> None:
    kind = parse_column_type(text)

    @settings(LAW, max_examples=10)
    @given(st.lists(st.one_of(st.none(), common(kind)), min_size=1, max_size=5))
    def check(values: list[object]) -> None:
        given_table = table_of(values, kind)
        found = by_engines(given_table, (Column("i", ColumnType("int64")), Column("a column", kind)))
        assert len(found) == 2
        for back in found:
            assert plain(back["a column"].combine_chunks(), kind) == plain(
                given_table["a column"].combine_chunks(), kind
            )

    check()
