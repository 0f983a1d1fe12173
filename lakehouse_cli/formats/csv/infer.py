"""Types of undeclared columns: only such as lose nothing of the text.

A column is taken for numbers, booleans or dates only where each value would be written back as it was; ``007``, ``+1``,
``1E5``, ``1.10`` and an identifier of thirty digits stay text. Of a timestamp the moment is kept, not its spelling, and
of ``TRUE`` and ``.5`` the value. Columns that some program can only have printed of floats are floats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from math import isfinite

import pyarrow as pa

from lakehouse_cli.arrow.conversion.texts import DATE
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.codec import decode, encode
from lakehouse_cli.formats.csv.options import CsvOptions

_INTEGER = r"0|-?[1-9][0-9]{0,18}"
_WORDS = r"nan|inf|-inf"
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"
# Digits enough that no one but a program writes them, with a point or an exponent.
_MANY_DIGITS, _POINT = r"\A-?0*\.?0*[1-9](?:\.?[0-9]){14,}(?:e|\z)", "[.e]"
_PLAIN = CsvOptions()
_JAVASCRIPT_PLAIN, _JAVASCRIPT_ZEROS = 21, 6
# Below this a column is one chunk at no cost worth speaking of.
_WORTH_JOINING = 1 << 26


def infer_column(text: pa.ChunkedArray, options: CsvOptions) -> pa.ChunkedArray:
    """Convert a column to the first type that keeps all of its text; else leave it string.

    Tried are int64, float64, bool (``true``/``false``), date32, timestamp[us], timestamp[us, tz=UTC] (with ``Z``) and
    their nanosecond forms, all by their ISO 8601 spelling or the formats in the options.
    """
    if text.null_count == len(text):
        return text
    if text.nbytes < _WORTH_JOINING:
        text = pa.chunked_array([text.combine_chunks()], text.type)
    # The first value decides for most columns, and Python's patterns are compiled once.
    first = text.drop_null()[0].as_py()
    for pattern, kind in _candidates(options):
        if pattern is not None and not (re.fullmatch(pattern, first) and _all_match(text, pattern)):
            continue
        if kind == pa.float64() and re.fullmatch(_WORDS, first) and _all_match(text, _WORDS):
            continue  # there is no number among the words that floats are written as
        chunks = []
        for chunk in text.chunks:
            values = _values(chunk, kind, options)
            if not _is_kept(values, chunk, options):
                break
            chunks.append(values)
        else:
            return pa.chunked_array(chunks, kind)
    return _floats(text, first, options)


def _floats(text: pa.ChunkedArray, first: str, options: CsvOptions) -> pa.ChunkedArray:
    """Convert a column of numbers that are spelled in other ways than floats are written here, where nothing is lost.

    A column with ``.5``, or with a fraction of fifteen digits or more, is of floats where one program (R, numpy,
    JavaScript) would print every value so, and ``2`` among them is 2.0. Others are returned as they are.
    """
    point = re.escape(options.decimal)
    number = rf"-?(?:[0-9]+(?:{point}[0-9]+)?|{point}[0-9]+)(?:e[+-]?[0-9]+)?"
    pattern = f"{number}|{_WORDS}"
    if not (re.fullmatch(pattern, first) and _all_match(text, pattern)):
        return text
    plain = text if options.decimal == "." else pc.replace_substring(text, options.decimal, ".")
    has_no_zero = pc.any(pc.match_substring_regex(plain, r"\A-?\.")).as_py()
    is_long = pc.and_(pc.match_substring_regex(plain, _MANY_DIGITS), pc.match_substring_regex(plain, _POINT))
    if not has_no_zero and not pc.any(is_long).as_py():
        return text
    spelled = pc.replace_substring_regex(plain, r"\A(-?)\.", r"\10.")
    chunks = [decode(chunk, pa.float64(), options) for chunk in text.chunks]
    values = pa.chunked_array(chunks, pa.float64())
    if values.null_count != text.null_count:
        return text
    quote_yaml = pa.chunked_array([encode(chunk, _PLAIN) for chunk in chunks], pa.string())
    if (has_no_zero and quote_yaml.equals(spelled)) or _has_printer(values, spelled):
        return values
    return text


def _has_printer(values: pa.ChunkedArray, text: pa.ChunkedArray) -> bool:
    """Whether one program would print all values as they are spelled."""
    printers = list(_PRINTERS)
    for value, spelling in zip(values, text, strict=True):
        number = value.as_py()
        if number is not None and isfinite(number):
            spelled = spelling.as_py()
            printers = [printer for printer in printers if printer(number) == spelled]
            if not printers:
                return False
    return True


def _javascript(number: float) -> str:
    """A float as JavaScript prints it: the shortest digits, an exponent from 1e21 and below 1e-6."""
    if not number:
        return "0"
    sign, parts, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, parts))
    before = len(digits) + int(exponent)
    if len(digits) <= before <= _JAVASCRIPT_PLAIN:
        text = digits + "0" * (before - len(digits))
    elif 0 < before <= _JAVASCRIPT_PLAIN:
        text = f"{digits[:before]}.{digits[before:]}"
    elif -_JAVASCRIPT_ZEROS < before <= 0:
        text = f"0.{'0' * -before}{digits}"
    else:
        text = f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{before - 1:+d}"
    return "-" * sign + text


def _r(number: float) -> str:
    """A float as R writes it: of up to 15 digits, with an exponent where that is shorter."""
    digits, _, exponent = f"{number:.14e}".partition("e")
    places = len(digits.rstrip("0").partition(".")[2])
    scientific, fixed = f"{number:.{places}e}", f"{number:.{max(0, places - int(exponent))}f}"
    return scientific if len(scientific) < len(fixed) else fixed


def _values(text: pa.Array, kind: pa.DataType, options: CsvOptions) -> pa.Array:
    """As `decode`, which would hold numbers to a pattern once more."""
    if options.decimal == "." and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        try:
            values = text.cast(kind)
        except pa.ArrowInvalid:
            return decode(text, kind, options)
        if pa.types.is_integer(kind) or not pc.any(pc.is_inf(values)).as_py():
            return values
    return decode(text, kind, options)


@lru_cache(maxsize=16)
def _candidates(options: CsvOptions) -> list[tuple[str | None, pa.DataType]]:
    point = "\\" + options.decimal
    fraction = rf"{point}(?:0|[0-9]*[1-9])"
    number = rf"-?(?:(?:0|[1-9][0-9]*){fraction}|[1-9](?:{fraction})?e[+-][0-9]+)"
    dates: list[tuple[str | None, pa.DataType]] = [(DATE, pa.date32())]
    moments: list[tuple[str | None, pa.DataType]] = [
        (rf"{DATE}{_CLOCK}(?:\.[0-9]{{1,6}})?", pa.timestamp("us")),
        (rf"{DATE}{_CLOCK}(?:\.[0-9]{{1,6}})?Z", pa.timestamp("us", "UTC")),
        (rf"{DATE}{_CLOCK}\.[0-9]{{1,9}}", pa.timestamp("ns")),
        (rf"{DATE}{_CLOCK}\.[0-9]{{1,9}}Z", pa.timestamp("ns", "UTC")),
    ]
    if options.date_format:
        dates = [(None, pa.date32())]
    if options.timestamp_format:
        zoned = any("%z" in text for text in options.timestamp_format)
        moments = [(None, pa.timestamp("us", "UTC" if zoned else None))]
    return [
        (_INTEGER, pa.int64()),
        (rf"{number}|{_WORDS}", pa.float64()),
        ("true|false", pa.bool_()),
        ("TRUE|FALSE", pa.bool_()),
        ("True|False", pa.bool_()),
        *dates,
        *moments,
    ]


def _all_match(text: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, rf"\A(?:{pattern})\z")).as_py())


def _is_kept(values: pa.Array, text: pa.Array, options: CsvOptions) -> bool:
    """Whether all values were read, and those with more than one spelling would be written back as they were."""
    if values.null_count != text.null_count:
        return False
    if pa.types.is_boolean(values.type) and (options.true_values[0], options.false_values[0]) == ("true", "false"):
        return True  # whatever their letters, by the pattern
    has_spellings = pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)
    return not has_spellings or encode(values, options).equals(text)


# Floats to text as Python prints them, C by their digits, `numpy.savetxt`, JavaScript and R.
_PRINTERS: tuple[Callable[[float], str], ...] = (
    repr,
    "{:.15g}".format,
    "{:.16g}".format,
    "{:.17g}".format,
    "{:.18e}".format,
    _javascript,
    _r,
)
