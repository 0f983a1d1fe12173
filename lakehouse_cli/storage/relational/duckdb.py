"""DuckDB through its own Arrow interface."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from lakehouse_cli.code.fingerprints.packages import find_package
from lakehouse_cli.engines.duckdb_queries import without_settings
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.errors import Cause
from lakehouse_cli.storage.relational.duckdb_files import duckdb_file
from lakehouse_cli.storage.relational.one_file import OneFileStorage
from lakehouse_cli.storage_types.duckdb import COMPATIBLE, MEMORY_LIMIT, NAMES, held_type

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.storage.queries import DatabaseQuery
    from lakehouse_cli.storage.relational.dialect import QueryDialect
    from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
    from lakehouse_cli.storage.relational.session import Session

_HINTS = (
    ("lock on file", "another process has the file open; close it there, or raise the storage's option `lock_timeout`"),
    ("not a valid DuckDB database file", "name a file of DuckDB in the storage's `root:`"),
    ("not a known DuckDB version", f"correct the storage's option `{COMPATIBLE.name}`, such as to v1.4.0"),
    ("Out of Memory", f"raise the storage's option `{MEMORY_LIMIT.name}`, which is 80 % of the memory where unset"),
    ("No space left", "make room on the disk and run again"),
    ("main key table", "drop the foreign keys that refer to it, or give the table another `path:`"),
    ("Permission denied", "check the permissions of the file and of its folder"),
)
_CANNOT_OPEN = ("lock on file", "not a valid DuckDB database file", "Cannot open file")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.strip("v+").split(".")]


class DuckDBStorage(OneFileStorage):
    """Tables in a DuckDB file, which is open only while a transaction goes on."""

    names = NAMES
    beside = (".wal",)

    def default_schema(self) -> str:
        """Return the option, else DuckDB's own ``main``."""
        return super().default_schema() or "main"

    def stored_type(self, column_type: ColumnType) -> ColumnType:
        """Return the types that DuckDB takes as they are."""
        return held_type(column_type)

    def check_column(self, column: pa.ChunkedArray) -> None:
        """Dates and timestamps that DuckDB takes for infinity, or that lie outside of its range."""
        from lakehouse_cli.engines.duckdb_values import check_range

        check_range(column)

    def driver_cause(self, error: Exception) -> Cause | None:
        """DuckDB's own sentence; out of reach is a file that cannot be opened, or is of another kind."""
        if type(error).__module__ not in ("duckdb", "_duckdb"):
            return None
        text = str(error)
        hint = next((hint for part, hint in _HINTS if part in text.splitlines()[0]), None)
        return Cause(
            without_settings(text.splitlines()[0]),
            hint,
            "storage" if any(part in text for part in _CANNOT_OPEN) else None,
        )

    def _check_version(self, connection: Any, wanted: str) -> None:
        """Refuse to write to a file that is in a newer format: that of a file is the one it was made in."""
        ((tags,),) = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = current_database()"
        ).fetchall()
        made = str(tags["storage_version"])
        if _numbers(made) > _numbers(wanted):
            raise LakehouseError(
                f"{self.spec.root_text} is in the format of DuckDB {made.rstrip('+')}, which older ones cannot open,"
                f" and `{COMPATIBLE.name}` is {wanted}",
                hint="move the file away, for a run to make it again in the older format, or remove the option",
                location=self.spec.location,
            )

    def in_use(self) -> AbstractContextManager[None]:
        """Keep the file open while transactions follow closely."""
        return duckdb_file(self.spec.root).kept()

    def dialect(self, session: Session, query: DatabaseQuery) -> QueryDialect:
        """As DuckDB runs a query."""
        from lakehouse_cli.storage.relational.duckdb_queries import DuckDBQuery

        return DuckDBQuery(session, query)

    def engine_version(self) -> str:
        """Return the version of the package, which is the database."""
        found = find_package("duckdb", sys.path)
        return "" if found is None else str(found.version)

    @contextmanager
    def transaction(self, path: str, *, write: bool, patience: float) -> Iterator[DuckDBSession]:
        """On a connection of its own to the file as this process has it open."""
        from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession

        options = (MEMORY_LIMIT, COMPATIBLE) if write else (MEMORY_LIMIT,)
        config = {each.name: value for each in options if (value := self.spec.connection.get(each.name)) is not None}
        with duckdb_file(path).used(write=write, patience=patience, config=config) as connection:
            version = str(config.get(COMPATIBLE.name, "latest"))
            if version != "latest":
                self._check_version(connection, version)
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("BEGIN")
            yield DuckDBSession(connection, self.default_schema())
