"""Reading: Arrow's parallel reader where it is exact, a careful second pass where it is not or gives up.

The first pass leaves parsing to `pyarrow.csv` for every type that it reads exactly, and takes text for the others. When
it fails, or when what it read shows that it may have lost something, `lakehouse_cli.formats.csv.careful` reads the file
again, every declared column as text, and either has the values or tells every row that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.csv.careful import read_carefully
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.errors import shorten
from lakehouse_cli.formats.csv.infer import infer_column
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.parse import Wanted, convert_options, parse_options, read_options, table_of
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.formats.missing_columns import missing_columns
from lakehouse_cli.model import Column
from lakehouse_cli.text.counts import count_text, plural

_TEXT = pa.string()


def read_csv(
    open_source: Callable[[], BinaryIO], name: str, columns: Sequence[Column] | None, options: CsvOptions
) -> pa.Table:
    """Read the declared columns of a CSV file, exactly.

    Args:
        open_source: Opens the file's bytes; called again where a second pass is needed.
        name: The path to show; its suffix (``.gz``, ``.bz2``, ``.zst``) tells the compression unless `options` does.
        columns: What to read, in this order; None for all columns, with types that lose nothing.
        options: Of the format.

    Returns:
        The declared columns and no others, in the declared order, with exactly their Arrow types, all nullable.

    Raises:
        DataError: Columns that are missing (check ``missing``) or values that do not fit (check ``type``), all of them.
        StorageError: A file that is not CSV text: wrong encoding, damaged compression, rows of different lengths.
    """
    as_text: set[str] = set()
    names = [column.name for column in columns or ()]
    while True:
        with CsvSource(open_source, name, options, names=names) as source:
            wanted = _resolve(source, columns)
            nothing = source.width is None or not wanted
            read = _empty(wanted) if nothing else _read_fast(source, wanted, options, as_text)
        if not isinstance(read, set):
            break
        as_text |= read
    table = read_carefully(open_source, name, wanted, options) if read is None else read
    return table if columns is not None else _inferred(table, options)


def _empty(wanted: Sequence[Wanted]) -> pa.Table:
    return table_of([pa.chunked_array([pa.nulls(0, column.type)]) for column in wanted], wanted)


def _resolve(source: CsvSource, columns: Sequence[Column] | None) -> list[Wanted]:
    if columns is None:
        return _all_columns(source)
    if source.header is None:
        if source.width is not None and source.width < len(columns):
            _raise_missing(
                source,
                columns[source.width :],
                f"it has {plural(source.width, 'column')}, {count_text(len(columns))} are declared",
            )
        return [Wanted(at, column.name, to_arrow(column.type), column) for at, column in enumerate(columns)]
    places: dict[str, list[int]] = {}
    for at, name in enumerate(source.header):
        places.setdefault(name, []).append(at)
    missing = [column for column in columns if column.name not in places]
    if missing:
        _raise_missing(source, missing, None)
    for column in columns:
        if len(places[column.name]) > 1:
            raise StorageError(
                f"`{source.name}` has {count_text(len(places[column.name]))} columns named `{column.name}`",
                hint="rename all but one of them, or read by position with `header: false` and `skip_rows: 1`",
                location=Location(source.name, source.first_line - 1),
            )
    return [Wanted(places[column.name][0], column.name, to_arrow(column.type), column) for column in columns]


def _check_zeros(source: CsvSource) -> None:
    """Tell of UTF-16 without a byte order mark, where the header is not what was expected."""
    if any("\0" in name for name in source.header or ()):
        raise StorageError(
            f"the header of `{source.name}` holds zero bytes, as UTF-16 does",
            hint="set `encoding` in its options, such as `utf-16-le`",
            location=Location(source.name, 1),
        )


def _all_columns(source: CsvSource) -> list[Wanted]:
    _check_zeros(source)
    if source.header is None:
        return [Wanted(at, f"column_{at + 1}", _TEXT, None) for at in range(source.width or 0)]
    header_line = Location(source.name, max(1, source.first_line - 1))
    if "" in source.header:
        raise StorageError(
            f"column {source.header.index('') + 1} of `{source.name}` has no name",
            hint="declare the columns to read, or name it in the file",
            location=header_line,
        )
    names = set(source.header)
    if len(names) < len(source.header):
        twice = next(name for name in source.header if source.header.count(name) > 1)
        raise StorageError(
            f"`{source.name}` has {source.header.count(twice)} columns named `{twice}`",
            hint="declare the columns to read, or rename all but one of them",
            location=header_line,
        )
    return [Wanted(at, name, _TEXT, None) for at, name in enumerate(source.header)]


def _raise_missing(source: CsvSource, missing: Sequence[Column], reason: str | None) -> None:
    header = [name for name in source.header or () if name]
    _check_zeros(source)
    other = next((mark for mark in ";\t|," if len(header) == 1 and mark in header[0]), None)
    delimiter = f"its header is `{shorten(header[0])}`: set `delimiter: {other!r}` in its options" if other else None
    raise missing_columns(
        source.name,
        missing,
        header,
        reason=reason or "the file has no such column",
        otherwise="check `delimiter` and `header` in its options",
        hint=delimiter,
        line=max(1, source.first_line - 1),
    )


def _native_type(kind: pa.DataType, options: CsvOptions) -> pa.DataType:
    """What Arrow's reader is asked for; text where it cannot read the type, or not exactly."""
    t = pa.types
    if t.is_dictionary(kind):
        # Arrow's own dictionaries differ from block to block; strings at least repeat less in memory so.
        return kind if t.is_string(kind.value_type) else _native_type(kind.value_type, options)
    if t.is_nested(kind) or t.is_binary(kind) or t.is_duration(kind) or t.is_decimal(kind):
        return _TEXT
    if (t.is_date(kind) and options.date_formats) or (t.is_timestamp(kind) and options.timestamp_formats):
        return _TEXT
    return kind


def _read_fast(
    source: CsvSource, wanted: Sequence[Wanted], options: CsvOptions, as_text: Collection[str]
) -> pa.Table | set[str] | None:
    """The table; or names of columns to be read as text, lest they lose something; or None where Arrow gave up."""
    native = [_TEXT if column.name in as_text else _native_type(column.type, options) for column in wanted]
    try:
        with ReadableFile(source) as file:
            table = csv.read_csv(
                file.native,
                read_options=read_options(source),
                parse_options=parse_options(source, options),
                convert_options=convert_options(wanted, native, options),
            )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        return _empty(wanted) if "Empty CSV" in str(error) else None
    doubtful = {
        column.name
        for column, values in zip(wanted, table.columns, strict=True)
        if not _is_exact(values, has_hexadecimal=source.has_hexadecimal)
    }
    return doubtful or _finish(table, wanted, options)


def _is_exact(values: pa.ChunkedArray, *, has_hexadecimal: bool) -> bool:
    """Whether Arrow's parser cannot have changed a number: 0xFF wraps, 1e400 becomes infinity."""
    if pa.types.is_integer(values.type):
        return not has_hexadecimal
    return not (pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py())


def _finish(table: pa.Table, wanted: Sequence[Wanted], options: CsvOptions) -> pa.Table | None:
    """The declared types, from the types that Arrow read; None where a text does not fit."""
    done: list[Any] = []
    for values, column in zip(table.columns, wanted, strict=True):
        if values.type == column.type:
            done.append(values)
            continue
        chunks = []
        for chunk in values.chunks:
            converted = _convert(chunk, column, options)
            if converted.null_count != chunk.null_count:
                return None
            chunks.append(converted)
        done.append(pa.chunked_array(chunks, column.type))
    return table_of(done, wanted)


def _convert(values: pa.Array, column: Wanted, options: CsvOptions) -> pa.Array:
    if pa.types.is_dictionary(column.type) and not pa.types.is_string(values.type):
        return values.dictionary_encode().cast(column.type)
    return decode(values, column.type, options)


def _inferred(table: pa.Table, options: CsvOptions) -> pa.Table:
    columns = {name: infer_column(table[name], options) for name in table.column_names}
    return pa.table(columns)
