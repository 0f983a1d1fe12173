"""The text of a cell, both ways: plain values, dates in the formats of the user, lists and structs as JSON."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.decode import decode_plain
from lakehouse_cli.formats.csv.encode import encode_plain
from lakehouse_cli.formats.csv.options import CsvOptions


def decode(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a type of their text.

    Args:
        text: String array; null is null.
        to: One of the types of `lakehouse_cli.arrow.types`.
        options: For the decimal point, the spellings of true and false, and the formats of dates and timestamps.

    Returns:
        An array of that type, null where `text` is null or does not spell a value that the type holds exactly.
        (A decimal fraction is taken for the float nearest to it.)
    """
    if pa.types.is_dictionary(to):
        return decode(text, to.value_type, options).dictionary_encode().cast(to)
    if pa.types.is_nested(to):
        from lakehouse_cli.formats.csv.nested import decode_json

        return decode_json(text, to, options)
    if formats := _formats(to, options):
        from lakehouse_cli.formats.csv.strptime import parse_formats

        return parse_formats(pc.ascii_trim(text, " \t"), to, formats, options.ambiguous)
    return decode_plain(text, to, options)


def encode(values: pa.Array, options: CsvOptions) -> pa.Array:
    """Make the text of each value, unquoted.

    Args:
        values: Of one of the types of `lakehouse_cli.arrow.types`.
        options: For the decimal point, the spellings of true and false, and the formats of dates and timestamps.

    Returns:
        A string array, null where `values` is null.

    Raises:
        StorageError: A value the encoding cannot hold; the caller adds the column.
    """
    if pa.types.is_dictionary(values.type):
        return encode(values.dictionary, options).take(values.indices)
    if pa.types.is_nested(values.type):
        from lakehouse_cli.formats.csv.nested import encode_json

        return encode_json(values, options)
    if formats := _formats(values.type, options):
        from lakehouse_cli.formats.csv.strptime import print_format

        return print_format(values, formats, options)
    return encode_plain(values, options)


def _formats(kind: pa.DataType, options: CsvOptions) -> tuple[str, ...]:
    if pa.types.is_date(kind):
        return options.date_formats
    return options.timestamp_formats if pa.types.is_timestamp(kind) else ()
