"""Finding records in the bytes of a CSV file: the header, the width, and the line a row stands on.

Arrow's reader tells neither the names of ambiguous columns nor physical lines. This follows its rules, in what
`lakehouse_cli.formats.csv.records` gives out: a quote opens only at the start of a value; a line ends with LF, CR or
CRLF outside quotes; a line without a character is no record, but in a file of one column, where it is a null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_END = re.compile(rb"\r\n|\r|\n")


@lru_cache(maxsize=64)
def _patterns(delimiter: str, quote: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (q, q, q, q, q)
    plain = rb"[^%b\r\n]*+" % d
    value = rb"(?:%b|(?!%b)%b)" % (quoted, q, plain)
    return re.compile(value), re.compile(rb"%b(?:%b%b)*+" % (value, d, value))


def record_end(data: bytes, start: int, delimiter: str, quote: str) -> tuple[int, int]:
    """Where the record at `start` ends and the next begins, in bytes that are whole records."""
    match = _patterns(delimiter, quote)[1].match(data, start)
    line_end = match and _END.match(data, match.end())
    if not match or not line_end:
        raise ValueError(data[start:])
    return match.end(), line_end.end()


def split_record(record: bytes, delimiter: str, quote: str) -> list[bytes]:
    """The values of one record that `record_end` found, unquoted."""
    pattern, mark = _patterns(delimiter, quote)[0], quote.encode()
    values: list[bytes] = []
    at = 0
    while True:
        match = pattern.match(record, at)
        if match is None:
            raise ValueError(record)
        value = match.group()
        values.append(value[1:-1].replace(mark * 2, mark) if value.startswith(mark) else value)
        at = match.end() + 1
        if at > len(record):
            return values


def count_lines(data: bytes, line_end: bytes | None) -> int:
    """How many lines end in `data`, part of a file whose first line ends with `line_end`."""
    return data.count(b"\r" if line_end == b"\r" else b"\n")


def lines_of_rows(
    pieces: Iterable[bytes],
    rows: Iterable[int],
    *,
    first_line: int,
    line_end: bytes | None,
    delimiter: str,
    quote: str,
    skip_blank: bool,
) -> dict[int, int]:
    """The 1-based physical line on which each of the 1-based `rows` begins.

    Args:
        pieces: The bytes of the data rows, in UTF-8, in order; whole records each.
        rows: Rows to look for; those behind the end are left out.
        first_line: Line of the first byte of `pieces`.
        line_end: What ends the file's first line.
        delimiter: Between values.
        quote: Around values.
        skip_blank: Whether a line without a character is no row.
    """
    found: dict[int, int] = {}
    wanted = sorted(set(rows), reverse=True)
    row, line = 0, first_line
    for chunk in pieces:
        if not wanted:
            break
        if quote.encode() not in chunk:
            lines = chunk.splitlines()
            blank = lines.count(b"") if skip_blank else 0
            if row + len(lines) - blank < wanted[-1]:
                row, line = row + len(lines) - blank, line + len(lines)
                continue
        at = 0
        while at < len(chunk) and wanted:
            end, after = record_end(chunk, at, delimiter, quote)
            if end > at or not skip_blank:
                row += 1
                if row == wanted[-1]:
                    found[wanted.pop()] = line
            line += count_lines(chunk[at:after], line_end)
            at = after
    return found
