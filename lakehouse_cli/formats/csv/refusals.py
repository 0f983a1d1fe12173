"""The errors of rows and values that Arrow or a column's type refuses, with the lines they stand on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.errors import DataError, Location, StorageError
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.compression import plain_pieces
from lakehouse_cli.formats.csv.errors import shorten
from lakehouse_cli.formats.csv.options import WHITESPACE, CsvOptions
from lakehouse_cli.formats.csv.source import CsvSource, transcoded
from lakehouse_cli.formats.misfits import ColumnReading, UnfitRows, unfit_values
from lakehouse_cli.text.counts import count_text, plural

_NULL_WORDS = frozenset(
    {"", "-", "--", ".", "?", "m", "na", "n/a", "#n/a", "nan", "nat", "nil", "none", "null", "nul", "\\n"}
)
_ENDS_IN_NAME = re.compile(r"(?P<fraction>\.[0-9]+)? (?P<zone>[A-Z][A-Za-z_]+(?:/[A-Za-z_+-]+)+)\Z")
#: What stands in the place of a day in exports of PostgreSQL, and of MySQL.
_NO_DAY = re.compile(r"-?infinity|0000-00-00(?: 00:00:00(?:\.0+)?)?")


def unreadable(open_source: Opener, name: str, options: CsvOptions, error: Exception) -> StorageError:
    """Make the error of a file that Arrow cannot read even as text.

    Raises:
        StorageError: It holds bytes that are not UTF-8, on that line.
    """
    with open_source() as file:
        for _ in transcoded(plain_pieces(file, name, options.compression), name, options.encoding):
            pass
    why = str(error).splitlines()[0]
    found = StorageError(
        f"`{name}` is not CSV as its options say: {why}",
        hint="check `delimiter`, `quote_char` and `encoding` in its options",
        location=Location(name),
    )
    found.shown_data = (why,)
    return found


def ragged_rows(
    open_source: Opener, name: str, ragged: Sequence[Any], rows: int, options: CsvOptions, names: Sequence[str]
) -> StorageError:
    """Make the error of rows that have more or fewer values than the header, which `rows` others have not."""
    row = ragged[0]
    with CsvSource(open_source, name, options, names=names, is_raw=True) as source:
        _, line, text = next(source.find_rows([row.number]), (0, 1, row.text))
    others = f" (and {plural(len(ragged) - 1, 'more such row')})" if len(ragged) > 1 else ""
    expected = f"{count_text(row.expected_columns)} {'is' if row.expected_columns == 1 else 'are'} expected"
    if "\r" in text:
        hint = "end every line as the first one ends: a CR alone is part of a value here"
    elif options.quotes and re.search(f"{re.escape(options.delimiter)} +{re.escape(options.quote_char)}", text):
        hint = f"set `trim: true` in its options: behind a blank, {options.quote_char} opens no value without it"
    elif options.quotes and options.escape_char and _ends_in_escape(text, options):
        hint = (
            f"if {options.escape_char} is text there, write the file with quotes around every text (Spark: `quoteAll`)"
        )
    elif text.lstrip(" \t").startswith("#") and options.comment is None:
        hint = 'set `comment: "#"` in its options, if lines that begin with # are no data'
    elif not options.header and options.extra_values == "ignore" and row.actual_columns >= len(names):
        # The first row, which says how many values are expected, has more than are declared.
        hint = "set `missing_values: null` in its options too, and rows may be of any length"
    elif not options.header and options.missing_values == "null" and not names:
        hint = "declare its columns, as many as its longest row has values: the first row has fewer"
    elif _may_be_footer(ragged, rows):
        footer = f"set {_skip_footer(open_source, name, options, line)} in its options, if no data begin there"
        other = _ragged_hint(ragged, rows, options)
        likelier, other = (footer, other) if re.search("[A-Za-z]", text) else (other, footer)
        hint = f"{likelier}; or {other}"
    else:
        hint = _ragged_hint(ragged, rows, options)
    found = f"line {count_text(line)} of `{name}` has {plural(row.actual_columns, 'value')}"
    shown = shorten(text)
    error = StorageError(f"{found} where {expected}{others}: {shown}", hint=hint, location=Location(name, line))
    error.shown_data = (shown,)
    return error


def _skip_footer(open_source: Opener, name: str, options: CsvOptions, line: int) -> str:
    """The option that leaves out a line and all behind it."""
    with CsvSource(open_source, name, options, is_raw=True) as source:
        left = source.count_lines() - line + 1
    return f"`skip_footer: {left + options.skip_footer}`"


def _may_be_footer(ragged: Sequence[Any], rows: int) -> bool:
    """Whether other text than rows may begin with the first of these: of what follows the data, few lines fit."""
    first = ragged[0]
    behind = rows + len(ragged) - first.number + 1
    return bool(first.number > 1 and _are_fewer(ragged[:1]) and 2 * len(ragged) > behind)


def _are_fewer(ragged: Sequence[Any]) -> bool:
    return all(row.actual_columns < row.expected_columns for row in ragged)


def _ends_in_escape(text: str, options: CsvOptions) -> bool:
    """Whether an escape character stands before a delimiter or line end, as behind a text of Spark that ends in one."""
    ends = (options.arrow_delimiter, "\n", "\r")
    return any(f"{options.escape_char}{end}" in text for end in ends)


def _ragged_hint(ragged: Sequence[Any], rows: int, options: CsvOptions) -> str:
    """What to do about rows of another length, by what they have in common."""
    shown = "blanks" if options.delimiter == WHITESPACE else repr(options.delimiter)
    beyond = [row.actual_columns - row.expected_columns for row in ragged]
    if _are_fewer(ragged):
        lacking = "set `missing_values: null` in its options, if values at the end of a row may be missing"
        return f"{lacking}; or {_other(options)}"
    ends = [options.arrow_delimiter * extra for extra in beyond]
    if all(end and row.text.rstrip("\r\n").endswith(end) for row, end in zip(ragged, ends, strict=True)):
        return f"set `extra_values: ignore` in its options: {shown} ends the line, and nothing follows it"
    if options.header and not rows and set(beyond) == {1}:
        lacking = (
            "its header lacks a name, as R leaves out that of row names: "
            f"set `header: false` and `skip_rows: {options.skip_rows + 1}` in its options, "
            "and declare all columns by position"
        )
        if options.delimiter == "," and all(re.match('[^"].*[0-9],[0-9]', row.text) for row in ragged):
            return f"if a comma is a decimal point, put quotes around such values; if not, {lacking}"
        return lacking
    lenient = "`extra_values: ignore`" if min(beyond) > 0 else "`missing_values: null` and `extra_values: ignore`"
    quoted = (
        f"put quotes around values that hold {shown}"
        if options.quotes
        else "remove `quote_char: none` if it quotes values"
    )
    return f"{quoted}, or {_other(options)}; if the first values of such rows are right, set {lenient}"


def _other(options: CsvOptions) -> str:
    return "set another `delimiter` in its options" if options.delimiter != "," else "set `delimiter` in its options"


def unfit_rows(open_source: Opener, name: str, options: CsvOptions, names: Sequence[str]) -> UnfitRows:
    """Make what keeps the rows with values that do not fit."""
    return UnfitRows(lambda _, misfit: shorten(misfit[1]), partial(_find_lines, open_source, name, options, names))


def unfit_cells(
    open_source: Opener,
    name: str,
    readings: Sequence[ColumnReading],
    rows: int,
    options: CsvOptions,
    names: Sequence[str],
    every: UnfitRows,
) -> DataError:
    """Make the error of values that do not fit their columns."""
    kept = sorted({row for each in readings for row, _, _ in each.misfits})
    examples = [row for each in readings for row, _, _ in each.examples]
    unfit = [each for each in readings if each.count]
    is_first_row = options.header and rows > 1 and len(unfit) > 1 and examples == [1] * len(unfit)
    lines = _find_lines(open_source, name, options, names, kept)
    explain = _first_row_reasons if is_first_row else _reasons
    if _are_footer(unfit, kept, rows):
        line = lines[kept[0]]
        footer = _skip_footer(open_source, name, options, line)
        hint = f"if no data begin on line {count_text(line)}, set {footer} in its options"
        explain = partial(_reasons_behind, hint=hint)
    return unfit_values(name, readings, rows, every, explain=explain, lines=lines)


def _are_footer(unfit: Sequence[ColumnReading], misfit_rows: Sequence[int], rows: int) -> bool:
    """Whether other text than rows may begin begin."""
    if 2 * len(misfit_rows) > rows or list(misfit_rows) != list(range(rows - len(misfit_rows) + 1, rows + 1)):
        return False
    values = next((each.misfits for each in unfit if each.position == 0 and not _is_boolean(each.type)), ())
    return [row for row, _, _ in values] == list(misfit_rows) and all(
        re.match("[^\\W\\d_]", value) and value.strip().casefold() not in _NULL_WORDS for _, value, _ in values
    )


def find_lines(open_source: Opener, name: str, rows: Sequence[int], options: CsvOptions) -> dict[int, int]:
    """Find the lines on which rows begin, both counted from 1."""
    return _find_lines(open_source, name, options, (), rows)


def _find_lines(
    open_source: Opener, name: str, options: CsvOptions, names: Sequence[str], rows: Sequence[int]
) -> dict[int, int]:
    with CsvSource(open_source, name, options, names=names, is_raw=True) as source:
        return {row: line for row, line, _ in source.find_rows(rows)}


def _reasons(reading: ColumnReading) -> tuple[str, str, str]:
    """Why the first value does not fit, why all that are shown do not, and what to do next."""
    options = reading.options
    explained = [_explained(value, reading.type, options) for _, value, _ in reading.examples]
    first = explained[0] or ("", _hint(reading, options))
    # The first of each kind, which has a hint of its own.
    reasons: dict[str, str] = {}
    for why, hint in (first, *filter(None, explained)):
        reasons.setdefault(hint, why)
    return first[0], "; ".join(filter(None, reasons.values())), "; ".join(reasons)


def _first_row_reasons(reading: ColumnReading) -> tuple[str, str, str]:
    """The reasons where the first row alone does not fit, and in several columns."""
    skipped = reading.options.skip_rows_after_header + 1
    hint = f"if the row behind the header is no data, set `skip_rows_after_header: {skipped}` in the options"
    return _reasons_behind(reading, hint)


def _reasons_behind(reading: ColumnReading, hint: str) -> tuple[str, str, str]:
    """The reasons, behind the hint of what else may be the case."""
    first, why, other = _reasons(reading)
    return first, why, f"{hint}; else {other}"


def _explained(value: str, kind: pa.DataType, options: CsvOptions) -> tuple[str, str] | None:
    """Why a value does not fit, and what to do, where there is more to say than that it does not."""
    kind = plain_type(kind)
    if pa.types.is_temporal(kind):
        from lakehouse_cli.formats.csv.strptime import explain

        return explain(value, kind, options)
    if pa.types.is_nested(kind):
        from lakehouse_cli.formats.csv.nested import explain_number, parse_json

        return explain_number(parse_json(value), kind, options)
    return None


def _is_boolean(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(plain_type(kind)))


def _hint(reading: ColumnReading, options: CsvOptions) -> str:
    t, kind = pa.types, reading.type
    # A boolean column has few words: all of them count, not some examples.
    values = [value for _, value, _ in (reading.misfits if _is_boolean(kind) else reading.examples)]
    has_days = t.is_timestamp(kind) or t.is_date(kind)
    nulls = [
        each for each in values if each.strip().casefold() in _NULL_WORDS or (has_days and _NO_DAY.fullmatch(each))
    ]
    if len(nulls) == len(values):
        return _null_hint(nulls, options)
    if options.comment and all(options.comment in value for value in values):
        return "`comment` leaves out whole lines, and behind a value it is text: put the comment on a line of its own"
    from lakehouse_cli.formats.csv.hints import spelling_hint

    if hint := spelling_hint([each for each in values if each not in nulls], kind, options, reading.known):
        own = reading.column.options if reading.column else ()
        # What the column sets itself is not changed in the options of the table.
        if any(f"`{name}:" in hint for name in own):
            hint = hint.replace("in the options", "in the column")
        return f"{hint}; {_null_hint(nulls, options)}" if nulls else hint
    if t.is_timestamp(kind) and not options.timestamp_format:
        if (named := _ENDS_IN_NAME.search(values[0])) and all(value.endswith(named["zone"]) for value in values):
            form = f'"%Y-%m-%d %H:%M:%S{".%f" if named["fraction"] else ""} {named["zone"]}"'
            return f"declare `timestamp[{kind.unit}, tz={named['zone']}]` with `timestamp_format: {form}` in the column"
        return "ISO 8601 is expected, or `timestamp_format` in the column or in the options, such as `%d/%m/%Y %H:%M`"
    if t.is_date(kind) and not options.date_format:
        return "YYYY-MM-DD is expected, or `date_format` in the column or in the options, such as `%d/%m/%Y`"
    return "correct the file, declare another type, or add what stands for null to its `null_values`"


def _null_hint(words: Sequence[str], options: CsvOptions) -> str:
    different = list(dict.fromkeys(words))
    spellings = json.dumps([*options.null_values, *different], ensure_ascii=False)
    verb = "stands" if len(different) == 1 else "stand"
    return f"if {' and '.join(map(repr, different))} {verb} for null, set `null_values: {spellings}` in the column"
