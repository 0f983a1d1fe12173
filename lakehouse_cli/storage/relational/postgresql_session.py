"""A transaction in PostgreSQL."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows
from lakehouse_cli.arrow.conversion.refusals import without
from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.storage.relational.postgresql_replacement import put_in_place
from lakehouse_cli.storage.relational.postgresql_values import check_read
from lakehouse_cli.storage.relational.session import UNIT_COLUMN, Digest, Found, Kept, Raw, Relation, Session
from lakehouse_cli.storage_types.postgresql import sql_type
from lakehouse_cli.text.sql import literal, quote

if TYPE_CHECKING:
    from lakehouse_cli.model import ColumnType
    from lakehouse_cli.storage.relational.postgresql_connection import PostgreSQLConnection
    from lakehouse_cli.storage.spool import SpooledTable

_KINDS: Mapping[str, Any] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
# What the driver reads into Arrow's own types; all else is asked for as text. So is `character`: the driver gives it
# padded with blanks, which mean nothing to the server, and which the server takes off when it makes text of it.
_NATIVE = {
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "boolean",
    "text",
    "character varying",
    "bytea",
    "date",
    "time without time zone",
    "timestamp without time zone",
    "timestamp with time zone",
}
_AT_ONCE = 200


class PostgreSQLSession(Session):
    """A transaction."""

    text_type = "text"
    manifest_columns = "schema_name, table_name, manifest, stamp, signature"
    _connection: PostgreSQLConnection

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        return self._connection.rows(statement)

    def some_rows(self, statement: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        """As the server sends them."""
        for piece in self._connection.pieces(statement):
            yield list(zip(*(column.to_pylist() for column in piece.columns), strict=True))

    def do(self, statement: str) -> None:
        """Run a statement."""
        self._connection.do(statement)

    def do_one(self, statement: str) -> None:
        """Run what the server is to refuse where it is more than one statement."""
        self._connection.do_one(statement)

    def bind(self, statement: str, row: pa.Table) -> None:
        """Run a statement with values for its ``$1`` and those that follow."""
        self._connection.bind(statement, row)

    def text_of(self, expression: str) -> str:
        """Return what shows a value as text, as SQL."""
        return f"({expression})::text"

    def cancel(self) -> None:
        """Have the server end what it does for this connection."""
        self._connection.cancel()

    def find(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        """By one query of the catalog."""
        if not wanted:
            return {}
        pairs = ", ".join(f"({literal(r.schema)}, {literal(r.name)})" for r in wanted)
        found = self.rows(
            "SELECT n.nspname::text, c.relname::text, c.relkind::text,"
            " CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE 0 END,"
            " array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL),"
            " array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) FILTER (WHERE a.attnum IS NOT NULL)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
            f" WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND (n.nspname, c.relname) IN ({pairs})"
            " GROUP BY n.nspname, c.relname, c.relkind, c.oid"
        )
        return {
            Relation(schema, name): Found(_KINDS[kind], tuple(zip(names or (), types or (), strict=True)), size or 0)
            for schema, name, kind, size, names, types in found
        }

    def has_manifests(self) -> bool:
        """By the name that the server resolves."""
        return bool(self.rows(f"SELECT to_regclass({literal(self.manifests.quoted)}) IS NOT NULL")[0][0])

    def untouched(self, kept: Mapping[Relation, Kept]) -> Collection[Relation]:
        """Return those whose rows were all written by the transaction that published them, and are as many.

        Every row names, in ``xmin``, the transaction that wrote it: an insert or an update by others brings rows of
        another, a delete leaves fewer.
        """
        relations = [relation for relation in kept if not relation.is_unit]
        same = [
            each
            for each in kept
            if each.is_unit and each.unit in self.untouched_units(each.base, {each.unit: kept[each].stamp})
        ]
        for start in range(0, len(relations), _AT_ONCE):
            queries = []
            for position, relation in enumerate(relations[start : start + _AT_ONCE], start):
                transaction, _, count = kept[relation].stamp.partition(":")
                if transaction.isdigit() and count.isdigit():
                    queries.append(
                        f"SELECT {position} FROM {relation.quoted}"
                        f" HAVING count(*) = {count} AND count(*) FILTER (WHERE xmin <> '{transaction}'::xid) = 0"
                    )
            same += [relations[row[0]] for row in self.rows(" UNION ALL ".join(queries))] if queries else []
        return same

    def untouched_units(self, base: Relation, stamps: Mapping[str, str]) -> Collection[str]:
        """Likewise, by one query for all."""
        only = f" WHERE {UNIT_COLUMN} = {literal(next(iter(stamps)))}" if len(stamps) == 1 else ""
        rows = self.rows(
            f"SELECT {UNIT_COLUMN}, min(xmin::text) || ':' || count(*), count(DISTINCT xmin::text)"
            f" FROM {base.quoted}{only} GROUP BY {UNIT_COLUMN}"
        )
        found = {unit: stamp for unit, stamp, transactions in rows if transactions == 1}
        there = {unit for unit, *_ in rows}
        return {u for u, stamp in stamps.items() if found.get(u) == stamp or (u not in there and stamp.endswith(":0"))}

    def stamp_of(self, base: Relation, unit: str) -> str:
        """The number of this transaction, and of the rows."""
        return (
            "(SELECT (txid_current() % 4294967296)::text || ':' || count(*)"
            f" FROM {base.quoted} WHERE {UNIT_COLUMN} = {literal(unit)})"
        )

    def make_records(self) -> None:
        """As two may at once."""
        if not self.has_records():
            self.make_schema(self.records.schema)
            self._lock("lakehouse schemas")
            super().make_records()
            self.do(f"CREATE INDEX IF NOT EXISTS lakehouse_partitions_item ON {self.records.quoted} (table_name, item)")

    def index_units(self, base: Relation) -> None:
        """By an index, whose name the server finds."""
        self.do(f"CREATE INDEX ON {base.quoted} ({UNIT_COLUMN})")

    def digest(self, relation: Relation, found: Found) -> Digest:
        """By the server: the sum, over rows in whatever order, of two hashes of 64 bits of each row's text."""
        [(rows, low, high, size)] = self.rows(
            "SELECT count(*), sum(hashtextextended(t, 0)::numeric)::text, sum(hashtextextended(t, 1)::numeric)::text,"
            f" sum(octet_length(t)) FROM (SELECT (r.*)::text AS t FROM {self.source(relation, found, 'r')}) AS texts"
        )
        return Digest.of_sums(found.signature, rows, low, high, size)

    def condition(self, span: TimeSpan, kind: str) -> str:
        """Of dates and timestamps, for which it may use an index."""
        if _plain(kind) not in ("date", "timestamp without time zone", "timestamp with time zone"):
            return ""
        begin, end = (literal(each.isoformat(" ", "seconds")) for each in span.widest)
        return f"{quote(span.column)} BETWEEN timestamp {begin} AND timestamp {end}"

    def read_pieces(
        self, relation: Relation, found: Found, names: Sequence[str], *, careful: bool = False
    ) -> Generator[Raw]:
        """By the driver's binary copy; what it has no exact type for as text."""
        if not names:
            yield {}
            return
        types = dict(found.columns)
        source = self.source(relation, found)
        with_nan = self._with_nan(source, {name: types[name] for name in names}) if careful else set()
        unread = {name: why for name in names if (why := _unread(quote(name), types[name])) is not None}
        wanted = [f"{_expression(quote(n), types[n])} AS {quote(n)}" for n in names]
        wanted += [text for _, text in unread.values()]
        with closing(self._connection.pieces(f"SELECT {', '.join(wanted)} FROM {source}")) as pieces:
            for data in pieces:
                texts = dict(zip(unread, data.columns[len(names) :], strict=True))
                columns: dict[str, pa.ChunkedArray | RefusedColumn] = {}
                for name, column in zip(names, data.columns[: len(names)], strict=True):
                    columns[name] = column if name in with_nan else _as_typed(column, types[name])
                    if name in unread and (rows := true_rows(texts[name].is_valid())):
                        refusal = InexactError(unread[name][0], rows, noun=True)
                        columns[name] = RefusedColumn(refusal, texts[name], columns[name])
                yield columns

    def _with_nan(self, source: str, types: Mapping[str, str]) -> set[str]:
        """Which columns of decimals have a NaN somewhere, so that all of their values are read as text."""
        sized = [name for name, type_name in types.items() if _sized(type_name) is not None]
        if not sized:
            return set()
        found = ", ".join(f"coalesce(bool_or({quote(name)} = 'NaN'), false)" for name in sized)
        [row] = self.rows(f"SELECT {found} FROM {source}")
        return {name for name, has_nan in zip(sized, row, strict=True) if has_nan}

    def lock(self, relation: Relation) -> None:
        """Take an advisory lock by the relation's name, so that it may be one that is not there yet."""
        self._lock(_lock_of(relation))

    def lock_beyond(self, relation: Relation) -> None:
        """Take the same lock for the connection, before its transaction begins and to be released after it."""
        self.rows(f"SELECT pg_advisory_lock(hashtextextended({literal(_lock_of(relation))}, 0))::text")

    def unlock(self, relation: Relation) -> None:
        """Release what `lock_beyond` took; a connection that is closed releases it as well."""
        self.rows(f"SELECT pg_advisory_unlock(hashtextextended({literal(_lock_of(relation))}, 0))::text")

    def _lock(self, what: str) -> None:
        self.rows(f"SELECT pg_advisory_xact_lock(hashtextextended({literal(what)}, 0))::text")

    def write(self, relation: Relation, data: SpooledTable, types: Mapping[str, ColumnType]) -> Relation:
        """Bulk ingest into a new table of the same schema, under a name that nobody has."""
        self.make_schema(relation.schema)
        aside = Relation(relation.schema, f"lakehouse_new_{secrets.token_hex(8)}")
        columns = ", ".join(f"{quote(name)} {sql_type(type_)}" for name, type_ in types.items())
        self.do(f"CREATE TABLE {aside.quoted} ({columns})")
        if data.num_rows:
            batches = (batch for piece in data.pieces() for batch in piece.to_batches())
            reader = pa.RecordBatchReader.from_batches(data.schema, batches)
            self._connection.append(aside.schema, aside.name, reader)
        return aside

    def make_schema(self, schema: str) -> None:
        """Make a schema that is not there."""
        # Asked first: a user who may not make schemas may not say "if not exists" either.
        asked = f"SELECT 1 FROM pg_namespace WHERE nspname = {literal(schema)}"
        if not self.rows(asked):
            self._lock("lakehouse schemas")
            if not self.rows(asked):
                self.do(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")

    def put_in_place(self, aside: Relation, relation: Relation, digest: Digest, *, forced: bool) -> None:
        """Drop the old table and rename the new one; where something hangs on the old one, replace its rows."""
        put_in_place(self, aside, relation, digest, forced=forced)

    def keep(self, relation: Relation, text: str, signature: str) -> None:
        """Insert or replace, stamped by the number of this transaction and of the rows."""
        if not self.has_manifests():
            self.make_schema(self.manifests.schema)
            self._lock("lakehouse schemas")
            self.do(
                f"CREATE TABLE IF NOT EXISTS {self.manifests.quoted} (schema_name text, table_name text,"
                " manifest text NOT NULL, stamp text NOT NULL, signature text NOT NULL,"
                " PRIMARY KEY (schema_name, table_name))"
            )
        values = ", ".join(map(literal, (relation.schema, relation.name, text)))
        self.do(
            f"INSERT INTO {self.manifests.quoted} ({self.manifest_columns})"
            f" SELECT {values}, (txid_current() % 4294967296)::text || ':' || count(*), {literal(signature)}"
            f" FROM {relation.quoted}"
            " ON CONFLICT (schema_name, table_name) DO UPDATE"
            " SET manifest = excluded.manifest, stamp = excluded.stamp, signature = excluded.signature"
        )


def _lock_of(relation: Relation) -> str:
    return f"lakehouse {relation.base.quoted}"


def _plain(type_name: str) -> str:
    """Return a type without its modifiers: ``numeric(10,2)`` is ``numeric``."""
    return re.sub(r"\([^)]*\)", "", type_name)


def _expression(column: str, type_name: str) -> str:
    """Return the expression to ask for, so that nothing is lost on the way."""
    plain = _plain(type_name)
    if plain in _NATIVE:
        return column
    if _is_interval(plain):
        return f"CASE WHEN NOT ({_months(column)}) THEN (extract(epoch FROM {column}) * 1000000)::bigint END"
    if plain.endswith("[]"):
        item = type_name if plain[:-2] in _NATIVE else "text[]"
        return f"CASE WHEN coalesce(array_ndims({column}), 1) = 1 THEN {column}::{item} END"
    return f"{column}::text"


def _is_interval(plain: str) -> bool:
    return plain.startswith("interval") and not plain.endswith("[]")


def _months(column: str) -> str:
    """Return whether an interval counts months, which are of no length."""
    return f"extract(year FROM {column}) <> 0 OR extract(month FROM {column}) <> 0"


def _unread(column: str, type_name: str) -> tuple[str, str] | None:
    """What values of a type cannot be read, and the text of one that is such, null of all others; None for no such."""
    plain = _plain(type_name)
    if _is_interval(plain):
        return "intervals with months", f"CASE WHEN {_months(column)} THEN {column}::text END"
    if plain.endswith("[]"):
        # The driver would join the rows of a matrix.
        return "arrays of several dimensions", f"CASE WHEN array_ndims({column}) > 1 THEN {column}::text END"
    return None


def _sized(type_name: str) -> pa.DataType | None:
    """Return Arrow's type of a `numeric` with a precision that it has; None for any other type."""
    sized = re.fullmatch(r"numeric\((\d+),(\d+)\)", type_name)
    known = sized is not None and int(sized[2]) <= int(sized[1]) <= 38
    return pa.decimal128(int(sized[1]), int(sized[2])) if sized is not None and known else None


def _as_typed(column: pa.ChunkedArray, type_name: str) -> pa.ChunkedArray | RefusedColumn:
    """Return what came, in the form of the column's type; what the driver spoils is refused."""
    try:
        check_read(column)
    except InexactError as refusal:
        return RefusedColumn(refusal, column, without(column, refusal.rows))
    plain = _plain(type_name)
    if _is_interval(plain):
        return pa.chunked_array([chunk.cast(pa.duration("us")) for chunk in column.chunks], pa.duration("us"))
    sized = _sized(type_name)
    if sized is not None:
        try:
            return convert(column, sized)
        except InexactError:
            return column  # a NaN among them; refused, or taken, as text
    return column
