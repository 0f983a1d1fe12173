"""The call of a table's query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import pyarrow as pa

from lakehouse_cli.engines.duckdb_queries import bound_params
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.transforms.queries.connection import private_connection, share_of
from lakehouse_cli.transforms.queries.inputs import registered
from lakehouse_cli.transforms.queries.results import QueryError, result_of
from lakehouse_cli.transforms.shared_tables import SharedTable, StreamedTable


def run_query(
    table: Table,
    inputs: Sequence[tuple[Input, SharedTable | StreamedTable]],
    workers: int = 1,
    now: datetime | None = None,
) -> pa.Table | Iterator[pa.Table]:
    """Run the query of a table.

    Rows come in the order of `Table.row_order`, those that are equal by it in that of all other columns: the same each
    time.

    Args:
        table: With the query.
        inputs: Each with its data.
        workers: How many tables are computed at once.
        now: What `now()` returns.

    Returns:
        The result, of whatever Arrow types it has; its pieces where it is large, which raise the same as they come.

    Raises:
        TransformError: It failed.
    """
    pieces = _pieces(table, inputs, workers, now)
    first, second = next(pieces), next(pieces, None)
    return first if second is None else _joined([first, second], pieces)


def _joined(begun: list[pa.Table], pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield from begun
    yield from pieces


def _pieces(
    table: Table, inputs: Sequence[tuple[Input, SharedTable | StreamedTable]], workers: int, now: datetime | None
) -> Iterator[pa.Table]:
    query = table.query
    assert query is not None  # noqa: S101  # the caller's table has one
    reading = query.reading
    assert reading is not None  # noqa: S101  # the plan read it
    tables = {each.parameter or each.table: shared for each, shared in inputs}
    streamed = [shared for shared in tables.values() if isinstance(shared, StreamedTable)]
    settings = share_of(workers)
    is_sensitive = table.reproducible and bool(reading.sensitive)
    if is_sensitive:
        settings["threads"] = 1
    try:
        files = [shared.file for shared in streamed if shared.file is not None]
        if any(file.floats for file in files):
            # Else it takes least and greatest floats from footers, where zeros have no sign and NaN is not.
            settings["disabled_optimizers"] = "statistics_propagation"
        with (
            private_connection(now, files=[file.path for file in files], **settings) as connection,
            registered(connection, tables, in_batches=is_sensitive),
        ):
            params = bound_params(table.params)
            yield from result_of(connection, query.bare, params, table.columns, order=table.row_order)
        for shared in streamed:
            shared.finish()
    except QueryError as error:
        problem = error.problem
        raise TransformError(
            f"{table.computed_by} failed: {problem.message}",
            hint=problem.hint or "correct the query, or the data that it reads",
            location=query.place(problem.line, problem.column),
            inputs=[(name, name, data.num_rows, data.num_columns) for name, data in tables.items()],
        ) from None
