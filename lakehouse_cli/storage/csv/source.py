"""The bytes of a CSV file as Arrow's reader wants them: decompressed, in UTF-8, behind the header."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.storage.compression import BLOCK, plain_pieces, refuse_packed
from lakehouse_cli.storage.csv.scan import count_line_ends, record_end, split_record
from lakehouse_cli.storage.csv_options import CsvOptions

_BOM = codecs.BOM_UTF8
_LINE_END = re.compile(rb"\r\n?|\n")
_LONGEST_RECORD = 1 << 30


class QuoteSeenError(Exception):
    """A quote came after it had been promised that there are none; the reading must begin anew."""


class CsvSource:
    """A readable file object over the data rows of a CSV file, for ``pyarrow.csv``.

    Attributes:
        name: Path to show.
        header: Names of the columns as they stand in the file; None without a header.
        width: Values in the header, or in the first row where there is none; None in an empty file.
        first_line: Physical line of the first data row.
        quotes: How many quote characters were read so far.
        has_hexadecimal: Whether ``0x`` was read so far; Arrow would take it for a number, and wrap it.
        may_hold_quotes: Whether a quote character is in the file's first block, or was asked to be allowed for. If
            not, one that comes later raises `QuoteSeenError` from `read`.
    """

    def __init__(
        self, open_source: Callable[[], BinaryIO], name: str, options: CsvOptions, *, allow_quotes: bool = True
    ) -> None:
        self.name = name
        self.closed = False
        self.quotes = 0
        self.has_hexadecimal = False
        self.first_line = 1
        self.header: tuple[str, ...] | None = None
        self._options = options
        self._quote = options.quote_char.encode()
        self._file = open_source()
        self._pieces = _utf8_pieces(self._file, name, options)
        self._rest = b""
        self._last = b""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        self.may_hold_quotes = allow_quotes or self._quote in self._rest

    def __enter__(self) -> CsvSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file underneath."""
        self.closed = True
        self._file.close()

    def readable(self) -> bool:
        """Whether it can be read; always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        while size < 0 or len(self._rest) < size:
            if not self._more():
                break
        if size < 0 or len(self._rest) <= size:
            data, self._rest = self._rest, b""
        else:
            data, self._rest = self._rest[:size], self._rest[size:]
        if self._quote in data:
            if not self.may_hold_quotes:
                raise QuoteSeenError
            self.quotes += data.count(self._quote)
        if not self.has_hexadecimal:
            # One byte is found much faster than two, and is seldom there.
            self.has_hexadecimal = any(x in data and b"0" + x in self._last + data for x in (b"x", b"X"))
            self._last = data[-1:]
        return data

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the data rows, block by block."""
        while data := self.read(BLOCK):
            yield data

    def _more(self) -> bool:
        piece = next(self._pieces, b"")
        self._rest = self._rest + piece if self._rest else piece
        return bool(piece)

    def _start(self) -> None:
        while len(self._rest) < len(_BOM) and self._more():
            pass
        if self._options.encoding == "utf-8" and self._rest.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise StorageError(
                f"`{self.name}` is in UTF-16, not in UTF-8",
                hint="set `encoding: utf-16` in its options",
                location=Location(self.name, 1),
            )
        refuse_packed(self._rest, self.name, self._options.compression_of(self.name))
        self._rest = self._rest.removeprefix(_BOM)
        self._skip_lines(self._options.skip_rows)
        if self._options.header:
            record = self._first_record(consume=True)
            if record is None:
                raise StorageError(
                    f"`{self.name}` is empty, it has no header",
                    hint="write the names of its columns in the first line, or set `header: false` in its options",
                    location=Location(self.name),
                )
            self.header = tuple(self._name_of(value) for value in record)
        else:
            record = self._first_record(consume=False)
        self.width = None if record is None else len(record)

    def _name_of(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise undecodable(self.name, max(1, self.first_line - 1), "utf-8", error) from None

    def _skip_lines(self, count: int) -> None:
        at = 0
        for skipped in range(count):
            end = _LINE_END.search(self._rest, at)
            # A CR at the very end may be half of a CRLF.
            while end is None or end.end() == len(self._rest):
                self._rest, at = self._rest[at:], 0
                self._check_length()
                more = self._more()
                end = _LINE_END.search(self._rest)
                if not more:
                    break
            if end is None and at == len(self._rest):
                raise StorageError(
                    f"`{self.name}` has {skipped:,} lines, fewer than the {count:,} that `skip_rows` skips",
                    hint="correct `skip_rows` in its options: how many lines there are before the header",
                    location=Location(self.name),
                )
            at = len(self._rest) if end is None else end.end()
            self.first_line += end is not None
        self._rest = self._rest[at:]

    def _first_record(self, *, consume: bool) -> list[bytes] | None:
        """The values of the first record that is not a blank line, None where all are."""
        delimiter, quote = self._options.delimiter, self._options.quote_char
        at, blank = 0, False
        final = False
        while True:
            if at >= len(self._rest) and final:
                return [b""] if blank and not consume else None
            ends = record_end(self._rest, at, delimiter, quote, final=final) if at < len(self._rest) else None
            if ends is None:
                if final:
                    line = self.first_line + count_line_ends(self._rest[:at])
                    raise unclosed(self.name, line, quote)
                self._check_length()
                final = not self._more()
                continue
            if ends[0] == at:
                at, blank = ends[1], True
                continue
            values = split_record(self._rest[at : ends[0]], delimiter, quote)
            if consume:
                self.first_line += count_line_ends(self._rest[: ends[1]])
                self._rest = self._rest[ends[1] :]
            return values

    def _check_length(self) -> None:
        if len(self._rest) > _LONGEST_RECORD:
            raise StorageError(
                f"the first row of `{self.name}` does not end within a gigabyte",
                hint="check `quote_char` in its options",
                location=Location(self.name, self.first_line),
            )


def unclosed(name: str, line: int, quote: str) -> StorageError:
    """The error of a file that ends inside quotes."""
    return StorageError(
        f"a quote that opens on line {line} of `{name}` is never closed",
        hint=f"close it, double each {quote} inside a quoted value, or set `quote_char` in its options",
        location=Location(name, line),
    )


def undecodable(name: str, line: int, encoding: str, error: UnicodeDecodeError) -> StorageError:
    """The error of bytes that are not text in the file's encoding."""
    byte = error.object[error.start : error.start + 1].hex()
    return StorageError(
        f"line {line} of `{name}` is not {encoding}: byte 0x{byte}",
        hint="set `encoding` in its options, such as `latin-1`, `cp1252` or `utf-16`",
        location=Location(name, line),
    )


def _utf8_pieces(file: BinaryIO, name: str, options: CsvOptions) -> Iterator[bytes]:
    pieces = plain_pieces(file, name, options.compression_of(name))
    if options.encoding in ("utf-8", "utf-8-sig"):
        return pieces
    return _transcoded(pieces, name, options.encoding)


def _transcoded(pieces: Iterator[bytes], name: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    ended_with_cr = False
    for piece in _with_end(pieces):
        try:
            text = decoder.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, errors="replace").encode()
            raise undecodable(name, line + count_line_ends(before), encoding, error) from None
        except UnicodeError as error:
            raise StorageError(
                f"`{name}` is not {encoding}: {error}", hint="set `encoding` in its options", location=Location(name)
            ) from error
        data = text.encode("utf-8", errors="surrogatepass")
        if data:
            line += count_line_ends(data) - (ended_with_cr and data.startswith(b"\n"))
            ended_with_cr = data.endswith(b"\r")
            yield data


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from pieces
    yield None
