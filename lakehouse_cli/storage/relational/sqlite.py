"""SQLite through Python's own module: nothing to install, and values as they are stored, whatever a column says."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.storage.errors import Cause
from lakehouse_cli.storage.relational.one_file import OneFileStorage
from lakehouse_cli.storage.relational.session import UNIT_COLUMN, Digest, Found, Raw, Relation, Session
from lakehouse_cli.storage_types.names import MANIFESTS, ascii_lower
from lakehouse_cli.storage_types.sqlite import EPOCH_UNIT, NAMES
from lakehouse_cli.text.sql import literal, literals, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.storage.queries import DatabaseQuery
    from lakehouse_cli.storage.relational.dialect import QueryDialect
    from lakehouse_cli.storage.spool import SpooledTable

_KINDS: Mapping[str, Any] = {"table": "table", "view": "view", "virtual": "virtual table"}
_UNDONE = "let a user who may write to the file and to its folder run `lakehouse plan`, which undoes them"
#: What is said where SQLite's own sentence does not name the cause.
_REASONS = {
    "SQLITE_READONLY_ROLLBACK": "a killed program left changes half made, which must be undone before it is read",
    "SQLITE_IOERR_DELETE": "the journal beside it cannot be deleted",
    "SQLITE_READONLY_RECOVERY": "a killed program left its write-ahead log, which must be taken in before it is read",
    "SQLITE_READONLY_CANTINIT": "it is in WAL mode and the files beside it cannot be made",
    "SQLITE_READONLY_DIRECTORY": "it is in WAL mode and the files beside it cannot be made",
}
_BESIDE = "let this user write to its folder, or take it out of WAL mode: `PRAGMA journal_mode = DELETE`"
_HINTS = {
    "SQLITE_BUSY": "another program is writing, or has left a transaction open: wait for it or end it, or raise the"
    " storage's option `lock_timeout`",
    "SQLITE_READONLY_ROLLBACK": _UNDONE,
    "SQLITE_IOERR_DELETE": _UNDONE,
    "SQLITE_READONLY_RECOVERY": _UNDONE,
    "SQLITE_READONLY_CANTINIT": _BESIDE,
    "SQLITE_READONLY_DIRECTORY": _BESIDE,
    "SQLITE_FULL": "make room on the disk and run again",
    "SQLITE_READONLY": "check the permissions of the file and of its folder",
    "SQLITE_CANTOPEN": "check the path in the storage's `root:`, and the permissions of the file and its folder",
    "SQLITE_NOTADB": "name a file of SQLite in the storage's `root:`",
}
_OUT_OF_REACH = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_NOTADB")
_ROWS_AT_ONCE = 20_000
_READ_AT_ONCE = 1 << 16


class SQLiteStorage(OneFileStorage):
    """Tables in an SQLite file. A path is the table's whole name: SQLite has no schemas."""

    names = NAMES
    beside = ("-journal", "-wal")

    def stored_type(self, column_type: ColumnType) -> ColumnType:
        """Dictionaries as what they stand for; the rest becomes values of Python."""
        return column_type.plain

    def as_declared(self, raw: Raw, types: Mapping[str, str], columns: Sequence[Column]) -> Raw:
        """Take 0, 1, ``f`` and ``t`` for truth values, numbers for timestamps by `epoch_unit`, reals for decimals."""
        from lakehouse_cli.storage.relational.sqlite_values import (
            numbers_as_timestamps,
            reals_as_decimals,
            values_as_bool,
        )

        del types
        default = self.spec.connection.get(EPOCH_UNIT.name)
        taken = dict(raw)
        for column in columns:
            if column.type.id == "bool":
                taken[column.name] = values_as_bool(raw[column.name])
            elif column.type.id == "decimal128":
                taken[column.name] = reals_as_decimals(raw[column.name])
            elif column.type.id == "timestamp":
                unit = column.options.get(EPOCH_UNIT.name, default)
                unit = None if unit == "none" else unit
                taken[column.name] = numbers_as_timestamps(raw[column.name], column.type, unit)
        return taken

    def check_column(self, column: pa.ChunkedArray) -> None:
        """NaN, which SQLite makes null, and days outside of the years that its texts have."""
        from lakehouse_cli.storage.relational.sqlite_values import check_stored

        check_stored(column)

    def driver_cause(self, error: Exception) -> Cause | None:
        """SQLite's own sentence, or what it means; out of reach is what cannot be opened as it is, or is locked."""
        if not isinstance(error, sqlite3.Error):
            return None
        code = getattr(error, "sqlite_errorname", "")
        hint = next((hint for start, hint in _HINTS.items() if code.startswith(start)), None)
        if "decode to UTF-8" in str(error):  # Python's own error, without a code
            hint = "select from a view that makes it bytes, `CAST(… AS BLOB)`, and declare the column as binary"
        out_of_reach = code in _REASONS or code.startswith(_OUT_OF_REACH)
        return Cause(_REASONS.get(code, str(error)), hint, "storage" if out_of_reach else None)

    def dialect(self, session: Session, query: DatabaseQuery) -> QueryDialect:
        """As SQLite runs a query."""
        from lakehouse_cli.storage.relational.sqlite_queries import SQLiteQuery

        return SQLiteQuery(session, query)

    def engine_version(self) -> str:
        """Return the version of the library, which is the database."""
        return sqlite3.sqlite_version

    @contextmanager
    def transaction(self, path: str, *, write: bool, patience: float) -> Iterator[SQLiteSession]:
        """On a connection of its own; opening one takes no longer than a query."""
        mode = "rwc" if write else "rw" if os.access(path, os.W_OK) else "ro"
        uri = f"{Path(path).absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield SQLiteSession(connection)


class SQLiteSession(Session):
    """A transaction: of one writer at a time, whom readers do not see until the end."""

    manifest_columns = "'', table_name, manifest, '', signature"

    def do(self, statement: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(statement, params or {})

    def sql(self, relation: Relation) -> str:
        """With the file, where there may be temporary views."""
        return f"main.{relation.quoted}"

    def names(self, query: str, params: Mapping[str, Any]) -> list[str]:
        """Return the names of a query's columns."""
        return [name for name, *_ in self._connection.execute(query, params).description]

    def authorize(self, allows: Callable[..., int] | None) -> None:
        """Have a function say what statements may do, from now on; None for all."""
        self._connection.set_authorizer(allows)

    def collate(self, name: str, compare: Callable[[str, str], int]) -> None:
        """Let a function compare the texts of a collation, on this connection."""
        self._connection.create_collation(name, compare)

    def text_of(self, expression: str) -> str:
        """Return what shows a value as text, as SQL."""
        return f"CASE typeof({expression}) WHEN 'blob' THEN quote({expression}) ELSE CAST({expression} AS TEXT) END"

    def find(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        """By name, in whatever case."""
        by_name = {ascii_lower(relation.name): relation for relation in wanted}
        found: dict[Relation, Found] = {}
        names = literals(by_name)
        query = (
            "SELECT name, CASE WHEN sql LIKE 'create virtual %' THEN 'virtual' ELSE type END FROM main.sqlite_schema"
            f" WHERE type IN ('table', 'view') AND lower(name) IN {names}"
        )
        for name, kind in self.rows(query):
            relation = by_name[ascii_lower(name)]
            columns = self.rows(f"SELECT name, type FROM pragma_table_xinfo({literal(name)}) WHERE hidden <> 1")
            found[relation] = Found(_KINDS[kind], tuple(columns))
        return found

    def is_row_of(self, relation: Relation) -> str:
        """In the order in which they were stored."""
        return f"{super().is_row_of(relation)} ORDER BY rowid"

    def make_records(self) -> None:
        """With an index of them."""
        if self.has_records():
            return
        super().make_records()
        index = quote(f"{self.records.name}_item")
        self.do(f"CREATE INDEX IF NOT EXISTS main.{index} ON {quote(self.records.name)} (table_name, item)")

    def index_units(self, base: Relation) -> None:
        """By an index."""
        self.do(f"CREATE INDEX main.{quote(f'lakehouse {base.name}')} ON {quote(base.name)} ({UNIT_COLUMN})")

    def has_manifests(self) -> bool:
        """By the schema table."""
        return bool(self.rows(f"SELECT 1 FROM main.sqlite_schema WHERE name = {literal(MANIFESTS)}"))

    def digest(self, relation: Relation, found: Found) -> Digest:
        """Of all values in the order of the table."""
        from lakehouse_cli.storage.relational.sqlite_values import digest_of

        indexed = "" if found.kind != "table" or relation.is_unit else "NOT INDEXED"
        cursor = self._connection.execute(f"SELECT * FROM {self.source(relation, found)} {indexed}")
        return digest_of(found.signature, iter(lambda: cursor.fetchmany(_ROWS_AT_ONCE), []))

    def condition(self, span: TimeSpan, kind: str) -> str:
        """Of texts that begin with a date; what else a column holds may be any time."""
        del kind
        column, ends = quote(span.column), [literal(each.date().isoformat()) for each in span.widest]
        is_date = f"typeof({column}) = 'text' AND {column} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
        return f"NOT ({is_date} AND substr({column}, 1, 10) NOT BETWEEN {' AND '.join(ends)})"

    def read_pieces(
        self, relation: Relation, found: Found, names: Sequence[str], *, careful: bool = False
    ) -> Generator[Raw]:
        """Return the values, as what they can be understood; all at once with care, as any may be of another kind."""
        from lakehouse_cli.storage.relational.sqlite_values import understood

        if not names:
            yield {}
            return
        types, listed = dict(found.columns), ", ".join(map(quote, names))
        with closing(self._connection.execute(f"SELECT {listed} FROM {self.source(relation, found)}")) as cursor:
            rows = cursor.fetchall() if careful else cursor.fetchmany(_READ_AT_ONCE)
            while True:
                columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
                yield {
                    name: understood(values, types[name], is_whole=careful)
                    for name, values in zip(names, columns, strict=True)
                }
                rows = cursor.fetchmany(_READ_AT_ONCE)
                if not rows:
                    return

    def write(self, relation: Relation, data: SpooledTable, types: Mapping[str, ColumnType]) -> Relation:
        """Drop the old table and fill a new one with the same indexes and triggers; nobody sees it before the end."""
        from lakehouse_cli.storage.relational.sqlite_values import rows_of, stored_type, with_negative_zeros

        negative_zeros = with_negative_zeros(data)
        kinds = {name: stored_type(type_, negative_zeros=name in negative_zeros) for name, type_ in types.items()}
        hung = self._make_anew(relation, kinds)
        marks = ", ".join("?" * len(types))
        insert = f"INSERT INTO {self.sql(relation)} VALUES ({marks})"
        for piece in data.pieces():
            for batch in piece.to_batches(max_chunksize=_ROWS_AT_ONCE):
                self._connection.executemany(insert, rows_of(batch))
        self.make_again(hung)
        return relation

    def write_from(
        self, relation: Relation, empty: SpooledTable, types: Mapping[str, ColumnType], select: str
    ) -> Relation:
        """Likewise; what floats there will be is not known, and SQL does not see the sign of a zero among them."""
        del empty
        from lakehouse_cli.storage.relational.sqlite_values import stored_type

        kinds = {name: stored_type(type_, negative_zeros=type_.is_float) for name, type_ in types.items()}
        hung = self._make_anew(relation, kinds)
        self.do(f"INSERT INTO {self.sql(relation)} {select}")
        self.make_again(hung)
        return relation

    def _make_anew(self, relation: Relation, kinds: Mapping[str, str]) -> list[tuple[Any, ...]]:
        """Replace a table by an empty one, of columns of these types; return its indexes and triggers."""
        hung = self.rows(
            "SELECT type, name, sql FROM main.sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
            f" AND lower(tbl_name) = {literal(ascii_lower(relation.name))} ORDER BY rowid"
        )
        self.do(f"DROP TABLE IF EXISTS {self.sql(relation)}")
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in kinds.items())
        self.do(f"CREATE TABLE {self.sql(relation)} ({columns})")
        return hung

    def keep(self, relation: Relation, text: str, signature: str) -> None:
        """Insert or replace."""
        self.do(
            f"CREATE TABLE IF NOT EXISTS {MANIFESTS}"
            " (table_name TEXT PRIMARY KEY, manifest TEXT NOT NULL, signature TEXT NOT NULL)"
        )
        insert = f"INSERT OR REPLACE INTO {MANIFESTS} VALUES (?, ?, ?)"
        self._connection.execute(insert, (relation.name, text, signature))
