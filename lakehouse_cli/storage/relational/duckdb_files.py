"""DuckDB files of this process: opened while they are used, shared by its threads, and left to others in between.

A file is open in one process for writing or in many for reading, and in one process only one way at a time
(https://duckdb.org/docs/stable/connect/concurrency); so nobody here keeps one longer than a transaction takes. But to
open one takes longer than to store a small table: a run, which has one transaction after the other, keeps it between
them as long as they follow closely, and lets other processes have a turn every second.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.storage_types.duckdb import DUCKDB

_RETRY_S = 0.02
#: Seconds for which a file that may be kept open is left open though nobody uses it: about what opening it takes.
_IDLE_S = 0.03
#: Seconds after which it is closed in any case, and left alone for long enough that another process gets it.
_TURN_S = 1.0
_REST_S = 3 * _RETRY_S
_files: dict[tuple[int, str], DuckDBFile] = {}
_files_lock = threading.Lock()


class DuckDBFile:
    """One file: who is at it, how it is open, and for how long."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._changed = threading.Condition()
        self._connection: Any = None
        self._writable = False
        self._users = 0
        self._writing = False
        self._writers_waiting = 0
        self._keepers = 0
        self._turn_ends = 0.0
        self._rests_until = 0.0

    @contextmanager
    def used(self, *, write: bool, patience: float, config: Mapping[str, Any]) -> Iterator[Any]:
        """A connection for the block; the file is closed again when nobody of this process uses it.

        Args:
            write: Whether to change anything; one at a time does. The file is made where it is not there.
            patience: Seconds to wait for other threads, and for other processes.
            config: Settings of DuckDB, of the storage that opens the file.

        Raises:
            LakehouseError: DuckDB is not installed, or other threads do not leave.
            duckdb.Error: The file cannot be opened.
        """
        limit = time.monotonic() + patience
        connection = self._enter(write, limit, config)
        try:
            yield connection
        finally:
            connection.close()
            self._leave(write)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While the block runs, the file is not opened and closed for each of many transactions that follow closely."""
        with self._changed:
            self._keepers += 1
            if self._keepers == 1:
                threading.Thread(target=self._close_when_idle, name="lakehouse duckdb", daemon=True).start()
        try:
            yield
        finally:
            with self._changed:
                self._keepers -= 1
                if not self._keepers and not self._users:
                    self._close()
                self._changed.notify_all()

    def _close_when_idle(self) -> None:
        with self._changed:
            while self._keepers:
                idle = self._connection is not None and not self._users
                disturbed = self._changed.wait(_IDLE_S if idle else None)
                if idle and not disturbed and not self._users:
                    self._close()

    def _enter(self, write: bool, limit: float, config: Mapping[str, Any]) -> Any:
        with self._changed:
            self._writers_waiting += write
            try:
                self._changed.wait_for(lambda: self._may_enter(write), max(0.0, limit - time.monotonic()))
                if not self._may_enter(write):
                    raise LakehouseError(
                        f"{os.path.basename(self.path)} is in use by other tables of this run",
                        hint="raise the storage's option `lock_timeout`, or run with fewer `--workers`",
                    )
                if not self._users and (self._is_over() or write > self._writable):
                    self._close()
                if self._connection is None:
                    time.sleep(max(0.0, self._rests_until - time.monotonic()))
                    self._connection = _open(self.path, write=write, limit=limit, config=config)
                    self._writable = write
                    self._turn_ends = time.monotonic() + _TURN_S
                connection = self._connection.cursor()
                self._users += 1
                self._writing = self._writing or write
                return connection
            finally:
                self._writers_waiting -= write
                self._changed.notify_all()

    def _may_enter(self, write: bool) -> bool:
        if self._users and self._is_over() and not self._writing:  # which may be for as long as a query takes
            return False
        if write:
            return not self._writing and (self._writable or self._users == 0)
        # Readers do not overtake a writer who waits for readers to leave.
        return self._writable or self._writers_waiting == 0

    def _is_over(self) -> bool:
        """Return whether it is the turn of other processes, for which newcomers have to wait."""
        return time.monotonic() >= self._turn_ends

    def _leave(self, write: bool) -> None:
        with self._changed:
            self._users -= 1
            if write:
                self._writing = False
            if not self._users and (not self._keepers or self._is_over()):
                self._close()
            self._changed.notify_all()

    def _close(self) -> None:
        if self._connection is None:
            return
        self._connection.close()
        self._connection = None
        self._writable = False
        if self._is_over():
            self._rests_until = time.monotonic() + _REST_S


def _open(path: str, *, write: bool, limit: float, config: Mapping[str, Any]) -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise LakehouseError(f"`{error.name}` is not installed", hint=DUCKDB.install) from error
    # Otherwise a name that is no table may be a variable of Python's.
    config = {"python_enable_replacements": False, **config}
    while True:
        try:
            return duckdb.connect(path, read_only=not write, config=config)
        except duckdb.IOException as error:
            if "lock on file" not in str(error) or time.monotonic() >= limit:
                raise
        time.sleep(_RETRY_S)


def duckdb_file(path: str) -> DuckDBFile:
    """Return a file as all of this process share it."""
    key = os.getpid(), os.path.realpath(path)
    with _files_lock:
        return _files.setdefault(key, DuckDBFile(key[1]))
