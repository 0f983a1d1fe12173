"""Maps that cannot be converted are refused by row."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError

TARGET = pa.map_(pa.string(), pa.int16())


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
