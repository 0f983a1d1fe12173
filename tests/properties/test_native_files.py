"""What an engine reads of a Parquet file by itself is what Arrow reads; it does not where that could differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.formats.native import native_ipc, native_parquet
from lakehouse_cli.model import Column, ColumnType, Contract, SqlQuery, Table, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms import StreamedTable
from lakehouse_cli.transforms.frames import frame_type
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.call import run_query
from tests.properties.drawn_tables import (
    CHANCES,
    Chance,
    Made,
    build,
    column_type,
    common,
    first_that,
    has_seconds,
    plain,
    value,
    values,
)

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
@given(CHANCES)
def test_engines_read_what_arrow_reads(chance: Chance) -> None:
    # Parquet counts milliseconds at the coarsest, of which there are less than seconds.
    kind = first_that(lambda kind: not has_seconds(kind), lambda: column_type(chance))
    given_table = table_of(values(chance, kind, 5), kind)
    note(given_table)
    columns = (Column("i", ColumnType("int64")), Column("a column", kind))
    for back in by_engines(given_table, columns):
        assert back.schema == given_table.schema
        after = back["a column"].combine_chunks() if back.num_rows else given_table["a column"].combine_chunks()
        assert plain(after, kind) == plain(given_table["a column"].combine_chunks(), kind)


def table_of_all(texts: Sequence[str], chance: Chance, draw: Callable[[Chance, ColumnType], object], rows: int) -> Made:
    """A table with a column of each of these types, called by it, and with numbers of its rows."""
    columns = [Column("i", ColumnType("int64")), *(Column(text, parse_column_type(text)) for text in texts)]
    arrays = [build([draw(chance, column.type) for _ in range(rows)], column.type) for column in columns[1:]]
    table = pa.table([pa.array(range(rows), pa.int64()), *arrays], names=[column.name for column in columns])
    note(table)
    return table, columns


@settings(LAW, max_examples=10)
@given(CHANCES)
def test_engines_read_common_values(chance: Chance) -> None:
    table, columns = table_of_all(KINDS, chance, common, chance.randint(1, 5))
    found = by_engines(table, tuple(columns))
    assert len(found) == 2
    for back in found:
        for column in columns:
            before, after = (each[column.name].combine_chunks() for each in (table, back))
            assert plain(after, column.type) == plain(before, column.type), column


# What a transform may ask of an input, each with an order of rows that polars keeps.
QUERIES: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
    lambda lazy: lazy,
    lambda lazy: lazy.filter(pl.col("i") >= 2).drop("i"),
    lambda lazy: lazy.slice(1, 2),
    lambda lazy: lazy.tail(2).with_row_index(),
    lambda lazy: lazy.select(pl.len()),
]
#: And of one of its columns.
QUERIES_OF_ONE: list[Callable[[pl.LazyFrame, str], pl.LazyFrame]] = [
    lambda lazy, name: lazy.select(name),
    lambda lazy, name: lazy.filter(pl.col(name).is_null()).select("i"),
    lambda lazy, name: lazy.filter(pl.col(name) == pl.col(name).first()).select("i", name),
]


def answers(frame: pl.LazyFrame, columns: tuple[Column, ...]) -> list[str]:
    """What the queries find, by their values and types, moments as their counts."""
    lazy = frame_type("polars.LazyFrame")
    asked = [query(frame) for query in QUERIES]
    asked += [query(frame, column.name) for query in QUERIES_OF_ONE for column in columns[1:]]
    found = []
    for query in asked:
        try:
            result = pa.concat_tables(lazy.to_pieces(query, columns))
        except pl.exceptions.PolarsError as error:  # of types without `==`
            found.append(f"{type(error).__name__} {str(error).splitlines()[0]}")
            continue
        kinds = [from_arrow(field.type) for field in result.schema]
        assert None not in kinds, result.schema
        shown = [
            plain(column.combine_chunks(), kind) for column, kind in zip(result.columns, kinds, strict=True) if kind
        ]
        found.append(f"{result.schema} {shown}")
    return found


IN_ARROW_FILES = (*KINDS, "timestamp[ms]", "timestamp[ns]", "timestamp[ns, tz=UTC]", "uint8")


@settings(LAW, max_examples=15)
@given(CHANCES)
def test_polars_reads_what_arrow_reads_of_arrow_files(chance: Chance) -> None:
    table, declared = table_of_all(IN_ARROW_FILES, chance, value, chance.randrange(8))
    columns, rows = tuple(declared), chance.randint(1, 4)
    with arrow_file(table, chance.choice((None, "zstd", "lz4")), rows) as path:
        file = native_ipc(path, columns, table.num_rows, lambda: None)
        assert file is not None
        lazy = frame_type("polars.LazyFrame")
        pieces = [table.slice(at, rows) for at in range(0, max(table.num_rows, 1), rows)]
        other = StreamedTable(lambda: iter(pieces), InputRecord("", 0, 0))
        frame = StreamedTable(unread, InputRecord("", 0, 0), file).frame(lazy)
        assert f"PROJECT 1/{len(columns)} COLUMNS" in frame.select("i").explain()
        assert answers(frame, columns) == answers(other.frame(lazy), columns)


@pytest.mark.parametrize(
    "text", ["timestamp[s]", "timestamp[us, tz=Europe/Berlin]", "time64[us]", "dictionary<string>", "list<int64>"]
)
def test_arrow_reads_other_types_of_arrow_files(text: str) -> None:
    kind = parse_column_type(text)
    with arrow_file(table_of([None], kind), "zstd", 2) as path:
        columns = (Column("i", ColumnType("int64")), Column("a column", kind))
        assert native_ipc(path, columns, 1, lambda: None) is None


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
