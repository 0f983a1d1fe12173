"""Values that buffers hold and their own Arrow type does not have: refused at every depth, with rows and values."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, DataError, Violation
from lakehouse_cli.formats.ipc.format import IpcFormat
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case

DIGITS_38 = pa.decimal128(38, 0)


def numbers(kind: pa.DataType, *values: int | None) -> pa.Array:
    """An array of a type by the numbers that lie in its buffers, whether or not the type has them."""
    width = kind.bit_width // 8
    data = b"".join((value or 0).to_bytes(width, "little", signed=True) for value in values)
    valid = pa.array([value is not None for value in values]).buffers()[1]
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(data)])


def violation(result: pa.Table, **types: str) -> Violation:
    columns = tuple(Column(name, parse_column_type(text)) for name, text in types.items())
    with pytest.raises(ContractError) as caught:
        enforce(result, columns or None)
    (found,) = caught.value.violations
    return found


def rows_of(found: Violation) -> list[int]:
    return [example.row for example in found.examples]


OUTSIDE = [
    (DIGITS_38, 10**38),
    (DIGITS_38, -(10**38)),
    (DIGITS_38, -(2**127)),
    (pa.decimal128(5, 2), 100_000),
    (pa.decimal128(5, 0), -100_000),
    (pa.time32("s"), 86_400),
    (pa.time32("ms"), -1),
    (pa.time64("us"), 86_400_000_000),
    (pa.time64("ns"), 86_400_000_000_000),
]
BY_TYPE = pytest.mark.parametrize(("kind", "value"), OUTSIDE, ids=lambda each: str(each))


@BY_TYPE
def test_value_outside_its_type_is_refused(kind: pa.DataType, value: int) -> None:
    column = pa.chunked_array([numbers(kind, 0, None), numbers(kind, None, value, 1, value)])
    found = violation(pa.table({"a": column}))
    assert (found.column, found.check, found.count, rows_of(found)) == ("a", "type", 2, [4, 6])


@BY_TYPE
@pytest.mark.parametrize("declared", [True, False])
def test_value_outside_its_type_is_refused_inside(kind: pa.DataType, value: int, declared: bool) -> None:
    values = numbers(kind, 0, value, None, value, value, 1)
    text = str(kind)
    nested = {
        f"list<{text}>": pa.ListArray.from_arrays([0, 1, 1, 5, 6], values),
        f"struct<x: {text}>": pa.StructArray.from_arrays([values], ["x"]),
        f"list<struct<x: {text}>>": pa.ListArray.from_arrays([0, 5, 6], pa.StructArray.from_arrays([values], ["x"])),
        f"dictionary<{text}>": pa.DictionaryArray.from_arrays(pa.array([0, 3, None, 5], pa.int32()), values),
    }
    nested[f"list<{text}> "] = pa.FixedSizeListArray.from_arrays(values, 2)
    rows = ([3], [2, 4, 5], [1], [2], [1, 2, 3])
    for (type_, array), expected in zip(nested.items(), rows, strict=True):
        found = violation(pa.table({"a": array}), **({"a": type_} if declared else {}))
        assert rows_of(found) == expected, type_


def test_unused_and_masked_values_are_no_values() -> None:
    values = numbers(DIGITS_38, 1, 10**38)
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), values)
    masked = pa.StructArray.from_arrays([values], ["x"], mask=pa.array([False, True]))
    enforced = enforce(pa.table({"a": unused, "b": masked}), None).table
    assert enforced.to_pydict() == {"a": [1, 1], "b": [{"x": 1}, None]}


def test_edges_of_types_are_kept() -> None:
    most = 10**38 - 1
    table = pa.table({"a": numbers(DIGITS_38, most, -most), "b": numbers(pa.time64("us"), 0, 86_399_999_999)})
    assert enforce(table, None).table.equals(table)


@pytest.mark.parametrize("kind", [pa.decimal32(5, 0), pa.decimal64(15, 2), pa.decimal256(40, 0), pa.decimal128(5, -2)])
def test_other_decimals_are_checked_before_they_convert(kind: pa.DataType) -> None:
    column = numbers(kind, 1, 10**kind.precision)
    assert rows_of(violation(pa.table({"a": column}), a="decimal128(38, 2)")) == [2]


def test_a_date_with_a_time_of_day_is_refused() -> None:
    found = violation(pa.table({"a": numbers(pa.date64(), 86_400_000, 1)}), a="date32")
    assert rows_of(found) == [2]


def test_24_hours_are_shown_as_such() -> None:
    found = violation(pa.table({"a": numbers(pa.time64("us"), 0, 86_400_000_001)}), a="time64[us]")
    assert [example.value for example in found.examples] == ["24:00:00.000001"]


def test_bytes_that_are_no_text_are_refused() -> None:
    latin = pa.array([b"a", None, "é".encode("latin-1")], pa.binary()).view(pa.string())
    found = violation(pa.table({"a": latin}), a="string")
    assert [(example.row, example.value) for example in found.examples] == [(3, r"b'\xe9'")]
    assert "no UTF-8 text" in found.message
    assert violation(pa.table({"a": pa.StructArray.from_arrays([latin], ["x"])})).column == "a"


def test_indices_beyond_a_dictionary_are_refused() -> None:
    broken = pa.DictionaryArray.from_arrays(pa.array([0, 5], pa.int32()), pa.array(["x"]), safe=False)
    assert "out of bounds" in violation(pa.table({"a": broken})).message


@pytest.mark.parametrize("declared", [True, False])
def test_files_with_such_values_name_row_and_value(tmp_path: Path, declared: bool) -> None:
    table = pa.table({"a": pa.ListArray.from_arrays([0, 1, 2], numbers(DIGITS_38, 1, 10**38))})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    columns = (Column("a", parse_column_type("list<decimal128(38, 0)>")),) if declared else None
    for name, format_ in (("a.parquet", ParquetFormat()), ("a.arrow", IpcFormat())):
        with pytest.raises(DataError) as caught:
            format_.read(lambda name=name: (tmp_path / name).open("rb"), name, columns, {})  # type: ignore[misc]
        (found,) = caught.value.violations
        assert (found.column, found.count, rows_of(found)) == ("a", 1, [2])
        assert "too large" in caught.value.message
        assert caught.value.hint == "have the file written again, in a type that has these values"


@pytest.mark.parametrize("made", [pa.ListViewArray, pa.LargeListViewArray])
def test_only_items_that_list_views_use_are_checked(made: type) -> None:
    offset = pa.int32() if made is pa.ListViewArray else pa.int64()
    items = numbers(DIGITS_38, 10**38, 1)
    unused = made.from_arrays(pa.array([1, 0], offset), pa.array([1, 0], offset), items)
    assert enforce(pa.table({"a": unused}), None).table["a"].to_pylist() == [[1], []]
    used = made.from_arrays(pa.array([1, 0], offset), pa.array([1, 1], offset), items)
    assert rows_of(violation(pa.table({"a": used}))) == [2]
    assert rows_of(violation(pa.table({"a": pa.StructArray.from_arrays([used], ["x"])}))) == [2]


@pytest.mark.parametrize("declared", ["int64", "string", "struct<n: decimal128(38, 0), u: int64>", None])
def test_unions_in_structs_are_refused(declared: str | None) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])], ["i"])
    struct = pa.StructArray.from_arrays([numbers(DIGITS_38, 1, 2), union], ["n", "u"], mask=pa.array([False, True]))
    nested = pa.ListArray.from_arrays([0, 1, 2], pa.StructArray.from_arrays([struct], ["s"]))
    for values in (struct, nested):
        found = violation(pa.table({"a": values}), **({} if declared is None else {"a": declared}))
        assert (found.column, found.check) == ("a", "type")


def exactly(value: Fraction, kind: pa.DataType) -> bool:
    """Whether a type has a number."""
    if pa.types.is_decimal(kind):
        digits = value * 10**kind.scale
        return digits.denominator == 1 and abs(digits) < 10**kind.precision
    if pa.types.is_integer(kind):
        return value.denominator == 1 and -(1 << kind.bit_width - 1) <= value < 1 << kind.bit_width - 1
    try:
        return Fraction(pa.scalar(float(value)).cast(kind, safe=False).as_py()) == value
    except OverflowError:
        return False


UNUSUAL = [
    pa.decimal128(38, -2),
    pa.decimal128(5, -2),
    pa.decimal128(38, -40),
    pa.decimal128(1, 40),
    pa.decimal128(5, 7),
]
UNUSUAL += [
    pa.decimal256(76, -2),
    pa.decimal256(76, 80),
    pa.decimal128(1, 2_000_000_000),
    pa.decimal128(1, -2_000_000_000),
]
NUMBERS = [
    "decimal128(38, 0)",
    "decimal128(10, 2)",
    "decimal128(38, 38)",
    "decimal128(1, 1)",
    "int64",
    "int8",
    "float64",
]


@each_case("kind", UNUSUAL)
@each_case("declared", [*NUMBERS, "float32"])
def test_decimal_of_unusual_scale_is_exact_or_refused(kind: pa.DataType, declared: str) -> None:
    target = to_arrow(parse_column_type(declared))
    for digits in (0, 1, -7, 10_000, 100_000_000, 10**37, 1 - 10**kind.precision):
        if abs(digits) >= 10**kind.precision:
            continue
        value = Fraction(digits) * Fraction(10) ** -max(-100, min(kind.scale, 100))
        result = pa.table({"a": numbers(kind, None, digits)})
        if exactly(value, target):
            columns = (Column("a", parse_column_type(declared)),)
            missing, enforced = enforce(result, columns).table["a"].to_pylist()
            assert missing is None
            assert Fraction(enforced) == value
        else:
            assert rows_of(violation(result, a=declared)) == [2]


@each_case("kind", UNUSUAL)
def test_decimal_of_unusual_scale_needs_a_declared_type(kind: pa.DataType) -> None:
    assert "which no column type holds" in violation(pa.table({"a": numbers(kind, 1)})).message
    assert "make text of them" in violation(pa.table({"a": numbers(kind, 1)}), a="string").message
