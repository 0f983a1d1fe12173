"""The text of a cell, both ways: single values, lists and structs as JSON or as a database prints them."""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.formats.csv.cells import decode_cell, encode_cell
from lakehouse_cli.formats.csv.options import CsvOptions


def decode(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a type of their text.

    Args:
        text: String array; null is null.
        to: One of the types of `lakehouse_cli.arrow.types`.
        options: For how values are spelled: the decimal point, true and false, the formats of dates, and so on.

    Returns:
        An array of that type, null where `text` is null or does not spell a value that the type holds exactly.
        (A decimal fraction is taken for the float nearest to it.)
    """
    if pa.types.is_list(to) and options.lists != "json":
        from lakehouse_cli.formats.csv.literals import decode_lists

        return decode_lists(text, to, options)
    if pa.types.is_nested(to):
        from lakehouse_cli.formats.csv.nested import decode_json

        return decode_json(text, to, options)
    return decode_cell(text, to, options)


def encode(values: pa.Array, options: CsvOptions) -> pa.Array:
    """Make the text of each value, unquoted.

    Args:
        values: Of one of the types of `lakehouse_cli.arrow.types`.
        options: For how values are spelled: the decimal point, true and false, the formats of dates, and so on.

    Returns:
        A string array, null where `values` is null.

    Raises:
        StorageError: A value the encoding cannot hold; the caller adds the column.
    """
    if pa.types.is_list(values.type) and options.lists != "json":
        from lakehouse_cli.formats.csv.literals import encode_lists

        return encode_lists(values, options)
    if pa.types.is_nested(values.type):
        from lakehouse_cli.formats.csv.nested import encode_json

        return encode_json(values, options)
    return encode_cell(values, options)


def encode_few(values: pa.Array, options: CsvOptions) -> list[str | None]:
    """Make what `encode` makes, as Python's own texts: of a few values these take less time than a kernel of Arrow."""
    kind = values.type
    is_number = pa.types.is_integer(kind) or pa.types.is_float64(kind)
    texts: list[str | None]
    if not is_number:
        texts = (values if pa.types.is_string(kind) else encode(values, options)).to_pylist()
        return texts
    texts = [None if value is None else repr(value) for value in values.to_pylist()]
    return texts if options.decimal == "." else [text and text.replace(".", options.decimal) for text in texts]
