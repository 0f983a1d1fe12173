"""The text of single values, both ways: those that are no lists or structs, in the formats of the user."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.decode import decode_plain, formats_of
from lakehouse_cli.formats.csv.encode import encode_plain
from lakehouse_cli.formats.csv.options import CsvOptions


def decode_cell(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """As `lakehouse_cli.formats.csv.codec.decode`, of a type that is no list or struct."""
    if pa.types.is_dictionary(to):
        return decode_cell(text, to.value_type, options).dictionary_encode().cast(to)
    if formats := formats_of(to, options):
        from lakehouse_cli.formats.csv.strptime import parse_formats

        return parse_formats(pc.ascii_trim(text, " \t"), to, formats, options.ambiguous)
    return decode_plain(text, to, options)


def encode_cell(values: pa.Array, options: CsvOptions) -> pa.Array:
    """As `lakehouse_cli.formats.csv.codec.encode`, of a type that is no list or struct."""
    if pa.types.is_dictionary(values.type):
        return encode_cell(values.dictionary, options).take(values.indices)
    if formats := formats_of(values.type, options):
        from lakehouse_cli.formats.csv.strptime import print_format

        return print_format(values, formats, options)
    return encode_plain(values, options)
