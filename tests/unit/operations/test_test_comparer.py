"""The comparer of tests of transforms, held against every kind of mistake that it has to see."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.config.transform_tests import Tolerance
from lakehouse_cli.errors import HIDDEN
from lakehouse_cli.operations.transform_tests.comparer import compare_rows
from tests.cases import each_case

NAN = float("nan")
SCHEMA = pa.schema(
    {"id": pa.int64(), "name": pa.string(), "x": pa.float64(), "d": pa.decimal128(12, 3), "l": pa.list_(pa.string())}
)
ROWS: list[tuple[Any, ...]] = [
    (1, "a", 1.5, "1.250", ["p"]),
    (2, "", NAN, "0", []),
    (2, None, None, None, None),
    (3, "null", 0.0, "99999999.999", [None]),
    (3, "null", 0.0, "99999999.999", [None]),
]


def table(rows: list[tuple[Any, ...]], schema: pa.Schema = SCHEMA) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [[] for _ in schema]
    arrays = []
    for values, field in zip(columns, schema, strict=True):
        is_decimal = pa.types.is_decimal(field.type)
        array = pa.array(values, pa.string() if is_decimal else field.type)
        arrays.append(array.cast(field.type) if is_decimal else array)
    return pa.Table.from_arrays(arrays, schema=schema)


def mutated(row: int, column: str, value: Any) -> list[tuple[Any, ...]]:
    index = SCHEMA.names.index(column)
    return [(*each[:index], value, *each[index + 1 :]) if n == row else each for n, each in enumerate(ROWS)]


@each_case(
    ("row", "column", "value"),
    [
        (0, "id", 7),
        (0, "name", "A"),
        (0, "name", "a "),
        (1, "name", None),
        (2, "name", ""),
        (3, "name", None),
        (2, "name", "null"),
        (1, "x", None),
        (1, "x", 0.0),
        (2, "x", NAN),
        (0, "x", 1.5000000000000002),
        (0, "x", -1.5),
        (0, "x", float("inf")),
        (3, "d", "99999999.998"),
        (2, "d", "0"),
        (0, "l", ["q"]),
        (1, "l", None),
        (1, "l", [None]),
        (3, "l", ["null"]),
    ],
)
def test_one_other_value_is_found_and_placed(row: int, column: str, value: Any) -> None:
    for ordered in (False, True):
        key = ["id"] if column != "id" else []
        found = compare_rows(table(ROWS), table(mutated(row, column, value)), ordered=ordered, key=key)
        assert found is not None
        assert not found.missing
        assert not found.unexpected
        assert not found.moved
        assert found.numeric == {"id", "x", "d"}
        (changed,) = found.changed
        assert [found.columns[index] for index in changed.columns] == [column]
        assert changed.row == (row + 1 if ordered else None)


def test_rows_too_few_and_too_many_are_found() -> None:
    fewer = compare_rows(table(ROWS), table(ROWS[:-1]))  # one of two that are equal
    assert fewer is not None
    assert (len(fewer.missing), len(fewer.unexpected), len(fewer.changed)) == (1, 0, 0)
    more = compare_rows(table(ROWS), table([*ROWS, ROWS[3]]))
    assert more is not None
    assert (len(more.missing), len(more.unexpected), len(more.changed)) == (0, 1, 0)
    assert more.unexpected[0][:2] == ("3", "null")
    empty = compare_rows(table([]), table(ROWS[:1]), ordered=True)
    assert empty is not None
    assert (len(empty.unexpected), empty.moved, empty.expected_rows, empty.result_rows) == (1, False, 0, 1)
    none = compare_rows(table(ROWS[:1]), table([]), ordered=True)
    assert none is not None
    assert (len(none.missing), none.moved) == (1, False)
    swapped = compare_rows(table([ROWS[0], ROWS[0], ROWS[1]]), table([ROWS[0], ROWS[1], ROWS[1]]))
    assert swapped is not None  # the same rows, each another number of times


def test_order_counts_where_asked() -> None:
    turned = table([ROWS[1], ROWS[0], *ROWS[2:]])
    assert compare_rows(table(ROWS), turned) is None
    found = compare_rows(table(ROWS), turned, ordered=True)
    assert found is not None
    assert found.moved
    assert [each.row for each in found.changed] == [1, 2]


def test_zeros_are_equal_and_nan_equals_nan() -> None:
    schema = pa.schema({"x": pa.float64()})
    assert compare_rows(table([(0.0,), (NAN,)], schema), table([(NAN,), (-0.0,)], schema)) is None
    assert compare_rows(table([(-0.0,)], schema), table([(0.0,)], schema), ordered=True) is None


@each_case(
    ("expected", "came", "rel", "absolute", "equal"),
    [
        (100.0, 100.1, "0.001", "0", True),
        (100.0, 100.10000000000002, "0.001", "0", False),  # judged as fractions, where floats would round it away
        (100.0, 100.2, "0.001", "0", False),
        (100.1, 100.0, "0.0009991", "0", True),  # of the expected value: 0.1 of 100 is more
        (100.0, 100.1, "0.0009991", "0", False),
        (0.0, 1e-12, "0.1", "0", False),
        (0.0, 1e-12, "0", "1e-12", True),
        (100.0, 100.15, "0.001", "0.1", False),  # the larger of both, not their sum
        (100.0, 99.875, "0", "0.125", True),  # as much below as above
        (100.0, 99.8, "0", "0.125", False),
        (-100.0, -100.0625, "0.001", "0", True),
        (1.0, None, "1", "1", False),
        (1.0, NAN, "1", "1", False),
        (float("inf"), 1.0, "1", "1", False),
        (float("inf"), float("-inf"), "1", "1", False),
    ],
)
def test_tolerance(expected: float, came: float | None, rel: str, absolute: str, equal: bool) -> None:
    schema = pa.schema({"x": pa.float64()})
    tolerance = Tolerance(Fraction(rel), Fraction(absolute))
    for ordered in (False, True):
        found = compare_rows(
            table([(expected,)], schema), table([(came,)], schema), ordered=ordered, tolerance=tolerance
        )
        assert (found is None) is equal


@each_case(
    ("kind", "expected", "came", "equal"),
    [
        (pa.int64(), 1, 2, False),  # a tolerance is of floats and decimals alone
        (pa.string(), "1", "2", False),
        (pa.decimal128(4, 1), Decimal("1.0"), Decimal("2.0"), True),
        (pa.string(), "-0.0", "0.0", False),
    ],
)
def test_tolerance_by_type(kind: pa.DataType, expected: Any, came: Any, equal: bool) -> None:
    before, after = (pa.table({"a": [0.5], "v": pa.array([each], kind)}) for each in (expected, came))
    for ordered in (False, True):
        for tolerance in (Tolerance(), Tolerance(abs=Fraction(5))):
            found = compare_rows(before, after, ordered=ordered, tolerance=tolerance)
            assert (found is None) is (equal and tolerance != Tolerance())


def test_rows_that_differ_are_paired() -> None:
    """By the key, where all of it is compared, else the most alike first; those without a value in common are not."""
    schema = pa.schema({"k": pa.int64(), "a": pa.int64(), "b": pa.int64()})
    expected = table([(1, 5, 5), (2, 6, 6), (3, 7, 7)], schema)
    came = table([(8, 8, 8), (1, 6, 6), (2, 5, 5)], schema)
    by_key = compare_rows(expected, came, key=["k"])
    assert by_key is not None
    assert [(each.expected[0], each.result[0]) for each in by_key.changed] == [("1", "1"), ("2", "2")]
    for key in ((), ("k", "other")):
        found = compare_rows(expected, came, key=key)
        assert found is not None
        assert [(each.expected[0], each.result[0]) for each in found.changed] == [("1", "2"), ("2", "1")]
        assert [each[0] for each in (*found.missing, *found.unexpected)] == ["3", "8"]
    once = compare_rows(table([(1, 5, 5), (1, 5, 6)], schema), table([(1, 5, 7)], schema))
    assert once is not None
    assert (len(once.changed), len(once.missing), len(once.unexpected)) == (1, 1, 0)
    once = compare_rows(table([(1, 5, 7)], schema), table([(1, 5, 5), (1, 5, 6)], schema))
    assert once is not None
    assert (len(once.changed), len(once.missing), len(once.unexpected)) == (1, 0, 1)
    one = compare_rows(table([(1, 5, 5)], schema), table([(2, 6, 6)], schema))
    assert one is not None
    assert one.changed[0].columns == (0, 1, 2)


def test_no_value_of_hidden_columns_is_left() -> None:
    schema = pa.schema({"k": pa.int64(), "s": pa.string()})
    rows = [(1, "a"), (2, None), (3, "c")], [(1, "b"), (2, None), (3, "c"), (9, "x")]
    found = compare_rows(*(table(list(each), schema) for each in rows), ordered=True)
    assert found is not None
    shown = found.without_values({"s"})
    cells = [
        *shown.missing,
        *shown.unexpected,
        *(row for each in shown.changed for row in (each.expected, each.result)),
    ]
    assert {cell for row in cells for cell in row[1:]} == {HIDDEN}
    assert [row[0] for row in cells] == [
        row[0]
        for row in (*found.missing, *found.unexpected, *(r for e in found.changed for r in (e.expected, e.result)))
    ]
    assert found.without_values({"other"}) == found


def test_tolerance_pairs_all_rows_that_can_be_paired() -> None:
    schema = pa.schema({"x": pa.float64()})
    tolerance = Tolerance(abs=Fraction("0.2"))
    expected = table([(1.0,), (1.125,), (1.25,)], schema)
    # The nearest of 1.125 is the only one of 1.0: whoever pairs them first finds no others for the rest.
    assert compare_rows(expected, table([(1.125,), (1.25,), (1.375,)], schema), tolerance=tolerance) is None
    assert compare_rows(expected, table([(1.125,), (1.3125,), (1.375,)], schema), tolerance=tolerance) is None
    assert compare_rows(expected, table([(1.375,), (1.3125,), (1.125,)], schema), tolerance=tolerance) is None
    assert compare_rows(expected, table([(1.375,), (1.375,), (1.375,)], schema), tolerance=tolerance) is not None


def test_tolerance_beside_null_and_nan() -> None:
    schema = pa.schema({"x": pa.float64(), "y": pa.float64()})
    expected, came = [(None, 1.0), (NAN, 2.0), (3.0, None)], [(3.0625, None), (NAN, 2.0625), (None, 1.0625)]
    assert compare_rows(table(expected, schema), table(came, schema), tolerance=Tolerance(abs=Fraction("0.1"))) is None
    assert compare_rows(table(expected, schema), table(came, schema), tolerance=Tolerance(abs=Fraction("0.01")))


_CELLS = st.tuples(
    st.one_of(st.none(), st.integers(-2, 2)),
    st.one_of(st.none(), st.sampled_from(["", "null", "a", "b"])),
    st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, NAN, float("inf")])),
)
_TYPES = pa.schema({"i": pa.int64(), "s": pa.string(), "f": pa.float64()})
_OTHER: tuple[Any, ...] = (99, "other", 2.25)


@given(st.lists(_CELLS, max_size=8), st.data())
def test_equal_multisets_pass_and_one_changed_cell_fails(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows))
    tolerance = data.draw(st.sampled_from([Tolerance(), Tolerance(abs=Fraction("0.125"))]))
    key = data.draw(st.sampled_from([(), ("i",), ("i", "s")]))
    assert compare_rows(table(rows, _TYPES), table(shuffled, _TYPES), tolerance=tolerance, key=key) is None
    if rows:
        row = data.draw(st.integers(0, len(rows) - 1))
        column = data.draw(st.integers(0, 2))
        changed = [list(each) for each in shuffled]
        changed[row][column] = _OTHER[column]
        after = table([tuple(each) for each in changed], _TYPES)
        found = compare_rows(table(rows, _TYPES), after, tolerance=tolerance, key=key)
        assert found is not None
        shown = [*found.unexpected, *(each.result for each in found.changed)]
        assert [each[column] for each in shown] == [str(_OTHER[column])]
        assert len(found.missing) == len(found.unexpected)
