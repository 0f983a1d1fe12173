"""In every format that is written: each type comes back as it was, and the same data make the same bytes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.registry import Entry, load
from tests.properties.test_csv_round_trip import LAW, build, column_types, plain, tables, values_of

WRITTEN = sorted(name for name, spec in FORMATS.items() if spec.writable)
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
Made = tuple[pa.Table, list[Column]]


def written(name: str, table: pa.Table, options: Mapping[str, Any]) -> bytes:
    sink = io.BytesIO()
    load(Entry(FORMATS[name].implementation))().write(table, sink, FORMATS[name].checked(options))
    return sink.getvalue()


def has_seconds(kind: ColumnType) -> bool:
    return (kind.id == "timestamp" and kind.unit == "s") or any(has_seconds(child) for _, child in kind.fields)


#: An example takes longer to draw than to write and read: each is for all formats.
OF_EACH = st.fixed_dictionaries({name: st.sampled_from(OPTIONS[name]) for name in WRITTEN})


def is_held(name: str, columns: list[Column]) -> bool:
    """Parquet counts milliseconds at the coarsest: 300 million years, where the type has more."""
    return name != "parquet" or not any(has_seconds(column.type) for column in columns)


@LAW
@given(tables(), OF_EACH)
def test_every_type_comes_back_as_it_was(made: Made, drawn: dict[str, Any]) -> None:
    table, columns = made
    for name, options in drawn.items():
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
            none = pa.nulls(0, to_arrow(column.type))
            before, after = (pa.concat_arrays([none, *t[column.name].chunks]) for t in (table, back))
            assert plain(after, column.type) == plain(before, column.type), name


@st.composite
def alike(draw: st.DrawFn) -> list[pa.Table]:
    """One table several times: whole, in chunks, sliced out of a longer one, its dictionaries in another order."""
    kinds = draw(st.lists(column_types.filter(lambda kind: not has_seconds(kind)), min_size=1, max_size=3))
    rows = draw(st.integers(0, 8))
    values = [draw(st.lists(values_of(kind), min_size=rows, max_size=rows)) for kind in kinds]
    more = [draw(st.lists(values_of(kind), min_size=2, max_size=2)) for kind in kinds]
    cut = draw(st.integers(0, rows))

    def table(before: int, after: int) -> pa.Table:
        arrays = [
            build([*extra[:before], *each, *extra[:after]], kind)
            for extra, each, kind in zip(more, values, kinds, strict=True)
        ]
        return pa.table({f"c{at}": array for at, array in enumerate(arrays)}).slice(before, rows)

    whole = table(0, 0)
    longer = table(2, 1)
    return [whole, pa.concat_tables([whole.slice(0, cut), longer.slice(cut)]), longer]


@LAW
@given(alike(), OF_EACH)
def test_the_same_data_make_the_same_bytes(same: list[pa.Table], drawn: dict[str, Any]) -> None:
    for name, options in drawn.items():
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
@given(tables(), st.lists(st.integers(0, 6), max_size=3), OF_EACH)
def test_pieces_are_the_table(made: Made, cuts: list[int], drawn: dict[str, Any]) -> None:
    """Whatever the pieces, the same bytes; and pieces of a file are what it is as a whole."""
    for name, options in drawn.items():
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
        assert pa.concat_tables(found).equals(whole)
