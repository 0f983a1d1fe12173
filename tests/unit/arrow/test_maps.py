"""Maps: converted pair by pair, refused by row, and the same whatever memory they lie in."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.registry import Entry, load
from tests.properties.test_csv_round_trip import LAW

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


@pytest.mark.parametrize(
    ("value", "quality"),
    [
        ([("a", 1), ("b", 2), ("a", 1)], "maps that have a key twice"),
        ([("a", 40_000)], "outside int16"),
    ],
)
def test_maps_are_refused_with_their_rows(value: Any, quality: str) -> None:
    column = pa.chunked_array([[None, [("a", 1)]], [value, []]], pa.map_(pa.string(), pa.int64()))
    with pytest.raises(InexactError, match=quality) as caught:
        convert(column, TARGET)
    assert caught.value.rows is not None
    assert caught.value.rows.to_pylist() == [2]


def test_null_keys_of_lists_of_pairs_are_refused() -> None:
    pair = pa.struct([("key", pa.string()), ("value", pa.int64())])
    column = pa.chunked_array([pa.array([[], [{"key": None, "value": 1}], None], pa.list_(pair))])
    with pytest.raises(InexactError, match="a key that is null") as caught:
        convert(column, TARGET)
    assert caught.value.rows is not None
    assert caught.value.rows.to_pylist() == [1]


@pytest.mark.parametrize("wrap", [lambda array: array, lambda array: pa.StructArray.from_arrays([array], names=["m"])])
def test_values_outside_their_own_type_are_refused_inside(wrap: Any) -> None:
    kind = pa.map_(pa.string(), pa.decimal128(3, 1))
    wide = pa.array(
        [[], [("a", Decimal("1.0"))], [("a", None), ("b", Decimal("1234.5"))]],
        pa.map_(pa.string(), pa.decimal128(9, 1)),
    )
    entries = pa.StructArray.from_arrays(
        [wide.keys, pa.Array.from_buffers(pa.decimal128(3, 1), 3, wide.items.buffers())],
        fields=[kind.key_field, kind.item_field],
    )
    array = wrap(pa.Array.from_buffers(kind, 3, wide.buffers()[:2], children=[entries]))
    with pytest.raises(InexactError, match="too large for its own type") as caught:
        convert(pa.chunked_array([array]), array.type)
    assert caught.value.rows is not None
    assert caught.value.rows.to_pylist() == [2]
    twice = wrap(pa.array([[("a", Decimal(1))], [("a", None), ("a", None)]], kind))
    with pytest.raises(InexactError, match="have a key twice") as caught:
        convert(pa.chunked_array([twice]), twice.type)
    assert caught.value.rows is not None
    assert caught.value.rows.to_pylist() == [1]
