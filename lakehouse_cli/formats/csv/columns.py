"""The columns of a CSV file to read: found by the names in its header, or by position."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import DataError, Location, StorageError
from lakehouse_cli.formats.csv.errors import shorten
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.formats.misfits import ColumnReading
from lakehouse_cli.formats.missing_columns import check_positions, missing_columns
from lakehouse_cli.model import Column
from lakehouse_cli.text.counts import count_text, plural

_TEXT = pa.string()
# A line in quotes, and one that sets the header apart from the rows, as psql and Markdown have.
_IN_QUOTES = re.compile(rb'"(?:[^"]|"")*"')
_BLANK_BEFORE_QUOTES = re.compile(r"""[ \t]+(["']).*\1[ \t]*""")
_RULE = re.compile(rb"[|+: -]*-[|+: -]*")
# How many positions of columns of one name are shown.
_LISTED = 3
# How many lines of other text are looked for above a header.
_LINES_ABOVE = 5


def names_by_position(columns: Sequence[Column]) -> list[str]:
    """List what the columns of a file without a header are called, up to the last that is declared; "" for others."""
    names = {
        at if type(column.from_) is not int else column.from_ - 1: column.name for at, column in enumerate(columns)
    }
    return [names.get(at, "") for at in range(max(names, default=-1) + 1)]


def find_columns(source: CsvSource, columns: Sequence[Column] | None) -> list[ColumnReading]:
    """Find the columns to read.

    Args:
        source: The file.
        columns: As declared; None for all, as text.

    Raises:
        DataError: Columns that are missing.
        StorageError: A name that two columns have, or a column without a name.
    """
    if columns is None:
        return _all_columns(source)
    places = _places(source, columns)
    return [ColumnReading(each.name, to_arrow(each.type), each, at) for each, at in zip(columns, places, strict=True)]


def _all_columns(source: CsvSource) -> list[ColumnReading]:
    _check_zeros(source)
    names = source.header
    if names is None:
        names = tuple(f"column_{at + 1}" for at in range(source.width or 0))
    if "" in names:
        at = names.index("") + 1
        raise StorageError(
            f"column {at} of `{source.name}` has no name",
            hint=f"declare the columns to read; this one by its position: `index: {{type: …, from: {at}}}`",
            location=_header_line(source),
        )
    _check_unique(source, names)
    return [ColumnReading(name, _TEXT, None, at) for at, name in enumerate(names)]


def _header_line(source: CsvSource) -> Location:
    return Location(source.name, max(1, source.first_line - 1))


def _check_unique(source: CsvSource, names: Sequence[str]) -> None:
    header = source.header or ()
    counts = Counter(header)
    for name in names:
        if counts[name] > 1:
            message = f"`{source.name}` has {count_text(counts[name])} columns named `{name}`"
            positions = [at + 1 for at, other in enumerate(header) if other == name]
            hint = (
                f"declare the columns to read, and say which of them by its position: "
                f"`from: {' or `from: '.join(f'{at}`' for at in positions[:_LISTED])}"
            )
            raise StorageError(message, hint=hint, location=_header_line(source))


def _places(source: CsvSource, columns: Sequence[Column]) -> list[int]:
    """Where the columns are, from 0: where `from` says, by their names in the header, or in their order."""
    width = source.width
    if source.header is None and not any(column.from_ for column in columns):
        if width is not None and width < len(columns):
            reason = f"it has {plural(width, 'column')}, {count_text(len(columns))} are declared"
            raise _missing(source, columns[width:], columns, reason)
        return list(range(len(columns)))
    wanted = [column.from_ or column.name for column in columns]
    found = {name: at for at, name in enumerate(source.header or ())}
    missing = [each for each, name in zip(columns, wanted, strict=True) if name not in found and type(name) is str]
    if missing:
        raise _missing(source, missing, columns, "the file has no such column")
    names = [name for name in wanted if type(name) is str]
    _check_unique(source, names)
    if len(names) == len(wanted):
        return [found[name] for name in names]
    if width is not None:
        check_positions(source.name, columns, width, _header_line(source).line)
    return [name - 1 if isinstance(name, int) else found[name] for name in wanted]


def _check_zeros(source: CsvSource) -> None:
    """Refuse UTF-16 without a byte order mark, where the header is not what was expected."""
    if any("\0" in name for name in source.header or ()):
        raise StorageError(
            f"the header of `{source.name}` holds zero bytes, as UTF-16 does",
            hint="set `encoding` in its options, such as `utf-16-le`",
            location=Location(source.name, 1),
        )


def _missing(source: CsvSource, missing: Sequence[Column], declared: Sequence[Column], reason: str) -> DataError:
    _check_zeros(source)
    header = [name for name in source.header or () if name]
    wanted = [str(column.from_ or column.name) for column in declared if type(column.from_) is not int]
    hint = _header_hint(source, header, [str(column.from_ or column.name) for column in missing], wanted)
    nameless = next((at + 1 for at, name in enumerate(source.header or ()) if not name), None)
    error = missing_columns(
        source.name,
        missing,
        header,
        declared,
        reason=reason,
        otherwise="check `delimiter` and `header` in its options",
        hint=hint,
        headed=True,
        nameless=nameless,
        line=_header_line(source).line,
    )
    error.shown_data += tuple(f"`{shorten(name)}`" for name in header if name not in wanted)
    return error


def _header_hint(source: CsvSource, header: Sequence[str], missing: Sequence[str], wanted: Sequence[str]) -> str | None:
    """What to do where the header is there, but on another line, or not split into its names."""
    if hint := _trimmed_hint(header, set(missing)):
        return hint
    if header and header[0].lstrip(" \t").startswith("#"):
        if not set(missing) & {header[0].lstrip(" \t#")}:
            return 'its first line is a comment: set `comment: "#"` in its options'
        return f"the file calls it `{header[0]}`: declare it with `from: {json.dumps(header[0], ensure_ascii=False)}`"
    if header and (delimiter := header[0].removeprefix("sep=")) != header[0]:
        split = f" and `delimiter: {_quoted(delimiter)}`" if delimiter else ""
        return f"its first line is for Excel, and names the delimiter: set `skip_rows: 1`{split} in its options"
    if hint := _other_line_hint(source, wanted):
        return hint
    if len(header) != 1:
        return None
    (line,) = header
    behind = source.next_line
    if _IN_QUOTES.fullmatch(behind) and any(mark in line and mark.encode() in behind for mark in ",;\t|"):
        return "each row is in quotes as a whole: take these off in the file, and make one quote of each two inside"
    for delimiter, names in _splits(line):
        found = f"its header is `{shorten(line)}`: set `delimiter: {delimiter}`"
        if set(missing) <= set(names):
            return f"{found} in its options"
        if set(missing) <= {name.strip(" \t") for name in names}:
            more = ", `trim: true` and `skip_rows_after_header: 1`" if _RULE.fullmatch(behind) else " and `trim: true`"
            return f"{found}{more} in its options"
    other = next((mark for mark in ";\t|," if mark in line), None)
    return f"its header is `{shorten(line)}`: set `delimiter: {_quoted(other)}` in its options" if other else None


def _other_line_hint(source: CsvSource, wanted: Sequence[str]) -> str | None:
    """What to do where the header is another line."""
    if source.header is None:
        return None
    above = source.header_behind_comment()
    if set(wanted) <= set(above):
        positions = " and ".join(f"`from: {above.index(name) + 1}` for `{name}`" for name in wanted)
        return (
            "its header is left out as a comment: set `header: false` in its options, "
            f"and give the columns their positions, {positions}"
        )
    # The line that was taken for it is left out, and some behind it.
    for lines in range(source.first_line - 1, source.first_line - 1 + _LINES_ABOVE):
        if set(wanted) <= set(source.header_with(skip_rows=lines)):
            return f"its header is further down: set `skip_rows: {lines}` in its options"
    return None


def _trimmed_hint(header: Sequence[str], missing: set[str]) -> str | None:
    """What to do where names have blanks or quotes around them."""
    if header and missing <= {name.strip(" \t") for name in header}:
        return "its header has blanks around names: set `trim: true` in its options"
    quoted = [name for name in header if name.strip(" \t")[-1:] in ("'", '"')]
    are_behind_blanks = quoted and all(_BLANK_BEFORE_QUOTES.fullmatch(name) for name in quoted)
    if are_behind_blanks and missing <= {name.strip(" \t'\"") for name in header}:
        return "its header has blanks before quotes: set `trim: true` in its options"
    if header and missing <= {name.strip(" \t'") for name in header}:
        return """its header has quotes around names: set `quote_char: "'"` in its options"""
    return None


def _quoted(delimiter: str) -> str:
    """A delimiter as it stands in YAML, where a tab is one in double quotes alone."""
    return f'"{delimiter}"'.replace("\t", r"\t") if "\t" in delimiter else repr(delimiter)


def _splits(line: str) -> Iterator[tuple[str, list[str]]]:
    """Delimiters that a line may have, as an option says them, and what is between them."""
    for delimiter in ("||", "::", "\t|", ";", "\t", "|", ",", ":", "^", "~", "¦", "§"):
        if delimiter in line:
            yield _quoted(delimiter), line.split(delimiter)
    words = re.split("[ \t]+", line.strip(" \t"))
    if len(words) > 1:
        yield "whitespace", words
