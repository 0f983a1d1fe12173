"""Types of columns that nobody declared: only such as lose nothing of the text.

A text is taken for a number only where the number would be written the same, or says the same to every digit;
``007``, ``+1``, ``1,000`` and an identifier of thirty digits stay text.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.arrow_values import compute as pc
from lakehouse_cli.storage.csv.decode import decode
from lakehouse_cli.storage.csv_options import CsvOptions

_INTEGER = r"0|-?[1-9][0-9]{0,18}"
_WORDS = r"nan|inf|-inf"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"
# Below this a column is one chunk at no cost worth speaking of.
_WORTH_JOINING = 1 << 26
# A float64 keeps fifteen decimal digits whatever they are.
_SAFE_DIGITS = 15
# Below this it keeps fewer.
_TINY = 1e-300


def infer_column(text: pa.ChunkedArray, options: CsvOptions) -> pa.ChunkedArray:
    """The column in the first type that holds all of its values exactly, else as it is: string.

    Tried are int64, float64, bool (``true``/``false``), date32, timestamp[us], timestamp[us, tz=UTC] (with ``Z``) and
    their nanosecond forms, all by their ISO 8601 spelling or the formats in the options.
    """
    if text.null_count == len(text):
        return text
    if text.nbytes < _WORTH_JOINING:
        text = pa.chunked_array([text.combine_chunks()], text.type)
    # Most columns are told by their first value, and Python's patterns are compiled once.
    first = text.drop_null()[0].as_py()
    for pattern, kind in _candidates(options):
        if pattern is not None and not (re.fullmatch(pattern, first) and _all_match(text, pattern)):
            continue
        if kind == pa.float64() and not _is_safe_float(text, first, options):
            continue
        chunks = []
        for chunk in text.chunks:
            values = _values(chunk, kind, options)
            if values.null_count != chunk.null_count:
                break
            chunks.append(values)
        else:
            return pa.chunked_array(chunks, kind)
    return text


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
    number = rf"-?(?:0|[1-9][0-9]*)(?:{point}[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    dates: list[tuple[str | None, pa.DataType]] = [(_DATE, pa.date32())]
    moments: list[tuple[str | None, pa.DataType]] = [
        (rf"{_DATE}{_CLOCK}(?:\.[0-9]{{1,6}})?", pa.timestamp("us")),
        (rf"{_DATE}{_CLOCK}(?:\.[0-9]{{1,6}})?Z", pa.timestamp("us", "UTC")),
        (rf"{_DATE}{_CLOCK}\.[0-9]{{1,9}}", pa.timestamp("ns")),
        (rf"{_DATE}{_CLOCK}\.[0-9]{{1,9}}Z", pa.timestamp("ns", "UTC")),
    ]
    if options.date_formats:
        dates = [(None, pa.date32())]
    if options.timestamp_formats:
        zoned = any("%z" in text for text in options.timestamp_formats)
        moments = [(None, pa.timestamp("us", "UTC" if zoned else None))]
    return [
        (_INTEGER, pa.int64()),
        (rf"{number}|{_WORDS}", pa.float64()),
        ("true|false", pa.bool_()),
        *dates,
        *moments,
    ]


def _all_match(text: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(text, rf"\A(?:{pattern})\z")).as_py())


def _is_safe_float(text: pa.ChunkedArray, first: str, options: CsvOptions) -> bool:
    """Whether there is a number among the words, and every number keeps all of its digits as a float64."""
    if re.fullmatch(_WORDS, first) and pc.all(pc.match_substring_regex(text, rf"\A(?:{_WORDS})\z")).as_py():
        return False
    has_exponent = pc.any(pc.match_substring(text, "e", ignore_case=True)).as_py()
    if not has_exponent and pc.max(pc.binary_length(text)).as_py() <= _SAFE_DIGITS:
        return True
    mantissa = pc.replace_substring_regex(text, r"[eE].*\z", "")
    digits = pc.replace_substring_regex(mantissa, r"[^0-9]|\A[^1-9]*", "")
    numbers = text if options.decimal == "." else pc.replace_substring(text, options.decimal, ".")
    size = pc.abs(numbers.cast(pa.float64()))
    tiny = pc.and_(pc.less(size, _TINY), pc.match_substring_regex(digits, "[1-9]"))
    doubtful = pc.or_(tiny, pc.greater(pc.binary_length(digits), _SAFE_DIGITS))
    if not pc.any(doubtful).as_py():
        return True
    numbers = numbers.filter(doubtful)
    # Longer ones are safe where they are what the float would be written as, as ours are.
    printed = numbers.cast(pa.float64()).cast(pa.string())
    whole = pc.replace_substring_regex(numbers, r"\.0\z", "")
    return bool(pc.all(pc.equal(printed, whole)).as_py())
