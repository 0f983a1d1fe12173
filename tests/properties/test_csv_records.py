"""Quotes, escapes, comments and line ends are read as a simple machine reads them, wherever a block ends."""

from __future__ import annotations

import io
import re
from typing import Any, NamedTuple
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import compression
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.model import Column, ColumnType
from tests.properties.drawn_tables import LAW

DIALECTS: list[dict[str, Any]] = [
    {},
    {"quote_char": "'", "delimiter": ";"},
    {"quote_char": "none"},
    {"escape_char": "\\"},
    {"escape_char": "\\", "quote_char": "none"},
]
PIECES = ["a", "b", ",", ";", '"', "'", '""', "\n", "\r\n", "\r", "\r\r\n", "\\", "\\\\", '\\"', "\\,", "\\\n", "\\N"]
PIECES += ["\\n", "\\x", '"a"', '"a\n"', "\x1f", '5"', '\n"', ',"']
soup = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
CONTROLS = {"0": "\0", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "Z": "\x1a"}


LOOSE: list[dict[str, Any]] = [
    {"comment": "#"},
    {"comment": "#", "quote_char": "none", "trim": True},
    {"comment": "##", "delimiter": "\t", "trim": True},
    {"trim": True},
    {"trim": True, "escape_char": "\\"},
    {"trim": True, "delimiter": " ", "missing_values": "null"},
    {"delimiter": "||"},
    {"delimiter": "¦", "trim": True},
    {"delimiter": "¦", "quote_char": "none"},
    {"delimiter": "\t|", "trim": True, "comment": "#"},
    {"delimiter": "||", "quote_char": "none", "escape_char": "\\"},
    {"delimiter": "||", "escape_char": "\\", "extra_values": "ignore"},
    {"delimiter": "whitespace"},
    {"delimiter": "whitespace", "comment": "#", "missing_values": "null", "extra_values": "ignore"},
    {"delimiter": "whitespace", "quote_char": "none", "escape_char": "\\"},
    {"missing_values": "null"},
    {"extra_values": "ignore", "quote_char": "'"},
    {"missing_values": "null", "extra_values": "ignore", "null_values": ["a"]},
    {"quoted_nulls": True, "null_values": ["a", ""]},
    {"quoted_nulls": True, "null_values": ["a"], "escape_char": "\\"},
    {"skip_footer": 1},
    {"skip_footer": 2, "comment": "#", "skip_rows": 1},
]
LOOSE_PIECES = ["a", "b", ",", "#", "##", " ", "\t", "|", "||", "\t|", '"', '"a"', '"#"', '"a b"', '""', "\n", "\r\n"]
LOOSE_PIECES += [
    "\r",
    "\n#",
    "\n #",
    "\\",
    "\\N",
    "\\\n",
    "\\ ",
    "\\|",
    '" ',
    ' "',
    "\x1d",
    "a,b\n",
    "a b\n",
    "a||b\n",
    "'",
    "¦",
    "£",
]
loose_soup = st.lists(st.sampled_from(LOOSE_PIECES), max_size=25).map("".join)


class RefusedError(Exception):
    """What the machine does not take."""


class Value(NamedTuple):
    """What a file says: a text, and whether it may be null."""

    text: str
    bare: bool
    quoted: bool = False


class Machine:
    """Reads one character at a time."""

    def __init__(self, text: str, options: CsvOptions, end: str | None = None) -> None:
        self.text, self.at, self.options = text, 0, options
        self.delimiter, self.escape = options.delimiter, options.escape_char
        self.by_blanks = options.delimiter == "whitespace"
        self.quote = options.quote_char if options.quotes else None
        self.seen: set[str] = set()
        self.split_at: set[int] = set()
        self.end = "\n"
        self.end = end or self._line_end()

    def _line_end(self) -> str:
        """What ends the first record: found by reading it as in each kind of file."""
        at = 0
        text = self.text
        quoted = False
        start = True
        comment = self._comment_at(0)
        while at < len(text):
            c = text[at]
            if quoted:
                if c == self.escape:
                    at += 2
                    continue
                if c == self.quote:
                    if text[at + 1 : at + 2] == self.quote:
                        at += 2
                        continue
                    quoted = False
                    at += 1
                    while self.options.trim and self._blank_at(at):
                        at += 1
                    if text[at : at + 1] not in ("\r", "\n", "") and not self._delimiter_at(at):
                        return "\n"
                    continue
                at += 1
                continue
            if c == self.escape and not comment:
                at += 3 if text[at + 1 : at + 3] == "\r\n" else 2
                start = False
                continue
            if c in "\r\n":
                rest = text[at:].lstrip("\r")
                return ("\r\n" if c == "\r" else "\n") if rest.startswith("\n") else "\r"
            quoted = start and c == self.quote and not comment
            if self._delimiter_at(at):
                start, at = True, at + (1 if self.by_blanks else len(self.delimiter))
                continue
            start = start and self.options.trim and self._blank_at(at)
            at += 1
        return "\n"

    def _delimiter_at(self, at: int) -> bool:
        return self.text[at : at + 1] in {" ", "\t"} if self.by_blanks else self.text.startswith(self.delimiter, at)

    def _blank_at(self, at: int) -> bool:
        """Whether a blank that delimits nothing is there."""
        return self.text[at : at + 1] in {" ", "\t"} and (self.by_blanks or not self._delimiter_at(at))

    def _comment_at(self, at: int) -> bool:
        while self._blank_at(at):
            at += 1
        return self.options.comment is not None and self.text.startswith(self.options.comment, at)

    def _take_delimiter(self) -> bool:
        if not self.by_blanks:
            return self._take(self.delimiter)
        before = self.at
        while self._blank_at(self.at):
            self.at += 1
        return self.at > before and not self._at_line_end()

    def _take_comments(self) -> None:
        while self.at < len(self.text) and self._comment_at(self.at):
            found = self.text.find(self.end[-1], self.at)
            self.at = len(self.text) if found < 0 else found + 1

    def records(self) -> list[list[Value]]:
        records = []
        while True:
            self._take_comments()
            if self.at == len(self.text):
                return records
            if self.by_blanks:
                while self._blank_at(self.at):
                    self.at += 1
            start, self.split_at = self.at, set[int]()
            record = [self._value()]
            while self._take_delimiter():
                record.append(self._value())
            if self.split_at and self._is_whole_as_text(self.text[start : self.at], len(record)):
                raise RefusedError
            if not self._take_line_end():
                raise RefusedError
            records.append(record)
            if self.seen == {"escape", "text"}:
                raise RefusedError

    def _is_whole_as_text(self, record: str, width: int) -> bool:
        """Whether the lines of a record are as many records where escape characters outside of quotes are text."""
        if (self.options.missing_values, self.options.extra_values) != ("error", "error"):
            return True
        plain = Machine("", self.options)
        plain.text, plain.end = record, self.end
        widths = []
        while plain.at < len(record):
            widths.append(1)
            while True:
                try:
                    plain.skip_literal()
                except RefusedError:
                    return False
                if not plain._take_delimiter():
                    break
                widths[-1] += 1
            if not plain._take_line_end():
                return False
        return widths == [width] * len(widths)

    def _skip_blanks(self) -> None:
        while self.options.trim and self._blank_at(self.at):
            self.at += 1

    def skip_literal(self) -> None:
        """Pass a value in which only quotes make an escape character one."""
        self._skip_blanks()
        if self.quote is not None and self._take(self.quote):
            while not self._take(self.quote) or self._take(self.quote):
                if self.text.startswith(self.quote, self.at):
                    continue
                if self.at == len(self.text):
                    raise RefusedError
                self.at += 2 if self.text[self.at] == self.escape else 1
            self._skip_blanks()
        else:
            while self.at < len(self.text) and not self._delimiter_at(self.at) and self.text[self.at] not in "\r\n":
                self.at += 1

    def _take(self, what: str) -> bool:
        found = self.text.startswith(what, self.at)
        self.at += len(what) if found else 0
        return found

    def _at_line_end(self) -> bool:
        if self.at == len(self.text):
            return True
        if self.end == "\r":
            return self.text[self.at] == "\r"
        rest = self.text[self.at :].lstrip("\r")
        return not rest or rest.startswith("\n")

    def _take_line_end(self) -> bool:
        if not self._at_line_end():
            return False
        if self.end == "\r":
            self._take("\r")
        else:
            self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip("\r"))
            self._take("\n")
        return True

    def _value(self) -> Value:
        self._skip_blanks()
        start = self.at
        quoted = self.quote is not None and self._take(self.quote)
        # What was read, and up to where it is text whatever follows.
        text, kept = "", 0
        if self.escape and self._is_null(start, quoted=quoted):
            return Value(f"{self.escape}N", bare=True)
        while True:
            if quoted:
                if self.at == len(self.text):
                    raise RefusedError
                if self._take(str(self.quote)):
                    if self._take(str(self.quote)):
                        text += str(self.quote)
                        continue
                    break
            elif self._at_line_end() or self._delimiter_at(self.at):
                break
            elif self.end == "\r" and self.text[self.at] == "\n":
                raise RefusedError
            if self.escape and self._take(self.escape):
                text += self._escaped(strict=quoted or self.quote is None)
                kept = len(text)
            else:
                text += self.text[self.at]
                self.at += 1
        raw = self.text[start : self.at]
        is_escaped = bool(self.escape and self.escape in raw)
        if quoted:
            self._skip_blanks()
            return Value(text, bare=self.options.quoted_nulls and not is_escaped, quoted=True)
        if self.options.trim:
            text = text[:kept] + text[kept:].rstrip(" \t")
        return Value(text, bare=not is_escaped and "\r" not in raw)

    def _is_null(self, start: int, *, quoted: bool) -> bool:
        """Whether the value is the escape character and N alone, in quotes or not; if so it is passed."""
        quote = str(self.quote) if quoted else ""
        spelled = f"{quote}{self.escape}N{quote}"
        before, self.at = self.at, start + len(spelled)
        self._skip_blanks()
        if self.text.startswith(spelled, start) and (self._at_line_end() or self._delimiter_at(self.at)):
            return True
        self.at = before
        return False

    def _escaped(self, *, strict: bool) -> str:
        if self.at == len(self.text):
            raise RefusedError
        if self.end == "\r\n" and self._take("\r\n"):
            character = "\r\n"
        else:
            character = self.text[self.at]
            self.at += 1
        special = {self.escape, "\r", "\n", "\r\n", self.quote} | ({'"', "'"} if strict else set())
        special |= {*(" \t" if self.by_blanks else self.delimiter), *(self.options.comment or "")[:1]}
        special |= {" ", "\t"} if self.options.trim else set()
        if strict and character not in special and character not in CONTROLS:
            raise RefusedError
        if not strict:
            if character.endswith("\r" if self.end == "\r" else "\n"):
                self.split_at.add(self.at)
            self.seen.add("escape" if character in special else "text")
        if character in special:
            return character
        return CONTROLS.get(character, "?") if strict else f"{self.escape}{character}"


def expected(text: str, options: CsvOptions) -> list[list[str | None]]:
    """The rows of a file without a header, blank lines left out where they are no rows."""
    end = None
    for _ in range(options.skip_rows):
        found = re.search(r"\r*\n|\r", text)
        if not text:
            raise RefusedError
        end = end or (found and found.group()[-2:])
        text = text[found.end() :] if found else ""
    if options.skip_footer:
        mark = Machine(text, options, end).end[-1]
        lines = text.split(mark)
        if not lines[-1]:
            lines.pop()
        if len(lines) < options.skip_footer:
            raise RefusedError
        text = "".join(line + mark for line in lines[: -options.skip_footer])
    records = Machine(text, options, end).records()
    blank = [Value("", bare=True)]
    first = next((record for record in records if record != blank), None)
    width = len(first) if first else 1
    if width > 1:
        records = [record for record in records if record != blank]
    if options.missing_values == "null":
        records = [record + [Value(options.null_values[0], bare=True)] * (width - len(record)) for record in records]
    if options.extra_values == "ignore":
        records = [record[:width] for record in records]
    if any(len(record) != width for record in records):
        raise RefusedError
    nulls = options.null_spellings
    return [[None if value.bare and value.text in nulls else value.text for value in record] for record in records]


def read(text: str, options: CsvOptions, block: int) -> list[list[str | None]]:
    """The rows as `read_csv` finds them in blocks of a size."""
    with mock.patch.object(compression, "BLOCK", block):
        with CsvSource(lambda: io.BytesIO(text.encode()), "x.csv", options) as source:
            width = source.width or 0
        columns = [Column(f"c{at}", ColumnType("string")) for at in range(width)]
        table = read_csv(lambda: io.BytesIO(text.encode()), "x.csv", columns, options)
    return [list(row.values()) for row in table.to_pylist()]


@settings(LAW, max_examples=1000)
@given(soup, st.sampled_from(DIALECTS), st.sampled_from([1, 2, 3, 5, 8, 1 << 20]))
@example('1,"2"3\n', {}, 1 << 20)
@example('1,5" pipe\n2,"bolt\n3,nut\n', {}, 1 << 20)
@example("one\rtwo\nthree\n", {}, 4)
def test_files_are_read_as_the_machine_reads_them(text: str, dialect: dict[str, Any], block: int) -> None:
    assert_read_as_the_machine_reads(text, dialect, block)


def assert_read_as_the_machine_reads(text: str, dialect: dict[str, Any], block: int) -> None:
    options = CsvOptions.from_mapping({"header": False, **dialect})
    try:
        rows = expected(text, options)
    except RefusedError:
        with pytest.raises(StorageError):
            read(text, options, block)
    else:
        assert read(text, options, block) == rows


@settings(LAW, max_examples=1000)
@given(loose_soup, st.sampled_from(LOOSE), st.sampled_from([1, 2, 3, 5, 8, 1 << 20]))
def test_loose_files_are_read_as_the_machine_reads_them(text: str, dialect: dict[str, Any], block: int) -> None:
    assert_read_as_the_machine_reads(text, dialect, block)
