"""A connection to PostgreSQL through the low level of ADBC's driver manager.

Its DB-API loads pandas and polars wherever they are installed, and a plan has no use for either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa

from lakehouse_cli.arrow.types import without_rows

_Result = TypeVar("_Result")


class PostgreSQLConnection:
    """A connection that commits only on request.

    Args:
        url: Of the database.

    Raises:
        adbc_driver_manager.Error: As do all methods, with what the server or the driver says.
    """

    def __init__(self, url: str) -> None:
        # Calls of the main thread are made there; a thread of each call's own would cost more than the call.
        self._elsewhere = ThreadPoolExecutor(1)
        self._database = adbc_driver_postgresql.connect(url)
        try:
            self._connection = adbc.AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """End it; what was not committed is rolled back."""
        self._elsewhere.shutdown(wait=False)
        self._connection.close()
        self._database.close()

    def is_alive(self) -> bool:
        """Return whether the server still answers."""
        try:
            return bool(self.rows("SELECT 1"))
        except Exception:  # noqa: BLE001  # whatever it is, the connection is of no use
            return False

    def do(self, statement: str) -> None:
        """Run a statement."""
        with self._prepared(statement) as prepared:
            self._interruptibly(prepared.execute_update, prepared.cancel)

    def do_one(self, statement: str) -> None:
        """Run a statement by the server's other protocol, which takes one and no more."""
        with self._prepared(statement) as prepared:
            prepared.prepare()
            self._interruptibly(prepared.execute_update, prepared.cancel)

    def bind(self, statement: str, row: pa.Table) -> None:
        """Run a statement with the values of a row for its ``$1`` and those that follow."""
        with self._prepared(statement) as prepared:
            prepared.prepare()
            prepared.bind_stream(row)
            self._interruptibly(prepared.execute_update, prepared.cancel)

    def cancel(self) -> None:
        """Have the server end what it does for this connection; called from another thread."""
        self._connection.cancel()

    def table(self, statement: str) -> pa.Table:
        """Return the result of a query."""
        with self._prepared(statement) as prepared:
            return self._interruptibly(lambda: _read(prepared), prepared.cancel)

    def pieces(self, statement: str) -> Generator[pa.Table]:
        """Give the result of a query as the server sends it, at least one piece."""
        with self._prepared(statement) as prepared:
            stream, _ = self._interruptibly(prepared.execute_query, prepared.cancel)
            with _late_errors():
                reader = pa.RecordBatchReader.from_stream(stream)
                yield without_rows(reader.schema)
                while (batch := self._interruptibly(lambda: next(reader, None), prepared.cancel)) is not None:
                    yield pa.Table.from_batches([batch])

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the result of a query, in Python's values."""
        found = self.table(statement)
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    def append(self, schema: str, name: str, data: pa.RecordBatchReader) -> None:
        """Store rows in a table, by the server's own binary copy."""
        options = {
            adbc.INGEST_OPTION_TARGET_TABLE: name,
            adbc.INGEST_OPTION_MODE: adbc.INGEST_OPTION_MODE_APPEND,
            adbc.StatementOptions.INGEST_TARGET_DB_SCHEMA.value: schema,
        }
        with closing(adbc.AdbcStatement(self._connection)) as statement:
            statement.set_options(**options)
            statement.bind_stream(data)
            self._interruptibly(statement.execute_update, statement.cancel)

    @contextmanager
    def _prepared(self, text: str) -> Iterator[adbc.AdbcStatement]:
        with closing(adbc.AdbcStatement(self._connection)) as statement:
            statement.set_sql_query(text)
            yield statement

    def _interruptibly(self, call: Callable[[], _Result], cancel: Callable[[], None]) -> _Result:
        """Call into the driver so that Ctrl-C, which is noticed in Python only, cancels what it waits for."""
        if threading.current_thread() is not threading.main_thread():
            return call()
        try:
            return self._elsewhere.submit(call).result()
        except KeyboardInterrupt:
            cancel()
            # The connection is given up, which must not happen under a call that is still in it.
            self._elsewhere.shutdown(cancel_futures=True)
            raise


def _read(statement: adbc.AdbcStatement) -> pa.Table:
    stream, _ = statement.execute_query()
    with _late_errors():
        return pa.RecordBatchReader.from_stream(stream).read_all()


@contextmanager
def _late_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        # What goes wrong after the first rows comes through Arrow, which knows none of the driver's exceptions.
        raise adbc.OperationalError(str(error), status_code=adbc.AdbcStatusCode.IO) from error
