"""Types of undeclared columns: only such as keep all of the text.

A column is taken for numbers, booleans or dates only where each value would be written back as it was; ``007``, ``+1``,
``1E5``, ``1.10`` and an identifier of thirty digits stay text. Of a timestamp the moment is kept, not its spelling.
"""

from __future__ import annotations

import re
from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.codec import decode, encode
from lakehouse_cli.formats.csv.options import CsvOptions

_INTEGER = r"0|-?[1-9][0-9]{0,18}"
_WORDS = r"nan|inf|-inf"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}:[0-9]{2}"
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
        if kind == pa.float64() and _all_words(text, first):
            continue
        chunks = []
        for chunk in text.chunks:
            values = _values(chunk, kind, options)
            if not _is_kept(values, chunk, options):
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
    fraction = rf"{point}(?:0|[0-9]*[1-9])"
    number = rf"-?(?:(?:0|[1-9][0-9]*){fraction}|[1-9](?:{fraction})?e[+-][0-9]+)"
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


def _all_words(text: pa.ChunkedArray, first: str) -> bool:
    """Whether there is no number among the words that floats are written as."""
    return bool(re.fullmatch(_WORDS, first)) and _all_match(text, _WORDS)


def _is_kept(values: pa.Array, text: pa.Array, options: CsvOptions) -> bool:
    """Whether all values were read, and those with more than one spelling would be written back as they were."""
    if values.null_count != text.null_count:
        return False
    has_spellings = pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)
    return not has_spellings or encode(values, options).equals(text)
