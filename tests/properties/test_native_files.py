"""What an engine reads of a Parquet file by itself is what Arrow reads; it does not where that could differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.formats.native import native_ipc, native_parquet
from lakehouse_cli.model import Column, ColumnType, Contract, SqlQuery, Table, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms import StreamedTable
from lakehouse_cli.transforms.frames import frame_type
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.call import run_query
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
    QUERY = SqlQuery("select * from t", reading=analysis.read(["select * from t"])[0])


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


@contextmanager
def arrow_file(data: pa.Table, codec: str | None, rows: int) -> Iterator[str]:
    """The path of an Arrow file in batches of so many rows."""
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "t.arrow"))
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, data.schema, options=options) as writer:
            writer.write_table(data, max_chunksize=rows)
        yield path


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


# What a transform may ask of an input, each with an order of rows that polars keeps.
QUERIES: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
    lambda lazy: lazy,
    lambda lazy: lazy.select("a column"),
    lambda lazy: lazy.filter(pl.col("i") >= 2).select("a column"),
    lambda lazy: lazy.filter(pl.col("a column").is_null()).select("i"),
    lambda lazy: lazy.filter(pl.col("a column") == pl.col("a column").first()),
    lambda lazy: lazy.slice(1, 2),
    lambda lazy: lazy.tail(2).with_row_index(),
    lambda lazy: lazy.select(pl.len()),
]


def answers(frame: pl.LazyFrame, columns: tuple[Column, ...]) -> list[str]:
    lazy = frame_type("polars.LazyFrame")
    found = []
    for query in QUERIES:
        try:
            result = pa.concat_tables(lazy.to_pieces(query(frame), columns))
            found.append(f"{result.schema} {result.to_pydict()}")
        except (pl.exceptions.PolarsError, OverflowError) as error:  # of types without `==`; dates that Python lacks
            found.append(f"{type(error).__name__} {str(error).splitlines()[0]}")
    return found


def check_arrow_file(values: list[object], kind: ColumnType, codec: str | None, rows: int, *, is_native: bool) -> None:
    given_table = table_of(values, kind)
    columns = (Column("i", ColumnType("int64")), Column("a column", kind))
    with arrow_file(given_table, codec, rows) as path:
        file = native_ipc(path, columns, given_table.num_rows, lambda: None)
        assert (file is not None) is is_native
        if file is None:
            return
        lazy = frame_type("polars.LazyFrame")
        pieces = [given_table.slice(at, rows) for at in range(0, max(given_table.num_rows, 1), rows)]
        other = StreamedTable(lambda: iter(pieces), InputRecord("", 0, 0))
        frame = StreamedTable(unread, InputRecord("", 0, 0), file).frame(lazy)
        assert "PROJECT 1/2 COLUMNS" in frame.select("i").explain()
        assert answers(frame, columns) == answers(other.frame(lazy), columns)


CODECS = st.sampled_from([None, "zstd", "lz4"])
IN_ARROW_FILES = (*KINDS, "timestamp[ms]", "timestamp[ns]", "timestamp[ns, tz=UTC]", "uint8", "float32")


@pytest.mark.parametrize("text", IN_ARROW_FILES)
def test_polars_reads_what_arrow_reads_of_arrow_files(text: str) -> None:
    kind = parse_column_type(text)

    @settings(LAW, max_examples=15)
    @given(st.lists(st.one_of(st.none(), values_of(kind)), max_size=7), CODECS, st.integers(1, 4))
    def check(values: list[object], codec: str | None, rows: int) -> None:
        check_arrow_file(values, kind, codec, rows, is_native=True)

    check()


@pytest.mark.parametrize(
    "text", ["timestamp[s]", "timestamp[us, tz=Europe/Berlin]", "time64[us]", "dictionary<string>", "list<int64>"]
)
def test_arrow_reads_other_types_of_arrow_files(text: str) -> None:
    check_arrow_file([None], parse_column_type(text), "zstd", 2, is_native=False)


def test_arrow_reads_files_that_are_not_as_declared() -> None:
    data = table_of([1, 2], ColumnType("int32"))
    twice = pa.Table.from_arrays([*data.columns, data.column(1)], [*data.column_names, "a column"])
    wider = (Column("i", ColumnType("int64")), Column("a column", ColumnType("int64")))
    missing = (Column("i", ColumnType("int64")), Column("another", ColumnType("int32")))
    same = (Column("a column", ColumnType("int32")),)
    for table, columns in ((data, wider), (data, missing), (data, None), (twice, same)):
        with arrow_file(table, None, 1) as path:
            assert native_ipc(path, columns, 2, lambda: None) is None
    with arrow_file(data, None, 1) as path:
        assert native_ipc(path, same, 2, lambda: None) is not None
