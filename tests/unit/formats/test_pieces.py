"""Pieces of tables, joined where they are small."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.formats.pieces import joined


def test_small_pieces_of_one_schema_are_joined() -> None:
    numbers = [pa.table({"a": [number]}) for number in range(5)]
    found = list(joined([*numbers, pa.table({"a": ["x"]}), *numbers]))
    assert [piece["a"].to_pylist() for piece in found] == [[0, 1, 2, 3, 4], ["x"], [0, 1, 2, 3, 4]]
    assert found[0]["a"].num_chunks == 1


def test_large_pieces_stay_as_they_are() -> None:
    many, bytes_ = pa.table({"a": pa.array(range(10_000))}), pa.table({"a": ["x" * 2_000_000]})
    small = pa.table({"a": [1]})
    found = list(joined([small, many, bytes_, small, small]))
    assert [piece.num_rows for piece in found] == [1, 10_000, 1, 2]
    assert found[1:3] == [many, bytes_]


def test_waiting_bytes_are_bounded() -> None:
    found = list(joined(pa.table({"a": ["x" * 300_000]}) for _ in range(9)))
    assert [piece.num_rows for piece in found] == [4, 4, 1]


def test_dictionaries_need_not_fit_one_index() -> None:
    def piece(start: int) -> pa.Table:
        texts = pa.array([str(number) for number in range(start, start + 100)])
        kind = pa.dictionary(pa.int8(), pa.string())
        return pa.table({"a": pa.DictionaryArray.from_arrays(pa.array(range(100), pa.int8()), texts).cast(kind)})

    (found,) = joined([piece(0), piece(100)])
    assert found["a"].to_pylist() == [str(number) for number in range(200)]
