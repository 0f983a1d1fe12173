"""Tables as DuckDB reads them: from memory, piece by piece, or from files by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.types import from_arrow, to_arrow, without_rows
from lakehouse_cli.engines.duckdb_values import check_range
from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.pieces import resized
from lakehouse_cli.storage_types.duckdb import held_type, unread
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.sql import literal, quote
from lakehouse_cli.transforms.shared_tables import SharedTable, StreamedTable

_ROWS = 1 << 16


def unheld(data: pa.Schema) -> str | None:
    """Why a query cannot have a table of these columns, to follow its name; None where it can."""
    return unread((field.name, from_arrow(field.type)) for field in data)


@contextmanager
def registered(
    connection: Any, tables: Mapping[str, pa.Table | SharedTable | StreamedTable], *, in_batches: bool = False
) -> Iterator[None]:
    """Let queries read tables by name, and nothing else.

    Args:
        connection: May read the files of tables that are `StreamedTable.file`.
        tables: By the names that queries have for them.
        in_batches: Whether rows come in batches of one size, wherever they come from: floats that are added up in
            parts of others have another last digit.

    Raises:
        TransformError: DuckDB would change values of one; also at the end, where its pieces were read.
    """
    names = []
    pieces: list[Pieces] = []
    try:
        for name, table in tables.items():
            if isinstance(table, StreamedTable) and table.file is not None and not in_batches:
                rows = f"read_parquet({literal(table.file.path)}, hive_partitioning = false, can_have_nan = true)"
                columns = ", ".join(map(quote, table.schema.names))
                connection.execute(f"CREATE VIEW {quote(name)} AS SELECT {columns} FROM {rows}")
                continue
            if in_batches or isinstance(table, StreamedTable):
                opened = partial(_batches, table) if in_batches else partial(_pieces, table)
                pieces.append(source := Pieces(name, table.schema, opened))
            else:
                source = held_in_duckdb(name, table.arrow() if isinstance(table, SharedTable) else table)
            connection.register(name, source)
            names.append(name)
        yield
    except BaseException as error:
        own = next((each.error for each in pieces if each.error is not None), None)
        if own is None:
            raise
        raise own from error
    finally:
        for name in names:
            connection.unregister(name)


def _pieces(table: pa.Table | SharedTable | StreamedTable) -> Iterator[pa.Table]:
    if isinstance(table, StreamedTable):
        return table.pieces()
    return iter([table.arrow() if isinstance(table, SharedTable) else table])


def _batches(table: pa.Table | SharedTable | StreamedTable) -> Iterator[pa.Table]:
    return (piece.combine_chunks() for piece in resized(_pieces(table), _ROWS))


class Pieces:
    """Arrow data that DuckDB reads piece by piece, any number of times.

    Args:
        name: Of the table, for messages.
        schema: Of its pieces.
        open_pieces: Begins to read them.

    Attributes:
        error: What was raised as they were read, of which DuckDB keeps only a text.
    """

    def __init__(self, name: str, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> None:
        self.error: TransformError | None = None
        self._name = name
        self._schema = held_in_duckdb(name, without_rows(schema)).schema
        self._open = open_pieces

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:  # the protocol's own name
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        before = 0
        try:
            for piece in self._open():
                yield from held_in_duckdb(self._name, piece, before).to_batches()
                before += piece.num_rows
        except TransformError as error:
            self.error = error
            raise


def held_in_duckdb(name: str, table: pa.Table, before: int = 0) -> pa.Table:
    """A table in the types that DuckDB has.

    Args:
        name: Of the table, for messages.
        table: The table, or some of its rows.
        before: How many rows there are before these.

    Raises:
        TransformError: It would change values.
    """
    why = unheld(table.schema)
    if why is not None:
        raise TransformError(f"`{name}` {why}", hint="leave it out, or rename it, in a table between the two")
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        declared = from_arrow(field.type)
        try:
            held = convert(column, to_arrow(held_type(declared))) if declared is not None else column
            check_range(held)
        except InexactError as refused:
            refused.hint = None  # of another place
            found = violation_of(refused, field.name, None, column)
            at = f" in row {count_text(before + (found.examples[0].row or 0))}" if found.examples else ""
            hint = "change the values, or declare a type that DuckDB holds, in a table between the two"
            raise TransformError(f"DuckDB cannot hold what `{name}` has{at}: {found.message}", hint=hint) from refused
        columns[field.name] = held
    return pa.table(columns)
