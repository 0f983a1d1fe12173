"""Whole records from the bytes of a CSV file, checked, in a form that Arrow's reader splits into the same values.

Arrow ends a row at a lone CR, glues what follows a closing quote to the value, accepts a quote that never closes, and
knows escapes of one kind only. So every block is looked at on its way to it. Vectorised checks show that most are well
formed and need no change; only where they do not, a scanner goes through the records of the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from lakehouse_cli.formats.csv.options import WHITESPACE, CsvOptions

LONGEST_RECORD = 1 << 30
_SHOWN = 100
_LF, _CR = b"\n", b"\r"
_QUOTES = (b'"', b"'")
_RETURNS = re.compile(rb"\r*+")
_LINE_END = re.compile(rb"\r*+\n|\r")
_SURE_LINE_END = re.compile(rb"\r*+\n|\r(?!\r*+\Z)")
# What the escape character makes of letters for MySQL and PostgreSQL, which write them so.
_CONTROLS = {b"0": b"\0", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"Z": b"\x1a"}

Reason = Literal[
    "after quote", "unclosed", "line feed", "dangling", "unknown escape", "mixed escapes", "escaped end", "long"
]


def first_line_end(data: bytes, at: int = 0, *, final: bool) -> re.Match[bytes] | None:
    """Find the end of a line, all CRs of it included: those at the end of data that go on may belong to a CRLF."""
    return (_LINE_END if final else _SURE_LINE_END).search(data, at)


class RecordError(Exception):
    """Bytes that are no record.

    Attributes:
        reason: What is wrong.
        position: Of the value in its record, from 0.
        opened: Offset of the value in the bytes of all pieces.
        offset: Of the fault itself.
        value: The value up to the fault, or the escape that is none.
        after: The bytes behind it.
    """

    def __init__(self, reason: Reason, position: int, opened: int, offset: int, value: bytes, after: bytes) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.position = position
        self.opened = opened
        self.offset = offset
        self.value = value
        self.after = after


class _Patterns(Struct, frozen=True):
    """Regular expressions of one dialect.

    Attributes:
        ordinary: What Arrow takes as it is, so without escapes and foreign line ends: in group 1 up to a line end, in
            group 2 values of the next record.
        value: A value, up to what ends it; nothing where its quote does not close.
        literal: The same where an escape character outside of quotes is text.
        record: A record.
        first: The same without a CR or LF outside quotes.
        stop: A delimiter, group 1, or what ends a line.
        stop_at_end: The same where the file ends with the data.
        escapes: Escapes in an unquoted value.
        quoted_escapes: Escapes and doubled quotes in a quoted one.
    """

    ordinary: re.Pattern[bytes]
    value: re.Pattern[bytes]
    literal: re.Pattern[bytes]
    record: re.Pattern[bytes]
    first: re.Pattern[bytes]
    stop: re.Pattern[bytes]
    stop_at_end: re.Pattern[bytes]
    escapes: re.Pattern[bytes]
    quoted_escapes: re.Pattern[bytes]


@lru_cache(maxsize=64)
def _patterns(
    delimiter: str, quote: str, escape: str | None, line_end: bytes, *, quoting: bool, trim: bool = False
) -> _Patterns:
    d, q, e = (re.escape((character or "").encode()) for character in (delimiter, quote, escape))
    # The bytes that a delimiter may begin with, and such a one that begins none.
    starts, begun = d, b""
    if delimiter == WHITESPACE:
        starts, d = rb" \t", rb"[ \t]++"
    elif len(delimiter.encode()) > 1:
        starts = re.escape(delimiter.encode()[:1])
        begun = rb"|(?!%b)%b" % (d, starts)
    # In a file whose lines end in CRLF an escape takes both.
    escaped = rb"%b(?s:%b.)" % (e, rb"\r\n|" if line_end == b"\r\n" else b"") if e else rb"(?!)"
    lone_cr = rb"|\r++(?!\n|\Z)" if line_end != _CR else b""
    plain, first = (rb"(?:[^%b%b\r\n]++|%b%b%b)*+" % (starts, e, escaped, begun, more) for more in (lone_cr, b""))
    quoted = rb"%b(?:[^%b%b]++|%b%b|%b)*+%b" % (q, q, e, q, q, escaped, q)
    ends = (rb"\r*+(?:\n|%b)", rb"\r?\n") if line_end != _CR else (rb"(?:\r|%b)", rb"\r")
    closed = rb"|%b(?:[^%b%b]++|%b%b)*+%b(?=%b|%b)" % (q, q, e, q, q, q, d, ends[1]) if quoting else b""
    rest = rb"((?:(?:%b(?!%b)[^%b%b\r\n]*+)%b)*+)" % (closed[1:] + b"|" if quoting else b"", q, starts, e, d)
    blanks = rb"(?:(?!%b)[ \t])*+" % d if trim else b""
    quoted = blanks + quoted + blanks
    unquoted = rb"(?!%b%b)" % (blanks, q)
    value, first = (rb"(?:%b|%b%b)" % (quoted, unquoted, text) if quoting else text for text in (plain, first))
    stops = [_stop_pattern(delimiter, d, ends[0] % end) for end in (rb"(?!)", rb"\Z")]
    return _Patterns(
        re.compile(rb"((?:(?:[^%b%b\r\n]++|(?<=[^%b\r\n])%b%b)*+%b)*+)" % (q, e, starts, q, closed, ends[1]) + rest),
        re.compile(value),
        re.compile(rb"%b|%b(?:[^%b\r\n]++%b)*+" % (quoted, unquoted, starts, begun)),
        re.compile(rb"%b(?:%b%b)*+" % (value, d, value)),
        re.compile(rb"%b(?:%b%b)*+" % (first, d, first)),
        re.compile(stops[0]),
        re.compile(stops[1]),
        re.compile(escaped),
        re.compile(rb"%b%b|%b" % (q, q, escaped)),
    )


def _stop_pattern(delimiter: str, d: bytes, end: bytes) -> bytes:
    # Blanks at the end of a line delimit nothing.
    return rb"[ \t]*+%b|(%b)" % (end, d) if delimiter == WHITESPACE else rb"(%b)|%b" % (d, end)


class Records:
    """The records of a file, in pieces that each end with a line end.

    Attributes:
        line_end: What ends the file's first line, so any: LF (CRs before it belong to it), CRLF, or CR. None as long as
            nothing was read.
        is_loose: Whether records are not what is between line ends, as where there are comments.
        lines_before: Lines before the first record that were left out.
    """

    is_loose = False
    lines_before = 0

    def __init__(
        self, pieces: Iterable[bytes], options: CsvOptions, line_end: bytes | None = None, *, is_raw: bool = False
    ) -> None:
        """Nothing is read yet.

        Args:
            pieces: The bytes of the records, in UTF-8.
            options: Of the format.
            line_end: What ends lines, where that is known.
            is_raw: Give out records as they stand in the file, so that they can be shown and lines counted.
        """
        self.line_end = line_end
        self._pieces = pieces
        self._options = options
        self._quoting = options.quotes
        self._quote = options.arrow_quote.encode()
        self._delimiter = (" " if options.delimiter == WHITESPACE else options.delimiter).encode()
        self._escape = (options.escape_char or "").encode()
        # What may stand behind a value whose record goes on.
        self._marks = options.delimiter_characters.encode() + self._escape
        self._nulls = {*(text.encode() for text in options.null_spellings)}
        self._is_raw = is_raw
        self._special = {self._delimiter, self._escape, _LF, _CR, b"\r\n"} | ({self._quote} if self._quoting else set())
        # Whether in unquoted values escapes were seen, and escape characters that stand for themselves.
        self._has_escapes = self._has_text_escapes = False
        # Whether the value at hand has an escaped line end and no quotes.
        self._has_escaped_end = False
        # Of the data at hand in all that was read.
        self._offset = 0

    def __iter__(self) -> Iterator[bytes]:
        data, waiting, size = b"", list[bytes](), 0
        for piece in chain(self._pieces, [None]):
            if piece is not None:
                waiting.append(piece)
                size += len(piece)
                if size < len(data):
                    continue  # a long record: looked at again when there is twice as much of it
            data, waiting, size = b"".join((data, *waiting)), [], 0
            final = piece is None
            if self.line_end is None and not self._find_line_end(data, final=final):
                text, end, error = b"", 0, None
            elif final or (checked := self._checked_end(data)) is None:
                text, end, error = self._scan(data, final=final)
            else:
                text, end, error = data[:checked], checked, None
            self._offset += end
            data = data[end:]
            if text:
                yield text
            if error is not None:
                raise error
            if not text and len(data) > LONGEST_RECORD:
                raise RecordError("long", 0, self._offset, self._offset, data[:1], b"")

    def end_of(self, data: bytes, at: int) -> tuple[int, int]:
        """Find where a record ends and the next one begins, in what was given out."""
        patterns = self._patterns_of_output()
        match = patterns.record.match(data, at)
        stop = match and patterns.stop_at_end.match(data, match.end())
        if not match or not stop:
            raise ValueError(data[at:])
        return match.end(), stop.end()

    def kind_of(self, data: bytes, at: int, end: int) -> Literal["row", "blank", "comment"]:
        """Say what is between two places in what was given out."""
        del data
        return "row" if end > at else "blank"

    def split(self, record: bytes) -> list[bytes]:
        """Split one record that was given out into its values, unquoted."""
        values: list[bytes] = []
        at = 0
        while at <= len(record) and (match := self._patterns_of_output().value.match(record, at)):
            value = match.group()
            is_quoted = value.startswith(self._quote)
            values.append(value[1:-1].replace(self._quote * 2, self._quote) if is_quoted else value)
            at = match.end() + 1
        return values

    def finds_line_end(self, data: bytes, *, final: bool = False) -> bool:
        """Whether it is known what ends lines, from the first bytes."""
        return self.line_end is not None or self._find_line_end(data, final=final)

    @property
    def line_mark(self) -> bytes:
        """The last character of every line end."""
        return _CR if self.line_end == _CR else _LF

    def count_lines(self, data: bytes) -> int:
        """Count the lines that end in some data."""
        return data.count(self.line_mark)

    def _find_line_end(self, data: bytes, *, final: bool) -> bool:
        """Look for what ends the first record; False where that takes more data."""
        match = self._patterns_for(b"\r\n").first.match(data)
        returns = _RETURNS.match(data, 0 if match is None else match.end())
        after = data[returns.end() : returns.end() + 1] if returns else b""
        if after == _LF:
            self.line_end = b"\r\n" if returns and returns.group() else _LF
        elif returns and returns.group() and (after or final):
            self.line_end = _CR
        elif final or (match is not None and after and after not in self._marks):
            self.line_end = _LF  # there is one line, or what the scan refuses
        return self.line_end is not None

    def _patterns_for(self, line_end: bytes) -> _Patterns:
        options = self._options
        return _patterns(
            options.delimiter,
            options.arrow_quote,
            options.escape_char,
            line_end,
            quoting=self._quoting,
            trim=options.trim,
        )

    def _patterns_of_output(self) -> _Patterns:
        if self._is_raw:
            return self._patterns_for(self.line_end or _LF)
        options = self._options
        return _patterns(options.arrow_delimiter, options.arrow_quote, None, self.line_end or _LF, quoting=True)

    def _checked_end(self, data: bytes) -> int | None:
        """The end of the last whole record of well-formed data; None where only a scan finds it."""
        if self._escape and self._escape in data:
            return None
        last, foreign = (_CR, _LF) if self.line_end == _CR else (_LF, _CR)
        has_quotes, has_foreign = self._quote in data, foreign in data
        if not has_quotes and not has_foreign:
            return data.rfind(last) + 1
        if has_quotes and not self._quoting:
            return None
        values = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(values == self._quote[0])
        if has_quotes and not self._are_paired(values, quotes):
            return None
        if has_foreign:
            found = np.flatnonzero(values == 10 if last == _CR else (values[:-1] == 13) & (values[1:] != 10))
            if not np.all(np.searchsorted(quotes, found) % 2):
                return None  # not all are inside quotes
        end = len(data)
        while (at := data.rfind(last, 0, end)) >= 0:
            before = int(np.searchsorted(quotes, at))
            if before % 2 == 0:
                return at + 1
            end = int(quotes[before - 1])
        return 0

    def _are_paired(self, values: Any, quotes: Any) -> bool:
        """Whether the quotes open and close values in turn; a doubled one closes and opens."""
        beside = np.zeros(256, np.bool_)
        beside[list(self._delimiter + self._quote + b"\r\n")] = True
        opens, closes = quotes[0::2], quotes[1::2]
        before = values[opens - 1]
        if opens[0] == 0:
            before[0] = 10
        if closes.size and closes[-1] == len(values) - 1:
            closes = closes[:-1]
        return bool(np.all(beside[before]) and np.all(beside[values[closes + 1]]))

    def _scan(self, data: bytes, *, final: bool) -> tuple[bytes, int, RecordError | None]:
        """The whole records of some data as Arrow takes them, where they end, and what is wrong with the next one."""
        patterns = self._patterns = self._patterns_for(self.line_end or _LF)
        stop_of = patterns.stop_at_end if final else patterns.stop
        done: list[bytes] = []
        # What is done up to the end of the last whole record, and where that is.
        whole = end = at = 0
        error = None
        # The first value of the record with an escaped line end outside of quotes.
        doubtful: tuple[int, bytes] | None = None
        while at < len(data) or at > end:
            if doubtful is None and (run := patterns.ordinary.match(data, at)):
                if run[1]:
                    done.append(run[1])
                    whole, end = len(done), run.end(1)
                done.append(run[2])
                at = run.end()
            if at == end == len(data):
                break
            match = patterns.value.match(data, at)
            stop = match and stop_of.match(data, match.end())
            if not match or not stop:
                reason = self._fault(data, match, final=final)
                error = reason and self._error(reason, data, (end, at, match.end() if match else at))
                break
            try:
                done.append(match.group() if self._is_raw else self._translated(match.group()))
            except EscapeError as found:
                error = self._error(found.reason, data, (end, at, match.end()), found.text)
                break
            if self._has_escaped_end:
                self._has_escaped_end, doubtful = False, doubtful or (at, match.group())
            if stop[1] is None and doubtful is not None:
                if self._is_whole_as_text(data[end : match.end()]):
                    error = self._error("escaped end", data, (end, doubtful[0], doubtful[0]), doubtful[1])
                    break
                doubtful = None
            at = stop.end()
            done.append(stop.group() if self._is_raw else stop[1] or (_CR if self.line_end == _CR else _LF))
            if stop[1] is None:
                whole, end = len(done), at
        return b"".join(done[:whole]), end, error

    def _is_whole_as_text(self, record: bytes) -> bool:
        """Whether the lines of a record are records too, of as many values, where its escapes of line ends are text.

        Spark escapes only inside of quotes, and leaves out the quotes of a text that ends in a backslash.
        """
        patterns, at, counts = self._patterns, 0, [1]
        while at < len(record):
            match = patterns.literal.match(record, at)
            stop = match and patterns.stop_at_end.match(record, match.end())
            if not stop:
                return False
            at = stop.end()
            if stop[1] is not None:
                counts[-1] += 1
            elif stop.group():
                counts.append(1)
        if record.endswith((_LF, _CR)):
            counts.pop()
        return counts == [sum(1 for _ in self._values_of(record))] * len(counts)

    def _values_of(self, record: bytes, at: int = 0) -> Iterator[bytes]:
        """The values of a record, as they stand in the file, from a place on."""
        while match := self._patterns.value.match(record, at):
            yield match.group()
            stop = self._patterns.stop_at_end.match(record, match.end())
            if not stop or stop[1] is None:
                break
            at = stop.end()

    def _fault(self, data: bytes, match: re.Match[bytes] | None, *, final: bool) -> Reason | None:
        """Why a value is followed by neither a delimiter nor a line end; None where more data may show it."""
        if match is None:
            return "unclosed" if final else None
        after = data[match.end() :]
        if not final and self._delimiter.startswith(after):
            return None
        if after == self._escape or not after.strip(_CR):
            return "dangling" if final else None
        return "line feed" if after.startswith(_LF) else "after quote"

    def _error(
        self, reason: Reason, data: bytes, places: tuple[int, int, int], text: bytes | None = None
    ) -> RecordError:
        """The error of a record, a value in it, and a fault that are at some places."""
        record, value, fault = places
        position = 0
        while record < value and (match := self._patterns.value.match(data, record)):
            stop = self._patterns.stop_at_end.match(data, match.end())
            record, position = stop.end() if stop else value, position + 1
        after = data[fault : fault + _SHOWN].partition(self._delimiter)[0].partition(_LF)[0].rstrip(_CR)
        text = text or (data[value:fault] if fault > value else data[value:])
        return RecordError(reason, position, self._offset + value, self._offset + fault, text, after)

    def _translated(self, raw: bytes) -> bytes:
        """A value as it stands in the file, as Arrow takes it."""
        quote = self._quote
        is_quoted = self._quoting and raw.startswith(quote)
        if is_quoted:
            if not self._escape or self._escape not in raw:
                return raw
            text = raw[1:-1]
            if text == self._escape + b"N":
                return text
        else:
            is_plain = not (self._escape and self._escape in raw) and _CR not in raw and not raw.startswith(quote)
            if is_plain or raw in self._nulls:
                return raw
            text = raw
        return quote + self._unescaped(text, is_quoted=is_quoted).replace(quote, quote * 2) + quote

    def _unescaped(self, text: bytes, *, is_quoted: bool) -> bytes:
        lenient = self._quoting and not is_quoted

        def character(match: re.Match[bytes]) -> bytes:
            after = match[0][1:]
            if after in self._special or (not lenient and after in _QUOTES):
                self._has_escapes |= lenient
                self._has_escaped_end |= lenient and after.endswith(_CR if self.line_end == _CR else _LF)
                return after
            if lenient:
                self._has_text_escapes = True
                return match[0]
            if after not in _CONTROLS:
                raise EscapeError("unknown escape", match[0])
            return _CONTROLS[after]

        raw = text
        text = (self._patterns.quoted_escapes if is_quoted else self._patterns.escapes).sub(character, raw)
        if self._has_escapes and self._has_text_escapes:
            raise EscapeError("mixed escapes", raw)
        return text


class EscapeError(Exception):
    """An escape that is none, or may be one."""

    def __init__(self, reason: Reason, text: bytes) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.text = text
