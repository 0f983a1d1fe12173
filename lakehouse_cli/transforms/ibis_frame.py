"""Transforms on `ibis.Table` (optional), on connections of DuckDB as relations are."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.operations as ops

from lakehouse_cli.errors import TransformError
from lakehouse_cli.model.frame_names import IBIS
from lakehouse_cli.storage_types.duckdb import same_to_duckdb
from lakehouse_cli.transforms.relation_frame import Call, RelationFrame


class IbisFrame(RelationFrame):
    """Tables of ibis, which DuckDB computes as they are stored."""

    name = IBIS
    kind = "table"
    as_arrow = ".to_pyarrow()"

    def client(self, connection: Any) -> Any:
        """The backend of ibis on the connection, of which it sets the time zone."""
        return ibis.duckdb.from_connection(connection)

    def registered(self, source: Any) -> Any:
        """Arrow data as a table of ibis."""
        return self.call.client.table(self.register(source))

    def relation(self, frame: Any, call: Call) -> Any:
        """The query that a table of ibis is, as DuckDB's relation.

        Raises:
            TransformError: It is on another connection, or DuckDB would take two of its columns for one.
        """
        backend = call.client
        # ibis takes one backend for another where neither is of a file.
        if any(node.source is not backend for node in frame.op().find((ops.DatabaseTable, ops.SQLQueryResult))):
            raise TransformError(
                "the table is on another connection than the inputs",
                hint=f"make it from the inputs or with `ibis.memtable`, or return `{self.as_arrow}`",
            )
        for node in frame.op().find(ops.Relation):
            if (both := same_to_duckdb(node.schema.names)) is not None:
                raise TransformError(
                    f"the table, or one that it is made from, has {both}", hint="give one another name"
                )
        backend._run_pre_execute_hooks(frame)  # hands tables in memory, and functions of Python, to DuckDB
        return call.connection.sql(backend.compile(frame))

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is ibis.Table."""
        del returned
        return issubclass(annotation, ibis.Table)
