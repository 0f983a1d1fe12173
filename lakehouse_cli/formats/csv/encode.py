"""Values to text that `decode` reads back equal, and that other tools can read."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.moments import DIGITS, UNITS, date_text, day_number, timestamp_text
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.options import CsvOptions

_TEXT = pa.string()
# Arrow prints a float without an exponent below this. Python, and so pandas, do from 1e-4 to 1e16.
_PLAIN_FLOATS = 1e10
_SMALL_FLOATS = (
    (r"^(-?)0\.0000([1-9])([0-9]+)$", r"\1\2.\3e-05"),
    (r"^(-?)0\.0000([1-9])$", r"\1\2e-05"),
    (r"^(-?)0\.00000([1-9])([0-9]+)$", r"\1\2.\3e-06"),
    (r"^(-?)0\.00000([1-9])$", r"\1\2e-06"),
    ("e-([0-9])$", r"e-0\1"),
)
_FEW = 64
_FIRST_DAY, _LAST_DAY = day_number(0, 1, 1), day_number(9999, 12, 31)


def encode_plain(values: pa.Array, options: CsvOptions) -> pa.Array:
    """The text of each plain value, unquoted; dates and timestamps in ISO 8601.

    Args:
        values: Of one of the types of `lakehouse_cli.arrow.types` that is no dictionary, list or struct.
        options: For the decimal point, and the spellings of true and false.

    Returns:
        A string array, null where `values` is null.

    Raises:
        StorageError: A value the encoding cannot hold; the caller adds the column.
    """
    t, kind = pa.types, values.type
    if t.is_string(kind):
        return values
    if (t.is_integer(kind) or t.is_float64(kind)) and len(values) <= _FEW:
        # A kernel of Arrow costs more than Python's own text of a few hundred numbers.
        text = av.array([None if value is None else repr(value) for value in values.to_pylist()], _TEXT)
        return _with_decimal(text, options)
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
        return _with_decimal(_durations(values, options), options)
    if t.is_binary(kind):
        return av.array([None if v is None else base64.b64encode(v).decode() for v in values.to_pylist()], _TEXT)
    return encode_iso(values)


def _with_decimal(text: pa.Array, options: CsvOptions) -> pa.Array:
    return text if options.decimal == "." else pc.replace_substring(text, ".", options.decimal)


def _floats(values: pa.Array) -> pa.Array:
    """The shortest text that gives the same float again, as Python's ``repr`` writes it: whole ones with ``.0``."""
    text = values.cast(_TEXT)
    size = pc.abs(values)
    # Of the values' own type, which then need not be converted to be compared.
    zero, fraction, plain, long = (av.scalar(limit, values.type) for limit in (0.0, 1e-4, _PLAIN_FLOATS, 1e16))
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(size, plain))
    if pc.any(whole).as_py():
        text = pc.binary_join_element_wise(text, pc.if_else(whole, ".0", ""), "")
    text = _respelled(text, pc.and_(pc.less(size, fraction), pc.greater(size, zero)), _small_floats)
    large = pc.and_(pc.greater_equal(size, plain), pc.less(size, long))
    return _respelled(text, large, _large_float32s if values.type == pa.float32() else _large_float64s)


def _respelled(text: pa.Array, where: pa.Array, respell: Callable[[pa.Array], pa.Array]) -> pa.Array:
    if not pc.any(where).as_py():
        return text
    return pc.replace_with_mask(text, pc.fill_null(where, False), respell(text.filter(where)))


def _small_floats(text: pa.Array) -> pa.Array:
    """Below 1e-4, where Arrow begins to print an exponent later than Python, and with one digit."""
    for pattern, replacement in _SMALL_FLOATS:
        text = pc.replace_substring_regex(text, pattern, replacement)
    return text


def _large_float32s(text: pa.Array) -> pa.Array:
    """Whole ones, without an exponent: the digits printed, not all those of the float."""
    return pc.binary_join_element_wise(text.cast(pa.decimal128(38, 0)).cast(_TEXT), ".0", "")


def _large_float64s(text: pa.Array) -> pa.Array:
    return av.array([repr(float(each)) for each in text.to_pylist()], _TEXT)


def _decimals(values: pa.Array) -> pa.Array:
    text = values.cast(_TEXT)
    if not pc.any(pc.match_substring(text, "E")).as_py():
        return text
    # Arrow prints small ones with an exponent, which some readers of decimals do not take.
    return av.array([None if v is None else f"{v:f}" for v in values.to_pylist()], _TEXT)


def encode_iso(values: pa.Array) -> pa.Array:
    """Dates or timestamps as ISO 8601 text: a space before the time, instants in UTC with ``Z``."""
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
        raise StorageError(
            f"{beyond} {values.type.unit} is not within a day, as a {values.type} is",
            hint="a duration holds any span of time",
        )
    return values.cast(_TEXT)


def _durations(values: pa.Array, options: CsvOptions) -> pa.Array:
    """A decimal number of seconds, or of the unit in the options, with the digits of the type's unit."""
    counts = values.cast(pa.int64())
    scale = DIGITS[values.type.unit] - DIGITS[options.duration_unit or "s"]
    if scale > 0:
        return _decimals(_scaled(counts, scale))
    zeros = pc.if_else(pc.equal(counts, 0), "", "0" * -scale)
    return pc.binary_join_element_wise(counts.cast(_TEXT), zeros, "") if scale else counts.cast(_TEXT)


def _scaled(counts: pa.Array, digits: int) -> pa.Array:
    """The integers as decimals with their last `digits` digits behind the point."""
    low = av.to_numpy(pc.fill_null(counts, 0))
    words = np.empty((len(low), 2), dtype="<i8")
    words[:, 0] = low
    words[:, 1] = low >> 63
    mask = counts.is_valid().buffers()[1] if counts.null_count else None
    return pa.Array.from_buffers(pa.decimal128(38, digits), len(low), [mask, pa.py_buffer(words)])
