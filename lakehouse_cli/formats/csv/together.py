"""Reading: small files of one source, as one block for Arrow's reader."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO

import pyarrow as pa

from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import block_parser
from lakehouse_cli.formats.csv.source import UTF_8, CsvSource, has_hexadecimal
from lakehouse_cli.model import Column


def read_together(
    block: bytearray, files: Sequence[tuple[slice, str]], columns: Sequence[Column], options: CsvOptions
) -> pa.Table | None:
    """Read small files as one block; see `Format.read_together`. Their headers must be the same."""
    if options.is_loose or options.escape_char:
        return None
    names = [column.name for column in columns]
    if header := _plain_header(block, files, options):
        start = bytes(block[: block.find(b"\n", len(header)) + 1])  # two lines say how all are read
        with CsvSource(partial(BytesIO, start), files[0][1], options, names=names) as source:
            # In a file of one column, a blank line is a row.
            if source.width != 1 and source.read() == start[len(header) :] != b"":
                blank = b"\n" * len(header)
                for place, _ in files:
                    block[place.start : place.start + len(header)] = blank
                return _parsed(block, source, columns, options)
    first, rows = None, list[bytes]()
    for place, name in files:
        with CsvSource(partial(BytesIO, block[place]), name, options, names=names) as source:
            first = first or source
            if (source.header, source.width) != (first.header, first.width):
                return None
            rows += [source.read(), source.read()]  # a last line that does not end comes by itself
            # A line that ends in CR might go on with the LF of a blank one, which is a row in a file of one column.
            if rows[-2].endswith(b"\r") or source.read():
                return None
    return None if first is None else _parsed(b"".join(rows), first, columns, options)


def _plain_header(block: bytearray, files: Sequence[tuple[slice, str]], options: CsvOptions) -> bytes:
    """The first line of all files, behind which no byte may mean another than it says; nothing where there is none."""
    if options.encoding not in UTF_8 or options.skip_rows or options.skip_footer or b"\r" in block:
        return b""
    first, name = files[0]
    header = bytes(block[: block.find(b"\n", 0, first.stop) + 1])
    ending, size, quote = name[name.rfind(".") :], len(header), options.arrow_quote.encode()
    alike = (each.endswith(ending) and block.startswith(header, at.start, at.stop) for at, each in files)
    plain = (block.find(quote, at.start + size, at.stop) < 0 for at, _ in files)
    return header if all(alike) and all(plain) else b""


def _parsed(
    block: bytes | bytearray, source: CsvSource, columns: Sequence[Column], options: CsvOptions
) -> pa.Table | None:
    source.has_hexadecimal = has_hexadecimal(block)
    parse = block_parser(source, columns, options)
    return None if parse is None else parse(block)
