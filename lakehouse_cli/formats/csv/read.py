"""Reading: every row goes through Arrow's reader, by one of two policies.

The quick one leaves parsing to Arrow, in threads, for every type that it reads exactly, and takes text for the others.
Where Arrow gives up, the careful one reads the file again, every column as text and row by row in their order, and
either has the values or reports every row that does not fit.
"""

from __future__ import annotations

import codecs
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from pyarrow import csv

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import holds, plain_type, to_arrow, without_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.columns import find_columns, names_by_position
from lakehouse_cli.formats.csv.decode import formats_of
from lakehouse_cli.formats.csv.infer import infer_column
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.refusals import ragged_rows, unfit_cells, unfit_rows, unreadable
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.formats.misfits import ColumnReading, UnfitRows, table_of
from lakehouse_cli.formats.pieces import in_order
from lakehouse_cli.model import Column

# Makes a table of a block; None where a row or value does not fit.
_Parser = Callable[[bytes | bytearray], pa.Table | None]
_TEXT = pa.string()
_THREADS = os.cpu_count() or 1
_LARGEST_BLOCK = (1 << 31) - (1 << 20)
# How many spellings of values that fit are kept, for hints.
_KNOWN = 200


def read_csv(open_source: Opener, name: str, columns: Sequence[Column] | None, options: CsvOptions) -> pa.Table:
    """Read the declared columns of a CSV file, exactly; see `Format.read`.

    The suffix of the name (``.gz``, ``.bz2``, ``.zst``) decides the compression unless the options do.
    """
    names = names_by_position(columns or ())
    as_text: set[str] = set()
    is_careful = False
    while True:
        with CsvSource(open_source, name, options, names=names) as source:
            readings = find_columns(source, columns)
            for reading in readings:
                reading.options = options.of(reading.name)
            with closing(unfit_rows(open_source, name, options, names)) as unfit:
                doubtful: set[str] = set()
                try:
                    for own, together in _passes(readings, options):
                        ragged: list[Any] | None = [] if is_careful else None  # each pass comes by the same rows
                        is_first = own is options and not source.closed
                        with source if is_first else CsvSource(open_source, name, own, names=names) as behind_header:
                            rows, found = _read_rows(behind_header, together, own, as_text, ragged, unfit)
                        doubtful |= found
                except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
                    if is_careful:
                        raise unreadable(open_source, name, options, error) from error
                    is_careful = True
                    as_text.update(reading.name for reading in readings)
                    continue
                if not doubtful:
                    if ragged:
                        raise ragged_rows(open_source, name, ragged, rows, options, names)
                    if any(reading.count for reading in readings):
                        raise unfit_cells(open_source, name, readings, rows, options, names, unfit)
                    break
        as_text |= doubtful
    table = table_of(readings)
    if columns is not None:
        return table
    return pa.table({column: infer_column(table[column], options) for column in table.column_names})


def read_pieces(
    open_source: Opener, name: str, columns: Sequence[Column] | None, options: CsvOptions
) -> Iterator[pa.Table]:
    """Read what `read_csv` does block by block, parsed in threads; the arguments are the same.

    Each block by the quick policy, else by the careful one. Where a row or value does not fit, the file is read again
    as a whole, which reports all that do not.
    """
    rows = 0
    names = [column.name for column in columns or ()]
    with CsvSource(open_source, name, options, names=names) as source:
        parse = block_parser(source, columns or (), options)
        if parse is not None:
            is_given = False
            for piece in _pieces(source, parse):
                if piece is None:
                    break
                rows, is_given = rows + piece.num_rows, True
                yield piece
            else:
                if not is_given:
                    yield without_rows(pa.schema([(each.name, to_arrow(each.type)) for each in columns or ()]))
                return
    yield read_csv(open_source, name, columns, options).slice(rows)


def _pieces(source: CsvSource, parse: _Parser) -> Iterator[pa.Table | None]:
    """The blocks of a file as tables; None, at last, where a row or value of one does not fit."""
    try:
        yield from _ahead(parse, iter(source.read, b""))
    except StorageError:  # of a record that is malformed: reading it as a whole says which values do not fit besides
        yield None


def block_parser(source: CsvSource, columns: Sequence[Column], options: CsvOptions) -> _Parser | None:
    """What makes a table of a block of a file; None where one block alone does not say all of its rows."""
    readings = find_columns(source, columns) if columns else []
    for reading in readings:
        reading.options = options.of(reading.name)
    of_parts = any(holds(each.type, pa.types.is_dictionary) for each in readings)
    if not readings or source.width is None or len(_passes(readings, options)) > 1 or of_parts:
        return None
    native, texts = [_native_type(each.type, each.options) for each in readings], [_TEXT] * len(readings)
    policies = [native, texts] if native != texts else [native]
    parsing = _parsing(source, options)
    positions = [str(at) for at in range(source.width)]

    def parse(block: bytes | bytearray) -> pa.Table | None:
        reading = csv.ReadOptions(use_threads=False, block_size=max(len(block), 1) + 1, column_names=positions)
        for types in policies:  # the quick one, then the careful one
            with suppress(pa.ArrowInvalid, pa.ArrowKeyError):
                read = csv.read_csv(
                    pa.BufferReader(_beginning(block)), reading, parsing, _converting(readings, types, options)
                )
                done = list(map(typed, readings, read.columns))
                if None not in done:
                    return pa.table(done, names=[each.name for each in readings])
        return None

    def typed(reading: ColumnReading, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
        chunks = []
        for values in column.chunks:
            decoded, misfits = _decoded(reading, values)
            if len(misfits) or not _is_exact(values, has_hexadecimal=source.has_hexadecimal):
                return None
            chunks.append(decoded)
        return pa.chunked_array(chunks, reading.type)

    return parse


def _beginning(data: bytes | bytearray) -> bytes | bytearray:
    """What Arrow takes for these bytes where it begins with them: a byte order mark, here text, it leaves out."""
    return codecs.BOM_UTF8 + data if data.startswith(codecs.BOM_UTF8) else data


class _AsText:
    """The records of a file, without a byte order mark to Arrow."""

    def __init__(self, source: CsvSource) -> None:
        self._source = source
        self._has_begun = False

    def read(self, size: int = -1) -> bytes | bytearray:
        """Read the next records, nothing at the end."""
        has_begun, self._has_begun = self._has_begun, True
        data = self._source.read(size)
        return data if has_begun else _beginning(data)


def _ahead(parse: _Parser, blocks: Iterator[bytes]) -> Iterator[pa.Table | None]:
    """Blocks as they are parsed, in their order; several at once."""
    first = list(islice(blocks, 2))
    if len(first) < 2:  # to begin threads takes longer than to parse a small file
        yield from map(parse, first)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="csv-read") as pool:
        yield from in_order((pool.submit(parse, block) for block in chain(first, blocks)), _THREADS)


def count_rows(open_source: Opener, name: str, options: CsvOptions) -> int:
    """Count the rows that `read_csv` would find, in about a sixth of the time; see `Format.count_rows`."""
    first = csv.ConvertOptions(include_columns=["0"], column_types={"0": pa.binary()})
    with CsvSource(open_source, name, options) as source:
        # Looking for hexadecimal numbers takes as long as the rest.
        source.has_hexadecimal = True
        return sum(batch.num_rows for batch in _batches(source, options, first, use_threads=False))


def _passes(readings: Sequence[ColumnReading], options: CsvOptions) -> list[tuple[CsvOptions, Sequence[ColumnReading]]]:
    """Divide columns among passes over the file, each with the options that hold for its columns before their text.

    Arrow and the records have the same spellings for all columns, and cannot read a column twice.
    """
    if not options.by_column and len({each.position for each in readings}) == len(readings):
        return [(options, readings)]
    passes: dict[object, tuple[CsvOptions, list[ColumnReading]]] = {}
    read: Counter[int] = Counter()
    for each in readings:
        read[each.position] += 1
        same = read[each.position], str(_spellings(each.options))
        passes.setdefault(same, (each.options, []))[1].append(each)
    return list(passes.values())


def _spellings(options: CsvOptions) -> dict[str, Sequence[str]]:
    """Of `csv.ConvertOptions`, those that come from the options."""
    return {
        "null_values": list(options.null_spellings),
        "true_values": list(options.true_values),
        "false_values": list(options.false_values),
        "decimal_point": options.decimal,
    }


def _read_rows(
    source: CsvSource,
    readings: Sequence[ColumnReading],
    options: CsvOptions,
    as_text: set[str],
    ragged: list[Any] | None,
    unfit: UnfitRows,
) -> tuple[int, set[str]]:
    """Read all rows.

    Args:
        source: The file.
        readings: The columns, which take in the values; of one pass.
        options: Of the pass.
        as_text: The columns that Arrow is to read as text.
        ragged: Takes in rows of a wrong length, by the careful policy; None for the quick one.
        unfit: Takes in rows with values that do not fit.

    Returns:
        How many rows there are, and the columns that must be read as text, lest they lose something.

    Raises:
        ArrowInvalid: Arrow gave up.
    """
    if not readings:
        return 0, set()
    types = [_TEXT if each.name in as_text else _native_type(each.type, each.options) for each in readings]
    converting = _converting(readings, types, options)
    rows, doubtful = 0, set[str]()
    for batch in _batches(source, options, converting, use_threads=ragged is None, ragged=ragged):
        for reading, values in zip(readings, batch.columns, strict=True):
            if not _is_exact(values, has_hexadecimal=source.has_hexadecimal):
                doubtful.add(reading.name)
            if not ragged and not doubtful:
                _add(reading, values, rows + 1)
        unfit.end_piece(readings)
        rows += batch.num_rows
    return rows, doubtful


def _converting(
    readings: Sequence[ColumnReading], types: Sequence[pa.DataType], options: CsvOptions
) -> csv.ConvertOptions:
    """How Arrow is to read columns, each as a type."""
    return csv.ConvertOptions(
        column_types={str(each.position): kind for each, kind in zip(readings, types, strict=True)},
        include_columns=[str(each.position) for each in readings],
        **_spellings(options),
        strings_can_be_null=True,
        # Quotes distinguish a text from a null, where no option says otherwise; beside escapes the records do.
        quoted_strings_can_be_null=options.quoted_nulls and not options.escape_char,
    )


def _parsing(source: CsvSource, options: CsvOptions, skip: Any = None) -> csv.ParseOptions:
    """How Arrow is to split records; `skip` takes those of a wrong length."""
    return csv.ParseOptions(
        delimiter=options.arrow_delimiter,
        quote_char=options.arrow_quote,
        # Blocks end with a row; looking for its end is slower where some newlines end none.
        newlines_in_values=False,
        # A blank line is a null in a file of one column, nothing in others.
        ignore_empty_lines=source.width != 1,
        invalid_row_handler=skip,
    )


def _batches(
    source: CsvSource,
    options: CsvOptions,
    converting: csv.ConvertOptions,
    *,
    use_threads: bool,
    ragged: list[Any] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow splits and converts them; columns are called by their positions, which are unique."""
    if source.width is None:
        return
    reading = csv.ReadOptions(
        use_threads=use_threads, block_size=_LARGEST_BLOCK, column_names=[str(at) for at in range(source.width)]
    )

    def skip(row: Any, into: list[Any]) -> str:
        into.append(row)
        return "skip"

    def parsing(file: ReadableFile) -> csv.ParseOptions:
        return _parsing(source, options, None if ragged is None else file.lend(partial(skip, into=ragged)))

    with ReadableFile(_AsText(source)) as file:
        try:
            if use_threads:
                yield from csv.read_csv(file.native, reading, parsing(file), converting).to_batches()
            else:
                yield from csv.open_csv(file.native, reading, parsing(file), converting)
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise


def _native_type(kind: pa.DataType, options: CsvOptions) -> pa.DataType:
    """The type to ask Arrow's reader for; text where it cannot read the type, or not exactly."""
    t = pa.types
    if t.is_dictionary(kind):
        # Arrow's own dictionaries differ from block to block; strings at least repeat less in memory so.
        return kind if t.is_string(kind.value_type) else _native_type(kind.value_type, options)
    if t.is_nested(kind) or t.is_binary(kind) or t.is_duration(kind) or t.is_decimal(kind):
        return _TEXT
    if options.decorates_numbers and (t.is_integer(kind) or t.is_floating(kind)):
        return _TEXT
    if formats_of(kind, options) or (t.is_timestamp(kind) and options.epoch_unit):
        return _TEXT
    return kind


def _is_exact(values: pa.Array, *, has_hexadecimal: bool) -> bool:
    """Whether Arrow's parser cannot have changed a number: 0xFF wraps, 1e400 becomes infinity."""
    if pa.types.is_integer(values.type):
        return not has_hexadecimal
    return not (pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py())


def _add(reading: ColumnReading, read: pa.Array, first_row: int) -> None:
    """Add the values of a batch, whose first row has the 1-based number `first_row`."""
    values, misfits = _decoded(reading, read)
    if read.type == _TEXT and holds(reading.type, pa.types.is_boolean):
        reading.known.update(pc.unique(read.filter(values.is_valid())).to_pylist())
    elif read.type == _TEXT and len(misfits) and not reading.known:
        reading.known.update(pc.unique(read.filter(values.is_valid()))[:_KNOWN].to_pylist())
    reading.add(
        values,
        misfits,
        lambda rows: [
            (first_row + row, value, None)
            for row, value in zip(rows.to_pylist(), read.take(rows).to_pylist(), strict=True)
        ],
    )


def _decoded(reading: ColumnReading, read: pa.Array) -> tuple[pa.Array, Any]:
    """The values of a batch in their type, and the positions of those that do not fit."""
    kind, options = reading.type, reading.options
    if read.type == kind:
        values = read
    elif pa.types.is_dictionary(kind) and read.type != _TEXT:
        values = read.dictionary_encode().cast(kind)
    else:
        values = decode(read, kind, options)
    misfits: Any = ()
    if values.null_count != read.null_count:
        unfit = pc.and_(read.is_valid(), values.is_null())
        leaf = plain_type(kind)
        if not (pa.types.is_string(leaf) or pa.types.is_binary(leaf)):
            # Other tools put quotes around all values, so around null too; a number has no such value.
            nulls = av.array(["", *options.null_spellings], _TEXT)
            unfit = pc.and_not(unfit, pc.is_in(read, value_set=nulls))
        misfits = pc.indices_nonzero(unfit)
    return values, misfits
