"""Workbooks of Excel: a table for each sheet."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from openpyxl import load_workbook

from lakehouse_cli.errors import DataError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.excel.format import ExcelFormat
from lakehouse_cli.formats.excel.sheet import NOT_COMPUTED, Row, read_sheet
from lakehouse_cli.formats.excel.spec import ExcelOptions
from lakehouse_cli.formats.excel.worksheet import Refused
from lakehouse_cli.inference.candidates import NULL_MARKS
from lakehouse_cli.inference.description import InferredColumn, InferredTable
from lakehouse_cli.inference.names import column_names, is_id
from lakehouse_cli.model import Column, parse_column_type

_SHOWN = 3


def infer_workbook(open_source: Opener, name: str) -> Iterator[tuple[str, InferredTable]]:
    """Find out how each sheet of a workbook is read that is not empty; with the sheet's name.

    Args:
        open_source: Opens its bytes.
        name: The file as messages show it.

    Raises:
        StorageError: It is no workbook.
    """
    first = read_sheet(open_source, name, ExcelOptions(header=False)).title  # says what is wrong with the file
    with open_source() as file:
        workbook = load_workbook(file, read_only=True)
        titles = [sheet.title for sheet in workbook.worksheets]
        workbook.close()
    for title in titles:
        rows = read_sheet(open_source, name, ExcelOptions(sheet=title, header=False)).rows
        if rows:
            yield title, _infer_sheet(open_source, name, title, rows, is_first=title == first, alone=len(titles) == 1)


def _infer_sheet(
    open_source: Opener, name: str, title: str, rows: Sequence[Row], *, is_first: bool, alone: bool
) -> InferredTable:
    options: dict[str, Any] = {} if is_first and alone else {"sheet": title}
    widths = Counter(sum(value is not None for value in row.values) for row in rows)
    usual = max(widths, key=lambda each: (widths[each], each))
    start = next(at for at, row in enumerate(rows) if 2 * sum(value is not None for value in row.values) > usual)
    cells, data = rows[start].values, rows[start + 1 :]
    has_header = all(value is None or type(value) is str for value in cells) and bool(data)
    if has_header and rows[start].number > 1:
        options["skip_rows"] = rows[start].number - 1
    if not has_header:
        options["header"] = False
        options |= {"skip_rows": rows[start].number - 1} if rows[start].number > 1 else {}
        data = rows[start:]
    width = max(len(cells), max((len(row.values) for row in data), default=0))
    header = [value or "" for value in cells] + [""] * (width - len(cells)) if has_header else []
    columns = []
    for at, each in enumerate(column_names(header, width)):
        values = [row.values[at] if at < len(row.values) else None for row in data]
        from_ = None if not has_header or (each == header[at] and header.count(each) == 1) else at + 1
        columns.append(_column(each, from_, values))
    columns = _readable(open_source, name, options, columns)
    first = [row.values[0] if row.values else None for row in data]
    is_key = columns[0].type in ("int64", "string") and None not in first and len({*map(repr, first)}) == len(first) > 1
    key = columns[0].name if is_key else ""
    return InferredTable(f"{name}, sheet {title}", columns, options, len(data), key, is_id(key))


def _column(name: str, from_: int | None, values: Sequence[Any]) -> InferredColumn:
    errors = sorted({value.shown for value in values if type(value) is Refused})
    present = [value for value in values if value is not None and type(value) is not Refused]
    if any(each.endswith(NOT_COMPUTED) or not each.startswith("#") for each in errors):
        return InferredColumn(name, "", from_, {}, f"holds `{errors[0]}`: open the workbook in Excel and save it")
    others = [value for value in present if type(value) is not str]
    marks = sorted({value for value in present if type(value) is str and value.strip() in NULL_MARKS})
    if not others:
        return InferredColumn(
            name, "string", from_, {"null_values": errors} if errors else {}, "" if present else "no value anywhere"
        )
    texts = sorted({value for value in present if type(value) is str and value not in marks and value != ""})
    type_ = _type_of(others)
    if texts or not type_:
        mixed = ", ".join(f"`{each}`" for each in (texts or sorted({type(each).__name__ for each in others}))[:_SHOWN])
        return InferredColumn(name, "", from_, {}, f"of several types: {mixed} beside others")
    nulls = [*errors, *marks]
    return InferredColumn(name, type_, from_, {"null_values": nulls} if nulls else {}, "")


def _type_of(values: Sequence[Any]) -> str:
    """The type of cells that are no text; empty where they are of several."""
    kinds = {*map(type, values)}
    if kinds == {bool}:
        return "bool"
    if kinds == {int}:
        return "int64" if all(-(2**63) <= value < 2**63 for value in values) else ""
    if kinds <= {int, float}:
        return "float64"
    if kinds <= {dt.datetime, dt.date}:
        whole = all(type(value) is dt.date or value.time() == dt.time() for value in values)
        return "date32" if whole else "timestamp[us]"
    if kinds == {dt.time}:
        return "time64[us]"
    return "duration[us]" if kinds == {dt.timedelta} else ""


def _readable(
    open_source: Opener, name: str, options: dict[str, Any], columns: Sequence[InferredColumn]
) -> list[InferredColumn]:
    """The columns, those left out that do not read as they are declared."""
    found = [each for each in columns if each.type]
    by_column = {each.name: dict(each.options) for each in found if each.options}
    declared = [
        Column(each.name, parse_column_type(each.type), from_=each.from_, options=each.options) for each in found
    ]
    try:
        ExcelFormat().read(open_source, name, declared, FORMATS["excel"].checked(options, by_column.items()))
    except DataError as error:
        wrong = {violation.column: violation.message for violation in error.violations}
        return [
            InferredColumn(each.name, "", each.from_, {}, wrong[each.name]) if each.name in wrong else each
            for each in columns
        ]
    return list(columns)
