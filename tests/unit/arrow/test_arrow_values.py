"""Arrays and scalars that are made without pandas are those that Arrow makes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from lakehouse_cli.arrow import values as av
from tests.cases import each_case
from tests.properties.drawn_tables import CHANCES, Chance, floating, integer, text

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
COUNTS = [pa.date32(), pa.time32("s"), pa.time64("ns"), pa.timestamp("us", "UTC"), pa.timestamp("s"), pa.duration("ms")]
#: Microseconds of a hundred million days.
MOST = 10**8 * 86_400 * 10**6
OTHERS = [pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.bool_()]
OTHERS += [pa.decimal128(20, 3), pa.decimal256(60, 5)]


def value_of(chance: Chance, type_: pa.DataType) -> Any:
    if type_ in COUNTS:
        return chance.randint(0, 86_399)
    if type_ in INTEGERS:
        signed = pa.types.is_signed_integer(type_)
        return integer(chance, -(1 << type_.bit_width - 1) if signed else 0, (1 << type_.bit_width - signed) - 1)
    if pa.types.is_floating(type_):
        return floating(chance, type_.bit_width)
    if pa.types.is_decimal(type_):
        return Decimal(f"{integer(chance, -(10**12), 10**12)}e-3")
    if pa.types.is_boolean(type_):
        return chance.random() < 0.5
    return chance.randbytes(chance.randrange(9)) if "binary" in str(type_) else text(chance)


@given(CHANCES)
def test_arrays_are_those_of_arrow(chance: Chance) -> None:
    type_ = chance.choice([*INTEGERS, *COUNTS, *OTHERS])
    values = [None if chance.random() < 0.2 else value_of(chance, type_) for _ in range(chance.randrange(12))]
    note((type_, values))
    made = av.array(values, type_)
    made.validate(full=True)
    assert made.type == type_
    bits = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}.get(type_, type_)  # NaN equals no NaN
    assert made.view(bits).equals(pa.array(values, type_).view(bits))
    assert made.null_count == values.count(None)
    if values:
        assert av.scalar(values[0], type_).is_valid == (values[0] is not None)


@each_case("value", [5, -1, 1.5, 0.0, -0.0, True, False, "x", "", b"x", None])
def test_scalars_are_those_of_arrow(value: Any) -> None:
    assert av.scalar(value).equals(pa.scalar(value))
    assert repr(av.scalar(value)) == repr(pa.scalar(value))


@pytest.mark.parametrize(
    "type_", [pa.list_(pa.int64()), pa.struct([("a", pa.string())]), pa.dictionary(pa.int32(), pa.string())]
)
def test_null_of_any_type(type_: pa.DataType) -> None:
    assert av.scalar(None, type_).equals(pa.scalar(None, type_))
    assert av.array([], type_).equals(pa.array([], type_))


@pytest.mark.parametrize(("value", "type_"), [(256, pa.uint8()), (-1, pa.uint64()), (1 << 63, pa.int64())])
def test_integer_that_does_not_fit_is_refused(value: int, type_: pa.DataType) -> None:
    with pytest.raises(OverflowError):
        av.array([value], type_)


def test_fractions_are_no_integers() -> None:
    with pytest.raises(TypeError):
        av.array([1.5], pa.int64())


@given(st.lists(st.booleans()), st.integers(0, 9))
def test_numpy_and_back(flags: list[bool], start: int) -> None:
    cut = pa.array(flags, pa.bool_()).slice(min(start, len(flags)))
    assert av.to_numpy(cut).tolist() == cut.to_pylist()
    numbers = np.arange(len(flags), dtype=np.int32)
    made = av.from_numpy(numbers, pa.int32(), np.array(flags, bool))
    assert made.to_pylist() == [at if flag else None for at, flag in enumerate(flags)]


def test_functions_take_values_of_python() -> None:
    numbers, texts = pa.array([1, None, 3], pa.int32()), pa.array(["a", None, "b"], pa.large_string())
    assert av.compute.greater(numbers, 1).equals(pc.greater(numbers, 1))
    assert av.compute.fill_null(numbers, 7).equals(pc.fill_null(numbers, 7))
    assert av.compute.fill_null(texts, "x").equals(pc.fill_null(texts, "x"))
    assert av.compute.fill_null(numbers, pa.scalar(7, pa.int32())).equals(pc.fill_null(numbers, 7))
    joined = av.compute.binary_join_element_wise("<", texts.cast(pa.string()), ">", "")
    assert joined.equals(pa.array(["<a>", None, "<b>"]))
    assert av.compute.match_substring(texts, "a").equals(pc.match_substring(texts, "a"))
    assert av.compute.if_else(numbers.is_valid(), texts, None).equals(pc.if_else(numbers.is_valid(), texts, None))


@each_case(
    "values",
    [
        ["1E+5", "1.5"], ["0"], ["0.00"], ["1E+38", "0.001"], ["1" * 50], ["-12.30", "4"], ["0E+3"], ["0." + "1" * 50],
    ],
)  # fmt: skip
def test_decimals_become_the_type_that_arrow_infers(values: list[str]) -> None:
    from lakehouse_cli.arrow.conversion.python_values import convert_values

    decimals = [Decimal(each) for each in values]
    assert convert_values(decimals, None, nan_is_null=False).combine_chunks().equals(pa.array(decimals))


@given(CHANCES)
def test_moments_are_those_of_arrow(chance: Chance) -> None:
    from lakehouse_cli.arrow.conversion.python_values import convert_values

    def some(low: dt.datetime, high: dt.datetime) -> list[dt.datetime]:
        most = (high - low) // dt.timedelta(microseconds=1)
        return [low + dt.timedelta(microseconds=integer(chance, 0, most)) for _ in range(chance.randrange(8))]

    moments = some(dt.datetime.min, dt.datetime.max)
    dates = [each.date() for each in some(dt.datetime.min, dt.datetime.max)]
    times = [each.time() for each in some(dt.datetime(2000, 1, 1), dt.datetime(2000, 1, 1, 23, 59, 59, 999_999))]
    spans = [dt.timedelta(microseconds=integer(chance, -MOST, MOST)) for _ in range(chance.randrange(8))]
    note((moments, dates, times, spans))
    zoned = [each.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))) for each in moments if 1 < each.year < 9999]
    for values, type_ in (
        (dates, pa.date32()),
        (times, pa.time64("us")),
        (moments, pa.timestamp("us")),
        (zoned, pa.timestamp("us", "UTC")),
        (spans, pa.duration("us")),
    ):
        made = convert_values(values, type_, nan_is_null=False)
        assert pa.chunked_array([pa.array(values, type_)], type_).equals(made)
