"""A contract on a table piece by piece: what is found, and kept, is what the whole table shows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.contracts import Check, Enforcement, check, enforce, keys
from lakehouse_cli.contracts.keys import increases
from lakehouse_cli.errors import ContractError, DataError, Violation
from lakehouse_cli.model import Column, parse_column_type
from tests.unit.drawn_values import choices

CONTRACT = (
    Column("id", parse_column_type("int64"), nullable=False),
    Column("day", parse_column_type("date32")),
    Column("value", parse_column_type("int8"), nullable=False),
)
#: Of int8, beyond it, not whole, and neither.
VALUES = [*range(100, 141), 1.5, 300.5, float("nan")]


def cut(table: pa.Table, cuts: list[int]) -> Iterator[pa.Table]:
    ends = sorted({min(each, table.num_rows) for each in cuts} | {table.num_rows})
    start = 0
    for end in ends:
        yield table.slice(start, end - start)
        start = end


def found(violations: Any) -> list[tuple[Any, ...]]:
    return sorted((v.column or "", v.check, v.count, v.message, v.examples) for v in violations)


def outcome_of_pieces(pieces: Iterator[pa.Table], **options: Any) -> tuple[Any, ContractError | None]:
    with closing(Enforcement(CONTRACT, options.get("key", ()), options.get("extra_columns", "error"))) as enforcement:
        kept = [enforcement.piece(piece) for piece in pieces]
        try:
            enforcement.finish()
        except ContractError as error:
            return None, error
        return pa.concat_tables(kept), None


@given(
    columns=st.integers(1, 30).flatmap(
        lambda count: st.tuples(choices(range(7), count), choices(range(4), count), choices(VALUES, count))
    ),
    cuts=st.lists(st.integers(0, 30), max_size=5),
    key=st.sampled_from([(), ("id",), ("id", "day")]),
)
@settings(max_examples=75)
def test_pieces_are_judged_as_the_whole(columns: tuple[list[Any], ...], cuts: list[int], key: tuple[str, ...]) -> None:
    ids, days, values = columns
    table = pa.table(
        {"id": pa.array(ids, pa.int64()), "day": pa.array(days, pa.date32()), "value": pa.array(values, pa.float64())}
    )
    whole, refusal = None, None
    try:
        whole = enforce(table, CONTRACT, key=key).table
    except ContractError as error:
        refusal = error
    in_pieces, refused = outcome_of_pieces(cut(table, cuts), key=key)
    if refusal is None:
        assert refused is None
        assert in_pieces.equals(whole)
        return
    assert refused is not None
    assert found(refused.violations) == found(refusal.violations)
    assert refused.failed is not None
    assert refusal.failed is not None
    rows_of = [[(row.row, sorted(row.reasons)) for row in each.failed.rows] for each in (refused, refusal)]  # type: ignore[union-attr]
    assert rows_of[0] == rows_of[1]


def test_counts_and_rows_run_over_all_pieces() -> None:
    pieces = [pa.table({"id": [1, None], "day": pa.nulls(2, pa.date32()), "value": [1, 2]}) for _ in range(3)]
    _, error = outcome_of_pieces(iter(pieces))
    assert error is not None
    assert [(v.column, v.count, [e.row for e in v.examples]) for v in error.violations] == [("id", 3, [2, 4, 6])]
    assert error.violations[0].message == "column `id` has 3 nulls but is declared `nullable: false`"


def test_missing_and_extra_columns_are_reported_once() -> None:
    _, error = outcome_of_pieces(iter([pa.table({"id": [1], "other": [2]})] * 3))
    assert error is not None
    assert [(v.check, v.column, v.count) for v in error.violations] == [
        ("missing", "day", 1),
        ("missing", "value", 1),
        ("extra", "other", 1),
    ]


def test_dropped_extras_are_known() -> None:
    enforcement = Enforcement(CONTRACT[:1], (), "drop")
    kept = enforcement.piece(pa.table({"id": [1], "x": [2]}))
    assert kept is not None
    assert (kept.column_names, enforcement.dropped) == (["id"], ("x",))


@pytest.mark.parametrize("most", [0, 1 << 26], ids=["spilled", "in memory"])
def test_key_over_pieces(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(keys, "_IN_MEMORY", most)
    pieces = [
        pa.table({"id": ids, "day": pa.nulls(3, pa.date32()), "value": [1] * 3}) for ids in ([3, 1, 2], [5, 1, 3])
    ]
    _, error = outcome_of_pieces(iter(pieces), key=("id",))
    assert error is not None
    assert [(v.check, v.count, [(e.row, e.value) for e in v.examples]) for v in error.violations] == [
        ("key", 2, [(5, "1"), (6, "3")])
    ]
    rising = [
        piece.set_column(0, "id", pa.array([at, at + 1, at + 2])) for at, piece in ((1, pieces[0]), (4, pieces[1]))
    ]
    kept, error = outcome_of_pieces(iter(rising), key=("id",))
    assert error is None
    assert kept.column("id").to_pylist() == [1, 2, 3, 4, 5, 6]


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.floats(0, 2) | st.just(float("nan"))), max_size=8)
)
def test_what_increases_repeats_nothing(rows: list[tuple[Any, Any]]) -> None:
    table = pa.table(
        {"a": pa.array([a for a, _ in rows], pa.int64()), "b": pa.array([b for _, b in rows], pa.float64())}
    )
    if increases(table):
        assert None not in [a for a, _ in rows][1:]
        assert len(set(rows)) == len(rows)
    elif len(rows) > 1:
        pairs = list(itertools.pairwise(rows))
        plain = all(None not in row and row[1] == row[1] for row in rows)
        assert not plain or any(one >= other for one, other in pairs)


def test_source_in_pieces_is_checked_as_a_whole() -> None:
    table = pa.table(
        {"id": pa.array([1, None, 1]), "day": pa.nulls(3, pa.date32()), "value": pa.array([1, 2, None], pa.int8())}
    )
    whole = check(table, CONTRACT, key=("id",))
    checking = Check(CONTRACT, ("id",))
    for piece in cut(table, [1, 2]):
        checking.piece(piece)
    in_pieces = checking.finish()
    assert found(in_pieces.violations) == found(whole.violations)
    assert in_pieces.row_numbers() == whole.row_numbers() == [2, 3]
    errors = [DataError("x"), DataError("x")]
    for each, error in zip((whole, in_pieces), errors, strict=True):
        each.describe(error, {3: 30})
    assert {v.column: [e.line for e in v.examples] for v in errors[1].violations}["value"] == [30]


def test_nothing_found_is_nothing() -> None:
    violations: list[Violation] = check(
        pa.table({"id": [1], "day": pa.nulls(1, pa.date32()), "value": pa.array([1], pa.int8())}), CONTRACT
    ).violations
    assert violations == []
