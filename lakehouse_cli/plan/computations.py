"""The computation of each table: a Python function, or a query."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Computation
from lakehouse_cli.plan.python_functions import FunctionCode, PythonFunction

if TYPE_CHECKING:
    from lakehouse_cli.plan.queries import QueryCode


def planned_computation(table: Table, functions: FunctionCode, queries: QueryCode | None) -> Computation | None:
    """The computation of a table, to be asked for its inputs and its fingerprint; None for a source."""
    if table.query is not None:
        from lakehouse_cli.plan.queries import QueryComputation  # not loaded where no table has a query

        return QueryComputation(table, queries, params=functions.spec.params.keys())
    return None if table.function is None else PythonFunction(table.function, table, functions)


def runnable_computation(
    table: Table, folder: Path, *, uses_duckdb: bool = False, workers: int = 1, now: datetime | None = None
) -> Computation:
    """The computation of a computed table, to be run; the arguments are those of the two kinds.

    Raises:
        TypeError: The table is a source.
    """
    if table.query is not None:
        from lakehouse_cli.plan.queries import QueryComputation

        return QueryComputation(table, workers=workers, now=now)
    return PythonFunction(table.transform, table, folder=folder, uses_duckdb=uses_duckdb, workers=workers)
