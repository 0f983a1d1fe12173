"""Ctrl-C: once to stop softly, twice to stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from lakehouse_cli.errors import Interrupted


class Interrupts:
    """What SIGINT does during a run: the first calls `stop_softly`, in the middle of anything; the second raises."""

    def __init__(self, stop_softly: Callable[[], None]) -> None:
        self._stop_softly = stop_softly
        self._count = 0
        self._is_shielded = self._is_pending = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Handle SIGINT; nothing outside of the main thread, where Python handles no signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            if previous is not None:  # it was not of Python's
                signal.signal(signal.SIGINT, previous)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Raise at the end of the block what comes in it, so that it is done once and whole; a third comes through."""
        self._is_shielded = True
        try:
            yield
        finally:
            self._is_shielded = False
        if self._is_pending:
            self._is_pending = False
            raise Interrupted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._count += 1
        if self._count == 1:
            self._stop_softly()
        elif self._is_shielded and not self._is_pending:
            self._is_pending = True
        else:
            raise Interrupted
