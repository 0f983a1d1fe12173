"""What both passes over a CSV file share: which columns are wanted, and how Arrow's parser is set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
from msgspec import Struct
from pyarrow import csv

from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.model import Column

_LARGEST_BLOCK = (1 << 31) - (1 << 20)


class Wanted(Struct, frozen=True):
    """A column to read.

    Attributes:
        position: Of its values in each row, from 0.
        name: In the result.
        type: In the result.
        column: As declared; None where nothing is.
    """

    position: int
    name: str
    type: pa.DataType
    column: Column | None

    @property
    def key(self) -> str:
        """What Arrow's reader calls it: names in a file may be there twice, positions are not."""
        return str(self.position)


def read_options(source: CsvSource, *, use_threads: bool = True) -> csv.ReadOptions:
    """Columns by position, for a source whose header is already behind and that cuts itself into blocks."""
    names = [str(at) for at in range(source.width or 0)]
    return csv.ReadOptions(use_threads=use_threads, block_size=_LARGEST_BLOCK, column_names=names)


def parse_options(source: CsvSource, options: CsvOptions, on_ragged: Callable[[Any], str] | None = None) -> Any:
    """The grammar of the file; a blank line is a null in a file of one column, nothing in others."""
    return csv.ParseOptions(
        delimiter=options.delimiter,
        quote_char=options.arrow_quote,
        # Blocks end with a row; looking for its end is slower where some newlines end none.
        newlines_in_values=False,
        ignore_empty_lines=source.width != 1,
        invalid_row_handler=on_ragged,
    )


def convert_options(wanted: Sequence[Wanted], types: Sequence[pa.DataType], options: CsvOptions) -> csv.ConvertOptions:
    """Only the wanted columns, in their order, as `types`; quotes tell a text from a null."""
    return csv.ConvertOptions(
        column_types={column.key: kind for column, kind in zip(wanted, types, strict=True)},
        include_columns=[column.key for column in wanted],
        null_values=list(options.null_spellings),
        true_values=list(options.true_values),
        false_values=list(options.false_values),
        decimal_point=options.decimal,
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def table_of(columns: Sequence[pa.ChunkedArray], wanted: Sequence[Wanted]) -> pa.Table:
    """The result: declared names and types in declared order, dictionaries made one per column."""
    schema = pa.schema([pa.field(column.name, column.type) for column in wanted])
    table = pa.Table.from_arrays(list(columns), schema=schema)
    return table.unify_dictionaries() if any(pa.types.is_dictionary(kind) for kind in schema.types) else table
