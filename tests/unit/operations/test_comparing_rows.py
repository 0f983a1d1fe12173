"""Rows of two tables side by side: what is added, removed and changed, whatever the columns hold."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow import row_hashes as hashing
from lakehouse_cli.contracts import spilled_parts
from lakehouse_cli.operations.comparing import pieces
from lakehouse_cli.operations.comparing.results import RowDifference
from lakehouse_cli.operations.comparing.rows import NOT_IDENTIFYING, compare_rows, compare_schemas
from tests.cases import each_case

NAN = float("nan")


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


def test_by_key() -> None:
    before = table(id=[1, 2, 3, 4], a=["x", None, "z", ""], b=[1.0, NAN, None, -0.0])
    after = table(id=[5, 4, 3, 2], a=["n", None, "z", None], b=[0.0, 0.0, None, NAN])
    found = compare_rows(before, after, ["id"], 5)
    assert (found.added, found.removed, found.changed) == (1, 1, 1)
    assert found.columns == {"a": 1}
    assert found.examples_added == ({"id": 5, "a": "n", "b": 0.0},)
    assert found.examples_removed == ({"id": 1, "a": "x", "b": 1.0},)
    (changed,) = found.examples_changed
    assert (changed.key, changed.values) == ({"id": 4}, {"a": ("", None)})


def test_whole_rows_as_multisets() -> None:
    before = table(a=[1, 1, 1, 2, None], b=["x", "x", "x", "y", None])
    after = table(a=[None, 1, 2, 2, 2, 3], b=[None, "x", "y", "y", "y", "z"])
    found = compare_rows(before, after, [], 2)
    assert (found.added, found.removed, found.changed) == (3, 2, 0)
    assert found.examples_added == ({"a": 2, "b": "y"}, {"a": 2, "b": "y"})
    assert found.examples_removed == ({"a": 1, "b": "x"}, {"a": 1, "b": "x"})


@each_case(
    ("values", "type_"),
    [
        ([1, None, 2**63 - 1], pa.int64()),
        ([1.5, NAN, None], pa.float32()),
        ([NAN, None, 1.0], pa.float16()),
        (["a", "", None], pa.string()),
        (["a", "b", None], pa.dictionary(pa.int8(), pa.string())),
        ([b"", b"\0", None], pa.binary()),
        ([Decimal("1.10"), None, Decimal("1.11")], pa.decimal128(38, 2)),
        ([dt.date(2024, 1, 1), None, dt.date(1, 1, 1)], pa.date32()),
        ([1, None, 2], pa.timestamp("ns", "UTC")),
        ([[1, None], None, []], pa.list_(pa.int64())),
        ([{"a": NAN, "b": [1]}, None, {"a": None, "b": []}], pa.struct({"a": pa.float64(), "b": pa.list_(pa.int8())})),
        ([None, None, None], pa.null()),
    ],

)  # fmt: skip
def test_every_type(values: list[Any], type_: pa.DataType) -> None:
    column = pa.array([np.float16(v) if pa.types.is_float16(type_) and v is not None else v for v in values], type_)
    before = table(id=[0, 1, 2], v=column)
    after = table(id=[2, 0, 1], v=column.take(pa.array([2, 0, 1])))
    assert not compare_rows(before, after, ["id"], 5)
    assert not compare_rows(before, after, [], 5)
    if not pa.types.is_null(type_):
        shifted = table(id=[0, 1, 2], v=column.take(pa.array([1, 2, 0])))
        assert compare_rows(before, shifted, ["id"], 5).changed == 3
        assert compare_rows(before, shifted, [], 5).added == 3
        for key in (["id"], []):
            assert repr(_in_pieces(before, shifted, key, 5)) == repr(compare_rows(before, shifted, key, 5))
    for key in (["id"], ["v"], []):
        assert not _in_pieces(before, after, key, 5)


@pytest.mark.parametrize(
    ("type_", "before", "after", "changed"),
    [
        (pa.time64("ns"), [1, 1001], [1, 1002], 1),
        (pa.timestamp("us"), [10**18, 5], [10**18, 6], 1),
        (pa.duration("ns"), [1, 2], [1, 2], 0),
        (pa.float64(), [0.0, float("nan")], [-0.0, float("nan")], 0),
        (pa.float32(), [0.0, 1.0], [-0.0, 2.0], 1),
    ],
)
def test_nested_values_count_as_plain_ones(
    type_: pa.DataType, before: list[Any], after: list[Any], changed: int
) -> None:
    def rows(values: list[Any]) -> pa.Table:
        plain = pa.array(values, type_ if pa.types.is_floating(type_) else pa.int64()).cast(type_)
        lists = pa.ListArray.from_arrays(pa.array([0, 1, 2]), plain)
        structs = pa.StructArray.from_arrays([lists, plain], ["l", "x"])
        maps = pa.MapArray.from_arrays(pa.array([0, 1, 2]), pa.array(["a", "b"]), plain)
        return pa.table({"k": [0, 1], "l": lists, "s": structs, "m": maps})

    by_key = compare_rows(rows(before), rows(after), ("k",), 5)
    assert (by_key.changed, by_key.columns) == (changed, dict.fromkeys("lsm", changed) if changed else {})
    assert [sorted(each.values) for each in by_key.examples_changed] == [["l", "m", "s"]] * changed
    whole = compare_rows(rows(before), rows(after), (), 5)
    assert (whole.added, whole.removed) == (changed, changed)


def test_columns() -> None:
    before = table(id=[1], a=[1], gone=["x"], odd=["x"])
    after = table(odd=[[1]], id=[1], a=[1.0], new=[True])
    schema = compare_schemas(before.schema, after.schema)
    assert schema.added == (("new", "bool"),)
    assert schema.removed == (("gone", "string"),)
    assert schema.changed == (("odd", "string", "list<int64>"), ("a", "int64", "float64"))
    found = compare_rows(before, after, ["id"], 5)
    assert (found.added, found.removed, found.changed) == (0, 0, 0), "1 is 1.0"
    assert found.notes == ("values of `odd` were not compared: it is string and list<int64>",)
    assert not compare_schemas(table(a=[1], b=[1]).schema, table(b=[1], a=[1]).schema), (
        "in another order they are the same"
    )


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (pa.array([0.5], pa.float32()), pa.array([0.5], pa.float64()), 0),
        (pa.array([0.1], pa.float32()), pa.array([0.1], pa.float64()), 1),
        (pa.array([Decimal("0.50")]), pa.array([0.5]), 0),
        (pa.array([Decimal("0.10")]), pa.array([0.1]), None),
        (pa.array([2**53 + 1]), pa.array([2.0**53]), 1),
        (pa.array(["007"]), pa.array([7]), None),
        (pa.array([None], pa.string()), pa.array([7]), 1),
    ],
    ids=str,
)
def test_values_of_another_type(before: pa.Array, after: pa.Array, changed: int | None) -> None:
    """Compared only where one type holds both exactly."""
    for one, other in ((before, after), (after, before)):
        found = compare_rows(table(id=[1], v=one), table(id=[1], v=other), ["id"], 5)
        assert found.changed == (changed or 0)
        assert bool(found.notes) == (changed is None)


def test_a_key_of_another_type() -> None:
    found = compare_rows(table(id=["007"], a=[1]), table(id=[7], a=[1]), ["id"], 5)
    assert found.notes[-1] == "key column `id` cannot be matched, so whole rows were compared"


def test_a_key_that_identifies_no_rows() -> None:
    before, after = table(id=[1, 1], a=[1, 2]), table(id=[1, 1], a=[1, 3])
    found = compare_rows(before, after, ["id"], 5)
    assert (found.key, found.added, found.removed) == ((), 1, 1)
    assert found.notes == ("the key does not identify rows here, so whole rows were compared",)
    found = compare_rows(table(a=[1]), table(id=[1], a=[1]), ["id"], 5)
    assert found.notes == ("key column `id` is not in both, so whole rows were compared",)


def test_zero_rows_and_no_columns() -> None:
    empty = table(id=pa.array([], pa.int64()))
    assert not compare_rows(empty, empty, ["id"], 5)
    assert compare_rows(empty, table(id=[1]), ["id"], 5).added == 1
    assert compare_rows(table(id=[1]), empty, [], 5).removed == 1
    found = compare_rows(table(a=[1, 2]), table(b=[1]), [], 5)
    assert (found.added, found.removed) == (1, 2)


_ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from([None, 0.0, -0.0, 1.5, NAN]), st.sampled_from([None, "", "a", "b"])),
    max_size=12,
)


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple("nan" if value != value else value for value in row)


def _arrow(rows: list[tuple[Any, ...]], chunk: int) -> pa.Table:
    schema = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("t", pa.string())])
    whole = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
    return pa.concat_tables([whole.slice(0, chunk), whole.slice(chunk)])


@given(_ROWS, _ROWS, st.integers(0, 12))
def test_counts_are_those_of_plain_python(old: list[tuple[Any, ...]], new: list[tuple[Any, ...]], chunk: int) -> None:
    before, after = Counter(map(_plain, old)), Counter(map(_plain, new))
    whole = compare_rows(_arrow(old, chunk), _arrow(new, 0), [], 3)
    assert whole.added == (after - before).total()
    assert whole.removed == (before - after).total()
    assert len(whole.examples_added) == min(3, whole.added)
    left, right = ({row[0]: row for row in rows} for rows in (old, new))
    found = compare_rows(_arrow(list(left.values()), 1), _arrow(list(right.values()), chunk), ["id"], 3)
    assert found.added == len(right.keys() - left.keys())
    assert found.removed == len(left.keys() - right.keys())
    both = left.keys() & right.keys()
    assert found.changed == sum(_plain(left[key]) != _plain(right[key]) for key in both)


def _in_pieces(before: pa.Table, after: pa.Table, key: list[str], limit: int, size: int = 2) -> RowDifference:
    """The difference, compared in parts on disk; as in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_IN_MEMORY", -1)
        patch.setattr(pieces, "_AT_ONCE", 64)
        patch.setattr(spilled_parts, "_BITS", 2)
        cut = [before.slice(0, 0), *_cut(before, size)]
        opened = Mock(side_effect=lambda: iter(cut))
        found = pieces.compare_pieces(opened, lambda: iter([after]), key, limit)
    assert opened.call_count == (2 if found.difference.notes == NOT_IDENTIFYING else 1)
    assert (found.rows_before, found.rows) == (before.num_rows, after.num_rows)
    assert found.schema == compare_schemas(before.schema, after.schema)
    return found.difference


def _cut(data: pa.Table, size: int) -> list[pa.Table]:
    return [data.slice(start, size) for start in range(0, data.num_rows, size)]


@pytest.mark.parametrize("bits", [(1 << 64) - 1, 0], ids=["hashes", "one hash"])
def test_parts_are_the_whole(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts, examples and notes, whatever the hashes are."""
    monkeypatch.setattr(pieces, "row_hashes", lambda columns: hashing.row_hashes(columns) & np.uint64(bits))

    @given(_ROWS, _ROWS, st.integers(1, 4), st.booleans(), st.sampled_from([["id"], ["id", "t"], ["lost"], []]))
    @settings(max_examples=25, deadline=None)
    def compare(old: list[Any], new: list[Any], size: int, unique: bool, key: list[str]) -> None:
        if unique:
            old, new = ([*{row[0]: row for row in rows}.values()] for rows in (old, new))
        before, after = _arrow(old, 1), _arrow(new, 0)
        assert repr(_in_pieces(before, after, key, 3, size)) == repr(compare_rows(before, after, key, 3))

    compare()


@pytest.mark.slow
def test_a_million_rows_take_a_few_copies_of_memory() -> None:
    count = 1_000_000
    rng = np.random.default_rng(1)
    ids = pa.array(np.arange(count))
    before = table(id=ids, x=pa.array(rng.random(count)), t=pa.array(rng.integers(0, 1000, count)).cast(pa.string()))
    order = pa.array(rng.permutation(count))
    after = before.take(order).slice(10)
    size = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    found = compare_rows(before, after, ["id"], 5)
    assert (found.added, found.removed, found.changed) == (0, 10, 0)
    assert pool.max_memory() - size < 4 * (before.nbytes + after.nbytes)
