"""Text to values, exactly: every text becomes the value it spells, or null where it does not fit.

The vectorised half of reading; `pyarrow.csv` does the plain cases itself and faster, but takes ``1e400`` for infinity,
``0xFFFFFFFFFFFFFFFF`` for -1, lets decimals beyond 128 bits wrap, and stops at the first value it cannot read.
"""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.decimal_texts import decimals_of
from lakehouse_cli.arrow.conversion.texts import ZONE, cast_texts
from lakehouse_cli.arrow.conversion.timestamp_texts import DIGITS, parse_date, parse_timestamp
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.directives import time_formats
from lakehouse_cli.formats.csv.options import CsvOptions

_TEXT = pa.string()
_FLOAT_WORDS = r"(?i:nan|inf|infinity)"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_BEFORE_CHRIST = re.compile(
    r"(?P<year>[0-9]{4,12})(?P<day>-[0-9]{2}-[0-9]{2})(?P<era> \(BC\))?(?P<time> [0-9:.+-]+)?(?P<end> BC)?", re.ASCII
)
# What decimal128 holds at most.
_DIGITS = 38


def decode_plain(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a type that is no dictionary, list or struct; dates and timestamps in ISO 8601.

    See `lakehouse_cli.formats.csv.codec.decode` for the rest.
    """
    t = pa.types
    if t.is_string(to):
        return text
    if t.is_binary(to):
        return _bytes(text, to, options.binary)
    if t.is_boolean(to):
        return _booleans(text, options)
    text = pc.ascii_trim(text, " \t")
    if t.is_integer(to) or t.is_floating(to) or t.is_decimal(to):
        return _numbers(text, to, options)
    if t.is_duration(to):
        return _counted(text, to, options.duration_unit or "s", options.decimal)
    if t.is_timestamp(to) and options.epoch_unit is not None:
        return _counted(text, to, options.epoch_unit, options.decimal)
    if t.is_time(to):
        return decode_times(text, to)
    return decode_iso(text, to)


def formats_of(kind: pa.DataType, options: CsvOptions) -> tuple[str, ...]:
    """The formats of the options that values of a type are in; none for the default."""
    t = pa.types
    if t.is_date(kind):
        return options.date_format
    if t.is_timestamp(kind):
        return options.timestamp_format
    if options.time_format and t.is_time(kind):
        return time_formats(options.time_format, spans=False)
    # With a unit, durations are numbers.
    if options.time_format and t.is_duration(kind) and options.duration_unit is None:
        return time_formats(options.time_format, spans=True)
    return ()


def _only(text: pa.Array, pattern: str) -> pa.Array:
    """The texts that match the whole pattern, null for the others."""
    return pc.if_else(pc.match_substring_regex(text, rf"\A(?:{pattern})\z"), text, av.scalar(None, _TEXT))


def _booleans(text: pa.Array, options: CsvOptions) -> pa.Array:
    is_true = pc.is_in(text, value_set=av.array(options.true_values, _TEXT))
    is_false = pc.is_in(text, value_set=av.array(options.false_values, _TEXT))
    return pc.if_else(is_true, True, pc.if_else(is_false, av.scalar(False), av.scalar(None, pa.bool_())))


def _numbers(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    point = options.decimal
    if options.decorates_numbers:
        from lakehouse_cli.formats.csv.numerals import plain_numbers

        plain = plain_numbers(text, options)
        text, point = pc.coalesce(plain, _only(text, rf"[+-]?{_FLOAT_WORDS}")), "."
    if pa.types.is_integer(to):
        return _integers(text, to, point)
    return _floats(text, to, point) if pa.types.is_floating(to) else _decimals(text, to, point)


def _integers(text: pa.Array, to: pa.DataType, point: str) -> pa.Array:
    """Integers, also those spelled as floats, such as ``1.0`` and ``1e+05``; not ``1.000``, which may be a thousand."""
    plain = _only(text, r"[+-]?[0-9]+")
    if plain.null_count > text.null_count:
        mark = _pattern_of(point)
        exponent = rf"(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)[eE][+-]?[0-9]+"
        others = _number(_only(text, rf"[+-]?(?:[0-9]+{mark}0{{1,2}}|{exponent})"), point)
        quick = _short_integers(others)
        others = pc.if_else(quick.is_valid(), av.scalar(None, _TEXT), others)
        plain = pc.coalesce(plain, quick, _decimals(others, pa.decimal128(_DIGITS, 0), ".").cast(_TEXT))
    return cast_texts(_without_plus(plain), to)


def _short_integers(number: pa.Array) -> pa.Array:
    """The digits of those integers that floats are sure to hold; null for all other numbers.

    Of fifteen significant digits no two numbers are the same float, so that one that is a whole float is that integer.
    """
    number = pc.replace_substring_regex(number, r"(\.[0-9]*?)0+([eE])", r"\1\2")
    values = _only(number, r"-?[0-9.]{1,15}(?:[eE][+-]?[0-9]{1,2})?").cast(pa.float64())
    is_whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 1e15))
    values = pc.if_else(pc.fill_null(is_whole, False), values, av.scalar(None, pa.float64()))
    return values.cast(pa.int64()).cast(_TEXT)


def _pattern_of(point: str) -> str:
    return f"[{point}]" if point not in r"\^" else "\\" + point


def _number(text: pa.Array, point: str, words: str = "") -> pa.Array:
    """Texts of decimal numbers, with a point whatever the file has, and without a plus."""
    mark = _pattern_of(point)
    digits = rf"(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)"
    text = _only(text, rf"[+-]?(?:{digits}(?:[eE][+-]?[0-9]+)?{words})")
    if point != ".":
        text = pc.replace_substring(text, point, ".")
    return _without_plus(text)


def _without_plus(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, r"\A\+", "") if pc.any(pc.starts_with(text, "+")).as_py() else text


def _floats(text: pa.Array, to: pa.DataType, point: str) -> pa.Array:
    number = _number(text, point, words="|" + _FLOAT_WORDS)
    values = cast_texts(number, to)
    infinite = pc.is_inf(values)
    if pc.any(infinite).as_py():
        # Digits that overflow to infinity do not fit; the word does.
        overflown = pc.and_(infinite, pc.invert(pc.match_substring(number, "inf", ignore_case=True)))
        values = pc.if_else(overflown, av.scalar(None, to), values)
    return values


def _decimals(text: pa.Array, to: pa.DataType, point: str) -> pa.Array:
    """Decimals, with digits behind the scale refused unless they are zeros."""
    return decimals_of(text if point == "." else _number(text, point), to)


def _counted(text: pa.Array, to: pa.DataType, unit: str, point: str) -> pa.Array:
    """Durations or timestamps of decimal numbers that count a unit, as counts of the type's unit."""
    scale = DIGITS[to.unit] - DIGITS[unit]
    exact = _decimals(text, pa.decimal128(_DIGITS, max(scale, 0)), point)
    if scale < 0:
        shifted = exact.view(pa.decimal128(_DIGITS, -scale))
        whole = pc.floor(shifted)
        exact = pc.if_else(pc.equal(shifted, whole), whole, av.scalar(None, whole.type)).cast(exact.type)
    lowest, highest = (av.scalar(Decimal(n).scaleb(-max(scale, 0)), exact.type) for n in (-(2**63), 2**63 - 1))
    fits = pc.and_(pc.greater_equal(exact, lowest), pc.less_equal(exact, highest))
    exact = pc.if_else(fits, exact, av.scalar(None, exact.type))
    return exact.view(pa.decimal128(_DIGITS, 0)).cast(pa.int64()).cast(to)


def decode_times(text: pa.Array, to: pa.DataType) -> pa.Array:
    """Parse times of day, ``HH:MM`` with or without seconds."""
    text = _trim_fraction(_only(text, _TIME), to.unit)
    day = pc.binary_join_element_wise(av.scalar("1970-01-01"), text, " ")
    moment = cast_texts(day, pa.timestamp(to.unit))
    counts = moment.cast(pa.int64())
    return (counts.cast(pa.int32()) if pa.types.is_time32(to) else counts).cast(to)


def _trim_fraction(text: pa.Array, unit: str) -> pa.Array:
    """Without the zeros beyond what the unit holds, which Arrow refuses though they say nothing."""
    if not pc.any(pc.match_substring(text, ".")).as_py():
        return text
    if unit == "s":
        return pc.replace_substring_regex(text, r"\.0+($|[Z+-])", r"\1")
    return pc.replace_substring_regex(text, rf"(\.[0-9]{{{DIGITS[unit]}}})0+($|[Z+-])", r"\1\2")


def decode_iso(text: pa.Array, to: pa.DataType) -> pa.Array:
    """Parse dates or timestamps in ISO 8601, the expanded form for far years included, and as databases print these."""
    date = r"(?:[0-9]{4}|[+-][0-9]{4,12})-[0-9]{2}-[0-9]{2}"
    if pa.types.is_date(to):
        return cast_texts(_only_iso(text, date), to, _far_date)
    zone = ZONE if to.tz else ""
    pattern = rf"{date}[ T](?:{_TIME}|[0-9]{{2}}){zone}" if to.tz else rf"{date}(?:[ T](?:{_TIME}|[0-9]{{2}}))?"

    def slow(value: str) -> int | None:
        return parse_timestamp(value, to.unit, zoned=to.tz is not None)

    return cast_texts(_trim_fraction(_only_iso(text, pattern), to.unit), to, slow)


def _only_iso(text: pa.Array, pattern: str) -> pa.Array:
    """The texts that match the whole pattern, those that databases print otherwise in ISO 8601, null for the others."""
    near = _only(text, pattern)
    if near.null_count == text.null_count:
        return near
    # Both PostgreSQL and DuckDB print five digits without a sign, and years before 1 as of an era.
    far = pc.replace_substring_regex(text, r"\A([0-9]{5,12}-)", r"+\1")
    is_before = pc.match_substring(far, "BC")
    if pc.any(is_before).as_py():
        before = [_expanded(value) for value in far.filter(is_before).to_pylist()]
        far = pc.replace_with_mask(far, is_before, av.array(before, _TEXT))
    # BigQuery and Athena print ` UTC`, Snowflake a space before the offset.
    far = pc.replace_substring_regex(far, r"(:[0-9.]+) UTC\z", r"\1Z")
    far = pc.replace_substring_regex(far, r"(:[0-9.]+) (Z|[+-][0-9:]+)\z", r"\1\2")
    return pc.coalesce(near, _only(far, pattern))


def _expanded(value: str) -> str | None:
    """A moment before Christ, ``0044-03-15 BC`` or ``0044-03-15 (BC) 12:00:00``, in ISO 8601, which has a year 0."""
    found = _BEFORE_CHRIST.fullmatch(value.removeprefix("+"))
    if found is None or bool(found["era"]) == bool(found["end"]) or int(found["year"]) == 0:
        return None
    year = 1 - int(found["year"])
    return f"{'-' if year else '+'}{-year:04d}{found['day']}{found['time'] or ''}"


def _far_date(value: str) -> int | None:
    days = parse_date(value)
    return days if days is not None and -(2**31) <= days < 2**31 else None


def _bytes(text: pa.Array, to: pa.DataType, spelling: str) -> pa.Array:
    if spelling == "text":
        return text.cast(to)
    if spelling == "hex":
        # Behind the prefix of PostgreSQL, of C, or none.
        digits = pc.replace_substring_regex(text, r"\A(?:\\x|0x)", "")
        digits = _only(digits, "(?:[0-9A-Fa-f]{2})*")
        return av.array([None if value is None else bytes.fromhex(value) for value in digits.to_pylist()], to)
    return av.array([_from_base64(value) for value in text.to_pylist()], to)


def _from_base64(value: str | None) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
