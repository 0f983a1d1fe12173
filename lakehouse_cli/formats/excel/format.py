"""The Excel format as storages use it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.python_values import infer_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.types import plain_type, to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import DataError, Location, StorageError, Violation
from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.hints import shared_hint
from lakehouse_cli.formats.csv.options import CsvOptions, cell_options
from lakehouse_cli.formats.excel.cells import UNFIT, value_for
from lakehouse_cli.formats.excel.sheet import NOT_COMPUTED, Sheet, address, read_sheet
from lakehouse_cli.formats.excel.spec import ExcelOptions
from lakehouse_cli.formats.excel.worksheet import NO_DAY, Refused
from lakehouse_cli.formats.excel.write import write_excel
from lakehouse_cli.formats.misfits import (
    LONGEST,
    ColumnReading,
    Misfit,
    UnfitRows,
    others_unfit,
    table_of,
    unfit_error,
    unfit_violation,
)
from lakehouse_cli.formats.missing_columns import check_positions
from lakehouse_cli.formats.stored_types import wanted_names
from lakehouse_cli.formats.value_options import PERCENT
from lakehouse_cli.model import Column
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import count_text, plural

_TEXT = pa.string()
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]")
_IN_PERCENT = "(shown in percent)"
_BY_POSITION = "declare the columns to read, and say which of them by its position in the sheet, such as `from: 3`"


class ExcelFormat(Format[ExcelOptions]):
    """Reads a sheet of a workbook, and writes workbooks of one."""

    def read(self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: ExcelOptions) -> pa.Table:
        """Read the declared columns of a sheet; all of them, with the types of their cells, where none are declared."""
        sheet = read_sheet(open_source, name, options)
        if columns is None:
            return _undeclared(sheet, name, frozenset(options.null_values))
        readings = [
            ColumnReading(column.name, to_arrow(column.type), column, at, options.of(column.name))
            for column, at in zip(columns, _places(sheet, name, columns), strict=True)
        ]
        with closing(UnfitRows(_shown_in_place)) as unfit:
            for reading in readings:
                cells = _cells(sheet, reading.position, frozenset(reading.options.null_values))
                if reading.options.percent == "number" and reading.column and PERCENT.fits(reading.column.type):
                    cells = _of_one_scale(cells, sheet, reading.position)
                _read_cells(reading, cells, sheet, cell_options(reading.options))
            unfit.end_piece(readings)
            if any(reading.count for reading in readings):
                raise _unfit(readings, sheet, name, unfit)
        return table_of(readings)

    def find_lines(self, open_source: Opener, name: str, rows: Sequence[int], options: ExcelOptions) -> dict[int, int]:
        """Find the numbers of rows in the sheet."""
        found = read_sheet(open_source, name, options).rows
        return {row: found[row - 1].number for row in rows}

    def write(self, table: pa.Table, sink: Sink, options: ExcelOptions) -> None:
        """Write a table to an open file."""
        self.write_pieces([table], sink, options)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: ExcelOptions) -> None:
        """Write a table to an open file; see `write_excel`."""
        write_excel(pieces, sink, options)


def _places(sheet: Sheet, name: str, columns: Sequence[Column]) -> list[int]:
    if sheet.header is not None or any(column.from_ for column in columns):
        header = sheet.header or ()
        check_positions(name, columns, max(sheet.width, len(header)))
        named = [column for column in columns if not isinstance(column.from_, int)]
        known = [each for each in header if each is not None]
        nameless = header.index(None) + 1 if None in header else None
        names = iter(wanted_names(known, named, name, _BY_POSITION, headed=True, nameless=nameless))
        return [each.from_ - 1 if isinstance(each.from_, int) else header.index(next(names)) for each in columns]
    if sheet.width < len(columns) and sheet.rows:
        positions = [f"column {at + 1}" for at in range(sheet.width)]
        missing = [
            Violation(
                column.name,
                "missing",
                1,
                f"column `{column.name}`: the sheet has {plural(sheet.width, 'column')}",
                location=column.location,
            )
            for column in columns[sheet.width :]
        ]
        raise DataError(
            f"sheet `{sheet.title}` of `{name}` has {plural(len(positions), 'column')}, "
            f"and {count_text(len(columns))} are declared",
            missing,
            hint="declare as many as there are, or set `sheet` in its options",
            location=Location(name),
        )
    return list(range(len(columns)))


def _cells(sheet: Sheet, at: int, nulls: frozenset[str]) -> list[Any]:
    """The values of a column, from top to bottom."""
    values = [row.values[at] if at < len(row.values) else None for row in sheet.rows]
    if not nulls:
        return values
    return [None if (each.shown if type(each) is Refused else each) in nulls else each for each in values]


def _of_one_scale(cells: list[Any], sheet: Sheet, at: int) -> list[Any]:
    """The values of a column, those refused that are shown in percent beside texts that are a hundred times as much."""
    if not any(type(each) is str and "%" in each for each in cells):
        return cells
    return [
        Refused(f"{cell} {_IN_PERCENT}") if cell is not None and (row.number, at) in sheet.in_percent else cell
        for row, cell in zip(sheet.rows, cells, strict=True)
    ]


def _read_cells(reading: ColumnReading, cells: list[Any], sheet: Sheet, options: CsvOptions) -> None:
    """Add all values of a column."""
    target = reading.type
    leaf = plain_type(target)
    is_text = pa.types.is_string(leaf)
    # By the shortest digits that stand for a number, which are those that Excel shows and stores.
    is_number = pa.types.is_decimal(leaf) or (pa.types.is_timestamp(leaf) and options.epoch_unit is not None)
    spelled = (str, int, float) if is_number else (str,)
    texts = [str(each) if type(each) in spelled and (each != "" or is_text) else None for each in cells]
    as_value = value_for(reading.column.type) if reading.column else None
    others = [None if each is None or type(each) in spelled or not as_value else as_value(each) for each in cells]
    text = av.array(texts, _TEXT)
    values = decode(text, leaf, options)
    bad = [row for row, each in enumerate(others) if each is UNFIT]
    bad += pc.indices_nonzero(pc.and_(text.is_valid(), values.is_null())).to_pylist()
    if not bad and any(each is not None for each in others):
        values = pc.coalesce(values, _array(others, leaf))
    if leaf is not target:
        values = values.dictionary_encode().cast(target)
    reading.add(
        values, np.array(sorted(bad)), lambda rows: [(at + 1, cells[at], sheet.rows[at].number) for at in rows.tolist()]
    )


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    t = pa.types
    if t.is_date(kind) or t.is_time32(kind):
        return av.array(values, pa.int32()).cast(kind)
    return av.array(values, pa.int64()).cast(kind) if t.is_temporal(kind) else av.array(values, kind)


def _shown(value: Any) -> str:
    if type(value) is Refused:
        return value.shown
    return cut_end(repr(value) if type(value) is str else str(value), LONGEST)


def _shown_in_place(reading: ColumnReading, misfit: Misfit) -> str:
    _, value, number = misfit
    return f"{address(reading.position, number or 0)}: {_shown(value)}"


def _unfit(readings: Sequence[ColumnReading], sheet: Sheet, name: str, kept: UnfitRows) -> DataError:
    unfit, rows = [reading for reading in readings if reading.count], len(sheet.rows)
    violations = [unfit_violation(each, rows, kept.examples(each, {}), noun="cell") for each in unfit]
    first, example = unfit[0], violations[0].examples[0]
    where, _, shown = example.value.partition(": ")
    others = others_unfit(sum(reading.count for reading in unfit), "cell")
    return unfit_error(
        f"cell {where} of `{name}`, in column `{first.name}`, holds {shown}, which is not {first.declared}{others}",
        violations,
        rows,
        kept,
        hint=_spelling_hint(first) or _hint(shown, first.column, first.options.null_values),
        location=Location(name, example.line),
    )


def _spelling_hint(reading: ColumnReading) -> str | None:
    """The options that read the texts of a column, or its counts of time, where there are such."""
    values = [value for _, value, _ in reading.examples]
    spelled = (str, int, float) if pa.types.is_timestamp(reading.type) else (str,)
    if pa.types.is_boolean(reading.type) or not all(type(each) in spelled for each in values):
        return None
    return shared_hint([str(each) for each in values], reading.type, cell_options(reading.options))


def _hint(shown: str, column: Column | None, nulls: Sequence[str] = ()) -> str:
    if shown.endswith(NOT_COMPUTED):
        return "open the workbook in Excel and save it, which computes its formulas; or write values in their place"
    if shown.endswith(_IN_PERCENT):
        where = "column" if column and "percent" in column.options else "options"
        return f"set `percent: fraction` in the {where}, by which its texts with % are of the same scale"
    if shown == NO_DAY:
        return "correct the cell: 1900 had no 29 February, which Excel alone counts; its date may be a day off"
    if shown.startswith("#"):
        where = "column" if column else "options"
        spellings = str([*nulls, shown])
        return f"correct its formula; if it stands for null, set `null_values: {spellings}` in the {where}"
    kind = column.type.id if column else ""
    if kind in ("string", "dictionary"):
        return "make it text in the sheet (format Text, and enter it again), or declare the column as a number"
    if kind == "date32" and _MOMENT.match(shown):
        return "it has a time of day: declare `timestamp[us]`"
    if kind in ("date32", "timestamp", "time32", "time64", "duration") and shown.startswith(("'", '"')):
        what = "date" if kind in ("date32", "timestamp") else "time"
        return f"it is a text: make it a {what} in the sheet, or declare the column as string"
    if kind in ("date32", "timestamp"):
        return "make it a date in the sheet: a number without a date's format says no date"
    if kind in ("time32", "time64", "duration"):
        return "make it a time in the sheet; or declare float64 where it is a number without a time's format"
    if kind == "bool":
        return "make it TRUE or FALSE in the sheet, or declare another type"
    if shown.startswith(("'", '"')):
        return "correct the cell, declare another type, or add what stands for null to its `null_values`"
    return "correct the cell, or declare another type"


def _undeclared(sheet: Sheet, name: str, nulls: frozenset[str]) -> pa.Table:
    header = sheet.header or tuple(f"column_{at + 1}" for at in range(sheet.width))
    for at, each in enumerate((*header, *[None] * (sheet.width - len(header)))):
        place = f"column {address(at, 1)[:-1]} of sheet `{sheet.title}` in `{name}`"
        if each is None:
            hint = f"declare the columns to read; this one by its position: `index: {{type: …, from: {at + 1}}}`"
            raise StorageError(f"{place} has no name", hint=hint, location=Location(name))
        if each.endswith(NOT_COMPUTED):
            hint = _hint(NOT_COMPUTED, None)
            raise StorageError(f"{place} is named by {each}", hint=hint, location=Location(name))
    names = wanted_names([str(each) for each in header], None, name, _BY_POSITION)
    return pa.table([_column(_cells(sheet, at, nulls), at, each, sheet, name) for at, each in enumerate(names)], names)


def _column(cells: list[Any], at: int, column: str, sheet: Sheet, name: str) -> pa.ChunkedArray:
    """A column that nobody declared."""
    for row, cell in zip(sheet.rows, cells, strict=True):
        if type(cell) is Refused:
            raise DataError(
                f"cell {address(at, row.number)} of `{name}`, in column `{column}`, holds {cell.shown}",
                hint=_hint(cell.shown, None),
                location=Location(name, row.number),
            )
    if any(cell is not None and type(cell) is not str for cell in cells):
        cells = [None if cell == "" else cell for cell in cells]  # as where such a type is declared
    try:
        return _inferred(cells)
    except InexactError as refusal:
        violation = violation_of(refusal, column, None, None)
        rows = [sheet.rows[each.row - 1].number for each in violation.examples if each.row is not None]
        places = [
            replace(each, value=f"{address(at, row)}: {each.value}", line=row)
            for each, row in zip(violation.examples, rows, strict=True)
        ]
        raise DataError(
            f"column {violation.message} in `{name}`{f', such as {places[0].value}' if places else ''}",
            [replace(violation, examples=tuple(places))],
            hint="declare the columns to read, with their types",
            location=Location(name, rows[0] if rows else None),
        ) from refusal


def _inferred(cells: list[Any]) -> pa.ChunkedArray:
    present = [cell for cell in cells if cell is not None]
    if present and all(isinstance(cell, dt.datetime) and cell.time() == dt.time() for cell in present):
        cells = [None if cell is None else cell.date() for cell in cells]
    return infer_values(cells)
