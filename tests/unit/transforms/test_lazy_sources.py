"""What polars asks of the tables behind a lazy frame, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms import StreamedTable, frame_type_of
from tests.cases import each_case

ROWS, PIECE = 100_000, 1_000
PIECES = [
    pa.table({"id": range(start, start + PIECE), "x": [i % 7 for i in range(PIECE)], "t": list(map(str, range(PIECE)))})
    for start in range(0, ROWS, PIECE)
]
ALL = len(PIECES)


class Source:
    """A lazy frame of pieces, which counts those that are read."""

    def __init__(self) -> None:
        self.read = 0
        self.frames = frame_type_of(pl.LazyFrame)

    def lazy(self) -> pl.LazyFrame:
        return self.frames.from_pieces(PIECES[0].schema, self.pieces)

    def pieces(self) -> Iterator[pa.Table]:
        for piece in PIECES:
            self.read += 1
            yield piece

    def result(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return pl.concat([pl.from_arrow(piece) for piece in self.frames.to_pieces(frame, None)])


QUERIES: dict[str, Callable[[pl.LazyFrame], Any]] = {
    "columns": lambda lazy: lazy.select("t"),
    "filter by another column": lambda lazy: lazy.filter(pl.col("x") == 3).select("id"),
    "filter by a function": lambda lazy: lazy.filter(
        pl.col("id").map_batches(lambda ids: ids == 17, return_dtype=pl.Boolean)
    ),
    "filter, then limit": lambda lazy: lazy.filter(pl.col("x") == 3).head(5).select("t"),
    "limit, then filter": lambda lazy: lazy.head(PIECE + 5).filter(pl.col("x") == 3),
    "slice": lambda lazy: lazy.slice(PIECE + 5, 10),
    "tail": lambda lazy: lazy.tail(3),
    "count": lambda lazy: lazy.select(pl.len()),
    "row numbers": lambda lazy: lazy.with_row_index().filter(pl.col("id") % 10_000 == 1),
    "renamed": lambda lazy: lazy.rename({"id": "t", "t": "id"}).filter(pl.col("t") > ROWS - 3),
    "joined with itself": lambda lazy: lazy.join(lazy.filter(pl.col("x") == 1).select("id"), on="id").select(pl.len()),
}


@each_case("query", QUERIES.values())
def test_query_gives_what_a_frame_gives(query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
    source = Source()
    expected = query(pl.from_arrow(pa.concat_tables(PIECES)).lazy()).collect()
    assert source.result(query(source.lazy())).equals(expected)


@pytest.mark.parametrize("name", ["filter, then limit", "limit, then filter", "slice"])
def test_source_is_left_early(name: str) -> None:
    source = Source()
    source.result(QUERIES[name](source.lazy()))
    assert source.read < ALL / 2


def test_more_inputs_than_threads() -> None:
    source = Source()
    first, *others = (source.lazy() for _ in range(4 * pl.thread_pool_size() + 3))
    joined = first
    for number, other in enumerate(others):
        joined = joined.join(other.select("id", pl.col("x").alias(f"x{number}")), on="id")
    assert source.result(joined.select(pl.len())).item() == ROWS
    assert source.read == ALL * (len(others) + 1)
    at_once = pl.concat([first, *others]).select(pl.col("id").sum())
    assert source.result(at_once).item() == (len(others) + 1) * ROWS * (ROWS - 1) // 2


@pytest.mark.parametrize("is_judged", [True, False])
def test_input_is_read_on_only_to_be_judged(is_judged: bool) -> None:
    source = Source()
    table = StreamedTable(source.pieces, InputRecord("", ROWS, 0), is_judged=is_judged)
    assert len(source.result(table.frame(source.frames).head(5))) == 5
    table.finish()
    assert table.num_rows == ROWS
    assert source.read < ALL / 2 if is_judged else source.read == ALL


def test_input_of_unknown_rows_is_read_to_count_them() -> None:
    source = Source()
    table = StreamedTable(source.pieces, InputRecord("", -1, 0), is_judged=True)
    source.result(table.frame(source.frames).head(5))
    table.finish()
    assert (table.num_rows, source.read) == (ROWS, ALL)


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("columns", ["t"]),
        ("filter by another column", ["id", "x"]),
        ("filter, then limit", ["t", "x"]),
        ("tail", ["id", "t", "x"]),
    ],
)
def test_no_more_columns_are_asked_for_than_needed(query: str, columns: list[str]) -> None:
    source, asked = Source(), []

    def of_columns(names: Collection[str]) -> Iterator[pa.Table]:
        asked.append(sorted(names))
        return (piece.select(list(names)) for piece in source.pieces())

    table = StreamedTable(source.pieces, InputRecord("", ROWS, 0), is_judged=True, of_columns=of_columns)
    expected = QUERIES[query](pl.from_arrow(pa.concat_tables(PIECES)).lazy()).collect()
    assert source.result(QUERIES[query](table.frame(source.frames))).equals(expected)
    assert asked == ([columns] if len(columns) < 3 else [])
