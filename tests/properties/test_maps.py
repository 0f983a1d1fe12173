"""Maps are the same whatever memory they lie in."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.registry import Entry, load
from tests.properties.drawn_tables import LAW

TARGET = pa.map_(pa.string(), pa.int16())
maps = st.lists(
    st.none()
    | st.lists(st.tuples(st.text(max_size=2), st.none() | st.integers(-9, 9)), max_size=3, unique_by=lambda p: p[0]),
    max_size=6,
)


def other_forms(values: list[Any], start: int) -> list[pa.ChunkedArray]:
    """The same maps in other types and other memory."""
    named = pa.map_(pa.field("k", pa.large_string(), nullable=False), pa.field("v", pa.int64()))
    pair = pa.struct([("value", pa.int32()), ("key", pa.string())])
    lists = [None if each is None else [{"key": key, "value": value} for key, value in each] for each in values]
    padded = [[("beside", 1)]] * start + values
    return [
        pa.chunked_array([pa.array(values, named)]),
        pa.chunked_array([pa.array(padded, TARGET).slice(start)]),
        pa.chunked_array([pa.array(values[:2], TARGET), pa.array(values[2:], TARGET)]),
        pa.chunked_array([pa.array(lists, pa.large_list(pair))]),
    ]


@LAW
@given(maps, st.integers(0, 2))
def test_maps_of_other_layouts_are_the_same(values: list[Any], start: int) -> None:
    for column in other_forms(values, start):
        converted = convert(column, TARGET)
        converted.validate(full=True)
        assert str(converted.type) == str(TARGET)
        assert converted.to_pylist() == values
        assert convert(converted, pa.list_(pa.struct([("key", pa.string()), ("value", pa.int16())]))).to_pylist() == [
            None if each is None else [{"key": key, "value": value} for key, value in each] for each in values
        ]
    assert convert_values([each if each is None else dict(each) for each in values], TARGET).to_pylist() == values


@LAW
@given(maps, st.integers(0, 2), st.sampled_from(["ipc", "parquet"]))
def test_maps_of_other_layouts_make_the_same_bytes(values: list[Any], start: int, name: str) -> None:
    written = set()
    for column in other_forms(values, start):
        sink = io.BytesIO()
        converted = convert(column, TARGET)
        load(Entry(FORMATS[name].implementation))().write(pa.table({"m": converted}), sink, FORMATS[name].checked({}))
        written.add(sink.getvalue())
    assert len(written) == 1
