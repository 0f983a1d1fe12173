"""Connections to PostgreSQL that are kept for the next one who needs one: per process, never used by two at once."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse_cli.storage.relational.postgresql_connection import PostgreSQLConnection

#: Seconds after which a connection that nobody used is tried before it is trusted.
_FRESH_S = 5.0


class Connections:
    """Idle connections to one database.

    A forked process finds those of its parent here, forgets them and opens its own.

    Args:
        connect: Opens one.
    """

    def __init__(self, connect: Callable[[], PostgreSQLConnection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[tuple[float, int, PostgreSQLConnection]] = []
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def one(self) -> Iterator[PostgreSQLConnection]:
        """A connection for the block alone; kept afterwards, and closed where the block fails."""
        connection = self._take()
        try:
            yield connection
        except BaseException:
            with suppress(Exception):
                connection.close()
            raise
        with self._lock:
            self._idle.append((time.monotonic(), os.getpid(), connection))

    def close_idle(self) -> None:
        """Close those that nobody uses; the next who needs one opens another."""
        with self._lock:
            _close_all(self._idle)

    def _take(self) -> PostgreSQLConnection:
        while True:
            with self._lock:
                since, process, connection = self._idle.pop() if self._idle else (0.0, 0, None)
            if connection is None:
                return self._connect()
            if process != os.getpid():
                continue
            if time.monotonic() - since < _FRESH_S or connection.is_alive():
                return connection
            with suppress(Exception):
                connection.close()


def _close_all(idle: list[tuple[float, int, PostgreSQLConnection]]) -> None:
    for _, process, connection in idle:
        if process == os.getpid():
            with suppress(Exception):
                connection.close()
    idle.clear()
