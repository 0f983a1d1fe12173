"""Ctrl-C: once to stop softly, twice to stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType

from lakehouse_cli.errors import Interrupted, Terminated
from lakehouse_cli.executors.forks import is_kept
from lakehouse_cli.runner.unheeded_signals import left_where_unheeded


class Interrupts:
    """What SIGINT does during a run: the first calls `stop_softly`, in the middle of anything; the second raises."""

    def __init__(self, stop_softly: Callable[[], None]) -> None:
        self._stop_softly = stop_softly
        self._run = ExitStack()
        self._count = 0
        self._is_shielded = self._is_pending = self._has_raised = self._is_command = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Handle SIGINT; nothing outside of the main thread, where Python handles no signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGINT, self._handle)
        self._is_command = is_kept()
        try:
            yield
        finally:
            if previous is not None:  # it was not of Python's
                signal.signal(signal.SIGINT, previous)

    def watched(self) -> AbstractContextManager[object]:
        """What is entered from before `left_where_unheeded` up to the end of the run."""
        return self._run

    @contextmanager
    def left_where_unheeded(self) -> Iterator[None]:
        """Leave a command, within `heeded`, that does not end; a script, or a notebook, has more to lose than the run.

        It starts a thread, so processes are forked before.
        """
        leave = self._run.enter_context(left_where_unheeded()) if self._is_command else None
        try:
            yield
        finally:
            if leave is not None:
                leave()

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

    def raise_lost(self) -> None:
        """Raise again what was raised in a library that made another error of it."""
        if self._has_raised:
            raise Interrupted
        if self._is_command and signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:  # as its handler leaves it
            raise Terminated

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._count += 1
        if self._count == 1:
            self._stop_softly()
        elif self._is_shielded and not self._is_pending:
            self._is_pending = True
        else:
            self._has_raised = True
            raise Interrupted
