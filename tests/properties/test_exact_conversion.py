"""Laws of exact conversion: a value never changes, and what would change is refused with its row."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, shown_values
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, ColumnType, parse_column_type
from lakehouse_cli.transforms import frame_type_of

QUICK = settings(max_examples=25)

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
NUMBERS = [*INTEGERS, "float32", "float64", "decimal128(20, 0)", "decimal128(12, 4)", "decimal128(38, 10)"]
UNITS = ("s", "ms", "us", "ns")
MOMENTS = ["date32", *(f"timestamp[{unit}]" for unit in UNITS)]
EDGES = [0, 1, -1, 127, 128, 255, 256, 2**15, 2**24 + 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**60, 2**63 - 1, 2**63]


def rows_of(refusal: InexactError) -> list[int]:
    rows: list[int] = [] if refusal.rows is None else refusal.rows.to_pylist()
    return rows


def column_type(text: str) -> pa.DataType:
    return to_arrow(parse_column_type(text))


def values_of(type_: ColumnType) -> st.SearchStrategy[Any]:
    """Values of a declared type, as `pa.array` takes them with that type; null left out."""
    arrow = to_arrow(type_)
    match type_.id:
        case "float32":
            return st.floats(width=32, allow_nan=False)
        case "float64":
            return st.floats(allow_nan=False)
        case "bool":
            return st.booleans()
        case "string":
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
        case "binary":
            return st.binary(max_size=8)
        case "date32":
            return st.dates()
        case "timestamp" | "duration":
            return st.integers(-(2**62), 2**62)
        case "time32" | "time64":
            per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[arrow.unit]
            return st.integers(0, 86_400 * per_second - 1)
        case "decimal128":
            assert type_.precision is not None
            assert type_.scale is not None
            most = 10**type_.precision - 1
            # By its text: Decimal's arithmetic rounds to 28 digits.
            return st.integers(-most, most).map(lambda digits: Decimal(f"{digits}e-{type_.scale}"))
        case "list":
            return st.lists(st.none() | values_of(type_.item), max_size=3)
        case "struct":
            return st.fixed_dictionaries({name: st.none() | values_of(child) for name, child in type_.fields})
        case "dictionary":
            return values_of(type_.item)
    bits = arrow.bit_width
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if type_.id[0] == "i" else st.integers(0, 2**bits - 1)


@st.composite
def numbers(draw: st.DrawFn, source: str) -> list[Any]:
    """Values of a number type, with many at the edges of the others."""
    type_ = parse_column_type(source)
    arrow = column_type(source)
    near = st.sampled_from(EDGES) | st.sampled_from(EDGES).map(lambda value: -value)
    if type_.is_float:
        halves = st.integers(-(2**20), 2**20).map(lambda value: value / 16)
        pool: st.SearchStrategy[Any] = values_of(type_) | near.map(float) | halves
        if type_.id == "float32":
            pool = pool.map(lambda value: pa.scalar(value, pa.float32()).as_py())
    elif type_.id == "decimal128":
        pool = values_of(type_) | st.integers(-(10**8) + 1, 10**8 - 1).map(Decimal)
    else:
        pool = values_of(type_) | near.filter(lambda value: _fits(value, arrow))
    return draw(st.lists(st.none() | pool, min_size=1, max_size=4))


def _fits(value: int, integer: pa.DataType) -> bool:
    try:
        pa.scalar(value, integer)
    except (OverflowError, pa.ArrowInvalid):
        return False
    return True


def exact_value(value: Any) -> Any:
    """A number as it is in mathematics."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return value
    return Fraction(value)


@pytest.mark.parametrize("source", NUMBERS)
@QUICK
@given(data=st.data())
def test_numbers_keep_their_value_or_are_refused_by_row(source: str, data: st.DataObject) -> None:
    values = data.draw(numbers(source))
    column = pa.chunked_array([pa.array(values, column_type(source))])
    before = column.to_pylist()
    for wanted in map(column_type, NUMBERS):
        representable = [value is None or _representable(value, wanted) for value in before]
        try:
            after = convert(column, wanted)
        except InexactError as refusal:
            refused = rows_of(refusal)
            assert refused
            assert not any(representable[row] for row in refused)
        else:
            assert all(representable)
            assert after.type == wanted
            assert list(map(exact_value, after.to_pylist())) == list(map(exact_value, before))


def _representable(value: Any, target: pa.DataType) -> bool:
    """Whether a type has the very same number, reckoned without Arrow."""
    number = exact_value(value)
    if isinstance(number, float):
        return pa.types.is_floating(target)
    if pa.types.is_integer(target):
        return number.denominator == 1 and _fits(int(number), target)
    if pa.types.is_decimal(target):
        scaled = number * 10**target.scale
        return scaled.denominator == 1 and abs(scaled) < 10**target.precision
    try:
        nearest = float(number)
        if target == pa.float32():
            nearest = pa.array([nearest], pa.float64()).cast(pa.float32(), safe=False)[0].as_py()
    except OverflowError:
        return False
    return math.isfinite(nearest) and exact_value(nearest) == number


@pytest.mark.parametrize("target", MOMENTS)
@pytest.mark.parametrize("source", MOMENTS)
@settings(QUICK, max_examples=40)
@given(data=st.data())
def test_moments_keep_their_instant_or_are_refused_by_row(source: str, target: str, data: st.DataObject) -> None:
    per_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
    here = 1 if source == "date32" else per_day[parse_column_type(source).unit or "s"]
    there = 1 if target == "date32" else per_day[parse_column_type(target).unit or "s"]
    days = st.integers(-800_000, 2_900_000)
    edges = st.sampled_from([2**31 - 1, -(2**31), 2**31, 106_751, 106_752, -106_752, 2**40])
    extent = 31 if source == "date32" else 63
    ticks = (days | edges).map(lambda day: day * here) | st.integers(-(2**extent), 2**extent - 1)
    values = data.draw(st.lists(ticks.filter(lambda tick: -(2**extent) <= tick < 2**extent), min_size=1, max_size=4))
    storage = pa.int32() if source == "date32" else pa.int64()
    column = pa.chunked_array([pa.array(values, storage).cast(column_type(source))])
    try:
        after = convert(column, column_type(target))
    except InexactError as refusal:
        limit = 31 if target == "date32" else 63
        refused = rows_of(refusal)
        assert refused
        for row in refused:
            exact = values[row] * there / here if there < here else values[row] * (there // here)
            whole = values[row] * there % here == 0
            assert not whole or not -(2**limit) < exact < 2**limit
    else:
        counts = after.cast(pa.int32() if target == "date32" else pa.int64()).to_pylist()
        assert [count * here for count in counts] == [tick * there for tick in values]


@pytest.mark.parametrize(
    "target", [*INTEGERS, "float64", "bool", "date32", "timestamp[us]", "time64[us]", "decimal128(12, 4)"]
)
@QUICK
@given(data=st.data())
def test_text_as_a_type_prints_it_is_read_as_that_value(target: str, data: st.DataObject) -> None:
    type_ = parse_column_type(target)
    value = data.draw(values_of(type_))
    array = pa.array([value], to_arrow(type_))
    if type_.id == "timestamp":
        assume(-(2**55) < value < 2**57)  # the years of four digits
        text = str(array[0].as_py())
    elif type_.id in ("float64", "bool", "decimal128"):
        text = f"{value:f}" if type_.id == "decimal128" else repr(value)
        assume("-0.0000" not in text)
    else:
        text = str(array[0].as_py())
    read = convert(pa.chunked_array([[text]]), to_arrow(type_))
    assert read.chunk(0).equals(array)


@QUICK
@given(st.text(alphabet="0123456789+-. eEx_,aN", max_size=7))
def test_text_read_as_a_number_is_that_number(text: str) -> None:
    for target in (pa.int64(), pa.float64(), pa.decimal128(12, 4)):
        try:
            value = convert(pa.chunked_array([[text]]), target)[0].as_py()
        except InexactError:
            continue
        assert not text.startswith(("0", "-0")) or text.lstrip("-")[1:2] in ("", ".", "e", "E")
        assert float(value) == float(text)


TYPES = [
    *NUMBERS,
    "bool",
    "string",
    "binary",
    "date32",
    *(f"timestamp[{unit}]" for unit in UNITS),
    *(f"timestamp[{unit}, tz=Europe/Berlin]" for unit in UNITS),
    "timestamp[us, tz=UTC]",
    "timestamp[us, tz=+01:00]",
    *(f"duration[{unit}]" for unit in UNITS),
    "time32[s]",
    "time32[ms]",
    "time64[us]",
    "time64[ns]",
    "dictionary<string>",
    "dictionary<int64>",
    "list<int64>",
    "list<string>",
    "list<float64>",
    "list<list<bool>>",
    "struct<a: int64, b: string>",
    "list<struct<a: float64, b: date32>>",
    "struct<a: list<time64[ns]>>",
]


@pytest.mark.parametrize("frame", ["pandas", "pyarrow", "polars"])
@pytest.mark.parametrize("text", TYPES)
@settings(QUICK, max_examples=15)
@given(data=st.data())
def test_a_column_survives_its_way_through_a_frame(frame: str, text: str, data: st.DataObject) -> None:
    type_ = parse_column_type(text)
    values = data.draw(st.lists(st.none() | values_of(type_), max_size=6))
    array = pa.array(values, to_arrow(type_.item)).dictionary_encode() if type_.id == "dictionary" else None
    column = array if array is not None else pa.array(values, to_arrow(type_))
    cut = data.draw(st.integers(0, len(values)))
    table = pa.table({"x": pa.chunked_array([column.slice(0, cut), column.slice(cut)])})
    kind = frame_type_of({"pandas": None, "pyarrow": pa.Table, "polars": pl.DataFrame}[frame])
    columns = (Column("x", type_),)
    try:
        seen = kind.from_arrow(table)
    except TransformError:
        # polars has no seconds, and its milliseconds end a thousand times sooner.
        assert frame == "polars"
        assert type_.unit == "s"
        assert any(value is not None and abs(value) > 2**63 // 1000 for value in values)
        return
    enforced = enforce(kind.to_arrow(seen, columns), columns).table
    assert enforced.schema == pa.schema({"x": to_arrow(type_)})
    back = enforced.column("x")
    if type_.id == "dictionary":
        back, expected = back.cast(to_arrow(type_.item)), table.column("x").cast(to_arrow(type_.item))
    else:
        expected = table.column("x")
    assert back.equals(expected)


PYTHON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.text(max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.times(),
    st.timedeltas(),
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 9)),
    st.builds(object),
)


@settings(QUICK, max_examples=400)
@given(st.lists(PYTHON_VALUES, max_size=5), st.sampled_from([None, *TYPES]))
def test_python_objects_come_out_equal_or_are_refused(values: list[Any], text: str | None) -> None:
    target = None if text is None else column_type(text)
    try:
        column = convert_values(values, target)
    except InexactError as refusal:
        rows = refusal.rows.to_pylist() if refusal.rows is not None else list(range(len(values)))
        assert rows
        assert all(0 <= row < len(values) for row in rows)
        return
    assert len(column) == len(values)
    assert target is None or column.type == target
    for before, after in zip(values, column.to_pylist(), strict=True):
        assert (before is None) == (after is None)
        if isinstance(before, (bool, int, float, Decimal)) and not isinstance(after, str):
            assert exact_value(before) == exact_value(after)
        if isinstance(before, dt.datetime) and isinstance(after, dt.datetime):
            assert before == after
        if isinstance(before, (bytes, list, dt.time)) and text is None:
            assert before == after


@QUICK
@given(st.lists(st.none() | st.floats(), min_size=1, max_size=6))
def test_nan_is_null_after_pandas_only(values: list[float | None]) -> None:
    table = pa.table({"x": pa.array(values, pa.float64())})
    columns = (Column("x", parse_column_type("float64")),)
    pandas, arrow = frame_type_of(None), frame_type_of(pa.Table)
    through_pandas = enforce(pandas.to_arrow(pandas.from_arrow(table), columns), columns).table.column("x").to_pylist()
    assert through_pandas == [None if value is None or math.isnan(value) else value for value in values]
    through_arrow = enforce(arrow.to_arrow(arrow.from_arrow(table), columns), columns).table
    assert through_arrow.column("x").null_count == values.count(None)


@QUICK
@given(st.lists(st.integers(0, 5) | st.none(), max_size=12))
def test_a_key_is_kept_just_where_its_values_differ(values: list[int | None]) -> None:
    table = pa.table({"x": pa.array(values, pa.int64())})
    columns = (Column("x", parse_column_type("int64")),)
    if None in values or len(set(values)) < len(values):
        with pytest.raises(ContractError) as caught:
            enforce(table, columns, key=("x",))
        counts = {("null" in v.message): v.count for v in caught.value.violations}
        present = [value for value in values if value is not None]
        assert counts.get(True, 0) == values.count(None)
        assert counts.get(False, 0) == len(present) - len(set(present))
    else:
        assert enforce(table, columns, key=("x",)).table.equals(table)


@pytest.mark.parametrize("kind", ["date32", "timestamp[s]", "timestamp[s, tz=UTC]", "duration[s]"])
def test_unprintable_values_are_reported(kind: str) -> None:
    arrow_type = to_arrow(parse_column_type(kind))
    count = 2**31 - 1 if kind == "date32" else 2**62
    far = pa.array([count], pa.int32() if kind == "date32" else pa.int64()).cast(arrow_type)
    assert shown_values(pa.chunked_array([far]), [0]) == [f"{count} ({arrow_type})"]
    dictionary = far.dictionary_encode()
    assert shown_values(pa.chunked_array([dictionary]), [0]) == [f"{count} ({dictionary.type})"]
    for nested in (pa.ListArray.from_arrays([0, 1], far), pa.StructArray.from_arrays([far], ["x"])):
        assert shown_values(pa.chunked_array([nested]), [0]) == [f"a value of {nested.type}"]


def _decimal_texts() -> st.SearchStrategy[str]:
    """Numbers in plain digits, up to 80 of them, many beside a power of two or ten at which arithmetic wraps."""
    powers = st.builds(pow, st.sampled_from([2, 10]), st.integers(1, 79))
    near = st.builds(lambda power, added: power + added, powers, st.integers(-9, 9))
    digits = (st.integers(0, 10**80 - 1) | near | st.integers(0, 10**6)).filter(lambda number: number < 10**80)
    return st.builds(
        lambda number, scale, sign: f"{sign}{Decimal(f'{abs(number)}e-{scale}'):f}",
        digits,
        st.integers(0, 80),
        st.sampled_from(["", "-"]),
    )


@settings(QUICK, max_examples=300)
@given(
    texts=st.lists(st.none() | _decimal_texts(), min_size=1, max_size=4),
    precision=st.integers(1, 38),
    data=st.data(),
    encoding=st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
)
def test_texts_become_decimals_or_are_refused_by_row(
    texts: list[str | None], precision: int, data: st.DataObject, encoding: pa.DataType
) -> None:
    scale = data.draw(st.integers(0, precision))
    column = pa.chunked_array([pa.array(texts, encoding)])
    most, unit = Fraction(10**precision - 1, 10**scale), 10**scale
    bad = [
        row
        for row, text in enumerate(texts)
        if text is not None and (abs(Fraction(text)) > most or (Fraction(text) * unit).denominator > 1)
    ]
    if bad:
        with pytest.raises(InexactError) as caught:
            convert(column, pa.decimal128(precision, scale))
        assert rows_of(caught.value) == bad
    else:
        converted = convert(column, pa.decimal128(precision, scale))
        assert list(map(exact_value, converted.to_pylist())) == list(map(exact_value, texts))


@settings(QUICK, max_examples=300)
@given(data=st.data())
def test_decimals_keep_their_value_or_are_refused(data: st.DataObject) -> None:
    type_of, most = data.draw(
        st.sampled_from([(pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76)])
    )
    precision = data.draw(st.integers(1, most))
    source = type_of(precision, data.draw(st.integers(0, precision)))
    digits = data.draw(st.integers(0, 10**precision - 1) | st.integers(0, precision - 1).map(lambda power: 10**power))
    value = Decimal(f"{data.draw(st.sampled_from(['', '-']))}{digits}e-{source.scale}")
    kept = data.draw(st.integers(1, 38))
    target = data.draw(
        st.builds(pa.decimal128, st.just(kept), st.integers(0, kept)) | st.sampled_from([pa.int8(), pa.uint64()])
    )
    limits = {pa.int8(): (-(2**7), 2**7 - 1), pa.uint64(): (0, 2**64 - 1)}
    low, high = limits.get(target, (-(10**kept) + 1, 10**kept - 1))
    counted = Fraction(value) * (10**target.scale if pa.types.is_decimal(target) else 1)
    try:
        converted = convert(pa.chunked_array([pa.array([value], source)]), target).to_pylist()
    except InexactError:
        assert counted.denominator > 1 or not low <= counted <= high
    else:
        assert converted == [value]
