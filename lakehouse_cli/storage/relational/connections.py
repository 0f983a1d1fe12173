"""Connections that are kept for the next one who needs one: per process, and never used by two at once."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

_Connection = TypeVar("_Connection")
#: Seconds after which a connection that nobody used is tried before it is trusted.
_FRESH_S = 5.0


class Connections(Generic[_Connection]):
    """Idle connections to one database.

    A forked process finds those of its parent here, forgets them and opens its own.

    Args:
        connect: Opens one.
        close: Closes one.
        alive: Whether one that was idle still works.
    """

    def __init__(
        self,
        connect: Callable[[], _Connection],
        close: Callable[[_Connection], None],
        alive: Callable[[_Connection], bool],
    ) -> None:
        self._connect = connect
        self._close = close
        self._alive = alive
        self._lock = threading.Lock()
        self._idle: list[tuple[float, int, _Connection]] = []
        weakref.finalize(self, _close_all, self._idle, close)

    def take(self) -> _Connection:
        """A connection for the caller alone, to be given back or thrown away."""
        while True:
            with self._lock:
                since, process, connection = self._idle.pop() if self._idle else (0.0, 0, None)
            if connection is None:
                return self._connect()
            if process != os.getpid():
                continue
            if time.monotonic() - since < _FRESH_S or self._alive(connection):
                return connection
            self.throw_away(connection)

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection that is as it was when it was opened."""
        with self._lock:
            self._idle.append((time.monotonic(), os.getpid(), connection))

    def throw_away(self, connection: _Connection) -> None:
        """Close a connection of which nobody knows how it is."""
        with suppress(Exception):
            self._close(connection)


def _close_all(idle: list[tuple[float, int, Any]], close: Callable[[Any], None]) -> None:
    for _, process, connection in idle:
        if process == os.getpid():
            with suppress(Exception):
                close(connection)
    idle.clear()
