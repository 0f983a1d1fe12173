"""Records of CSV files with comments, blanks around values, long delimiters or rows of different lengths.

Arrow's reader knows none of these, so each record is written anew for it: its values between delimiters of one
character, without blanks around them, as many as there are columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from lakehouse_cli.formats.csv.options import WHITESPACE, CsvOptions
from lakehouse_cli.formats.csv.records import EscapeError, RecordError, Records, first_line_end

_LF, _CR = b"\n", b"\r"
_BLANKS = re.compile(rb"[ \t]*+")
_INNER_BLANKS = re.compile(rb"[ \t]+")
_OUTER_BLANKS = re.compile(rb"(?m)^[ \t]+|[ \t]++$")


class _Marks:
    """Where in some data characters are that may change what others mean."""

    def __init__(self, data: bytes, characters: Iterable[bytes]) -> None:
        self._data = data
        self._places = {character: -1 for character in characters if character}

    def next(self, at: int) -> int:
        """Find the next one from a place on, the end where there is none; places must grow."""
        for character, place in self._places.items():
            if place < at:
                found = self._data.find(character, at)
                self._places[character] = len(self._data) if found < 0 else found
        return min(self._places.values())


class LooseRecords(Records):
    """The records of a file whose options are loose; see `CsvOptions.is_loose`."""

    is_loose = True

    def __init__(
        self,
        pieces: Iterable[bytes],
        options: CsvOptions,
        line_end: bytes | None = None,
        *,
        is_raw: bool = False,
        least: int = 0,
    ) -> None:
        """Nothing is read yet.

        Args:
            pieces: The bytes of the records, in UTF-8.
            options: Of the format.
            line_end: What ends lines, where that is known.
            is_raw: As for `Records`.
            least: How many columns there are at least, where the first record lacks values as well.
        """
        super().__init__(pieces, options, line_end, is_raw=is_raw)
        self._comment = (options.comment or "").encode()
        self._by_blanks = options.delimiter == WHITESPACE
        # Of tabs or blanks that delimit values, one before a comment makes it a value.
        self._before_comment = (
            _BLANKS if self._by_blanks else re.compile(rb"(?:(?!%b)[ \t])*+" % re.escape(self._delimiter))
        )
        self._arrow_delimiter = options.arrow_delimiter.encode()
        # Whether the delimiter for Arrow is a character of values.
        self._is_split_by_arrow = options.arrow_delimiter != options.delimiter
        self._null = options.null_spellings[0].encode() if options.null_spellings else b""
        self._least = least
        self._is_lenient = (options.missing_values, options.extra_values) != ("error", "error")
        before = self._before_comment.pattern
        self._comment_lines = re.compile(rb"(?m)^%b%b[^\n]*\n" % (before, re.escape(self._comment)))
        ends = rb"[%b\n]" % re.escape(self._arrow_delimiter)
        self._at_ends = re.compile(rb"[ \t]++(?=%b)|(?<=%b)[ \t]++|\A[ \t]++" % (ends, ends))
        # How many columns there are: as many as the first record has values.
        self._width: int | None = None
        special = options.delimiter_characters + (options.comment or "")[:1] + (" \t" if options.trim else "")
        self._special |= {character.encode() for character in special}

    def end_of(self, data: bytes, at: int) -> tuple[int, int]:
        """Find where a record or comment ends and the next one begins, in what was given out."""
        if not self._is_raw:
            return super().end_of(data, at)
        start = self._start_of(data, at)
        if self._is_comment(data, start):
            after = self._line_after(data, start) or len(data)
            return after, after
        return super().end_of(data, start)

    def kind_of(self, data: bytes, at: int, end: int) -> Literal["row", "blank", "comment"]:
        """Say what is between two places in what was given out."""
        if not self._is_raw:
            return super().kind_of(data, at, end)
        if self._is_comment(data, self._start_of(data, at)):
            return "comment"
        text = data[at:end]
        if self._by_blanks or (self._options.trim and self._delimiter not in text):
            text = text.strip(b" \t")
        return "row" if text else "blank"

    def split(self, record: bytes) -> list[bytes]:
        """Split one record that was given out into its values: unquoted, or as they stand in the file."""
        if not self._is_raw:
            return super().split(record)
        self._patterns = self._patterns_for(self.line_end or _LF)
        return [self._stripped(value) for value in self._values_of(record, self._start_of(record, 0))]

    def _start_of(self, data: bytes, at: int) -> int:
        """Where the first value of a record begins: blanks before it delimit nothing."""
        return _BLANKS.match(data, at).end() if self._by_blanks else at  # type: ignore[union-attr]

    def _is_comment(self, data: bytes, at: int) -> bool:
        if not self._comment:
            return False
        match = self._before_comment.match(data, at)
        return data.startswith(self._comment, match.end() if match else at)

    def _may_become_comment(self, data: bytes, at: int) -> bool:
        """Whether data end within what may begin a comment."""
        if not self._comment:
            return False
        match = self._before_comment.match(data, at)
        start = match.end() if match else at
        return len(data) - start < len(self._comment) and self._comment.startswith(data[start:])

    def _line_after(self, data: bytes, at: int) -> int | None:
        """Where the next line begins; None where there is none yet."""
        return data.find(self.line_mark, at) + 1 or None

    def _find_line_end(self, data: bytes, *, final: bool) -> bool:
        """Look for what ends the first record or comment; False where that takes more data."""
        if not self._is_comment(data, 0):
            if not final and self._may_become_comment(data, 0):
                return False
            return super()._find_line_end(data, final=final)
        match = first_line_end(data, final=final)
        if match is not None:
            self.line_end = match.group()[-2:]
        elif final:
            self.line_end = _LF
        return self.line_end is not None

    def _checked_end(self, data: bytes) -> int | None:
        """None: every record is scanned."""

    def _scan(self, data: bytes, *, final: bool) -> tuple[bytes, int, RecordError | None]:
        """The whole records of some data as Arrow takes them, where they end, and what is wrong with the next one."""
        self._patterns = self._patterns_for(self.line_end or _LF)
        done: list[bytes] = []
        end = 0
        marks = _Marks(data, [self._quote, self._escape])
        while end < len(data):
            if self._width is not None and not self._is_raw and self.line_end != _CR:
                plain = data.rfind(_LF, end, marks.next(end)) + 1
                if plain > end and (text := self._rewritten(data[end:plain])) is not None:
                    done.append(text)
                    end = plain
                    continue
            if not final and self._may_become_comment(data, end):
                break
            start = self._start_of(data, end)
            if self._is_comment(data, start):
                after = self._line_after(data, start) or (len(data) if final else None)
                if after is None:
                    break
                if self._is_raw:
                    done.append(data[end:after])
                elif self._width is None:
                    self.lines_before += self.count_lines(data[end:after])
                end = after
                continue
            values, after, error = self._record(data, start, final=final)
            if error is not None or not after:
                return b"".join(done), end, error
            done.append(data[end:after] if self._is_raw else self._written(values))
            end = after
        return b"".join(done), end, None

    def _rewritten(self, lines: bytes) -> bytes | None:
        """Whole lines without quotes and escapes as Arrow takes them, at once; None where each must be looked at."""
        if _CR in lines:
            lines = lines.replace(b"\r\n", _LF)
        if _CR in lines or (self._is_split_by_arrow and self._arrow_delimiter in lines):
            return None
        if self._comment and self._comment in lines:
            lines = self._comment_lines.sub(b"", lines)
        if self._by_blanks:
            lines = _INNER_BLANKS.sub(self._arrow_delimiter, _OUTER_BLANKS.sub(b"", lines))
        elif self._is_split_by_arrow:
            lines = lines.replace(self._delimiter, self._arrow_delimiter)
        if self._options.trim and (b" " in lines or b"\t" in lines):
            if self._arrow_delimiter in (b" ", b"\t"):
                return None
            lines = self._at_ends.sub(b"", lines)
        if self._is_lenient:
            within = (self._width or 1) - 1
            counted = ((line, line.count(self._arrow_delimiter)) for line in lines.split(_LF))
            lines = _LF.join(line if not line or n == within else self._fitted(line) for line, n in counted)
        return lines

    def _fitted(self, line: bytes) -> bytes:
        return self._written(line.split(self._arrow_delimiter))[:-1]

    def _record(self, data: bytes, start: int, *, final: bool) -> tuple[list[bytes], int, RecordError | None]:
        """The values of a record and where the next one begins: 0 where data are lacking."""
        patterns = self._patterns
        stop_of = patterns.stop_at_end if final else patterns.stop
        values: list[bytes] = []
        at = start
        doubtful: tuple[int, bytes] | None = None
        while True:
            match = patterns.value.match(data, at)
            stop = match and stop_of.match(data, match.end())
            if not match or not stop:
                reason = self._fault(data, match, final=final)
                places = start, at, match.end() if match else at
                return values, 0, reason and self._error(reason, data, places)
            try:
                values.append(match.group() if self._is_raw else self._translated(self._stripped(match.group())))
            except EscapeError as found:
                return values, 0, self._error(found.reason, data, (start, at, match.end()), found.text)
            if self._has_escaped_end:
                self._has_escaped_end, doubtful = False, doubtful or (at, match.group())
            if stop[1] is None:
                break
            at = stop.end()
        if doubtful is not None and self._is_whole_as_text(data[start : match.end()]):
            return values, 0, self._error("escaped end", data, (start, doubtful[0], doubtful[0]), doubtful[1])
        return values, stop.end(), None

    def _stripped(self, raw: bytes) -> bytes:
        if not self._options.trim:
            return raw
        text = raw.lstrip(b" \t")
        if not self._escape or self._escape not in text or (self._quoting and text.startswith(self._quote)):
            return text.rstrip(b" \t")
        end = len(text.rstrip(b" \t"))
        before = text[:end]
        # A blank behind an escape character is text.
        escapes = len(before) - len(before.rstrip(self._escape))
        return text[: end + 1] if escapes % 2 and end < len(text) else before

    def _translated(self, raw: bytes) -> bytes:
        """A value as it stands in the file, as Arrow takes it."""
        if self._quoting and raw.startswith(self._quote):
            # Arrow cannot distinguish quotes of the file from those that stand for an escape.
            if self._options.quoted_nulls and self._escape and self._escape not in raw:
                text = raw[1:-1].replace(self._quote * 2, self._quote)
                return self._null if text in self._nulls else raw
        elif self._is_split_by_arrow and self._arrow_delimiter in raw and not (self._escape and self._escape in raw):
            return self._quote + raw.replace(self._quote, self._quote * 2) + self._quote
        return super()._translated(raw)

    def _written(self, values: list[bytes]) -> bytes:
        """A record as Arrow takes it, of as many values as there are columns where the options say so."""
        if values != [b""]:
            if self._width is None:
                self._width = max(len(values), self._least)
            lacking = self._width - len(values)
            if lacking > 0 and self._options.missing_values == "null":
                values += [self._null] * lacking
            elif lacking < 0 and self._options.extra_values == "ignore":
                del values[lacking:]
        return self._arrow_delimiter.join(values) + self.line_mark

    def _is_whole_as_text(self, record: bytes) -> bool:
        return self._is_lenient or super()._is_whole_as_text(record)
