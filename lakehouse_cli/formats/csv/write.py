"""Writing: a batch of columns becomes text by Arrow's kernels, and its joined buffer goes to the file.

`pyarrow.csv.write_csv` quotes every string, and knows neither quote characters, decimal points, encodings nor nested
types; this quotes where a reader would otherwise be misled, and nowhere else.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import chain
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.compression import compressed
from lakehouse_cli.formats.csv.codec import encode, encode_few
from lakehouse_cli.formats.csv.decode import formats_of
from lakehouse_cli.formats.csv.errors import shorten
from lakehouse_cli.formats.csv.options import WHITESPACE, CsvOptions
from lakehouse_cli.formats.stored_types import storable

_TEXT = pa.string()
_ROWS = 1 << 16
_CELLS = 1 << 21
_BYTES = 1 << 26
_CELLS_FOR_THREADS = 1 << 17
_THREADS = 2
# Up to so many rows Python makes the text of, in less time than it takes to call Arrow's kernels.
_ROWS_OF_PYTHON = 64
# Columns of text beyond this are joined with 64-bit offsets.
_OFFSETS_END = 1 << 30
# What part of a column's values may be distinct for the rest to be worth looking up.
_WORTHWHILE = 0.4
_FEW = 1 << 10
_BATCHES_TO_TRY_AGAIN = 16
# Of these alone are the texts of numbers, dates and times made, in ISO 8601 and with a point.
_OF_PLAIN_VALUES = frozenset("0123456789+-.:eEinfaTZ ")
_BOM = "\ufeff"
_BITS = {32: pa.int32(), 64: pa.int64()}


def write_csv(table: pa.Table, sink: Sink, options: CsvOptions) -> None:
    """Write a table batch by batch; see `Format.write`."""
    write_pieces([table], sink, options)


def write_pieces(pieces: Iterable[pa.Table], sink: Sink, options: CsvOptions) -> None:
    """Write a table that comes piece by piece, at least one; else as `write_csv`."""
    rest = (storable(piece, "a CSV file") for piece in pieces)
    first = next(rest)
    writer = _Writer(first.schema, options)
    with compressed(sink, options.compression) as target:
        put = _putter(target, options)
        put(writer.head())
        # Threads cost more than they save where there is one batch.
        spread = _in_order if first.num_rows * first.num_columns > _CELLS_FOR_THREADS else map
        for text in spread(writer.batch, chain.from_iterable(map(_batches, chain([first], rest)))):
            put(text)
        put(writer.foot())


def _batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Slices of the table, bounded in rows, cells and bytes."""
    if table.num_rows == 0:
        return
    rows = min(_ROWS, _CELLS // table.num_columns)
    # How large buffers are is known at once; how much of them a table takes (`nbytes`) is not.
    if table.num_rows <= rows and table.get_total_buffer_size() <= _BYTES and len(whole := table.to_batches()) == 1:
        yield from whole
        return
    rows = max(1, min(rows, _BYTES // max(1, table.nbytes // table.num_rows)))
    for start in range(0, table.num_rows, rows):
        yield from table.slice(start, rows).combine_chunks().to_batches()


def _in_order(work: Callable[[pa.RecordBatch], Any], batches: Iterator[pa.RecordBatch]) -> Iterator[Any]:
    """The results of `work` in the order of the batches, a few of them ahead in threads."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="csv-write") as pool:
        waiting = []
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > _THREADS:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


class _Cells:
    """What the options say of the text of a column, or of the names in the header."""

    def __init__(self, options: CsvOptions) -> None:
        self.options = options
        self.null_text = options.null_text
        self.replace_null = {"null_handling": "replace", "null_replacement": self.null_text or ""}
        # What quotes distinguish from null, and, where there are quotes, from nothing; between blanks is no empty text.
        has_empty = options.quotes or options.delimiter == WHITESPACE
        spellings = {*options.null_spellings, *([""] if has_empty else [])}
        self.nulls = frozenset(spellings)
        self.null_set = _texts(tuple(sorted(spellings)))
        marks = {*options.delimiter_characters, options.quote_char if options.quotes else "", options.escape_char or ""}
        marks |= {*(options.comment or "")[:1]}
        plain = _OF_PLAIN_VALUES | {options.decimal}
        special = options.delimiter_characters + (options.quote_char if options.quotes else "")
        special += (options.escape_char or "") + "\r\n"
        self.special = tuple(c.encode() for c in special)
        self.pattern = f"([{re.escape(special)}])"
        self.marks = re.compile(f"[{re.escape(special)}{_BOM}]")
        # What is no text at the start or the end of a value without quotes.
        self.edges = _edges(options)
        self.plain_needs_quotes = bool(marks & plain) or any(s and set(s) <= plain for s in spellings)

    def may_need_quotes(self, kind: pa.DataType) -> bool:
        """Whether a value of a type may need quotes."""
        t = pa.types
        if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
            return self.plain_needs_quotes
        return self.plain_needs_quotes or not t.is_temporal(kind) or bool(formats_of(kind, self.options))

    def refuse_nulls(self, text: pa.Array) -> None:
        """Refuse texts that are null in quotes too."""
        nulls = text.filter(pc.is_in(text, value_set=_texts(self.options.null_spellings), skip_nulls=True))
        if len(nulls):
            raise StorageError(
                f"the text {nulls[0].as_py()!r} cannot be written, with `quoted_nulls` it is null in quotes too",
                hint="remove `quoted_nulls` from the options, or take it out of `null_values`",
            )


_cells = lru_cache(maxsize=64)(_Cells)


def _name_column(name: str, error: StorageError) -> None:
    error.message = f"column `{name}`: {error.message}"


class _Writer:
    """Turns batches of one schema into CSV text."""

    def __init__(self, schema: pa.Schema, options: CsvOptions) -> None:
        self.schema = schema
        self.columns: list[str] = schema.names
        self.options = options
        self.quote = options.quote_char if options.quotes else ""
        self.escape = options.escape_char or ""
        self.delimiter = " " if options.delimiter == WHITESPACE else options.delimiter
        self.names = _cells(options)
        self.cells = [_cells(options.of(name)) if options.by_column else self.names for name in schema.names]
        # Per column, for how many batches more its values are taken for distinct.
        self.distinct = [0] * len(schema)

    def head(self) -> bytes:
        """Make what comes before the first row."""
        head = self.options.line_terminator * self.options.skip_rows
        if self.options.header:
            line = (
                self.delimiter.join(self._quoted_few(self.columns, self.names, begins=True))
                + self.options.line_terminator
            )
            # Blank lines would be no rows.
            head += line * (1 + self.options.skip_rows_after_header)
        return head.encode()

    def foot(self) -> bytes:
        """Make what comes behind the last row."""
        return (self.options.line_terminator * self.options.skip_footer).encode()

    def batch(self, batch: pa.RecordBatch) -> memoryview:
        """Make the lines of a batch, in UTF-8."""
        if batch.num_rows <= _ROWS_OF_PYTHON:
            lines = zip(*[self._few(batch.column(at), at) for at in range(batch.num_columns)], strict=True)
            end = self.options.line_terminator
            return memoryview("".join([self.delimiter.join(line) + end for line in lines]).encode())
        endings = [""] * (batch.num_columns - 1) + [self.options.line_terminator]
        columns = [self._column(batch.column(at), at, ending) for at, ending in enumerate(endings)]
        lines = columns[0]
        if len(columns) > 1:
            if _are_long(columns):
                columns = [column.cast(pa.large_string()) for column in columns]
            lines = pc.binary_join_element_wise(*columns, self.delimiter, **self.names.replace_null)
        return _data_of(lines)

    def _column(self, values: pa.Array, at: int, ending: str) -> pa.Array:
        """The text of a column, in quotes where it needs them, with what ends the line behind the last one."""
        field, cells = self.schema.field(at), self.cells[at]
        repeated = self._repeated(values, at)
        distinct = values if repeated is None else repeated.dictionary.view(field.type)
        try:
            text = encode(distinct, cells.options)
            if self.options.quoted_nulls:
                cells.refuse_nulls(text)
            text = self._quoted(text, cells, begins=self._begins(at)) if cells.may_need_quotes(field.type) else text
        except StorageError as error:
            _name_column(field.name, error)
            raise
        null_text = self._null_text(field.name, cells) if values.null_count else cells.null_text
        if ending:
            if _are_long([text]):
                text = text.cast(pa.large_string())
            text = pc.binary_join_element_wise(text, "", ending, **cells.replace_null)
        if repeated is not None:
            text = text.take(repeated.indices)
            if ending and text.null_count:
                text = pc.fill_null(text, (null_text or "") + ending)
        if null_text != self.names.null_text and text.null_count:
            text = pc.fill_null(text, null_text)
        return text

    def _few(self, values: pa.Array, at: int) -> list[str]:
        """What `_column` makes, of a few values."""
        name, cells = self.columns[at], self.cells[at]
        try:
            texts = encode_few(values, cells.options)
            if self.options.quoted_nulls:
                cells.refuse_nulls(av.array(texts, _TEXT))
            quoted = self._quoted_few(texts, cells, begins=self._begins(at))
        except StorageError as error:
            _name_column(name, error)
            raise
        if not values.null_count:
            return quoted
        null_text = self._null_text(name, cells)
        return [null_text if text is None else text for text in quoted]

    def _begins(self, at: int) -> bool:
        """Whether the file may begin with a value of a column."""
        return at == 0 and not (self.options.header or self.options.skip_rows)

    def _quoted_few(self, texts: list[Any], cells: _Cells, *, begins: bool) -> list[Any]:
        """With quotes as `_quoted` puts them, which is asked where one of the texts may need them."""
        if (
            self.names.edges
            or self.names.marks.search("".join(filter(None, texts)))
            or not cells.nulls.isdisjoint(texts)
        ):
            quoted: list[Any] = self._quoted(av.array(texts, _TEXT), cells, begins=begins).to_pylist()
            return quoted
        return texts

    def _null_text(self, name: str, cells: _Cells) -> str:
        """How null is written in a column; refused where it cannot be."""
        if cells.null_text is None:
            raise StorageError(
                f"column `{name}` holds null, and `null_values` is empty",
                hint='say how null is written, such as `null_values: [""]`, in the options',
            )
        if not cells.null_text and self.options.delimiter == WHITESPACE:
            raise StorageError(
                f"column `{name}` holds null, and nothing between blanks is no value",
                hint="say how null is written, such as `null_values: [NA]`, in the options",
            )
        return cells.null_text

    def _repeated(self, values: pa.Array, at: int) -> pa.DictionaryArray | None:
        """The distinct values and where they stand, where there are few: then text is made once for each of them."""
        bits = _BITS.get(values.type.bit_width) if pa.types.is_primitive(values.type) else None
        if bits is None or len(values) < _FEW or self.distinct[at] > 0:
            self.distinct[at] -= 1
            return None
        # By their bits, because 0.0 equals -0.0 and NaN nothing.
        encoded = values.view(bits).dictionary_encode()
        if len(encoded.dictionary) > len(values) * _WORTHWHILE:
            self.distinct[at] = _BATCHES_TO_TRY_AGAIN
            return None
        return encoded

    def _quoted(self, text: pa.Array, cells: _Cells, *, begins: bool) -> pa.Array:
        """With quotes around what would otherwise be read as something else."""
        if len(text) == text.null_count:
            return text
        data = _data_of(text).tobytes()
        mask = pc.is_in(text, value_set=cells.null_set, skip_nulls=True)
        if any(mark in data for mark in self.names.special):
            mask = pc.or_(mask, pc.fill_null(pc.match_substring_regex(text, self.names.pattern), False))
        if (begins or self.quote) and _BOM.encode() in data:
            # At the start of the file it would be taken for a byte order mark.
            mask = pc.or_(mask, pc.fill_null(pc.starts_with(text, _BOM), False))
        if self.names.edges:
            mask = pc.or_(mask, pc.fill_null(pc.match_substring_regex(text, self.names.edges), False))
        if not mask.true_count:
            return text
        if not self.quote:
            return self._unquoted(text, cells, begins=begins)
        if self.escape:
            inner = pc.replace_substring_regex(text, f"([{re.escape(self.quote + self.escape)}])", _behind(self.escape))
        else:
            inner = pc.replace_substring(text, self.quote, self.quote * 2) if self.quote.encode() in data else text
        return pc.if_else(mask, pc.binary_join_element_wise(self.quote, inner, self.quote, ""), text)

    def _unquoted(self, text: pa.Array, cells: _Cells, *, begins: bool) -> pa.Array:
        """With escapes in front of what would otherwise be read as something else."""
        refused = f"[{re.escape(self.options.delimiter_characters)}\r\n]" + (
            f"|{self.names.edges}" if self.names.edges else ""
        )
        if self.escape:
            more = [f"[{re.escape(self.options.comment[0])}]"] if self.options.comment else []
            pattern = "|".join((self.names.pattern[1:-1], *more, *_blank_edges(self.options)))
            text, refused = pc.replace_substring_regex(text, f"({pattern})", _behind(self.escape)), "(?:a^)"
        unfit = pc.is_in(text, value_set=cells.null_set, skip_nulls=True)
        unfit = pc.or_(unfit, pc.starts_with(text, _BOM)) if begins else unfit
        unfit = pc.fill_null(pc.or_(unfit, pc.match_substring_regex(text, refused)), False)
        if unfit.true_count:
            value = text.filter(unfit)[0].as_py()
            others = "another" if self.escape else "`escape_char`, or another `delimiter` or"
            hint = f", or set {others} spelling of null"
            error = StorageError(
                f"`{shorten(value)}` cannot be written without quotes, and `quote_char` is none",
                hint=f"remove `quote_char: none` from the options{'' if value.startswith(_BOM) else hint}",
            )
            error.shown_data = (f"`{shorten(value)}`",)
            raise error
        return text


def _edges(options: CsvOptions) -> str:
    """The pattern of what a text without quotes may not begin or end with; empty where it may with all."""
    comment = [rf"\A[ \t]*{re.escape(options.comment)}"] if options.comment else []
    return "|".join((*_blank_edges(options), *comment))


def _blank_edges(options: CsvOptions) -> list[str]:
    return [r"\A[ \t]", r"[ \t]\z"] if options.trim else []


def _behind(escape: str) -> str:
    """The replacement that puts an escape character before what was found."""
    return f"{escape * (2 if escape == chr(92) else 1)}\\1"


@lru_cache(maxsize=64)
def _texts(values: tuple[str, ...]) -> pa.Array:
    return av.array(values, _TEXT)


def _are_long(columns: Sequence[pa.Array]) -> bool:
    """Whether the texts of a batch need 64-bit offsets; buffers that are shared with other batches do not count."""
    if sum(column.get_total_buffer_size() for column in columns) <= _OFFSETS_END:  # known at once, and at least as much
        return False
    return bool(sum(column.nbytes for column in columns) > _OFFSETS_END)


def _data_of(text: pa.Array) -> memoryview:
    """The bytes of all the values, one after another; of one that is null, what lies under it as well."""
    buffers = text.buffers()
    offsets = memoryview(buffers[1]).cast("q" if pa.types.is_large_string(text.type) else "i")
    start, end = offsets[text.offset], offsets[text.offset + len(text)]
    return memoryview(b"" if buffers[2] is None else buffers[2])[start:end]


def _putter(target: Any, options: CsvOptions) -> Callable[[Any], None]:
    """What takes UTF-8 text to the file, and encodes it on the way."""
    if options.encoding == "utf-8":
        return lambda text: target.write(text) if len(text) else None
    encoder = codecs.getincrementalencoder(options.encoding)()

    def put(text: Any) -> None:
        try:
            target.write(encoder.encode(bytes(text).decode()))
        except UnicodeEncodeError as error:
            character = error.object[error.start]
            raise StorageError(
                f"`{character}` (U+{ord(character):04X}) cannot be written in {options.encoding}",
                hint="set `encoding: utf-8` in the options, which holds every character",
            ) from None

    return put
