"""Arrays and scalars that are made without pandas are those that Arrow makes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.arrow import values as av

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
COUNTS = [pa.date32(), pa.time32("s"), pa.time64("ns"), pa.timestamp("us", "UTC"), pa.timestamp("s"), pa.duration("ms")]
SPANS = st.timedeltas(-dt.timedelta(days=10**8), dt.timedelta(days=10**8))
DECIMALS = st.decimals(-(10**9), 10**9, places=3, allow_nan=False, allow_infinity=False)


def bounds(type_: pa.DataType) -> st.SearchStrategy[int]:
    if type_ in COUNTS:
        return st.integers(0, 86_399)
    signed = pa.types.is_signed_integer(type_)
    return st.integers(-(1 << type_.bit_width - 1) if signed else 0, (1 << type_.bit_width - signed) - 1)


@st.composite
def typed(draw: st.DrawFn) -> tuple[list[Any], pa.DataType]:
    numbers = [(each, bounds(each)) for each in INTEGERS + COUNTS]
    floats = [(pa.float32(), st.floats(width=32)), (pa.float64(), st.floats())]
    texts = [(each, st.text(st.characters(exclude_categories=["Cs"]))) for each in (pa.string(), pa.large_string())]
    blobs = [(each, st.binary()) for each in (pa.binary(), pa.large_binary())]
    others = [(pa.bool_(), st.booleans()), (pa.decimal128(20, 3), DECIMALS), (pa.decimal256(60, 5), DECIMALS)]
    type_, values = draw(st.sampled_from([*numbers, *floats, *texts, *blobs, *others]))
    return draw(st.lists(st.none() | values)), type_


@given(typed())
def test_arrays_are_those_of_arrow(case: tuple[list[Any], pa.DataType]) -> None:
    values, type_ = case
    made = av.array(values, type_)
    made.validate(full=True)
    assert made.type == type_
    bits = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}.get(type_, type_)  # NaN equals no NaN
    assert made.view(bits).equals(pa.array(values, type_).view(bits))
    assert made.null_count == values.count(None)
    if values:
        assert av.scalar(values[0], type_).is_valid == (values[0] is not None)


@pytest.mark.parametrize("value", [5, -1, 1.5, 0.0, -0.0, True, False, "x", "", b"x", None])
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


@pytest.mark.parametrize(
    "values",
    [
        ["1E+5", "1.5"], ["0"], ["0.00"], ["1E+38", "0.001"], ["1" * 50], ["-12.30", "4"], ["0E+3"], ["0." + "1" * 50],
    ],
)  # fmt: skip
def test_decimals_become_the_type_that_arrow_infers(values: list[str]) -> None:
    from lakehouse_cli.arrow.conversion.python_values import convert_values

    decimals = [Decimal(each) for each in values]
    assert convert_values(decimals, None, nan_is_null=False).combine_chunks().equals(pa.array(decimals))


@given(st.lists(st.dates()), st.lists(st.times()), st.lists(st.datetimes()), st.lists(SPANS))
def test_moments_are_those_of_arrow(
    dates: list[dt.date], times: list[dt.time], moments: list[dt.datetime], spans: list[dt.timedelta]
) -> None:
    from lakehouse_cli.arrow.conversion.python_values import convert_values

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
