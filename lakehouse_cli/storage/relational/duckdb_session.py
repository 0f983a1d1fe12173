"""A transaction in DuckDB."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.storage.relational.session import UNIT_COLUMN, Digest, Found, Raw, Relation, Session, is_relation
from lakehouse_cli.storage_types.duckdb import sql_type
from lakehouse_cli.storage_types.names import MANIFESTS, PARTITIONS
from lakehouse_cli.text.sql import literal, literals, quote

if TYPE_CHECKING:
    from lakehouse_cli.model import ColumnType
    from lakehouse_cli.storage.spool import SpooledTable

_INCOMING = "lakehouse_incoming"
# Statements that change what is in the catalog.
_DEFINES = ("CREATE ", "DROP ", "ALTER ")


class DuckDBSession(Session):
    """A transaction; one that writes is alone with the file but for readers of its own process."""

    text_type = "VARCHAR"
    stores_as_given = True

    def __init__(self, connection: Any, schema: str) -> None:
        super().__init__(connection, schema)
        # In full: a schema may be called as the database is.
        self._catalog = quote(self.rows("SELECT current_database()")[0][0])
        self._has_manifests: bool | None = None
        # What was found in this transaction, for as long as no statement of it names that.
        self._found: dict[Relation, Found | None] = {}
        # Partitions that are hashed together, and the digests of those that were, by table and columns.
        self._expected: Mapping[Relation, Found] = {}
        self._digests: dict[tuple[Relation, tuple[tuple[str, str], ...]], dict[str, Digest]] = {}

    def do(self, statement: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement that gives no rows."""
        if statement.startswith(_DEFINES):
            named = statement.lower()
            self._found = {each: found for each, found in self._found.items() if each.quoted.lower() not in named}
        self._connection.execute(statement, params)

    def relation(self, query: str, params: Mapping[str, Any] | None) -> Any:
        """Return a query as DuckDB has bound it; nothing runs."""
        return self._connection.sql(query, params=params)

    def sql(self, relation: Relation) -> str:
        """With the database."""
        return f"{self._catalog}.{relation.quoted}"

    def find(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        """By name, in whatever case; what was found is known until the transaction changes it."""
        new = [each for each in wanted if each not in self._found]
        if new or self._has_manifests is None:
            self._found |= {**dict.fromkeys(new), **self._look(new)}
        return {each: found for each in wanted if (found := self._found[each]) is not None}

    def _look(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        by_name = {(relation.schema.lower(), relation.name.lower()): relation for relation in wanted}
        # Whether there are manifests is asked next, and each look at the catalog goes through all of it.
        names = literals({MANIFESTS, PARTITIONS, *(name for _, name in by_name)})
        here = "database_name = current_database() AND NOT internal"
        kinds = self.rows(
            f"SELECT schema_name, table_name, 'table' FROM duckdb_tables() WHERE {here}"
            f" AND lower(table_name) IN {names}"
        )
        if not by_name.keys() <= {(s.lower(), n.lower()) for s, n, _ in kinds}:
            kinds += self.rows(
                f"SELECT schema_name, view_name, 'view' FROM duckdb_views() WHERE {here}"
                f" AND lower(view_name) IN {names}"
            )
        there = {(s.lower(), n.lower()) for s, n, _ in kinds}
        schema = self.manifests.schema.lower()
        self._has_manifests, self._has_records = (schema, MANIFESTS) in there, (schema, PARTITIONS) in there
        kinds = [each for each in kinds if (each[0].lower(), each[1].lower()) in by_name]
        columns = self._columns(kinds[0][:2] if len(kinds) == 1 else None, here, names) if kinds else {}
        return {by_name[s.lower(), n.lower()]: Found(kind, tuple(columns.get((s, n), ()))) for s, n, kind in kinds}

    def _columns(
        self, only: tuple[str, str] | None, here: str, names: str
    ) -> Mapping[tuple[str, str], Sequence[tuple[str, str]]]:
        """Return name and type of each column, by schema and name; of many by one look at the catalog."""
        if only is not None:
            return {only: [row[:2] for row in self.rows(f"DESCRIBE {self.sql(Relation(*only))}")]}
        columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, name, column, data_type in self.rows(
            "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns()"
            f" WHERE {here} AND lower(table_name) IN {names} ORDER BY column_index"
        ):
            columns.setdefault((schema, name), []).append((column, data_type))
        return columns

    def has_manifests(self) -> bool:
        """As `find` saw it."""
        if self._has_manifests is None:
            self.find(())
        return bool(self._has_manifests)

    def has_records(self) -> bool:
        """As `find` saw it."""
        if self._has_manifests is None:
            self.find(())
        return self._has_records

    def make_records(self) -> None:
        """As any session; they are there then."""
        super().make_records()
        self._has_records = True

    def digest(self, relation: Relation, found: Found) -> Digest:
        """By DuckDB: the sum, over rows in whatever order, of the two halves of the MD5 of each row's text."""
        if relation in self._expected:
            return self._digest_of_group(relation, found)
        row = "r"
        while row in {name.lower() for name, _ in found.columns}:
            row += "r"
        [(rows, low, high, size)] = self.rows(
            "SELECT count(*), sum(md5_number_lower(t)), sum(md5_number_upper(t)), sum(strlen(t))"
            f" FROM (SELECT {row}::VARCHAR AS t FROM {self.source(relation, found, row)})"
        )
        return Digest.of_sums(found.signature, rows, low, high, size)

    def expect_digests(self, units: Mapping[Relation, Found]) -> None:
        """Hash those of the same columns at once, when the first of them is asked for."""
        self._expected = dict(units)

    def _digest_of_group(self, relation: Relation, found: Found) -> Digest:
        group = relation.base, found.columns
        if group not in self._digests:
            fields = ", ".join(f"{literal(name)}: {quote(name)}" for name, _ in found.columns)
            rows = self.rows(
                f"SELECT p, count(*), sum(md5_number_lower(t)), sum(md5_number_upper(t)), sum(strlen(t)) FROM"
                f" (SELECT {UNIT_COLUMN} AS p, {{{fields}}}::VARCHAR AS t FROM {self.sql(relation.base)}) GROUP BY p"
            )
            self._digests[group] = {path: Digest.of_sums(found.signature, *sums) for path, *sums in rows}
        return self._digests[group].get(relation.unit) or Digest.of_sums(found.signature, 0, None, None, None)

    def condition(self, span: TimeSpan, kind: str) -> str:
        """By the type's own values, or by those in microseconds, where other units may not reach as far."""
        column = quote(span.column)
        if kind in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
            zone = "+00" if kind.endswith("ZONE") else ""
            begin, end = (f"'{each.isoformat(' ', 'seconds')}{zone}'::{kind}" for each in span.widest)
            return f"{column} BETWEEN {begin} AND {end}"
        if kind in ("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"):
            begin, end = (f"TIMESTAMP '{each.isoformat(' ', 'seconds')}'" for each in span.widest)
            return f"TRY_CAST({column} AS TIMESTAMP) BETWEEN {begin} AND {end}"
        return ""

    def read_pieces(
        self, relation: Relation, found: Found, names: Sequence[str], *, careful: bool = False
    ) -> Generator[Raw]:
        """As Arrow; what has no exact type there as text, intervals as microseconds."""
        from lakehouse_cli.engines.duckdb_values import read_pieces

        del careful
        if not names:
            yield {}
            return
        source = self.source(relation, found)
        kinds = self._connection.sql(f"SELECT {', '.join(map(quote, names))} FROM {source}").types

        def select(wanted: str) -> Any:
            return self._connection.sql(f"SELECT {wanted} FROM {source}")

        yield from read_pieces(select, dict(zip(names, kinds, strict=True)))

    def write(self, relation: Relation, data: SpooledTable, types: Mapping[str, ColumnType]) -> Relation:
        """Fill a new table of the same name, with the indexes of the old one; nobody sees it before the end."""
        import pyarrow as pa

        from lakehouse_cli.arrow.types import without_rows
        from lakehouse_cli.engines.duckdb_values import quote_yaml

        self.do(f"CREATE SCHEMA IF NOT EXISTS {self._catalog}.{quote(relation.schema)}")
        hung = self.rows(
            "SELECT 'index', index_name, sql FROM duckdb_indexes() WHERE database_name = current_database()"
            f" AND lower(schema_name) = lower({literal(relation.schema)})"
            f" AND lower(table_name) = lower({literal(relation.name)}) AND sql IS NOT NULL"
        )
        columns = ", ".join(f"{quote(name)} {sql_type(type_)}" for name, type_ in types.items())
        self.do(f"CREATE OR REPLACE TABLE {self.sql(relation)} ({columns})")
        expressions = ", ".join(
            f"to_microseconds({quote(name)})" if sql_type(type_) == "INTERVAL" else quote(name)
            for name, type_ in types.items()
        )
        batches = (batch for piece in data.pieces() for batch in quote_yaml(piece).to_batches())
        schema = quote_yaml(without_rows(data.schema)).schema
        # A view of this connection alone, which is closed after the transaction. One statement for all batches: with
        # one for each, DuckDB's memory grows with their number.
        self._connection.register(_INCOMING, pa.RecordBatchReader.from_batches(schema, batches))
        self.do(f"INSERT INTO {self.sql(relation)} SELECT {expressions} FROM {_INCOMING}")
        self.make_again(hung)
        written = self._columns((relation.schema, relation.name), "", "")
        self._found[relation] = Found("table", tuple(written[relation.schema, relation.name]))
        return relation

    def keep(self, relation: Relation, text: str, signature: str) -> None:
        """Insert or replace."""
        self.do(f"CREATE SCHEMA IF NOT EXISTS {self._catalog}.{quote(self.manifests.schema)}")
        # Without a primary key: its index would not let a row be replaced within a transaction.
        self.do(
            f"CREATE TABLE IF NOT EXISTS {self.sql(self.manifests)}"
            " (schema_name VARCHAR, table_name VARCHAR, manifest VARCHAR, signature VARCHAR)"
        )
        self._has_manifests = True
        values = ", ".join(map(literal, (relation.schema, relation.name, text, signature)))
        self.do(f"DELETE FROM {self.sql(self.manifests)} WHERE {is_relation(relation)}")
        self.do(f"INSERT INTO {self.sql(self.manifests)} VALUES ({values})")
