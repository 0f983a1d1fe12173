"""What is converted exactly, and what is refused with which words."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case

UTC = dt.UTC
BERLIN = dt.timezone(dt.timedelta(hours=1))
NAN = float("nan")


def refused(values: pa.Array, target: str) -> Violation:
    with pytest.raises(ContractError) as caught:
        enforce(pa.table({"x": values}), (Column("x", parse_column_type(target)),))
    (violation,) = caught.value.violations
    return violation


def rows(violation: Violation) -> list[tuple[int | None, str]]:
    return [(example.row, example.value) for example in violation.examples]


@each_case(
    ("values", "target", "expected"),
    [
        (pa.array([1, None], pa.int64()), "float64", [1.0, None]),
        (pa.array([2**60]), "float64", [2.0**60]),
        (pa.array([2**30]), "float32", [2.0**30]),
        (pa.array([200], pa.uint8()), "int16", [200]),
        (pa.array([1.0, None, -0.0]), "int64", [1, None, 0]),
        (pa.array([1.0, None]), "uint8", [1, None]),
        (pa.array([0.5], pa.float32()), "float64", [0.5]),
        (pa.array([0.5, NAN, float("inf")]).filter(pa.array([True, False, True])), "float32", [0.5, float("inf")]),
        (pa.array([12]), "decimal128(10, 2)", [Decimal("12.00")]),
        (pa.array([0.25, None]), "decimal128(10, 2)", [Decimal("0.25"), None]),
        (pa.array([Decimal("5.00")]), "int8", [5]),
        (pa.array([Decimal("0.50")]), "float64", [0.5]),
        (pa.array([Decimal("1.500")]), "decimal128(3, 1)", [Decimal("1.5")]),
        (pa.array([dt.datetime(2020, 1, 1), None]), "date32", [dt.date(2020, 1, 1), None]),
        (pa.array([dt.date(2020, 1, 1)]), "timestamp[ns]", [dt.datetime(2020, 1, 1)]),
        (pa.array([dt.date(2020, 1, 1)]).cast(pa.date64()), "date32", [dt.date(2020, 1, 1)]),
        (pa.array([1_500], pa.timestamp("ms")), "timestamp[us]", [dt.datetime(1970, 1, 1, 0, 0, 1, 500_000)]),
        (pa.array([2_000], pa.timestamp("ms")), "timestamp[s]", [dt.datetime(1970, 1, 1, 0, 0, 2)]),
        (pa.array([2_000], pa.duration("ms")), "duration[s]", [dt.timedelta(seconds=2)]),
        (pa.array([dt.time(1, 2)]), "time32[s]", [dt.time(1, 2)]),
        (pa.array(["a"], pa.string_view()), "string", ["a"]),
        (pa.array([b"a"], pa.binary_view()), "binary", [b"a"]),
        (pa.array(["12", "-3", None, "0"]), "int64", [12, -3, None, 0]),
        (pa.array(["1.50", "-1e3", "inf"]), "float64", [1.5, -1000.0, float("inf")]),
        (pa.array(["1.5", "12"]), "decimal128(10, 2)", [Decimal("1.50"), Decimal("12.00")]),
        (pa.array(["true", "False"]), "bool", [True, False]),
        (pa.array(["2026-01-31"]), "date32", [dt.date(2026, 1, 31)]),
        (
            pa.array(["2026-01-31 12:30", "2026-01-31"]),
            "timestamp[s]",
            [dt.datetime(2026, 1, 31, 12, 30), dt.datetime(2026, 1, 31)],
        ),
        (
            pa.array(["2026-01-31T12:30:00.25+01:00"]),
            "timestamp[ms, tz=UTC]",
            [dt.datetime(2026, 1, 31, 11, 30, 0, 250_000, UTC)],
        ),
        (pa.array(["12:30", "12:30:00.5"]), "time64[us]", [dt.time(12, 30), dt.time(12, 30, 0, 500_000)]),
        (pa.array(["12:30:01"]), "time32[s]", [dt.time(12, 30, 1)]),
        (pa.array(["a", "b"]).dictionary_encode(), "string", ["a", "b"]),
        (pa.array(["1", "2"]).dictionary_encode(), "int64", [1, 2]),
        (pa.array([1.0, 2.0, 1.0]), "dictionary<int64>", [1, 2, 1]),
        (pa.array([[1.0], None, []]), "list<int64>", [[1], None, []]),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), "list<float64>", [[1.0, 2.0]]),
        (pa.array([{"b": "1", "a": 2.0}, None]), "struct<a: int64, b: int8>", [{"a": 2, "b": 1}, None]),
        (pa.array([None, {"a": [1.0]}]), "struct<a: list<int8>>", [None, {"a": [1]}]),
    ],
)
def test_values_with_an_exact_counterpart_are_converted(values: pa.Array, target: str, expected: list[Any]) -> None:
    # Beside a first chunk of the same, and sliced: offsets and chunks must not matter.
    chunks = pa.chunked_array([values, pa.concat_arrays([values, values]).slice(len(values))])
    type_ = parse_column_type(target)
    enforced = enforce(pa.table({"x": chunks}), (Column("x", type_),)).table.column("x")
    assert enforced.type == to_arrow(type_)
    assert enforced.to_pylist() == expected * 2


@each_case(
    ("values", "target", "message", "shown"),
    [
        ([1.5, 2.0, None, NAN], "int64", "2 values that are not whole", [(1, "1.5"), (4, "nan")]),
        (
            [1e30],
            "int64",
            "1 value that is outside int64 (-9223372036854775808 to 9223372036854775807)",
            [(1, "1e+30")],
        ),
        ([1, 300, -1], "uint8", "2 values that are outside uint8 (0 to 255)", [(2, "300"), (3, "-1")]),
        ([2**53, 2**53 + 1], "float64", "1 value that is not exact in float64", [(2, "9007199254740993")]),
        (
            ["1", "007", "", " 1", "+1", "0x1", "1.0", "-0"],
            "int64",
            "7 values that are not an integer such as `12`",
            None,
        ),
        (["99999999999999999999"], "int64", "1 value that is outside int64 (", None),
        (["1,5", "1_0", "NaN", ".5", "1.", "00.5"], "float64", "6 values that are not a number such as `1.5`", None),
        (["9007199254740993"], "float64", "1 value that is not exact as a float", None),
        (["1e999"], "float64", "1 value that is too large for a float", None),
        (["1.234"], "decimal128(10, 2)", "1 value that is not exact in decimal128(10, 2)", None),
        (["yes", "1", "TRUE"], "bool", "3 values that are neither `true` nor `false`", None),
        (["3/4/2026", "2026-1-31"], "date32", "2 values that are not a date such as `2026-01-31`", None),
        (["2026-02-30"], "date32", "1 value that is not a day of the calendar", [(1, "'2026-02-30'")]),
        (["2026-01-31 12:00Z"], "timestamp[s]", "1 value that is not a timestamp[s] such as", None),
        (["2026-01-31 12:00:00.5"], "timestamp[s]", "1 value that is not a timestamp[s] such as", None),
        (
            ["2026-01-31 12:00"],
            "timestamp[s, tz=UTC]",
            "1 value that is not an instant such as `2026-01-31 12:30:00Z`",
            None,
        ),
        (["25:00"], "time32[s]", "1 value that is not a time of day", None),
        ([True], "int64", "true and false; make numbers of them", None),
        ([1, 0], "bool", "integers; compare them in the transform, as with `!= 0`", None),
        ([1], "string", "integers; make text of them in the transform, as with `.astype(str)`", None),
        ([b"a"], "string", "bytes; decode them", None),
        (["a"], "binary", "text; encode them", None),
        ([dt.date(2020, 1, 1)], "int64", "dates; make integers of them in the transform", None),
        (
            [dt.datetime(2020, 1, 1, 10)],
            "date32",
            "1 value that is not at midnight; use `.dt.normalize()`",
            [(1, "2020-01-01 10:00:00")],
        ),
        ([dt.datetime(2020, 1, 1, tzinfo=UTC)], "date32", "timestamps with a time zone, whose date depends", None),
        (
            [dt.datetime(2020, 1, 1, tzinfo=UTC)],
            "timestamp[us]",
            "timestamps with a time zone; declare `timestamp[us, tz=UTC]`, or",
            None,
        ),
        ([dt.datetime(2020, 1, 1)], "timestamp[us, tz=UTC]", 'where they were read: `.dt.tz_localize("UTC")`', None),
        ([dt.date(2020, 1, 1)], "timestamp[us, tz=UTC]", "dates, which are no instants", None),
        ([dt.datetime(2020, 1, 1, 0, 0, 0, 5)], "timestamp[ms]", "1 value that is finer than timestamp[ms]", None),
        (
            [dt.date(1, 1, 1)],
            "timestamp[ns]",
            "1 value that is outside the range of timestamp[ns]",
            [(1, "0001-01-01")],
        ),
        ([dt.timedelta(microseconds=1)], "duration[s]", "1 value that is finer than duration[s]", None),
        (
            [0.1, 0.5],
            "float32",
            '1 value that is not exact in float32; round them in the transform with `.astype("float32")`',
            None,
        ),
        ([0.1], "decimal128(4, 2)", "1 value that is not exact in decimal128(4, 2); make them exact", None),
        ([100], "decimal128(4, 2)", "1 value that is too large for decimal128(4, 2)", None),
        ([Decimal("1.25")], "decimal128(4, 1)", "1 value that is not exact in decimal128(4, 1)", [(1, "1.25")]),
        ([Decimal("0.1")], "float64", "1 value that is not exact in float64; round them", None),
        ([Decimal("0.5"), Decimal("3.0")], "int64", "1 value that is not whole", [(1, "0.5")]),
        ([[1], [1.5, 2.5], [2.5]], "list<int64>", "2 values that are not whole", [(2, "[1.5, 2.5]"), (3, "[2.5]")]),
        ([[1]], "int64", "lists; make integers of them in the transform", None),
        ([1], "list<int64>", "integers; make a list of each in the transform", None),
        ([{"a": 1.5}], "struct<a: int8>", "1 value that is not whole", [(1, '{"a": 1.5}')]),
        ([{"a": 1}], "struct<b: int64>", "structs with the fields a; give them b", None),
        (["a", "1"], "dictionary<int64>", "1 value that is not an integer such as `12`", [(1, "'a'")]),
    ],
)
def test_values_without_one_are_refused_by_row(
    values: list[Any], target: str, message: str, shown: list[tuple[int, str]] | None
) -> None:
    violation = refused(pa.array(values), target)
    assert violation.message.startswith(f"`x` is declared {parse_column_type(target)} and holds ")
    assert message in violation.message
    assert violation.check == "type"
    assert violation.count == len(violation.examples) or violation.count > 5
    if shown is not None:
        assert rows(violation) == shown


def test_a_zone_changes_without_moving_the_instant() -> None:
    instants = pa.array([0, None], pa.timestamp("us", "UTC"))
    enforced = enforce(
        pa.table({"x": instants}), (Column("x", parse_column_type("timestamp[s, tz=Asia/Tokyo]")),)
    ).table
    assert enforced.column("x").cast(pa.int64()).to_pylist() == [0, None]


def test_a_null_struct_hides_what_lies_under_it() -> None:
    child = pa.array([1.5, 2.0])
    hidden = pa.StructArray.from_arrays([child], ["a"], mask=pa.array([True, False]))
    enforced = enforce(pa.table({"x": hidden}), (Column("x", parse_column_type("struct<a: int64>")),)).table
    assert enforced.column("x").to_pylist() == [None, {"a": 2}]


def test_dictionary_is_in_order_of_appearance() -> None:
    categories = pa.DictionaryArray.from_arrays(pa.array([2, 0, None]), ["a", "unused", "z"], ordered=True)
    chunked = pa.chunked_array([categories, pa.array(["y"]).dictionary_encode().cast(categories.type)])
    enforced = enforce(pa.table({"x": chunked}), (Column("x", parse_column_type("dictionary<string>")),)).table.column(
        "x"
    )
    assert enforced.num_chunks == 1
    assert enforced.chunk(0).dictionary.to_pylist() == ["z", "a", "y"]


@each_case(
    ("values", "target", "expected"),
    [
        ([1, 2.0, None], "int64", [1, 2, None]),
        ([1, Decimal("2.5")], "decimal128(5, 1)", [Decimal("1.0"), Decimal("2.5")]),
        ([2**63], "uint64", [2**63]),
        ([2**70], "decimal128(38, 0)", [Decimal(2**70)]),
        ([dt.date(2020, 1, 1), dt.datetime(2020, 1, 2)], "date32", [dt.date(2020, 1, 1), dt.date(2020, 1, 2)]),
        (
            [dt.date(2020, 1, 1), dt.datetime(2020, 1, 2, 3)],
            "timestamp[us]",
            [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2, 3)],
        ),
        (
            [dt.datetime(2020, 1, 1, tzinfo=BERLIN)],
            "timestamp[us, tz=UTC]",
            [dt.datetime(2019, 12, 31, 23, tzinfo=UTC)],
        ),
        ([Decimal("NaN"), NAN, None], "float64", [None, None, None]),
        ([bytearray(b"a"), b"b"], "binary", [b"a", b"b"]),
        ([(1, 2), [3.0]], "list<int64>", [[1, 2], [3]]),
        ([[{"a": "1"}], None], "list<struct<a: int64>>", [[{"a": 1}], None]),
        ([{"a": 1}, {}], "struct<a: int64, b: string>", [{"a": 1, "b": None}, {"a": None, "b": None}]),
        ([1, 2.5], None, [1.0, 2.5]),
        ([1, Decimal("2.5")], None, [Decimal("1.0"), Decimal("2.5")]),
        (
            [dt.date(2020, 1, 1), dt.datetime(2020, 1, 2, 3)],
            None,
            [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2, 3)],
        ),
        ([[1], [2.5]], None, [[1.0], [2.5]]),
        ([None, NAN], None, [None, None]),
        ([], None, []),
    ],
)
def test_python_objects_become_what_is_declared(values: list[Any], target: str | None, expected: list[Any]) -> None:
    column = convert_values(values, None if target is None else to_arrow(parse_column_type(target)))
    assert column.to_pylist() == expected


@each_case(
    ("values", "target", "message", "shown"),
    [
        ([1, "a", None, 2], "int64", "holds text among integers in 1 row", [(2, "'a'")]),
        ([1, True], None, "holds true and false among integers in 1 row", [(2, "True")]),
        ([1, 2.0, "a"], "int8", "holds text among integers in 1 row", [(3, "'a'")]),
        ([1.5, Decimal("2.5"), "a"], "decimal128(5, 2)", "holds text among floats in 1 row", [(3, "'a'")]),
        ([[2.0, None], [1], ["a"]], "list<int8>", "holds lists with items text among floats in 1 row", [(3, '["a"]')]),
        ([dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), "a"], "date32", "text among dates in 1 row", [(3, "'a'")]),
        (
            [dt.datetime(2024, 1, 1, tzinfo=UTC), "a", "b"],
            "timestamp[us, tz=UTC]",
            "text among",
            [(2, "'a'"), (3, "'b'")],
        ),
        ([{"a": 1}, [("b", 2)], "a"], "map<string, int64>", "holds text among dicts in 1 row", [(3, "'a'")]),
        (["a", 1, 2], "dictionary<string>", "holds integers among text in 2 rows", [(2, "1"), (3, "2")]),
        (
            [1, 2.5, "a", 2, 3.5, "b", "c"],
            None,
            "holds text among integers in 3 rows",
            [(3, "'a'"), (6, "'b'"), (7, "'c'")],
        ),
        (["a", 1.5, NAN], "string", "holds floats among text in 1 row", [(2, "1.5")]),
        (
            [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=UTC)],
            None,
            "holds timestamps with a zone among timestamps",
            None,
        ),
        (
            [uuid.UUID(int=1), None],
            "string",
            "holds objects of type `UUID` in 1 row; make text of them with `.map(str)`",
            [(1, "00000000-0000-0000-0000-000000000001")],
        ),
        ([1, 2**64], "int64", "1 value that is outside int64", [(2, str(2**64))]),
        ([-1, 2**63], "uint64", "1 value that is outside uint64", [(1, "-1")]),
        ([Decimal("Infinity")], "decimal128(5, 1)", "holds infinite Decimal objects in 1 row", None),
        ([Decimal("1e99")], "decimal128(5, 1)", "1 value that is", None),
        (["ok", "\ud800"], "string", "1 value that is not valid Unicode", None),
        ([[1], [2, "a"]], "list<int64>", "holds lists with items text among integers in 1 row", [(2, '[2, "a"]')]),
        ([{"a": 1}, {"c": 1}], "struct<a: int64>", "holds dicts with other keys than a in 1 row", [(2, '{"c": 1}')]),
        ([{1: 1}], None, "holds dicts with keys not text in 1 row", None),
        ([{}], None, "holds dicts without keys", None),
        ([{"a": 1.5}], "struct<a: int64>", "holds dicts whose `a` is not whole in 1 row", None),
        ([[1]], "int64", "holds lists", None),
        ([{"a": 1}], "int64", "holds dicts", None),
        ([dt.time(1, tzinfo=UTC)], "time64[us]", "holds times of day with a zone in 1 row", None),
        ([1.5, 1, 2.5], "int64", "2 values that are not whole", [(1, "1.5"), (3, "2.5")]),
    ],
)
def test_python_objects_that_do_not_are_refused_by_row(
    values: list[Any], target: str | None, message: str, shown: list[tuple[int, str]] | None
) -> None:
    type_ = None if target is None else parse_column_type(target)
    with pytest.raises(InexactError) as caught:
        convert_values(values, None if type_ is None else to_arrow(type_))
    violation = violation_of(caught.value, "x", type_, None)
    assert message in violation.message
    if shown is not None:
        assert rows(violation) == shown


@each_case(
    ("values", "target"),
    [
        (pa.array([str(2**128 - 1)]), "decimal128(5, 0)"),
        (pa.array([str(2**128 + 5)]).dictionary_encode(), "decimal128(38, 0)"),
        (pa.array(["0.1361129467683753853853498434729727072845837"]), "decimal128(37, 1)"),
        (pa.array(["13611294676837538538534984297270728.45825"]), "decimal128(5, 5)"),
        (pa.array([Decimal("-81046170581301261101496891396417650.688")]), "decimal128(38, 38)"),
        (pa.array([5]), "decimal128(3, 3)"),
        (pa.array([Decimal(5)]), "decimal128(1, 1)"),
        (pa.array(["16777217"]), "float32"),
    ],
)
def test_numbers_beyond_a_type_are_refused(values: pa.Array, target: str) -> None:
    assert [row for row, _ in rows(refused(values, target))] == [1]
    lists = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), values)
    assert [row for row, _ in rows(refused(lists, f"list<{target}>"))] == [1]


def test_narrow_decimals_become_integers() -> None:
    column = Column("x", parse_column_type("int64"))
    enforced = enforce(pa.table({"x": pa.array([Decimal("-1.00"), None], pa.decimal32(6, 2))}), (column,))
    assert enforced.table["x"].to_pylist() == [-1, None]


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("encode", [lambda texts: texts, lambda texts: texts.dictionary_encode()])
def test_text_of_the_first_second_of_nanoseconds_is_read(zone: str | None, encode: Any) -> None:
    counts = [None, -(2**63), 0, -(2**63) + 1, 2**63 - 1]
    moments = pa.array(counts, pa.timestamp("ns"))
    texts = pa.array([text and text + ("Z" if zone else "") for text in moments.cast(pa.string()).to_pylist()])
    column = Column("x", parse_column_type(f"timestamp[ns, tz={zone}]" if zone else "timestamp[ns]"))
    enforced = enforce(pa.table({"x": encode(texts)}), (column,))
    assert enforced.table["x"].cast(pa.int64()).to_pylist() == counts


def test_text_before_the_first_nanosecond_is_refused() -> None:
    texts = pa.array(["1677-09-21 00:12:43.145224192", "1677-09-21 00:12:43.145224191", None])
    assert rows(refused(texts, "timestamp[ns]")) == [(2, "'1677-09-21 00:12:43.145224191'")]


def test_nested_values_are_shown_as_json() -> None:
    kind = pa.struct([("at", pa.timestamp("us")), ("n", pa.list_(pa.float64()))])
    values = pa.array([{"at": dt.datetime(2020, 1, 2), "n": [0.5, None]}], kind)
    shown = rows(refused(values, "struct<at: timestamp[us], n: list<int64>>"))
    assert shown == [(1, '{"at": "2020-01-02 00:00:00", "n": [0.5, null]}')]


@pytest.mark.parametrize(
    ("values", "target", "expected", "kind"),
    [
        (["1." + "0" * 80], None, ["1"], "decimal128(1, 0)"),
        (["1." + "0" * 80, "-2.25"], "decimal128(10, 2)", ["1", "-2.25"], "decimal128(10, 2)"),
        (["1." + "0" * 80], "int64", ["1"], "int64"),
        (["0E-80", "0E+80", "1.50"], None, ["0", "0", "1.5"], "decimal128(2, 1)"),
        (["-12." + "0" * 40 + "00"], "float64", ["-12"], "double"),
        (["1.50", "2"], None, ["1.50", "2"], "decimal128(3, 2)"),
    ],
)
def test_zeros_at_the_end_of_decimals_are_no_digits(
    values: list[str], target: str | None, expected: list[str], kind: str
) -> None:
    wanted = None if target is None else to_arrow(parse_column_type(target))
    column = convert_values(list(map(Decimal, values)), wanted)
    assert str(column.type) == kind
    assert list(map(Decimal, column.to_pylist())) == list(map(Decimal, expected))


def test_a_digit_behind_the_38th_is_refused() -> None:
    with pytest.raises(InexactError, match="of more than 38 digits") as caught:
        convert_values([Decimal("1.5"), Decimal("1." + "0" * 80 + "1")], None)
    assert caught.value.rows is not None
    assert caught.value.rows.to_pylist() == [1]
