"""Rows to the cells of a sheet, by Arrow's kernels; what no cell holds exactly is refused.

Libraries that write workbooks print floats with 16 digits, which are other floats (docs/adr/0040).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct
from openpyxl.utils import get_column_letter

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS, day_number
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.csv.codec import encode
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.excel.spec import ExcelOptions
from lakehouse_cli.formats.excel.workbook import LEFT_HEADER, RIGHT_HEADER, number_formats, packed_sheet
from lakehouse_cli.formats.stored_types import storable
from lakehouse_cli.text.counts import count_text

_TEXT = pa.string()
_PLAIN = CsvOptions()
_ROWS, _VALUES, _BYTES = 1 << 14, 1 << 18, 1 << 25
# Texts beyond this are joined with 64-bit offsets.
_OFFSETS_END = 1 << 28
# What a sheet holds (Excel specifications and limits).
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_576, 16_384, 32_767
# Excel shows, and keeps of what is typed, so many digits of a number.
_LARGEST_INTEGER = 10**15 - 1
_SMALLEST_FLOAT = 2.2250738585072014e-308
_FIRST_DAY, _LAST_DAY = day_number(1900, 1, 1), day_number(9999, 12, 31)
# Serial numbers count 29 February 1900, which there was not.
_MARCH_1900, _DAY_ZERO = day_number(1900, 3, 1), day_number(1899, 12, 30)
_MOST_DAYS = _LAST_DAY - _DAY_ZERO
# What XML lacks, or reads as something else, and the underscore of what would be taken for such an escape.
_UNHELD = r"[\x01-\x08\x0b-\x1f\x{FFFE}\x{FFFF}]"
_ESCAPED = [chr(each) for each in (*range(1, 9), *range(0x0B, 0x20), 0xFFFE, 0xFFFF)]
_ESCAPE_LIKE = r"_(x[0-9A-Fa-f]{4})"
# Rows by which the widths of columns are chosen, and the least and the most characters.
_ROWS_FOR_WIDTHS, _NARROWEST, _WIDEST = 1000, 8, 60

_DROP = "make such values null, or texts, in the transform, or choose another `format`"


class _Column(Struct, frozen=True):
    """A column of the sheet: its name, the letters of its cells, its type and its style."""

    name: str
    letters: str
    kind: pa.DataType
    style: int
    options: ExcelOptions


def write_excel(pieces: Iterable[pa.Table], sink: Sink, options: ExcelOptions) -> None:
    """Write a table as the one sheet of a workbook, piece by piece; see `Format.write_pieces`.

    Raises:
        StorageError: A sheet holds a value, row, column or name not exactly, or not at all.
    """
    options.check_written()
    rest = (_without_dictionaries(storable(piece, "an Excel sheet")) for piece in pieces)
    first = _first_rows(rest)
    schema = first[0].schema
    formats = [_number_format(kind) for kind in schema.types]
    styles, numbers = number_formats(formats)
    columns = [
        _Column(name, get_column_letter(at), kind, style, options.of(name))
        for at, (name, kind, style) in enumerate(zip(schema.names, schema.types, styles, strict=True), 1)
    ]
    _check_columns(columns)
    header = options.skip_rows + 1
    with packed_sheet(sink, options.sheet or "Sheet1", options.suffix, numbers) as sheet:
        sheet.write(_before_rows(_widths(pa.concat_tables(first), columns, formats), header).encode())
        sheet.write(_header(columns, header).encode())
        row = 1
        for batch in _batches(chain(first, rest)):
            sheet.write(_rows(batch, columns, row, header))
            row += batch.num_rows
        sheet.write(b"</sheetData></worksheet>")


def _without_dictionaries(table: pa.Table) -> pa.Table:
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
    return table


def _first_rows(pieces: Iterator[pa.Table]) -> list[pa.Table]:
    """Take the pieces that have the rows by which widths are chosen."""
    first, rows = [], 0
    for piece in pieces:
        first.append(piece)
        rows += piece.num_rows
        if rows >= _ROWS_FOR_WIDTHS:
            break
    return first


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Slices of the tables, bounded in rows, cells and bytes."""
    for table in tables:
        if table.num_rows:
            of_a_row = max(1, table.nbytes // table.num_rows)
            rows = max(1, min(_ROWS, _VALUES // table.num_columns, _BYTES // of_a_row))
            for start in range(0, table.num_rows, rows):
                yield from table.slice(start, rows).combine_chunks().to_batches()


def _number_format(kind: pa.DataType) -> str:
    """How Excel shows a column."""
    t = pa.types
    if t.is_string(kind):
        return "@"  # what is typed over a text stays one: `007`
    if t.is_integer(kind) or t.is_decimal(kind):
        scale = min(kind.scale, 30) if t.is_decimal(kind) else 0
        return f"0.{'0' * scale}" if scale else "0"
    if t.is_date(kind):
        return "yyyy-mm-dd"
    if t.is_timestamp(kind) or t.is_time(kind) or t.is_duration(kind):
        clock = "[h]:mm:ss" if t.is_duration(kind) else "hh:mm:ss"
        date = "yyyy-mm-dd " if t.is_timestamp(kind) else ""
        return date + clock + ("" if kind.unit == "s" else ".000")
    return "General"


def _check_columns(columns: Sequence[_Column]) -> None:
    if len(columns) > _MOST_COLUMNS:
        raise StorageError(
            f"{count_text(len(columns))} columns are more than the {count_text(_MOST_COLUMNS)} that a sheet has",
            hint="return fewer columns, or choose another `format`, such as parquet",
        )


def _widths(table: pa.Table, columns: Sequence[_Column], formats: Sequence[str]) -> list[int]:
    """The widths of columns in characters, by their names and first rows."""
    widths = []
    for column, shown, values in zip(columns, formats, table.slice(0, _ROWS_FOR_WIDTHS).columns, strict=True):
        if pa.types.is_temporal(column.kind):
            longest = len(shown)
        else:
            texts = encode(av.joined(values), _PLAIN)
            longest = pc.max(pc.utf8_length(texts)).as_py() or 0
        widths.append(min(max(longest, len(column.name), _NARROWEST), _WIDEST) + 2)
    return widths


def _before_rows(widths: Sequence[int], header: int) -> str:
    sized = "".join(
        f'<col min="{at}" max="{at}" width="{width}" customWidth="1"/>' for at, width in enumerate(widths, 1)
    )
    return (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews>'
        f'<sheetView tabSelected="1" workbookViewId="0"><pane ySplit="{header}" topLeftCell="A{header + 1}" '
        f'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>{sized}</cols><sheetData>'
    )


def _header(columns: Sequence[_Column], row: int) -> str:
    names = av.array([column.name for column in columns], _TEXT)
    for mask, quality in _text_rules(names, ()):
        if (at := _first_true(mask)) is not None:
            raise StorageError(
                f"the name of column {count_text(at + 1)} of {count_text(len(columns))} is {quality}, "
                "which Excel cannot hold",
                hint="rename the column",
            )
    cells = [
        f'<c r="{column.letters}{row}" s="{_header_style(column.kind)}" t="inlineStr">'
        f'<is><t xml:space="preserve">{name}</t></is></c>'
        for column, name in zip(columns, _escaped(names).to_pylist(), strict=True)
    ]
    return f'<row r="{row}">{"".join(cells)}</row>'


def _header_style(kind: pa.DataType) -> int:
    return LEFT_HEADER if pa.types.is_string(kind) or pa.types.is_boolean(kind) else RIGHT_HEADER


def _rows(batch: pa.RecordBatch, columns: Sequence[_Column], first: int, header: int) -> memoryview:
    """Make the elements of some rows.

    Args:
        batch: The rows.
        columns: Of the sheet.
        first: Number of the first row in the table, from 1.
        header: Number of the row of names in the sheet.
    """
    last = header + first - 1 + batch.num_rows
    if last > _MOST_ROWS:
        raise StorageError(
            f"the table has more rows than the {count_text(_MOST_ROWS)} of a sheet",
            hint="aggregate or divide the table, or choose another `format`, such as parquet",
        )
    numbers = av.from_numpy(np.arange(header + first, last + 1), pa.int64()).cast(_TEXT)
    cells = [_cells(values, column, numbers, first) for values, column in zip(batch.columns, columns, strict=True)]
    if sum(each.nbytes for each in cells) > _OFFSETS_END:
        cells = [each.cast(pa.large_string()) for each in cells]
    text = pc.binary_join_element_wise('<row r="', numbers, '">', *cells, "</row>", "", null_handling="skip")
    size = pc.sum(pc.binary_length(text)).as_py() or 0
    return memoryview(text.buffers()[2])[:size]


def _cells(values: pa.Array, column: _Column, numbers: pa.Array, first: int) -> pa.Array:
    """The elements of the cells of a column, null for those that are."""
    texts, rules = _texts(values, column.options)
    for mask, quality in rules:
        if (at := _first_true(mask)) is not None:
            raise StorageError(
                f"column `{column.name}`, row {count_text(first + at)}: Excel cannot hold {quality}", hint=_DROP
            )
    before, after = '"><v>', "</v></c>"
    if pa.types.is_string(column.kind):
        texts, before, after = _escaped(texts), '" t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>"
    elif pa.types.is_boolean(column.kind):
        before = '" t="b"><v>'
    if texts.nbytes > _OFFSETS_END:
        texts = texts.cast(pa.large_string())
        numbers = numbers.cast(pa.large_string())
    return pc.binary_join_element_wise(
        f'<c r="{column.letters}', numbers, f'" s="{column.style}{before}', texts, after, ""
    )


def _first_true(mask: pa.Array) -> int | None:
    return pc.indices_nonzero(mask)[0].as_py() if mask.true_count else None


_Rules = list[tuple[pa.Array, str]]


def _texts(values: pa.Array, options: ExcelOptions) -> tuple[pa.Array, _Rules]:
    """The texts of values, and which of them Excel does not hold, and why."""
    t, kind = pa.types, values.type
    if t.is_string(kind):
        return values, _text_rules(values, options.null_values)
    if t.is_boolean(kind):
        return pc.if_else(values, "1", "0"), []
    if t.is_integer(kind):
        return values.cast(_TEXT), _integer_rules(values)
    if t.is_floating(kind):
        size = pc.abs(values.cast(pa.float64()))
        tiny = pc.and_(pc.less(size, _SMALLEST_FLOAT), pc.greater(size, 0.0))
        rules = [(pc.invert(pc.is_finite(size)), "NaN or an infinity"), (tiny, "a number so close to zero")]
        return encode(values, _PLAIN), rules
    if t.is_decimal(kind):
        texts = encode(values, _PLAIN)
        digits = pc.ascii_rtrim(pc.replace_substring(pc.ascii_ltrim(texts, "-0."), ".", ""), "0")
        return texts, [(pc.greater(pc.utf8_length(digits), 15), "a number of more than 15 digits")]
    return _serial_numbers(values)


def _integer_rules(values: pa.Array) -> _Rules:
    if values.type.bit_width < 64:
        return []
    low = False if pa.types.is_unsigned_integer(values.type) else pc.less(values, -_LARGEST_INTEGER)
    high = pc.greater(values, av.scalar(_LARGEST_INTEGER, values.type))
    return [(high if low is False else pc.or_(low, high), "an integer of more than 15 digits")]


def _serial_numbers(values: pa.Array) -> tuple[pa.Array, _Rules]:
    """Days since Excel's day 0, as it counts them, and fractions of days."""
    t, kind = pa.types, values.type
    is_date, is_span = t.is_date(kind), t.is_duration(kind)
    per_day = 1 if is_date else 86_400 * UNITS[kind.unit]
    counts = values.cast(pa.int32() if is_date or t.is_time32(kind) else pa.int64()).cast(pa.int64())
    numbers = av.to_numpy(pc.fill_null(counts, 0))
    days, rest = np.divmod(numbers, per_day)

    def where(mask: Any) -> pa.Array:
        return pc.and_(av.from_numpy(mask.astype(np.int8), pa.int8()).cast(pa.bool_()), values.is_valid())

    rules: _Rules = []
    if is_span:
        rules.append((where(days < 0), "a negative duration"))
        rules.append((where(days > _MOST_DAYS), f"a duration of more than {count_text(_MOST_DAYS)} days"))
    elif t.is_time(kind):
        rules.append((where(days != 0), "a time that is not within a day"))
    else:
        rules.append((where((days < _FIRST_DAY) | (days > _LAST_DAY)), "a date before 1900 or after 9999"))
        days = days - np.where(days < _MARCH_1900, _DAY_ZERO + 1, _DAY_ZERO)
    if is_date:
        return pc.if_else(values.is_valid(), av.from_numpy(days, pa.int64()).cast(_TEXT), None), rules
    if per_day > 86_400_000:
        rules.append((where(rest % (per_day // 86_400_000) != 0), "a time finer than milliseconds"))
    serials = av.from_numpy(days + rest / per_day, pa.float64())
    return pc.if_else(values.is_valid(), encode(serials, _PLAIN), None), rules


def _text_rules(texts: pa.Array, nulls: Sequence[str]) -> _Rules:
    lengths = pc.utf8_length(texts)
    rules: _Rules = []
    # Of UTF-16, in which some characters are two.
    if 2 * (pc.max(lengths).as_py() or 0) > _MOST_CHARACTERS:
        units = pc.add(lengths, pc.count_substring_regex(texts, r"[\x{10000}-\x{10FFFF}]"))
        rules.append(
            (pc.greater(units, _MOST_CHARACTERS), f"a text of more than {count_text(_MOST_CHARACTERS)} characters")
        )
    rules.append((pc.match_substring(texts, "\0"), "a text with a NUL character"))
    if nulls:
        same = pc.is_in(texts, value_set=av.array(list(nulls), _TEXT), skip_nulls=True)
        rules.append((same, "a text that `null_values` reads as null"))
    return rules


def _escaped(texts: pa.Array) -> pa.Array:
    """As XML, with escapes for what that lacks (ECMA-376, ST_Xstring)."""
    if pc.any(pc.match_substring(texts, "_x")).as_py():
        texts = pc.replace_substring_regex(texts, _ESCAPE_LIKE, r"_x005F_\1")
    if pc.any(pc.match_substring_regex(texts, _UNHELD)).as_py():
        for character in _ESCAPED:
            texts = pc.replace_substring(texts, character, f"_x{ord(character):04X}_")
    for character, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        texts = pc.replace_substring(texts, character, escape)
    return texts
