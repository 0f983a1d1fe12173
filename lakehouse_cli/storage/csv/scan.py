"""Finding records in the bytes of a CSV file: the header, the width, and the line a row stands on.

Arrow's reader tells neither the names of ambiguous columns nor physical lines. This follows its rules: a quote opens
only at the start of a value; a line ends with LF, CR or CRLF outside quotes; a line without a character is no record,
but in a file of one column, where it is a null.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

_END = re.compile(rb"\r\n|\r|\n")


@lru_cache(maxsize=64)
def _patterns(delimiter: str, quote: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    d, q = re.escape(delimiter.encode()), re.escape(quote.encode())
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (q, q, q, q, q)
    plain = rb"[^%b\r\n]*+" % d
    value = rb"(?:%b%b|(?!%b)%b)" % (quoted, plain, q, plain)
    return re.compile(value), re.compile(rb"%b(?:%b%b)*+" % (value, d, value))


def record_end(data: bytes, start: int, delimiter: str, quote: str, *, final: bool) -> tuple[int, int] | None:
    """Where the record at `start` ends and the next begins; None when it goes on beyond `data`.

    Args:
        data: Bytes of the file, in UTF-8.
        start: Where a record begins.
        delimiter: Between values.
        quote: Around values.
        final: Whether the file ends with `data`.
    """
    match = _patterns(delimiter, quote)[1].match(data, start)
    if match is None:
        return None
    end = match.end()
    line_end = _END.match(data, end)
    if line_end is None:
        return (end, end) if final and end == len(data) else None
    if line_end.end() == len(data) and line_end.group() == b"\r" and not final:
        return None  # its LF may be the next byte
    return end, line_end.end()


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
        if value.startswith(mark):
            inner, _, after = value[1:].replace(mark * 2, b"\0\0").partition(mark)
            value = inner.replace(b"\0\0", mark) + after.replace(b"\0\0", mark * 2)
        values.append(value)
        at = match.end() + 1
        if at > len(record):
            return values


def count_line_ends(data: bytes) -> int:
    """How many lines end in `data`: LF, CR and CRLF each end one."""
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


class UnclosedQuoteError(ValueError):
    """A quote that opens on `line` and never closes."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def lines_of_rows(
    pieces: Iterable[bytes], rows: Iterable[int], *, first_line: int, delimiter: str, quote: str, skip_blank: bool
) -> dict[int, int]:
    """The 1-based physical line on which each of the 1-based `rows` begins.

    Args:
        pieces: The bytes of the data rows, in UTF-8, in order.
        rows: Rows to look for; those behind the end are left out.
        first_line: Line of the first byte of `pieces`.
        delimiter: Between values.
        quote: Around values.
        skip_blank: Whether a line without a character is no row.

    Raises:
        UnclosedQuoteError: The file ends inside quotes, before all rows were found.
    """
    found: dict[int, int] = {}
    wanted = sorted(set(rows), reverse=True)
    row, line = 0, first_line
    for chunk in _whole_records(pieces, first_line, delimiter, quote):
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
            ends = record_end(chunk, at, delimiter, quote, final=True)
            if ends is None:
                raise UnclosedQuoteError(line)
            if ends[0] > at or not skip_blank:
                row += 1
                if row == wanted[-1]:
                    found[wanted.pop()] = line
            line += count_line_ends(chunk[at : ends[1]])
            at = ends[1]
    return found


def _whole_records(pieces: Iterable[bytes], first_line: int, delimiter: str, quote: str) -> Iterator[bytes]:
    """The same bytes, cut behind line ends that end records."""
    mark = quote.encode()
    rest = b""
    line = first_line
    for piece in pieces:
        rest += piece
        at = 0
        if mark in rest:
            while at < len(rest) and (ends := record_end(rest, at, delimiter, quote, final=False)) is not None:
                at = ends[1]
        else:
            at = max(rest.rfind(b"\n"), rest.rfind(b"\r", 0, -1)) + 1
        if at:
            line += count_line_ends(rest[:at])
            yield rest[:at]
            rest = rest[at:]
    at = 0
    while at < len(rest):
        ends = record_end(rest, at, delimiter, quote, final=True)
        if ends is None:
            raise UnclosedQuoteError(line + count_line_ends(rest[:at]))
        yield rest[at : ends[1]]
        at = ends[1]
