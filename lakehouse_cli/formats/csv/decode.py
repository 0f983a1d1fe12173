"""Text to values, exactly: every text becomes the value it spells, or null where it does not fit.

The vectorised half of reading; `pyarrow.csv` does the plain cases itself and faster, but takes ``1e400`` for infinity,
``0xFFFFFFFFFFFFFFFF`` for -1, lets decimals beyond 128 bits wrap, and stops at the first value it cannot read.
"""

from __future__ import annotations

import base64
import binascii
from decimal import Decimal

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.decimal_texts import decimals_of
from lakehouse_cli.arrow.conversion.moments import DIGITS, parse_date, parse_timestamp
from lakehouse_cli.arrow.conversion.texts import cast_texts
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.options import CsvOptions

_TEXT = pa.string()
_FLOAT_WORDS = r"(?i:nan|inf|infinity)"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
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
        return av.array([_from_base64(value) for value in text.to_pylist()], to)
    if t.is_boolean(to):
        return _booleans(text, options)
    text = pc.ascii_trim(text, " \t")
    if t.is_integer(to):
        return cast_texts(_without_plus(_only(text, r"[+-]?[0-9]+")), to)
    if t.is_floating(to):
        return _floats(text, to, options)
    if t.is_decimal(to):
        return _decimals(text, to, options)
    if t.is_duration(to):
        return _durations(text, to, options)
    if t.is_time(to):
        return _times(text, to)
    return decode_iso(text, to)


def _only(text: pa.Array, pattern: str) -> pa.Array:
    """The texts that match the whole pattern, null for the others."""
    return pc.if_else(pc.match_substring_regex(text, rf"\A(?:{pattern})\z"), text, av.scalar(None, _TEXT))


def _booleans(text: pa.Array, options: CsvOptions) -> pa.Array:
    is_true = pc.is_in(text, value_set=av.array(options.true_values, _TEXT))
    is_false = pc.is_in(text, value_set=av.array(options.false_values, _TEXT))
    return pc.if_else(is_true, True, pc.if_else(is_false, av.scalar(False), av.scalar(None, pa.bool_())))


def _number(text: pa.Array, options: CsvOptions, words: str = "") -> pa.Array:
    """Texts of decimal numbers, with a point whatever the file has, and without a plus."""
    point = f"[{options.decimal}]" if options.decimal not in r"\^" else "\\" + options.decimal
    digits = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)"
    text = _only(text, rf"[+-]?(?:{digits}(?:[eE][+-]?[0-9]+)?{words})")
    if options.decimal != ".":
        text = pc.replace_substring(text, options.decimal, ".")
    return _without_plus(text)


def _without_plus(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(text, r"\A\+", "") if pc.any(pc.starts_with(text, "+")).as_py() else text


def _floats(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    number = _number(text, options, words="|" + _FLOAT_WORDS)
    values = cast_texts(number, to)
    infinite = pc.is_inf(values)
    if pc.any(infinite).as_py():
        # Digits that overflow to infinity do not fit; the word does.
        overflown = pc.and_(infinite, pc.invert(pc.match_substring(number, "inf", ignore_case=True)))
        values = pc.if_else(overflown, av.scalar(None, to), values)
    return values


def _decimals(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Decimals, with digits behind the scale refused unless they are zeros."""
    return decimals_of(text if options.decimal == "." else _number(text, options), to)


def _durations(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """A decimal number of seconds, or of the unit in the options, to counts of the type's unit."""
    scale = DIGITS[to.unit] - DIGITS[options.duration_unit or "s"]
    exact = _decimals(text, pa.decimal128(_DIGITS, max(scale, 0)), options)
    if scale < 0:
        shifted = exact.view(pa.decimal128(_DIGITS, -scale))
        whole = pc.floor(shifted)
        exact = pc.if_else(pc.equal(shifted, whole), whole, av.scalar(None, whole.type)).cast(exact.type)
    lowest, highest = (av.scalar(Decimal(n).scaleb(-max(scale, 0)), exact.type) for n in (-(2**63), 2**63 - 1))
    fits = pc.and_(pc.greater_equal(exact, lowest), pc.less_equal(exact, highest))
    exact = pc.if_else(fits, exact, av.scalar(None, exact.type))
    return exact.view(pa.decimal128(_DIGITS, 0)).cast(pa.int64()).cast(to)


def _times(text: pa.Array, to: pa.DataType) -> pa.Array:
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
    """Parse dates or timestamps in ISO 8601, the expanded form for far years included."""
    date = r"(?:[0-9]{4}|[+-][0-9]{4,12})-[0-9]{2}-[0-9]{2}"
    if pa.types.is_date(to):
        return cast_texts(_only(text, date), to, _far_date)
    zone = _ZONE if to.tz else ""
    pattern = rf"{date}[ T](?:{_TIME}|[0-9]{{2}}){zone}" if to.tz else rf"{date}(?:[ T](?:{_TIME}|[0-9]{{2}}))?"

    def slow(value: str) -> int | None:
        return parse_timestamp(value, to.unit, zoned=to.tz is not None)

    return cast_texts(_trim_fraction(_only(text, pattern), to.unit), to, slow)


def _far_date(value: str) -> int | None:
    days = parse_date(value)
    return days if days is not None and -(2**31) <= days < 2**31 else None


def _from_base64(value: str | None) -> bytes | None:
    if value is None:
        return None
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        return None
