"""Reading: small files of one source, as one block for Arrow's reader."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import BytesIO

import pyarrow as pa

from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.compression import BLOCK
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import block_parser
from lakehouse_cli.formats.csv.source import UTF_8, CsvSource, has_hexadecimal
from lakehouse_cli.model import Column


def read_together(
    files: Sequence[tuple[Opener, str]], columns: Sequence[Column], options: CsvOptions
) -> pa.Table | None:
    """Read small files as one block; see `Format.read_together`. Their headers must be the same."""
    if options.is_loose or options.escape_char:
        return None
    names, quote = [column.name for column in columns], options.arrow_quote.encode()
    first, parse, blocks = None, None, list[bytes | memoryview]()
    # The first line, and the end of the name, of a first file whose rows are read as they stand behind it; so are those
    # of each that begins with that line and has no byte that may mean another than it does there. Most are such.
    header, ending = b"", ""
    for open_source, name in files:
        with open_source() as file:
            content = b"".join(iter(partial(file.read, BLOCK), b""))
        if first is None and options.encoding in UTF_8 and not (options.skip_rows or options.skip_footer):
            line = content[: content.find(b"\n") + 1]
            start = content[: content.find(b"\n", len(line)) + 1] or content  # two lines say how all are read
            if line and _plain_rows(content, line, quote):
                with CsvSource(partial(BytesIO, start), name, options, names=names) as source:
                    if source.read() == start[len(line) :] != b"":
                        first, parse = source, block_parser(source, columns, options)
                        header, ending = line, name[name.rfind(".") :]
        if header and name.endswith(ending) and (plain := _plain_rows(content, header, quote)):
            blocks += plain
            continue
        with CsvSource(partial(BytesIO, content), name, options, names=names) as source:
            if first is None:
                first, parse = source, block_parser(source, columns, options)
            if parse is None or (source.header, source.width) != (first.header, first.width):
                return None
            rows = [source.read(), source.read()]  # a last line that does not end comes by itself
            # A line that ends in CR might go on with the LF of a blank one, which is a row in a file of one column.
            if rows[0].endswith(b"\r") or source.read():
                return None
            blocks += rows
    if first is None or parse is None:
        return None
    block = b"".join(blocks)
    first.has_hexadecimal = has_hexadecimal(block)
    return parse(block)


def _plain_rows(content: bytes, header: bytes, quote: bytes) -> tuple[bytes | memoryview, ...]:
    """The lines behind a header, whose last one has an end; nothing where they may be others than they look."""
    if not content.startswith(header) or b"\r" in content or content.find(quote, len(header)) >= 0:
        return ()
    return memoryview(content)[len(header) :], b"" if content.endswith(b"\n") else b"\n"
