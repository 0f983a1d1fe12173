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
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, shown_values
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, ColumnType, parse_column_type
from lakehouse_cli.transforms import frame_type_of
from tests.properties.drawn_tables import CHANCES, Chance, first_that, floating, integer, nested, present

QUICK = settings(max_examples=25)

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
NUMBERS = [*INTEGERS, "float32", "float64", "decimal128(20, 0)", "decimal128(12, 4)", "decimal128(38, 10)"]
UNITS = ("s", "ms", "us", "ns")
EDGE_DAYS = [2**31 - 1, -(2**31), 2**31, 106_751, 106_752, -106_752, 2**40]
MOMENTS = ["date32", *(f"timestamp[{unit}]" for unit in UNITS)]
EDGES = [0, 1, -1, 127, 128, 255, 256, 2**15, 2**24 + 1, 2**31, 2**32, 2**53, 2**53 + 1, 2**60, 2**63 - 1, 2**63]


def rows_of(refusal: InexactError) -> list[int]:
    rows: list[int] = [] if refusal.rows is None else refusal.rows.to_pylist()
    return rows


def column_type(text: str) -> pa.DataType:
    return to_arrow(parse_column_type(text))


def value_of(chance: Chance, type_: ColumnType) -> Any:
    """A value of a declared type, as `pa.array` takes it with that type; never null, and no NaN."""
    match type_.id:
        case "float32" | "float64":
            bits = 32 if type_.id == "float32" else 64
            return first_that(lambda value: not math.isnan(value), lambda: floating(chance, bits))
        case "timestamp" | "duration":
            return integer(chance, -(2**62), 2**62)
        case "date32":
            return dt.date.fromordinal(integer(chance, 1, dt.date.max.toordinal()))
        case "list" | "struct" | "dictionary":
            return nested(chance, type_, value_or_null, value_of)
    return present(chance, type_)


def value_or_null(chance: Chance, type_: ColumnType) -> Any:
    return None if chance.random() < 0.2 else value_of(chance, type_)


def numbers(chance: Chance, source: str) -> list[Any]:
    """Values of a number type, with many at the edges of the others."""
    type_, arrow = parse_column_type(source), column_type(source)

    def number() -> Any:
        if chance.random() < 0.2:
            return None
        how, near = chance.random(), chance.choice(EDGES) * chance.choice((1, -1))
        if how < 0.4:
            return value_of(chance, type_)
        if type_.is_float:
            value = float(near) if how < 0.7 else chance.randint(-(2**20), 2**20) / 16
            return pa.scalar(value, arrow).as_py()
        if type_.id == "decimal128":
            return Decimal(chance.randint(-(10**8) + 1, 10**8 - 1))
        return near if _fits(near, arrow) else value_of(chance, type_)

    drawn = [number() for _ in range(chance.randint(1, 4))]
    note(drawn)
    return drawn


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
@given(chance=CHANCES)
def test_numbers_keep_their_value_or_are_refused_by_row(source: str, chance: Chance) -> None:
    values = numbers(chance, source)
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
@given(chance=CHANCES)
def test_moments_keep_their_instant_or_are_refused_by_row(source: str, target: str, chance: Chance) -> None:
    per_day = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
    here = 1 if source == "date32" else per_day[parse_column_type(source).unit or "s"]
    there = 1 if target == "date32" else per_day[parse_column_type(target).unit or "s"]
    extent = 31 if source == "date32" else 63

    def tick() -> int:
        how = chance.random()
        if how < 0.5:
            return (chance.randint(-800_000, 2_900_000) if how < 0.25 else chance.choice(EDGE_DAYS)) * here
        return integer(chance, -(2**extent), 2**extent - 1)

    values = [first_that(lambda tick: -(2**extent) <= tick < 2**extent, tick) for _ in range(chance.randint(1, 4))]
    note(values)
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
@given(chance=CHANCES)
def test_text_as_a_type_prints_it_is_read_as_that_value(target: str, chance: Chance) -> None:
    type_ = parse_column_type(target)
    value = value_of(chance, type_)
    note(value)
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
MOST = 2**63 // 1000


@pytest.mark.parametrize("frame", ["pandas", "pyarrow", "polars"])
@settings(QUICK, max_examples=15)
@given(chance=CHANCES)
def test_columns_survive_their_way_through_a_frame(frame: str, chance: Chance) -> None:
    rows, columns, arrays = chance.randrange(7), tuple(Column(text, parse_column_type(text)) for text in TYPES), {}
    cut = chance.randint(0, rows)
    apart: list[str] = []
    for column in columns:
        type_ = column.type
        values = [value_or_null(chance, type_) for _ in range(rows)]
        array = pa.array(values, to_arrow(type_.item if type_.id == "dictionary" else type_))
        array = array.dictionary_encode() if type_.id == "dictionary" else array
        arrays[column.name] = pa.chunked_array([array.slice(0, cut), array.slice(cut)])
        # polars has no seconds, and its milliseconds end a thousand times sooner.
        if frame == "polars" and type_.unit == "s" and any(each is not None and abs(each) > MOST for each in values):
            apart.append(column.name)
    table = pa.table(arrays)
    note(table)
    kind = frame_type_of({"pandas": None, "pyarrow": pa.Table, "polars": pl.DataFrame}[frame])
    for names in ([name for name in TYPES if name not in apart], *([name] for name in apart)):
        of_names = tuple(column for column in columns if column.name in names)
        try:
            seen = kind.from_arrow(table.select(names))
        except TransformError:
            assert names[0] in apart
            continue
        enforced = enforce(kind.to_arrow(seen, of_names), of_names).table
        assert enforced.schema == pa.schema({column.name: to_arrow(column.type) for column in of_names})
        for column in of_names:
            back, expected = enforced.column(column.name), table.column(column.name)
            if column.type.id == "dictionary":
                back, expected = (each.cast(to_arrow(column.type.item)) for each in (back, expected))
            assert back.equals(expected), column


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
    for holder in (pa.ListArray.from_arrays([0, 1], far), pa.StructArray.from_arrays([far], ["x"])):
        assert shown_values(pa.chunked_array([holder]), [0]) == [f"a value of {holder.type}"]


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
