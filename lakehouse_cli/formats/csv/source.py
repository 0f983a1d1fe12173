"""The bytes of a CSV file as Arrow's reader wants them: decompressed, in UTF-8, behind the header."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import BinaryIO

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.compression import plain_pieces, refuse_packed
from lakehouse_cli.formats.csv.errors import malformed, undecodable
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.records import RecordError, Records
from lakehouse_cli.formats.csv.scan import count_lines, record_end, split_record
from lakehouse_cli.text.counts import count_text, plural

_BOM = codecs.BOM_UTF8
# Bytes of a record that are more than is shown of it.
_SHOWN = 1 << 10
_LINE_END = re.compile(rb"\r*+\n|\r")


class CsvSource:
    """A readable file object over the data rows of a CSV file, for ``pyarrow.csv``: whole records at each reading.

    Attributes:
        name: Path to show.
        header: Names of the columns as they stand in the file; None without a header.
        width: Values in the header, or in the first row where there is none; None in an empty file.
        first_line: Physical line of the first data row.
        has_hexadecimal: Whether ``0x`` was read so far; Arrow would take it for a number, and wrap it.
    """

    def __init__(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        options: CsvOptions,
        *,
        names: Sequence[str] = (),
        for_lines: bool = False,
    ) -> None:
        """Open it and read the header.

        Args:
            open_source: Opens the file's bytes; called again where the place of a fault is looked for.
            name: Path to show.
            options: Of the format.
            names: What the columns of a file without a header are called, for messages.
            for_lines: As for `Records`.
        """
        self.name = name
        self._names = () if options.header else names
        self.closed = False
        self.has_hexadecimal = False
        self.first_line = 1
        self.header: tuple[str, ...] | None = None
        self._options = options
        self._open = open_source
        self._file = open_source()
        try:
            before, pieces = self._start()
            self._records = Records(pieces, options, self._line_end, for_lines=for_lines)
            self._pieces = self._checked(before)
            self._rest = next(self._pieces, b"")
            self._read_header()
        except BaseException:
            self.close()
            raise

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

    @property
    def line_end(self) -> bytes | None:
        """What ends the file's first line; see `Records`."""
        return self._records.line_end

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002  # Arrow takes what it gets, and asks for more than that
        """The next records, nothing at the end."""
        data, self._rest = self._rest or next(self._pieces, b""), b""
        if not self.has_hexadecimal:
            # One byte is found much faster than two, and is seldom there.
            self.has_hexadecimal = any(x in data and b"0" + x in data for x in (b"x", b"X"))
        return data

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the data rows, whole records at a time."""
        while data := self.read():
            yield data

    def _start(self) -> tuple[int, Iterator[bytes]]:
        """How many bytes stand before the first record, and the others."""
        pieces = _utf8_pieces(self._file, self.name, self._options)
        start = b""
        while len(start) < len(_BOM) and (piece := next(pieces, b"")):
            start += piece
        if self._options.encoding == "utf-8" and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise StorageError(
                f"`{self.name}` is in UTF-16, not in UTF-8",
                hint="set `encoding: utf-16` in its options",
                location=Location(self.name, 1),
            )
        refuse_packed(start, self.name, self._options.compression_of(self.name))
        before = len(_BOM) if start.startswith(_BOM) else 0
        self._line_end: bytes | None = None
        rest, at = start[before:], 0
        for skipped in range(self._options.skip_rows):
            while (end := self._line_after(rest, at)) is None and (piece := next(pieces, b"")):
                rest, before, at = rest[at:] + piece, before + at, 0
            if at == len(rest):
                raise self._fewer_lines(skipped)
            at = len(rest) if end is None else end
            self.first_line += end is not None
        return before + at, chain([rest[at:]], pieces)

    def _fewer_lines(self, there: int) -> StorageError:
        """The error of a file that has fewer lines than are to be skipped."""
        return StorageError(
            f"`{self.name}` has {plural(there, 'line')}, "
            f"fewer than the {count_text(self._options.skip_rows)} that `skip_rows` skips",
            hint="correct `skip_rows` in its options: how many lines there are before the header",
            location=Location(self.name),
        )

    def _line_after(self, data: bytes, at: int) -> int | None:
        """Where the next line begins; None where that takes more data."""
        if self._line_end is not None:
            return data.find(self._line_end[-1:], at) + 1 or None
        found = _LINE_END.search(data, at)
        # A CR at the very end may be half of a CRLF.
        if found is None or (found.group() == b"\r" and found.end() == len(data)):
            return None
        self._line_end = found.group()[-2:]
        return found.end()

    def _checked(self, before: int) -> Iterator[bytes]:
        """The records; one that is malformed is an error with its place."""
        try:
            yield from self._records
        except RecordError as error:
            lines = self._line_at(before + error.opened), self._line_at(before + error.offset)
            raise malformed(self.name, error, lines, self.header or self._names, self._options) from None

    def _line_at(self, offset: int) -> int:
        """The line of a byte of the file's text, which is read again up to there."""
        line = 1
        with self._open() as file:
            for piece in _utf8_pieces(file, self.name, self._options):
                line += count_lines(piece[:offset], self.line_end)
                offset -= len(piece)
                if offset <= 0:
                    break
        return line

    def record_on(self, line: int) -> str:
        """The record that begins on a line as it stands in the file, or enough of it to be shown."""
        mark = b"\r" if self.line_end == b"\r" else b"\n"
        data, missing = b"", line - 1
        with self._open() as file:
            for piece in _utf8_pieces(file, self.name, self._options):
                before = min(missing, piece.count(mark))
                missing -= before
                data += piece.split(mark, before)[-1] if missing == 0 else b""
                if len(data) >= _SHOWN:
                    break
        return self._records.first(data.removeprefix(_BOM)).decode(errors="replace")

    def _read_header(self) -> None:
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

    def _first_record(self, *, consume: bool) -> list[bytes] | None:
        """The values of the first record that is not a blank line, None where all are."""
        delimiter, quote = self._options.delimiter, self._options.arrow_quote
        at, blank = 0, False
        while True:
            if at == len(self._rest):
                piece = next(self._pieces, b"")
                if not piece:
                    return [b""] if blank and not consume else None
                self._rest += piece
            end, after = record_end(self._rest, at, delimiter, quote)
            if end > at:
                break
            at, blank = after, True
        values = split_record(self._rest[at:end], delimiter, quote)
        if consume:
            self.first_line += count_lines(self._rest[:after], self.line_end)
            self._rest = self._rest[after:]
        return values


def _utf8_pieces(file: BinaryIO, name: str, options: CsvOptions) -> Iterator[bytes]:
    pieces = plain_pieces(file, name, options.compression_of(name))
    if options.encoding in ("utf-8", "utf-8-sig"):
        return pieces
    return _transcoded(pieces, name, options.encoding)


def _transcoded(pieces: Iterator[bytes], name: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    feeds = returns = 0
    for piece in _with_end(pieces):
        try:
            text = decoder.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding, errors="replace")
            line = 1 + ((feeds + before.count("\n")) or (returns + before.count("\r")))
            raise undecodable(name, line, encoding, error) from None
        except UnicodeError as error:
            raise StorageError(
                f"`{name}` is not {encoding}: {error}", hint="set `encoding` in its options", location=Location(name)
            ) from error
        data = text.encode("utf-8", errors="surrogatepass")
        if data:
            feeds += data.count(b"\n")
            returns += 0 if feeds else data.count(b"\r")
            yield data


def _with_end(pieces: Iterator[bytes]) -> Iterator[bytes | None]:
    yield from pieces
    yield None
