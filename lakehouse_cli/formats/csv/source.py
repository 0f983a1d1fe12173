"""The bytes of a CSV file as Arrow's reader wants them: decompressed, in UTF-8, behind the header."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, BinaryIO

from msgspec.structs import replace

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.compression import plain_pieces
from lakehouse_cli.formats.csv.errors import malformed, undecodable
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.records import RecordError, Records, first_line_end
from lakehouse_cli.text.counts import count_text, plural

#: The encodings whose bytes are taken as they are.
UTF_8 = ("utf-8", "utf-8-sig")
_BOM = codecs.BOM_UTF8
# Bytes of a record that are more than is shown of it.
_SHOWN = 1 << 10


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
        open_source: Opener,
        name: str,
        options: CsvOptions,
        *,
        names: Sequence[str] = (),
        is_raw: bool = False,
    ) -> None:
        """Open it and read the header.

        Args:
            open_source: Opens the file's bytes; called again where the place of a fault is looked for.
            name: Path to show.
            options: Of the format.
            names: What the columns of a file without a header are called, by position.
            is_raw: As for `Records`.
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
            self._least = len(self._names) if options.missing_values == "null" else 0
            if options.skip_footer:
                pieces = self._without_footer(pieces)
            self._records = self._make_records(pieces, is_raw=is_raw)
            self._pieces = self._checked(before)
            self._rest = next(self._pieces, b"")
            self._read_header()
        except BaseException:
            self.close()
            raise

    def _make_records(self, pieces: Iterable[bytes], *, is_raw: bool) -> Records:
        if not self._options.is_loose:
            return Records(pieces, self._options, self._line_end, is_raw=is_raw)
        from lakehouse_cli.formats.csv.loose_records import LooseRecords

        return LooseRecords(pieces, self._options, self._line_end, is_raw=is_raw, least=self._least)

    def __enter__(self) -> CsvSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file underneath."""
        self.closed = True
        self._file.close()

    @property
    def next_line(self) -> bytes:
        """What was read so far of the line behind the header."""
        return next(iter(self._rest.splitlines()), b"")

    def header_with(self, **changes: Any) -> tuple[str, ...]:
        """Read the header by other options too; nothing where they find none."""
        try:
            with CsvSource(self._open, self.name, replace(self._options, **changes)) as other:
                return other.header or ()
        except StorageError:
            return ()

    def header_behind_comment(self) -> tuple[str, ...]:
        """Read the line before the header as one, where it begins as a comment; its marks left out."""
        lines = self.first_line - 3  # above the first row, the header, and the line before it
        mark = self._options.comment
        header = self.header_with(comment=None, skip_rows=lines) if mark and lines >= 0 else ()
        first = header[0].lstrip(" \t") if header else ""
        return (first.removeprefix(mark).lstrip(" \t"), *header[1:]) if mark and first.startswith(mark) else ()

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002  # Arrow takes what it gets, and asks for more than that
        """Read the next records, nothing at the end."""
        data, self._rest = self._rest or next(self._pieces, b""), b""
        if not self.has_hexadecimal:
            self.has_hexadecimal = has_hexadecimal(data)
        return data

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
        before = len(_BOM) if start.startswith(_BOM) else 0
        self._line_end: bytes | None = None
        rest, at, final = start[before:], 0, False
        for skipped in range(self._options.skip_rows):
            while (end := self._line_after(rest, at, final=final)) is None and not final:
                piece = next(pieces, b"")
                rest, before, at, final = rest[at:] + piece, before + at, 0, not piece
            if at == len(rest):
                what = "how many lines there are before the header"
                raise self._fewer(plural(skipped, "line"), "skip_rows", what)
            at = len(rest) if end is None else end
            self.first_line += end is not None
        return before + at, chain([rest[at:]], pieces)

    def _without_footer(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes without the last lines; so many lines are held back, and no more than a block beside them."""
        data, count, is_first = b"", self._options.skip_footer, True
        for piece in pieces:
            data += piece
            if not self._records.finds_line_end(data):
                continue
            end = self._records.line_mark
            # As many lines follow, whether the last one ends or not.
            if cut := _line_from_end(data, end, count):
                yield data[:cut]
                data, is_first = data[cut:], False
        if not self._records.finds_line_end(data, final=True):
            return
        end = self._records.line_mark
        cut = _line_from_end(data, end, count if data.endswith(end) else count - 1)
        there = data.count(end) + (not data.endswith(end) and bool(data))
        if is_first and there < count:
            lines = plural(self._options.skip_rows + there, "line")
            raise self._fewer(lines, "skip_footer", "how many lines follow the data")
        yield data[:cut]

    def _fewer(self, there: str, option: str, what: str) -> StorageError:
        """The error of a file that has fewer lines or rows than are to be skipped."""
        wanted = count_text(getattr(self._options, option))
        return StorageError(
            f"`{self.name}` has {there}, fewer than the {wanted} that `{option}` skips",
            hint=f"correct `{option}` in its options: {what}",
            location=Location(self.name),
        )

    def _line_after(self, data: bytes, at: int, *, final: bool) -> int | None:
        """Where the next line begins; None where that takes more data."""
        if self._line_end is not None:
            return data.find(self._line_end[-1:], at) + 1 or None
        found = first_line_end(data, at, final=final)
        if found is None:
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
                line += self._records.count_lines(piece[:offset])
                offset -= len(piece)
                if offset <= 0:
                    break
        return line

    def find_rows(self, rows: Iterable[int]) -> Iterator[tuple[int, int, str]]:
        """Find rows by their 1-based numbers, in a raw source: each with the line it begins on, and its text or enough.

        Rows behind the end are left out.
        """
        wanted = sorted(set(rows), reverse=True)
        row, line, blank_counts = 0, self.first_line, self.width == 1
        special = {self._options.arrow_quote, self._options.escape_char or "\n\n", "\n\n", "\n\r", "\r\r"}
        while wanted and (piece := self.read()):
            is_plain = not self._records.is_loose and piece[:1] not in b"\r\n"
            if is_plain and not any(mark.encode() in piece for mark in special):
                lines = self._records.count_lines(piece)
                texts = piece.split(self._records.line_mark) if row + lines + 1 >= wanted[-1] else []
                rest = lines + bool(texts and texts[-1])  # the last line may have no end
                while wanted and wanted[-1] <= row + rest and texts:
                    text = texts[wanted[-1] - row - 1][:_SHOWN].rstrip(b"\r\n")
                    yield wanted[-1], line + wanted[-1] - row - 1, text.decode(errors="replace")
                    wanted.pop()
                row, line = row + rest, line + lines
                continue
            at = 0
            while wanted and at < len(piece):
                end, after = self._records.end_of(piece, at)
                kind = self._records.kind_of(piece, at, end)
                row += kind == "row" or (kind == "blank" and blank_counts)
                if row == wanted[-1]:
                    yield wanted.pop(), line, piece[at : min(end, at + _SHOWN)].decode(errors="replace")
                line += self._records.count_lines(piece[at:after])
                at = after

    def count_lines(self) -> int:
        """Count the lines up to the end, in a raw source."""
        lines = self.first_line - 1
        while piece := self.read():
            lines += self._records.count_lines(piece)
            lines += not piece.endswith(self._records.line_mark)
        return lines

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
            for skipped in range(self._options.skip_rows_after_header):
                if self._first_record(consume=True) is None:
                    what = "how many rows behind the header are no data"
                    raise self._fewer(plural(skipped, "row") + " behind its header", "skip_rows_after_header", what)
        else:
            record = self._first_record(consume=False)
        self.width = None if record is None else max(len(record), self._least)

    def _name_of(self, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise undecodable(self.name, max(1, self.first_line - 1), "utf-8", error) from None

    def _first_record(self, *, consume: bool) -> list[bytes] | None:
        """The values of the first record that is not a blank line, None where all are."""
        at, blank = 0, False
        # Behind the header of one column, a blank line is a row.
        rows = ("row", "blank") if len(self.header or ()) == 1 else ("row",)
        while True:
            if at == len(self._rest):
                piece = next(self._pieces, b"")
                if not piece:
                    return [b""] if blank and not consume else None
                self._rest += piece
            end, after = self._records.end_of(self._rest, at)
            kind = self._records.kind_of(self._rest, at, end)
            if kind in rows:
                break
            at, blank = after, blank or kind == "blank"
        values = self._records.split(self._rest[at:end])
        if consume:
            self.first_line += self._records.count_lines(self._rest[:after]) + self._records.lines_before
            self._records.lines_before = 0
            self._rest = self._rest[after:]
        return values


def has_hexadecimal(data: bytes | bytearray) -> bool:
    """Whether there may be hexadecimal numbers in some data."""
    # One byte is found much faster than two, and is seldom there.
    return any(x in data and b"0" + x in data for x in (b"x", b"X"))


def _line_from_end(data: bytes, end: bytes, count: int) -> int:
    """Where the last `count` lines begin that end in `end`, and what follows them; 0 where there are no others."""
    at = len(data)
    for _ in range(count + 1):
        at = data.rfind(end, 0, at)
        if at < 0:
            return 0
    return at + 1


def _utf8_pieces(file: BinaryIO, name: str, options: CsvOptions) -> Iterator[bytes]:
    pieces = plain_pieces(file, name, options.compression)
    if options.encoding in UTF_8:
        return pieces
    return transcoded(pieces, name, options.encoding)


def transcoded(pieces: Iterator[bytes], name: str, encoding: str) -> Iterator[bytes]:
    """Transcode the bytes of a text to UTF-8.

    Raises:
        StorageError: Some bytes are not of the encoding, on that line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    feeds = returns = 0
    for piece in chain(pieces, [None]):
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
