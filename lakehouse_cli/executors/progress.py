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


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a listener told, in whatever thread it happens, within the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def working_on(table: str) -> Iterator[None]:
    """Let readings that begin within the block, in this thread, be those for a table."""
    token = _table.set(table)
    try:
        yield
    finally:
        _table.reset(token)


def tell(table: str, source: str, done: int, total: int) -> None:
    """Tell the listener that was added last."""
    if _listeners:
        _listeners[-1](table, source, done, total)


class Progress:
    """How far one reading of a source is, for the table that is worked on now.

    Args:
        source: What is read.
    """

    def __init__(self, source: str) -> None:
        self._table, self._source = _table.get(), source
        self._told = time.monotonic()

    def files(self, done: int, total: int) -> None:
        """Say how many of its files are read; heard now and then, and not for a table that nobody works on."""
        now = time.monotonic()
        if self._table and now - self._told >= PAUSE_S:
            self._told = now
            tell(self._table, self._source, done, total)
