"""In every format that is written: each type comes back as it was, and the same data make the same bytes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, note

from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import Column
from lakehouse_cli.registry import Entry, load
from tests.properties.drawn_tables import (
    CHANCES,
    LAW,
    Chance,
    Made,
    build,
    column_type,
    first_that,
    has_seconds,
    plain,
    tables,
    value,
)

# Of Excel, which refuses much, see test_excel_round_trip.py.
WRITTEN = sorted(name for name, spec in FORMATS.items() if spec.writable and name != "excel")
OPTIONS: Mapping[str, list[dict[str, Any]]] = {
    "csv": [{}, {"compression": "zstd"}],
    "jsonl": [{}, {"compression": "gzip"}, {"compression": "bz2"}, {"compression": "zstd"}]
    + [{"duration_unit": unit, "epoch_unit": unit} for unit in ("s", "ms", "us", "ns")]
    + [
        {"time_format": word, "binary": "hex", "percent": "fraction", "thousands": ","}
        for word in ("interval", "%T.%f")
    ],
    "json": [{}, {"compression": "gzip"}, {"compression": "zstd"}, {"duration_unit": "ms"}],
    "ipc": [{}, {"compression": "lz4"}, {"compression": "none"}],
    "parquet": [{}, {"row_group_rows": 2}, *({"compression": c} for c in ("snappy", "gzip", "brotli", "lz4", "none"))],
}


def written(name: str, table: pa.Table, options: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    load(Entry(FORMATS[name].implementation))().write(table, sink, FORMATS[name].checked(options))
    return sink.getvalue()


def options_of_each(chance: Chance) -> dict[str, dict[str, Any]]:
    """Options for each format: a table is drawn for all of them."""
    drawn = {name: chance.choice(OPTIONS[name]) for name in WRITTEN}
    note(drawn)
    return drawn


def is_held(name: str, columns: list[Column]) -> bool:
    """Parquet counts milliseconds at the coarsest: 300 million years, where the type has more."""
    return name != "parquet" or not any(has_seconds(column.type) for column in columns)


def values_of(table: pa.Table, column: Column) -> list[Any]:
    none = pa.nulls(0, to_arrow(column.type))
    return plain(pa.concat_arrays([none, *table[column.name].chunks]), column.type)


@LAW
@given(CHANCES)
def test_every_type_comes_back_as_it_was(chance: Chance) -> None:
    table, columns = tables(chance)
    for name, options in options_of_each(chance).items():
        if not is_held(name, columns):
            continue
        stored = written(name, table, options)
        back = load(Entry(FORMATS[name].implementation))().read(
            lambda: io.BytesIO(stored),  # noqa: B023
            "x",
            columns,
            FORMATS[name].checked(options),
        )
        back.validate(full=True)
        assert back.schema == table.schema, name
        assert back.num_rows == table.num_rows, name
        for column in columns:
            assert values_of(back, column) == values_of(table, column), name


def alike(chance: Chance) -> list[pa.Table]:
    """One table several times: whole, in chunks, sliced out of a longer one, its dictionaries in another order."""
    kinds = [
        first_that(lambda kind: not has_seconds(kind), lambda: column_type(chance)) for _ in range(chance.randint(1, 3))
    ]
    rows = chance.randrange(9)
    values = [[value(chance, kind) for _ in range(rows)] for kind in kinds]
    more = [[value(chance, kind) for _ in range(2)] for kind in kinds]
    cut = chance.randint(0, rows)

    def table(before: int, after: int) -> pa.Table:
        arrays = [
            build([*extra[:before], *each, *extra[:after]], kind)
            for extra, each, kind in zip(more, values, kinds, strict=True)
        ]
        return pa.table({f"c{at}": array for at, array in enumerate(arrays)}).slice(before, rows)

    whole = table(0, 0)
    note(whole)
    longer = table(2, 1)
    return [whole, pa.concat_tables([whole.slice(0, cut), longer.slice(cut)]), longer]


@LAW
@given(CHANCES)
def test_the_same_data_make_the_same_bytes(chance: Chance) -> None:
    same = alike(chance)
    for name, options in options_of_each(chance).items():
        assert len({written(name, table, options) for table in same}) == 1, name


@pytest.mark.parametrize("name", WRITTEN)
def test_what_lies_under_a_null_makes_no_difference(name: str) -> None:
    valid = pa.py_buffer(bytes([0b101]))
    tables = [
        pa.table(
            {
                "n": pa.Array.from_buffers(pa.int64(), 3, [valid, pa.array([1, hidden, 3]).buffers()[1]]),
                "t": pa.Array.from_buffers(
                    pa.string(),
                    3,
                    [valid, pa.array([0, 1, 1 + size, 2 + size], pa.int32()).buffers()[1], pa.py_buffer(text)],
                ),
                "s": pa.StructArray.from_arrays(
                    [pa.array([1, hidden, None])], names=["a"], mask=pa.array([False, True, False])
                ),
            }
        )
        for hidden, size, text in ((7, 0, b"ab"), (8, 3, b"axxxb"))
    ]
    assert tables[0].equals(tables[1])
    assert written(name, tables[0], {}) == written(name, tables[1], {})


@pytest.mark.parametrize("name", WRITTEN)
def test_chunks_of_large_tables_make_the_same_bytes(name: str) -> None:
    count = 150_000
    table = pa.table({"id": range(count), "text": [f"{i % 977:05}" if i % 7 else None for i in range(count)]})
    chunked = pa.concat_tables([table.slice(at, 9_999) for at in range(0, count, 9_999)])
    assert chunked.column(0).num_chunks > 10
    assert written(name, table, {}) == written(name, chunked, {})


@LAW
@given(CHANCES)
def test_pieces_are_the_table(chance: Chance) -> None:
    """Whatever the pieces, the same bytes; and pieces of a file are what it is as a whole."""
    made = tables(chance)
    cuts = [chance.randint(0, 6) for _ in range(chance.randrange(4))]
    for name, options in options_of_each(chance).items():
        if is_held(name, made[1]):
            pieces_are_the_table(name, options, made, cuts)


def pieces_are_the_table(name: str, options: Mapping[str, Any], made: Made, cuts: list[int]) -> None:
    table, columns = made
    format_, checked = load(Entry(FORMATS[name].implementation))(), FORMATS[name].checked(options)
    ends = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
    pieces = [table.slice(start, end - start) for start, end in itertools.pairwise(ends)]
    sink = io.BytesIO()
    format_.write_pieces(iter(pieces), sink, checked)
    stored = sink.getvalue()
    assert stored == written(name, table, options)
    for declared in (columns, *([None] if name in ("ipc", "parquet") else [])):
        whole = format_.read(lambda: io.BytesIO(stored), "x", declared, checked)
        found = list(format_.read_pieces(lambda: io.BytesIO(stored), "x", declared, checked))
        assert all(piece.schema == whole.schema for piece in found)
        together = pa.concat_tables(found)
        # By their values where not by their memory: dictionaries are those of each piece.
        for field in whole.schema if not together.equals(whole) else ():
            kind = from_arrow(field.type)
            assert kind is not None
            column = Column(field.name, kind)
            assert values_of(together, column) == values_of(whole, column), name
