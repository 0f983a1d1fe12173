"""Values to text that `decode` reads back equal, and that other tools can read."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import is_utf8
from lakehouse_cli.arrow.conversion.timestamp_texts import DIGITS, UNITS, date_text, day_number, timestamp_text
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.text.abbreviation import cut_end

_TEXT = pa.string()
_FIRST_DAY, _LAST_DAY = day_number(0, 1, 1), day_number(9999, 12, 31)


def encode_plain(values: pa.Array, options: CsvOptions) -> pa.Array:
    """Make the text of values of a type that is no dictionary, list or struct; dates and timestamps in ISO 8601.

    See `lakehouse_cli.formats.csv.codec.encode` for the rest.
    """
    t, kind = pa.types, values.type
    if t.is_string(kind):
        return values
    if t.is_integer(kind):
        return values.cast(_TEXT)
    if t.is_floating(kind):
        return _with_decimal(_floats(values), options)
    if t.is_boolean(kind):
        return pc.if_else(values, options.true_values[0], options.false_values[0])
    if t.is_decimal(kind):
        return _with_decimal(_decimals(values), options)
    if t.is_time(kind):
        return _times(values)
    if t.is_duration(kind):
        return _with_decimal(_counted(values, options.duration_unit or "s"), options)
    if t.is_timestamp(kind) and options.epoch_unit is not None:
        return _with_decimal(_counted(values, options.epoch_unit), options)
    if t.is_binary(kind):
        return _bytes(values, options.binary)
    return encode_iso(values)


def _with_decimal(text: pa.Array, options: CsvOptions) -> pa.Array:
    return text if options.decimal == "." else pc.replace_substring(text, ".", options.decimal)


def _floats(values: pa.Array) -> pa.Array:
    """The shortest text that gives the same float again, as Python's ``repr`` writes it: whole ones with ``.0``."""
    text, size = values.cast(_TEXT), pc.abs(values)
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(size, av.scalar(1e10, values.type)))
    if pc.any(whole).as_py():
        text = pc.binary_join_element_wise(text, pc.if_else(whole, ".0", ""), "")
    for low, high, respell in _respelled(values.type):
        where = pc.and_(pc.greater_equal(size, low), pc.less(size, high))
        if pc.any(where).as_py():
            text = pc.replace_with_mask(text, pc.fill_null(where, False), respell(text.filter(where)))
    return text


@lru_cache(maxsize=4)
def _respelled(kind: pa.DataType) -> list[tuple[pa.Scalar, pa.Scalar, Callable[[pa.Array], pa.Array]]]:
    """Bounds of the values' own type, so that these need not be converted to be compared."""
    return [(av.scalar(low, kind), av.scalar(high, kind), respell) for low, high, respell in _RESPELLED]


def _scientific(text: pa.Array, exponent: str) -> pa.Array:
    digits = pc.ascii_ltrim(text, "-0.")
    sign = pc.if_else(pc.starts_with(text, "-"), "-", "")
    point = pc.if_else(pc.equal(pc.binary_length(digits), 1), "", ".")
    first, others = pc.utf8_slice_codeunits(digits, 0, 1), pc.utf8_slice_codeunits(digits, 1)
    return pc.binary_join_element_wise(sign, first, point, others, exponent, "")


def _without_exponent(text: pa.Array) -> pa.Array:
    # Seventeen digits at most, eleven of them or more before the point.
    text = pc.ascii_rtrim(text.cast(pa.decimal128(38, 7)).cast(_TEXT), "0")
    return pc.binary_join_element_wise(text, pc.if_else(pc.ends_with(text, "."), "0", ""), "")


# From where to where Arrow and Python print floats in different ways, and what makes the one text of the other.
_RESPELLED: tuple[tuple[float, float, Callable[[pa.Array], pa.Array]], ...] = (
    (1e-9, 1e-6, lambda text: pc.replace_substring(text, "e-", "e-0")),
    (1e-6, 1e-5, lambda text: _scientific(text, "e-06")),
    (1e-5, 1e-4, lambda text: _scientific(text, "e-05")),
    (1e10, 1e16, _without_exponent),
)


def _decimals(values: pa.Array) -> pa.Array:
    text = values.cast(_TEXT)
    if not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    # Arrow prints small ones with an exponent, which some readers of decimals do not take.
    return av.array([None if v is None else f"{v:f}" for v in values.to_pylist()], _TEXT)


def encode_iso(values: pa.Array) -> pa.Array:
    """Print dates or timestamps in ISO 8601: a space before the time, instants in UTC with ``Z``."""
    is_date = pa.types.is_date(values.type)
    unit = None if is_date else values.type.unit
    zoned = not is_date and values.type.tz is not None
    per_day = 1 if unit is None else 86_400 * UNITS[unit]
    counts = values.cast(pa.int32()) if is_date else values.cast(pa.int64())
    extremes = pc.min_max(counts).as_py()
    near = extremes["min"] is None or (
        extremes["min"] // per_day >= _FIRST_DAY and extremes["max"] // per_day <= _LAST_DAY
    )
    if near:
        if not zoned:
            return values.cast(_TEXT)
        # In UTC, because Arrow prints other zones with an offset cut to minutes; without a zone, because it is faster.
        return pc.binary_join_element_wise(counts.cast(pa.timestamp(unit)).cast(_TEXT), "Z", "")
    return av.array([_moment_text(count, unit, zoned=zoned) for count in counts.to_pylist()], _TEXT)


def _moment_text(count: int | None, unit: str | None, *, zoned: bool) -> str | None:
    if count is None:
        return None
    return date_text(count) if unit is None else timestamp_text(count, unit, zoned=zoned)


def _times(values: pa.Array) -> pa.Array:
    counts = values.cast(pa.int32() if pa.types.is_time32(values.type) else pa.int64())
    extremes = pc.min_max(counts).as_py()
    per_day = 86_400 * UNITS[values.type.unit]
    if extremes["min"] is not None and (extremes["min"] < 0 or extremes["max"] >= per_day):
        beyond = extremes["min"] if extremes["min"] < 0 else extremes["max"]
        error = StorageError(
            f"{beyond} {values.type.unit} is not within a day, as a {values.type} is",
            hint="a duration holds any span of time",
        )
        error.shown_data = (str(beyond),)
        raise error
    return values.cast(_TEXT)


def _bytes(values: pa.Array, spelling: str) -> pa.Array:
    if spelling == "text":
        try:
            return values.cast(_TEXT)
        except pa.ArrowInvalid:
            shown = next(value for value in values.to_pylist() if value is not None and not is_utf8(value))
            error = StorageError(
                f"{cut_end(repr(shown), 60)} is not UTF-8, and `binary` is text",
                hint="set `binary: base64` or `binary: hex` in the options, which hold any bytes",
            )
            error.shown_data = (cut_end(repr(shown), 60),)
            raise error from None
    spell = bytes.hex if spelling == "hex" else lambda value: base64.b64encode(value).decode()
    return av.array([None if value is None else spell(value) for value in values.to_pylist()], _TEXT)


def _counted(values: pa.Array, unit: str) -> pa.Array:
    """Decimal numbers of a unit that durations or timestamps are, with the digits of the type's unit."""
    counts = values.cast(pa.int64())
    scale = DIGITS[values.type.unit] - DIGITS[unit]
    if scale > 0:
        return _decimals(counts.cast(pa.decimal128(38, 0)).view(pa.decimal128(38, scale)))
    zeros = pc.if_else(pc.equal(counts, 0), "", "0" * -scale)
    return pc.binary_join_element_wise(counts.cast(_TEXT), zeros, "") if scale else counts.cast(_TEXT)
