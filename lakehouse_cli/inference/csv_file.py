"""A CSV file: its dialect found by reading all of it, then the types of its columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import DataError, LakehouseError, Location, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv, read_pieces
from lakehouse_cli.inference.candidates import NULL_MARKS, all_candidates, candidates_for
from lakehouse_cli.inference.csv_reading import CsvReading, Progress, RaggedRow, read_all
from lakehouse_cli.inference.csv_sample import read_sample
from lakehouse_cli.inference.decision import NUMBERS, Decision, decide, fitting_types, written_type
from lakehouse_cli.inference.description import InferredColumn, InferredTable
from lakehouse_cli.inference.dialect import Dialect, find_dialects, looks_like_names
from lakehouse_cli.inference.evidence import ColumnEvidence
from lakehouse_cli.inference.names import column_names, is_id
from lakehouse_cli.model import Column, parse_column_type
from lakehouse_cli.text.counts import count_text, plural

_REMOVE = "remove lines that are no header"
_YEARS, _FEW = (1800, 2100), 3
# A cell that may be a value, though it is none of its column, as `09` among 50 and 10; and one that is surely a name.
_NUMBER = re.compile(r"[-+]?[0-9.][0-9.,' ]*(?:[eE][-+]?[0-9]+)?")
_NAME = re.compile(r"[^\d+\-]*[^\W\d]|(?:1[89]|20)[0-9]{2}[-/][0-9]{2}(?:[0-9]{2})?$")


class _OneColumnError(StorageError):
    """Rows below a line of one value: that may be the header of one column, whose values hold the delimiter."""

    question = f"one column, or several below a title? Then {_REMOVE}"


class _WordsError(_OneColumnError):
    """Rows that single blanks divide, or that are values of one column."""

    question = "one column, or several? Then set `delimiter: whitespace`, and declare them"


def infer_csv(open_source: Opener, name: str, progress: Progress) -> InferredTable:
    """Find out how a file is read, exactly.

    Args:
        open_source: Opens its bytes; called more than once.
        name: The file as messages show it.
        progress: Is told of the bytes of each block.

    Raises:
        LakehouseError: It is empty or no CSV: no dialect fits all of it.
    """
    sample = read_sample(open_source, name)
    first: LakehouseError | None = None
    doubt: _OneColumnError | None = None  # then `first` is that
    for dialect in find_dialects(sample):
        if first is not doubt and dialect.width == 1:
            break  # a table of several columns with a fault is no text of one
        if doubt is not None and dialect.width > 1 and {"skip_rows", "quote_char"} & {*dialect.options}:
            continue  # a likelier way to divide lines left none out
        try:
            found = _read_by(open_source, name, dialect, progress)
            return found if doubt is None or dialect.width > 1 else _as_one_column(found, doubt)
        except _OneColumnError as error:
            first, doubt = first or error, doubt or error
        except (StorageError, DataError, pa.ArrowInvalid) as error:
            first = first or (error if isinstance(error, LakehouseError) else None)
    raise first or StorageError(f"`{name}` is no CSV: its rows differ in length", location=Location(name))


def _read_by(open_source: Opener, name: str, dialect: Dialect, progress: Progress) -> InferredTable:
    options, notes = dict(dialect.options), list(dialect.comments)
    reading = read_all(open_source, name, options, progress)
    if reading is None:
        raise StorageError(f"`{name}` has no line with anything in it", location=Location(name))
    if reading.ragged:
        notes.append(_allow_ragged(open_source, name, reading, options))
        reading = read_all(open_source, name, options, progress) or reading
    reading = _read_again(open_source, name, options, reading, progress)
    if not dialect.header_is_short:
        _check_line_above(name, dialect, reading)
    header: Sequence[str] = reading.header
    if dialect.header_is_short:
        header = ("", *dialect.header)
    elif options.get("header", True) and reading.rows and not _is_header(header, reading):
        options["header"] = False
        without = read_all(open_source, name, options, progress) or reading
        reading, header = _read_again(open_source, name, options, without, progress), ()
        notes.append("the first line looks like data: there is no header")
    if not reading.rows:
        notes.append("no rows yet: the types are a guess")
    names = column_names(header, len(reading.columns))
    decisions = decide(
        {f"{at} {each}": column for at, (each, column) in enumerate(zip(names, reading.columns, strict=True))}
    )
    places = _placed(names, header, has_header=bool(options.get("header", True)))
    columns = [
        InferredColumn(each, decision.type, from_, decision.options, decision.comment)
        for (each, from_), decision, cell, column in zip(
            places, decisions, header or names, reading.columns, strict=True
        )
        if cell or column.values or not reading.rows  # a delimiter at the end of lines makes no column
    ]
    columns = _verified(open_source, name, options, columns)
    _check_words(name, dialect, columns)
    key = names[0] if columns and _may_be_key(reading, decisions[0]) else ""
    return InferredTable(name, columns, options, reading.rows, key, is_id(key), [each for each in notes if each])


def _verified(
    open_source: Opener, name: str, options: Mapping[str, Any], columns: Sequence[InferredColumn]
) -> list[InferredColumn]:
    """The columns, read by the options that some have of their own; text where they do not fit."""
    has_header = options.get("header", True)
    groups: dict[str, list[Column]] = {}
    for at, each in enumerate(columns, 1):
        if each.options:
            place = each.from_ if has_header else at
            column = Column(each.name, parse_column_type(each.type), from_=place, options=each.options)
            spelled = {key: value for key, value in each.options.items() if key in ("null_values", "decimal")}
            groups.setdefault(str(spelled), []).append(column)
    unfit: dict[str | None, str] = {}
    for group in groups.values():
        try:
            made = FORMATS["csv"].checked(options, [(each.name, each.options) for each in group])
            for _ in read_pieces(open_source, name, group, made):
                pass
        except DataError as error:
            unfit |= {violation.column: "" for violation in error.violations}
        except StorageError as error:  # commas that are decimal, without a header that shows how many divide rows
            unfit |= {each.name: f": {error.message}" for each in group}
    return [
        InferredColumn(each.name, "string", each.from_, {}, f"not quite {each.type}{unfit[each.name]}")
        if each.name in unfit
        else each
        for each in columns
    ]


def _check_line_above(name: str, dialect: Dialect, reading: CsvReading) -> None:
    """Refuse to leave out a line above the rows that may be their header, unless what is below it surely is one.

    Raises:
        StorageError: The line has another number of names than the rows have values.
    """
    above = dialect.above
    if not above or (not dialect.lines and _are_surely_names(reading.header, reading)):
        return
    message = f"the first line of `{name}` has {plural(len(above), 'value')}, and those below have {dialect.width}"
    hint = f"put quotes around values that hold the delimiter, or {_REMOVE}"
    if dialect.lines:
        raise _WordsError(message, hint=hint, location=Location(name, 1))
    if len(above) == 1:
        raise _OneColumnError(message, hint=hint, location=Location(name, 1))
    if looks_like_names(above):
        raise StorageError(message, hint=hint, location=Location(name, 1))


def _check_words(name: str, dialect: Dialect, columns: Sequence[InferredColumn]) -> None:
    """Refuse to divide lines by blanks that may belong to values: words, moments, groups of digits.

    Raises:
        StorageError: All columns are text, or all lines are values of one type.
    """
    if not dialect.lines:
        return
    lines = pa.array(dialect.lines)
    candidates = candidates_for(dialect.lines, all_candidates())
    if all(each.type == "string" for each in columns) or any(pc.all(each.fits(lines)).as_py() for each in candidates):
        hint = "put quotes around values that hold blanks"
        raise _WordsError(f"blanks in `{name}` may divide values, or be part of them", hint=hint)


def _as_one_column(table: InferredTable, doubt: _OneColumnError) -> InferredTable:
    """Leave numbers as text whose marks may as well divide them, and say what is in doubt."""
    columns = [
        replace(each, type="string", options={}, comment=f"one number? `{written_type(each.type, each.options)}`")
        if each.type in NUMBERS
        else each
        for each in table.columns
    ]
    if all(each.type != "string" for each in columns):
        return table
    return replace(table, columns=columns, comments=[*table.comments, f"{doubt.message}: {doubt.question}"])


def _read_again(
    open_source: Opener, name: str, options: Mapping[str, Any], reading: CsvReading, progress: Progress
) -> CsvReading:
    """Judge columns once more that have values which their first ones did not lead to expect, such as `1,234`."""
    only = {}
    for at, column in enumerate(reading.columns):
        if not column.is_open and column.last is not None:
            known = candidates_for(column.chosen_by, column.among)
            if len(candidates_for(column.seeds, column.among)) > len(known):
                only[at] = sorted(column.seeds)
    if only:
        again = read_all(open_source, name, options, progress, only)
        for at in only if again is not None else ():
            if again is not None and again.columns[at].is_open:
                reading.columns[at] = again.columns[at]
    return reading


def _allow_ragged(open_source: Opener, name: str, reading: CsvReading, options: dict[str, Any]) -> str:
    """Set the options by which rows of another length are read; returns what is in doubt.

    Raises:
        DataError: There are rows with more values than columns.
    """
    delimiter = str(options.get("delimiter", ","))
    width = len(reading.columns)
    if reading.ragged > len(reading.short) + len(reading.long) or not all(
        _is_nothing_behind(row, width, delimiter) for row in reading.long
    ):
        made = CsvOptions.from_mapping(options)
        header = made.header and reading.header
        first = Column(
            reading.header[0] if header else "column", parse_column_type("string"), from_=1 if header else None
        )
        read_csv(open_source, name, [first], made)
    if 10 * len(reading.short) > reading.rows + 10:
        raise StorageError(f"`{name}` has rows of many lengths", location=Location(name))
    if reading.long:
        options["extra_values"] = "ignore"
    if reading.short:
        options["missing_values"] = "null"
    return f"rows that end early, with null: {count_text(len(reading.short))}" if reading.short else ""


def _is_nothing_behind(row: RaggedRow, width: int, delimiter: str) -> bool:
    """Whether a row that is too long has nothing in what is too much."""
    extra = row.values - width
    behind = row.text.rstrip("\r\n \t" if delimiter != "\t" else "\r\n ")
    return behind.endswith(delimiter * extra)


def _typed_cells(header: Sequence[str], reading: CsvReading) -> Iterator[tuple[str, ColumnEvidence, bool]]:
    """The cells above columns that are not text, each with its column and whether it is a value of it."""
    for cell, column in zip(header, reading.columns, strict=True):
        fitting = [each for each, _ in fitting_types(column)]
        if fitting:
            cell = cell.strip(' \t"')  # quotes that are text, too
            yield cell, column, any(each.fits(pa.array([cell]))[0].as_py() for each in fitting)


def _has_names(header: Sequence[str], reading: CsvReading) -> bool:
    """Whether a cell is no value of its column; or nothing, as above row names, which have none themselves."""
    return any(
        not fits and cell not in NULL_MARKS and not _NUMBER.fullmatch(cell) if cell else not column.nulls
        for cell, column, fits in _typed_cells(header, reading)
    )


def _are_surely_names(header: Sequence[str], reading: CsvReading) -> bool:
    """Whether all cells above columns that are not text are names or years, and not all years."""
    cells = [(cell, fits) for cell, _, fits in _typed_cells(header, reading) if cell]
    names = [cell for cell, fits in cells if not fits and _NAME.match(cell) and cell not in NULL_MARKS]
    return bool(names) and all(cell in names or _is_year(cell) for cell, _ in cells)


def _is_year(cell: str) -> bool:
    return cell.isdecimal() and _YEARS[0] <= int(cell) <= _YEARS[1]


def _is_header(header: Sequence[str], reading: CsvReading) -> bool:
    """Whether the first line names the columns: some of it is no value of its column, or all are text."""
    cells = [(cell, fits) for cell, _, fits in _typed_cells(header, reading)]
    if not cells or _has_names(header, reading):
        return True
    numbers = [cell for cell, _ in cells if cell and cell not in NULL_MARKS]
    # Years, or numbers in a row, as names of columns; those with zeros in front are no values.
    if not all(map(str.isdigit, numbers)) or len({*numbers}) < len(numbers):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(numbers)}
    are_years, fitting = all(map(_is_year, numbers)), [cell for cell, fits in cells if fits]
    are_likely = are_years or (len(numbers) > 1 and not fitting)
    are_some = len(cells) < len(header) or (are_years and len(fitting) < len(cells))
    return len(steps) <= 1 and bool(numbers) and ((are_likely and are_some) or len(numbers) > _FEW)


def _placed(names: Sequence[str], header: Sequence[str], *, has_header: bool) -> list[tuple[str, str | int | None]]:
    """The names of columns, each with the name or position by which it is found in the file."""
    if not has_header:
        return [(each, None) for each in names]
    unique = {cell for cell in header if header.count(cell) == 1 and cell} if len(header) < 2_000 else _unique(header)
    return [
        (each, None if each == cell and cell in unique else cell if cell in unique else at)
        for at, (each, cell) in enumerate(zip(names, header, strict=True), 1)
    ]


def _unique(header: Sequence[str]) -> set[str]:
    seen: set[str] = set()
    twice = {cell for cell in header if cell in seen or seen.add(cell)}  # type: ignore[func-returns-value]
    return seen - twice - {""}


def _may_be_key(reading: CsvReading, decision: Decision) -> bool:
    return reading.key.is_unique and decision.type in ("int64", "string") and "null_values" not in decision.options
