"""A query in DuckDB: over temporary views, into a temporary table, in memory that is DuckDB's own.

That it reads nothing else was seen to when it was parsed (`lakehouse_cli.plan.queries_in_databases`): DuckDB cannot
narrow what a connection to a file may name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pyarrow as pa

from lakehouse_cli.engines.duckdb_queries import bound_params, clocks
from lakehouse_cli.errors import Violation
from lakehouse_cli.model import ColumnType, Table
from lakehouse_cli.storage.relational import duckdb_conversions
from lakehouse_cli.storage.relational.dialect import Order, QueryDialect, RefusedQueryError, Staged
from lakehouse_cli.storage.relational.result_types import judge_types
from lakehouse_cli.storage.relational.session import Relation
from lakehouse_cli.storage_types.duckdb import sql_type, way_to
from lakehouse_cli.storage_types.names import ascii_lower
from lakehouse_cli.text.sql import literal, quote

_EPOCH, _LAST = datetime(1970, 1, 1), (1 << 63) - 2
_RESULT = f"temp.main.{quote('result of the query')}"


def judge_result(table: Table, columns: Mapping[str, str]) -> tuple[pa.Table, tuple[Violation, ...]]:
    """Judge a result by its types before there are rows; a run judges them the same.

    Args:
        table: With the contract.
        columns: DuckDB's type of each column of the result, by name.

    Returns:
        A table without rows of the stored columns; and what breaks the contract.
    """
    typed = judge_types(DuckDBQuery, table, columns)
    return typed.empty, typed.violations


class DuckDBQuery(QueryDialect):
    """A query in a transaction of DuckDB, whose connection is closed after it."""

    natural = staticmethod(duckdb_conversions.natural)
    conversion = staticmethod(duckdb_conversions.conversion)

    def begin(self) -> None:
        """Stop the clock."""
        for statement in clocks(self.query.now, temporary=True):
            self.session.do(statement)

    def show(self, name: str, select: str, of: Relation) -> None:
        """By a temporary view, which hides tables of the same name."""
        del of
        self.session.do(f"CREATE TEMP VIEW {quote(name)} AS {select}")

    def stage(self, order: Order) -> Staged:
        """Run it into a temporary table."""
        params = bound_params(self.query.params) or None
        bound = self.session.relation(self.query.text, params)
        columns = dict(zip(bound.columns, map(str, bound.types), strict=True))
        folded = list(map(ascii_lower, bound.columns))
        twice = next((name for name in bound.columns if folded.count(ascii_lower(name)) > 1), None)
        if twice is not None:
            raise RefusedQueryError(f"it returns two columns called `{twice}`", "give one another name with AS")
        keys = [quote(name) for name in order(list(columns))]
        by = f" ORDER BY {', '.join(keys)}" if keys else ""
        self.session.do(f"CREATE TEMP TABLE {_RESULT} AS SELECT * FROM ({self.query.text}\n){by}", params)
        return Staged(_RESULT, columns)

    def end(self) -> None:
        """Drop the views; the connection takes the rest with it."""
        for name in self.query.inputs:
            self.session.do(f"DROP VIEW temp.main.{quote(name)}")

    @staticmethod
    def moment(moment: datetime, kind: ColumnType) -> str:
        """In the type itself; the nearest of nanoseconds, which begin in 1677 and end in 2262."""
        if kind.unit == "ns":
            return (
                f"make_timestamp_ns({max(-_LAST, min((moment - _EPOCH) // timedelta(microseconds=1) * 1000, _LAST))})"
            )
        text = moment.date().isoformat() if kind.id == "date32" else moment.isoformat(" ", "seconds")
        return f"{literal(text + '+00' * (kind.timezone is not None))}::{sql_type(kind)}"

    @staticmethod
    def cast(declared: ColumnType, returned: ColumnType | None) -> str | None:
        """As DuckDB writes it."""
        return way_to(declared, returned)
