"""How far the work at hand is: said where it is done, be it in another process, and heard where the run is led."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Is told the table that is worked on, the source that is read for it, and how many of how many files are read.
Listener = Callable[[str, str, int, int], None]
#: Seconds between two words on the same reading.
PAUSE_S = 1.0

_table: ContextVar[str] = ContextVar("table", default="")
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Have a listener told, in whatever thread it happens, in the place of the one before it."""
    _listeners[:] = [listener]


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener told within the block."""
    before = _listeners.copy()
    listen(listener)
    try:
        yield
    finally:
        _listeners[:] = before


def begin_work(table: str) -> None:
    """Let readings that begin in this thread from now on be those for a table."""
    _table.set(table)


def tell(table: str, source: str, done: int, total: int) -> None:
    """Tell the listener, if there is one."""
    for listener in _listeners:
        listener(table, source, done, total)


class Progress:
    """How far one reading of a source is, for the table that is worked on now.

    Args:
        source: What is read.
    """

    def __init__(self, source: str) -> None:
        self._table, self._source = _table.get(), source
        self._told, self._is_slow = time.monotonic(), False

    def files(self, done: int, total: int) -> None:
        """Say how many of its files are read: now and then, and at the end of one of which it was said before."""
        now = time.monotonic()
        if self._table and (now - self._told >= PAUSE_S or (self._is_slow and done == total)):
            self._told, self._is_slow = now, True
            tell(self._table, self._source, done, total)
