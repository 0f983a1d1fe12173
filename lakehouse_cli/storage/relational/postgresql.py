"""PostgreSQL through ADBC: bulk ingest into a new table, then a rename."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Column, ColumnType, StorageSpec
from lakehouse_cli.storage.errors import Cause, translate_errors
from lakehouse_cli.storage.relational.connections import Connections
from lakehouse_cli.storage.relational.query_storage import QueryStorage
from lakehouse_cli.storage_types.postgresql import NAMES, POSTGRESQL
from lakehouse_cli.text.redaction import mask_of_url

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.storage.queries import DatabaseQuery
    from lakehouse_cli.storage.relational.dialect import QueryDialect
    from lakehouse_cli.storage.relational.postgresql_connection import PostgreSQLConnection
    from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession
    from lakehouse_cli.storage.relational.session import Raw, Relation, Session

# What the texts of values depend on, which are hashed; the rest so that literals mean what they say.
_SETTINGS = (
    "SET TIME ZONE 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET bytea_output = 'hex'",
    "SET standard_conforming_strings = on",
    "SET client_encoding = 'UTF8'",
)
_HINTS = {
    "28P01": "check user and password of the storage's `root:`",
    "28000": "check user and password of the storage's `root:`",
    "3D000": "create the database, or correct the storage's `root:`",
    "40001": "another program changed the table meanwhile: run again",
    "42P01": "list the table under `inputs:`, by the name that the query has for it",
    "42501": "grant the user of the storage's `root:` what it lacks",
    "53100": "make room on the server's disk and run again",
    "55P03": "somebody keeps the table locked: wait, or raise the storage's option `lock_timeout`",
    "2BP01": "drop what depends on the table, and make it again after the run",
    "54000": "a row of PostgreSQL fits into 8 kB, which some 1,000 numbers fill; store fewer columns, or one of lists",
    "54011": "a table of PostgreSQL has at most 1,600 columns; store fewer, or one of lists",
}
_CONNECT_HINTS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "does not exist": "3D000",
}
_NO_CONNECTION = ("Failed to connect", "closed the connection", "terminating connection", "no connection")
_UNREACHABLE = "see that the server runs and that host and port of the storage's `root:` are right"
_GONE = "the server went away: see that the server runs, and run again"
_ENCODE = (
    "write `%` as `%25`, `@` as `%40`, `:` as `%3A`, `/` as `%2F` and a space as `%20` in the user and password of the"
    " storage's `root:`, or let `${VAR}` stand for each of them, which is encoded"
)
# To the last quote: a password may hold one.
_QUOTED_TEXT = r'(?: in|:)? ".*"'
_AT = re.compile(
    r'connection to server (?:at "(?P<host>[^"]*)"(?: \([^)]*\))?, port (?P<port>\d+)|on socket "(?P<socket>[^"]*)")'
)
# Of the number of a version: 150018 is 15.18.
_MAJOR = 10_000
_LOCKABLE = ("table", "partitioned table", "view")
_WIRE = {
    "int8": ColumnType("int16"),
    "uint8": ColumnType("int16"),
    "uint16": ColumnType("int32"),
    "uint32": ColumnType("int64"),
    "uint64": ColumnType("decimal128", precision=20, scale=0),
    "time32": ColumnType("time64", unit="us"),
    "time64": ColumnType("time64", unit="us"),
    "duration": ColumnType("duration", unit="us"),
}


class PostgreSQLStorage(QueryStorage):
    """Tables in a PostgreSQL database; a connection for each thread that works, none that crosses a process."""

    names = NAMES
    concurrency = 4

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._connections = Connections(self._connect)
        self._was_reached = False
        self._version: str | None = None
        self._own_schema: str | None = str(spec.connection["schema"]) if spec.connection.get("schema") else None

    def close_idle(self) -> None:
        """Close the connections that no thread works with."""
        self._connections.close_idle()

    def default_schema(self) -> str:
        """Return the option, else the first of the connection's search path: asked once."""
        if self._own_schema is None:
            with translate_errors(self, None, "reached"), self._transaction("BEGIN READ ONLY") as connection:
                self._own_schema = str(connection.rows("SELECT coalesce(current_schema()::text, 'public')")[0][0])
        return self._own_schema

    def shown_root(self) -> str:
        """Host and database; without user, password and parameters."""
        text = self.spec.root_text
        found = re.fullmatch(r"(?P<scheme>[a-z]+://)(?P<rest>[^?]*)(?:\?.*)?", text, re.DOTALL)
        if found is None:
            return text
        return found["scheme"] + found["rest"].rpartition("@")[2].rstrip("/")

    def stored_type(self, column_type: ColumnType) -> ColumnType:
        """Return the types that ADBC copies into PostgreSQL's: signed integers, microseconds, numeric for uint64."""
        if column_type.id == "timestamp":
            return ColumnType("timestamp", unit="us", timezone=column_type.timezone)
        if column_type.id == "dictionary":
            return self.stored_type(column_type.item)
        if column_type.id == "list":
            return ColumnType("list", fields=(("item", self.stored_type(column_type.item)),))
        return _WIRE.get(column_type.id, column_type)

    def as_declared(self, raw: Raw, types: Mapping[str, str], columns: Sequence[Column]) -> Raw:
        """Spell NaN and infinity of `numeric` as those of floats, where floats are declared."""
        from lakehouse_cli.storage.relational.postgresql_values import numeric_as_float

        floats = {
            column.name
            for column in columns
            if (column.type.item if column.type.id == "list" else column.type).is_float
            and types[column.name].startswith("numeric")
        }
        return {name: numeric_as_float(values) if name in floats else values for name, values in raw.items()}

    def check_column(self, column: pa.ChunkedArray) -> None:
        """What the driver makes others of, or the server refuses without saying where: moments out of range, NUL."""
        from lakehouse_cli.storage.relational.postgresql_values import check_stored

        check_stored(column)

    def _connect(self) -> PostgreSQLConnection:
        try:
            from lakehouse_cli.storage.relational.postgresql_connection import PostgreSQLConnection
        except ImportError as error:
            raise LakehouseError(f"`{error.name}` is not installed", hint=POSTGRESQL.install) from error
        connection = PostgreSQLConnection(self.spec.root)
        self._was_reached = True
        try:
            seconds = int(self.spec.connection.get("lock_timeout") or 60)
            for statement in (*_SETTINGS, f"SET lock_timeout = '{seconds}s'"):
                connection.do(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def session(self, *, write: bool = False, reading: Relation | None = None) -> Iterator[PostgreSQLSession]:
        """A transaction on a connection of its own; one that reads a relation sees what was there when it locked it."""
        from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession

        schema, begin, lock = self.default_schema(), "BEGIN" if write else "BEGIN READ ONLY", None
        if reading is not None:
            reading = reading.base
            with self.session() as before:
                found = before.find([reading]).get(reading)
            begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            if found is not None and found.kind in _LOCKABLE:
                # Before the first query, which decides what the transaction sees: it would not see the rows of a table
                # that takes the place of this one in between.
                lock = f"LOCK TABLE {reading.quoted} IN ACCESS SHARE MODE"
        with self._transaction(begin) as connection:
            if lock is not None:
                connection.do(lock)
            yield PostgreSQLSession(connection, schema)

    @contextmanager
    def computing(self, relation: Relation | None, inputs: Collection[Relation]) -> Iterator[PostgreSQLSession]:
        """A transaction that sees its inputs as they are once nobody else writes the result, and nobody alters them.

        The lock of the result is one of the connection, as the transaction sees what was there before its first query.
        Schemas are made before it for the same reason: it would not see one that another makes meanwhile.
        """
        from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession

        schema = self.default_schema()
        with self._connections.one() as connection:
            session = PostgreSQLSession(connection, schema)
            with suppress(Exception):  # before PostgreSQL 14, and on some systems, it does not look
                connection.do("SET client_connection_check_interval = '1s'")
            if relation is not None:
                session.lock_beyond(relation)
                connection.do("BEGIN")
                for each in dict.fromkeys((relation.schema, session.manifests.schema)):
                    session.make_schema(each)
                connection.do("COMMIT")
            lockable = [name for name, found in session.find(inputs).items() if found.kind in _LOCKABLE]
            connection.do("BEGIN ISOLATION LEVEL REPEATABLE READ")
            for name in lockable:
                connection.do(f"LOCK TABLE {name.quoted} IN ACCESS SHARE MODE")
            yield session
            connection.do("COMMIT")
            if relation is not None:
                session.unlock(relation)

    def dialect(self, session: Session, query: DatabaseQuery) -> QueryDialect:
        """As PostgreSQL analyses a query itself."""
        from lakehouse_cli.storage.relational.postgresql_queries import PostgreSQLQuery

        return PostgreSQLQuery(session, query)

    def engine_version(self) -> str:
        """Return the major version of the server: asked once."""
        if self._version is None:
            with translate_errors(self, None, "reached"), self._transaction("BEGIN READ ONLY") as connection:
                number = int(connection.rows("SELECT current_setting('server_version_num')")[0][0])
            self._version = str(number // _MAJOR)
        return self._version

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[PostgreSQLConnection]:
        with self._connections.one() as connection:
            connection.do(begin)
            yield connection
            connection.do("COMMIT")

    def identity(self) -> Any:
        """When the server was started, and which of its databases it is."""
        with self.session() as session:
            return session.rows(
                "SELECT extract(epoch FROM pg_postmaster_start_time())::text, oid::text"
                " FROM pg_database WHERE datname = current_database()"
            )[0]

    def driver_cause(self, error: Exception) -> Cause | None:
        """Explain by the server's own sentence, or the driver's; whatever could be secret taken out."""
        if not type(error).__module__.startswith("adbc_driver_manager"):
            return None
        # Before anything is taken out or folded: what is left of a password afterwards would not be found.
        mask = mask_of_url(self.spec.root)
        details = {_text(key): mask(_text(value)) for key, value in getattr(error, "details", None) or ()}
        state = getattr(error, "sqlstate", None)
        message = mask(str(error))
        text = details.get("PG_DIAG_MESSAGE_PRIMARY")
        if text is None:
            text = re.sub(
                r"^[A-Z_]+: |\[libpq\] |Execution error \[\w+\]: ERROR:|\s*\. SQLSTATE: \w+$|\n\s*Query was: .*",
                "",
                message,
                flags=re.DOTALL,
            )
            text = re.sub(r"\s+", " ", text).strip().rstrip(".")
        elif "PG_DIAG_MESSAGE_DETAIL" in details:
            text += f": {details['PG_DIAG_MESSAGE_DETAIL'].splitlines()[0].rstrip('.')}"
        gone = any(part in str(error) for part in _NO_CONNECTION)
        if "Failed to connect" in message:
            return Cause(*self._connect_reason(re.sub(r"^Failed to connect: ", "", text)), "storage")
        if gone:
            text = re.sub(r"^Error message returned by \w+: | This probably means .*", "", text)
        hint = _HINTS.get(state or "") or (_GONE if gone else details.get("PG_DIAG_MESSAGE_HINT"))
        return Cause(text, hint and hint.rstrip("."), "storage" if gone else None)

    def _connect_reason(self, text: str) -> tuple[str, str]:
        """Why there is no connection, and a hint; quotes no text that was read from the URL where it was misread."""
        hint = _GONE if self._was_reached else _UNREACHABLE
        state = next((code for part, code in _CONNECT_HINTS.items() if part in text), None)
        if _AT.search(text):
            return _cause(text), _HINTS[state] if state is not None else hint
        host = re.search('could not translate host name "(.*)" to address', text)
        if host is not None:
            known = host[1] == self.spec.root.rpartition("@")[2].partition("/")[0].partition(":")[0]
            return f"no address is known for {f'host `{host[1]}`' if known else 'its host'}", hint
        parameter = re.search(r'invalid URI query parameter: "([^"]*)"', text)
        if parameter is not None and re.search(rf"[?&]{re.escape(parameter[1])}=", self.spec.root_text):
            return text, f"`{parameter[1]}` is no parameter of PostgreSQL's URLs; take it out of the storage's `root:`"
        value = re.search(r'invalid (\w+) value: "', text)
        if value is not None and f"{value[1]}=" in self.spec.root_text:
            return f"invalid {value[1]} value", f"correct the parameter `{value[1]}` of the storage's `root:`"
        text = re.sub(r' for connection option "(\w+)"$', r" of `\1`", text)
        return f"its URL cannot be read: {re.sub(_QUOTED_TEXT, '', text)}", _ENCODE


def _cause(text: str) -> str:
    """Return why there is no connection, without what leads up to it.

    >>> _cause('connection to server at "::1", port 5432 failed: Connection refused Is the …?')
    'nothing listens at ::1:5432'
    >>> _cause('connection to server at "db" (10.0.0.1), port 5432 failed: FATAL: no such role')
    'no such role'
    """
    place = _AT.search(text)
    if place is None:
        return text
    where = place["socket"] or f"{place['host']}:{place['port']}"
    if "Connection refused" in text or "No such file" in text:
        return f"nothing listens at {where}"
    if "timeout expired" in text or "timed out" in text:
        return f"{where} does not answer"
    return re.sub(r"\s*Is the server .*\?$", "", text[place.end() :].removeprefix(" failed: ").removeprefix("FATAL: "))


def _text(part: str | bytes) -> str:
    """Return as text what the driver adds to its message: bytes, or texts."""
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else part
