"""The dialect of a CSV file: delimiter, quotes, what stands before the header and behind the data, and the header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.inference.csv_sample import DELIMITERS, TextSample
from lakehouse_cli.text.abbreviation import cut_end

_ROWS = 20_000
_JUDGED = 400
# Of rows from the first one on, how many must have as many values as most.
_AGREEING = 0.9
_MOST_FOOTER = 50
_MOST_FOOTER_VALUES = 2
_SHOWN = 40
_PLAIN = re.compile(
    r"[-+]?[$€£]?\d[\d.,' ]*%?|[-+]?\d*[.,]\d+(?:[eE][-+]?\d+)?"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T][\d:.]+Z?)?|[\w .'()/&-]*"
)
# As Excel reads it: the delimiter, in a line of its own.
_SEPARATOR = re.compile(r"sep=(.)\r?\n")
_WORDS = re.compile(r'"(?:[^"]|"")*"|\S+')
_ESCAPED_WORDS = re.compile(r'"(?:[^"\\]|\\.|"")*"|\S+')
# Blanks by which columns are aligned: no text has them.
_ALIGNED = re.compile(r"\S(?: {2}|\t)[ \t]*\S")
WHITESPACE = "whitespace"
_COMMENT = "#"


class Dialect(Struct, frozen=True):
    """How a file is divided into rows and values.

    Attributes:
        options: As the project file has them, those that are not the defaults.
        width: Values of a row.
        header: The names in the file, as far as it has them.
        above: The line that stands right above the header or the first row, as far as it is read as values.
        header_is_short: Whether the header lacks the name of the first column, as R writes it.
        lines: The first rows as they would be values of one column, where single blanks alone divide them.
        comments: What is in doubt.
    """

    options: Mapping[str, Any]
    width: int
    header: Sequence[str] = ()
    above: Sequence[str] = ()
    header_is_short: bool = False
    lines: Sequence[str] = ()
    comments: Sequence[str] = ()


class _Reading(Struct):
    """Rows of the beginning of a file by one set of marks."""

    delimiter: str
    quote: str
    escape: str | None
    trim: bool
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    width: int = 1
    start: int = 0
    score: float = 0.0
    has_comments: bool = False

    @property
    def marks(self) -> dict[str, Any]:
        """As options, those that are not the defaults."""
        found: dict[str, Any] = {}
        if self.delimiter != ",":
            found["delimiter"] = self.delimiter
        if self.quote != '"':
            found["quote_char"] = self.quote
        if self.escape:
            found["escape_char"] = self.escape
        if self.trim:
            found["trim"] = True
        return found


def find_dialects(sample: TextSample) -> Iterator[Dialect]:
    """Return the dialects that the beginning of a file may be in, the likeliest first; the last fits any text."""
    text = sample.head
    if not sample.is_whole:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    readings = [each for each in _readings(text) if each.score > 0]
    # Equal scores keep their order: the likelier delimiter first.
    for reading in sorted(readings, key=lambda each: -each.score):
        dialect = _dialect(reading, sample)
        yield dialect
        if "skip_footer" in dialect.options:  # lines of a value in quotes may look like one
            options = {name: value for name, value in dialect.options.items() if name != "skip_footer"}
            yield replace(dialect, options=options)
    yield from _nearly(text)
    unused = sample.unused or "\x1f"
    for quote in ('"', "none"):
        single = _Reading(unused, quote, None, trim=False)
        single.rows = [(line, [row]) for line, row in enumerate(text.splitlines())]
        yield _dialect(single, sample)


def _nearly(text: str) -> Iterator[Dialect]:
    """The dialect of which a file would be, were it not for some of its lines, so that these are named."""
    lines = [line for line in text.splitlines()[:_ROWS] if line.strip()]
    for delimiter in DELIMITERS:
        widths = Counter(line.count(delimiter) + 1 for line in lines)
        width, count = max(widths.items(), key=lambda pair: pair[1], default=(1, 0))
        if width > 1 and 2 * count > len(lines):
            yield Dialect({} if delimiter == "," else {"delimiter": delimiter}, width)


def _readings(text: str) -> Iterator[_Reading]:
    for delimiter in (*DELIMITERS, WHITESPACE):
        if delimiter != WHITESPACE and delimiter not in text:
            continue
        for quote, escape in (('"', None), ('"', "\\"), ("'", None), ("none", "\\"), ("none", None)):
            if (quote != "none" and quote not in text) and (quote, escape) != ('"', None):
                continue
            if escape and '\\"' not in text and (quote != "none" or not _has_escapes(text, delimiter)):
                continue
            if delimiter == WHITESPACE and quote != '"':
                continue
            reading = _read(text, delimiter, quote, escape)
            if reading is not None:
                _rate(reading)
                yield reading
                if all(len(row) == 1 for _, row in reading.rows):
                    break  # what other quotes would divide is in quotes


def _has_escapes(text: str, delimiter: str) -> bool:
    """Whether delimiters or null are written with backslashes, as databases do without quotes."""
    return f"\\{delimiter}" in text or "\\N" in text


def _read(text: str, delimiter: str, quote: str, escape: str | None) -> _Reading | None:
    """The rows by some marks; None where quotes are not closed or have text behind them."""
    if delimiter == WHITESPACE:
        found = _Reading(delimiter, quote, escape, trim=False)
        lines = islice(enumerate(text.splitlines()), _ROWS)
        words = _ESCAPED_WORDS if escape else _WORDS
        found.rows = [(line, [_unquoted(word) for word in words.findall(row)]) for line, row in lines if row.strip()]
        return found
    trim = delimiter != "\t" and _has_blanks(text, delimiter)
    found = _Reading(delimiter, quote, escape, trim)
    named = _SEPARATOR.match(text)
    if named and named[1] != delimiter:
        return None
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=None if quote == "none" else quote,
        escapechar=escape,
        doublequote=True,
        skipinitialspace=trim,
        quoting=csv.QUOTE_NONE if quote == "none" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    line = 0
    try:
        for row in islice(reader, _ROWS):
            if row and row != [""] and not (named and not line):
                found.rows.append((line, [value.strip(" \t") for value in row] if trim else row))
            line = reader.line_num
    except csv.Error:
        # What stands before the header, or behind the data, may have quotes of its own.
        if len(found.rows) < _JUDGED or quote == "none":
            return None
    return found


def _unquoted(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word


def _has_blanks(text: str, delimiter: str) -> bool:
    """Whether a blank stands behind each delimiter, with few exceptions: then it belongs to none of the values."""
    part = text[:65_536]
    count = part.count(delimiter)
    return bool(count) and part.count(delimiter + " ") == count


def _rate(reading: _Reading) -> None:
    """Rate how well rows agree, and their values look like ones; 0 where they are no table of several columns."""
    widths = Counter(len(row) for _, row in reading.rows if not row[0].startswith(_COMMENT))
    width = max(widths, key=lambda each: (widths[each] * (each > 1), each), default=1)
    if width < 2:
        return
    if widths[width] == 1 and _is_header_alone([row for _, row in reading.rows], width, reading.delimiter):
        return
    reading.has_comments = _has_comments([row for _, row in reading.rows], width)
    if reading.has_comments:
        reading.rows = [(line, row) for line, row in reading.rows if not row[0].startswith(_COMMENT)]
    first = next(at for at, (_, row) in enumerate(reading.rows) if len(row) == width)
    behind = [row for _, row in reading.rows[first:]]
    last = next(at for at in range(len(behind), 0, -1) if len(behind[at - 1]) == width)
    inside = behind[:last] if len(behind) - last <= _MOST_FOOTER and reading.delimiter != WHITESPACE else behind
    agreeing = sum(len(row) == width for row in inside) / len(inside)
    if agreeing < _AGREEING or len(inside) * 2 < len(reading.rows):
        return
    cells = [value.strip() for row in inside[:_JUDGED] if len(row) == width for value in row]
    plain = sum(_PLAIN.fullmatch(value) is not None for value in cells) / len(cells)
    stray = sum(any(mark in value for mark in (";", "\t", "|") if mark != reading.delimiter) for value in cells) / len(
        cells
    )
    reading.width, reading.start = width, first
    reading.score = agreeing * agreeing * len(inside) / len(reading.rows) * (0.2 + plain) * (1 - stray / 2)
    if reading.delimiter != "\t" and any("\t" in value for value in cells):
        reading.score *= 0.3  # hardly any text holds a tab
    if reading.delimiter == WHITESPACE:
        reading.score *= 0.5  # words of a text are divided so as well
    if reading.quote == "none" and any('"' in value for _, row in reading.rows for value in row):
        reading.score *= 0.5
    if reading.quote == "'":
        reading.score *= 0.7


def _is_header_alone(rows: Sequence[Sequence[str]], width: int, delimiter: str) -> bool:
    """Whether a mark divides one line, and none of those below; a comma, which CSV is named by, may do so."""
    at = next(at for at, row in enumerate(rows) if len(row) == width and not row[0].startswith(_COMMENT))
    return delimiter == WHITESPACE or (delimiter != "," and any(len(row) == 1 for row in rows[at + 1 :]))


def _has_comments(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether lines that begin with the mark are no rows: those of a row's length stand before the header alone."""
    at = next(at for at, row in enumerate(rows) if not row[0].startswith(_COMMENT))
    if any(row[0].startswith(_COMMENT) and len(row) == width for row in rows[at:]):
        return False
    is_header = at == 1 and len(rows[0]) == width
    return not is_header and any(row[0].startswith(_COMMENT) for row in rows)


def _dialect(reading: _Reading, sample: TextSample) -> Dialect:
    options, notes = reading.marks, [sample.comment] if sample.comment else []
    if sample.encoding != "utf-8":
        options["encoding"] = sample.encoding
    rows, start, width = reading.rows, reading.start, reading.width
    if width > 1:
        # A header with another number of values than rows have.
        start = _header_before(rows, start, width)
    line = rows[start][0] if rows else 0
    header = rows[start][1] if rows else []
    before = [row for _, row in rows[:start]]
    above = before[-1] if before and not _is_title(reading, sample.head, start) else ()
    if reading.has_comments:
        options["comment"] = _COMMENT
    if reading.quote == "none" and '"' in sample.head:
        notes.append("quotes are text")
    if line and (any(any(row) for row in before) or _SEPARATOR.match(sample.head)):
        options["skip_rows"] = line
    is_short = len(header) == width - 1 and width > 1
    if is_short and _is_delimited_at_end(rows[start + 1 :], width):
        options["extra_values"] = "ignore"
        is_short = False
    if len(header) > width:
        options["missing_values"] = "null"
    if is_short and not _are_row_names(reading, sample.head, start):
        is_short, above, options["skip_rows"] = False, header, line + 1
    elif is_short:
        options["header"] = False
        options["skip_rows"] = line + 1
        notes.append("the header lacks the name of the first column")
    footer, shown = _footer(reading, sample)
    if footer and len(rows) > start + 1:
        options["skip_footer"] = footer
        notes.append(f"no data at the end: `{cut_end(shown, _SHOWN)}`")
    has_words = reading.delimiter == WHITESPACE and '"' not in sample.head and not _ALIGNED.search(sample.head)
    lines = [" ".join(row) for _, row in rows[start + 1 : start + _JUDGED]] if has_words else ()
    return Dialect(options, width, header, above, is_short, lines, notes)


def _is_title(reading: _Reading, text: str, start: int) -> bool:
    """Whether what stands above a header is a title: a blank line sets it apart from names that are all in quotes.

    Such a line is no text of one column, which would end with its first quote.
    """
    if reading.quote == "none" or any(len(row) != reading.width for _, row in reading.rows[start:]):
        return False
    lines = io.StringIO(text, newline="").readlines()
    line, names = reading.rows[start]
    quoted = reading.delimiter.join(f"{reading.quote}{name}{reading.quote}" for name in names)
    return bool(line) and reading.width > 1 and not lines[line - 1].strip() and lines[line].strip() == quoted


def _header_before(rows: Sequence[tuple[int, list[str]]], start: int, width: int) -> int:
    """Where the header is, if it is one value longer or shorter than rows: right before the first of these."""
    if not start:
        return start
    line, row = rows[start - 1]
    is_next = rows[start][0] - line == 1
    is_header = len(row) == width - 1 or (len(row) == width + 1 and not row[-1])
    looks_so = len(row) > 1 and looks_like_names(row[: width - 1])
    return start - 1 if is_next and is_header and looks_so else start


def looks_like_names(row: Sequence[str]) -> bool:
    """Return whether values may well be names of columns."""
    return all(value and not value[:1].isdigit() for value in row)


def _are_row_names(reading: _Reading, text: str, start: int) -> bool:
    """Whether the first values of rows may be names that R wrote: no part of a value that holds the delimiter."""
    names = [row[0] for _, row in reading.rows[start + 1 :]]
    if len({*names}) < len(names) or "" in names:
        return False
    lines = text.splitlines()
    is_quoted = reading.quote != "none" and all(
        lines[line].startswith(reading.quote) for line, _ in reading.rows[start + 1 :] if line < len(lines)
    )
    return is_quoted or reading.delimiter == "\t" or names == [str(at) for at in range(1, len(names) + 1)]


def _is_delimited_at_end(rows: Sequence[tuple[int, list[str]]], width: int) -> bool:
    """Whether the last value of all rows is nothing, as where a delimiter ends each line."""
    return all(not row[-1] for _, row in rows if len(row) == width)


def _footer(reading: _Reading, sample: TextSample) -> tuple[int, str]:
    """Count the lines behind the last row, blank ones included, with the first of them that says something."""
    if reading.width == 1 or reading.delimiter == WHITESPACE:
        return 0, ""
    lines = (sample.head if sample.is_whole else sample.tail).splitlines()[1:]
    shown, has_blank = "", False
    for count, line in enumerate(reversed(lines[-_MOST_FOOTER - 1 :])):
        parsed = _read(line + "\n", reading.delimiter, reading.quote, reading.escape)
        values = parsed.rows[0][1] if parsed is not None and parsed.rows else []
        if len(values) > _MOST_FOOTER_VALUES or len(values) >= reading.width:
            # Behind rows of two values, one alone may be a row that lacks the other.
            return (count, shown) if shown and (has_blank or reading.width > _MOST_FOOTER_VALUES) else (0, "")
        if line.strip() and not values:
            break  # inside of a quoted value, perhaps
        shown, has_blank = line.strip() or shown, has_blank or not line.strip()
    return 0, ""
